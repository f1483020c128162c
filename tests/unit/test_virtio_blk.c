/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio/blk.h"
#include "devices/virtio/mmio.h"
#include "fake_driver.h"

#define SIZE 256
#define SECTORS 64
#define LIVE 15
#define NEEDS_RESET 64
#define NO_STATUS 0xee

#define HEADER	FAKE_DATA
#define STATUS	(FAKE_DATA + 0x100)
#define DATA	(FAKE_DATA + 0x1000)

/* A disk in memory that can fail, and counts. */
struct disk {
	struct block_backend backend;
	unsigned int reads, writes, flushes;
	unsigned int unflushed;		/* writes since the last flush */
	int result;
	uint8_t bytes[SECTORS * 512];
};

static struct guest_memory mem;
static struct fake_driver drv;
static struct irq_line irq;
static struct disk disk;
static struct virtio_device *dev;
static struct virtio_mmio mmio;

static int disk_readv(struct block_backend *backend, struct iovec *iov, unsigned int count,
		      uint64_t offset)
{
	(void)backend;
	disk.reads++;
	for (unsigned int i = 0; disk.result == 0 && i < count; i++) {
		memcpy(iov[i].iov_base, disk.bytes + offset, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
	return disk.result;
}

static int disk_writev(struct block_backend *backend, struct iovec *iov, unsigned int count,
		       uint64_t offset)
{
	(void)backend;
	disk.writes++;
	disk.unflushed++;
	for (unsigned int i = 0; disk.result == 0 && i < count; i++) {
		memcpy(disk.bytes + offset, iov[i].iov_base, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
	return disk.result;
}

static int disk_flush(struct block_backend *backend)
{
	(void)backend;
	disk.flushes++;
	disk.unflushed = 0;
	return disk.result;
}

static void disk_destroy(struct block_backend *backend)
{
	(void)backend;
}

static const struct block_ops disk_ops = {
	.readv = disk_readv, .writev = disk_writev, .flush = disk_flush, .destroy = disk_destroy,
};

static uint32_t get(uint64_t reg)
{
	uint32_t value;

	virtio_mmio_bus_ops.read(&mmio, reg, &value, 4);
	return value;
}

static void set(uint64_t reg, uint32_t value)
{
	virtio_mmio_bus_ops.write(&mmio, reg, &value, 4);
}

/* Bring the device up with @features taken from what it offers. */
static void go_live(uint64_t features)
{
	uint64_t accepted = dev->features & features;

	fake_driver_init(&drv, &mem, SIZE);
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, 3);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)accepted);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(accepted >> 32));
	set(VIRTIO_MMIO_STATUS, 11);
	set(VIRTIO_MMIO_QUEUE_NUM, SIZE);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, FAKE_DESC);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, FAKE_AVAIL);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, FAKE_USED);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, LIVE);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), LIVE);
}

static void create(bool read_only)
{
	disk = (struct disk){
		.backend = { .ops = &disk_ops, .size = sizeof(disk.bytes),
			     .read_only = read_only, .id = "test-disk" },
	};
	for (unsigned int i = 0; i < sizeof(disk.bytes); i++)
		disk.bytes[i] = (uint8_t)(i / 512 + i);
	assert_int_equal(guest_memory_create(&mem, MIB(1), false, NULL), 0);
	irq.event_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(virtio_blk_create(&disk.backend, &mem, &dev, NULL), 0);
	assert_int_equal(virtio_mmio_init(&mmio, dev, &irq, NULL), 0);
	go_live(UINT64_MAX);
}

static int setup(void **state)
{
	(void)state;
	create(false);
	return 0;
}

static int setup_read_only(void **state)
{
	(void)state;
	create(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_mmio_destroy(&mmio);
	virtio_blk_destroy(dev);
	guest_memory_destroy(&mem);
	close(irq.event_fd);
	return 0;
}

static uint8_t status(void)
{
	return *(uint8_t *)fake_ptr(&drv, STATUS);
}

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };

	memcpy(fake_ptr(&drv, HEADER), &hdr, sizeof(hdr));
	*(uint8_t *)fake_ptr(&drv, STATUS) = NO_STATUS;
}

static bool edge(void)
{
	eventfd_t count;

	return eventfd_read(irq.event_fd, &count) == 0;
}

static void kick(void)
{
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_mmio_kick(&mmio, 0);
}

