/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop.h - how the host ends a machine: the first SIGTERM, SIGINT or SIGHUP presses the guest's
 * power button, a second one or STOP_GRACE_MS without a power-off ends the machine hard. The press
 * is repeated, because a guest that is still starting loses it: often until the guest has read the
 * button, since the interrupt is an edge, and seldom after that, since a kernel may read it before
 * anybody in the guest listens.
 */
#ifndef VOLT_VMM_STOP_H
#define VOLT_VMM_STOP_H

#include <stdbool.h>

#include "base/error.h"
#include "vmm/loop.h"

#define STOP_GRACE_MS 30000
#define STOP_PRESS_MS 250	/* how often while the guest has not read the button */
#define STOP_AGAIN_MS 2000	/* how often when it has */

struct machine;

struct stop {
	struct machine *machine;
	struct loop_source timer;	/* a timerfd, owned; runs from the first press on */
	bool pressed;
	unsigned int ticks;		/* of STOP_PRESS_MS since the first press */
};

int stop_init(struct stop *stop, struct machine *machine, struct error *err);
void stop_destroy(struct stop *stop);

/* Press the button, as the first SIGTERM does; the second call ends the machine. Device thread. */
void stop_request(struct stop *stop, const char *who);

#endif
