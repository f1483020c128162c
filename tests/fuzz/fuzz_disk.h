/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_disk.h - a virtio block device on a small raw image in memory, behind its MMIO transport,
 * for the fuzzers. Each input starts with the same memory, disk and device.
 */
#ifndef VOLT_FUZZ_DISK_H
#define VOLT_FUZZ_DISK_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/fake_driver.h"
#include "block/block.h"
#include "devices/virtio/blk.h"
#include "devices/virtio/mmio.h"
#include "fuzz_input.h"

#define RAM MIB(1)
#define DISK_SIZE 8192
#define LIVE (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	      VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

#define HEADER	FAKE_DATA
#define STATUS	(FAKE_DATA + 0x100)
#define DATA	(FAKE_DATA + 0x1000)

struct fuzz_disk {
	struct guest_memory mem;
	struct fake_driver drv;
	struct irq_line irq;
	struct block_backend *backend;
	struct virtio_device *dev;
	struct virtio_mmio mmio;
	int memfd;
};

static struct fuzz_disk disk;

static const uint64_t places[5] = { FAKE_DATA, DATA, FAKE_INDIRECT, FAKE_DESC, FAKE_AVAIL };

static inline uint32_t reg_get(uint64_t reg)
{
	uint32_t value;

	virtio_mmio_bus_ops.read(&disk.mmio, reg, &value, sizeof(value));
	return value;
}

static inline void reg_set(uint64_t reg, uint32_t value)
{
	virtio_mmio_bus_ops.write(&disk.mmio, reg, &value, sizeof(value));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[64];

	(void)argc;
	(void)argv;
	disk.memfd = memfd_create("disk", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk.memfd);
	disk.irq.event_fd = eventfd(0, EFD_NONBLOCK);
	FUZZ_CHECK(ftruncate(disk.memfd, DISK_SIZE) == 0);
	FUZZ_CHECK(guest_memory_create(&disk.mem, RAM, false, NULL) == 0);
	FUZZ_CHECK(block_raw_open(path, false, &disk.backend, NULL) == 0);
	FUZZ_CHECK(virtio_blk_create(disk.backend, &disk.mem, &disk.dev, NULL) == 0);
	FUZZ_CHECK(virtio_mmio_init(&disk.mmio, disk.dev, &disk.irq, NULL) == 0);
	return 0;
}

static inline void disk_start(void)
{
	static const uint8_t zero[DISK_SIZE];

	reg_set(VIRTIO_MMIO_STATUS, 0);
	memset(disk.mem.region[0].hva, 0, RAM);
	FUZZ_CHECK(pwrite(disk.memfd, zero, DISK_SIZE, 0) == DISK_SIZE);
}

/* What a correct driver does up to DRIVER_OK. */
static inline void disk_go_live(uint16_t size, uint64_t features)
{
	uint64_t accepted = (disk.dev->features & features) | BIT64(VIRTIO_F_VERSION_1);

	reg_set(VIRTIO_MMIO_STATUS, 0);
	fake_driver_init(&disk.drv, &disk.mem, size);
	reg_set(VIRTIO_MMIO_STATUS, 1);
	reg_set(VIRTIO_MMIO_STATUS, 3);
	reg_set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)accepted);
	reg_set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(accepted >> 32));
	reg_set(VIRTIO_MMIO_STATUS, 11);
	reg_set(VIRTIO_MMIO_QUEUE_SEL, 0);
	reg_set(VIRTIO_MMIO_QUEUE_NUM, size);
	reg_set(VIRTIO_MMIO_QUEUE_DESC_LOW, FAKE_DESC);
	reg_set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, FAKE_AVAIL);
	reg_set(VIRTIO_MMIO_QUEUE_USED_LOW, FAKE_USED);
	reg_set(VIRTIO_MMIO_QUEUE_READY, 1);
	reg_set(VIRTIO_MMIO_STATUS, LIVE);
	FUZZ_CHECK(reg_get(VIRTIO_MMIO_STATUS) == LIVE);
}

/* Whatever happened before: after a reset a correct driver can read a sector. */
static inline void disk_expect_usable(void)
{
	const struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN, .sector = 3 };
	uint32_t head = 1, len = 0;

	disk_go_live(16, UINT64_MAX);
	guest_memory_write(&disk.mem, HEADER, &header, sizeof(header));
	*(uint8_t *)fake_ptr(&disk.drv, STATUS) = 0xee;
	fake_desc(&disk.drv, 0, HEADER, sizeof(header), F_NEXT, 1);
	fake_desc(&disk.drv, 1, DATA, 512, F_NEXT | F_WRITE, 2);
	fake_desc(&disk.drv, 2, STATUS, 1, F_WRITE, 0);
	fake_offer(&disk.drv, 0);
	virtio_mmio_kick(&disk.mmio, 0);
	FUZZ_CHECK(fake_take(&disk.drv, &head, &len) && head == 0 && len == 513);
	FUZZ_CHECK(*(uint8_t *)fake_ptr(&disk.drv, STATUS) == VIRTIO_BLK_S_OK);
	FUZZ_CHECK(reg_get(VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING);
}

#endif
