/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "vmm/exit.h"
#include "vmm/killed.h"
#include "vmm/link.h"
#include "vmm/loop.h"
#include "vmm/supervisor.h"
#include "vmm/terminal.h"

#define STOPS_MAX 3		/* the guest's button, the VM's end, and then no more asking */
#define REPORTS_A_PASS 16	/* a flood of them is not to keep signals waiting */
#define REPORTS_LEFT_MAX 512	/* more than the socket holds when the VM process has ended */

struct supervisor {
	pid_t child;
	int link_fd, signal_fd;
	bool running;		/* the guest has started */
	bool ended;		/* the report of the end has come */
	unsigned int stops;	/* how often it was told to stop */
	int64_t deadline_ms;	/* loop_now_ms() when it is killed; 0: not yet */
	void (*say)(const char *line);
	struct report report;
};

/* ---- signals ---- */

/* SIGCONT: the terminal may have been changed while stopped. */
static const int signals_taken[] = { SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT, SIGCHLD };

static bool signal_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/*
 * Whoever starts this process with SIGHUP ignored (nohup) or SIGINT (a script, in the background)
 * wants it to live on. Such a signal is left out: blocked, it would be delivered all the same.
 */
static void supervisor_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	for (size_t i = 0; i < ARRAY_SIZE(signals_taken); i++) {
		if (signals_taken[i] == SIGTERM || !signal_ignored(signals_taken[i]))
			sigaddset(ret_set, signals_taken[i]);
	}
}

int supervisor_block_signals(struct error *err)
{
	sigset_t set;

	signal(SIGCHLD, SIG_DFL);	/* ignored, it would take away how the child ended */
	signal(SIGCONT, SIG_DFL);	/* ignored, it could not be passed on */
	supervisor_signals(&set);
	/* Reading or setting a terminal in the background is to fail, not to stop the VM process. */
	sigaddset(&set, SIGTTIN);
	sigaddset(&set, SIGTTOU);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_sys(err, -errno, "cannot block signals");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* ---- orders ---- */

static void supervisor_order(struct supervisor *s, enum order_kind kind, int number)
{
	struct order order = { .kind = kind, .signal = number };

	(void)!write(s->link_fd, &order, sizeof(order));
}

/* Make the terminal raw, if there is one and it is ours, and tell the VM process which it is. */
static void supervisor_take_terminal(struct supervisor *s)
{
	if (s->running && isatty(STDIN_FILENO))
		supervisor_order(s, terminal_raw(STDIN_FILENO) ? ORDER_TERMINAL : ORDER_NO_TERMINAL, 0);
}

static void supervisor_resume(struct supervisor *s)
{
	kill(s->child, SIGCONT);
	supervisor_take_terminal(s);
}

static void supervisor_stop_vm(struct supervisor *s, int number)
{
	if (++s->stops >= STOPS_MAX) {
		kill(s->child, SIGKILL);
		return;
	}
	s->deadline_ms = loop_now_ms() + (s->stops == 1 ? SUPERVISOR_STOP_MS : SUPERVISOR_END_MS);
	supervisor_order(s, ORDER_STOP, number);
}

/*
 * Ctrl-Z where the terminal is not raw, or a kill: stop both. By SIGTSTP itself, which the kernel
 * discards where nobody could continue us (an orphaned process group).
 */
static void supervisor_suspend(struct supervisor *s)
{
	sigset_t tstp;

	supervisor_order(s, ORDER_NO_TERMINAL, 0);
	terminal_restore();
	kill(s->child, SIGSTOP);
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL);	/* here we stop */
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	supervisor_resume(s);
}

static void supervisor_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
		case SIGHUP:
			supervisor_stop_vm(s, (int)info.ssi_signo);
			break;
		case SIGTSTP:
			supervisor_suspend(s);
			break;
		case SIGCONT:
			supervisor_resume(s);
			break;
		}
	}
}

/* ---- reports ---- */

/*
 * The length of the printable character at @text, 0 if there is none: ASCII, or UTF-8 but for the
 * control characters that it has, too (C1, 0xc2 0x80-0x9f). They would steer a terminal.
 */
static size_t char_printable(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t len = byte[0] < 0xc2 ? 1 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;

	if (byte[0] < 0x80)
		return isprint(byte[0]) ? 1 : 0;
	if (len == 1 || byte[0] > 0xf4 || (byte[0] == 0xc2 && byte[1] < 0xa0))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((byte[i] & 0xc0) != 0x80)	/* the end of the text, too */
			return 0;
	}
	return len;
}

