/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_ring.c - a driver that lies in its rings. A device that cannot make sense of a ring has
 * to stop using it and ask for a reset (VIRTIO 1.2, 2.1.2); one that merely cannot grant a request
 * answers it. Where the specification leaves it open, any answer will do, but there has to be one.
 * In every case the device is as good as new after a reset.
 */
#include "virtio.h"

static struct vdev dev;

/* A test that starts with a live device and ends with the proof that it still works. */
#define RING_TEST(test_name)			\
	static void test_name##_body(void);	\
	GUEST_TEST(test_name)			\
	{					\
		dev_open(&dev);			\
		test_name##_body();		\
		dev_recover(&dev);		\
	}					\
	static void test_name##_body(void)

static void submit(unsigned int head)
{
	ring_put(&dev, head);
	ring_kick(&dev);
}

/* What was put into the ring breaks it. Start over afterwards. */
static void expect_broken(const char *what)
{
	ring_kick(&dev);
	ring_answer(&dev, ANSWER_BROKEN, what);
	/* A broken device does nothing more, whatever is in its ring. */
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	submit(0);
	breathe();
	check_eq(dev.used->idx, dev.used_idx, what);
	check_eq(blk_status, BLK_NO_STATUS, what);
	dev_recover(&dev);
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
}

/* Some answer, and if it is a status, then not that all is well. Start over afterwards. */
static void expect_refused(const char *what)
{
	ring_kick(&dev);
	ring_answer(&dev, ANSWER_ANY, what);
	check(blk_status != BLK_OK, "%s: was granted", what);
	dev_recover(&dev);
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
}

/* Any answer. Start over afterwards. */
static void expect_answer(const char *what)
{
	ring_kick(&dev);
	ring_answer(&dev, ANSWER_ANY, what);
	dev_recover(&dev);
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
}

RING_TEST(ring_loops)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	desc_set(&dev, 0, gpa_of(&blk_header), 16, DESC_NEXT, 0);
	ring_put(&dev, 0);
	expect_broken("a descriptor that follows itself");
	desc_set(&dev, 2, gpa_of(&blk_status), 1, DESC_WRITE | DESC_NEXT, 0);
	ring_put(&dev, 0);
	expect_broken("back to the first");
	desc_set(&dev, 2, gpa_of(&blk_status), 1, DESC_WRITE | DESC_NEXT, 1);
	ring_put(&dev, 0);
	expect_broken("back to the second");
	for (unsigned int i = 0; i < dev.size; i++)
		desc_set(&dev, i, gpa_of(blk_data), 1, DESC_NEXT, (i + 1) % dev.size);
	ring_put(&dev, 7);
	expect_broken("a loop of the whole table");
	for (unsigned int i = 0; i < dev.size; i++)
		desc_set(&dev, i, gpa_of(blk_data), 0, DESC_NEXT, (i + 1) % dev.size);
	ring_put(&dev, 3);
	expect_broken("a loop of nothing");
}

#define SMALL 64	/* a queue that ends before the memory of its table does */

/* A small queue and a request in descriptors 0 to 2; what lies behind the table looks as good. */
static void small_queue(void)
{
	dev_reset(&dev);
	dev_negotiate(&dev, ~UINT64_C(0));
	dev_queue_setup(&dev, SMALL);
	dev_live(&dev);
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	desc_set(&dev, SMALL, gpa_of(&blk_header), 16, DESC_NEXT, 1);
	desc_set(&dev, SMALL + 1, gpa_of(&blk_status), 1, DESC_WRITE, 0);
}

RING_TEST(ring_next_outside)
{
	static const uint16_t next[] = { SMALL + 1, SMALL + 2, 0xffff, 0x8000, 0x7fff, 0x4000 };

	for (unsigned int i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		small_queue();
		desc_set(&dev, 1, gpa_of(blk_data), 512, DESC_WRITE | DESC_NEXT, next[i]);
		ring_put(&dev, 0);
		expect_broken("next outside the table");
	}
}

