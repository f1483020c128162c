/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

/* How often a register is read before the device counts as dead: several seconds on any host. */
#define PATIENCE 1000000

volatile struct blk_header blk_header __attribute__((aligned(16)));
volatile uint8_t blk_status;
uint8_t blk_data[BLK_DATA_SIZE] __attribute__((aligned(4096)));

static volatile struct vring_desc ring_desc[QUEUE_MAX] __attribute__((aligned(4096)));
static volatile struct vring_avail ring_avail __attribute__((aligned(4096)));
static volatile struct vring_used ring_used __attribute__((aligned(4096)));

void dev_find(struct vdev *dev)
{
	*dev = (struct vdev){ 0 };
	for (unsigned int i = 0; i < VIRTIO_WINDOWS; i++) {
		dev->base = VIRTIO_BASE + i * VIRTIO_STRIDE;
		dev->gsi = GSI_VIRTIO + i;
		if (reg_read(dev, REG_MAGIC) == 0x74726976 && reg_read(dev, REG_DEVICE_ID) == 2) {
			check_eq(reg_read(dev, REG_VERSION), 2, "virtio-mmio");
			return;
		}
	}
	fail("no block device");
}

void dev_reset(struct vdev *dev)
{
	reg_write(dev, REG_STATUS, 0);
	for (unsigned int i = 0; reg_read(dev, REG_STATUS) != 0; i++)
		check(i < PATIENCE, "the device never finishes its reset");
}

uint64_t dev_offered(const struct vdev *dev)
{
	uint64_t features;

	reg_write(dev, REG_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)reg_read(dev, REG_DEVICE_FEATURES) << 32;
	reg_write(dev, REG_DEVICE_FEATURES_SEL, 0);
	return features | reg_read(dev, REG_DEVICE_FEATURES);
}

