/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "vmm/loop.h"

#define LOOP_BATCH 16

static void loop_stop_ready(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;	/* loop_run() looks at loop->stopping */
}

int loop_init(struct loop *loop, struct error *err)
{
	*loop = (struct loop){ .epoll_fd = -1, .stop_fd = -1 };
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0)
		return error_sys(err, -errno, "cannot make the event loop");
	loop->stop_source = (struct loop_source){ .fd = loop->stop_fd, .ready = loop_stop_ready };
	return loop_watch(loop, &loop->stop_source, EPOLLIN);
}

void loop_destroy(struct loop *loop)
{
	fd_close(&loop->epoll_fd);
	fd_close(&loop->stop_fd);
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int op = events == 0 ? EPOLL_CTL_DEL : source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (events == source->events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, op, source->fd, &event) < 0)
		return -errno;
	source->events = events;
	return 0;
}

int64_t loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void loop_later(struct loop *loop, int ms, void (*fn)(void *ctx), void *ctx)
{
	loop->later = fn;
	loop->later_ctx = ctx;
	loop->later_ms = loop_now_ms() + ms;
}

/* Make the call that is due; returns how long epoll may wait for the next. */
static int loop_run_later(struct loop *loop)
{
	void (*fn)(void *ctx) = loop->later;
	int64_t left;

	if (!fn)
		return -1;
	left = loop->later_ms - loop_now_ms();
	if (left > 0)
		return (int)left;
	loop->later = NULL;
	fn(loop->later_ctx);
	return loop->later ? 1 : -1;
}

void loop_run(struct loop *loop)
{
	struct epoll_event event[LOOP_BATCH];

	while (!atomic_load(&loop->stopping)) {
		int n = epoll_wait(loop->epoll_fd, event, LOOP_BATCH, loop_run_later(loop));

		for (int i = 0; i < n; i++) {
			struct loop_source *source = event[i].data.ptr;

			/* An earlier callback of this batch may have taken it out. */
			if (source->events != 0)
				source->ready(source->ctx, event[i].events);
		}
	}
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	(void)eventfd_write(loop->stop_fd, 1);
}
