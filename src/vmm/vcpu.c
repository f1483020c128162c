/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/util.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"

#define VCPU_STACK_SIZE (64 << 10)

/*
 * The signal has no work to do but to interrupt KVM_RUN. A vCPU that is just about to enter the
 * guest would miss it: run->immediate_exit, set before the signal is sent, catches that case.
 */
static int vcpu_signal(void)
{
	return SIGRTMIN;
}

static void vcpu_signal_handler(int signal)
{
	(void)signal;
}

int vcpu_signal_setup(struct error *err)
{
	struct sigaction action = { .sa_handler = vcpu_signal_handler };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, vcpu_signal());
	/* Whoever started this process may have left it blocked, and threads inherit that. */
	if (sigaction(vcpu_signal(), &action, NULL) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return error_sys(err, -errno, "cannot set the vCPU signal up");
	return 0;
}

static void vcpu_do_io(const struct bus *ports, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			bus_read(ports, run->io.port, data, run->io.size);
		else
			bus_write(ports, run->io.port, data, run->io.size);
	}
}

static void vcpu_do_mmio(const struct bus *mmio, struct kvm_run *run)
{
	if (run->mmio.is_write)
		bus_write(mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

/* Where the vCPU stands, for a message: "at 0x1000: 0f 0b ...". */
static void vcpu_describe(const struct vcpu *vcpu, const uint8_t *insn, unsigned int len, char *buf,
			  size_t size)
{
	struct kvm_regs regs = { 0 };
	size_t used;

	ioctl(vcpu->kvm.fd, KVM_GET_REGS, &regs);
	used = (size_t)snprintf(buf, size, "vCPU %u at 0x%" PRIx64, vcpu->kvm.id, (uint64_t)regs.rip);
	for (unsigned int i = 0; i < len && used + 4 < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%02x", i ? " " : ", instruction ",
					 insn[i]);
}

static void vcpu_internal_error(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->kvm.run;
	const uint8_t *insn = NULL;
	unsigned int len = 0;
	char where[160];

	/* api.rst, KVM_EXIT_INTERNAL_ERROR: the instruction's bytes, where KVM fetched them. */
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->emulation_failure.ndata >= 3 &&
	    (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
		insn = run->emulation_failure.insn_bytes;
		len = (unsigned int)u64_min(run->emulation_failure.insn_size,
					    sizeof(run->emulation_failure.insn_bytes));
	}
	vcpu_describe(vcpu, insn, len, where, sizeof(where));
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		machine_end(vcpu->machine, EXIT_EMULATION, "%s, cannot be emulated: either the guest "
			    "has run wild, or this host's KVM is a software one, without VT-x or "
			    "AMD-V, that needs a kernel built for it", where);
	else
		machine_end(vcpu->machine, EXIT_VCPU, "%s: KVM internal error %" PRIu32, where,
			    run->internal.suberror);
}

static void vcpu_system_event(struct vcpu *vcpu)
{
	switch (vcpu->kvm.run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		machine_end(vcpu->machine, EXIT_POWER_OFF, NULL);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		machine_end(vcpu->machine, EXIT_RESET, NULL);
		break;
	default:
		machine_end(vcpu->machine, EXIT_VCPU, "vCPU %u: system event %" PRIu32,
			    vcpu->kvm.id, vcpu->kvm.run->system_event.type);
	}
}

/* Deal with one exit from the guest. */
static void vcpu_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	char where[160];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu_do_io(&vcpu->machine->ports, run);
		break;
	case KVM_EXIT_MMIO:
		vcpu_do_mmio(&vcpu->machine->mmio, run);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SHUTDOWN:
		machine_end(vcpu->machine, EXIT_TRIPLE_FAULT, "vCPU %u", vcpu->kvm.id);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		vcpu_system_event(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vcpu_internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		machine_end(vcpu->machine, EXIT_VCPU, "vCPU %u: the processor does not enter the guest"
			    " (hardware reason 0x%" PRIx64 ")", vcpu->kvm.id,
			    (uint64_t)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		vcpu_describe(vcpu, NULL, 0, where, sizeof(where));
		machine_end(vcpu->machine, EXIT_VCPU, "%s: unexpected exit %" PRIu32, where,
			    run->exit_reason);
	}
}

/* What KVM_RUN itself can say. Returns whether the vCPU goes on. */
static bool vcpu_run_failed(struct vcpu *vcpu, int error)
{
	char where[160];

	if (error == EINTR || error == EAGAIN)
		return true;
	vcpu_describe(vcpu, NULL, 0, where, sizeof(where));
	machine_end(vcpu->machine, error == ENOMEM || error == EFAULT ? EXIT_HOST : EXIT_VCPU,
		    "%s: KVM_RUN: %s", where, strerror(error));
	return false;
}

/* Wait for the word to start. The kick's signal may come meanwhile. */
static void vcpu_wait_go(struct vcpu *vcpu)
{
	while (sem_wait(&vcpu->go) < 0 && errno == EINTR)
		;
}

static bool vcpu_ending(struct vcpu *vcpu)
{
	return atomic_load(&vcpu->stop) || atomic_load(&vcpu->machine->ended);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	int r = sandbox_seal(SANDBOX_VCPU, vcpu->filter, &vcpu->error);

	sem_post(&vcpu->sealed);
	if (r < 0)
		return NULL;
	vcpu_wait_go(vcpu);
	while (!vcpu_ending(vcpu)) {
		if (ioctl(vcpu->kvm.fd, KVM_RUN, 0) < 0) {
			if (!vcpu_run_failed(vcpu, errno))
				break;
			continue;
		}
		vcpu_exit(vcpu);
	}
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, enum sandbox_filter filter, struct error *err)
{
	pthread_attr_t attr;
	int r;

	vcpu->filter = filter;
	sem_init(&vcpu->sealed, 0, 0);
	sem_init(&vcpu->go, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK_SIZE);
	r = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return error_sys(err, -r, "cannot start the thread of vCPU %u", vcpu->kvm.id);
	vcpu->started = true;
	return 0;
}

int vcpu_wait_sealed(struct vcpu *vcpu, struct error *err)
{
	while (sem_wait(&vcpu->sealed) < 0 && errno == EINTR)
		;
	if (vcpu->error.code == 0)
		return 0;
	*err = vcpu->error;
	return error_wrap(err, "vCPU %u", vcpu->kvm.id);
}

void vcpu_run(struct vcpu *vcpu)
{
	sem_post(&vcpu->go);
}

void vcpu_kick(struct vcpu *vcpu)
{
	atomic_store(&vcpu->stop, true);
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->kvm.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	sem_post(&vcpu->go);
	pthread_kill(vcpu->thread, vcpu_signal());
}

void vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
