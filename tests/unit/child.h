/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - tests that give up rights, each in a child of its own, since nothing of it can be taken
 * back. CHILD_TEST(name) makes the cmocka test test_name of the function name(), which runs in a child,
 * uses CHECK() instead of cmocka's assertions, and may skip_child().
 */
#ifndef VOLT_UNIT_CHILD_H
#define VOLT_UNIT_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "sandbox/jail.h"

#define SKIPPED 77
#define HANG_MS 60000	/* how long a broken program may hang a test */

/* For children: cmocka's assertions are its parent's. */
#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, \
			#condition, errno); \
		_exit(1); \
	} \
} while (0)

#define CHECK_OK(call, err) do { \
	int r_ = (call); \
	if (r_) { \
		fprintf(stderr, "%s:%d: %s = %d: %s\n", __FILE__, __LINE__, #call, r_, \
			(err).msg); \
		_exit(1); \
	} \
} while (0)

static inline void skip_child(const char *why, const char *more)
{
	fprintf(stderr, "skipped: %s%s\n", why, more);
	_exit(SKIPPED);
}

static inline int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The child must end with status 0, by _exit(). */
static inline void in_child(void (*body)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(HANG_MS / 1000);
		body();
		_exit(0);
	}
	status = status_of(pid);
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static inline void become_nobody(void)
{
	if (geteuid() != 0)
		return;
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(JAIL_NOBODY, JAIL_NOBODY, JAIL_NOBODY) == 0);
	CHECK(setresuid(JAIL_NOBODY, JAIL_NOBODY, JAIL_NOBODY) == 0);
}

static inline bool has_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1U << CAP_SYS_ADMIN));
}

static inline void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static inline void check_no_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	memset(data, 0xff, sizeof(data));
	CHECK(syscall(SYS_capget, &header, data) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		CHECK(!data[i].effective && !data[i].permitted && !data[i].inheritable);
}

static inline void check_locked(void)
{
	const int wanted = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	int bits = prctl(PR_GET_SECUREBITS);

	CHECK((bits & wanted) == wanted);
	CHECK(!(bits & SECBIT_KEEP_CAPS));
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		CHECK(prctl(PR_CAPBSET_READ, cap) == 0);
}

static inline void install_filter(struct sock_filter *code, unsigned short len)
{
	struct sock_fprog filter = { .len = len, .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

/* From now on the kernel answers the call by the error if its first argument's low half is @arg. */
static inline void refuse_call_with(unsigned int number, unsigned int arg, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_filter(code, ARRAY_SIZE(code));
}

/* The same whatever its arguments. */
static inline void refuse_call(unsigned int number, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install_filter(code, ARRAY_SIZE(code));
}

#define CHILD_TEST(name) \
	static void test_##name(void **state) \
	{ \
		(void)state; \
		in_child(name); \
	}

#endif
