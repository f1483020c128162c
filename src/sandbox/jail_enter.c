/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/jail_enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/util.h"

#define HOST_NAME "volt"

static const struct {
	int flag;
	const char *name;
} kinds[] = {
	{ CLONE_NEWNS, "mount" },   { CLONE_NEWPID, "PID" }, { CLONE_NEWIPC, "IPC" },
	{ CLONE_NEWUTS, "UTS" },    { CLONE_NEWNET, "network" },
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
static int enter_user_namespace(struct error *err)
{
	char uids[64], gids[64];
	int r;

	snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	/* A change of IDs may have taken our files in /proc from us: proc_pid(5). */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (unshare(CLONE_NEWUSER))
		return error_sys(err, -errno, "the system refuses the user namespace");
	r = write_proc("/proc/self/setgroups", "deny", err);
	if (!r)
		r = write_proc("/proc/self/uid_map", uids, err);
	return r ? r : write_proc("/proc/self/gid_map", gids, err);
}

static int enter_namespaces(const struct jail *jail, struct error *err)
{
	int flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].flag != CLONE_NEWNET || jail->new_net)
			flags |= kinds[i].flag;
	if (jail->netns_fd >= 0 && setns(jail->netns_fd, CLONE_NEWNET))
		return error_sys(err, -errno, "cannot join the network namespace");
	if (!unshare(flags))
		return 0;
	/* One by one, to name the one that fails. */
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (flags & kinds[i].flag && unshare(kinds[i].flag))
			return error_sys(err, -errno, "the system refuses the %s namespace",
					 kinds[i].name);
	return 0;
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

static int enter_ids(const struct jail *jail, bool keep_caps, struct error *err)
{
	/* Without it the bounding set and the securebits could not be closed any more. */
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return error_sys(err, -errno, "cannot keep the capabilities");
	if (setgroups(0, NULL))
		return error_sys(err, -errno, "cannot leave the supplementary groups");
	if (setresgid(jail->gid, jail->gid, jail->gid))
		return error_sys(err, -errno, "cannot become group %u", jail->gid);
	if (setresuid(jail->uid, jail->uid, jail->uid))
		return error_sys(err, -errno, "cannot become user %u", jail->uid);
	return 0;
}

int jail_enter(const struct jail *jail, struct error *err)
{
	bool ids_first = jail->change_ids && jail->new_user && jail->enabled;
	int r = 0;

	umask(077);
	/* In a user namespace there is no other user to become. */
	if (ids_first)
		r = enter_ids(jail, false, err);
	if (!r && jail->enabled && jail->new_user)
		r = enter_user_namespace(err);
	if (!r && jail->enabled)
		r = enter_namespaces(jail, err);
	if (!r && jail->enabled)
		r = enter_empty_root(err);
	if (!r && jail->enabled && sethostname(HOST_NAME, strlen(HOST_NAME)))
		r = error_sys(err, -errno, "cannot set the host name");
	if (!r && jail->change_ids && !ids_first)
		r = enter_ids(jail, true, err);
	return r;
}
