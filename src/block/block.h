/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block/ - what stands behind a disk: backends that know nothing of virtio.
 *
 * A backend is an ops table and a size. block_*() is the only way to call one: it checks range,
 * alignment and direction once for all of them, so that a backend may rely on its contract:
 * @offset and the vector's total are multiples of 512, lie within the size, and nothing is written
 * to a read-only backend. Calls come from one thread at a time.
 */
#ifndef VOLT_BLOCK_H
#define VOLT_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

#define BLOCK_SECTOR_SHIFT	9
#define BLOCK_SECTOR_SIZE	512u
#define BLOCK_ID_LEN		20	/* virtio 1.2, 5.2.6: VIRTIO_BLK_T_GET_ID's string */

struct block_backend;

/* The vectors' entries may be used up by the call. Return 0 or a negative errno. */
struct block_ops {
	int (*readv)(struct block_backend *backend, struct iovec *iov, unsigned int count,
		     uint64_t offset);
	int (*writev)(struct block_backend *backend, struct iovec *iov, unsigned int count,
		      uint64_t offset);
	int (*flush)(struct block_backend *backend);	/* returns when all writes are durable */
	void (*destroy)(struct block_backend *backend);
};

struct block_backend {
	const struct block_ops *ops;
	uint64_t size;			/* bytes, a multiple of BLOCK_SECTOR_SIZE, not 0 */
	bool read_only;
	char id[BLOCK_ID_LEN + 1];	/* what GET_ID answers; NUL-terminated */
};

/*
 * Errors beyond the backend's own: -EINVAL (misaligned), -ERANGE (past the end), -EROFS. A vector
 * of no bytes is checked like any other and then does nothing; the backend never sees it, nor a
 * flush when it is read-only.
 */
int block_readv(struct block_backend *backend, struct iovec *iov, unsigned int count,
		uint64_t offset);
int block_writev(struct block_backend *backend, struct iovec *iov, unsigned int count,
		 uint64_t offset);
int block_flush(struct block_backend *backend);

/* Release everything that the backend holds. Accepts NULL. */
void block_destroy(struct block_backend *backend);

/*
 * raw.c: a raw image in a regular file or a block device. Opens @path (read-only or read-write),
 * takes an open-file-description lock (exclusive for writing, shared for reading) so that two VMs
 * cannot write one disk, and checks the size. The id is made from the inode number. A failed flush
 * is final: every later one fails too. Errors name @path and say what to do: -ENOENT, -EACCES,
 * -EISDIR, -EINVAL (empty, not a multiple of 512, not a disk), -EBUSY (locked by another), ...
 */
int block_raw_open(const char *path, bool read_only, struct block_backend **ret_backend,
		   struct error *err);

#endif
