/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - the device thread's event loop: epoll with a callback a descriptor. Everything here runs
 * on that thread, but for loop_stop().
 */
#ifndef VOLT_VMM_LOOP_H
#define VOLT_VMM_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Owned by whoever watches; must stay in place while watched. */
struct loop_source {
	int fd;			/* borrowed */
	uint32_t events;	/* EPOLL*; 0: not watched. Kept by the loop */
	void (*ready)(void *ctx, uint32_t events);
	void *ctx;
};

struct loop {
	int epoll_fd;
	int stop_fd;
	atomic_bool stopping;
	struct loop_source stop_source;
	void (*later)(void *ctx);	/* loop_later()'s, NULL when none is due */
	void *later_ctx;
	int64_t later_ms;		/* when, CLOCK_MONOTONIC */
};

int loop_init(struct loop *loop, struct error *err);
void loop_destroy(struct loop *loop);

/*
 * Watch a source for @events, or for others than before; 0 takes it out. -EPERM: a descriptor that
 * epoll does not take because it is always ready (a regular file).
 */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);

/*
 * Call @fn once, in about @ms milliseconds, unless the loop ends before. There is one such call at a
 * time: a second request replaces the first.
 */
void loop_later(struct loop *loop, int ms, void (*fn)(void *ctx), void *ctx);

/* CLOCK_MONOTONIC in milliseconds. Any thread. */
int64_t loop_now_ms(void);

/* Dispatch until loop_stop(). */
void loop_run(struct loop *loop);

/* Make loop_run() return after the callbacks under way. Any thread. */
void loop_stop(struct loop *loop);

#endif
