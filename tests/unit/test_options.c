/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "cli/vmm_options.h"
#include "vmm/exit.h"

#define ARGS_MAX 8

static int parse(struct vmm_options *options, struct error *err, const char *const *args)
{
	char *argv[ARGS_MAX + 2];
	int argc = 1;

	argv[0] = (char *)(uintptr_t)"volt-vmm";
	while (args[argc - 1]) {
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
		argc++;
	}
	argv[argc] = NULL;
	return vmm_options_parse(argc, argv, options, err);
}

static void test_good(void **state)
{
	const char *const args[] = {
		"--kernel", "k", "--memory=64M", "--cpus", "3", "--rootfs=r", "--rootfs-readonly", NULL,
	};
	struct vmm_options o;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(parse(&o, &err, args), 0);
	assert_string_equal(o.config.kernel, "k");
	assert_string_equal(o.config.rootfs, "r");
	assert_true(o.config.rootfs_read_only);
	assert_true(o.config.memory == MIB(64));
	assert_int_equal(o.config.cpus, 3);
	assert_false(o.config.huge_pages);
}

static void test_defaults(void **state)
{
	const char *const args[] = { "--kernel", "k", NULL };
	struct vmm_options o;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(parse(&o, &err, args), 0);
	assert_true(o.config.memory == MIB(128));
	assert_int_equal(o.config.cpus, 1);
	assert_null(o.config.cmdline);
}

/* Each row: arguments, and words that the error must have. */
static void test_bad(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *words[3];
	} rows[] = {
		{ { NULL }, { "--kernel" } },
		{ { "--kernal", "x" }, { "'--kernal'", "did you mean --kernel" } },
		{ { "--mem", "1G" }, { "'--mem'", "did you mean --memory" } },
		{ { "--frobnicate" }, { "'--frobnicate'", "--help" } },
		{ { "vmlinux" }, { "'vmlinux'", "--help" } },
		{ { "--kernel" }, { "--kernel", "needs a value" } },
		{ { "--kernel", "" }, { "--kernel", "empty" } },
		{ { "--kernel", "a", "--kernel", "b" }, { "--kernel", "twice" } },
		{ { "--kernel", "k", "--huge-pages=yes" }, { "--huge-pages", "'yes'" } },
		{ { "--kernel", "k", "--memory", "0" }, { "--memory", "16M" } },
		{ { "--kernel", "k", "--memory", "128" }, { "--memory", "16M", "bytes" } },
		{ { "--kernel", "k", "--memory", "-1G" }, { "--memory", "'-1G'" } },
		{ { "--kernel", "k", "--memory", "128MB" }, { "--memory", "'128MB'" } },
		{ { "--kernel", "k", "--memory", "16777217" }, { "--memory", "16777217", "4K" } },
		{ { "--kernel", "k", "--memory", "99999999999G" }, { "--memory", "larger" } },
		{ { "--kernel", "k", "--memory", "1000000G" }, { "--memory", "host" } },
		{ { "--kernel", "k", "--memory", "17M", "--huge-pages" }, { "--memory", "2M" } },
		{ { "--kernel", "k", "--cpus", "0" }, { "--cpus 0", "1 to 32" } },
		{ { "--kernel", "k", "--cpus", "33" }, { "--cpus 33", "1 to 32" } },
		{ { "--kernel", "k", "--cpus", "two" }, { "--cpus", "'two'" } },
		{ { "--kernel", "k", "--cpus", "99999999999999999999" }, { "--cpus" } },
		{ { "--kernel", "k", "--net-backend", "tap" }, { "--net-backend", "'tap'", "none" } },
		{ { "--kernel", "k", "--rootfs-readonly" }, { "--rootfs" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmm_options o = { .help = true };
		struct error err = { 0 };

		assert_true(parse(&o, &err, rows[i].args) < 0);
		assert_true(o.help);
		for (size_t j = 0; j < ARRAY_SIZE(rows[i].words) && rows[i].words[j]; j++) {
			if (!strstr(err.msg, rows[i].words[j]))
				fail_msg("row %zu: '%s' lacks '%s'", i, err.msg, rows[i].words[j]);
		}
	}
}

static void test_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(exit_reason_code(EXIT_POWER_OFF, 0), 0);
	assert_int_equal(exit_reason_code(EXIT_POWER_OFF, 7), 7);
	assert_int_equal(exit_reason_code(EXIT_POWER_OFF, 255), EXIT_GUEST_MAX);
	for (int a = EXIT_POWER_OFF + 1; a < EXIT_REASONS; a++) {
		int code = exit_reason_code((enum exit_reason)a, 3);

		assert_true(code > EXIT_GUEST_MAX && code < 256);
		assert_non_null(exit_reason_text((enum exit_reason)a));
		for (int b = EXIT_POWER_OFF + 1; b < a; b++)
			assert_int_not_equal(code, exit_reason_code((enum exit_reason)b, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad), cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
