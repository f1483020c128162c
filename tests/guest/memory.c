/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - the memory map is true: what it calls RAM is RAM, everything else is not.
 */
#include "guest.h"

#define MIB UINT64_C(0x100000)

GUEST_TEST(memory_map)
{
	const uint64_t expected = arg_u64("mib", 0) * MIB;
	uint64_t end = 0;

	for (unsigned int i = 0; i < guest_boot.map_count; i++) {
		const struct guest_range *range = &guest_boot.map[i];

		print("%016lx %016lx %u\n", range->start, range->start + range->size, range->type);
		check(range->size > 0, "entry %u is empty", i);
		check(range->start >= end, "entry %u overlaps another or is out of order", i);
		end = range->start + range->size;
		check(range->type != 1 || end <= MMIO_GAP_START || range->start >= MMIO_GAP_END,
		      "RAM in the MMIO gap");
	}
	/* All of it but what lies between 0x9fc00 and 1 MiB. */
	check_eq(ram_total(), expected - (MIB - 0x9fc00), "usable RAM");
	if (expected > MMIO_GAP_START)
		check_eq(end, MMIO_GAP_END + expected - MMIO_GAP_START, "the end of high RAM");
	else
		check_eq(ram_low_end(), expected, "the end of low RAM");
}

/* What may not be overwritten: this program, and what the loader left below 1 MiB. */
static bool in_use(uint64_t at)
{
	return at < MIB || (at >= 2 * MIB - 16 && at < gpa_of(guest_end)) ||
	       (at + 8 > guest_boot.initrd && at < guest_boot.initrd + guest_boot.initrd_size);
}

static uint64_t mark(uint64_t at)
{
	return at ^ UINT64_C(0x5aa5f00f0ff0a55a);
}

/* Write or check one word at the start and at the end of every @step bytes of RAM. */
static uint64_t touch_all(uint64_t step, bool write)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < guest_boot.map_count; i++) {
		const struct guest_range *range = &guest_boot.map[i];
		const uint64_t end = range->start + range->size;

		if (range->type != 1)
			continue;
		for (uint64_t at = range->start; at < end; at += step) {
			const uint64_t stop = at + step < end ? at + step : end;
			volatile uint64_t *const first = ptr(at), *const last = ptr(stop - 8);

			if (in_use(at) || in_use(stop - 8))
				continue;
			if (write) {
				*first = mark(at);
				*last = mark(stop - 8);
			}
			check_eq(*first, mark(at), "RAM");
			check_eq(*last, mark(stop - 8), "RAM");
			count += 2;
		}
	}
	return count;
}

/* Every part of RAM is there, and none of it is there twice. */
GUEST_TEST(memory_touch)
{
	const uint64_t step = arg_u64("kib", 2048) * 1024;
	uint64_t count;

	for (unsigned int i = 0; i < guest_boot.map_count; i++)
		if (guest_boot.map[i].type == 1)
			map_up_to(guest_boot.map[i].start + guest_boot.map[i].size);
	count = touch_all(step, true);
	check_eq(touch_all(step, false), count, "words");
	check(count > 0, "no RAM");
	print("%lu words\n", count);
}

/* Memory that nobody has written to is zero. */
GUEST_TEST(memory_zero)
{
	for (uint64_t at = 4 * MIB; at < ram_low_end(); at += 257 * 4096)
		for (uint64_t offset = 0; offset < 4096; offset += 1000)
			check_eq(*(volatile uint64_t *)ptr(at + offset), 0, "fresh RAM");
}

/* Behind the last RAM, above 4 GiB too, there is nothing. */
GUEST_TEST(memory_end)
{
	uint64_t end = MMIO_GAP_END;

	for (unsigned int i = 0; i < guest_boot.map_count; i++)
		if (guest_boot.map[i].type == 1 &&
		    guest_boot.map[i].start + guest_boot.map[i].size > end)
			end = guest_boot.map[i].start + guest_boot.map[i].size;
	map_up_to(end + 4096 * MIB);
	for (uint64_t at = end; at < end + 4096 * MIB; at += 509 * MIB) {
		check_eq(mmio_read(at, 8), ~UINT64_C(0), "behind the end");
		mmio_write(at, 0, 8);
		check_eq(mmio_read(at, 8), ~UINT64_C(0), "behind the end");
	}
}

/* Touch all of RAM, say so and wait: for measuring the monitor's own memory. */
GUEST_TEST(memory_hold)
{
	touch_all(4096, true);
	print("HOLDING\n");
	guest_halt();
}
