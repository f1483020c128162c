/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/vmm_options.h"
#include "sandbox/privileges.h"
#include "vmm/machine.h"
#include "vmm/supervisor.h"

#define PREFIX "volt-vmm: "

static int fail(enum exit_reason reason, const struct error *err)
{
	fprintf(stderr, PREFIX "%s\n", err->msg);
	return exit_reason_code(reason, 0);
}

/*
 * A closed standard descriptor would otherwise become the number of the next file opened, such as a
 * disk, and the console would write there. Without /dev/null a pipe that nobody reads will do.
 */
static int open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int pair[2];

		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", O_RDWR) == fd)
			continue;
		if (pipe(pair) < 0 || pair[0] != fd)
			return -EBADF;
		close(pair[1]);
	}
	return 0;
}

/* ---- the VM process ---- */

/* The last line, which the supervisor prints: why it ended. */
static int report_end(int link_fd, enum exit_reason reason, uint8_t status, const char *detail)
{
	int code = exit_reason_code(reason, status);
	char text[LINK_TEXT_MAX], number[80] = "";

	if (reason == EXIT_POWER_OFF && code != status)
		snprintf(number, sizeof(number),
			 ", status %d (exit status %d: higher ones are the monitor's own)", status, code);
	else if (reason == EXIT_POWER_OFF)
		snprintf(number, sizeof(number), ", status %d", status);
	snprintf(text, sizeof(text), "%s%s%s%s", exit_reason_text(reason), number,
		 detail[0] ? ": " : "", detail);
	link_report(link_fd, REPORT_END, code, text);
	return code;
}

static int vm_main(struct machine *machine, struct sandbox *sandbox, int link_fd)
{
	struct error err = { 0 };
	enum exit_reason reason;
	uint8_t status;
	int code;

	if (machine_build(machine, sandbox, link_fd, &reason, &err) < 0) {
		code = exit_reason_code(reason, 0);
		link_report(link_fd, REPORT_END, code, err.msg);
	} else {
		reason = machine_run(machine, &status);
		code = report_end(link_fd, reason, status, machine_end_detail(machine));
	}
	machine_destroy(machine);
	return code;
}

/* ---- the supervisor ---- */

/* Whoever waits for this process is to see the same signal. No core: this is not the cause. */
static void die_by(int number)
{
	const struct rlimit no_core = { 0 };
	sigset_t set;

	setrlimit(RLIMIT_CORE, &no_core);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
}

static void say(const char *line)
{
	fprintf(stderr, PREFIX "%s\n", line);
}

static int supervise(pid_t child, int link_fd)
{
	struct verdict verdict;
	struct error err = { 0 };

	if (supervisor_run(child, link_fd, say, &verdict, &err) < 0)
		return fail(EXIT_HOST, &err);
	say(verdict.text);
	if (verdict.signal)
		die_by(verdict.signal);
	return verdict.code;
}

static int start(struct machine *machine, struct sandbox *sandbox)
{
	struct error err = { 0 };
	int link[2];
	pid_t child;

	if (link_create(link, &err) < 0) {
		machine_destroy(machine);
		return fail(EXIT_HOST, &err);
	}
	if (sandbox_fork(sandbox, &child, &err) < 0) {
		machine_destroy(machine);
		return fail(EXIT_SANDBOX, &err);
	}
	if (child == 0) {
		fd_close(&link[0]);
		_exit(vm_main(machine, sandbox, link[1]));
	}
	fd_close(&link[1]);
	machine_destroy(machine);	/* this process's share of it: descriptors */
	return supervise(child, link[0]);
}

int main(int argc, char **argv)
{
	struct vmm_options options;
	struct sandbox sandbox;
	enum exit_reason reason;
	struct machine *machine;
	struct error err = { 0 };
	int code;

	if (open_standard_descriptors() < 0)
		return exit_reason_code(EXIT_HOST, 0);	/* and nowhere to say it */
	if (vmm_options_parse(argc, argv, &options, &err) < 0)
		return fail(EXIT_USAGE, &err);
	if (options.help) {
		vmm_options_help(stdout);
		return 0;
	}
	if (options.version) {
		printf("volt-vmm %s\n", VOLT_VERSION);
		return 0;
	}
	if (privileges_limit_fds(NULL, 0, &err) < 0 || supervisor_block_signals(&err) < 0)
		return fail(EXIT_HOST, &err);
	privileges_clear_environment();
	if (machine_open(&options.config, &machine, &reason, &err) < 0)
		return fail(reason, &err);
	if (sandbox_prepare(&sandbox, &options.sandbox, &err) < 0) {
		machine_destroy(machine);
		return fail(EXIT_SANDBOX, &err);
	}
	code = start(machine, &sandbox);
	sandbox_release(&sandbox);
	return code;
}
