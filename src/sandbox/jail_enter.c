/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's part of the jail; jail.c has the theory.
 */
#include "sandbox/jail_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/util.h"
#include "sandbox/jail_net.h"

#define HOST_NAME "volt"

/* The child's own; the parent made the PID namespace, and the network namespace comes last. */
static const struct {
	int flag;
	const char *name;
} kinds[] = {
	{ CLONE_NEWNS, "mount" }, { CLONE_NEWIPC, "IPC" }, { CLONE_NEWUTS, "UTS" },
	{ CLONE_NEWCGROUP, "cgroup" },
};

static int write_proc(const char *path, const char *text, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_sys(err, -errno, "user namespace: cannot write %s", path);
	return 0;
}

/* Each ID is itself in there, and no other exists. */
int jail_enter_user_namespace(struct error *err)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), r;
	char uids[64], gids[64];

	snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	/* A change of IDs may have taken our files in /proc from us: proc_pid(5). */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (unshare(CLONE_NEWUSER))
		return error_sys(err, -errno, "the system refuses the user namespace");
	r = write_proc("/proc/self/setgroups", "deny", err);
	if (!r)
		r = write_proc("/proc/self/uid_map", uids, err);
	if (!r)
		r = write_proc("/proc/self/gid_map", gids, err);
	if (dumpable == 0)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

/* All at once, or one by one, to name those that are refused. *ret_flags has what was entered. */
static int enter_namespaces(struct jail *jail, int *ret_flags, struct error *err)
{
	int all = 0, entered = 0, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		all |= kinds[i].flag;
	if (!unshare(all)) {
		*ret_flags = all;
		return 0;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
		if (!unshare(kinds[i].flag))
			entered |= kinds[i].flag;
		else
			r = jail_refused(jail, error_sys(err, -errno, "the system refuses the %s "
							 "namespace", kinds[i].name), err);
	}
	*ret_flags = entered;
	return r;
}

/* The one that was asked for, or the parent's new one, or one of our own. */
static int enter_network(struct jail *jail, struct error *err)
{
	_cleanup_fd_ int lent = -1;
	int r = 0;

	if (jail->netns_fd >= 0)
		return setns(jail->netns_fd, CLONE_NEWNET) ?
		       error_sys(err, -errno, "cannot join the network namespace") : 0;
	if (!jail->new_net)
		return 0;
	lent = jail_net_borrow(jail->sock);
	if (lent < 0 || setns(lent, CLONE_NEWNET))
		r = unshare(CLONE_NEWNET);
	if (r)
		r = error_sys(err, -errno, "the system refuses the network namespace");
	return jail_refused(jail, r, err);
}

/*
 * The empty file system is on top of the old root already, and is the working directory. Swap the
 * two, which puts the old one on top, and take that away.
 */
static int swap_root(void)
{
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) ? -errno : 0;
	/* EINVAL: / is the initramfs, which cannot be swapped: pivot_root(2). */
	if (errno != EINVAL || chroot("."))
		return -errno;
	return 0;
}

static int enter_empty_root(struct error *err)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r;

	/* EINVAL in a chroot: what is mounted there could spread to other namespaces. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return error_sys(err, -errno, "cannot make the mounts private%s",
				 errno == EINVAL ? " (/ is no mount point)" : "");
	if (mount("volt", "/", "tmpfs", flags, "size=4k,nr_inodes=1,mode=0555"))
		return error_sys(err, -errno, "cannot mount an empty file system");
	/* "/" is still what is beneath; a walk upwards from it comes out on top. */
	if (chdir("/.."))
		return error_sys(err, -errno, "cannot enter the empty file system");
	r = swap_root();
	if (r)
		return error_sys(err, r, "cannot make the empty file system the root");
	return chdir("/") ? error_sys(err, -errno, "cannot enter the new root") : 0;
}

/*
 * Root of a user namespace without "nobody", such as unshare -r makes, has nobody else to become: the
 * kernel then refuses setgroups(2) by EPERM, or the IDs by EINVAL. Only who asked for IDs is told.
 */
static int ids_refused(const struct jail *jail, const char *what, struct error *err)
{
	if (!jail->ids_given && (errno == EPERM || errno == EINVAL))
		return 0;
	return error_sys(err, -errno, "cannot %s", what);
}

int jail_enter_ids(const struct jail *jail, bool keep_caps, struct error *err)
{
	/* Without it the bounding set and the securebits could not be closed any more. */
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return error_sys(err, -errno, "cannot keep the capabilities");
	if (setgroups(0, NULL))
		return ids_refused(jail, "leave the supplementary groups", err);
	if (setresgid(jail->gid, jail->gid, jail->gid))
		return ids_refused(jail, "become the jail's group", err);
	if (setresuid(jail->uid, jail->uid, jail->uid))
		return ids_refused(jail, "become the jail's user", err);
	return 0;
}

static int enter_jail(struct jail *jail, struct error *err)
{
	int flags = 0, r = enter_namespaces(jail, &flags, err);

	if (!r && flags & CLONE_NEWNS)
		r = jail_refused(jail, enter_empty_root(err), err);
	if (!r && flags & CLONE_NEWUTS && sethostname(HOST_NAME, strlen(HOST_NAME)))
		r = jail_refused(jail, error_sys(err, -errno, "cannot set the host name"), err);
	return r ? r : enter_network(jail, err);
}

/*
 * The parent keeps its end of the socket: one that is seen alive after prctl() dies, if it does,
 * after it, as sockets are closed before children are told.
 */
static int tie_to_parent(const struct jail *jail, struct error *err)
{
	struct pollfd peer = { .fd = jail->sock, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return error_sys(err, -errno, "cannot ask for the parent's death");
	if (poll(&peer, 1, 0) > 0 && peer.revents & POLLHUP)
		return error_set(err, -ECHILD, "the supervisor has gone");
	return 0;
}

int jail_enter(struct jail *jail, struct error *err)
{
	int r = 0;

	umask(077);
	if (jail->enabled)
		r = enter_jail(jail, err);
	if (!r && jail->change_ids)
		r = jail_enter_ids(jail, true, err);
	if (!r)
		r = tie_to_parent(jail, err);
	jail_close(jail);
	return r;
}
