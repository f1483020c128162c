/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a 16-byte header, data in one direction and a status byte, laid over the chain's
 * descriptors in any way (2.7.4.2): the header is the first 16 readable bytes, the status the last
 * writable one. A chain without either cannot be answered and breaks the ring. Everything else that
 * is wrong with a request, and every error of the backend, is the guest's VIRTIO_BLK_S_IOERR.
 *
 * Requests are done one after the other on the device thread. One run takes at most a queue's
 * worth, so that a guest which adds requests as fast as they are done does not keep the thread from
 * others.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/util.h"
#include "devices/virtio/blk.h"

#define BLK_QUEUE_SIZE	256
#define BLK_SEG_MAX	(BLK_QUEUE_SIZE - 2)	/* beside the header and the status */

#define BLK_FEATURES	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
			 BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_BLK_F_FLUSH) | \
			 BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_BLK_SIZE))

/* The configuration space ends with the last field that a feature above makes valid. */
#define BLK_CONFIG_SIZE	(offsetof(struct virtio_blk_config, blk_size) + sizeof(__u32))

_Static_assert(BLK_QUEUE_SIZE <= VIRTQ_SIZE_MAX, "the walker takes chains of that length");
_Static_assert(BLOCK_ID_LEN == VIRTIO_BLK_ID_BYTES, "VIRTIO 1.2, 5.2.6");
_Static_assert(sizeof(struct virtio_blk_outhdr) == 16 && BLK_CONFIG_SIZE == 24,
	       "layout of VIRTIO 1.2, 5.2.4 and 5.2.6");

struct virtio_blk {
	struct virtio_device dev;
	struct block_backend *backend;
	struct virtio_blk_config config;
	struct virtq_chain chain;	/* the request being done */
};

static struct virtio_blk *to_blk(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_blk, dev);
}

/*
 * 5.2.6.2: a driver that did not accept VIRTIO_BLK_F_FLUSH cannot ask for durability and gets it
 * with each write.
 */
static int blk_write(struct virtio_blk *blk, struct iovec *iov, unsigned int count,
		     uint64_t offset)
{
	int r;

	r = block_writev(blk->backend, iov, count, offset);
	if (r < 0 || (blk->dev.driver_features & BIT64(VIRTIO_BLK_F_FLUSH)))
		return r;
	return block_flush(blk->backend);
}

static int blk_transfer(struct virtio_blk *blk, bool write, uint64_t sector)
{
	struct virtq_chain *chain = &blk->chain;
	struct iovec *iov = chain->iov;
	unsigned int count = chain->read_count;
	uint64_t offset;

	if (!u64_mul(sector, BLOCK_SECTOR_SIZE, &offset))
		return -ERANGE;
	if (write) {
		virtq_iov_slice(&iov, &count, sizeof(struct virtio_blk_outhdr), chain->read_len);
		return blk_write(blk, iov, count, offset);
	}
	iov += chain->read_count;
	count = chain->write_count;
	virtq_iov_slice(&iov, &count, 0, chain->write_len - 1);
	return block_readv(blk->backend, iov, count, offset);
}

/*
 * Do the request in blk->chain. *@ret_written: how many bytes at the start of the writable part are
 * valid (2.7.8.2). When data before the status byte is not, the status does not count.
 */
static int blk_request(struct virtio_blk *blk, uint32_t *ret_written)
{
	struct virtq_chain *chain = &blk->chain;
	struct virtio_blk_outhdr header;
	uint8_t *status_byte, status = VIRTIO_BLK_S_OK;
	const struct iovec *last;
	uint32_t room, data = 0;
	int r = 0;

	if (virtq_chain_read(chain, 0, &header, sizeof(header)) < sizeof(header) ||
	    chain->write_len == 0)
		return -EPROTO;
	last = &chain->iov[chain->read_count + chain->write_count - 1];
	status_byte = (uint8_t *)last->iov_base + last->iov_len - 1;
	room = chain->write_len - 1;

	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		r = blk_transfer(blk, false, header.sector);
		data = r < 0 ? 0 : room;
		break;
	case VIRTIO_BLK_T_OUT:
		r = blk_transfer(blk, true, header.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		r = block_flush(blk->backend);
		break;
	case VIRTIO_BLK_T_GET_ID:
		data = (uint32_t)virtq_chain_write(chain, 0, blk->backend->id,
						   u64_min(room, BLOCK_ID_LEN));
		break;
	default:
		status = VIRTIO_BLK_S_UNSUPP;
		break;
	}
	if (r < 0)
		status = VIRTIO_BLK_S_IOERR;
	*status_byte = status;
	*ret_written = data == room ? data + 1 : data;
	return 0;
}

/* Returns 1 when a request was done, 0 when there is none, or a negative errno. */
static int blk_next(struct virtio_blk *blk, struct virtq *q)
{
	uint32_t written = 0;
	int r;

	r = virtq_pop(q, blk->dev.mem, &blk->chain);
	if (r <= 0)
		return r;
	r = blk_request(blk, &written);
	if (r < 0)
		return r;
	virtq_push(q, &blk->chain, written);
	return 1;
}

static int blk_queue_run(struct virtio_device *dev, unsigned int index)
{
	struct virtio_blk *blk = to_blk(dev);
	struct virtq *q = &dev->queue[index];
	uint32_t turns = q->state.size;
	bool more = true;
	int r = 0;

	virtq_disable_notify(q);
	while (more && turns-- > 0) {
		r = blk_next(blk, q);
		if (r < 0)
			break;
		if (r > 0)
			continue;
		more = virtq_enable_notify(q);
		if (more)
			virtq_disable_notify(q);
	}
	if (virtq_needs_interrupt(q))
		dev->interrupt(dev, index);
	return r < 0 ? r : more;
}

static void blk_config_read(struct virtio_device *dev, uint64_t offset, void *data,
			    unsigned int len)
{
	memcpy(data, (const uint8_t *)&to_blk(dev)->config + offset, len);
}

static const struct virtio_device_ops blk_ops = {
	.queue_run = blk_queue_run,
	.config_read = blk_config_read,
};

int virtio_blk_create(struct block_backend *backend, const struct guest_memory *mem,
		      struct virtio_device **ret_dev, struct error *err)
{
	struct virtio_blk *blk;

	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return error_set(err, -ENOMEM, "no memory for a block device");
	blk->backend = backend;
	blk->config.capacity = backend->size >> BLOCK_SECTOR_SHIFT;
	blk->config.seg_max = BLK_SEG_MAX;
	blk->config.blk_size = BLOCK_SECTOR_SIZE;
	blk->dev.ops = &blk_ops;
	blk->dev.id = VIRTIO_ID_BLOCK;
	blk->dev.features = BLK_FEATURES;
	if (backend->read_only)
		blk->dev.features |= BIT64(VIRTIO_BLK_F_RO);
	blk->dev.config_size = BLK_CONFIG_SIZE;
	blk->dev.queue_count = 1;
	blk->dev.queue[0].max_size = BLK_QUEUE_SIZE;
	blk->dev.mem = mem;
	virtio_device_init(&blk->dev);
	*ret_dev = &blk->dev;
	return 0;
}

void virtio_blk_destroy(struct virtio_device *dev)
{
	if (!dev)
		return;
	virtio_device_fini(dev);
	free(to_blk(dev));
}
