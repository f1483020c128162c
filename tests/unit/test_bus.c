/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "devices/bus.h"

/* A device that remembers its last access. */
struct probe {
	uint64_t offset;
	unsigned int len;
	unsigned int reads, writes;
	uint8_t data[8];
};

static void probe_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct probe *probe = dev;

	probe->offset = offset;
	probe->len = len;
	probe->reads++;
	memset(data, 0x5a, len);
}

static void probe_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct probe *probe = dev;

	probe->offset = offset;
	probe->len = len;
	probe->writes++;
	memcpy(probe->data, data, len);
}

static const struct bus_ops probe_ops = { .read = probe_read, .write = probe_write };

static void test_add(void **state)
{
	struct bus bus = { .name = "port" };
	struct probe dev = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(bus_add(&bus, 0x100, 0x10, &probe_ops, &dev, &err), 0);
	assert_int_equal(bus_add(&bus, 0x120, 0x10, &probe_ops, &dev, &err), 0);
	assert_int_equal(bus_add(&bus, 0x110, 0x10, &probe_ops, &dev, &err), 0);
	assert_int_equal(bus_add(&bus, 0xff, 1, &probe_ops, &dev, &err), 0);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 1, &probe_ops, &dev, &err), 0);
	assert_int_equal(bus.count, 5);
	for (unsigned int i = 1; i < bus.count; i++)
		assert_true(bus.window[i - 1].base < bus.window[i].base);
	assert_int_equal(err.code, 0);
}

static void test_add_errors(void **state)
{
	struct bus bus = { .name = "port" };
	struct probe dev = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(bus_add(&bus, 0x100, 0x10, &probe_ops, &dev, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x200, 0, &probe_ops, &dev, &err), -EINVAL);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 2, &probe_ops, &dev, &err), -EINVAL);
	assert_int_equal(bus_add(&bus, 0x100, 0x10, &probe_ops, &dev, &err), -EEXIST);
	assert_int_equal(bus_add(&bus, 0x10f, 1, &probe_ops, &dev, &err), -EEXIST);
	assert_int_equal(bus_add(&bus, 0xff, 2, &probe_ops, &dev, &err), -EEXIST);
	assert_int_equal(bus_add(&bus, 0x80, 0x1000, &probe_ops, &dev, &err), -EEXIST);
	assert_int_equal(bus_add(&bus, 0, UINT64_MAX, &probe_ops, &dev, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "port window at 0x0"));
	for (unsigned int i = 1; i < BUS_WINDOWS_MAX; i++)
		assert_int_equal(bus_add(&bus, 0x1000 * i, 1, &probe_ops, &dev, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x2, 1, &probe_ops, &dev, &err), -ENOSPC);
	assert_int_equal(bus.count, BUS_WINDOWS_MAX);
}

static void test_access(void **state)
{
	struct bus bus = { .name = "MMIO" };
	struct probe first = { 0 }, second = { 0 };
	uint8_t data[8] = { 0 };

	(void)state;
	assert_int_equal(bus_add(&bus, 0x2000, 0x1000, &probe_ops, &second, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0x1000, &probe_ops, &first, NULL), 0);

	assert_true(bus_read(&bus, 0x1000, data, 4));
	assert_int_equal(first.offset, 0);
	assert_int_equal(first.len, 4);
	assert_memory_equal(data, "\x5a\x5a\x5a\x5a\0\0\0\0", 8);
	assert_true(bus_write(&bus, 0x1ff8, "12345678", 8));
	assert_int_equal(first.offset, 0xff8);
	assert_memory_equal(first.data, "12345678", 8);
	assert_true(bus_read(&bus, 0x2fff, data, 1));
	assert_int_equal(second.offset, 0xfff);
	assert_int_equal(second.reads, 1);
	assert_int_equal(first.reads, 1);
}

static void test_miss(void **state)
{
	struct bus bus = { .name = "MMIO" }, empty = { .name = "MMIO" };
	struct probe dev = { 0 }, last = { 0 };
	const uint64_t misses[] = { 0, 0xfff, 0x2000, 0x3000, UINT64_MAX - 0x1000, 0xffd, 0x1ffd };
	uint8_t data[8];

	(void)state;
	assert_int_equal(bus_add(&bus, 0x1000, 0x1000, &probe_ops, &dev, NULL), 0);
	assert_int_equal(bus_add(&bus, UINT64_MAX - 15, 16, &probe_ops, &last, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(misses); i++) {
		memset(data, 0, sizeof(data));
		assert_false(bus_read(&bus, misses[i], data, 4));
		assert_memory_equal(data, "\xff\xff\xff\xff\0\0\0\0", 8);
		assert_false(bus_write(&bus, misses[i], data, 4));
	}
	/* An access that would wrap around the end of the address space. */
	assert_false(bus_read(&bus, UINT64_MAX, data, 2));
	assert_true(bus_read(&bus, UINT64_MAX, data, 1));
	assert_int_equal(last.offset, 15);
	assert_false(bus_read(&empty, 0, data, 8));
	assert_memory_equal(data, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(dev.reads + dev.writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add), cmocka_unit_test(test_add_errors),
		cmocka_unit_test(test_access), cmocka_unit_test(test_miss),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
