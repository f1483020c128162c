/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox/ - the wall around a process that deals with hostile input: privileges, namespaces,
 * Landlock, seccomp. Knows nothing of VMs. docs/security.md has what each layer claims, and which test
 * proves it.
 *
 * sandbox.h - the layers in their order, for the program. The first process calls sandbox_prepare()
 * when it has opened every file by its path, and sandbox_fork(); its child makes what takes a
 * privilege or a special call, calls sandbox_enter() while it has one thread, and sandbox_seal() on
 * each thread before that meets anything hostile. From sandbox_enter() on nothing can be opened by a path.
 */
#ifndef VOLT_SANDBOX_H
#define VOLT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "sandbox/cgroup.h"
#include "sandbox/jail.h"
#include "sandbox/seccomp.h"

enum sandbox_filter {
	FILTER_KILL,		/* a call outside of the policy ends the process */
	FILTER_LOG,		/* it is logged by the kernel, and goes on */
	FILTER_OFF,
};

enum sandbox_want {
	WANT_IF_POSSIBLE,
	WANT_REQUIRED,
	WANT_OFF,
};

/* As the user asked for it. Strings belong to the caller and outlive the sandbox. */
struct sandbox_config {
	enum sandbox_want jail;
	enum sandbox_want landlock;
	int landlock_abi_min;		/* with WANT_REQUIRED */
	enum sandbox_filter filter;
	int64_t uid, gid;		/* -1: not given */
	const char *netns;		/* a network namespace to join, or NULL */
	const char *cgroup;		/* PATH[,FILE=VALUE...], or NULL */
};

#define SANDBOX_CONFIG_DEFAULT { .uid = -1, .gid = -1 }

struct sandbox {
	const struct sandbox_config *config;
	struct jail jail;
	struct cgroup cgroup;
	int landlock_abi;		/* in force; 0: none. Known in the child */
};

/*
 * Open what the sandbox needs by path, and check what can be checked before anything is made. The
 * cgroup exists afterwards. Errors: -EINVAL, -EPERM, -EOPNOTSUPP and those of the system.
 */
int sandbox_prepare(struct sandbox *ret_sandbox, const struct sandbox_config *config,
		    struct error *err);

/*
 * Fork a child into new namespaces and the cgroup. Returns twice, as fork() does: *ret_pid is 0 in
 * the child. The child dies with its parent. Single-threaded callers only.
 */
int sandbox_fork(struct sandbox *sandbox, pid_t *ret_pid, struct error *err);

/*
 * In the child: give up privileges for good, and every way to a file that is not open. Single-threaded
 * still, so that all later threads inherit it.
 */
int sandbox_enter(struct sandbox *sandbox, struct error *err);

/* Put the calling thread under the role's seccomp filter. */
int sandbox_seal(enum sandbox_role role, enum sandbox_filter filter, struct error *err);

/* What is in force, in lines. In the child, after sandbox_enter() and before the seal. */
void sandbox_describe(const struct sandbox *sandbox, char *text, size_t size);

/* In the parent, when the child has ended: remove what sandbox_prepare() made. */
void sandbox_release(struct sandbox *sandbox);

#endif
