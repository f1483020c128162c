/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - the system calls that a thread may make. The table is seccomp/policy; it becomes BPF
 * when the program is built (seccomp/compile.c).
 */
#ifndef VOLT_SANDBOX_SECCOMP_H
#define VOLT_SANDBOX_SECCOMP_H

#include <stdbool.h>

#include "base/error.h"

enum sandbox_role {
	SANDBOX_VCPU,		/* runs the guest, and answers its accesses */
	SANDBOX_DEVICE,		/* the main thread: event loop, disks, console */
	SANDBOX_API,		/* the HTTP API's thread; there is none yet */
	SANDBOX_ROLES,
};

/*
 * Put the role's filter on the calling thread, for good. The thread has no_new_privs (prctl(2)). A
 * call outside of the policy then ends the process with SIGSYS, or, with @log, is written to the
 * kernel's log and carried out.
 *
 * Errors: -EACCES without no_new_privs, -ENOSYS and -EOPNOTSUPP on a kernel without seccomp filters
 * or older than Linux 4.14, others of seccomp(2). Nothing is installed then.
 */
int seccomp_enter(enum sandbox_role role, bool log, struct error *err);

/* How many different system calls the role's filter lets pass, some only with conditions. */
unsigned int seccomp_allowed(enum sandbox_role role);

/* The same for all roles that a thread has, together. */
unsigned int seccomp_allowed_union(void);

/* The name of an x86-64 system call, such as "openat"; NULL if the number has none. */
const char *seccomp_call_name(int number);

#endif
