/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "boot_image.h"

static void check_line(const struct cmdline *line, const char *text)
{
	assert_string_equal(line->text, text);
	assert_int_equal(line->len, strlen(text));
}

static void adds_with_spaces(void **state)
{
	struct cmdline line = { 0 };

	(void)state;
	assert_int_equal(cmdline_add(&line, "", NULL), 0);
	check_line(&line, "");
	assert_int_equal(cmdline_add(&line, "console=ttyS0 quiet", NULL), 0);
	assert_int_equal(cmdline_add(&line, "", NULL), 0);
	assert_int_equal(cmdline_add(&line, "panic=1", NULL), 0);
	assert_int_equal(cmdline_add_param(&line, "root=/dev/vda", NULL), 0);
	check_line(&line, "console=ttyS0 quiet panic=1 root=/dev/vda");
}

/* What it is before, what is added, what it is then. */
static const char *const params[][2] = {
	{ "", "p" },
	{ "a", "a p" },
	{ "--", "p --" },
	{ "-- x", "p -- x" },
	{ "a --", "a p --" },
	{ "a -- x -- y", "a p -- x -- y" },
	{ "a --x", "a --x p" },
	{ "a --- x", "a --- x p" },
	{ "a-- x", "a-- x p" },
	{ "a  --  x", "a  p --  x" },
	{ "b=\" -- \" c", "b=\" -- \" c p" },
	{ "b=\" -- \" -- c", "b=\" -- \" p -- c" },
};

static void params_go_before_dashes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		struct cmdline line = { 0 };

		assert_int_equal(cmdline_add(&line, params[i][0], NULL), 0);
		assert_int_equal(cmdline_add_param(&line, "", NULL), 0);
		check_line(&line, params[i][0]);
		assert_int_equal(cmdline_add_param(&line, "p", NULL), 0);
		check_line(&line, params[i][1]);
	}
}

static void refuses(void **state)
{
	static const char *const bad[] = { "a\tb", "a\nb", "\x7f", "\xc3\xa4", "a=\"b" };
	struct cmdline line = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(cmdline_add(&line, "a -- b", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(cmdline_add(&line, bad[i], &err), -EINVAL);
		assert_int_equal(cmdline_add_param(&line, bad[i], &err), -EINVAL);
		check_line(&line, "a -- b");
	}
	assert_int_equal(cmdline_add(&line, "ab\x1b", &err), -EINVAL);
	test_says(&err, "byte 0x1b at position 2");
	assert_int_equal(cmdline_add(&line, "\"", &err), -EINVAL);
	test_says(&err, "does not close");
}

/* The last character that fits, and the first that does not, at each of the two places. */
static void is_bounded(void **state)
{
	static char text[LAYOUT_CMDLINE_MAX + 1];
	struct cmdline line = { 0 };
	struct error err = { 0 };

	(void)state;
	memset(text, 'x', LAYOUT_CMDLINE_MAX);
	assert_int_equal(cmdline_add(&line, text, &err), -E2BIG);
	test_says(&err, "would have 4096 characters, more than the 4095");
	check_line(&line, "");

	text[LAYOUT_CMDLINE_MAX - 1] = '\0';
	assert_int_equal(cmdline_add(&line, text, NULL), 0);
	check_line(&line, text);
	assert_int_equal(cmdline_add(&line, "y", NULL), -E2BIG);
	check_line(&line, text);

	line = (struct cmdline){ 0 };
	text[LAYOUT_CMDLINE_MAX - 4] = '\0';	/* room for a space and two characters */
	assert_int_equal(cmdline_add(&line, text, NULL), 0);
	assert_int_equal(cmdline_add(&line, "yyy", NULL), -E2BIG);
	check_line(&line, text);
	assert_int_equal(cmdline_add(&line, "--", NULL), 0);
	assert_int_equal(line.len, LAYOUT_CMDLINE_MAX - 1);
	assert_int_equal(cmdline_add_param(&line, "y", NULL), -E2BIG);
	assert_int_equal(line.len, LAYOUT_CMDLINE_MAX - 1);
}

static void finds_parameters(void **state)
{
	static const struct {
		const char *line, *name;
		bool has;
	} cases[] = {
		{ "", "root=", false }, { "root=/dev/vda", "root=", true },
		{ "quiet  root=", "root=", true }, { "xroot=a root", "root=", false },
		{ "a=\"b root=c\"", "root=", false }, { "a=\"b c\" root=d", "root=", true },
		{ "\"root=a b\" c", "root=", true }, { "a -- root=b", "root=", false },
		{ "-- root=b", "root=", false }, { "a \"-- b\" root=c", "root=", true },
		{ "--x root=b", "root=", true }, { "a ro b", "ro", true }, { "ro", "ro", true },
		{ "root=a rootwait", "ro", false }, { "a -- ro", "ro", false }, { "a --", "ro", false },
		{ "a ", "ro", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cmdline line = { 0 };

		assert_int_equal(cmdline_add(&line, cases[i].line, NULL), 0);
		if (cmdline_has(&line, cases[i].name) != cases[i].has)
			fail_msg("'%s' in '%s'", cases[i].name, cases[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_with_spaces), cmocka_unit_test(params_go_before_dashes),
		cmocka_unit_test(refuses), cmocka_unit_test(is_bounded),
		cmocka_unit_test(finds_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