RING_TEST(ring_head_outside)
{
	static const uint16_t head[] = { SMALL, SMALL + 1, 0xffff, 0x8000, 0x4000 };

	for (unsigned int i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
		small_queue();
		ring_put(&dev, head[i]);
		expect_broken("head outside the table");
	}
}

RING_TEST(ring_index_jumps)
{
	static const uint16_t ahead[] = { 0xffff, 0x8000, 0x7fff };

	for (unsigned int i = 0; i <= sizeof(ahead) / sizeof(ahead[0]); i++) {
		blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
		dev.avail->idx = (uint16_t)(dev.avail_idx + (i == 0 ? dev.size + 1 : ahead[i - 1]));
		expect_broken("more entries than the ring has");
	}
	/* Backwards is a jump, too. */
	dev.avail->idx = (uint16_t)(dev.avail_idx - 1);
	expect_broken("an index that goes back");
}

/* The same chain in every entry, at once: legal for nobody, but it harms only itself. */
RING_TEST(ring_same_head)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	dev.avail_idx = dev.size;
	dev.avail->idx = dev.size;
	ring_kick(&dev);
	while (dev.used->idx != dev.size && !(reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET))
		;
}

RING_TEST(ring_directions)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	desc_set(&dev, 1, gpa_of(blk_data), 512, DESC_NEXT, 2);
	memset(blk_data, 0xa5, 512);
	ring_put(&dev, 0);
	ring_kick(&dev);
	ring_answer(&dev, ANSWER_ANY, "a read into a readable buffer");
	for (unsigned int i = 0; i < 512; i += 8)
		check_eq(load64(blk_data + i), UINT64_C(0xa5a5a5a5a5a5a5a5), "a readable buffer");
	dev_recover(&dev);
	blk_request_set(&dev, BLK_OUT, 0, blk_data, 512);
	desc_set(&dev, 1, gpa_of(blk_data), 512, DESC_WRITE | DESC_NEXT, 2);
	ring_put(&dev, 0);
	/* A write of nothing, perhaps; that sector 0 is as it was is seen after the reset. */
	expect_answer("a write from a writable buffer");
	blk_request_set(&dev, BLK_OUT, 0, blk_data, 512);
	desc_set(&dev, 0, gpa_of(&blk_header), 16, DESC_WRITE | DESC_NEXT, 1);
	ring_put(&dev, 0);
	expect_refused("a writable header");
	desc_set(&dev, 2, gpa_of(&blk_status), 1, 0, 0);
	ring_put(&dev, 0);
	expect_refused("a read-only status");
	/* Writable before readable is what 2.7.4.2 forbids: the ring itself is wrong. */
	desc_set(&dev, 0, gpa_of(&blk_status), 1, DESC_WRITE | DESC_NEXT, 1);
	desc_set(&dev, 1, gpa_of(blk_data), 512, DESC_WRITE | DESC_NEXT, 2);
	desc_set(&dev, 2, gpa_of(&blk_header), 16, 0, 0);
	ring_put(&dev, 0);
	expect_broken("everything in the wrong order");
}

RING_TEST(ring_missing_parts)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	desc_set(&dev, 0, gpa_of(&blk_header), 16, 0, 0);
	ring_put(&dev, 0);
	expect_refused("a header alone");
	desc_set(&dev, 0, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	expect_refused("a status alone");
	desc_set(&dev, 0, gpa_of(blk_data), 512, DESC_WRITE | DESC_NEXT, 2);
	ring_put(&dev, 0);
	expect_refused("no header");
	desc_set(&dev, 1, gpa_of(blk_data), 0, DESC_WRITE, 0);
	ring_put(&dev, 0);
	expect_refused("no status");
	blk_request_set(&dev, BLK_OUT, 0, blk_data, 512);
	desc_set(&dev, 1, gpa_of(blk_data), 512, 0, 0);
	ring_put(&dev, 0);
	expect_refused("a write without a status");
	for (unsigned int len = 0; len < 16; len += 5) {
		blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
		desc_set(&dev, 0, gpa_of(&blk_header), len, DESC_NEXT, 1);
		ring_put(&dev, 0);
		expect_refused("a short header");
	}
}

