/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.h - signals, the power button, and all children of process 1.
 *
 *	SIGTERM, SIGUSR1, SIGUSR2, SIGPWR	power-off
 *	SIGINT					power-off from a process, reboot from the kernel:
 *						that is Ctrl-Alt-Del
 *	SIGRTMIN+4, SIGRTMIN+5			power-off, reboot, as other inits have it
 */
#ifndef VOLT_INIT_SUPERVISE_H
#define VOLT_INIT_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

enum ending {
	ENDING_POWER_OFF,
	ENDING_REBOOT,
};

/*
 * Block the signals and make the descriptor that delivers them. To be called before the first
 * child is started. Returns 0 or a negative errno.
 */
int supervise_init(void);

/*
 * Wait until @workload has ended, of itself or because somebody asked for the end. @shell: it is
 * an interactive shell, which leaves on a hang-up only. Returns the exit status.
 */
int supervise(pid_t workload, bool shell, enum ending *ret_ending);

/* End all other processes: first politely, then not. */
void processes_end(void);

#endif
