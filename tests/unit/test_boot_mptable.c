/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "boot_image.h"

#define POINTER	LAYOUT_SYSTEM
#define SPACE	0x400

struct seen {
	unsigned int cpus, boot_cpus, buses, ioapics, interrupts, lints;
	uint64_t apic_ids;		/* a bit each */
	uint8_t ioapic_id;
	uint32_t pins;			/* a bit each, interrupts that are set up one to one */
};

static void see_interrupt(struct seen *seen, const uint8_t *entry)
{
	assert_int_equal(entry[1], 0);			/* INT */
	assert_int_equal(test_u16(entry + 2), 0);	/* as the bus: edge, active high */
	assert_int_equal(entry[4], 0);			/* the ISA bus */
	assert_int_equal(entry[5], entry[7]);		/* line = pin */
	assert_int_equal(entry[6], seen->ioapic_id);
	assert_true(entry[7] < 24);
	assert_int_equal(seen->pins >> entry[7] & 1, 0);
	seen->pins |= UINT32_C(1) << entry[7];
	seen->interrupts++;
}

static void see_cpu(struct seen *seen, const uint8_t *entry)
{
	assert_true(entry[1] < 64);
	assert_int_equal(seen->apic_ids >> entry[1] & 1, 0);
	seen->apic_ids |= UINT64_C(1) << entry[1];
	assert_true(entry[3] & 1);
	seen->boot_cpus += entry[3] >> 1 & 1;
	seen->cpus++;
}

/* One entry, by MP 4.3; returns its length. */
static uint32_t see_entry(struct seen *seen, const uint8_t *entry)
{
	switch (entry[0]) {
	case 0:
		see_cpu(seen, entry);
		return 20;
	case 1:
		assert_memory_equal(entry + 2, "ISA   ", 6);
		seen->buses++;
		return 8;
	case 2:
		assert_int_equal(entry[3], 1);
		assert_int_equal(test_u32(entry + 4), 0xfec00000);
		seen->ioapic_id = entry[1];
		seen->ioapics++;
		return 8;
	case 3:
		see_interrupt(seen, entry);
		return 8;
	case 4:
		assert_int_equal(entry[1], entry[7] == 0 ? 3 : 1);	/* ExtINT, NMI */
		seen->lints++;
		return 8;
	default:
		fail_msg("an entry of type %u", entry[0]);
		return 0;
	}
}

static void check_table(const uint8_t *at, unsigned int cpus)
{
	const uint8_t *table = at + 16;
	uint16_t length = test_u16(table + 4), entries = test_u16(table + 34);
	struct seen seen = { 0 };
	uint32_t pos = 44;

	assert_memory_equal(at, "_MP_", 4);
	assert_int_equal(test_u32(at + 4), POINTER + 16);
	assert_int_equal(at[8], 1);
	assert_int_equal(at[9], 4);
	assert_true(test_all(at + 11, 5, 0));
	assert_int_equal(test_sum(at, 16), 0);

	assert_memory_equal(table, "PCMP", 4);
	assert_int_equal(table[6], 4);
	assert_int_equal(test_sum(table, length), 0);
	assert_int_equal(test_u32(table + 36), 0xfee00000);
	for (unsigned int i = 0; i < entries; i++)
		pos += see_entry(&seen, table + pos);
	assert_int_equal(pos, length);
	assert_true(16u + length <= SPACE);
	assert_true(test_all(table + length, SPACE - 16 - length, 0));

	assert_int_equal(seen.cpus, cpus);
	assert_int_equal(seen.apic_ids, cpus == 64 ? UINT64_MAX : (UINT64_C(1) << cpus) - 1);
	assert_int_equal(seen.boot_cpus, 1);
	assert_int_equal(seen.buses, 1);
	assert_int_equal(seen.ioapics, 1);
	assert_int_equal(seen.ioapic_id, cpus);		/* no CPU's */
	assert_int_equal(seen.interrupts, 24);
	assert_int_equal(seen.lints, 2);
}

static void tables(void **state)
{
	(void)state;
	for (unsigned int cpus = 1; cpus <= 32; cpus++) {
		struct boot_machine machine = { .cpus = cpus };
		struct error err = { 0 };
		struct guest_memory mem;

		test_memory(&mem, MIB(1));
		assert_int_equal(mptable_write(&mem, &machine, &err), 0);
		check_table(test_ptr(&mem, POINTER, SPACE), cpus);
		assert_true(test_all(test_ptr(&mem, 0, POINTER), POINTER, 0));
		assert_true(test_all(test_ptr(&mem, POINTER + SPACE, 0x1000), 0x1000, 0));
		guest_memory_destroy(&mem);
	}
}

/* The most that fit, and one more. */
static void full(void **state)
{
	struct boot_machine machine = { .cpus = 37 };
	struct error err = { 0 };
	struct guest_memory mem;

	(void)state;
	test_memory(&mem, MIB(1));
	assert_int_equal(mptable_write(&mem, &machine, &err), 0);
	check_table(test_ptr(&mem, POINTER, SPACE), 37);
	guest_memory_destroy(&mem);

	machine.cpus = 38;
	test_memory(&mem, MIB(1));
	assert_int_equal(mptable_write(&mem, &machine, &err), -ENOSPC);
	test_says(&err, "room for 37 CPUs, not for 38");
	assert_true(test_all(test_ptr(&mem, 0, MIB(1)), MIB(1), 0));
	guest_memory_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables), cmocka_unit_test(full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
