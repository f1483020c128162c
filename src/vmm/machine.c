/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a VM comes to be. machine_open() and machine_build() go through the stages of the two tables
 * below, in order; each says what kind of failure its own is. Where the order matters, the stage
 * says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "devices/virtio/blk.h"
#include "vmm/machine.h"

#define DRAIN_MS 5000	/* how long the last output may take to leave */

/* ---- files ---- */

static int open_image(const char *path, const char *what, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return error_sys(err, -errno, "cannot open the %s %s", what, path);
	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot look at the %s %s", what, path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, -EISDIR, "the %s %s is a directory, not a file", what, path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "the %s %s is not a regular file", what, path);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int stage_open_files(struct machine *m, struct error *err)
{
	const struct machine_config *config = m->config;
	int r;

	r = open_image(config->kernel, "kernel", &m->kernel_fd, err);
	if (r == 0 && config->initrd)
		r = open_image(config->initrd, "initrd", &m->initrd_fd, err);
	if (r < 0 || !config->rootfs)
		return r;
	r = block_raw_open(config->rootfs, config->rootfs_read_only, &m->disk[0].backend, err);
	if (r < 0)
		return error_wrap(err, "--rootfs");
	m->disk_count = 1;
	return 0;
}

/* ---- KVM ---- */

static int stage_open_kvm(struct machine *m, struct error *err)
{
	return kvm_open(&m->kvm, err);
}

/* ---- sandbox ---- */

/* The supervisor keeps the streams as they are; a VM needs less of them. */
static int stage_take_streams(struct machine *m, struct error *err)
{
	(void)err;
	console_open(&m->console);
	return 0;
}

/*
 * No other thread now: a thread keeps the privileges that it was started with. Not earlier, because
 * the supervisor makes the network namespace meanwhile, which takes as long as making the VM.
 */
static int stage_enter_sandbox(struct machine *m, struct error *err)
{
	int r = sandbox_enter(m->sandbox, err);

	if (r == 0)
		sandbox_describe(m->sandbox, m->wall, sizeof(m->wall));
	return r;
}

/* Before the device thread is sealed, which cannot start any then. */
static int stage_start_threads(struct machine *m, struct error *err)
{
	int r = vcpu_signal_setup(err);

	for (unsigned int i = 0; r == 0 && i < m->vcpu_count; i++)
		r = vcpu_start(&m->vcpu[i], m->sandbox->config->filter, err);
	return r;
}

/* Everything that takes a special call has been made; what follows reads hostile bytes. */
static int stage_seal(struct machine *m, struct error *err)
{
	enum sandbox_filter filter = m->sandbox->config->filter;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < m->vcpu_count; i++)
		r = vcpu_wait_sealed(&m->vcpu[i], err);
	return r < 0 ? r : sandbox_seal(SANDBOX_DEVICE, filter, err);
}

/* ---- VM ---- */

static int stage_create_memory(struct machine *m, struct error *err)
{
	return guest_memory_create(&m->mem, m->config->memory, m->config->huge_pages, err);
}

static int stage_create_vm(struct machine *m, struct error *err)
{
	int r;

	kvm_cpuid_start(&m->kvm);	/* the answer is wanted for the vCPUs */
	r = kvm_vm_create(&m->kvm, &m->vm_fd, err);
	/* Memory before the irqchip and the ioeventfds: after them a slot costs 7 ms (kvm/kvm.h). */
	if (r == 0)
		r = kvm_vm_set_memory(m->vm_fd, &m->mem, err);
	if (r == 0)
		r = kvm_vm_create_irqchip(m->vm_fd, LAYOUT_TSS, err);
	return r;
}

/* ---- devices ---- */

static int irq_line_connect(struct machine *m, struct irq_line *line, uint32_t gsi,
			    struct error *err)
{
	line->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (line->event_fd < 0)
		return error_sys(err, -errno, "cannot make an eventfd for interrupt line %" PRIu32, gsi);
	return kvm_vm_irqfd(m->vm_fd, line->event_fd, gsi, err);
}

static void guest_asks_reset(void *ctx)
{
	machine_end(ctx, EXIT_RESET, NULL);
}

static void guest_powers_off(void *ctx, uint8_t status)
{
	struct machine *m = ctx;

	pthread_mutex_lock(&m->end_lock);
	if (!m->ended)
		m->end_status = status;
	pthread_mutex_unlock(&m->end_lock);
	machine_end(m, EXIT_POWER_OFF, NULL);
}

static void console_asks_stop(void *ctx)
{
	machine_end(ctx, EXIT_STOPPED, "by Ctrl-A x on the console");
}

