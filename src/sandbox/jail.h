/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - a child process in its own namespaces, on an empty read-only file system.
 *
 * The parent is the supervisor; the child becomes the process that is not trusted. Both must have one
 * thread when jail_fork() is called, and the parent's thread must live as long as the child is wanted.
 */
#ifndef VOLT_SANDBOX_JAIL_H
#define VOLT_SANDBOX_JAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

/* The user and group "nobody" of Linux (overflowuid): what root becomes when none is given. */
#define JAIL_NOBODY 65534

/* What is wanted. */
struct jail_config {
	bool enabled;		/* namespaces and the empty root; else only a child process */
	bool required;		/* what the system refuses is an error; else the child does without */
	bool new_net;		/* a network namespace with nothing but a loopback that is down */
	const char *netns;	/* join this one instead (needs root); NULL: none */
	int64_t uid, gid;	/* -1: not given */
};

/* What will be done, and what has been refused. */
struct jail {
	bool enabled, required, new_net;
	bool new_user;		/* no CAP_SYS_ADMIN: namespaces need a user namespace around them */
	bool change_ids;
	bool ids_given;		/* else "nobody", if there is one */
	uid_t uid;
	gid_t gid;
	int netns_fd;		/* -1: none; owned */
	int sock;		/* between parent and child; owned */
	struct error refusal;	/* code 0: nothing was refused. Complete in the child, after jail_enter() */
};

/*
 * Check @config and open its network namespace. Changes nothing about the process. -EPERM when a
 * user who is not root asks for another user, group, or network namespace; -EINVAL for numbers
 * that are no IDs, a file that is no network namespace, and a network namespace without a jail.
 */
int jail_open(const struct jail_config *config, struct jail *ret, struct error *err);

/* Close what is open of it. In the parent, when the child has ended or cannot be made. */
static inline void jail_close(struct jail *jail)
{
	fd_close(&jail->netns_fd);
	fd_close(&jail->sock);
}

/*
 * Make the child, process 1 of a PID namespace. Returns twice, as fork() does: in the child with
 * *ret_pid == 0, in the parent with its process ID; on failure in the parent alone. The parent leaves
 * its network namespace for the child's new one, and, without CAP_SYS_ADMIN, its user namespace for
 * one in which it is the same user; its next children would be born in the PID namespace, too.
 */
int jail_fork(struct jail *jail, pid_t *ret_pid, struct error *err);

/*
 * In the child, once. With a jail, afterwards it
 *  - is in new mount, IPC, UTS, cgroup and, if wanted, network namespaces;
 *  - has an empty read-only directory as / and as working directory, and no path to anything
 *    else; the host name "volt";
 *  - ignores signals that it sends itself and has no handler for, as every process 1: abort()
 *    ends it by a fault. The parent's SIGKILL always works; its SIGTERM needs a handler.
 * With or without one, it
 *  - has the user and group of the jail without others, if they are to change; a user namespace
 *    without that keeps the groups of the caller (the kernel forbids setgroups(2) there);
 *  - has umask 077;
 *  - is killed when the parent dies; a change of its IDs afterwards would undo that;
 *  - still holds capabilities, over its own namespaces or as root over all: privileges_drop()
 *    must follow before it touches anything that is not trusted.
 * What the system refused is an error if the jail is required, and otherwise in jail->refusal.
 */
int jail_enter(struct jail *jail, struct error *err);

#endif
