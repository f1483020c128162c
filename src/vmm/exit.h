/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit.h - why a monitor ended, in numbers and words. The numbers are part of the interface: they
 * are in the man page, and a test compares the two.
 */
#ifndef VOLT_VMM_EXIT_H
#define VOLT_VMM_EXIT_H

#include <stdint.h>

/* Below this: the guest powered off and the number is its workload's status. */
#define EXIT_GUEST_MAX 199

enum exit_reason {
	EXIT_POWER_OFF,		/* the guest powered off */
	EXIT_RESET,		/* the guest asked for a reset */
	EXIT_TRIPLE_FAULT,	/* the guest's processor shut down */
	EXIT_STOPPED,		/* ended hard by a signal or the console's escape */
	EXIT_NO_ANSWER,		/* the power button was pressed and the guest did not power off */
	EXIT_USAGE,		/* a wrong option or value */
	EXIT_IMAGE,		/* a kernel, initrd or disk that cannot be used */
	EXIT_KVM,		/* no usable /dev/kvm */
	EXIT_EMULATION,		/* this host's KVM cannot run this guest */
	EXIT_HOST,		/* the host refused a resource: memory, a thread, a descriptor */
	EXIT_VCPU,		/* KVM stopped a vCPU for a reason of its own */
	EXIT_SANDBOX,		/* the sandbox could not be had, or killed the VM process */
	EXIT_REASONS,
};

/* The process's exit status. @guest_status counts for EXIT_POWER_OFF only, cut to EXIT_GUEST_MAX. */
int exit_reason_code(enum exit_reason reason, uint8_t guest_status);

/* One line of words, no full stop. */
const char *exit_reason_text(enum exit_reason reason);

#endif