/* Run the chain at descriptor 0; returns used.len. */
static uint32_t run(void)
{
	uint32_t head = 99, len = 0;

	drv.avail->ring[SIZE] = drv.used_seen;	/* used_event: tell me */
	fake_offer(&drv, 0);
	kick();
	assert_true(fake_take(&drv, &head, &len));
	assert_int_equal(head, 0);
	assert_true(edge());
	return len;
}

/* The usual three descriptors: header, data, status. */
static uint32_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	unsigned int data_flags = type == VIRTIO_BLK_T_OUT ? 0 : F_WRITE;

	header(type, sector);
	fake_desc(&drv, 0, HEADER, 16, F_NEXT, len > 0 ? 1 : 2);
	fake_desc(&drv, 1, DATA, len, F_NEXT | data_flags, 2);
	fake_desc(&drv, 2, STATUS, 1, F_WRITE, 0);
	return run();
}

static void expect_broken(void)
{
	fake_offer(&drv, 0);
	kick();
	assert_int_equal(get(VIRTIO_MMIO_STATUS), LIVE | NEEDS_RESET);
	assert_int_equal(fake_used_idx(&drv), drv.used_seen);
	go_live(UINT64_MAX);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), 513);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
}

static void test_offer(void **state)
{
	struct virtio_blk_config config;

	(void)state;
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_ID), 2);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 256);
	assert_true(dev->features == (BIT64(VIRTIO_F_VERSION_1) | BIT64(28) | BIT64(29) |
				      BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_SEG_MAX) |
				      BIT64(VIRTIO_BLK_F_BLK_SIZE)));
	virtio_mmio_bus_ops.read(&mmio, 0x100, &config.capacity, 8);
	assert_int_equal(config.capacity, SECTORS);
	assert_int_equal(get(0x100 + offsetof(struct virtio_blk_config, seg_max)), 254);
	assert_int_equal(get(0x100 + offsetof(struct virtio_blk_config, blk_size)), 512);
	set(0x100, 0);		/* nothing there can be written */
	assert_int_equal(get(0x100), SECTORS);
}

static void test_read(void **state)
{
	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 3, 1024), 1025);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_ptr(&drv, DATA), disk.bytes + 3 * 512, 1024);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTORS * 512), SECTORS * 512 + 1);
	assert_memory_equal(fake_ptr(&drv, DATA), disk.bytes, SECTORS * 512);
	assert_int_equal(disk.reads, 2);
}

static void test_write(void **state)
{
	(void)state;
	memset(fake_ptr(&drv, DATA), 0xa7, 1024);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 62, 1024), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(disk.bytes + 62 * 512, fake_ptr(&drv, DATA), 1024);
	assert_int_equal(disk.bytes[62 * 512 - 1], (uint8_t)(61 + 511));
	assert_int_equal(disk.flushes, 0);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_int_equal(disk.flushes, 1);
}

/* A driver that cannot flush must not need to. */
static void test_write_through(void **state)
{
	(void)state;
	go_live(~BIT64(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), 1);
	assert_int_equal(disk.unflushed, 0);
	assert_int_equal(disk.flushes, 1);
}

static void test_get_id(void **state)
{
	static const char id[BLOCK_ID_LEN] = "test-disk";

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20), 21);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_ptr(&drv, DATA), id, 20);
	memset(fake_ptr(&drv, DATA), 0xcc, 64);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 4), 5);
	assert_memory_equal(fake_ptr(&drv, DATA), "test\xcc", 5);
	/* 20 bytes of 40 are written: the status is no longer adjacent. */
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 40), 20);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal((uint8_t *)fake_ptr(&drv, DATA) + 19, "\0\xcc", 2);
}

static void test_unsupported(void **state)
{
	const uint32_t types[] = { 2, 3, 5, 6, 7, 9, 11, 13, 0x80000000, UINT32_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(request(types[i], 0, 512), 0);
		assert_int_equal(status(), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(request(types[i], 0, 0), 1);
	}
	assert_int_equal(disk.reads + disk.writes + disk.flushes, 0);
}

static void test_range(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
		bool good;
	} cases[] = {
		{ SECTORS - 1, 512, true }, { SECTORS - 1, 1024, false }, { SECTORS, 512, false },
		{ SECTORS, 0, true }, { SECTORS + 1, 0, false }, { 0, 511, false },
		{ 0, 513, false }, { 0, 1, false }, { UINT64_MAX, 512, false },
		{ UINT64_MAX >> 9, 512, false }, { (UINT64_MAX >> 9) + 1, 512, false },
		{ UINT64_C(1) << 55, 512, false }, { UINT64_C(1) << 63, 1024, false },
		{ 0, SECTORS * 512 + 512, false },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t len = cases[i].len;
		uint32_t expect = cases[i].good ? len + 1 : 0;

		assert_int_equal(request(VIRTIO_BLK_T_IN, cases[i].sector, len),
				 len == 0 ? 1 : expect);
		assert_int_equal(status(), cases[i].good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, cases[i].sector, len), 1);
		assert_int_equal(status(), cases[i].good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(disk.reads, 1);
	assert_int_equal(disk.writes, 1);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), LIVE);
}

