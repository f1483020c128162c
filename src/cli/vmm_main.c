/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/vmm_options.h"
#include "vmm/machine.h"

/* The last line on stderr: why it ended. */
static int finish(enum exit_reason reason, uint8_t status, const char *detail)
{
	int code = exit_reason_code(reason, status);

	fprintf(stderr, "volt-vmm: %s", exit_reason_text(reason));
	if (reason == EXIT_POWER_OFF)
		fprintf(stderr, ", status %d", status);
	if (reason == EXIT_POWER_OFF && code != status)
		fprintf(stderr, " (exit status %d: higher ones are the monitor's own)", code);
	fprintf(stderr, "%s%s\n", detail[0] ? ": " : "", detail);
	return code;
}

static int fail(enum exit_reason reason, const struct error *err)
{
	fprintf(stderr, "volt-vmm: %s\n", err->msg);
	return exit_reason_code(reason, 0);
}

/* A closed standard descriptor would otherwise become the number of the next file opened. */
static void open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", O_RDWR);
	}
}

int main(int argc, char **argv)
{
	struct vmm_options options;
	enum exit_reason reason;
	struct machine *machine;
	struct error err = { 0 };
	uint8_t status;
	int code;

	open_standard_descriptors();
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
	if (stop_block_signals(&err) < 0)
		return fail(EXIT_HOST, &err);
	if (machine_create(&options.config, &machine, &reason, &err) < 0)
		return fail(reason, &err);
	reason = machine_run(machine, &status);
	terminal_restore();
	code = finish(reason, status, machine_end_detail(machine));
	machine_destroy(machine);
	return code;
}
