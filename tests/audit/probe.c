/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor, taken over: a build of it that does, from one of its threads and in its real sandbox,
 * what VOLT_PROBE says, and tells what came of it.
 *
 *	VOLT_PROBE="ROLE call NUMBER ARG0 ... ARG5"	one system call
 *	VOLT_PROBE="ROLE attack NAME [ARGUMENT]"	see attacks.c
 *
 * Theory of operation. The linker gives this file every call of sandbox_seal(), which a thread makes
 * as the last thing before it meets hostile input. The thread of the role asked for then does its deed.
 * The main thread tells the result on standard error, as "PROBE RESULT", before it seals itself;
 * for the device role, which is its own, afterwards. There is no API thread in this version: one is
 * made up.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/probe.h"
#include "base/util.h"
#include "sandbox/sandbox.h"
#include "vmm/console.h"
#include "vmm/vcpu.h"

static const char *const role_names[] = { "vcpu", "device", "api" };
_Static_assert(ARRAY_SIZE(role_names) == SANDBOX_ROLES, "a name for each role");

static struct probe {
	enum sandbox_role role;
	bool is_call;
	long number;
	unsigned long args[6];
	char attack[32], argument[200];
	atomic_int thread;		/* the deed's thread, 0 before it */
	atomic_bool done;
	long result;
} probe;

int __real_sandbox_seal(enum sandbox_role role, enum sandbox_filter filter, struct error *err);
int __wrap_sandbox_seal(enum sandbox_role role, enum sandbox_filter filter, struct error *err);
int __wrap_vcpu_wait_sealed(struct vcpu *vcpu, struct error *err);
void __real_console_open(struct console *console);
void __wrap_console_open(struct console *console);

static int tell_fd = STDERR_FILENO;

/* Before main(), which clears the environment. */
__attribute__((constructor)) static void probe_read(void)
{
	const char *text = getenv("VOLT_PROBE");
	char role[16], what[16];
	int at = 0;

	if (!text || sscanf(text, "%15s %15s %n", role, what, &at) < 2)
		_exit(2);
	while (probe.role < SANDBOX_ROLES && strcmp(role, role_names[probe.role]) != 0)
		probe.role++;
	if (probe.role == SANDBOX_ROLES)
		_exit(2);
	probe.is_call = strcmp(what, "call") == 0;
	if (probe.is_call) {
		char *next;

		probe.number = strtol(text + at, &next, 0);
		for (size_t i = 0; i < ARRAY_SIZE(probe.args); i++)
			probe.args[i] = strtoul(next, &next, 0);
	} else if (sscanf(text + at, "%31s %199s", probe.attack, probe.argument) < 1) {
		_exit(2);
	}
}

static void probe_act(void)
{
	if (probe.is_call) {
		const unsigned long *a = probe.args;
		long r = syscall(probe.number, a[0], a[1], a[2], a[3], a[4], a[5]);

		probe.result = r < 0 ? -errno : r;
	} else {
		probe.result = attack_run(probe.attack, probe.argument);
	}
	atomic_store(&probe.done, true);
}

_Noreturn static void probe_tell(const char *what, long result)
{
	char line[80];
	int len = snprintf(line, sizeof(line), "PROBE %s %ld\n", what, result);

	(void)!write(tell_fd, line, (size_t)len);
	_exit(0);
}

/* Wait for the deed of another thread. Its end instead of a result is one, too. */
_Noreturn static void probe_wait(void)
{
	struct timespec while_ = { .tv_nsec = 200000 };

	for (;;) {
		int thread = atomic_load(&probe.thread);

		if (atomic_load(&probe.done))
			probe_tell("returned", probe.result);
		if (thread && syscall(SYS_tgkill, getpid(), thread, 0) < 0 && errno == ESRCH)
			probe_tell("ended", 0);
		nanosleep(&while_, NULL);
	}
}

static void *probe_api_thread(void *arg)
{
	enum sandbox_filter filter = *(enum sandbox_filter *)arg;
	struct error err = { 0 };

	atomic_store(&probe.thread, (int)syscall(SYS_gettid));
	if (__real_sandbox_seal(SANDBOX_API, filter, &err) == 0)
		probe_act();
	return NULL;
}

int __wrap_sandbox_seal(enum sandbox_role role, enum sandbox_filter filter, struct error *err)
{
	static enum sandbox_filter api_filter;
	pthread_t thread;
	int r;

	if (role == SANDBOX_DEVICE && probe.role == SANDBOX_API) {
		api_filter = filter;
		r = pthread_create(&thread, NULL, probe_api_thread, &api_filter);
		if (r != 0)
			return error_sys(err, -r, "cannot start the API's thread");
		probe_wait();
	}
	/* Before the seal: it cannot be asked for afterwards. */
	if (role == probe.role)
		atomic_store(&probe.thread, (int)syscall(SYS_gettid));
	r = __real_sandbox_seal(role, filter, err);
	if (r < 0 || role != probe.role)
		return r;
	probe_act();
	if (role == SANDBOX_DEVICE)
		probe_tell("returned", probe.result);
	return 0;
}

/* The VM process gives its standard error away; the probe needs it. */
void __wrap_console_open(struct console *console)
{
	tell_fd = dup(STDERR_FILENO);
	__real_console_open(console);
}

/* Called by the main thread, not yet sealed. */
int __wrap_vcpu_wait_sealed(struct vcpu *vcpu, struct error *err)
{
	(void)vcpu;
	(void)err;
	if (probe.role == SANDBOX_VCPU)
		probe_wait();
	return 0;
}
