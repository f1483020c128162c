/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each role's filter is tried from outside: a child installs it, makes one call and ends. A call
 * that the filter forbids kills the child with SIGSYS; what else becomes of it does not matter.
 *
 * What is expected comes from the rules as the policy's compiler read them, so the BPF that
 * libseccomp made of them is judged by the table and not by itself. Calls get harmless arguments,
 * for the day when a filter lets one pass that it should not.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "sandbox/seccomp.h"

#define CALLS 512
#define X32_BIT 0x40000000	/* asm/unistd.h: __X32_SYSCALL_BIT */
#define NOBODY 65534
#define ARGS 6

struct rule {
	unsigned int line;
	enum sandbox_role role;
	long call;
	unsigned int cond_count;
	struct {
		unsigned int arg;
		uint64_t mask, value;
	} cond[ARGS];
};

#include "seccomp/rules.h"

/* No descriptor, no addresses, no lengths. */
static const uint64_t harmless[ARGS] = { UINT64_MAX };

static bool rule_matches(const struct rule *rule, enum sandbox_role role, long call,
			 const uint64_t args[static ARGS])
{
	if (rule->role != role || rule->call != call)
		return false;
	for (unsigned int i = 0; i < rule->cond_count; i++)
		if ((args[rule->cond[i].arg] & rule->cond[i].mask) != rule->cond[i].value)
			return false;
	return true;
}

static bool rules_allow(enum sandbox_role role, long call, const uint64_t args[static ARGS])
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rule_matches(&rules[i], role, call, args))
			return true;
	return false;
}

/* Harmless arguments, but for what the rule asks for. */
static void rule_args(const struct rule *rule, uint64_t args[static ARGS])
{
	memcpy(args, harmless, sizeof(harmless));
	for (unsigned int i = 0; i < rule->cond_count; i++)
		args[rule->cond[i].arg] = rule->cond[i].value;
}

/* ---- children ---- */

/* No C library and no sanitizer between here and the kernel. */
static inline long raw_call(long number, const uint64_t args[static ARGS])
{
	register uint64_t r10 __asm__("r10") = args[3];
	register uint64_t r8 __asm__("r8") = args[4];
	register uint64_t r9 __asm__("r9") = args[5];
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/*
 * Each role may make one of the two. Inline, and not _Noreturn: before it calls such a function,
 * ASan makes a system call of its own.
 */
static inline __attribute__((always_inline)) void raw_exit(enum sandbox_role role, int status)
{
	uint64_t args[ARGS] = { (uint64_t)status };

	for (;;)
		raw_call(role == SANDBOX_DEVICE ? SYS_exit_group : SYS_exit, args);
}

#define STATUS_NO_FILTER 99	/* the child could not install it */

static void child_seal(enum sandbox_role role, bool log)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };

	/* The handlers of cmocka and the sanitizers would make calls of their own. */
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		signal(caught[i], SIG_DFL);
	alarm(10);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_enter(role, log, NULL) < 0)
		_exit(STATUS_NO_FILTER);
}

static int child_wait(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NO_FILTER);
	assert_false(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	return status;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

/* Whether the role's filter lets the call pass. */
static bool filter_allows(enum sandbox_role role, long call, const uint64_t args[static ARGS])
{
	pid_t pid = fork();

	if (pid == 0) {
		child_seal(role, false);
		raw_call(call, args);
		raw_exit(role, 0);
	}
	return !was_killed(child_wait(pid));
}

/* ---- tests ---- */

static void check_call(enum sandbox_role role, long call, const uint64_t args[static ARGS])
{
	bool expected = rules_allow(role, call, args);

	if (filter_allows(role, call, args) == expected)
		return;
	print_error("role %d: call %ld (%#lx, %#lx, %#lx, %#lx, %#lx) should be %s\n", (int)role,
		    call, (unsigned long)args[0], (unsigned long)args[1], (unsigned long)args[2],
		    (unsigned long)args[3], (unsigned long)args[4],
		    expected ? "allowed" : "denied");
	fail();
}

/* The first rule about the call says with which arguments it is allowed. */
static void check_number(enum sandbox_role role, long call)
{
	uint64_t args[ARGS];

	memcpy(args, harmless, sizeof(args));
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].role == role && rules[i].call == call) {
			rule_args(&rules[i], args);
			break;
		}
	}
	check_call(role, call, args);
}

/*
 * uretprobe and uprobe: kernels that have them ask no filter, because the only callers are the
 * instructions that the kernel itself puts into a process that is being traced. Called from
 * elsewhere they fail.
 */
static bool is_beyond_filters(long call)
{
	return call == 335 || call == 336;
}

static void test_every_number(void **state)
{
	(void)state;
	for (unsigned int role = 0; role < SANDBOX_ROLES; role++) {
		for (long call = 0; call < CALLS; call++)
			if (!is_beyond_filters(call))
				check_number(role, call);
		check_call(role, -1, harmless);
		check_call(role, X32_BIT, harmless);
		check_call(role, X32_BIT | SYS_close, harmless);
	}
}

