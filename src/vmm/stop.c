/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/machine.h"
#include "vmm/stop.h"

static bool stop_signal_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/*
 * Whoever starts this process with SIGHUP ignored (nohup) or SIGINT (a script, in the background)
 * wants it to live on. Such a signal is left out: blocked, it would be delivered all the same.
 */
static void stop_signal_set(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	if (!stop_signal_ignored(SIGINT))
		sigaddset(ret_set, SIGINT);
	if (!stop_signal_ignored(SIGHUP))
		sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGCONT);	/* the terminal may have been changed while stopped */
}

int stop_block_signals(struct error *err)
{
	sigset_t set;

	stop_signal_set(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_sys(err, -errno, "cannot block signals");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

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

	stop->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (stop->timer.fd < 0 || timerfd_settime(stop->timer.fd, 0, &spec, NULL) < 0)
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

static void stop_signal_ready(void *ctx, uint32_t events)
{
	struct stop *stop = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(stop->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCONT)
			console_start(&stop->machine->console);
		else
			stop_request(stop, strsignal((int)info.ssi_signo));
	}
}

int stop_init(struct stop *stop, struct machine *machine, struct loop *loop, struct error *err)
{
	sigset_t set;

	stop_signal_set(&set);
	*stop = (struct stop){
		.machine = machine,
		.signals = {
			.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
			.ready = stop_signal_ready, .ctx = stop,
		},
		.timer = { .fd = -1, .ready = stop_timer_ready, .ctx = stop },
	};
	if (stop->signals.fd < 0)
		return error_sys(err, -errno, "cannot make the signalfd");
	return loop_watch(loop, &stop->signals, EPOLLIN);
}

void stop_destroy(struct stop *stop)
{
	fd_close(&stop->signals.fd);
	fd_close(&stop->timer.fd);
}
