/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.h - a thread a vCPU: run the guest, hand its port and MMIO accesses to the buses, end the
 * machine when KVM says that it cannot go on. Registers only: data moves on the device thread.
 */
#ifndef VOLT_VMM_VCPU_H
#define VOLT_VMM_VCPU_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "devices/bus.h"
#include "kvm/kvm.h"
#include "sandbox/sandbox.h"
#include "vmm/exit.h"

struct machine;

struct vcpu {
	struct kvm_vcpu kvm;
	struct machine *machine;
	pthread_t thread;
	enum sandbox_filter filter;
	bool started;
	atomic_bool stop;
	sem_t sealed;		/* posted by the thread: its filter is in place, or error tells why not */
	sem_t go;		/* posted to it: run the guest, or end if stop is set */
	struct error error;	/* the thread's until it posts sealed */
};

/*
 * Once per process, before any vcpu_start() and on the thread that calls it: the signal that takes a
 * vCPU out of the guest.
 */
int vcpu_signal_setup(struct error *err);

/*
 * Start the thread. It shuts itself into the vCPU's seccomp filter, as @filter says, and waits. Returns
 * at once.
 */
int vcpu_start(struct vcpu *vcpu, enum sandbox_filter filter, struct error *err);

/* Wait until the thread is in its filter; fails if it could not. */
int vcpu_wait_sealed(struct vcpu *vcpu, struct error *err);

/* The guest runs from here on. */
void vcpu_run(struct vcpu *vcpu);

/* Ask the thread to leave the guest, or not to enter it, and to end; returns at once. */
void vcpu_kick(struct vcpu *vcpu);

/* Wait for the thread's end. */
void vcpu_join(struct vcpu *vcpu);

#endif