RING_TEST(ring_zero_lengths)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	for (unsigned int i = 0; i < 3; i++)
		desc_set(&dev, i, 0, 0, i < 2 ? DESC_NEXT : 0, i + 1);
	ring_put(&dev, 0);
	expect_refused("nothing at all");
	desc_set(&dev, 0, 0, 0, 0, 0);
	ring_put(&dev, 0);
	expect_refused("one descriptor of nothing");
	desc_set(&dev, 2, gpa_of(&blk_status), 0, DESC_WRITE, 0);
	desc_set(&dev, 1, gpa_of(blk_data), 0, DESC_WRITE | DESC_NEXT, 2);
	ring_put(&dev, 0);
	expect_refused("a status of no length");
	/* Empty pieces in a good request, their addresses being nonsense. */
	desc_set(&dev, 0, gpa_of(&blk_header), 16, DESC_NEXT, 3);
	desc_set(&dev, 3, ~UINT64_C(0), 0, DESC_NEXT, 4);
	desc_set(&dev, 4, MMIO_GAP_START, 0, DESC_NEXT | DESC_WRITE, 1);
	desc_set(&dev, 1, gpa_of(blk_data), 512, DESC_WRITE | DESC_NEXT, 2);
	ring_put(&dev, 0);
	expect_answer("empty pieces in between");
}

/* Every part of a request in every place where it cannot be. */
RING_TEST(ring_bad_addresses)
{
	const uint64_t low = ram_low_end();
	const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{ low, 512 }, { low - 1, 512 }, { low - 511, 512 }, { low - 16, 17 },
		{ MMIO_GAP_START, 512 }, { VIRTIO_BASE, 512 }, { IOAPIC_BASE, 16 },
		{ MMIO_GAP_END - 1, 512 }, { UINT64_C(1) << 40, 512 }, { UINT64_C(1) << 63, 1 },
		{ ~UINT64_C(0), 1 }, { ~UINT64_C(0), 512 }, { ~UINT64_C(511), 512 },
		{ ~UINT64_C(511), 1024 }, { ~UINT64_C(0) - 4095, 0xffffffff },
		{ 0, 0xffffffff }, { gpa_of(blk_data), 0xffffffff },
		{ gpa_of(blk_data), 0xfffffe00 },
		{ 4096, 0x80000000 },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Not bad at all in a machine that has so much memory. */
		if (bad[i].addr < low && bad[i].len <= low - bad[i].addr)
			continue;
		blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
		desc_set(&dev, 0, bad[i].addr, bad[i].len, DESC_NEXT, 1);
		ring_put(&dev, 0);
		expect_broken("a header outside RAM");
		desc_set(&dev, 1, bad[i].addr, bad[i].len, DESC_WRITE | DESC_NEXT, 2);
		ring_put(&dev, 0);
		expect_broken("a buffer to write outside RAM");
		blk_request_set(&dev, BLK_OUT, 0, blk_data, 512);
		desc_set(&dev, 1, bad[i].addr, bad[i].len, DESC_NEXT, 2);
		ring_put(&dev, 0);
		expect_broken("a buffer to read outside RAM");
		desc_set(&dev, 2, bad[i].addr, bad[i].len, DESC_WRITE, 0);
		ring_put(&dev, 0);
		expect_broken("a status outside RAM");
	}
}