/* One bit of the condition's mask the other way, and one outside of it. */
static void check_condition(const struct rule *rule, unsigned int index)
{
	unsigned int arg = rule->cond[index].arg;
	uint64_t mask = rule->cond[index].mask, args[ARGS];
	unsigned int low = (unsigned int)__builtin_ctzll(mask);
	unsigned int high = 63 - (unsigned int)__builtin_clzll(mask);
	const uint64_t flips[] = { BIT64(low), BIT64(high), mask, ~mask & BIT64(63), ~mask };

	for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
		rule_args(rule, args);
		args[arg] ^= flips[i];
		check_call(rule->role, rule->call, args);
	}
	rule_args(rule, args);
	args[arg] = rule->cond[index].value + 1;
	check_call(rule->role, rule->call, args);
	args[arg] = rule->cond[index].value - 1;
	check_call(rule->role, rule->call, args);
}

static void test_both_sides_of_each_condition(void **state)
{
	uint64_t args[ARGS];
	unsigned int count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		rule_args(&rules[i], args);
		assert_true(rules_allow(rules[i].role, rules[i].call, args));
		check_call(rules[i].role, rules[i].call, args);
		for (unsigned int j = 0; j < rules[i].cond_count; j++, count++)
			check_condition(&rules[i], j);
	}
	assert_true(count > 20);
}

/* What an attacker would want first, whatever the table says. */
static void test_dangerous_calls_are_nowhere(void **state)
{
	static const long calls[] = {
		SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_socket, SYS_connect, SYS_bind,
		SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_ptrace,
		SYS_prctl, SYS_kill, SYS_io_uring_setup, SYS_io_uring_enter, SYS_bpf, SYS_mount,
		SYS_unshare, SYS_setns, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_seccomp,
		SYS_memfd_create, SYS_mremap,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (size_t j = 0; j < ARRAY_SIZE(rules); j++)
			assert_int_not_equal(rules[j].call, calls[i]);
	for (size_t j = 0; j < ARRAY_SIZE(rules); j++) {
		uint64_t exec[ARGS] = { 0, 0, 4 };	/* PROT_EXEC */

		if (rules[j].call == SYS_mmap || rules[j].call == SYS_mprotect)
			assert_false(rules_allow(rules[j].role, rules[j].call, exec));
	}
}

/* int $0x80 has the numbers of 32-bit x86, where 20 is getpid. A kernel without it: SIGSEGV. */
static void test_other_architecture(void **state)
{
	(void)state;
	for (unsigned int role = 0; role < SANDBOX_ROLES; role++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			long ret = 20;

			child_seal(role, false);
			__asm__ volatile("int $0x80" : "+a"(ret) : : "memory");
			raw_exit(role, 0);
		}
		status = child_wait(pid);
		assert_true(WIFSIGNALED(status));
		assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
	}
}

static void test_log_lets_pass(void **state)
{
	(void)state;
	for (unsigned int role = 0; role < SANDBOX_ROLES; role++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			child_seal(role, true);
			raw_exit(role, raw_call(SYS_getpid, harmless) > 0 ? 7 : 8);
		}
		status = child_wait(pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 7);
	}
}

/* The exit status says which of the expectations failed. */
static int try_without_no_new_privs(void)
{
	struct error err = { 0 };

	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return 1;
	if (seccomp_enter(SANDBOX_DEVICE, false, &err) != -EACCES || err.code != -EACCES)
		return 2;
	if (!strstr(err.msg, "no_new_privs is not set"))
		return 3;
	return getppid() > 0 ? 0 : 4;	/* nothing was installed */
}

static void test_without_no_new_privs(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) {
		print_message("skipped: whoever started this test has set no_new_privs\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(try_without_no_new_privs());
	status = child_wait(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_counts(void **state)
{
	bool seen[SANDBOX_ROLES + 1][CALLS] = { 0 };
	unsigned int count[SANDBOX_ROLES + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		unsigned int sets[] = { rules[i].role, SANDBOX_ROLES };
		size_t used = rules[i].role == SANDBOX_API ? 1 : 2;	/* no thread has it yet */

		for (size_t j = 0; j < used; j++) {
			count[sets[j]] += !seen[sets[j]][rules[i].call];
			seen[sets[j]][rules[i].call] = true;
		}
	}
	for (unsigned int role = 0; role < SANDBOX_ROLES; role++)
		assert_int_equal(seccomp_allowed(role), count[role]);
	assert_int_equal(seccomp_allowed_union(), count[SANDBOX_ROLES]);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(seccomp_call_name(SYS_read), "read");
	assert_string_equal(seccomp_call_name(SYS_openat), "openat");
	assert_string_equal(seccomp_call_name(SYS_io_uring_setup), "io_uring_setup");
	assert_null(seccomp_call_name(-1));
	assert_null(seccomp_call_name(340));	/* the gap before the numbers shared by all */
	assert_null(seccomp_call_name(1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_dangerous_calls_are_nowhere),
		cmocka_unit_test(test_both_sides_of_each_condition),
		cmocka_unit_test(test_every_number),
		cmocka_unit_test(test_other_architecture),
		cmocka_unit_test(test_log_lets_pass),
		cmocka_unit_test(test_without_no_new_privs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
