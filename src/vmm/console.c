/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "vmm/console.h"

#define ESCAPE 0x01	/* Ctrl-A */

/*
 * What a write may carry once poll() said ready: a pipe's guarantee. A terminal vouches for a single
 * byte: a line's end that the line discipline has no room for waits in the middle of a write.
 */
#define CHUNK_MAX 4096
#define CHUNK_TERMINAL 1

static void console_wake(struct console *console)
{
	(void)eventfd_write(console->wake.fd, 1);
}

/* ---- output ---- */

static uint32_t console_used(struct console *console)
{
	return atomic_load(&console->head) - atomic_load(&console->tail);
}

static bool console_tx(void *ctx, uint8_t byte)
{
	struct console *console = ctx;
	uint32_t head = atomic_load_explicit(&console->head, memory_order_relaxed);

	if (console_used(console) >= CONSOLE_RING_SIZE) {
		atomic_store(&console->refused, true);
		if (console_used(console) >= CONSOLE_RING_SIZE)
			return false;
		atomic_store(&console->refused, false);
	}
	console->ring[head % CONSOLE_RING_SIZE] = byte;
	atomic_store(&console->head, head + 1);
	if (!atomic_exchange(&console->awake, true))
		console_wake(console);
	return true;
}

static bool console_writable(struct console *console, int timeout_ms)
{
	struct pollfd poll_out = { .fd = console->out.fd, .events = POLLOUT };

	/* An error condition counts as ready: the write then says what it is. */
	return poll(&poll_out, 1, timeout_ms) > 0;
}

/* Write one chunk from the ring. Returns false when the descriptor takes no more for now. */
static bool console_write_chunk(struct console *console, int timeout_ms)
{
	uint32_t tail = atomic_load_explicit(&console->tail, memory_order_relaxed);
	uint32_t at = tail % CONSOLE_RING_SIZE;
	size_t len = u64_min(console_used(console), CONSOLE_RING_SIZE - at);
	ssize_t n = (ssize_t)len;

	if (console->out_open) {
		if (!console_writable(console, timeout_ms))
			return false;
		n = write(console->out.fd, console->ring + at, u64_min(len, console->out_chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return errno == EINTR;
		if (n < 0) {			/* nobody reads any more: the guest runs on unheard */
			console->out_open = false;
			n = (ssize_t)len;
		}
	}
	atomic_store(&console->tail, tail + (uint32_t)n);
	if (atomic_exchange(&console->refused, false))
		serial_tx_room(console->serial);
	return true;
}

/* Write what is there now. What the guest adds meanwhile is for later: other devices wait too. */
static void console_flush(struct console *console)
{
	uint32_t end = atomic_load(&console->head);

	while ((int32_t)(end - atomic_load(&console->tail)) > 0) {
		if (!console_write_chunk(console, 0)) {
			loop_watch(console->loop, &console->out, EPOLLOUT);
			return;
		}
	}
	loop_watch(console->loop, &console->out, 0);
}

/* Write what has gathered; go to sleep when nothing has. */
static void console_tick(void *ctx)
{
	struct console *console = ctx;

	if (console_used(console) == 0) {
		atomic_store(&console->awake, false);
		if (console_used(console) == 0 || atomic_exchange(&console->awake, true))
			return;		/* asleep; or the producer has just woken us by itself */
	}
	console_flush(console);
	if (console->out.events == 0)	/* else: a slow reader, and out_ready() goes on */
		loop_later(console->loop, CONSOLE_TICK_MS, console_tick, console);
}

static void console_out_ready(void *ctx, uint32_t events)
{
	(void)events;
	console_tick(ctx);
}

void console_drain(struct console *console, int timeout_ms)
{
	int64_t end = loop_now_ms() + timeout_ms;

	while (console_used(console) > 0) {
		int64_t left = end - loop_now_ms();

		if (left <= 0 || !console_write_chunk(console, (int)left))
			return;
	}
}

/* ---- input ---- */

static void console_in_close(struct console *console)
{
	loop_watch(console->loop, &console->in, 0);
	console->in_open = false;
}

/* Carry out an escape sequence's second byte; returns whether the byte is the guest's all the same. */
static bool console_escape(struct console *console, uint8_t byte)
{
	switch (byte) {
	case 'x':
		console->hooks.stop(console->hooks.ctx);
		return false;
	case 'p':
		console->hooks.button(console->hooks.ctx);
		return false;
	default:
		return true;
	}
}

/* Take the escape sequences out of @data; returns how many bytes are left for the guest. */
static size_t console_filter(struct console *console, uint8_t *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (!console->escaped && data[i] == ESCAPE) {
			console->escaped = true;
			continue;
		}
		if (!console->escaped || console_escape(console, data[i]))
			data[kept++] = data[i];
		console->escaped = false;
	}
	return kept;
}

/* Give the port what it takes. A port that refuses some calls console_rx_room() later. */
static void console_feed(struct console *console)
{
	size_t taken = serial_input(console->serial, console->pending, console->pending_len);

	console->pending_len -= taken;
	memmove(console->pending, console->pending + taken, console->pending_len);
}

static bool console_readable(struct console *console)
{
	struct pollfd poll_in = { .fd = console->in.fd, .events = POLLIN };

	return console->in_always_ready || poll(&poll_in, 1, 0) > 0;
}

/* One read into the buffer. Returns false when there is no more for now, or for good. */
static bool console_read_some(struct console *console)
{
	uint8_t *at = console->pending + console->pending_len;
	ssize_t n;

	if (!console_readable(console))
		return false;
	n = read(console->in.fd, at, CONSOLE_PENDING_MAX - console->pending_len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {		/* a terminal in the background fails, too; it may be given again */
		console_in_close(console);
		return false;
	}
	console->pending_len += console->in_terminal ? console_filter(console, at, (size_t)n)
						     : (size_t)n;
	return true;
}

/* Move input from the descriptor to the port, and watch for more exactly while there is room. */
static void console_read(struct console *console)
{
	console_feed(console);
	while (console->in_open && console->pending_len < CONSOLE_PENDING_MAX) {
		if (!console_read_some(console)) {
			if (console->in_open)
				loop_watch(console->loop, &console->in, EPOLLIN);
			return;
		}
		console_feed(console);
	}
	loop_watch(console->loop, &console->in, 0);
}

static void console_in_ready(void *ctx, uint32_t events)
{
	(void)events;
	console_read(ctx);
}

static void console_rx_room(void *ctx)
{
	struct console *console = ctx;

	atomic_store(&console->rx_room, true);
	console_wake(console);
}

/* ---- both ---- */

static void console_wake_ready(void *ctx, uint32_t events)
{
	struct console *console = ctx;
	eventfd_t count;

	(void)events;
	(void)eventfd_read(console->wake.fd, &count);
	console_tick(console);
	if (atomic_exchange(&console->rx_room, false))
		console_read(console);
}

/*
 * A terminal is opened once more: the new open file is this process's alone, may be non-blocking, and
 * goes one way only, where a shell's terminal can be read through each of its three descriptors.
 * Where it cannot be opened there is the slow way, byte by byte.
 */
static void console_choose_output(struct console *console)
{
	int fd;

	console->out.fd = STDOUT_FILENO;
	console->out_chunk = CHUNK_MAX;
	if (!isatty(STDOUT_FILENO))
		return;
	fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		console->out_chunk = CHUNK_TERMINAL;
		return;
	}
	(void)dup2(fd, STDOUT_FILENO);
	close(fd);
}

static void console_choose_input(struct console *console)
{
	int fd;

	console->in_terminal = isatty(STDIN_FILENO);
	if (!console->in_terminal)
		return;
	fd = open("/proc/self/fd/0", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)dup2(fd, STDIN_FILENO);
	close(fd);
}

/* Nothing is printed from here: the supervisor does. */
static void console_drop_errors(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)dup2(fd, STDERR_FILENO);
	close(fd);
}

