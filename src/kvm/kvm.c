/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"

#define KVM_PATH "/dev/kvm"
#define KVM_VERSION 12		/* api.rst 4.1: the only version there is since Linux 2.6.22 */

/* Required capabilities (api.rst 4.4). The name is for the user's search engine. */
static const struct capability {
	int number;
	const char *name;
} capabilities[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
};

static int kvm_open_device(int *ret_fd, struct error *err)
{
	int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	switch (errno) {
	case ENOENT:
		return error_set(err, -ENOENT, KVM_PATH " does not exist: this kernel has no KVM, or "
				 "its module is not loaded (modprobe kvm_intel or kvm_amd; in a VM, "
				 "nested virtualisation must be on)");
	case EACCES:
	case EPERM:
		return error_set(err, -EACCES, "no permission to open " KVM_PATH " for reading and "
				 "writing: add this user to the group that owns it (usually kvm)");
	case ENODEV:
	case ENXIO:
		return error_set(err, -ENODEV, KVM_PATH " is there but has no driver behind it: load "
				 "kvm_intel or kvm_amd (virtualisation may be off in the firmware)");
	default:
		return error_sys(err, -errno, "cannot open " KVM_PATH);
	}
}

static int kvm_check(int fd, struct error *err)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set(err, -ENOTTY, KVM_PATH " is not a KVM device: it does not know "
				 "KVM_GET_API_VERSION");
	if (version != KVM_VERSION)
		return error_set(err, -EPROTO, KVM_PATH " has API version %d, this monitor needs %d",
				 version, KVM_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, capabilities[i].number) <= 0)
			return error_set(err, -EOPNOTSUPP, "this host's KVM lacks %s, which this "
					 "monitor needs", capabilities[i].name);
	}
	return 0;
}

int kvm_open(struct kvm *ret_kvm, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	int run_size, r;

	r = kvm_open_device(&fd, err);
	if (r < 0)
		return r;
	r = kvm_check(fd, err);
	if (r < 0)
		return r;
	run_size = ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < (int)sizeof(struct kvm_run))
		return error_set(err, -EPROTO, "this host's KVM says a vCPU's shared page has %d bytes,"
				 " which is too few", run_size);
	*ret_kvm = (struct kvm){
		.run_size = (size_t)run_size,
		.tsc_deadline = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	ret_kvm->fd = fd_take(&fd);
	return 0;
}

void kvm_close(struct kvm *kvm)
{
	if (kvm->cpuid_job.started)	/* a failure came between the start and the finish */
		(void)kvm_cpuid_finish(kvm, NULL);
	fd_close(&kvm->fd);
	mem_free(&kvm->cpuid);
}

int kvm_vm_create(const struct kvm *kvm, int *ret_vm_fd, struct error *err)
{
	int fd;

	do {
		fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return error_sys(err, -errno, "this host's KVM cannot create a VM");
	*ret_vm_fd = fd;
	return 0;
}

int kvm_vm_set_memory(int vm_fd, const struct guest_memory *mem, struct error *err)
{
	for (unsigned int i = 0; i < mem->region_count; i++) {
		const struct guest_region *region = &mem->region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->gpa,
			.memory_size = region->size,
			.userspace_addr = (uint64_t)region->hva,
		};

		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return error_sys(err, -errno, "KVM does not take %" PRIu64 " MiB of guest memory",
					 mem->size >> 20);
	}
	return 0;
}

/*
 * KVM's PICs start with all lines open and vectors from 0, and its LAPIC lets them pass. A kernel
 * which ACPI tells that there are none does not touch them: the first edge on one of the low lines
 * would reach it as an exception. Firmware leaves all lines masked, and so do we. Whoever uses the
 * PICs initialises them, which opens the lines again.
 */
static int kvm_vm_mask_pics(int vm_fd, struct error *err)
{
	static const uint32_t pics[] = { KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE };

	for (size_t i = 0; i < ARRAY_SIZE(pics); i++) {
		struct kvm_irqchip chip = { .chip_id = pics[i] };

		if (ioctl(vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return error_sys(err, -errno, "cannot read PIC %zu", i);
		chip.chip.pic.imr = 0xff;
		if (ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
			return error_sys(err, -errno, "cannot mask PIC %zu", i);
	}
	return 0;
}

int kvm_vm_create_irqchip(int vm_fd, uint64_t tss_addr, struct error *err)
{
	/* No speaker, but the guest may use port 0x61 to time the PIT's channel 2. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, tss_addr) < 0)
		return error_sys(err, -errno, "KVM_SET_TSS_ADDR failed");
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_sys(err, -errno, "KVM cannot create the interrupt controllers");
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return error_sys(err, -errno, "KVM cannot create the PIT");
	return kvm_vm_mask_pics(vm_fd, err);
}

int kvm_vm_irqfd(int vm_fd, int event_fd, uint32_t gsi, struct error *err)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = gsi };

	if (ioctl(vm_fd, KVM_IRQFD, &irqfd) < 0)
		return error_sys(err, -errno, "cannot connect interrupt line %" PRIu32, gsi);
	return 0;
}

int kvm_vm_ioeventfd(int vm_fd, int event_fd, uint64_t addr, uint32_t value, struct error *err)
{
	struct kvm_ioeventfd io = {
		.datamatch = value,
		.addr = addr,
		.len = sizeof(value),
		.fd = event_fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(vm_fd, KVM_IOEVENTFD, &io) < 0)
		return error_sys(err, -errno, "cannot connect the notification at 0x%" PRIx64, addr);
	return 0;
}
