/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/io.h"
#include "base/util.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

typedef ssize_t (*vector_fn)(int fd, const struct iovec *iov, int count, off_t offset);

int pread_full(int fd, void *buf, size_t len, uint64_t offset)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return preadv_full(fd, &iov, 1, offset);
}

int write_full(int fd, const void *buf, size_t len)
{
	const char *pos = buf;

	while (len > 0) {
		ssize_t n = write(fd, pos, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		pos += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Drop @n transferred bytes from the front of the vector. */
static void iov_advance(struct iovec **iov, unsigned int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

static int vector_full(vector_fn fn, int fd, struct iovec *iov, unsigned int count, uint64_t offset)
{
	iov_advance(&iov, &count, 0);	/* empty entries at the front would look like the end */
	while (count > 0) {
		ssize_t n = fn(fd, iov, (int)u64_min(count, IOV_MAX), (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		offset += (size_t)n;
		iov_advance(&iov, &count, (size_t)n);
	}
	return 0;
}

int preadv_full(int fd, struct iovec *iov, unsigned int count, uint64_t offset)
{
	return vector_full(preadv, fd, iov, count, offset);
}

int pwritev_full(int fd, struct iovec *iov, unsigned int count, uint64_t offset)
{
	return vector_full(pwritev, fd, iov, count, offset);
}
