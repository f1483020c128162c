/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - reads and writes that are whole: they go on after a short count or EINTR.
 */
#ifndef VOLT_BASE_IO_H
#define VOLT_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Read exactly @len bytes at @offset. Returns 0, -ENODATA when the file ends before that, or
 * another negative errno. The buffer's contents are undefined after a failure.
 */
int pread_full(int fd, void *buf, size_t len, uint64_t offset);

/* Write exactly @len bytes at the file position. Returns 0 or a negative errno. */
int write_full(int fd, const void *buf, size_t len);

/*
 * Read or write the whole vector at @offset. The vector's entries are used up: their contents
 * are undefined afterwards. Returns 0 or a negative errno; -ENODATA when the file ends early.
 */
int preadv_full(int fd, struct iovec *iov, unsigned int count, uint64_t offset);
int pwritev_full(int fd, struct iovec *iov, unsigned int count, uint64_t offset);

#endif
