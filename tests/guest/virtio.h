/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.h - a driver for virtio-mmio and the block device (VIRTIO 1.2, 4.2.2, 2.7, 5.2) that does
 * nothing on its own: the tests fill rings and registers as they please, rightly or wrongly.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include "guest.h"

#define REG_MAGIC		0x000
#define REG_VERSION		0x004
#define REG_DEVICE_ID		0x008
#define REG_VENDOR_ID		0x00c
#define REG_DEVICE_FEATURES	0x010
#define REG_DEVICE_FEATURES_SEL	0x014
#define REG_DRIVER_FEATURES	0x020
#define REG_DRIVER_FEATURES_SEL	0x024
#define REG_QUEUE_SEL		0x030
#define REG_QUEUE_NUM_MAX	0x034
#define REG_QUEUE_NUM		0x038
#define REG_QUEUE_READY		0x044
#define REG_QUEUE_NOTIFY	0x050
#define REG_INTERRUPT_STATUS	0x060
#define REG_INTERRUPT_ACK	0x064
#define REG_STATUS		0x070
#define REG_QUEUE_DESC		0x080
#define REG_QUEUE_DRIVER	0x090
#define REG_QUEUE_DEVICE	0x0a0
#define REG_SHM_SEL		0x0ac
#define REG_SHM_LEN		0x0b0
#define REG_SHM_BASE		0x0b8
#define REG_CONFIG_GENERATION	0x0fc
#define REG_CONFIG		0x100

#define STATUS_ACKNOWLEDGE	0x01
#define STATUS_DRIVER		0x02
#define STATUS_DRIVER_OK	0x04
#define STATUS_FEATURES_OK	0x08
#define STATUS_NEEDS_RESET	0x40
#define STATUS_FAILED		0x80
#define STATUS_LIVE		0x0f

#define INTERRUPT_USED		1
#define INTERRUPT_CONFIG	2

#define F_BLK_RO		(UINT64_C(1) << 5)
#define F_BLK_FLUSH		(UINT64_C(1) << 9)
#define F_INDIRECT		(UINT64_C(1) << 28)
#define F_EVENT_IDX		(UINT64_C(1) << 29)
#define F_VERSION_1		(UINT64_C(1) << 32)

#define DESC_NEXT		1
#define DESC_WRITE		2
#define DESC_INDIRECT		4

#define BLK_IN			0
#define BLK_OUT			1
#define BLK_FLUSH		4
#define BLK_GET_ID		8

#define BLK_OK			0
#define BLK_IOERR		1
#define BLK_UNSUPP		2
#define BLK_NO_STATUS		0xee	/* what the tests put there, to see that it was written */

#define QUEUE_MAX		256	/* the largest queue that the tests use */

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vring_avail {
	uint16_t flags, idx, ring[QUEUE_MAX + 1];	/* used_event behind the last entry */
};

struct vring_used_elem {
	uint32_t id, len;
};

struct vring_used {
	uint16_t flags, idx;
	struct vring_used_elem ring[QUEUE_MAX];
};

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct vdev {
	uint64_t base;
	unsigned int gsi;
	uint64_t features;	/* negotiated */
	uint16_t size;		/* of queue 0 */
	uint16_t avail_idx, used_idx;
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
};

static inline uint32_t reg_read(const struct vdev *dev, uint64_t reg)
{
	return mmio_read32(dev->base + reg);
}

static inline void reg_write(const struct vdev *dev, uint64_t reg, uint32_t value)
{
	mmio_write32(dev->base + reg, value);
}

static inline void reg_write64(const struct vdev *dev, uint64_t reg, uint64_t value)
{
	reg_write(dev, reg, (uint32_t)value);
	reg_write(dev, reg + 4, (uint32_t)(value >> 32));
}

/* Find the block device. */
void dev_find(struct vdev *dev);

/* The steps of 3.1.1, each for itself. */
void dev_reset(struct vdev *dev);
uint64_t dev_offered(const struct vdev *dev);
void dev_features_write(const struct vdev *dev, uint64_t features);
void dev_negotiate(struct vdev *dev, uint64_t wanted);
void dev_rings_clear(struct vdev *dev, uint16_t size);
void dev_queue_write(const struct vdev *dev, uint32_t size, uint64_t desc, uint64_t avail,
		     uint64_t used);
void dev_queue_setup(struct vdev *dev, uint16_t size);
void dev_live(const struct vdev *dev);

/* All of them: reset, all offered features but @without, a queue of QUEUE_MAX or what there is. */
void dev_open_without(struct vdev *dev, uint64_t without);
void dev_open(struct vdev *dev);

/* Descriptors, and the avail ring. */
void desc_set(struct vdev *dev, unsigned int index, uint64_t addr, uint32_t len, unsigned int flags,
	      unsigned int next);
void ring_put(struct vdev *dev, unsigned int head);
void ring_kick(const struct vdev *dev);

/* Wait for the next used element; fails when the device breaks or never answers. */
struct vring_used_elem ring_wait(struct vdev *dev);

/* How a device may answer to nonsense. */
enum answer {
	ANSWER_USED = 1,	/* gave the buffer back */
	ANSWER_BROKEN = 2,	/* asked for a reset */
	ANSWER_ANY = 3,
};

/* Wait until it answered in one of the ways allowed; returns how. */
enum answer ring_answer(struct vdev *dev, enum answer allowed, const char *what);

/* A three-part request with the tests' own buffers; returns the status byte. */
extern volatile struct blk_header blk_header;
extern volatile uint8_t blk_status;
#define BLK_DATA_SIZE 65536
extern uint8_t blk_data[BLK_DATA_SIZE];

void blk_request_set(struct vdev *dev, uint32_t type, uint64_t sector, void *data, uint32_t len);
uint8_t blk_request(struct vdev *dev, uint32_t type, uint64_t sector, void *data, uint32_t len);
uint64_t blk_capacity(const struct vdev *dev);

/* Whether memory holds what the disk's sector had at start: (sector << 16 | word number). */
bool sector_good(const void *data, uint64_t sector);
void sector_fill(void *data, uint64_t sector, uint64_t salt);

/* Reset, open, read two sectors and compare: the device is as good as new. */
void dev_recover(struct vdev *dev);

#endif
