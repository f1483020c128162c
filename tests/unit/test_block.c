/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "block/block.h"

/* ---- the contract, with a backend that only counts ---- */

struct counting {
	struct block_backend backend;
	unsigned int reads, writes, flushes, destroyed;
	uint64_t offset;
	int result;
};

static int count_readv(struct block_backend *backend, struct iovec *iov, unsigned int count,
		       uint64_t offset)
{
	struct counting *c = container_of(backend, struct counting, backend);

	(void)iov;
	(void)count;
	c->reads++;
	c->offset = offset;
	return c->result;
}

static int count_writev(struct block_backend *backend, struct iovec *iov, unsigned int count,
			uint64_t offset)
{
	struct counting *c = container_of(backend, struct counting, backend);

	(void)iov;
	(void)count;
	c->writes++;
	c->offset = offset;
	return c->result;
}

static int count_flush(struct block_backend *backend)
{
	struct counting *c = container_of(backend, struct counting, backend);

	c->flushes++;
	return c->result;
}

static void count_destroy(struct block_backend *backend)
{
	container_of(backend, struct counting, backend)->destroyed++;
}

static const struct block_ops count_ops = {
	.readv = count_readv, .writev = count_writev, .flush = count_flush,
	.destroy = count_destroy,
};

static void test_contract(void **state)
{
	struct counting c = { .backend = { .ops = &count_ops, .size = 4096 } };
	static const struct {
		uint64_t first, second, offset;
		int result;
	} cases[] = {
		{ 512, 0, 0, 0 }, { 512, 0, 3584, 0 }, { 4096, 0, 0, 0 }, { 1, 511, 512, 0 },
		{ 512, 0, 4096, -ERANGE }, { 1024, 0, 3584, -ERANGE }, { 4096, 512, 0, -ERANGE },
		{ 512, 0, UINT64_MAX - 511, -ERANGE }, { 512, 0, UINT64_C(1) << 63, -ERANGE },
		{ 0, 0, 4608, -ERANGE },
		{ 511, 0, 0, -EINVAL }, { 1, 0, 0, -EINVAL }, { 512, 1, 0, -EINVAL },
		{ 512, 0, 1, -EINVAL }, { 512, 0, 511, -EINVAL },
		{ UINT64_MAX, 512, 0, -EINVAL }, { UINT64_MAX - 511, 512, 0, -EINVAL },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct iovec iov[2] = { { .iov_len = cases[i].first },
					{ .iov_len = cases[i].second } };
		unsigned int calls = cases[i].result == 0;

		c.reads = c.writes = 0;
		assert_int_equal(block_readv(&c.backend, iov, 2, cases[i].offset),
				 cases[i].result);
		assert_int_equal(block_writev(&c.backend, iov, 2, cases[i].offset),
				 cases[i].result);
		assert_int_equal(c.reads, calls);
		assert_int_equal(c.writes, calls);
		if (calls)
			assert_int_equal(c.offset, cases[i].offset);
	}
	/* Nothing to do is done without the backend. */
	c.reads = c.writes = 0;
	assert_int_equal(block_readv(&c.backend, NULL, 0, 4096), 0);
	assert_int_equal(block_writev(&c.backend, NULL, 0, 0), 0);
	assert_int_equal(c.reads + c.writes, 0);
}

static void test_contract_read_only(void **state)
{
	struct counting c = { .backend = { .ops = &count_ops, .size = 4096, .read_only = true } };
	struct iovec iov = { .iov_len = 512 };

	(void)state;
	assert_int_equal(block_writev(&c.backend, &iov, 1, 0), -EROFS);
	assert_int_equal(block_flush(&c.backend), 0);
	assert_int_equal(block_readv(&c.backend, &iov, 1, 0), 0);
	assert_int_equal(c.writes + c.flushes, 0);
	assert_int_equal(c.reads, 1);
	block_destroy(&c.backend);
	assert_int_equal(c.destroyed, 1);
	block_destroy(NULL);
}

static void test_contract_errors(void **state)
{
	struct counting c = {
		.backend = { .ops = &count_ops, .size = 4096 }, .result = -EIO,
	};
	struct iovec iov = { .iov_len = 512 };

	(void)state;
	assert_int_equal(block_readv(&c.backend, &iov, 1, 0), -EIO);
	assert_int_equal(block_writev(&c.backend, &iov, 1, 0), -EIO);
	assert_int_equal(block_flush(&c.backend), -EIO);
}

/* ---- raw images ---- */

static char dir[] = "/tmp/volt-block-XXXXXX";
static char image[128];

static int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(image, sizeof(image), "%s/disk.img", dir);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	unlink(image);
	return rmdir(dir);
}

static void make_image(uint64_t size, mode_t mode)
{
	int fd;

	unlink(image);
	fd = open(image, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void expect_open_error(const char *path, bool read_only, int code, const char *text)
{
	struct block_backend *backend = NULL;
	struct error err = { 0 };

	assert_int_equal(block_raw_open(path, read_only, &backend, &err), code);
	assert_null(backend);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, path));
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, text);
}

