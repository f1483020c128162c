/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk.c - the block device as a good driver uses it (VIRTIO 1.2, 5.2), and requests that are well
 * formed but cannot be granted. The disk holds the sectors of voltlib.make_disk().
 */
#include "virtio.h"

#define VECTOR 40

static struct vdev dev;

GUEST_TEST(blk_identity)
{
	dev_find(&dev);
	dev_reset(&dev);
	check(dev_offered(&dev) & F_VERSION_1, "VIRTIO_F_VERSION_1 is offered");
	check(dev_offered(&dev) & F_BLK_FLUSH, "VIRTIO_BLK_F_FLUSH is offered");
	check_eq(!!(dev_offered(&dev) & F_BLK_RO), arg_u64("ro", 0), "VIRTIO_BLK_F_RO");
	check_eq(blk_capacity(&dev), arg_u64("sectors", 0), "capacity");
	reg_write(&dev, REG_QUEUE_SEL, 1);
	check_eq(reg_read(&dev, REG_QUEUE_NUM_MAX), 0, "a block device has one queue");
	dev_recover(&dev);
}

/* Every sector, by requests of a growing number of them. */
GUEST_TEST(blk_read_all)
{
	uint64_t sector = 0, count = 1;

	dev_open(&dev);
	while (sector < blk_capacity(&dev)) {
		if (count > BLK_DATA_SIZE / 512)
			count = 1;
		if (count > blk_capacity(&dev) - sector)
			count = blk_capacity(&dev) - sector;
		check_eq(blk_request(&dev, BLK_IN, sector, blk_data, (uint32_t)count * 512), BLK_OK,
			 "read");
		for (uint64_t i = 0; i < count; i++)
			check(sector_good(blk_data + i * 512, sector + i), "sector %lu",
			      sector + i);
		sector += count;
		count = count * 2 + 1;
	}
}

/* Sectors 1, 5 and 8 to 135 get the salt 1 << 40; the host looks afterwards. */
GUEST_TEST(blk_write)
{
	dev_open(&dev);
	sector_fill(blk_data, 1, UINT64_C(1) << 40);
	check_eq(blk_request(&dev, BLK_OUT, 1, blk_data, 512), BLK_OK, "write");
	sector_fill(blk_data, 5, UINT64_C(1) << 40);
	check_eq(blk_request(&dev, BLK_OUT, 5, blk_data, 512), BLK_OK, "write");
	for (unsigned int i = 0; i < 128; i++)
		sector_fill(blk_data + i * 512, 8 + i, UINT64_C(1) << 40);
	check_eq(blk_request(&dev, BLK_OUT, 8, blk_data, sizeof(blk_data)), BLK_OK, "write");
	check_eq(blk_request(&dev, BLK_FLUSH, 0, NULL, 0), BLK_OK, "flush");
	memset(blk_data, 0, 1024);
	check_eq(blk_request(&dev, BLK_IN, 5, blk_data, 1024), BLK_OK, "read back");
	check_eq(load64(blk_data), UINT64_C(1) << 40 | 5 << 16, "sector 5 read back");
	check(sector_good(blk_data + 512, 6), "sector 6 untouched");
}

/* A disk that was given read-only: no request may change it. */
GUEST_TEST(blk_read_only)
{
	dev_open(&dev);
	check(dev.features & F_BLK_RO, "VIRTIO_BLK_F_RO");
	memset(blk_data, 0x5a, 1024);
	check_eq(blk_request(&dev, BLK_OUT, 0, blk_data, 512), BLK_IOERR, "write");
	check_eq(blk_request(&dev, BLK_FLUSH, 0, NULL, 0), BLK_OK, "flush");
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 1024), BLK_OK, "read");
	check(sector_good(blk_data, 0), "sector 0 is as it was");
}

GUEST_TEST(blk_get_id)
{
	dev_open(&dev);
	memset(blk_data, 0xa5, 64);
	check_eq(blk_request(&dev, BLK_GET_ID, 0, blk_data, 20), BLK_OK, "GET_ID");
	check(blk_data[0] > ' ' && blk_data[0] < 0x7f, "the id begins with 0x%x",
	      (unsigned int)blk_data[0]);
	check_eq(blk_data[20], 0xa5, "20 bytes, not more");
	blk_data[20] = 0;
	print("id: %s\n", (char *)blk_data);
	memset(blk_data, 0xa5, 64);
	check_eq(blk_request(&dev, BLK_GET_ID, 0, blk_data, 64), BLK_OK, "GET_ID with more room");
	check_eq(blk_data[20], 0xa5, "20 bytes, not more");
	memset(blk_data, 0xa5, 64);
	/* Less room than the id takes: a prefix or an error, but nothing behind it. */
	(void)blk_request(&dev, BLK_GET_ID, 0, blk_data, 7);
	check(blk_status <= BLK_IOERR, "status %u", (unsigned int)blk_status);
	check_eq(blk_data[7], 0xa5, "7 bytes, not more");
	dev_recover(&dev);
}