void console_open(struct console *console)
{
	console->out_open = true;
	console->in = (struct loop_source){
		.fd = STDIN_FILENO, .ready = console_in_ready, .ctx = console,
	};
	console->out = (struct loop_source){ .ready = console_out_ready, .ctx = console };
	console_choose_output(console);
	console_choose_input(console);
	console_drop_errors();
}

int console_init(struct console *console, struct loop *loop, struct serial *serial,
		 const struct console_hooks *hooks, struct error *err)
{
	console->loop = loop;
	console->serial = serial;
	console->hooks = *hooks;
	console->wake = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = console_wake_ready,
		.ctx = console,
	};
	if (console->wake.fd < 0)
		return error_sys(err, -errno, "cannot make the console's eventfd");
	return loop_watch(loop, &console->wake, EPOLLIN);
}

struct serial_backend console_backend(struct console *console)
{
	return (struct serial_backend){
		.tx = console_tx, .rx_room = console_rx_room, .ctx = console,
	};
}

static void console_in_open(struct console *console)
{
	int r = loop_watch(console->loop, &console->in, EPOLLIN);

	console->in_open = r == 0 || r == -EPERM;	/* else: a closed descriptor */
	console->in_always_ready = r == -EPERM;
	if (console->in_open)
		console_read(console);
}

void console_start(struct console *console)
{
	if (!console->in_terminal)
		console_in_open(console);
}

void console_terminal(struct console *console, bool ours)
{
	if (!console->in_terminal || ours == console->in_open)
		return;
	if (ours)
		console_in_open(console);
	else
		console_in_close(console);
}

void console_destroy(struct console *console)
{
	fd_close(&console->wake.fd);
}
