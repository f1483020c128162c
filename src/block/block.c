/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/checked.h"
#include "base/util.h"
#include "block/block.h"

/* Check the contract of block.h; *@ret_bytes is the vector's total, which may be 0. */
static int block_check(const struct block_backend *backend, const struct iovec *iov,
		       unsigned int count, uint64_t offset, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < count; i++)
		if (!u64_add(bytes, iov[i].iov_len, &bytes))
			return -EINVAL;
	if (!is_aligned(bytes, BLOCK_SECTOR_SIZE) || !is_aligned(offset, BLOCK_SECTOR_SIZE))
		return -EINVAL;
	if (!u64_range_within(offset, bytes, 0, backend->size))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

int block_readv(struct block_backend *backend, struct iovec *iov, unsigned int count,
		uint64_t offset)
{
	uint64_t bytes;
	int r;

	r = block_check(backend, iov, count, offset, &bytes);
	if (r < 0 || bytes == 0)
		return r;
	return backend->ops->readv(backend, iov, count, offset);
}

int block_writev(struct block_backend *backend, struct iovec *iov, unsigned int count,
		 uint64_t offset)
{
	uint64_t bytes;
	int r;

	if (backend->read_only)
		return -EROFS;
	r = block_check(backend, iov, count, offset, &bytes);
	if (r < 0 || bytes == 0)
		return r;
	return backend->ops->writev(backend, iov, count, offset);
}

int block_flush(struct block_backend *backend)
{
	if (backend->read_only)
		return 0;	/* nothing was written that could be lost */
	return backend->ops->flush(backend);
}

void block_destroy(struct block_backend *backend)
{
	if (backend)
		backend->ops->destroy(backend);
}