/* All buffers are RAM, but together they have more than 2^32 bytes. */
RING_TEST(ring_huge_total)
{
	const uint32_t most = (uint32_t)(ram_low_end() - 0x100000);
	const unsigned int parts = (unsigned int)(UINT64_C(0x100000000) / most) + 1;

	check(parts + 2 < dev.size, "%u parts", parts);
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	for (unsigned int i = 1; i <= parts; i++)
		desc_set(&dev, i, 0x100000, most, DESC_NEXT | DESC_WRITE, i + 1);
	desc_set(&dev, parts + 1, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	expect_broken("more than 2^32 bytes");
	/* Less than that is a well-formed chain, which the disk is too small for. */
	for (unsigned int i = 1; i < parts; i++)
		desc_set(&dev, i, 0x100000, most, DESC_NEXT | DESC_WRITE, i + 1);
	desc_set(&dev, parts, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 0);
	expect_refused("more than the disk has");
}

/* A table of @len bytes at @table; the last of its chain. */
static void indirect(uint64_t table, uint32_t len, unsigned int flags)
{
	blk_status = BLK_NO_STATUS;
	desc_set(&dev, 5, table, len, DESC_INDIRECT | flags, 6);
	desc_set(&dev, 6, gpa_of(&blk_status), 1, DESC_WRITE, 0);
	ring_put(&dev, 5);
}

static volatile struct vring_desc table[QUEUE_MAX + 2] __attribute__((aligned(16)));

static void table_set(unsigned int index, const volatile void *at, uint32_t len, unsigned int flags,
		      unsigned int next)
{
	table[index].addr = gpa_of(at);
	table[index].len = len;
	table[index].flags = (uint16_t)flags;
	table[index].next = (uint16_t)next;
}

static void table_good(void)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	table_set(0, &blk_header, 16, DESC_NEXT, 1);
	table_set(1, blk_data, 512, DESC_NEXT | DESC_WRITE, 2);
	table_set(2, &blk_status, 1, DESC_WRITE, 0);
}

RING_TEST(ring_indirect_lies)
{
	static const uint32_t lengths[] = { 0, 1, 15, 17, 47, 49, 0xffffffff, 0xfffffff0 };
	const uint64_t low = ram_low_end();
	const uint64_t places[] = { low, low - 16, low - 47, MMIO_GAP_START, ~UINT64_C(15),
				    UINT64_C(1) << 52 };

	table_good();
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		indirect(gpa_of(table), lengths[i], 0);
		expect_broken("a table of an odd length");
	}
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		indirect(places[i], 48, 0);
		expect_broken("a table outside RAM");
	}
	indirect(gpa_of(table), 48, DESC_NEXT);
	expect_broken("INDIRECT with NEXT");
	table_set(1, table, 48, DESC_INDIRECT, 0);
	indirect(gpa_of(table), 48, 0);
	expect_broken("a table within a table");
	table_set(0, table, 48, DESC_INDIRECT, 0);
	indirect(gpa_of(table), 16, 0);
	expect_broken("a table within itself");
	table_good();
	table_set(3, &blk_status, 1, DESC_WRITE, 0);
	table_set(1, blk_data, 512, DESC_NEXT | DESC_WRITE, 3);
	indirect(gpa_of(table), 48, 0);
	expect_broken("next behind the table's end");
	table_set(1, blk_data, 512, DESC_NEXT | DESC_WRITE, 0xffff);
	indirect(gpa_of(table), 48, 0);
	expect_broken("next far behind the table's end");
	table_set(1, blk_data, 512, DESC_NEXT | DESC_WRITE, 1);
	indirect(gpa_of(table), 48, 0);
	expect_broken("a loop in the table");
	table_good();
	table[1].addr = ~UINT64_C(0);
	indirect(gpa_of(table), 48, 0);
	expect_broken("a buffer outside RAM");
}

/* More descriptors than the queue has (2.7.5.3.1 forbids it): any answer. */
RING_TEST(ring_indirect_long)
{
	table_good();
	for (unsigned int i = 1; i <= QUEUE_MAX; i++)
		table_set(i, blk_data, 2, DESC_NEXT | DESC_WRITE, i + 1);
	table_set(QUEUE_MAX + 1, &blk_status, 1, DESC_WRITE, 0);
	indirect(gpa_of(table), sizeof(table), 0);
	expect_answer("a table longer than the queue");
}

/* A flag that was not negotiated must not be obeyed (2.7.5.3.1). */
RING_TEST(ring_indirect_unasked)
{
	dev_open_without(&dev, F_INDIRECT);
	table_good();
	indirect(gpa_of(table), 48, 0);
	expect_broken("INDIRECT without its feature");
}

