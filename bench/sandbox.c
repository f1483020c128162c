/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox RUNS - put a child into the whole sandbox @RUNS times, one after the other, and print for
 * each the microseconds of CLOCK_MONOTONIC that it took: from sandbox_prepare() to the return of the
 * last seal, with the fork, and without what a monitor does in between. The vCPU's filter goes onto a
 * thread of its own, as in the monitor.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

struct result {
	int64_t end_ns;		/* 0: failed */
	struct error err;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *seal_vcpu(void *arg)
{
	struct result *result = arg;

	(void)sandbox_seal(SANDBOX_VCPU, FILTER_KILL, &result->err);
	return NULL;
}

static void run_child(struct sandbox *sandbox, struct result *result)
{
	pthread_t thread;

	if (sandbox_enter(sandbox, &result->err) < 0 ||
	    pthread_create(&thread, NULL, seal_vcpu, result) != 0)
		return;
	pthread_join(thread, NULL);
	if (result->err.code == 0 && sandbox_seal(SANDBOX_DEVICE, FILTER_KILL, &result->err) == 0)
		result->end_ns = now_ns();
}

/* Nanoseconds, or -1. */
static int64_t run(struct result *result)
{
	static const struct sandbox_config config = SANDBOX_CONFIG_DEFAULT;
	int64_t start = now_ns();
	struct sandbox sandbox;
	pid_t child;

	*result = (struct result){ 0 };
	if (sandbox_prepare(&sandbox, &config, &result->err) < 0 ||
	    sandbox_fork(&sandbox, &child, &result->err) < 0)
		return -1;
	if (child == 0) {
		run_child(&sandbox, result);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	sandbox_release(&sandbox);
	return result->end_ns ? result->end_ns - start : -1;
}

int main(int argc, char **argv)
{
	struct result *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int runs = argc == 2 ? atoi(argv[1]) : 0;

	if (runs <= 0 || result == MAP_FAILED) {
		fprintf(stderr, "usage: sandbox RUNS\n");
		return 2;
	}
	for (int i = 0; i < runs; i++) {
		/* A process makes a PID namespace for its children once, so each run has its own. */
		pid_t runner = fork();
		int64_t ns;
		int status;

		if (runner == 0) {
			ns = run(result);
			if (ns >= 0)
				printf("%" PRId64 "\n", ns / 1000);
			else
				fprintf(stderr, "sandbox: %s\n", result->err.msg);
			fflush(stdout);
			_exit(ns < 0);
		}
		if (runner < 0 || waitpid(runner, &status, 0) < 0 || status != 0)
			return 1;
	}
	return 0;
}
