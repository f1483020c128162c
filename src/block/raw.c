/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/util.h"
#include "block/block.h"

struct block_raw {
	struct block_backend backend;
	int fd;
	int flush_error;	/* the first failure; see raw_flush() */
};

static struct block_raw *to_raw(struct block_backend *backend)
{
	return container_of(backend, struct block_raw, backend);
}

static int raw_readv(struct block_backend *backend, struct iovec *iov, unsigned int count,
		     uint64_t offset)
{
	return preadv_full(to_raw(backend)->fd, iov, count, offset);
}

static int raw_writev(struct block_backend *backend, struct iovec *iov, unsigned int count,
		      uint64_t offset)
{
	return pwritev_full(to_raw(backend)->fd, iov, count, offset);
}

/*
 * After a failed write-back Linux marks the lost pages clean and the next fdatasync() succeeds.
 * What was lost stays lost, so a failure is final: the guest must not be told that its data is
 * safe.
 */
static int raw_flush(struct block_backend *backend)
{
	struct block_raw *raw = to_raw(backend);

	while (raw->flush_error == 0 && fdatasync(raw->fd) < 0)
		if (errno != EINTR)
			raw->flush_error = -errno;
	return raw->flush_error;
}

static void raw_destroy(struct block_backend *backend)
{
	struct block_raw *raw = to_raw(backend);

	fd_close(&raw->fd);	/* and with it the lock */
	free(raw);
}

static const struct block_ops raw_ops = {
	.readv = raw_readv,
	.writev = raw_writev,
	.flush = raw_flush,
	.destroy = raw_destroy,
};

/* O_NONBLOCK: a FIFO given by mistake is to be refused, not waited for. Disks do not look at it. */
static int raw_open_file(const char *path, bool read_only, int *ret_fd, struct error *err)
{
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd, r;

	fd = open(path, flags);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	r = -errno;
	if (r == -EISDIR)
		return error_set(err, r, "disk image %s is a directory; give a raw image file or a"
				 " block device", path);
	if (!read_only && (r == -EACCES || r == -EPERM || r == -EROFS))
		return error_sys(err, r, "cannot open disk image %s for writing (make it writable,"
				 " or attach it read-only)", path);
	return error_sys(err, r, "cannot open disk image %s", path);
}

static int raw_size(int fd, const struct stat *st, const char *path, uint64_t *ret_size,
		    struct error *err)
{
	if (S_ISREG(st->st_mode)) {
		*ret_size = (uint64_t)st->st_size;
		return 0;
	}
	if (S_ISBLK(st->st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, ret_size) == 0)
			return 0;
		return error_sys(err, -errno, "cannot get the size of block device %s", path);
	}
	if (S_ISDIR(st->st_mode))
		return error_set(err, -EISDIR, "disk image %s is a directory; give a raw image file"
				 " or a block device", path);
	return error_set(err, -EINVAL, "disk image %s is neither a regular file nor a block device",
			 path);
}

static int raw_check_size(uint64_t size, const char *path, struct error *err)
{
	if (size == 0)
		return error_set(err, -EINVAL, "disk image %s is empty", path);
	if (!is_aligned(size, BLOCK_SECTOR_SIZE))
		return error_set(err, -EINVAL, "disk image %s has %" PRIu64 " bytes, which is not a"
				 " multiple of %u: it is truncated or not a raw image (`truncate"
				 " -s %%%u` rounds a file up)", path, size, BLOCK_SECTOR_SIZE,
				 BLOCK_SECTOR_SIZE);
	return 0;
}

/*
 * An open-file-description lock ends with the last descriptor of this open, so a crash never leaves
 * one behind, and it follows the descriptor through fork().
 */
static int raw_lock(int fd, bool read_only, const char *path, struct error *err)
{
	struct flock lock = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, -EBUSY, "disk image %s is in use by another process; stop it,"
				 " use a copy, or attach the image read-only everywhere", path);
	return error_sys(err, -errno, "cannot lock disk image %s", path);
}

int block_raw_open(const char *path, bool read_only, struct block_backend **ret_backend,
		   struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct block_raw *raw;
	uint64_t size = 0;
	struct stat st;
	int r;

	r = raw_open_file(path, read_only, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot look at disk image %s", path);
	r = raw_size(fd, &st, path, &size, err);
	if (r < 0)
		return r;
	r = raw_check_size(size, path, err);
	if (r < 0)
		return r;
	r = raw_lock(fd, read_only, path, err);
	if (r < 0)
		return r;

	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return error_set(err, -ENOMEM, "no memory for disk image %s", path);
	raw->backend = (struct block_backend){
		.ops = &raw_ops, .size = size, .read_only = read_only,
	};
	/* Not the name, which says more about the host than the guest has to know. */
	snprintf(raw->backend.id, sizeof(raw->backend.id), "volt-%" PRIx64,
		 (uint64_t)st.st_ino & (BIT64(60) - 1));
	raw->fd = fd_take(&fd);
	*ret_backend = &raw->backend;
	return 0;
}
