/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.h - a thread a vCPU: run the guest, hand its port and MMIO accesses to the buses, end the
 * machine when KVM says that it cannot go on. Registers only: data moves on the device thread.
 */
#ifndef VOLT_VMM_VCPU_H
#define VOLT_VMM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "devices/bus.h"
#include "kvm/kvm.h"
#include "vmm/exit.h"

struct machine;

struct vcpu {
	struct kvm_vcpu kvm;
	struct machine *machine;
	pthread_t thread;
	bool started;
	atomic_bool stop;
};

/*
 * Once per process, before any vcpu_start() and on the thread that calls it: the signal that takes a
 * vCPU out of the guest.
 */
int vcpu_signal_setup(struct error *err);

/* Start the thread; the guest runs from here on. */
int vcpu_start(struct vcpu *vcpu, struct error *err);

/* Ask the thread to leave the guest and end; returns at once. */
void vcpu_kick(struct vcpu *vcpu);

/* Wait for the thread's end. */
void vcpu_join(struct vcpu *vcpu);

#endif