static void test_raw_io(void **state)
{
	struct block_backend *backend;
	uint8_t a[512], b[1024], back[1536];
	struct iovec out[2] = { { a, 100 }, { b, 924 } };
	struct iovec in[2] = { { back, 1 }, { back + 1, 1535 } };

	(void)state;
	make_image(4096, 0600);
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	assert_int_equal(block_raw_open(image, false, &backend, NULL), 0);
	assert_int_equal(backend->size, 4096);
	assert_false(backend->read_only);
	assert_int_equal(block_writev(backend, out, 2, 1024), 0);
	assert_int_equal(block_flush(backend), 0);
	assert_int_equal(block_readv(backend, in, 2, 512), 0);
	for (unsigned int i = 0; i < sizeof(back); i++)
		assert_int_equal(back[i], i < 512 ? 0 : i < 612 ? 'a' : 'b');
	block_destroy(backend);

	/* It really is in the file. */
	assert_int_equal(block_raw_open(image, true, &backend, NULL), 0);
	assert_true(backend->read_only);
	in[0] = (struct iovec){ back, 512 };
	assert_int_equal(block_readv(backend, in, 1, 1024), 0);
	assert_memory_equal(back, "aaaa", 4);
	assert_int_equal(back[511], 'b');
	block_destroy(backend);
}

static void test_raw_id(void **state)
{
	struct block_backend *backend;
	char id[BLOCK_ID_LEN + 1];

	(void)state;
	make_image(512, 0600);
	assert_int_equal(block_raw_open(image, true, &backend, NULL), 0);
	assert_true(strlen(backend->id) > strlen("volt-"));
	assert_int_equal(strncmp(backend->id, "volt-", 5), 0);
	memcpy(id, backend->id, sizeof(id));
	block_destroy(backend);
	assert_int_equal(block_raw_open(image, false, &backend, NULL), 0);
	assert_string_equal(backend->id, id);
	block_destroy(backend);
}

static void test_raw_errors(void **state)
{
	char path[160];

	(void)state;
	snprintf(path, sizeof(path), "%s/missing", dir);
	expect_open_error(path, true, -ENOENT, "No such file");
	expect_open_error(dir, true, -EISDIR, "is a directory");
	expect_open_error(dir, false, -EISDIR, "is a directory");
	expect_open_error("/dev/null", true, -EINVAL, "neither a regular file nor");
	make_image(0, 0600);
	expect_open_error(image, false, -EINVAL, "is empty");
	make_image(513, 0600);
	expect_open_error(image, false, -EINVAL, "513 bytes");
	make_image(511, 0600);
	expect_open_error(image, true, -EINVAL, "not a multiple of 512");
}

/* A FIFO without a writer must be refused, not waited for. */
static void test_raw_fifo(void **state)
{
	(void)state;
	unlink(image);
	assert_int_equal(mkfifo(image, 0600), 0);
	expect_open_error(image, true, -EINVAL, "neither a regular file nor");
	expect_open_error(image, false, -EINVAL, "neither a regular file nor");
	unlink(image);
}

static void test_raw_permission(void **state)
{
	pid_t child;
	int status;

	(void)state;
	make_image(512, 0444);
	assert_int_equal(chmod(dir, 0755), 0);
	/* Root may write anything, so ask as somebody else. */
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct block_backend *backend = NULL;
		struct error err = { 0 };
		int r;

		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		r = block_raw_open(image, false, &backend, &err);
		if (r != -EACCES || !strstr(err.msg, "attach it read-only"))
			_exit(2);
		r = block_raw_open(image, true, &backend, &err);
		if (r != 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* One writer, or any number of readers; the lock goes with the backend. */
static void test_raw_lock(void **state)
{
	struct block_backend *first, *second;

	(void)state;
	make_image(512, 0600);
	assert_int_equal(block_raw_open(image, false, &first, NULL), 0);
	expect_open_error(image, false, -EBUSY, "in use");
	expect_open_error(image, true, -EBUSY, "in use");
	block_destroy(first);
	assert_int_equal(block_raw_open(image, true, &first, NULL), 0);
	assert_int_equal(block_raw_open(image, true, &second, NULL), 0);
	expect_open_error(image, false, -EBUSY, "in use");
	block_destroy(first);
	expect_open_error(image, false, -EBUSY, "in use");
	block_destroy(second);
	assert_int_equal(block_raw_open(image, false, &first, NULL), 0);
	block_destroy(first);
}

/* An image that shrinks while it is in use gives an error, not a crash and not old bytes. */
static void test_raw_truncated(void **state)
{
	struct block_backend *backend;
	uint8_t buf[1024];
	struct iovec iov = { buf, sizeof(buf) };

	(void)state;
	make_image(4096, 0600);
	assert_int_equal(block_raw_open(image, false, &backend, NULL), 0);
	assert_int_equal(truncate(image, 1536), 0);
	assert_int_equal(block_readv(backend, &iov, 1, 1024), -ENODATA);
	iov = (struct iovec){ buf, 512 };
	assert_int_equal(block_readv(backend, &iov, 1, 1024), 0);
	block_destroy(backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract), cmocka_unit_test(test_contract_read_only),
		cmocka_unit_test(test_contract_errors), cmocka_unit_test(test_raw_io),
		cmocka_unit_test(test_raw_id), cmocka_unit_test(test_raw_errors),
		cmocka_unit_test(test_raw_fifo), cmocka_unit_test(test_raw_permission),
		cmocka_unit_test(test_raw_lock), cmocka_unit_test(test_raw_truncated),
	};

	return cmocka_run_group_tests_name("block", tests, group_setup, group_teardown);
}
