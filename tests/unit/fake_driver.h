/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_driver.h - the driver's side of one split virtqueue, for tests: it writes rings and
 * descriptors into guest memory, rightly or wrongly, and never checks anything.
 */
#ifndef VOLT_TESTS_FAKE_DRIVER_H
#define VOLT_TESTS_FAKE_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "guestmem/guestmem.h"

#define FAKE_DESC	UINT64_C(0x1000)	/* 256 descriptors */
#define FAKE_AVAIL	UINT64_C(0x3000)
#define FAKE_USED	UINT64_C(0x4000)
#define FAKE_INDIRECT	UINT64_C(0x6000)	/* up to 512 descriptors */
#define FAKE_DATA	UINT64_C(0x10000)

#define F_NEXT		VRING_DESC_F_NEXT
#define F_WRITE		VRING_DESC_F_WRITE
#define F_INDIRECT	VRING_DESC_F_INDIRECT

struct fake_driver {
	const struct guest_memory *mem;
	uint16_t size;
	uint16_t avail_idx;	/* what was last published */
	uint16_t used_seen;	/* how many used entries were taken */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/* Rings of @size at the addresses above, all zero. */
static inline void fake_driver_init(struct fake_driver *drv, const struct guest_memory *mem,
				    uint16_t size)
{
	*drv = (struct fake_driver){
		.mem = mem, .size = size,
		.desc = guest_memory_ptr(mem, FAKE_DESC, size * sizeof(struct vring_desc)),
		.avail = guest_memory_ptr(mem, FAKE_AVAIL, 6 + 2 * size),
		.used = guest_memory_ptr(mem, FAKE_USED, 6 + 8 * size),
	};
	memset(drv->desc, 0, size * sizeof(struct vring_desc));
	memset(drv->avail, 0, 6 + 2 * size);
	memset(drv->used, 0, 6 + 8 * size);
}

static inline void fake_desc(struct fake_driver *drv, unsigned int index, uint64_t addr,
			     uint32_t len, unsigned int flags, unsigned int next)
{
	drv->desc[index] = (struct vring_desc){
		.addr = addr, .len = len, .flags = (uint16_t)flags, .next = (uint16_t)next,
	};
}

/* The same in an indirect table at @table. */
static inline void fake_indirect(struct fake_driver *drv, uint64_t table, unsigned int index,
				 uint64_t addr, uint32_t len, unsigned int flags, unsigned int next)
{
	struct vring_desc desc = {
		.addr = addr, .len = len, .flags = (uint16_t)flags, .next = (uint16_t)next,
	};

	guest_memory_write(drv->mem, table + index * sizeof(desc), &desc, sizeof(desc));
}

static inline void fake_publish_idx(struct fake_driver *drv, uint16_t idx)
{
	drv->avail_idx = idx;
	__atomic_store_n(&drv->avail->idx, idx, __ATOMIC_RELEASE);
}

static inline void fake_offer(struct fake_driver *drv, unsigned int head)
{
	__atomic_store_n(&drv->avail->ring[drv->avail_idx % drv->size], (uint16_t)head,
			 __ATOMIC_RELAXED);
	fake_publish_idx(drv, (uint16_t)(drv->avail_idx + 1));
}

static inline uint16_t fake_used_idx(const struct fake_driver *drv)
{
	return __atomic_load_n(&drv->used->idx, __ATOMIC_ACQUIRE);
}

/* Take the next used entry; false when there is none. */
static inline bool fake_take(struct fake_driver *drv, uint32_t *ret_head, uint32_t *ret_len)
{
	const struct vring_used_elem *elem = &drv->used->ring[drv->used_seen % drv->size];

	if (fake_used_idx(drv) == drv->used_seen)
		return false;
	*ret_head = __atomic_load_n(&elem->id, __ATOMIC_RELAXED);
	*ret_len = __atomic_load_n(&elem->len, __ATOMIC_RELAXED);
	drv->used_seen++;
	return true;
}

static inline void *fake_ptr(const struct fake_driver *drv, uint64_t gpa)
{
	return guest_memory_ptr(drv->mem, gpa, 1);
}

#endif
