/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm/ - thin wrappers over the KVM API (Documentation/virt/kvm/api.rst): what the host's KVM can
 * do, the VM, its memory slots and interrupt lines, vCPUs, CPUID, MSRs. Knows nothing of devices.
 *
 * Everything here runs on the thread that builds the machine unless said otherwise. The order of
 * calls matters for time: memory slots come before the irqchip and any ioeventfd, because those
 * leave an SRCU grace period pending that a later slot change has to wait for (7 ms).
 */
#ifndef VOLT_KVM_H
#define VOLT_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "guestmem/guestmem.h"

#define KVM_VCPUS_MAX 32

/* The one question that takes KVM long (300 us): asked on a thread of its own. */
struct kvm_cpuid_job {
	bool started;
	pthread_t thread;
	int kvm_fd;
	int result;			/* of the thread, valid once it is joined */
	struct kvm_cpuid2 *cpuid;
	struct error error;
};

struct kvm {
	int fd;				/* /dev/kvm */
	size_t run_size;		/* bytes of each vCPU's struct kvm_run mapping */
	bool tsc_deadline;		/* the in-kernel LAPIC has the TSC deadline timer */
	struct kvm_cpuid2 *cpuid;	/* what the host supports; asked for once */
	struct kvm_cpuid_job cpuid_job;
};

/*
 * Open /dev/kvm and check what it offers. The error tells a missing device, a lack of permission,
 * something that is not KVM, a wrong API version and a missing capability from each other.
 */
int kvm_open(struct kvm *ret_kvm, struct error *err);
void kvm_close(struct kvm *kvm);

/* Create a VM; goes on after EINTR, which a loaded host returns. Returns its descriptor. */
int kvm_vm_create(const struct kvm *kvm, int *ret_vm_fd, struct error *err);

/* Give the VM its RAM: one memory slot a region. Before kvm_vm_create_irqchip(). */
int kvm_vm_set_memory(int vm_fd, const struct guest_memory *mem, struct error *err);

/*
 * LAPICs, IOAPIC, PICs (with all lines masked) and PIT in the kernel; the TSS pages that VT-x needs
 * at @tss_addr.
 */
int kvm_vm_create_irqchip(int vm_fd, uint64_t tss_addr, struct error *err);

/* A write to @event_fd raises @gsi once (edge). */
int kvm_vm_irqfd(int vm_fd, int event_fd, uint32_t gsi, struct error *err);

/* A guest's 32-bit write of @value to MMIO address @addr signals @event_fd, with no exit. */
int kvm_vm_ioeventfd(int vm_fd, int event_fd, uint64_t addr, uint32_t value, struct error *err);

struct kvm_vcpu {
	int fd;
	unsigned int id;		/* also its APIC id */
	struct kvm_run *run;		/* shared with the kernel; the vCPU's own thread reads it */
	size_t run_size;
};

/* Create vCPU @id (0 is the boot processor) and set its CPUID and first MSRs, in this order. */
int kvm_vcpu_create(const struct kvm *kvm, int vm_fd, unsigned int id, unsigned int count,
		    struct kvm_vcpu *ret_vcpu, struct error *err);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);

int kvm_vcpu_get_sregs(const struct kvm_vcpu *vcpu, struct kvm_sregs *ret_sregs, struct error *err);
int kvm_vcpu_set_regs(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs,
		      const struct kvm_regs *regs, struct error *err);

/*
 * cpuid.c: fetch the host's table into kvm->cpuid. The start returns at once, while a thread asks
 * (where there can be none, the finish asks itself); kvm->cpuid is there after the finish.
 */
void kvm_cpuid_start(struct kvm *kvm);
int kvm_cpuid_finish(struct kvm *kvm, struct error *err);

/*
 * cpuid.c: complete the host's table by the subleaves that kvm_cpuid_edit() fills and KVM leaves
 * out. The object has room for KVM_CPUID_ENTRIES_ADDED entries beyond its own.
 */
#define KVM_CPUID_ENTRIES_ADDED 2
void kvm_cpuid_add_core_levels(struct kvm_cpuid2 *cpuid);

/*
 * cpuid.c: edit a copy of the host's table for vCPU @id of @count: one socket, a core a vCPU, one
 * thread a core, APIC id = vCPU id.
 */
void kvm_cpuid_edit(struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int count,
		    bool tsc_deadline);

#endif