static void test_backend_errors(void **state)
{
	const int errors[] = { -EIO, -ENOSPC, -ENODATA, -EINVAL, -EINTR };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(errors); i++) {
		disk.result = errors[i];
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), 0);
		assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), 1);
		assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), 1);
		assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
		disk.result = 0;
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), 513);
		assert_int_equal(status(), VIRTIO_BLK_S_OK);
	}
}

static void test_read_only(void **state)
{
	(void)state;
	assert_true(dev->features & BIT64(VIRTIO_BLK_F_RO));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
	/* Not accepting the feature does not make the disk writable. */
	go_live(~BIT64(VIRTIO_BLK_F_RO));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk.writes, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 5, 512), 513);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
}

/* Header, data and status cut into pieces of every size, pieces shared between them. */
static void test_framing(void **state)
{
	(void)state;
	for (uint32_t piece = 3; piece < 700; piece = piece * 3 / 2) {
		unsigned int i = 0;

		/* Read: 16 bytes of header, 1024 of data and the status behind them in one area. */
		header(VIRTIO_BLK_T_IN, 7);
		memset(fake_ptr(&drv, DATA), 0xcc, 1030);
		for (uint32_t at = 0; at < 16; at += piece)
			fake_desc(&drv, i, HEADER + at, (uint32_t)u64_min(piece, 16 - at), F_NEXT,
				  i + 1), i++;
		for (uint32_t at = 0; at < 1025; at += piece)
			fake_desc(&drv, i, DATA + at, (uint32_t)u64_min(piece, 1025 - at),
				  F_WRITE | (at + piece < 1025 ? F_NEXT : 0), i + 1), i++;
		if (i > SIZE)
			continue;
		assert_int_equal(run(), 1025);
		assert_memory_equal(fake_ptr(&drv, DATA), disk.bytes + 7 * 512, 1024);
		assert_memory_equal((uint8_t *)fake_ptr(&drv, DATA) + 1024, "\0\xcc", 2);
	}
	for (uint32_t piece = 5; piece < 700; piece = piece * 3 / 2) {
		unsigned int i = 0;

		/* Write: header and data in one readable area. */
		header(VIRTIO_BLK_T_OUT, 9);
		memset((uint8_t *)fake_ptr(&drv, HEADER) + 16, (int)piece, 224);
		*(uint8_t *)fake_ptr(&drv, DATA + 0x2000) = NO_STATUS;
		for (uint32_t at = 0; at < 528; at += piece)
			fake_desc(&drv, i, HEADER + at, (uint32_t)u64_min(piece, 528 - at), F_NEXT,
				  i + 1), i++;
		fake_desc(&drv, i, DATA + 0x2000, 1, F_WRITE, 0);
		assert_int_equal(run(), 1);
		assert_int_equal(*(uint8_t *)fake_ptr(&drv, DATA + 0x2000), VIRTIO_BLK_S_OK);
		assert_memory_equal(disk.bytes + 9 * 512, (uint8_t *)fake_ptr(&drv, HEADER) + 16,
				    512);
	}
}

/* The most segments that seg_max allows, through an indirect table: 252 of 128 bytes, 2 of 256. */
static void test_indirect(void **state)
{
	uint64_t at = DATA;

	(void)state;
	header(VIRTIO_BLK_T_IN, 0);
	fake_indirect(&drv, FAKE_INDIRECT, 0, HEADER, 16, F_NEXT, 1);
	for (unsigned int i = 1; i <= 254; i++) {
		uint32_t len = i <= 252 ? 128 : 256;

		fake_indirect(&drv, FAKE_INDIRECT, i, at, len, F_NEXT | F_WRITE, i + 1);
		at += len;
	}
	fake_indirect(&drv, FAKE_INDIRECT, 255, STATUS, 1, F_WRITE, 0);
	fake_desc(&drv, 0, FAKE_INDIRECT, 256 * 16, F_INDIRECT, 0);
	assert_int_equal(run(), SECTORS * 512 + 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_ptr(&drv, DATA), disk.bytes, SECTORS * 512);
}

