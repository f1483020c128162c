/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.h - the program that the guest is for.
 */
#ifndef VOLT_INIT_WORKLOAD_H
#define VOLT_INIT_WORKLOAD_H

#include <stdbool.h>
#include <sys/types.h>

/* One argument a line, the program first. */
#define WORKLOAD_COMMAND "/etc/volt/command"

/* Descriptors 0 to 2 on the console, if they are not open yet. */
void console_open(void);

/*
 * Wait until the console has taken what was written to it, but not longer than five seconds:
 * a terminal may be stopped by Ctrl-S.
 */
void console_drain(void);

/*
 * The arguments of the program to run, NULL-terminated: @arguments if there are any, else what
 * WORKLOAD_COMMAND says, else a shell. *ret_shell tells whether it is the latter.
 */
char **workload_choose(char **arguments, bool *ret_shell);

/*
 * Start it in a process group of its own, with the console as its controlling terminal if that is
 * a terminal, else in a session of its own. Returns its process ID or a negative errno. A program
 * that cannot be executed ends as one in a shell does, with status 126 or 127, and is said on the
 * console.
 */
pid_t workload_start(char **command);

#endif
