/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/machine.h"
#include "vmm/stop.h"

static void stop_timer_ready(void *ctx, uint32_t events)
{
	struct stop *stop = ctx;
	unsigned int before = stop->ticks / (STOP_AGAIN_MS / STOP_PRESS_MS);
	uint64_t ticks;

	(void)events;
	if (read(stop->timer.fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return;
	stop->ticks += (unsigned int)ticks;
	if (stop->ticks >= STOP_GRACE_MS / STOP_PRESS_MS)
		machine_end(stop->machine, EXIT_NO_ANSWER, "waited %d s after the power button",
			    STOP_GRACE_MS / 1000);
	else if (power_button_pending(&stop->machine->power) ||
		 stop->ticks / (STOP_AGAIN_MS / STOP_PRESS_MS) != before)
		power_button_press(&stop->machine->power);
}

static int stop_start_timer(struct stop *stop)
{
	struct timespec period = { .tv_nsec = STOP_PRESS_MS * 1000000L };
	struct itimerspec spec = { .it_interval = period, .it_value = period };

	if (timerfd_settime(stop->timer.fd, 0, &spec, NULL) < 0)
		return -errno;
	return loop_watch(&stop->machine->loop, &stop->timer, EPOLLIN);
}

void stop_request(struct stop *stop, const char *who)
{
	if (stop->pressed) {
		machine_end(stop->machine, EXIT_STOPPED, "%s, the second request", who);
		return;
	}
	stop->pressed = true;
	power_button_press(&stop->machine->power);
	if (stop_start_timer(stop) < 0)
		machine_end(stop->machine, EXIT_STOPPED, "%s, and no timer to wait for the guest", who);
}

int stop_init(struct stop *stop, struct machine *machine, struct error *err)
{
	*stop = (struct stop){
		.machine = machine,
		.timer = {
			.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
			.ready = stop_timer_ready, .ctx = stop,
		},
	};
	return stop->timer.fd < 0 ? error_sys(err, -errno, "cannot make the stop timer") : 0;
}

void stop_destroy(struct stop *stop)
{
	fd_close(&stop->timer.fd);
}
