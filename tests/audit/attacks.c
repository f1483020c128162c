/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/probe.h"
#include "base/util.h"

static long result(long r)
{
	return r < 0 ? -errno : 0;
}

/* ARGUMENT is a file's path: another VM's disk, /etc/shadow. */
static long attack_read(const char *path)
{
	return result(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
}

static long attack_write(const char *path)
{
	return result(syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600));
}

static long attack_connect(int family, const void *address, socklen_t len)
{
	int fd = (int)syscall(SYS_socket, family, SOCK_STREAM, 0);

	return fd < 0 ? -errno : result(syscall(SYS_connect, fd, address, len));
}

static long attack_tcp(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(port)),
	};

	return attack_connect(AF_INET, &address, sizeof(address));
}

static long attack_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return attack_connect(AF_UNIX, &address, sizeof(address));
}

static long attack_abstract(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 2);
	return attack_connect(AF_UNIX, &address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
}

/* ARGUMENT is a process outside; a signal that does nothing shows as well that it could be sent. */
static long attack_signal(const char *pid)
{
	return result(syscall(SYS_kill, atoi(pid), SIGCONT));
}

static long attack_ptrace(const char *pid)
{
	return result(syscall(SYS_ptrace, PTRACE_SEIZE, atoi(pid), 0, 0));
}

static long attack_exec(const char *path)
{
	const char *const argv[] = { path, NULL };

	return result(syscall(SYS_execve, path, argv, argv + 1));
}

static long attack_map_code(const char *unused)
{
	(void)unused;
	return result(syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static long attack_make_code(const char *unused)
{
	static uint8_t page[8192] __attribute__((aligned(4096)));

	(void)unused;
	return result(syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC));
}

static long attack_mount(const char *unused)
{
	(void)unused;
	return result(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
}

static long attack_module(const char *unused)
{
	(void)unused;
	return result(syscall(SYS_finit_module, 0, "", 0));
}

static long attack_namespace(const char *unused)
{
	(void)unused;
	return result(syscall(SYS_unshare, CLONE_NEWNS));
}

/*
 * A child with all capabilities in a user namespace of its own, which needs none outside, and, if
 * asked for, a file system mounted there. unshare() would refuse: there are threads.
 */
static long attack_user_namespace(const char *what)
{
	bool mounts = strcmp(what, "mount") == 0;
	int status = 0, flags = CLONE_NEWUSER | (mounts ? CLONE_NEWNS : 0) | SIGCHLD;
	long pid = syscall(SYS_clone, flags, 0, 0, 0, 0);

	if (pid == 0) {
		long r = mounts ? attack_mount("") : 0;

		syscall(SYS_exit_group, -r);
	}
	if (pid < 0)
		return -errno;
	return syscall(SYS_wait4, pid, &status, 0, NULL) < 0 ? -errno : -(long)WEXITSTATUS(status);
}

/* Back to the user that started it, and to all capabilities. */
static long attack_root(const char *unused)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = 1u << CAP_SYS_ADMIN, .permitted = 1u << CAP_SYS_ADMIN },
	};

	(void)unused;
	return result(syscall(SYS_capset, &header, data));
}

/* A limit that was lowered, raised again. */
static long attack_limit(const char *unused)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	(void)unused;
	return result(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL));
}

static const struct attack {
	const char *name;
	long (*run)(const char *argument);
} attacks[] = {
	{ "read", attack_read },
	{ "write", attack_write },
	{ "tcp", attack_tcp },
	{ "unix", attack_unix },
	{ "abstract", attack_abstract },
	{ "signal", attack_signal },
	{ "ptrace", attack_ptrace },
	{ "exec", attack_exec },
	{ "map-code", attack_map_code },
	{ "make-code", attack_make_code },
	{ "mount", attack_mount },
	{ "module", attack_module },
	{ "namespace", attack_namespace },
	{ "user-namespace", attack_user_namespace },
	{ "root", attack_root },
	{ "limit", attack_limit },
};

long attack_run(const char *name, const char *argument)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		if (strcmp(attacks[i].name, name) == 0)
			return attacks[i].run(argument);
	}
	return -ENOTSUP;
}
