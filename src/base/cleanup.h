/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - resources that end with the scope that holds them.
 *
 *	_cleanup_fd_ int fd = open(...);	closed on every way out
 *	ret->fd = fd_take(&fd);			ownership moves, nothing is closed
 *
 * Every clean-up accepts the empty value (-1, NULL) and leaves errno alone.
 */
#ifndef VOLT_BASE_CLEANUP_H
#define VOLT_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Close *fd if it is open and set it to -1. */
static inline void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Hand the descriptor over to the caller: *fd becomes -1. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void mem_free(void *ptr)
{
	int saved = errno;

	free(*(void **)ptr);
	*(void **)ptr = NULL;
	errno = saved;
}

/* Hand an allocated object over to the caller: the pointer becomes NULL. */
#define mem_take(ptr) ({ __typeof__(*(ptr)) taken_ = *(ptr); *(ptr) = NULL; taken_; })

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_fd_ _cleanup_(fd_close)
#define _cleanup_free_ _cleanup_(mem_free)

#endif
