/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"

/* A host's table: the leaves that the monitor edits, with bits set that it must clear. */
static const struct kvm_cpuid_entry2 host[] = {
	{ .function = 0, .eax = 0x20 },		/* the vendor is put in by make_table() */
	{ .function = 1, .ebx = 0xffffffff, .ecx = BIT32(15), .edx = BIT32(28) },
	{ .function = 4, .index = 0, .eax = 0xfc000121 },
	{ .function = 4, .index = 3, .eax = 0xfffc0163 },
	{ .function = 4, .index = 4, .eax = 0 },
	{ .function = 6, .eax = 0xffff, .ebx = 1, .ecx = 9 },
	{ .function = 0xa, .eax = 0x07300404, .edx = 3 },
	{ .function = 0xb, .index = 0, .edx = 99 },
	{ .function = 0xb, .index = 1, .edx = 99 },
	{ .function = 0xb, .index = 2, .eax = 7, .ebx = 7, .edx = 99 },
	{ .function = 0x80000001, .edx = BIT32(11) | BIT32(20) | BIT32(29) },
	{ .function = 0x80000008, .eax = 0x3030, .ecx = 0xffff },
	{ .function = 0x8000001d, .index = 0, .eax = 0x03ffc121 },
	{ .function = 0x8000001d, .index = 3, .eax = 0x00000163 },
	{ .function = 0x8000001e, .eax = 77, .ebx = 0x177, .ecx = 0x303 },
};

static struct kvm_cpuid2 *make_table(const char *vendor)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + sizeof(host));

	assert_non_null(cpuid);
	cpuid->nent = ARRAY_SIZE(host);
	memcpy(cpuid->entries, host, sizeof(host));
	memcpy(&cpuid->entries[0].ebx, vendor, 4);
	return cpuid;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid, uint32_t function,
					   uint32_t index)
{
	static const struct kvm_cpuid_entry2 none;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	fail();
	return &none;
}

static void check_common(const struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int count,
			 unsigned int bits)
{
	const struct kvm_cpuid_entry2 *e = leaf(cpuid, 1, 0);

	assert_int_equal(e->ebx >> 24, id);
	assert_int_equal((e->ebx >> 16) & 0xff, 1u << bits);
	assert_int_equal(e->ecx & BIT32(15), 0);
	assert_int_equal(e->ecx & (BIT32(24) | BIT32(31)), BIT32(24) | BIT32(31));
	assert_int_equal(!!(e->edx & BIT32(28)), count > 1);
	e = leaf(cpuid, 0xb, 0);
	assert_int_equal(e->eax, 0);
	assert_int_equal(e->ebx, 1);
	assert_int_equal(e->ecx, 0x100);
	assert_int_equal(e->edx, id);
	e = leaf(cpuid, 0xb, 1);
	assert_int_equal(e->eax, bits);
	assert_int_equal(e->ebx, count);
	assert_int_equal(e->ecx, 0x201);
	e = leaf(cpuid, 0xb, 2);
	assert_int_equal(e->ecx, 2);
	assert_int_equal(e->ebx, 0);
	assert_int_equal(leaf(cpuid, 6, 0)->eax, 4);
	assert_int_equal(leaf(cpuid, 0xa, 0)->eax, 0);
	/* What long mode needs stays: syscall, no-execute, long mode. */
	assert_int_equal(leaf(cpuid, 0x80000001, 0)->edx, BIT32(11) | BIT32(20) | BIT32(29));
}

static const struct {
	unsigned int count, bits;
} sizes[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 17, 5 }, { 32, 5 } };

static void test_amd(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int count = sizes[i].count, bits = sizes[i].bits, id = count - 1;
		_cleanup_free_ struct kvm_cpuid2 *cpuid = make_table("Auth");

		kvm_cpuid_edit(cpuid, id, count, true);
		check_common(cpuid, id, count, bits);
		assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx & 0xff, count - 1);
		assert_int_equal((leaf(cpuid, 0x80000008, 0)->ecx >> 12) & 0xf, bits);
		assert_int_equal(leaf(cpuid, 0x80000008, 0)->eax, 0x3030);
		assert_int_equal((leaf(cpuid, 0x8000001d, 0)->eax >> 14) & 0xfff, 0);
		assert_int_equal((leaf(cpuid, 0x8000001d, 3)->eax >> 14) & 0xfff, count - 1);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->eax, id);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->ebx, id);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->ecx, 0);
		assert_int_equal(!!(leaf(cpuid, 0x80000001, 0)->ecx & 2), count > 1);
		assert_int_equal(leaf(cpuid, 4, 0)->eax, 0xfc000121);
	}
}

static void test_intel(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int count = sizes[i].count, bits = sizes[i].bits, id = count - 1;
		_cleanup_free_ struct kvm_cpuid2 *cpuid = make_table("Genu");

		kvm_cpuid_edit(cpuid, id, count, true);
		check_common(cpuid, id, count, bits);
		assert_int_equal((leaf(cpuid, 4, 0)->eax >> 14) & 0xfff, 0);
		assert_int_equal(leaf(cpuid, 4, 0)->eax >> 26, (1u << bits) - 1);
		assert_int_equal((leaf(cpuid, 4, 3)->eax >> 14) & 0xfff, (1u << bits) - 1);
		assert_int_equal(leaf(cpuid, 4, 4)->eax, 0);
		assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx, 0xffff);
	}
}

static void test_no_tsc_deadline(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make_table("Auth");

	(void)state;
	kvm_cpuid_edit(cpuid, 0, 1, false);
	assert_int_equal(leaf(cpuid, 1, 0)->ecx & BIT32(24), 0);
}

/* KVM since Linux 6.2: the topology leaves have subleaf 0 alone, all zeroes. */
static void test_core_levels(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + (3 + KVM_CPUID_ENTRIES_ADDED) * sizeof(host[0]));

	(void)state;
	assert_non_null(cpuid);
	cpuid->nent = 3;
	memcpy(&cpuid->entries[0].ebx, "Genu", 4);
	cpuid->entries[1].function = 0xb;
	cpuid->entries[2].function = 0x1f;
	for (int i = 0; i < 2; i++) {		/* the second time nothing is missing */
		kvm_cpuid_add_core_levels(cpuid);
		assert_int_equal(cpuid->nent, 5);
	}
	kvm_cpuid_edit(cpuid, 4, 6, true);
	for (uint32_t function = 0xb; function <= 0x1f; function += 0x1f - 0xb) {
		assert_int_equal(leaf(cpuid, function, 0)->ecx, 0x100);
		assert_int_equal(leaf(cpuid, function, 0)->edx, 4);
		assert_int_equal(leaf(cpuid, function, 1)->eax, 3);
		assert_int_equal(leaf(cpuid, function, 1)->ebx, 6);
		assert_int_equal(leaf(cpuid, function, 1)->ecx, 0x201);
		assert_int_equal(leaf(cpuid, function, 1)->edx, 4);
		assert_int_equal(leaf(cpuid, function, 1)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	}
}

/* A leaf that the host has not is not made up. */
static void test_no_core_levels(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = make_table("Auth");

	(void)state;
	kvm_cpuid_add_core_levels(cpuid);
	assert_int_equal(cpuid->nent, ARRAY_SIZE(host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amd), cmocka_unit_test(test_intel),
		cmocka_unit_test(test_no_tsc_deadline), cmocka_unit_test(test_core_levels),
		cmocka_unit_test(test_no_core_levels),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
