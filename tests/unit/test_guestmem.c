/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/util.h"
#include "guestmem/guestmem.h"

static void test_layout_small(void **state)
{
	struct guest_memory mem;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(guest_memory_create(&mem, MIB(16), false, &err), 0);
	assert_int_equal(mem.region_count, 1);
	assert_true(guest_memory_low_end(&mem) == MIB(16));
	assert_true(is_aligned((uint64_t)mem.region[0].hva, PAGE_SIZE_2M));
	guest_memory_destroy(&mem);
	guest_memory_destroy(&mem);
}

static void test_layout_gap(void **state)
{
	struct guest_memory mem;
	struct error err = { 0 };
	uint64_t high = GUEST_MMIO_GAP_END;

	(void)state;
	assert_int_equal(guest_memory_create(&mem, GIB(5), false, &err), 0);
	assert_int_equal(mem.region_count, 2);
	assert_true(mem.region[0].size == GIB(3) && mem.region[1].size == GIB(2));
	assert_true(is_aligned((uint64_t)mem.region[1].hva, PAGE_SIZE_2M));
	assert_non_null(guest_memory_ptr(&mem, GUEST_MMIO_GAP_START - 1, 1));
	assert_null(guest_memory_ptr(&mem, GUEST_MMIO_GAP_START - 1, 2));
	assert_null(guest_memory_ptr(&mem, GUEST_MMIO_GAP_START, 1));
	assert_null(guest_memory_ptr(&mem, high - 1, 2));
	assert_non_null(guest_memory_ptr(&mem, high, GIB(2)));
	assert_null(guest_memory_ptr(&mem, high, GIB(2) + 1));
	assert_null(guest_memory_ptr(&mem, high + GIB(2), 1));
	guest_memory_destroy(&mem);
}

static void test_bad_sizes(void **state)
{
	struct guest_memory mem = { .size = 77 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(guest_memory_create(&mem, 0, false, &err), -EINVAL);
	assert_int_equal(guest_memory_create(&mem, MIB(16) + 1, false, &err), -EINVAL);
	assert_int_equal(guest_memory_create(&mem, MIB(16) + 4096, true, &err), -EINVAL);
	assert_true(guest_memory_create(&mem, UINT64_MAX - 4095, false, &err) < 0);
	assert_true(guest_memory_create(&mem, UINT64_C(1) << 60, false, &err) < 0);
	assert_true(strlen(err.msg) > 0);
	assert_int_equal(mem.size, 77);
}

static void test_access_edges(void **state)
{
	struct guest_memory mem;
	struct error err = { 0 };
	uint32_t value = 0x12345678, back = 0;

	(void)state;
	assert_int_equal(guest_memory_create(&mem, MIB(16), false, &err), 0);
	assert_null(guest_memory_ptr(&mem, 0, 0));
	assert_null(guest_memory_ptr(&mem, UINT64_MAX, 1));
	assert_null(guest_memory_ptr(&mem, UINT64_MAX - 1, 4));
	assert_null(guest_memory_ptr(&mem, 8, UINT64_MAX));
	assert_int_equal(guest_memory_write(&mem, MIB(16) - 4, &value, 4), 0);
	assert_int_equal(guest_memory_read(&mem, MIB(16) - 4, &back, 4), 0);
	assert_int_equal(back, value);
	assert_int_equal(guest_memory_write(&mem, MIB(16) - 3, &value, 4), -EFAULT);
	assert_int_equal(guest_memory_read(&mem, MIB(16), &back, 1), -EFAULT);
	guest_memory_destroy(&mem);
}

/* Every combination of head, tail and congruence gives the same bytes as a plain read. */
static void test_load(void **state)
{
	static const struct {
		uint64_t gpa, offset, len;
	} rows[] = {
		{ MIB(1), 0, 65536 }, { MIB(1), 4096, 8192 }, { MIB(1) + 100, 100, 50000 },
		{ MIB(1) + 100, 4196, 3000 }, { MIB(1) + 1, 2, 60000 }, { MIB(1), 0, 1 },
		{ MIB(1), 4096, 4097 }, { MIB(1) + 4095, 4095, 4098 },
	};
	_cleanup_fd_ int fd = memfd_create("load", MFD_CLOEXEC);
	static uint8_t data[65536], zero[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251 + 1);
	assert_int_equal(write_full(fd, data, sizeof(data)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guest_memory mem;
		struct error err = { 0 };
		uint8_t *at;

		assert_int_equal(guest_memory_create(&mem, MIB(16), false, &err), 0);
		assert_int_equal(guest_memory_load(&mem, rows[i].gpa, fd, rows[i].offset, rows[i].len),
				 0);
		at = guest_memory_ptr(&mem, rows[i].gpa, rows[i].len);
		assert_memory_equal(at, data + rows[i].offset, rows[i].len);
		assert_memory_equal(at + rows[i].len, zero, sizeof(zero));
		at[0] ^= 0xff;	/* the guest's writes stay its own */
		assert_memory_equal(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), data, 4096);
		guest_memory_destroy(&mem);
	}
}

static void test_load_errors(void **state)
{
	_cleanup_fd_ int fd = memfd_create("load", MFD_CLOEXEC);
	struct guest_memory mem;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(guest_memory_create(&mem, MIB(16), false, &err), 0);
	assert_int_equal(guest_memory_load(&mem, MIB(16), fd, 0, 4096), -EFAULT);
	assert_int_equal(guest_memory_load(&mem, MIB(16) - 4096, fd, 0, 4097), -EFAULT);
	assert_int_equal(guest_memory_load(&mem, MIB(1) + 1, fd, 0, 4097), -ENODATA);
	assert_int_equal(guest_memory_load(&mem, MIB(1), -1, 0, 100), -EBADF);
	guest_memory_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_small), cmocka_unit_test(test_layout_gap),
		cmocka_unit_test(test_bad_sizes), cmocka_unit_test(test_access_edges),
		cmocka_unit_test(test_load), cmocka_unit_test(test_load_errors),
	};

	return cmocka_run_group_tests_name("guestmem", tests, NULL, NULL);
}