static void console_presses_button(void *ctx)
{
	struct machine *m = ctx;

	stop_request(&m->stop, "Ctrl-A p on the console");
}

static int stage_create_loop(struct machine *m, struct error *err)
{
	int r = loop_init(&m->loop, err);

	if (r == 0)
		r = link_init(&m->link, m, fd_take(&m->link_fd), &m->loop, err);
	return r < 0 ? r : stop_init(&m->stop, m, err);
}

static int stage_create_legacy_devices(struct machine *m, struct error *err)
{
	struct power_hooks power_hooks = {
		.power_off = guest_powers_off, .reset = guest_asks_reset, .ctx = m,
	};
	struct console_hooks console_hooks = {
		.stop = console_asks_stop, .button = console_presses_button, .ctx = m,
	};
	struct serial_backend backend = console_backend(&m->console);
	int r;

	r = irq_line_connect(m, &m->serial_irq, LAYOUT_GSI_SERIAL, err);
	if (r == 0)
		r = irq_line_connect(m, &m->power_irq, LAYOUT_GSI_POWER, err);
	if (r == 0)
		r = console_init(&m->console, &m->loop, &m->serial, &console_hooks, err);
	if (r < 0)
		return r;
	serial_init(&m->serial, &m->serial_irq, &backend);
	i8042_init(&m->i8042, guest_asks_reset, m);
	power_init(&m->power, &m->power_irq, &power_hooks);

	r = bus_add(&m->ports, LAYOUT_PORT_SERIAL, 8, &serial_bus_ops, &m->serial, err);
	if (r == 0)
		r = bus_add(&m->ports, LAYOUT_PORT_I8042_DATA, 1, &i8042_data_ops, &m->i8042, err);
	if (r == 0)
		r = bus_add(&m->ports, LAYOUT_PORT_I8042_CMD, 1, &i8042_cmd_ops, &m->i8042, err);
	if (r == 0)
		r = bus_add(&m->ports, LAYOUT_PORT_POWER, POWER_PORTS, &power_bus_ops, &m->power, err);
	return r;
}

static void virtio_kicked(void *ctx, uint32_t events)
{
	struct machine_kick *kick = ctx;

	(void)events;
	virtio_mmio_kick(&kick->owner->transport, kick->queue);
}

/* Each queue's notification goes from KVM straight to the device thread, by an ioeventfd. */
static int virtio_connect_queue(struct machine *m, struct machine_virtio *v, unsigned int queue,
				uint64_t base, struct error *err)
{
	struct machine_kick *kick = &v->kick[queue];
	int fd = v->transport.kick_fd[queue], r;

	*kick = (struct machine_kick){
		.owner = v, .queue = queue,
		.source = { .fd = fd, .ready = virtio_kicked, .ctx = kick },
	};
	r = kvm_vm_ioeventfd(m->vm_fd, fd, base + VIRTIO_MMIO_QUEUE_NOTIFY, queue, err);
	if (r < 0)
		return r;
	r = loop_watch(&m->loop, &kick->source, EPOLLIN);
	return r < 0 ? error_sys(err, r, "cannot watch virtio queue %u", queue) : 0;
}

/* Give @dev the next window and interrupt line. */
static int machine_add_virtio(struct machine *m, struct virtio_device *dev, struct error *err)
{
	struct machine_virtio *v = &m->virtio[m->virtio_count];
	uint64_t base = LAYOUT_VIRTIO_BASE + m->virtio_count * LAYOUT_VIRTIO_STRIDE;
	uint32_t gsi = LAYOUT_GSI_VIRTIO + m->virtio_count;
	int r;

	if (m->virtio_count == LAYOUT_VIRTIO_MAX)
		return error_set(err, -ENOSPC, "too many devices: a VM has room for %d",
				 LAYOUT_VIRTIO_MAX);
	*v = (struct machine_virtio){ .machine = m, .dev = dev, .irq.event_fd = -1 };
	r = virtio_mmio_init(&v->transport, dev, &v->irq, err);
	if (r < 0)
		return r;
	m->virtio_count++;	/* from here on machine_destroy() releases it */
	r = irq_line_connect(m, &v->irq, gsi, err);
	for (unsigned int i = 0; r == 0 && i < dev->queue_count; i++)
		r = virtio_connect_queue(m, v, i, base, err);
	if (r == 0)
		r = bus_add(&m->mmio, base, VIRTIO_MMIO_WINDOW, &virtio_mmio_bus_ops, &v->transport,
			    err);
	return r;
}