/* The used ring, the available ring and the table in one another's place. */
RING_TEST(ring_on_itself)
{
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t desc = gpa_of(dev.desc), avail = gpa_of(dev.avail);

		dev_reset(&dev);
		dev_negotiate(&dev, ~UINT64_C(0));
		dev_rings_clear(&dev, QUEUE_MAX);
		blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
		dev_queue_write(&dev, dev.size, desc, i == 2 ? desc : avail, i == 0 ? desc : avail);
		reg_write(&dev, REG_STATUS, STATUS_LIVE);
		ring_put(&dev, 0);
		for (unsigned int kick = 0; kick < 20; kick++)
			ring_kick(&dev);
		breathe();
		(void)reg_read(&dev, REG_STATUS);
	}
}

/* The rings where the machine's own tables are: it is the guest's memory to lose. */
RING_TEST(ring_on_system_tables)
{
	static const uint64_t places[] = { 0, 0x500, 0x20000, 0x9fc00, 0xe0000 };

	/* The used ring alone is written, so it is the one that stays in a place of its own. */
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		dev_reset(&dev);
		dev_negotiate(&dev, ~UINT64_C(0));
		dev_rings_clear(&dev, QUEUE_MAX);
		dev_queue_write(&dev, dev.size, places[i] & ~UINT64_C(15), places[i],
				gpa_of(dev.used));
		reg_write(&dev, REG_STATUS, STATUS_LIVE);
		ring_kick(&dev);
		breathe();
	}
}

/* Put a good request where the queue is said to be, if RAM is there, so that only its place is bad. */
static void request_at(uint64_t desc, uint64_t avail)
{
	const uint64_t low = ram_low_end();

	for (unsigned int i = 0; i < 3 && desc < low - 48; i++)
		*(volatile struct vring_desc *)ptr(desc + i * 16) = table[i];
	if (avail < low - 8) {
		mmio_write(avail + 2, 1, 2);
		mmio_write(avail + 4, 0, 2);
	}
}

/* Not a queue: it may not get ready, or the device has to say so when it is to go live. */
static void expect_no_queue(uint32_t size, uint64_t desc, uint64_t avail, uint64_t used,
			    const char *what)
{
	dev_reset(&dev);
	dev_negotiate(&dev, ~UINT64_C(0));
	dev_rings_clear(&dev, QUEUE_MAX);
	table_good();
	request_at(desc, avail);
	dev_queue_write(&dev, size, desc, avail, used);
	if (reg_read(&dev, REG_QUEUE_READY) != 0) {
		reg_write(&dev, REG_STATUS, STATUS_LIVE);
		ring_kick(&dev);
		ring_answer(&dev, ANSWER_BROKEN, what);
	} else {
		reg_write(&dev, REG_STATUS, STATUS_LIVE);
		ring_kick(&dev);
		breathe();
	}
	check_eq(blk_status, BLK_NO_STATUS, what);
	check_eq(dev.used->idx, 0, what);
}

RING_TEST(ring_queue_places)
{
	const uint64_t d = gpa_of(dev.desc), a = gpa_of(dev.avail), u = gpa_of(dev.used);
	const uint64_t low = ram_low_end();
	const uint64_t places[] = { low, low - 16, MMIO_GAP_START, VIRTIO_BASE, ~UINT64_C(15),
				    UINT64_C(1) << 40, MMIO_GAP_END - 4096 };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		expect_no_queue(QUEUE_MAX, places[i], a, u, "a descriptor table outside RAM");
		expect_no_queue(QUEUE_MAX, d, places[i], u, "an available ring outside RAM");
		expect_no_queue(QUEUE_MAX, d, a, places[i], "a used ring outside RAM");
	}
	/* 2.7: 16, 2 and 4. */
	expect_no_queue(QUEUE_MAX, d + 8, a, u, "a misaligned descriptor table");
	expect_no_queue(QUEUE_MAX, d + 1, a, u, "a misaligned descriptor table");
	expect_no_queue(QUEUE_MAX, d, a + 1, u, "a misaligned available ring");
	expect_no_queue(QUEUE_MAX, d, a, u + 2, "a misaligned used ring");
	expect_no_queue(QUEUE_MAX, d, a, u + 1, "a misaligned used ring");
	/* The used ring's last entry ends just behind RAM. */
	expect_no_queue(QUEUE_MAX, d, a, low - (6 + 8 * QUEUE_MAX) + 4,
			"a used ring over RAM's end");
}