static void text_make_printable(char *text)
{
	while (*text) {
		size_t len = char_printable(text);

		if (len == 0)
			*text = '?';
		text += len ? len : 1;
	}
}

/* The guest starts: say what the VM process has to say, and take the terminal. */
static void supervisor_running(struct supervisor *s, char *text)
{
	char *line;

	s->running = true;
	while ((line = strsep(&text, "\n")) != NULL) {
		text_make_printable(line);
		if (line[0])
			s->say(line);
	}
	supervisor_take_terminal(s);
}

/* Packets of another size are skipped; an empty one looks like the link's end, which it may be. */
static void supervisor_report(struct supervisor *s, int most)
{
	struct report report;

	for (int i = 0; i < most; i++) {
		ssize_t n = read(s->link_fd, &report, sizeof(report));

		if (n < 0)
			return;
		if (n != (ssize_t)sizeof(report))
			continue;
		report.text[LINK_TEXT_MAX - 1] = '\0';
		if (report.kind == REPORT_RUNNING && !s->running) {
			supervisor_running(s, report.text);
		} else if (report.kind == REPORT_END && !s->ended) {
			s->report = report;
			s->ended = true;
		}
	}
}

/* The words and the status for how the VM process ended. */
static void supervisor_judge(const struct supervisor *s, int status, struct verdict *ret_verdict)
{
	struct verdict v = { .code = exit_reason_code(EXIT_SANDBOX, 0) };

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		killed_describe(s->child, v.text, sizeof(v.text));
	} else if (WIFSIGNALED(status) && s->stops > 0) {
		v.code = exit_reason_code(EXIT_STOPPED, 0);
		snprintf(v.text, sizeof(v.text), "%s: killed, after it was told to stop %u times",
			 exit_reason_text(EXIT_STOPPED), s->stops);
	} else if (WIFSIGNALED(status)) {
		v.signal = WTERMSIG(status);
		snprintf(v.text, sizeof(v.text), "the VM process was killed by signal %d (%s)",
			 v.signal, strsignal(v.signal));
	} else if (s->ended) {
		v.code = (int)(s->report.code & 0xff);
		snprintf(v.text, sizeof(v.text), "%s", s->report.text);
	} else {
		v.code = exit_reason_code(EXIT_HOST, 0);
		snprintf(v.text, sizeof(v.text), "the VM process ended with status %d and no word of why",
			 WEXITSTATUS(status));
	}
	text_make_printable(v.text);
	*ret_verdict = v;
}

/* How long poll may wait; kills the VM process when its time is up. */
static int supervisor_patience(struct supervisor *s)
{
	int64_t left;

	if (s->deadline_ms == 0)
		return -1;
	left = s->deadline_ms - loop_now_ms();
	if (left > 0)
		return (int)left;
	s->deadline_ms = 0;
	kill(s->child, SIGKILL);
	return -1;
}

static int supervisor_wait(struct supervisor *s, struct verdict *ret_verdict, struct error *err)
{
	struct pollfd fds[] = {
		{ .fd = s->signal_fd, .events = POLLIN }, { .fd = s->link_fd, .events = POLLIN },
	};
	int status;

	for (;;) {
		pid_t pid = waitpid(s->child, &status, WNOHANG);

		/* After the wait: the last words of one that has ended. */
		supervisor_report(s, pid == s->child ? REPORTS_LEFT_MAX : REPORTS_A_PASS);
		if (pid == s->child)
			break;
		if (pid < 0 && errno != EINTR)
			return error_sys(err, -errno, "cannot wait for the VM process");
		if (poll(fds, ARRAY_SIZE(fds), supervisor_patience(s)) < 0 && errno != EINTR)
			return error_sys(err, -errno, "cannot wait for events");
		supervisor_signal(s);
		if (fds[1].revents & POLLHUP)
			fds[1].fd = -1;		/* its end is near: SIGCHLD tells */
	}
	supervisor_judge(s, status, ret_verdict);
	return 0;
}

int supervisor_run(pid_t child, int link_fd, void (*say)(const char *line),
		   struct verdict *ret_verdict, struct error *err)
{
	struct supervisor s = { .child = child, .link_fd = link_fd, .say = say };
	sigset_t set;
	int r;

	supervisor_signals(&set);
	s.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signal_fd < 0)
		r = error_sys(err, -errno, "cannot make the signalfd");
	else
		r = supervisor_wait(&s, ret_verdict, err);
	if (r < 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	terminal_restore();
	fd_close(&s.signal_fd);
	fd_close(&s.link_fd);
	return r;
}