/* Requests that have the right form and ask for what is not there. */
GUEST_TEST(blk_odd_requests)
{
	const uint64_t end = (dev_open(&dev), blk_capacity(&dev));
	static const uint32_t unknown[] = { 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 16, 17, 18, 24,
					    26, 100, 0x80000000, 0xffffffff };
	static const uint32_t odd[] = { 1, 7, 511, 513, 1023 };

	check_eq(blk_request(&dev, BLK_IN, end, blk_data, 512), BLK_IOERR, "behind the end");
	check_eq(blk_request(&dev, BLK_OUT, end, blk_data, 512), BLK_IOERR, "behind the end");
	check_eq(blk_request(&dev, BLK_IN, end - 1, blk_data, 1024), BLK_IOERR, "over the end");
	check_eq(blk_request(&dev, BLK_OUT, end - 1, blk_data, 1024), BLK_IOERR, "over the end");
	check_eq(blk_request(&dev, BLK_IN, ~UINT64_C(0), blk_data, 512), BLK_IOERR, "2^64-1");
	check_eq(blk_request(&dev, BLK_OUT, ~UINT64_C(0), blk_data, 1024), BLK_IOERR, "2^64-1");
	check_eq(blk_request(&dev, BLK_IN, UINT64_C(1) << 55, blk_data, 512), BLK_IOERR, "2^55");
	check_eq(blk_request(&dev, BLK_OUT, (UINT64_C(1) << 55) + 1, blk_data, 512), BLK_IOERR,
		 "2^55 + 1");
	for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		check_eq(blk_request(&dev, BLK_IN, 0, blk_data, odd[i]), BLK_IOERR, "odd read");
		check_eq(blk_request(&dev, BLK_OUT, 0, blk_data, odd[i]), BLK_IOERR, "odd write");
	}
	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		check_eq(blk_request(&dev, unknown[i], 0, blk_data, 512), BLK_UNSUPP,
			 "unknown type");
		check_eq(blk_request(&dev, unknown[i], 0, NULL, 0), BLK_UNSUPP, "unknown type");
	}
	/* No data at all: nothing to do, or an error, but an answer. */
	(void)blk_request(&dev, BLK_IN, 0, NULL, 0);
	check(blk_status <= BLK_IOERR, "status %u", (unsigned int)blk_status);
	dev_recover(&dev);
}

/* Many requests at once; the device may finish them in any order. */
GUEST_TEST(blk_many)
{
	static volatile struct blk_header header[64];
	static volatile uint8_t status[64];
	const unsigned int count = 64;

	dev_open(&dev);
	check(dev.size >= count * 3, "queue of %u", (unsigned int)dev.size);
	memset(blk_data, 0, sizeof(blk_data));
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < count; i++) {
			header[i].type = BLK_IN;
			header[i].sector = i * 2;
			status[i] = BLK_NO_STATUS;
			desc_set(&dev, i * 3, gpa_of(&header[i]), 16, DESC_NEXT, i * 3 + 1);
			desc_set(&dev, i * 3 + 1, gpa_of(blk_data + i * 1024), 1024,
				 DESC_NEXT | DESC_WRITE, i * 3 + 2);
			desc_set(&dev, i * 3 + 2, gpa_of(&status[i]), 1, DESC_WRITE, 0);
			ring_put(&dev, i * 3);
		}
		ring_kick(&dev);
		while ((uint16_t)(dev.used->idx - dev.used_idx) < count)
			check(!(reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET), "broken");
		dev.used_idx = (uint16_t)(dev.used_idx + count);
		for (unsigned int i = 0; i < count; i++) {
			check_eq(status[i], BLK_OK, "status");
			check(sector_good(blk_data + i * 1024, i * 2), "sector %u", i * 2);
			check(sector_good(blk_data + i * 1024 + 512, i * 2 + 1), "sector %u",
			      i * 2 + 1);
		}
	}
}