RING_TEST(ring_queue_sizes)
{
	static const uint32_t sizes[] = { 0, 3, 100, 255, 257, 0x7fff, 0x8000, 0xffff, 0x10000,
					  0x10100, 0x80000000, 0xffffffff };
	const uint64_t d = gpa_of(dev.desc), a = gpa_of(dev.avail), u = gpa_of(dev.used);
	const uint32_t max = reg_read(&dev, REG_QUEUE_NUM_MAX);

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i] > max || (sizes[i] & (sizes[i] - 1)) != 0 || sizes[i] == 0)
			expect_no_queue(sizes[i], d, a, u, "a size that no queue may have");
	expect_no_queue(max * 2, d, a, u, "twice the greatest size");
	/* And each that it may have works. */
	for (uint16_t size = 4; size <= max && size <= QUEUE_MAX; size = (uint16_t)(size * 2)) {
		dev_reset(&dev);
		dev_negotiate(&dev, ~UINT64_C(0));
		dev_queue_setup(&dev, size);
		dev_live(&dev);
		for (unsigned int i = 0; i < 9; i++)
			check_eq(blk_request(&dev, BLK_IN, i, blk_data, 512), BLK_OK,
				 "small queue");
		check(sector_good(blk_data, 8), "sector 8");
	}
}

/* Requests are changed while the device works on them. */
RING_TEST(ring_rewritten)
{
	const uint64_t rounds = arg_u64("rounds", 300), bad = ram_low_end() - 256;
	uint64_t seed = arg_u64("seed", 7);

	for (uint64_t round = 0; round < rounds; round++) {
		blk_request_set(&dev, BLK_IN, 0, blk_data, 32768);
		for (unsigned int i = 0; i < 8; i++)
			ring_put(&dev, 0);
		ring_kick(&dev);
		for (unsigned int i = 0; i < 40; i++) {
			const uint64_t what = random_next(&seed);

			switch (what & 7) {
			case 0:
				dev.desc[1].addr = what & 8 ? bad : gpa_of(blk_data);
				break;
			case 1:
				dev.desc[1].len = what & 8 ? 0xffffffff : 32768;
				break;
			case 2:
				dev.desc[what >> 8 & 3].next = (uint16_t)(what >> 16);
				break;
			case 3:
				dev.desc[what >> 8 & 3].flags = (uint16_t)(what >> 16 & 7);
				break;
			case 4:
				dev.avail->idx = (uint16_t)(dev.avail->idx + (what >> 8 & 3));
				break;
			case 5:
				dev.avail->ring[what >> 8 & 7] = (uint16_t)(what >> 16 & 0x8003);
				break;
			case 6:
				dev.used->idx = (uint16_t)(what >> 16);
				break;
			default:
				blk_header.sector = what >> 8;
				blk_header.type = BLK_IN;
				break;
			}
		}
		if (reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET)
			dev_open(&dev);
	}
}

/* After a reset nothing of what was under way may still be written. */
RING_TEST(ring_reset_under_way)
{
	const uint64_t rounds = arg_u64("rounds", 100);
	uint64_t *const words = (uint64_t *)blk_data;

	for (uint64_t round = 0; round < rounds; round++) {
		blk_request_set(&dev, BLK_IN, 0, blk_data, sizeof(blk_data));
		for (unsigned int i = 0; i < 1 + round % 16; i++)
			ring_put(&dev, 0);
		ring_kick(&dev);
		dev_reset(&dev);
		blk_status = BLK_NO_STATUS;
		for (unsigned int i = 0; i < 8192; i += 512)
			words[i] = round;
		dev.used->idx = 0x5555;
		if (round % 8 == 0)
			breathe();
		check_eq(blk_status, BLK_NO_STATUS, "status after the reset");
		check_eq(dev.used->idx, 0x5555, "used index after the reset");
		for (unsigned int i = 0; i < 8192; i += 512)
			check_eq(words[i], round, "data after the reset");
		dev_negotiate(&dev, ~UINT64_C(0));
		dev_queue_setup(&dev, QUEUE_MAX);
		dev_live(&dev);
	}
}

