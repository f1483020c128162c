/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A process enters a PID namespace only by being born in it, and the parent must not enter the
 * user namespace that its birth may need. clone(2) with CLONE_NEWPID would do both at once, but
 * goes past the C library, whose idea of the thread's ID is wrong then (musl before 1.2.5 and
 * glibc keep it in memory). So there are two plain fork()s:
 *
 *	parent ---- fork ----> middle: namespaces, IDs, empty root
 *	   |                     |---- fork ----> child: process 1, inherits all of that
 *	   | <---- its pid ----- | exit             |
 *	   | -- "go", when the middle is reaped --> | dies with the parent from now on
 *	   | <------------ "ready" ---------------- |
 *
 * The parent is a child subreaper meanwhile, so the child becomes the parent's own when the middle
 * exits. Only then may the child ask for a signal at its parent's death, or the middle's would
 * kill it. If the parent dies earlier, the child finds the socket closed and ends.
 */
#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/jail_enter.h"

#define ID_MAX 4294967294	/* the highest uid_t is "no change" to setresuid(2) */

/* What the middle process tells the parent. */
struct report {
	pid_t pid;		/* the child; 0: failed, and the error says why */
	struct error err;
};

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
		.netns_fd = -1,
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

static bool receive_byte(int sock)
{
	ssize_t n;
	char byte;

	do
		n = recv(sock, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* Returns in the child alone. */
static void become_middle(const struct jail *jail, int sock)
{
	struct report report = { 0 };

	if (jail_enter(jail, &report.err) == 0) {
		report.pid = fork();
		if (report.pid == 0)
			return;
		if (report.pid < 0) {
			report.pid = 0;
			error_sys(&report.err, -errno, "cannot make the process in the jail");
		}
	}
	_exit(send(sock, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report) ? 0 : 1);
}

/*
 * The parent keeps its end of the socket open until it has "ready". A parent that is seen alive
 * after prctl() dies, if it does, after it, as sockets are closed before children are told.
 */
static void become_child(int sock)
{
	char byte;

	if (!receive_byte(sock))
		_exit(1);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		_exit(1);
	if (recv(sock, &byte, 1, MSG_DONTWAIT) == 0)
		_exit(1);
	if (send(sock, "r", 1, MSG_NOSIGNAL) != 1)
		_exit(1);
}

/* The parent. */

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int adopt_child(int sock, pid_t middle, pid_t *ret_pid, struct error *err)
{
	struct report report = { 0 };

	/* First: a middle that is killed has said nothing, while the child holds its socket. */
	reap(middle);
	if (recv(sock, &report, sizeof(report), MSG_DONTWAIT) != sizeof(report))
		return error_set(err, -ECHILD, "the process that makes the jail died");
	if (report.pid == 0) {
		report.err.msg[sizeof(report.err.msg) - 1] = '\0';
		return error_set(err, report.err.code, "%s", report.err.msg);
	}
	if (send(sock, "g", 1, MSG_NOSIGNAL) != 1 || !receive_byte(sock)) {
		kill(report.pid, SIGKILL);
		reap(report.pid);
		return error_set(err, -ECHILD, "the process in the jail died at its start");
	}
	*ret_pid = report.pid;
	return 0;
}

int jail_fork(const struct jail *jail, pid_t *ret_pid, struct error *err)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	int pair[2], was_reaper = 0, r;
	pid_t middle;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	if (prctl(PR_GET_CHILD_SUBREAPER, &was_reaper, 0, 0, 0) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return error_sys(err, -errno, "cannot become a child subreaper");
	middle = fork();
	if (middle == 0) {
		fd_close(&ours);
		become_middle(jail, theirs);
		become_child(theirs);
		*ret_pid = 0;
		return 0;
	}
	r = middle < 0 ? error_sys(err, -errno, "cannot make a process") : 0;
	fd_close(&theirs);
	if (!r)
		r = adopt_child(ours, middle, ret_pid, err);
	prctl(PR_SET_CHILD_SUBREAPER, was_reaper, 0, 0, 0);
	return r;
}