/* Indices run over 65535 and ring positions over the queue's end. */
GUEST_TEST(blk_index_wrap)
{
	dev_open(&dev);
	blk_request_set(&dev, BLK_GET_ID, 0, blk_data, 20);
	for (unsigned int done = 0; done < 66000; done += dev.size) {
		/* The same descriptors in every entry: their contents never change. */
		dev.avail_idx = (uint16_t)(dev.avail_idx + dev.size);
		dev.avail->idx = dev.avail_idx;
		barrier();
		ring_kick(&dev);
		while (dev.used->idx != dev.avail_idx)
			check(!(reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET), "broken");
		check_eq(blk_status, BLK_OK, "GET_ID");
		dev.used_idx = dev.avail_idx;
	}
	check_eq(blk_request(&dev, BLK_IN, 3, blk_data, 512), BLK_OK, "read");
	check(sector_good(blk_data, 3), "sector 3");
}

static void irq_round(unsigned int requests)
{
	for (unsigned int i = 0; i < requests; i++) {
		const uint32_t before = irq_count[VECTOR];

		dev.avail->ring[dev.size] = dev.used_idx;	/* used_event */
		blk_request_set(&dev, BLK_IN, i, blk_data, 512);
		ring_put(&dev, 0);
		ring_kick(&dev);
		guest_irq_wait(VECTOR, before);
		check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), INTERRUPT_USED, "interrupt status");
		reg_write(&dev, REG_INTERRUPT_ACK, INTERRUPT_USED);
		check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), 0, "acknowledged");
		(void)ring_wait(&dev);
		check_eq(blk_status, BLK_OK, "read");
		check(sector_good(blk_data, i), "sector %u", i);
	}
}

/* Completion by interrupt: with and without VIRTIO_F_EVENT_IDX, and none when none is wanted. */
GUEST_TEST(blk_interrupt)
{
	uint32_t before;

	dev_find(&dev);
	guest_irq_enable(dev.gsi, VECTOR);
	dev_open(&dev);
	irq_round(20);
	dev_open_without(&dev, F_EVENT_IDX);
	irq_round(20);
	before = irq_count[VECTOR];
	dev.avail->flags = 1;	/* VIRTQ_AVAIL_F_NO_INTERRUPT */
	for (unsigned int i = 0; i < 20; i++)
		check_eq(blk_request(&dev, BLK_IN, i, blk_data, 512), BLK_OK, "read");
	__asm__ volatile("sti");
	breathe();
	__asm__ volatile("cli");
	check_eq(irq_count[VECTOR], before, "interrupts that nobody wanted");
}

/* Framing is the driver's choice (2.7.4.2): any split of a request has to work. */
GUEST_TEST(blk_framing)
{
	unsigned int n = 0;

	dev_open(&dev);
	memset(blk_data, 0, 4096);
	blk_header.type = BLK_IN;
	blk_header.sector = 2;
	blk_status = BLK_NO_STATUS;
	for (; n < 16; n++)
		desc_set(&dev, n, gpa_of(&blk_header) + n, 1, DESC_NEXT, n + 1);
	desc_set(&dev, n, gpa_of(blk_data), 1, DESC_NEXT | DESC_WRITE, n + 1);
	desc_set(&dev, n + 1, gpa_of(blk_data) + 1, 510, DESC_NEXT | DESC_WRITE, n + 2);
	desc_set(&dev, n + 2, gpa_of(blk_data) + 511, 3, DESC_NEXT | DESC_WRITE, n + 3);
	desc_set(&dev, n + 3, gpa_of(blk_data) + 514, 511, DESC_WRITE, 0);
	ring_put(&dev, 0);
	ring_kick(&dev);
	check_eq(ring_wait(&dev).len, 1025, "used length");
	check_eq(blk_data[1024], BLK_OK, "status in the last byte of the data's buffer");
	check(sector_good(blk_data, 2), "sector 2");
	check(sector_good(blk_data + 512, 3), "sector 3");
}