void dev_features_write(const struct vdev *dev, uint64_t features)
{
	reg_write(dev, REG_DRIVER_FEATURES_SEL, 0);
	reg_write(dev, REG_DRIVER_FEATURES, (uint32_t)features);
	reg_write(dev, REG_DRIVER_FEATURES_SEL, 1);
	reg_write(dev, REG_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

void dev_negotiate(struct vdev *dev, uint64_t wanted)
{
	uint32_t status = STATUS_ACKNOWLEDGE;

	reg_write(dev, REG_STATUS, status);
	reg_write(dev, REG_STATUS, status |= STATUS_DRIVER);
	dev->features = dev_offered(dev) & wanted;
	dev_features_write(dev, dev->features);
	reg_write(dev, REG_STATUS, status |= STATUS_FEATURES_OK);
	check_eq(reg_read(dev, REG_STATUS), status, "negotiation");
}

void dev_rings_clear(struct vdev *dev, uint16_t size)
{
	dev->size = size;
	dev->desc = ring_desc;
	dev->avail = &ring_avail;
	dev->used = &ring_used;
	dev->avail_idx = dev->used_idx = 0;
	memset(ptr(gpa_of(ring_desc)), 0, sizeof(ring_desc));
	memset(ptr(gpa_of(&ring_avail)), 0, sizeof(ring_avail));
	memset(ptr(gpa_of(&ring_used)), 0, sizeof(ring_used));
}

void dev_queue_write(const struct vdev *dev, uint32_t size, uint64_t desc, uint64_t avail,
		     uint64_t used)
{
	reg_write(dev, REG_QUEUE_SEL, 0);
	reg_write(dev, REG_QUEUE_NUM, size);
	reg_write64(dev, REG_QUEUE_DESC, desc);
	reg_write64(dev, REG_QUEUE_DRIVER, avail);
	reg_write64(dev, REG_QUEUE_DEVICE, used);
	reg_write(dev, REG_QUEUE_READY, 1);
}

void dev_queue_setup(struct vdev *dev, uint16_t size)
{
	uint32_t max;

	reg_write(dev, REG_QUEUE_SEL, 0);
	max = reg_read(dev, REG_QUEUE_NUM_MAX);
	check(max >= 32 && max <= 32768 && (max & (max - 1)) == 0, "QueueNumMax is %u", max);
	if (size > max)
		size = (uint16_t)max;
	dev_rings_clear(dev, size);
	dev_queue_write(dev, size, gpa_of(dev->desc), gpa_of(dev->avail), gpa_of(dev->used));
	check_eq(reg_read(dev, REG_QUEUE_READY), 1, "a good queue");
}

void dev_live(const struct vdev *dev)
{
	reg_write(dev, REG_STATUS, STATUS_LIVE);
	check_eq(reg_read(dev, REG_STATUS), STATUS_LIVE, "DRIVER_OK");
}

void dev_open_without(struct vdev *dev, uint64_t without)
{
	dev_find(dev);
	dev_reset(dev);
	dev_negotiate(dev, ~without);
	dev_queue_setup(dev, QUEUE_MAX);
	dev_live(dev);
}

void dev_open(struct vdev *dev)
{
	dev_open_without(dev, 0);
}

void desc_set(struct vdev *dev, unsigned int index, uint64_t addr, uint32_t len, unsigned int flags,
	      unsigned int next)
{
	dev->desc[index].addr = addr;
	dev->desc[index].len = len;
	dev->desc[index].flags = (uint16_t)flags;
	dev->desc[index].next = (uint16_t)next;
}

void ring_put(struct vdev *dev, unsigned int head)
{
	dev->avail->ring[dev->avail_idx % dev->size] = (uint16_t)head;
	barrier();
	dev->avail->idx = ++dev->avail_idx;
	barrier();
}

void ring_kick(const struct vdev *dev)
{
	reg_write(dev, REG_QUEUE_NOTIFY, 0);
}

struct vring_used_elem ring_wait(struct vdev *dev)
{
	const uint16_t slot = dev->used_idx % dev->size;

	ring_answer(dev, ANSWER_USED, "request");
	return (struct vring_used_elem){ dev->used->ring[slot].id, dev->used->ring[slot].len };
}

/* VIRTIO 1.2, 2.1.2: a live device that needs a reset says so by a configuration change. */
static void config_interrupt_wait(const struct vdev *dev, const char *what)
{
	for (unsigned int i = 0; !(reg_read(dev, REG_INTERRUPT_STATUS) & INTERRUPT_CONFIG); i++)
		check(i < PATIENCE, "%s: no configuration change notification", what);
}

enum answer ring_answer(struct vdev *dev, enum answer allowed, const char *what)
{
	for (unsigned int i = 0; i < PATIENCE; i++) {
		const uint32_t status = reg_read(dev, REG_STATUS);

		/* A buffer that was used before the device broke still counts. */
		if (dev->used->idx != dev->used_idx) {
			check(allowed & ANSWER_USED, "%s: the device used it", what);
			check_eq(dev->used->idx, (uint16_t)(dev->used_idx + 1), what);
			dev->used_idx++;
			return ANSWER_USED;
		}
		if (status & STATUS_NEEDS_RESET) {
			check(allowed & ANSWER_BROKEN, "%s: the device needs a reset", what);
			check_eq(status, STATUS_LIVE | STATUS_NEEDS_RESET, what);
			config_interrupt_wait(dev, what);
			return ANSWER_BROKEN;
		}
	}
	fail("%s: no answer", what);
}

void blk_request_set(struct vdev *dev, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	const bool in = type != BLK_OUT;

	blk_header.type = type;
	blk_header.reserved = 0;
	blk_header.sector = sector;
	blk_status = BLK_NO_STATUS;
	desc_set(dev, 0, gpa_of(&blk_header), sizeof(blk_header), DESC_NEXT, len > 0 ? 1 : 2);
	desc_set(dev, 1, gpa_of(data), len, DESC_NEXT | (in ? DESC_WRITE : 0), 2);
	desc_set(dev, 2, gpa_of(&blk_status), 1, DESC_WRITE, 0);
}

uint8_t blk_request(struct vdev *dev, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct vring_used_elem used;

	blk_request_set(dev, type, sector, data, len);
	ring_put(dev, 0);
	ring_kick(dev);
	used = ring_wait(dev);
	check_eq(used.id, 0, "used element");
	/* 2.7.8.2: the length counts the bytes written, the status byte included. */
	if (type == BLK_IN && blk_status == BLK_OK)
		check_eq(used.len, len + 1, "used length of a read");
	else if (type == BLK_OUT || type == BLK_FLUSH)
		check_eq(used.len, 1, "used length of a write");
	else if (len > 0 && blk_status != BLK_OK)
		check_eq(used.len, 0, "used length when no data was written before the status");
	return blk_status;
}

uint64_t blk_capacity(const struct vdev *dev)
{
	return reg_read(dev, REG_CONFIG) | (uint64_t)reg_read(dev, REG_CONFIG + 4) << 32;
}

bool sector_good(const void *data, uint64_t sector)
{
	const uint64_t *words = data;

	/* Every seventh word, the last one too: the guest may be a slow one. */
	for (unsigned int i = 0; i < 64; i += 7)
		if (words[i] != (sector << 16 | i))
			return false;
	return true;
}

void sector_fill(void *data, uint64_t sector, uint64_t salt)
{
	uint64_t *words = data;

	for (unsigned int i = 0; i < 64; i++)
		words[i] = salt + (sector << 16 | i);
}

void dev_recover(struct vdev *dev)
{
	dev_open(dev);
	check_eq(blk_request(dev, BLK_IN, 0, blk_data, 1024), BLK_OK, "after the reset");
	check(sector_good(blk_data, 0), "sector 0 after the reset");
	check(sector_good(blk_data + 512, 1), "sector 1 after the reset");
}