static int stage_create_virtio_devices(struct machine *m, struct error *err)
{
	for (unsigned int i = 0; i < m->disk_count; i++) {
		struct machine_disk *disk = &m->disk[i];
		int r = virtio_blk_create(disk->backend, &m->mem, &disk->dev, err);

		if (r == 0)
			r = machine_add_virtio(m, disk->dev, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- kernel ---- */

/* The root disk, writable if it is and unless the user said "ro". */
static const char *machine_root_param(const struct machine *m, const struct cmdline *line)
{
	if (m->config->rootfs_read_only)
		return "root=/dev/vda ro";
	return cmdline_has(line, "ro") ? "root=/dev/vda" : "root=/dev/vda rw";
}

/*
 * The user's line, then the root disk unless the user named one, then each virtio device for
 * kernels that look for them here and not in ACPI.
 */
static int machine_make_cmdline(struct machine *m, struct cmdline *line, struct error *err)
{
	const struct machine_config *config = m->config;
	char param[64];
	int r;

	r = cmdline_add(line, config->cmdline ? config->cmdline : CONFIG_CMDLINE_DEFAULT, err);
	if (r < 0)
		return error_wrap(err, "--cmdline");
	if (config->cmdline_append)
		r = cmdline_add(line, config->cmdline_append, err);
	if (r < 0)
		return error_wrap(err, "--cmdline-append");
	if (config->rootfs && !cmdline_has(line, "root="))
		r = cmdline_add_param(line, machine_root_param(m, line), err);
	for (unsigned int i = 0; r == 0 && i < m->virtio_count; i++) {
		snprintf(param, sizeof(param), "virtio_mmio.device=4K@0x%" PRIx64 ":%u",
			 LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE, LAYOUT_GSI_VIRTIO + i);
		r = cmdline_add_param(line, param, err);
	}
	return r;
}

static int stage_load_kernel(struct machine *m, struct error *err)
{
	struct boot_machine tables = {
		.cpus = (unsigned int)m->config->cpus, .virtio_count = m->virtio_count,
	};
	struct cmdline line = { 0 };
	struct initrd initrd = { 0 };
	int r;

	for (unsigned int i = 0; i < m->virtio_count; i++)
		tables.virtio[i] = (struct boot_virtio){
			.base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE,
			.gsi = LAYOUT_GSI_VIRTIO + i,
		};
	r = kernel_load(m->kernel_fd, m->config->kernel, &m->mem, &m->kernel, err);
	if (r == 0 && m->initrd_fd >= 0)
		r = initrd_load(m->initrd_fd, m->config->initrd, &m->mem, &m->kernel, &initrd, err);
	if (r == 0)
		r = machine_make_cmdline(m, &line, err);
	if (r == 0)
		r = boot_info_write(&m->mem, &m->kernel, &initrd, &line, err);
	if (r == 0)
		r = mptable_write(&m->mem, &tables, err);
	if (r == 0)
		r = acpi_write(&m->mem, &tables, err);
	fd_close(&m->kernel_fd);
	fd_close(&m->initrd_fd);
	return r;
}

/* ---- vCPUs ---- */

static int stage_create_vcpus(struct machine *m, struct error *err)
{
	unsigned int count = (unsigned int)m->config->cpus;
	int r;

	r = kvm_cpuid_finish(&m->kvm, err);
	for (unsigned int i = 0; r == 0 && i < count; i++) {
		struct vcpu *vcpu = &m->vcpu[i];

		vcpu->machine = m;
		r = kvm_vcpu_create(&m->kvm, m->vm_fd, i, count, &vcpu->kvm, err);
		if (r == 0)
			m->vcpu_count++;
	}
	if (r == 0)
		fd_close(&m->kvm.fd);	/* it has no further use */
	return r;
}

/* The others stay as KVM makes them: waiting for the boot processor's start-up message. */
static int stage_set_boot_vcpu(struct machine *m, struct error *err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int r = kvm_vcpu_get_sregs(&m->vcpu[0].kvm, &sregs, err);

	if (r < 0)
		return r;
	boot_vcpu_regs(&m->kernel, &sregs, &regs);
	return kvm_vcpu_set_regs(&m->vcpu[0].kvm, &sregs, &regs, err);
}

/* ---- life ---- */

struct stage {
	int (*run)(struct machine *m, struct error *err);
	enum exit_reason failure;
};

static const struct stage open_stages[] = {
	{ stage_open_files,		EXIT_IMAGE },
	{ stage_open_kvm,		EXIT_KVM },
};

static const struct stage build_stages[] = {
	{ stage_take_streams,		EXIT_HOST },
	{ stage_create_memory,		EXIT_HOST },
	{ stage_create_vm,		EXIT_KVM },
	{ stage_create_loop,		EXIT_HOST },
	{ stage_create_legacy_devices,	EXIT_HOST },
	{ stage_create_virtio_devices,	EXIT_HOST },
	{ stage_create_vcpus,		EXIT_KVM },
	{ stage_enter_sandbox,		EXIT_SANDBOX },
	{ stage_start_threads,		EXIT_HOST },
	{ stage_seal,			EXIT_SANDBOX },
	{ stage_load_kernel,		EXIT_IMAGE },
	{ stage_set_boot_vcpu,		EXIT_KVM },
};

static int machine_run_stages(struct machine *m, const struct stage *stage, size_t count,
			      enum exit_reason *ret_reason, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = stage[i].run(m, err);

		if (r < 0) {
			*ret_reason = stage[i].failure;
			return r;
		}
	}
	return 0;
}

static struct machine *machine_alloc(const struct machine_config *config)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->config = config;
	m->link_fd = m->link.source.fd = -1;
	m->kernel_fd = m->initrd_fd = m->vm_fd = m->kvm.fd = -1;
	m->serial_irq.event_fd = m->power_irq.event_fd = -1;
	m->loop.epoll_fd = m->loop.stop_fd = -1;
	m->stop.timer.fd = m->console.wake.fd = -1;
	m->ports.name = "port";
	m->mmio.name = "MMIO";
	pthread_mutex_init(&m->end_lock, NULL);
	return m;
}

int machine_open(const struct machine_config *config, struct machine **ret_machine,
		 enum exit_reason *ret_reason, struct error *err)
{
	struct machine *m = machine_alloc(config);
	int r;

	if (!m) {
		*ret_reason = EXIT_HOST;
		return error_sys(err, -ENOMEM, "the machine");
	}
	r = machine_run_stages(m, open_stages, ARRAY_SIZE(open_stages), ret_reason, err);
	if (r < 0) {
		machine_destroy(m);
		return r;
	}
	*ret_machine = m;
	return 0;
}

int machine_build(struct machine *machine, struct sandbox *sandbox, int link_fd,
		  enum exit_reason *ret_reason, struct error *err)
{
	machine->sandbox = sandbox;
	machine->link_fd = link_fd;
	return machine_run_stages(machine, build_stages, ARRAY_SIZE(build_stages), ret_reason, err);
}

static void machine_stop_vcpus(struct machine *m)
{
	for (unsigned int i = 0; i < m->vcpu_count; i++)
		vcpu_kick(&m->vcpu[i]);
	for (unsigned int i = 0; i < m->vcpu_count; i++)
		vcpu_join(&m->vcpu[i]);
}

enum exit_reason machine_run(struct machine *machine, uint8_t *ret_status)
{
	link_report(machine->link.source.fd, REPORT_RUNNING, 0, machine->wall);
	console_start(&machine->console);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_run(&machine->vcpu[i]);
	loop_run(&machine->loop);
	machine_stop_vcpus(machine);
	console_drain(&machine->console, DRAIN_MS);
	*ret_status = machine->end_status;
	return machine->end_reason;
}

const char *machine_end_detail(const struct machine *machine)
{
	return machine->end_detail;
}

void machine_end(struct machine *machine, enum exit_reason reason, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&machine->end_lock);
	if (!machine->ended) {
		machine->ended = true;
		machine->end_reason = reason;
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(machine->end_detail, sizeof(machine->end_detail), fmt, ap);
			va_end(ap);
		}
	}
	pthread_mutex_unlock(&machine->end_lock);
	loop_stop(&machine->loop);
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	machine_stop_vcpus(machine);
	console_destroy(&machine->console);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		kvm_vcpu_destroy(&machine->vcpu[i].kvm);
	for (unsigned int i = 0; i < machine->virtio_count; i++) {
		virtio_mmio_destroy(&machine->virtio[i].transport);
		fd_close(&machine->virtio[i].irq.event_fd);
	}
	for (unsigned int i = 0; i < machine->disk_count; i++) {
		virtio_blk_destroy(machine->disk[i].dev);
		block_destroy(machine->disk[i].backend);
	}
	stop_destroy(&machine->stop);
	link_destroy(&machine->link);
	fd_close(&machine->link_fd);
	loop_destroy(&machine->loop);
	fd_close(&machine->serial_irq.event_fd);
	fd_close(&machine->power_irq.event_fd);
	fd_close(&machine->vm_fd);
	kvm_close(&machine->kvm);
	guest_memory_destroy(&machine->mem);
	fd_close(&machine->kernel_fd);
	fd_close(&machine->initrd_fd);
	pthread_mutex_destroy(&machine->end_lock);
	free(machine);
}
