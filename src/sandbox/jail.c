/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A process enters a PID namespace only by being born in it, so the parent says where its next child
 * is to be born, and, where it may not, goes into a user namespace of its own first: it is the same
 * user in there. All else the child does itself, in jail_enter(). The network namespace takes the
 * kernel as long as everything else together, and the parent has nothing to do meanwhile: it makes
 * that, goes into it itself, and sends the child a descriptor of it.
 *
 *	parent: user, PID namespaces -- fork -- network namespace ---+--- supervises
 *	                                  |                          | descriptor
 *	                     child, process 1: mounts, root, ... ----+--- setns, IDs, parent's death
 *
 * clone(2) with flags would do without the parent's part, but goes past the C library, whose idea of
 * the thread's ID is wrong then.
 */
#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/jail_inside.h"
#include "sandbox/jail_net.h"

#define ID_MAX 4294967294	/* the highest uid_t is "no change" to setresuid(2) */

static bool has_cap(unsigned int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[cap / 32].effective >> cap % 32 & 1;
}

static int open_netns(const char *path, bool enabled, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = -1;

	if (!enabled)
		return error_set(err, -EINVAL, "network namespace %s: needs the jail", path);
	if (!has_cap(CAP_SYS_ADMIN))
		return error_set(err, -EPERM, "network namespace %s: only root can join one", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_sys(err, -errno, "cannot open the network namespace %s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return error_set(err, -EINVAL, "%s is not a network namespace", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int choose_id(int64_t given, uint32_t own, bool may_change, const char *what,
		     uint32_t *ret_id, struct error *err)
{
	if (given < -1 || given > ID_MAX)
		return error_set(err, -EINVAL, "%s ID %lld is not between 0 and %lld", what,
				 (long long)given, (long long)ID_MAX);
	if (given >= 0 && given != own && !may_change)
		return error_set(err, -EPERM, "%s ID %lld: only root can change it from %u", what,
				 (long long)given, own);
	*ret_id = own;
	if (given >= 0)
		*ret_id = (uint32_t)given;
	else if (may_change && geteuid() == 0)
		*ret_id = JAIL_NOBODY;
	return 0;
}

int jail_open(const struct jail_config *config, struct jail *ret, struct error *err)
{
	bool may_change = has_cap(CAP_SETUID) && has_cap(CAP_SETGID);
	struct jail jail = {
		.enabled = config->enabled,
		.new_net = config->new_net && !config->netns,
		.new_user = !has_cap(CAP_SYS_ADMIN),
		.change_ids = may_change,
		.ids_given = config->uid >= 0 || config->gid >= 0,
		.required = config->required,
		.netns_fd = -1,
		.sock = -1,
	};
	int r = choose_id(config->uid, geteuid(), may_change, "user", &jail.uid, err);

	if (!r)
		r = choose_id(config->gid, getegid(), may_change, "group", &jail.gid, err);
	if (!r && config->netns)
		r = open_netns(config->netns, config->enabled, &jail.netns_fd, err);
	if (!r)
		*ret = jail;
	return r;
}

/* ---- the parent ---- */

/* Go without what the system refuses, unless it is required: then pass the error on. */
int jail_refused(struct jail *jail, int r, struct error *err)
{
	if (r == 0 || jail->required)
		return r;
	if (jail->refusal.code == 0)
		jail->refusal = *err;
	*err = (struct error){ 0 };
	return 0;
}

/* A user namespace first, where nothing is allowed without; in it there is no other user to become. */
static int prepare_birth(struct jail *jail, struct error *err)
{
	int r = 0;

	if (!jail->enabled)
		return 0;
	if (jail->new_user && jail->change_ids) {
		r = jail_enter_ids(jail, false, err);
		jail->change_ids = r != 0;
	}
	if (!r && jail->new_user)
		r = jail_enter_user_namespace(err);
	if (r) {
		jail->enabled = false;
		return jail_refused(jail, r, err);
	}
	if (unshare(CLONE_NEWPID))
		r = error_sys(err, -errno, "the system refuses the PID namespace");
	return jail_refused(jail, r, err);
}

int jail_fork(struct jail *jail, pid_t *ret_pid, struct error *err)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	int pair[2], r;
	pid_t pid;

	r = prepare_birth(jail, err);
	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return error_sys(err, -errno, "cannot make a process");
	if (pid > 0 && jail->enabled && jail->new_net)
		jail_net_lend(ours);
	jail->sock = fd_take(pid == 0 ? &theirs : &ours);
	*ret_pid = pid;
	return 0;
}