/* What cannot be answered breaks the ring: no whole header, or nowhere to put the status. */
static void test_unanswerable(void **state)
{
	(void)state;
	header(VIRTIO_BLK_T_IN, 0);
	fake_desc(&drv, 0, HEADER, 15, F_NEXT, 1);
	fake_desc(&drv, 1, STATUS, 1, F_WRITE, 0);
	expect_broken();
	fake_desc(&drv, 0, HEADER, 16, 0, 0);
	expect_broken();
	fake_desc(&drv, 0, HEADER, 16, F_NEXT, 1);
	fake_desc(&drv, 1, STATUS, 0, F_WRITE, 0);
	expect_broken();
	fake_desc(&drv, 0, HEADER, 600, F_WRITE, 0);
	expect_broken();
	fake_desc(&drv, 0, 0, 0, 0, 0);
	expect_broken();
	/* The hostile rings proper are test_virtq's; one shows that they arrive here. */
	fake_desc(&drv, 0, HEADER, 16, F_NEXT, 0);
	expect_broken();
}

/* What was done before the ring broke is still announced. */
static void test_broken_after_good(void **state)
{
	uint32_t head = 99, len = 0;

	(void)state;
	header(VIRTIO_BLK_T_IN, 1);
	fake_desc(&drv, 0, HEADER, 16, F_NEXT, 1);
	fake_desc(&drv, 1, DATA, 512, F_NEXT | F_WRITE, 2);
	fake_desc(&drv, 2, STATUS, 1, F_WRITE, 0);
	fake_offer(&drv, 0);
	fake_offer(&drv, SIZE);
	kick();
	assert_true(fake_take(&drv, &head, &len));
	assert_int_equal(len, 513);
	assert_true(edge());
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), LIVE | NEEDS_RESET);
}

/* A batch is one interrupt, and a full ring is one turn. */
static void test_batch(void **state)
{
	uint32_t head = 99, len = 0;
	eventfd_t count;

	(void)state;
	go_live(~(BIT64(28) | BIT64(29)));
	header(VIRTIO_BLK_T_IN, 1);
	fake_desc(&drv, 0, HEADER, 16, F_NEXT, 1);
	fake_desc(&drv, 1, DATA, 512, F_NEXT | F_WRITE, 2);
	fake_desc(&drv, 2, STATUS, 1, F_WRITE, 0);
	for (unsigned int i = 0; i < SIZE; i++)
		fake_offer(&drv, 0);
	(void)edge();
	kick();
	assert_int_equal(fake_used_idx(&drv), SIZE);
	assert_int_equal(eventfd_read(irq.event_fd, &count), 0);
	assert_int_equal(count, 1);
	/* The turn is over before the queue was seen empty: it asks to be called again. */
	assert_int_equal(drv.used->flags, VRING_USED_F_NO_NOTIFY);
	assert_int_equal(eventfd_read(mmio.kick_fd[0], &count), 0);
	virtio_mmio_kick(&mmio, 0);
	assert_int_equal(drv.used->flags, 0);
	assert_int_equal(eventfd_read(mmio.kick_fd[0], &count), -1);
	for (unsigned int i = 0; i < SIZE; i++) {
		assert_true(fake_take(&drv, &head, &len));
		assert_int_equal(len, 513);
	}
	/* A driver that polls is left in peace. */
	(void)edge();
	drv.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	fake_offer(&drv, 0);
	kick();
	assert_int_equal(fake_used_idx(&drv), SIZE + 1);
	assert_false(edge());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_offer), TEST(test_read), TEST(test_write), TEST(test_write_through),
		TEST(test_get_id), TEST(test_unsupported), TEST(test_range),
		TEST(test_backend_errors),
		cmocka_unit_test_setup_teardown(test_read_only, setup_read_only, teardown),
		TEST(test_framing), TEST(test_indirect), TEST(test_unanswerable),
		TEST(test_broken_after_good), TEST(test_batch),
	};

	return cmocka_run_group_tests_name("virtio_blk", tests, NULL, NULL);
}
