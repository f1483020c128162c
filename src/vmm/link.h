/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - what the two processes of a monitor tell each other, over a pair of connected sockets that
 * keep packets apart.
 *
 * The supervisor is the process that the user started: it owns signals and the terminal's settings,
 * and prints the last line. The VM process is its child, shut into the sandbox (supervisor.h). What
 * comes from the VM process is not trusted: it may have been taken over by its guest.
 */
#ifndef VOLT_VMM_LINK_H
#define VOLT_VMM_LINK_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/loop.h"

#define LINK_TEXT_MAX 1024

/* The VM process to the supervisor. */
enum report_kind {
	REPORT_RUNNING = 1,	/* the guest starts: now the terminal may be raw */
	REPORT_END,		/* how it ended; the process ends next */
};

struct report {
	uint32_t kind;
	uint32_t code;			/* REPORT_END: the exit status */
	char text[LINK_TEXT_MAX];	/* what to print, NUL-terminated: lines about the sandbox, or
					   the last line */
};

/* The supervisor to the VM process. */
enum order_kind {
	ORDER_STOP = 1,		/* press the power button; the second time: end */
	ORDER_TERMINAL,		/* the terminal on standard input is raw and yours to read */
	ORDER_NO_TERMINAL,	/* it belongs to somebody else now */
};

struct order {
	uint32_t kind;
	int32_t signal;		/* ORDER_STOP: which one the supervisor got */
};

struct machine;

/* The VM process's end. Device thread. */
struct link {
	struct machine *machine;
	struct loop_source source;	/* the socket, owned */
};

/* Make both ends: @ret_fds[0] is the supervisor's, @ret_fds[1] the VM process's. */
int link_create(int ret_fds[2], struct error *err);

/* Carry out orders from now on; takes @fd over, also on failure. */
int link_init(struct link *link, struct machine *machine, int fd, struct loop *loop,
	      struct error *err);

/* Send a report. A supervisor that has gone does not matter any more. */
void link_report(int fd, enum report_kind kind, int code, const char *text);

void link_destroy(struct link *link);

#endif
