/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The saved settings are the one global of the monitor, because the handlers of fatal signals need
 * them.
 */
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#include "base/util.h"
#include "vmm/terminal.h"

static struct termios terminal_saved;
static _Atomic int terminal_fd = -1;	/* -1: nothing to restore */

/* What ends a process by default, but for what vmm/supervisor.c takes and SIGKILL, which nobody can. */
static const int fatal_signals[] = {
	SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ, SIGQUIT,
	SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT,
};

/* tcsetattr() from a background process stops it, unless SIGTTOU is blocked. */
static int terminal_set(int fd, const struct termios *settings)
{
	sigset_t ttou, old;
	int r;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	r = tcsetattr(fd, TCSANOW, settings);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

void terminal_restore(void)
{
	int fd = atomic_exchange(&terminal_fd, -1);

	if (fd >= 0)
		terminal_set(fd, &terminal_saved);
}

/* Installed with SA_RESETHAND: the second delivery has the signal's own effect. */
static void terminal_fatal(int signal)
{
	terminal_restore();
	raise(signal);
}

bool terminal_raw(int fd)
{
	struct sigaction action = { .sa_handler = terminal_fatal, .sa_flags = (int)SA_RESETHAND };
	struct termios raw;

	if (tcgetpgrp(fd) != getpgrp())
		return false;
	if (atomic_load(&terminal_fd) < 0 && tcgetattr(fd, &terminal_saved) < 0)
		return false;
	raw = terminal_saved;
	cfmakeraw(&raw);
	if (terminal_set(fd, &raw) < 0)
		return false;
	atomic_store(&terminal_fd, fd);
	for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++) {
		struct sigaction now;

		if (sigaction(fatal_signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(fatal_signals[i], &action, NULL);
	}
	return true;
}