/* A chain of as many descriptors as the queue has. */
GUEST_TEST(blk_longest_chain)
{
	unsigned int parts;

	dev_open(&dev);
	parts = dev.size - 2;
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	for (unsigned int i = 1; i <= parts; i++)
		desc_set(&dev, i, gpa_of(blk_data) + (i - 1) * 8, i < parts ? 8 :
			 2048 - (parts - 1) * 8, DESC_NEXT | DESC_WRITE, i + 1);
	desc_set(&dev, parts + 1, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	ring_kick(&dev);
	check_eq(ring_wait(&dev).len, 2049, "used length");
	check_eq(blk_status, BLK_OK, "read");
	for (unsigned int i = 0; i < 4; i++)
		check(sector_good(blk_data + i * 512, i), "sector %u", i);
}

/* Buffers at the very last bytes of RAM are as good as others. */
GUEST_TEST(blk_end_of_ram)
{
	uint8_t *const end = ptr(ram_low_end());

	dev_open(&dev);
	memset(end - 512, 0, 512);
	check_eq(blk_request(&dev, BLK_IN, 7, end - 512, 512), BLK_OK, "read");
	check(sector_good(end - 512, 7), "sector 7");
	blk_request_set(&dev, BLK_IN, 9, blk_data, 512);
	end[-1] = BLK_NO_STATUS;
	desc_set(&dev, 2, gpa_of(end - 1), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	ring_kick(&dev);
	(void)ring_wait(&dev);
	check_eq(end[-1], BLK_OK, "status in RAM's last byte");
	check(sector_good(blk_data, 9), "sector 9");
	memcpy(end - 16, ptr(gpa_of(&blk_header)), 16);
	blk_status = BLK_NO_STATUS;
	desc_set(&dev, 0, gpa_of(end - 16), 16, DESC_NEXT, 1);
	desc_set(&dev, 2, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	ring_kick(&dev);
	(void)ring_wait(&dev);
	check_eq(blk_status, BLK_OK, "header in RAM's last bytes");
}

/* Above 4 GiB: data, header and status. */
GUEST_TEST(blk_high_memory)
{
	uint8_t *const high = ptr(MMIO_GAP_END);

	map_up_to(MMIO_GAP_END + (UINT64_C(1) << 30));
	dev_open(&dev);
	memset(high, 0, 4096);
	check_eq(blk_request(&dev, BLK_IN, 4, high, 2048), BLK_OK, "read");
	check(sector_good(high, 4) && sector_good(high + 1536, 7), "sectors 4 and 7");
	blk_header.sector = 6;
	memcpy(high, ptr(gpa_of(&blk_header)), 16);
	high[16] = BLK_NO_STATUS;
	desc_set(&dev, 0, gpa_of(high), 16, DESC_NEXT, 1);
	desc_set(&dev, 1, gpa_of(high + 4096), 512, DESC_NEXT | DESC_WRITE, 2);
	desc_set(&dev, 2, gpa_of(high + 16), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	ring_kick(&dev);
	(void)ring_wait(&dev);
	check_eq(high[16], BLK_OK, "all of it high");
	check(sector_good(high + 4096, 6), "sector 6");
}

/* An indirect table, and the same with the write flag that the device has to ignore (2.7.5.3.2). */
GUEST_TEST(blk_indirect)
{
	static volatile struct vring_desc table[3] __attribute__((aligned(16)));

	dev_open(&dev);
	check(dev.features & F_INDIRECT, "VIRTIO_F_INDIRECT_DESC is offered");
	for (unsigned int flags = 0; flags <= DESC_WRITE; flags += DESC_WRITE) {
		blk_request_set(&dev, BLK_IN, 11, blk_data, 512);
		memset(blk_data, 0, 512);
		memcpy(ptr(gpa_of(table)), ptr(gpa_of(dev.desc)), sizeof(table));
		desc_set(&dev, 5, gpa_of(table), sizeof(table), DESC_INDIRECT | flags, 0);
		ring_put(&dev, 5);
		ring_kick(&dev);
		check_eq(ring_wait(&dev).id, 5, "used id");
		check_eq(blk_status, BLK_OK, "read");
		check(sector_good(blk_data, 11), "sector 11");
	}
}

/* The host takes the disk's second half away while the machine runs. */
GUEST_TEST(blk_shrunk)
{
	const uint64_t end = (dev_open(&dev), blk_capacity(&dev));

	check_eq(blk_request(&dev, BLK_IN, end - 1, blk_data, 512), BLK_OK, "read");
	check(sector_good(blk_data, end - 1), "the last sector");
	print("READY\n");
	while (!(in8(PORT_SERIAL + 5) & 1))
		;
	check_eq(blk_request(&dev, BLK_IN, end - 1, blk_data, 512), BLK_IOERR, "behind the end");
	check_eq(blk_request(&dev, BLK_IN, end / 2 - 1, blk_data, 1024), BLK_IOERR, "half of it");
	dev_recover(&dev);
}

/* Hold the disk, so that the host can try what it does with a second machine. */
GUEST_TEST(blk_hold)
{
	dev_recover(&dev);
	print("HOLDING\n");
	guest_halt();
}
