/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "init/modules.h"
#include "init/mounts.h"
#include "init/parse.h"
#include "init/power.h"
#include "init/root.h"
#include "init/say.h"
#include "init/supervise.h"
#include "init/workload.h"

/* The kernel's own limit is 2048 on x86 (COMMAND_LINE_SIZE). */
#define CMDLINE_MAX 4096

#define STATUS_USAGE 1

static const char usage[] =
	"usage: volt-init [COMMAND [ARGUMENT]...]\n"
	"\n"
	"Process 1 of a guest: mounts /proc, /sys, /dev and the like, runs COMMAND, or what\n"
	"/etc/volt/command says, one argument a line, or a shell, and powers the machine off\n"
	"with its exit status. The kernel starts it and gives it what stands after ' -- ' on the\n"
	"kernel's command line. With root= there and from an initramfs, it mounts that device\n"
	"and goes on as its /sbin/init. volt-init(8) tells more.\n"
	"\n"
	"  --help     print this text\n"
	"  --version  print the version";

/* The kernel's command line, a new copy at each call since the parsers cut it. */
static char *cmdline_read(void)
{
	static char text[CMDLINE_MAX];

	if (text_read("/proc/cmdline", text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

static void say_ready(void)
{
	struct timespec uptime = { 0 };
	char text[UPTIME_TEXT_MAX];

	clock_gettime(CLOCK_BOOTTIME, &uptime);
	uptime_format(&uptime, text);
	say("VOLT VM READY (uptime ", text, " s)", NULL);
}

/* Run the workload to its end. Returns its status. */
static int run(char **arguments, enum ending *ret_ending)
{
	char **command;
	bool shell;
	pid_t pid;
	int r;

	*ret_ending = ENDING_POWER_OFF;
	r = supervise_init();
	if (r < 0) {
		complain(-r, "cannot receive signals", NULL);
		return STATUS_NOT_EXECUTABLE;
	}
	command = workload_choose(arguments, &shell);
	say_ready();
	pid = workload_start(command);
	if (pid < 0) {
		complain(-pid, "cannot start ", command[0], NULL);
		return STATUS_NOT_EXECUTABLE;
	}
	return supervise(pid, shell, ret_ending);
}

static void __attribute__((noreturn)) init(int argc, char *argv[])
{
	struct boot_options options;
	enum ending ending = ENDING_POWER_OFF;
	int leaked, status;

	mount_dev();
	console_open();
	mount_all();
	modules_load();
	leaked = arguments_leaked(cmdline_read(), argc, argv);
	boot_options_parse(cmdline_read(), &options);
	if (options.root && root_is_initramfs())
		status = root_switch(&options, argv + leaked);
	else
		status = run(argv + leaked + 1, &ending);
	processes_end();
	unmount_all();
	console_drain();
	if (ending == ENDING_REBOOT)
		power_reboot();
	power_off(status);
}

int main(int argc, char *argv[])
{
	if (getpid() == 1)
		init(argc, argv);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		say(usage, NULL);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		say("volt-init " VOLT_VERSION, NULL);
		return 0;
	}
	complain(0, "is process 1 of a guest and does nothing otherwise; "
		 "give it to a kernel as /init or /sbin/init (--help tells more)", NULL);
	return STATUS_USAGE;
}
