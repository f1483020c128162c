/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Process 1 sleeps in poll() on a signalfd and on the input devices that have
 * a power key. A kernel without ACPI or input devices has no such key: then it looks at the
 * button's port from time to time, where a press stays until it is seen. A request for the end
 * passes SIGTERM to the workload and starts a clock; the workload's own end, or the clock, ends the
 * wait. A second request ends the clock.
 */
#include "init/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/parse.h"
#include "init/power.h"
#include "init/say.h"

/* How often to look at the button: seldom enough for an idle guest, often enough for who waits. */
#define BUTTON_LOOK_MS 250

/* How long the workload may take after a request, and after SIGKILL. */
#define WORKLOAD_GRACE_MS 10000
#define KILL_GRACE_MS 1000
/* How long the other processes may take. */
#define OTHERS_GRACE_MS 2000

#define INPUTS_MAX 8	/* /dev/input/event0 to event7 */

/* By the kernel's count, which begins at 32; C libraries keep some for themselves. */
#define SIGNAL_RTMIN 34
#define SIGNAL_POWER_OFF (SIGNAL_RTMIN + 4)
#define SIGNAL_REBOOT (SIGNAL_RTMIN + 5)

static const int request_signals[] = {
	SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGPWR, SIGNAL_POWER_OFF, SIGNAL_REBOOT,
};

/* The signalfd first, then the power keys; -1 is a slot that poll() leaves out. */
static struct pollfd sources[1 + INPUTS_MAX];
static bool button_polled;
/* The monitor presses the button again and again until the machine is off: once is enough. */
static bool button_heard;

static void power_keys_open(void)
{
	bool found = false;
	char path[] = "/dev/input/event0";

	for (int i = 0; i < INPUTS_MAX; i++) {
		unsigned char keys[KEY_MAX / 8 + 1] = { 0 };
		int fd;

		path[sizeof(path) - 2] = (char)('0' + i);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
		    keys[KEY_POWER / 8] & 1 << KEY_POWER % 8) {
			sources[1 + i].fd = fd;
			found = true;
		} else {
			close(fd);
		}
	}
	button_polled = !found && power_button_exists();
}

int supervise_init(void)
{
	sigset_t mask;

	for (int i = 0; i <= INPUTS_MAX; i++)
		sources[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	for (size_t i = 0; i < sizeof(request_signals) / sizeof(request_signals[0]); i++)
		sigaddset(&mask, request_signals[i]);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	sources[0].fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sources[0].fd < 0)
		return -errno;
	/* Ctrl-Alt-Del becomes a SIGINT to us. Not root's own machine: it may be refused. */
	reboot(RB_DISABLE_CAD);
	power_keys_open();
	return 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether a request was read, and which. */
static bool signals_read(enum ending *ending)
{
	struct signalfd_siginfo info;
	bool request = false;

	while (read(sources[0].fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		request = true;
		if (info.ssi_signo == SIGNAL_REBOOT ||
		    (info.ssi_signo == SIGINT && info.ssi_code == SI_KERNEL))
			*ending = ENDING_REBOOT;
		else
			*ending = ENDING_POWER_OFF;
	}
	return request;
}

static bool power_key_read(struct pollfd *source)
{
	struct input_event event;
	bool pressed = false;
	ssize_t length;

	while ((length = read(source->fd, &event, sizeof(event))) == (ssize_t)sizeof(event)) {
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
			pressed = true;
	}
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
		close(source->fd);
		source->fd = -1;
	}
	return pressed;
}

/* Whether the button was pressed for the first time. Reads all that tells of it. */
static bool button_read(enum ending *ending)
{
	bool pressed = button_polled && power_button_pressed();

	for (int i = 1; i <= INPUTS_MAX; i++) {
		if (sources[i].revents && power_key_read(&sources[i]))
			pressed = true;
		sources[i].revents = 0;
	}
	if (!pressed || button_heard)
		return false;
	button_heard = true;
	*ending = ENDING_POWER_OFF;
	return true;
}

/*
 * Sleep until something happens or @timeout_ms is over (-1: never), or for less. Returns whether to
 * end.
 */
static bool sources_wait(int timeout_ms, enum ending *ending)
{
	bool request;

	if (button_polled && (timeout_ms < 0 || timeout_ms > BUTTON_LOOK_MS))
		timeout_ms = BUTTON_LOOK_MS;
	if (poll(sources, 1 + INPUTS_MAX, timeout_ms) < 0)
		return false;
	/* Also when others keep us awake: children that end all the time, say. */
	request = button_read(ending);
	if (sources[0].revents && signals_read(ending))
		request = true;
	return request;
}

static void workload_kill(pid_t workload, int signal)
{
	/* Its group, if it has come so far as to make one. */
	if (kill(-workload, signal) < 0)
		kill(workload, signal);
}

/*
 * Reap whoever has ended. Returns whether @workload was among them, with its status in
 * *ret_status; *ret_alone tells that no child is left.
 */
static bool children_reap(pid_t workload, int *ret_status, bool *ret_alone)
{
	bool found = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		/* There is no shell above the workload that could continue it after a Ctrl-Z. */
		if (pid == workload && WIFSTOPPED(status)) {
			if (WSTOPSIG(status) == SIGTSTP)
				workload_kill(workload, SIGCONT);
		} else if (pid == workload) {
			*ret_status = status_of_wait(status);
			found = true;
		}
	}
	*ret_alone = pid < 0 && errno == ECHILD;
	return found;
}

int supervise(pid_t workload, bool shell, enum ending *ret_ending)
{
	int status = STATUS_SIGNAL_BASE + SIGKILL, requests = 0;
	long deadline = 0;
	bool alone;

	*ret_ending = ENDING_POWER_OFF;
	while (!children_reap(workload, &status, &alone) && !alone) {
		long left = requests ? deadline - now_ms() : -1;
		bool request = false;

		if (!requests || left > 0)
			request = sources_wait((int)left, ret_ending);
		else if (requests > 1)
			break;	/* not even SIGKILL helped: it hangs in the kernel */
		else
			request = true;	/* the clock is as good as a second request */
		if (!request || requests > 1)
			continue;
		requests++;
		deadline = now_ms() + (requests == 1 ? WORKLOAD_GRACE_MS : KILL_GRACE_MS);
		workload_kill(workload, requests == 1 ? SIGTERM : SIGKILL);
		if (shell)
			workload_kill(workload, SIGHUP);
	}
	return status;
}

/* Returns whether all children are gone. Those of others become ours when their parents end. */
static bool children_wait(int timeout_ms)
{
	long deadline = now_ms() + timeout_ms, left;
	enum ending ending;
	bool alone;
	int status;

	for (;;) {
		children_reap(-1, &status, &alone);
		left = deadline - now_ms();
		if (alone || left <= 0)
			return alone;
		sources_wait((int)left, &ending);
	}
}

void processes_end(void)
{
	if (kill(-1, SIGTERM) < 0)
		return;		/* ESRCH: there is nobody else */
	kill(-1, SIGCONT);
	if (children_wait(OTHERS_GRACE_MS))
		return;
	kill(-1, SIGKILL);
	if (!children_wait(KILL_GRACE_MS))
		complain(0, "some processes do not end, going on without them", NULL);
}
