/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges.h - what a process takes away from itself: descriptors, environment, limits,
 * capabilities. Nothing here needs a privilege, and nothing can be taken back afterwards.
 *
 * Order: limit_fds and clear_environment in the first process, before it opens anything; in the VM
 * process limit_resources, deny_gain, drop after jail_enter() and before Landlock. All functions act on the calling process or thread: call
 * them while it has one thread; threads made later inherit the state.
 */
#ifndef VOLT_SANDBOX_PRIVILEGES_H
#define VOLT_SANDBOX_PRIVILEGES_H

#include <stddef.h>

#include "base/error.h"

/*
 * Close every descriptor but 0, 1, 2 and those of @keep (any order, entries below 3 and repeated
 * ones allowed). Must leave no other descriptor open when it returns 0. Needs close_range(2)
 * (Linux 5.9) or a readable /proc/self/fd; fails with the reason when there is neither.
 */
int privileges_limit_fds(const int *keep, size_t nr, struct error *err);

/*
 * Empty the environment and overwrite its strings, so that neither the process nor
 * /proc/PID/environ has them. Strings that getenv() returned before are empty afterwards.
 */
void privileges_clear_environment(void);

/*
 * No core dumps (a core holds the guest's memory), and no descriptor number at or above @max_fds
 * from now on; open ones stay open. Lowers the hard limits too and never raises one. The number
 * of processes is not limited: it counts per user, not per VM.
 */
int privileges_limit_resources(unsigned int max_fds, struct error *err);

/*
 * no_new_privs: execve() grants nothing any more (prctl(2)); also what lets a process without
 * privileges use Landlock and seccomp. And not dumpable: no other process of the user can attach
 * to this one or read its memory, and its files in /proc belong to root. Must come after every
 * change of the user ID, which resets the latter.
 */
int privileges_deny_gain(struct error *err);

/*
 * Give up all capabilities: the ambient, effective, permitted and inheritable sets are empty when
 * it returns 0, which is verified. With CAP_SETPCAP among the permitted ones, as in a fresh user
 * namespace and as root, the bounding set is emptied and the securebits (capabilities(7)) NOROOT,
 * NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE are set and locked, KEEP_CAPS cleared and locked; without
 * it the bounding set stays, which no_new_privs makes of no use. Does not clear the signal of the
 * parent's death that jail_fork() set.
 */
int privileges_drop(struct error *err);

#endif
