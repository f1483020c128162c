/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init/ - volt-init, process 1 of a guest. It shares nothing with the monitor but base/cleanup.h.
 *
 *	main.c		the order of things
 *	parse.c		what can be known without the machine: the command line, lists, statuses
 *	say.c		lines on the console
 *	mounts.c	file systems up and down
 *	modules.c	kernel modules
 *	root.c		from the initramfs to the root device
 *	workload.c	the program that the guest is for
 *	supervise.c	signals, the power button, children
 *	power.c		the end: the status latch, power-off, reboot
 *
 * parse.h - the pure functions. They change and keep pointers into the text they are given, and
 * allocate nothing.
 */
#ifndef VOLT_INIT_PARSE_H
#define VOLT_INIT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Statuses of workloads that could not be started, as shells have them (POSIX XCU 2.8.2). */
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127
#define STATUS_SIGNAL_BASE 128

/* What the kernel's command line says about the root device (kernel-parameters.txt). */
struct boot_options {
	const char *root;	/* root=, NULL if absent */
	const char *root_type;	/* rootfstype=, "ext4" if absent */
	const char *init;	/* init=, "/sbin/init" if absent */
	bool root_writable;	/* the last of rw and ro, ro if both are absent */
	bool root_wait;		/* rootwait: wait long for the device */
};

/* Enough for "(uptime 18446744073.709 s)". */
#define UPTIME_TEXT_MAX 32

/*
 * Read the part of @line before "--", which is cut into words in place. Later words win.
 * Parameters with spaces are in double quotes, which are dropped.
 */
void boot_options_parse(char *line, struct boot_options *ret_options);

/*
 * How many of the @argc - 1 arguments are not the workload's: the kernel gives init the words of
 * @line that it does not know before those after "--". Changes @line.
 */
int arguments_leaked(char *line, int argc, char *const argv[]);

/*
 * Cut @text into its lines. Empty lines and those that start with '#' count only with @literal.
 * Writes at most @max - 1 pointers and a NULL to @ret_lines; returns their number, or -1 if there
 * are more.
 */
int lines_split(char *text, bool literal, char **ret_lines, int max);

/* Cut @line at its first run of blanks; returns what follows, "" if nothing does. */
char *word_cut(char *line);

/* A status of wait() as an exit status: 128 + N for a death by signal N. */
int status_of_wait(int wait_status);

/* The status when exec failed with @error (an errno). */
int status_of_exec_error(int error);

/* "12.345": seconds with milliseconds, cut, not rounded. @text has UPTIME_TEXT_MAX bytes. */
void uptime_format(const struct timespec *uptime, char *text);

/* Undo the \ooo escapes of /proc/self/mounts, in place. */
void mount_path_unescape(char *path);

/*
 * The next mount point of @text, which holds lines of /proc/self/mounts and is cut in place, from
 * the end, as unmounting needs it; NULL when there is none left. *@length is what is left of
 * @text, at first all of it.
 */
char *mount_path_last(char *text, size_t *length);

#endif
