/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/util.h"

static void test_error(void **state)
{
	struct error err = { 0 };
	char longer[3000];

	(void)state;
	assert_int_equal(error_set(&err, -EINVAL, "value %d", 7), -EINVAL);
	assert_string_equal(err.msg, "value 7");
	assert_int_equal(error_wrap(&err, "option %s", "--x"), -EINVAL);
	assert_string_equal(err.msg, "option --x: value 7");
	assert_int_equal(error_sys(&err, -ENOENT, "file"), -ENOENT);
	assert_string_equal(err.msg, "file: No such file or directory");
	assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	error_set(&err, -EINVAL, "%s", longer);
	assert_int_equal(strlen(err.msg), ERROR_MSG_MAX - 1);
	error_wrap(&err, "%s", longer);
	assert_int_equal(strlen(err.msg), ERROR_MSG_MAX - 1);
	assert_null(memchr(err.msg, '\0', ERROR_MSG_MAX - 1));
	error_sys(&err, -EINVAL, "%s", longer);
	assert_int_equal(strlen(err.msg), ERROR_MSG_MAX - 1);
}

static void test_checked(void **state)
{
	uint64_t v = 42;

	(void)state;
	assert_false(u64_add(UINT64_MAX, 1, &v));
	assert_false(u64_sub(1, 2, &v));
	assert_false(u64_mul(UINT64_C(1) << 33, UINT64_C(1) << 31, &v));
	assert_false(u64_align_up(UINT64_MAX - 5, 4096, &v));
	assert_int_equal(v, 42);
	assert_true(u64_add(UINT64_MAX - 1, 1, &v));
	assert_true(v == UINT64_MAX);
	assert_true(u64_align_up(4097, 4096, &v));
	assert_int_equal(v, 8192);
	assert_true(u64_align_up(4096, 4096, &v));
	assert_int_equal(v, 4096);
}

static void test_range_within(void **state)
{
	(void)state;
	assert_true(u64_range_within(10, 5, 10, 5));
	assert_false(u64_range_within(9, 5, 10, 5));
	assert_false(u64_range_within(11, 5, 10, 5));
	assert_true(u64_range_within(15, 0, 10, 5));
	assert_false(u64_range_within(16, 0, 10, 5));
	assert_false(u64_range_within(UINT64_MAX, 2, 0, UINT64_MAX));
	assert_false(u64_range_within(12, UINT64_MAX, 10, 5));
}

static void test_parse_u64(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 0 }, { "1", 0, 1 }, { "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 }, { "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 }, { " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 }, { "0x10", -EINVAL, 0 }, { "1.5", -EINVAL, 0 },
		{ "abc", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 12345;

		assert_int_equal(parse_u64(rows[i].text, &value), rows[i].result);
		assert_true(value == (rows[i].result ? 12345 : rows[i].value));
	}
}

static void test_parse_size(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} rows[] = {
		{ "128M", 0, MIB(128) }, { "1g", 0, GIB(1) }, { "4k", 0, 4096 }, { "5", 0, 5 },
		{ "2T", 0, GIB(2048) }, { "0", 0, 0 },
		{ "16777216T", -ERANGE, 0 }, { "18446744073709551615K", -ERANGE, 0 },
		{ "128MB", -EINVAL, 0 }, { "128MiB", -EINVAL, 0 }, { "M", -EINVAL, 0 },
		{ "-5M", -EINVAL, 0 }, { "1 M", -EINVAL, 0 }, { "1\xed", -EINVAL, 0 },
		{ "1P", -EINVAL, 0 }, { "1.5G", -EINVAL, 0 }, { "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 12345;

		assert_int_equal(parse_size(rows[i].text, &value), rows[i].result);
		assert_true(value == (rows[i].result ? 12345 : rows[i].value));
	}
}

static void test_parse_distance(void **state)
{
	char longer[100];

	(void)state;
	assert_int_equal(parse_distance("", ""), 0);
	assert_int_equal(parse_distance("--kernel", "--kernel"), 0);
	assert_int_equal(parse_distance("--kernal", "--kernel"), 1);
	assert_int_equal(parse_distance("--kenrel", "--kernel"), 1);
	assert_int_equal(parse_distance("--kernels", "--kernel"), 1);
	assert_int_equal(parse_distance("", "abc"), 3);
	assert_int_equal(parse_distance("kitten", "sitting"), 3);
	memset(longer, 'x', 99);
	longer[99] = '\0';
	assert_true(parse_distance(longer, "x") > 1000);
}

static void test_io(void **state)
{
	_cleanup_fd_ int fd = memfd_create("io", MFD_CLOEXEC);
	char a[3], b[5], all[8];
	struct iovec in[] = { { a, 0 }, { a, 3 }, { b, 0 }, { b, 5 } };
	struct iovec out[] = { { all, 4 }, { all + 4, 4 } };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, "01234567", 8), 0);
	assert_int_equal(preadv_full(fd, in, 4, 0), 0);
	assert_memory_equal(a, "012", 3);
	assert_memory_equal(b, "34567", 5);
	assert_int_equal(pread_full(fd, all, 8, 1), -ENODATA);
	assert_int_equal(pread_full(fd, all, 7, 1), 0);
	memcpy(all, "abcdefgh", 8);
	assert_int_equal(pwritev_full(fd, out, 2, 4), 0);
	assert_int_equal(pread_full(fd, all, 8, 4), 0);
	assert_memory_equal(all, "abcdefgh", 8);
	assert_int_equal(pread_full(-1, all, 1, 0), -EBADF);
}

static void test_ownership(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int taken = fd_take(&fd);

	(void)state;
	assert_int_equal(fd, -1);
	assert_true(taken >= 0);
	errno = ENOTDIR;
	fd_close(&taken);
	fd_close(&taken);
	assert_int_equal(taken, -1);
	assert_int_equal(errno, ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error), cmocka_unit_test(test_checked),
		cmocka_unit_test(test_range_within), cmocka_unit_test(test_parse_u64),
		cmocka_unit_test(test_parse_size), cmocka_unit_test(test_parse_distance),
		cmocka_unit_test(test_io), cmocka_unit_test(test_ownership),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