/*
 * A deterministic storm: rings of random contents, random kicks, hundreds of them. Everything that
 * the device may write to, the rings included, lies in a stretch of memory that holds nothing else.
 */
#define STORM		UINT64_C(0x400000)
#define STORM_HEADER	STORM
#define STORM_STATUS	(STORM + 0x10000)
#define STORM_DATA	(STORM + 0x20000)
#define STORM_TABLE	(STORM + 0x30000)
#define STORM_RINGS	(STORM + 0x40000)
#define STORM_END	(STORM + 0x50000)

static void storm_open(void)
{
	dev_reset(&dev);
	dev_negotiate(&dev, ~UINT64_C(0));
	dev_rings_clear(&dev, 64);
	dev.desc = ptr(STORM_RINGS);
	dev.avail = ptr(STORM_RINGS + 0x1000);
	dev.used = ptr(STORM_RINGS + 0x2000);
	memset(ptr(STORM_RINGS), 0, 0x3000);
	dev_queue_write(&dev, dev.size, STORM_RINGS, STORM_RINGS + 0x1000, STORM_RINGS + 0x2000);
	dev_live(&dev);
}

static void storm_descriptor(unsigned int index, uint64_t random)
{
	const uint64_t low = ram_low_end();
	const uint64_t places[] = {
		STORM_DATA, STORM_DATA + 0x8000, STORM_HEADER, STORM_STATUS, STORM_TABLE,
		STORM_DATA, STORM_RINGS, STORM_RINGS + 0x1000, STORM_RINGS + 0x2000, low - 1, low,
		low - 512, MMIO_GAP_START, ~UINT64_C(0), ~UINT64_C(511), STORM_DATA + 1,
	};
	static const uint32_t lengths[] = { 0, 1, 15, 16, 17, 20, 48, 511, 512, 513, 1024, 4096,
					    32768, 0xffffffff, 0x80000000, 64 };
	const unsigned int next = (random >> 20 & 15) == 0 ? random >> 24 & 0xffff :
				  random >> 24 & 7;
	/* A plain request half of the time, so that the storm gets beyond the walker. */
	const uint64_t plain = random >> 40 & 1;

	desc_set(&dev, index, plain && index % 3 == 0 ? STORM_HEADER : places[random & 15],
		 plain && index % 3 == 0 ? 16 : lengths[random >> 8 & 15], random >> 16 & 7, next);
}

RING_TEST(ring_storm)
{
	volatile struct blk_header *const header = ptr(STORM_HEADER);
	uint64_t seed = arg_u64("seed", 1) * 2 + 1;
	const uint64_t rounds = arg_u64("rounds", 250);

	check(gpa_of(guest_end) <= STORM && STORM_END < ram_low_end(), "no room for the storm");
	storm_open();
	for (uint64_t round = 0; round < rounds; round++) {
		/* Mostly away from the sectors that dev_recover() looks at. */
		header->type = (uint32_t)(random_next(&seed) & 15);
		header->sector = random_next(&seed) % 64 + 8;
		for (unsigned int i = 0; i < 8; i++)
			storm_descriptor(i, random_next(&seed));
		for (unsigned int i = 0; i < 8; i++)
			((volatile struct vring_desc *)ptr(STORM_TABLE))[i] = dev.desc[i];
		for (unsigned int i = 0; i < 4; i++)
			ring_put(&dev, (unsigned int)(random_next(&seed) & 7));
		ring_kick(&dev);
		if ((random_next(&seed) & 15) == 0)
			dev.avail->idx = (uint16_t)random_next(&seed);
		if (round % 4 == 0)
			ring_kick(&dev);
		if (reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET)
			storm_open();
	}
}

/* All of the above one after the other, on one device. */
GUEST_TEST(all_rings)
{
	for (const struct guest_test *test = guest_tests_start; test < guest_tests_end; test++)
		if (memcmp(test->name, "ring_", 5) == 0)
			test->run();
}
