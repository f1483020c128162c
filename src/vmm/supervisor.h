/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.h - the process that the user started, while its child is the VM.
 *
 * Theory of operation. A monitor is two processes. The first opens everything that has a path, forks,
 * and from then on supervises: it takes the signals and passes them on as orders, holds the
 * terminal's settings, and says in the last line how the VM ended, also when the VM process was
 * killed by its own seccomp filter. The second is the VM: it shuts itself into the sandbox, and only
 * then looks at anything that an enemy may have written. It could not do the first one's work from
 * in there: as the first process of its own PID namespace it is not reached by most signals, and it
 * cannot tell whether it is in the terminal's foreground.
 *
 * The VM process dies with its supervisor (PR_SET_PDEATHSIG), whatever ends that. Both are in the
 * same process group, so a shell's job control reaches both; a stop by SIGTSTP is passed on.
 *
 * Everything here runs on the first process's only thread.
 */
#ifndef VOLT_VMM_SUPERVISOR_H
#define VOLT_VMM_SUPERVISOR_H

#include <sys/types.h>

#include "base/error.h"

#define SUPERVISOR_TEXT_MAX 1280

/*
 * How long the VM process may take to end, once it has been told to: what stop.h gives the guest, and
 * then what the console's last output may take, with something to spare. A VM process that does not
 * is killed.
 */
#define SUPERVISOR_STOP_MS 36000
#define SUPERVISOR_END_MS 6000

/* How a VM ended. */
struct verdict {
	int code;			/* exit status for the process */
	int signal;			/* what killed the VM process, 0: nothing did */
	char text[SUPERVISOR_TEXT_MAX];	/* the last line, without the program's name; printable */
};

/*
 * Block what the supervisor takes from a signalfd, and ignore SIGPIPE. Before the fork: the VM
 * process is to inherit it. SIGINT, SIGHUP and SIGTSTP stay ignored if they are (nohup).
 */
int supervisor_block_signals(struct error *err);

/*
 * Supervise the VM process @child, whose end of the link has been closed here; takes @link_fd over.
 * @say gets the lines that it has to say when its guest starts, one at a time and printable. Returns
 * when it has ended, also on failure, with the terminal as it was before.
 */
int supervisor_run(pid_t child, int link_fd, void (*say)(const char *line),
		   struct verdict *ret_verdict, struct error *err);

#endif
