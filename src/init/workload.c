/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Process 1, not the workload, leads the session that has the console as its
 * controlling terminal. Were it the workload, its end would hang up the terminal, and the kernel
 * would throw away what the workload has written last and the serial port has not sent yet. The
 * workload is the terminal's foreground process group, so that Ctrl-C is its own.
 */
#include "init/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/mounts.h"
#include "init/parse.h"
#include "init/say.h"

#define COMMAND_TEXT_MAX 65536
#define COMMAND_ARGUMENTS_MAX 1024
#define CONSOLE_NAMES_MAX 256

/* How long to wait for the console in all, on a busy host too, and how often to look. */
#define DRAIN_MS 5000
#define DRAIN_LOOK_MS 1

static char shell_path[] = "/bin/sh";
static char *shell_command[] = { shell_path, NULL };
static char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Make @fd descriptors 0 to 2, and close it if it is none of them. */
static void standard_set(int fd)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (fd != i)
			dup2(fd, i);
	}
	if (fd > STDERR_FILENO)
		close(fd);
}

void console_open(void)
{
	int fd;

	if (fcntl(STDOUT_FILENO, F_GETFD) >= 0)
		return;
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	/* No /dev at all: something has to keep the three from other files. Writing to it fails. */
	if (fd < 0)
		fd = open("/", O_RDONLY | O_DIRECTORY);
	if (fd >= 0)
		standard_set(fd);
}

/*
 * Not tcdrain(), which may wait for ever. What the serial port itself holds is with the monitor
 * already.
 */
void console_drain(void)
{
	const struct timespec pause = { .tv_nsec = DRAIN_LOOK_MS * 1000000L };
	int left;

	for (int i = 0; i < DRAIN_MS / DRAIN_LOOK_MS; i++) {
		if (ioctl(STDOUT_FILENO, TIOCOUTQ, &left) < 0 || left == 0)
			return;
		nanosleep(&pause, NULL);
	}
}

/* NULL if there is no such file, or none that makes sense. */
static char **command_read(void)
{
	static char text[COMMAND_TEXT_MAX];
	static char *lines[COMMAND_ARGUMENTS_MAX];
	ssize_t length = text_read(WORKLOAD_COMMAND, text, sizeof(text));
	int count;

	if (length == -ENOENT || length == -ENOTDIR)
		return NULL;
	if (length < 0) {
		complain((int)-length, "cannot read ", WORKLOAD_COMMAND, NULL);
		return NULL;
	}
	count = lines_split(text, true, lines, COMMAND_ARGUMENTS_MAX);
	if (count > 0 && *lines[0])
		return lines;
	complain(0, WORKLOAD_COMMAND, count < 0 ? " has more than 1023 lines" : " names no program",
		 ", starting a shell instead", NULL);
	return NULL;
}

char **workload_choose(char **arguments, bool *ret_shell)
{
	char **command = *arguments ? arguments : command_read();

	*ret_shell = !command;
	return command ? command : shell_command;
}

/*
 * /dev/console cannot be a controlling terminal. The kernel tells which terminal is behind it: the
 * last one of the list. Returns a descriptor of it, or -1 if there is none to be had.
 */
static int terminal_claim(void)
{
	char text[CONSOLE_NAMES_MAX], path[CONSOLE_NAMES_MAX + 8];
	char *name;
	int fd;

	if (!isatty(STDIN_FILENO) ||
	    text_read("/sys/class/tty/console/active", text, sizeof(text)) <= 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	name = strrchr(text, ' ');
	strcpy(path, "/dev/");
	strcat(path, name ? name + 1 : text);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	setsid();	/* EPERM: it is a leader already */
	if (ioctl(fd, TIOCSCTTY, 0) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Make this process the one that the terminal's signals go to. */
static void terminal_take(int fd)
{
	sigset_t ttou;

	/* Who is in the background yet would be stopped for it. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, NULL);
	setpgid(0, 0);
	tcsetpgrp(fd, getpid());
	standard_set(fd);
}

/* @terminal: its controlling terminal, or -1. */
static void workload_exec(char **command, int terminal)
{
	sigset_t none;
	int error;

	if (terminal >= 0)
		terminal_take(terminal);
	else
		setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!getenv("PATH"))
		putenv(default_path);
	execvp(command[0], command);
	error = errno;
	complain(error, "cannot execute ", command[0], NULL);
	_exit(status_of_exec_error(error));
}

pid_t workload_start(char **command)
{
	_cleanup_fd_ int terminal = terminal_claim();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		workload_exec(command, terminal);
	return pid;
}
