/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure parts of volt-init: the kernel's command line, lists, statuses, mount points.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/parse.h"

#define TEXT_MAX 512

/* A copy that may be cut, exactly as large as its text, so that ASan sees what is beyond. */
static char *copy(const char *text)
{
	char *copied = strdup(text);

	assert_non_null(copied);
	return copied;
}

static void test_boot_options_default(void **state)
{
	char *line = copy("console=ttyS0 quiet");
	struct boot_options options;

	(void)state;
	boot_options_parse(line, &options);
	assert_null(options.root);
	assert_string_equal(options.root_type, "ext4");
	assert_string_equal(options.init, "/sbin/init");
	assert_false(options.root_writable);
	assert_false(options.root_wait);
	free(line);
}

static void test_boot_options_all(void **state)
{
	char *line = copy("root=/dev/vda rw rootwait rootfstype=xfs init=/bin/busybox\n");
	struct boot_options options;

	(void)state;
	boot_options_parse(line, &options);
	assert_string_equal(options.root, "/dev/vda");
	assert_string_equal(options.root_type, "xfs");
	assert_string_equal(options.init, "/bin/busybox");
	assert_true(options.root_writable);
	assert_true(options.root_wait);
	free(line);
}

static void test_boot_options_last_wins(void **state)
{
	char *line = copy("root=/dev/vda rw root=/dev/vdb ro rootdelay=3 myroot=/dev/vdc");
	struct boot_options options;

	(void)state;
	boot_options_parse(line, &options);
	assert_string_equal(options.root, "/dev/vdb");
	assert_false(options.root_writable);
	free(line);
}

static void test_boot_options_end_at_dashes(void **state)
{
	char *line = copy("  root=/dev/vda --  root=/dev/vdb rw init=/bin/sh");
	struct boot_options options;

	(void)state;
	boot_options_parse(line, &options);
	assert_string_equal(options.root, "/dev/vda");
	assert_string_equal(options.init, "/sbin/init");
	assert_false(options.root_writable);
	free(line);
}

static void test_boot_options_quotes(void **state)
{
	char *line = copy("dyndbg=\"file a.c +p -- x\" init=\"/my init\" root=\"/dev/vda");
	struct boot_options options;

	(void)state;
	boot_options_parse(line, &options);
	assert_string_equal(options.init, "/my init");
	assert_string_equal(options.root, "/dev/vda");
	free(line);
}

static void test_boot_options_empty(void **state)
{
	static const char *const lines[] = { "", "\n", "--", "\"", "root", "=" };
	struct boot_options options;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *line = copy(lines[i]);

		boot_options_parse(line, &options);
		assert_null(options.root);
		free(line);
	}
}

static int leaked(const char *text, int argc, char *const argv[])
{
	char *line = copy(text);
	int count = arguments_leaked(line, argc, argv);

	free(line);
	return count;
}

static void test_arguments_after_dashes(void **state)
{
	char init[] = "/init", nopci[] = "nopci", sh[] = "sh", quiet[] = "quiet";
	char *none[] = { init, NULL }, *plain[] = { init, sh, quiet, NULL };
	char *one[] = { init, nopci, sh, quiet, NULL }, *same[] = { init, quiet, NULL };

	(void)state;
	assert_int_equal(leaked("quiet -- sh quiet", 3, plain), 0);
	assert_int_equal(leaked("nopci quiet -- sh quiet", 4, one), 1);
	assert_int_equal(leaked("quiet -- quiet", 2, same), 0);
	assert_int_equal(leaked("quiet --", 2, same), 1);
	/* Fewer arguments than words: not from this command line, so all of them count. */
	assert_int_equal(leaked("-- a b c", 2, same), 0);
	assert_int_equal(leaked("-- a b c", 1, none), 0);
}

static void test_arguments_without_dashes(void **state)
{
	char init[] = "/init", nopci[] = "nopci", single[] = "single", sh[] = "sh";
	char *words[] = { init, nopci, single, NULL }, *command[] = { init, sh, nopci, NULL };

	(void)state;
	assert_int_equal(leaked("nopci quiet single", 3, words), 2);
	/* Not what the kernel left over: somebody runs us with a command. */
	assert_int_equal(leaked("nopci quiet single", 3, command), 0);
	assert_int_equal(leaked("", 3, command), 0);
}

static void test_arguments_quoted(void **state)
{
	char init[] = "/init", sh[] = "sh", flag[] = "-c", script[] = "echo -- a";
	char *argv[] = { init, sh, flag, script, NULL };

	(void)state;
	assert_int_equal(leaked("quiet -- sh -c \"echo -- a\"", 4, argv), 0);
	assert_int_equal(leaked("sh quiet -- -c \"echo -- a\"", 4, argv), 1);
}

static void test_lines_of_list(void **state)
{
	char *text = copy("# modules\n/lib/a.ko\n\n/lib/b.ko debug=1\n#/lib/c.ko\n/lib/d.ko");
	char *lines[8];

	(void)state;
	assert_int_equal(lines_split(text, false, lines, 8), 3);
	assert_string_equal(lines[0], "/lib/a.ko");
	assert_string_equal(lines[1], "/lib/b.ko debug=1");
	assert_string_equal(lines[2], "/lib/d.ko");
	assert_null(lines[3]);
	free(text);
}

static void test_lines_literal(void **state)
{
	char *text = copy("/bin/echo\n\n# no comment\n two  words \n");
	char *lines[8];

	(void)state;
	assert_int_equal(lines_split(text, true, lines, 8), 4);
	assert_string_equal(lines[0], "/bin/echo");
	assert_string_equal(lines[1], "");
	assert_string_equal(lines[2], "# no comment");
	assert_string_equal(lines[3], " two  words ");
	assert_null(lines[4]);
	free(text);
}

static void test_lines_limit(void **state)
{
	char *fits = copy("a\nb\n#c\n"), *exceeds = copy("a\nb\nc"), *empty = copy("");
	char *lines[3];

	(void)state;
	assert_int_equal(lines_split(fits, false, lines, 3), 2);
	assert_null(lines[2]);
	assert_int_equal(lines_split(exceeds, false, lines, 3), -1);
	assert_int_equal(lines_split(empty, true, lines, 3), 0);
	assert_null(lines[0]);
	free(fits);
	free(exceeds);
	free(empty);
}

static void test_word_cut(void **state)
{
	char *line = copy("/lib/a.ko  \tdebug=1 x=2"), *lone = copy("/lib/a.ko");

	(void)state;
	assert_string_equal(word_cut(line), "debug=1 x=2");
	assert_string_equal(line, "/lib/a.ko");
	assert_string_equal(word_cut(lone), "");
	assert_string_equal(lone, "/lib/a.ko");
	free(line);
	free(lone);
}

/* The statuses come from the kernel, not from what we think they look like. */
static int status_of_child(int code, int signal)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (signal)
			raise(signal);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status_of_wait(status);
}

static void test_status_of_wait(void **state)
{
	(void)state;
	assert_int_equal(status_of_child(0, 0), 0);
	assert_int_equal(status_of_child(7, 0), 7);
	assert_int_equal(status_of_child(255, 0), 255);
	assert_int_equal(status_of_child(0, SIGKILL), 137);
	assert_int_equal(status_of_child(0, SIGTERM), 143);
}

static void test_status_of_exec_error(void **state)
{
	(void)state;
	assert_int_equal(status_of_exec_error(ENOENT), 127);
	assert_int_equal(status_of_exec_error(ENOTDIR), 127);
	assert_int_equal(status_of_exec_error(EACCES), 126);
	assert_int_equal(status_of_exec_error(ENOEXEC), 126);
}

static void test_uptime(void **state)
{
	static const struct {
		struct timespec uptime;
		const char *text;
	} cases[] = {
		{ { 0, 0 }, "0.000" },
		{ { 0, 41999999 }, "0.041" },
		{ { 1, 7000000 }, "1.007" },
		{ { 86400, 999999999 }, "86400.999" },
		{ { INT64_MAX, 0 }, "9223372036854775807.000" },
	};
	char text[UPTIME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uptime_format(&cases[i].uptime, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_mount_path_unescape(void **state)
{
	static const struct {
		const char *escaped, *plain;
	} cases[] = {
		{ "/", "/" },
		{ "/a\\040b", "/a b" },
		{ "/a\\134", "/a\\" },
		{ "\\011\\012", "\t\n" },
		{ "/a\\04", "/a\\04" },
		{ "/a\\", "/a\\" },
		{ "/a\\089", "/a\\089" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = copy(cases[i].escaped);

		mount_path_unescape(path);
		assert_string_equal(path, cases[i].plain);
		free(path);
	}
}

static void test_mounts_from_the_end(void **state)
{
	char *text = copy("/dev/root / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/vdb /a\\040b ext4 rw 0 0\n");
	size_t left = strlen(text);

	(void)state;
	assert_string_equal(mount_path_last(text, &left), "/a b");
	assert_string_equal(mount_path_last(text, &left), "/proc");
	assert_string_equal(mount_path_last(text, &left), "/");
	assert_null(mount_path_last(text, &left));
	free(text);
}

static void test_mounts_odd(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n\n" };
	char *word = copy("word"), *blank = copy(" ");
	size_t left;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = copy(texts[i]);

		left = strlen(text);
		assert_null(mount_path_last(text, &left));
		free(text);
	}
	left = strlen(word);
	assert_string_equal(mount_path_last(word, &left), "");
	assert_null(mount_path_last(word, &left));
	left = strlen(blank);
	assert_string_equal(mount_path_last(blank, &left), "");
	free(word);
	free(blank);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_options_default),
		cmocka_unit_test(test_boot_options_all),
		cmocka_unit_test(test_boot_options_last_wins),
		cmocka_unit_test(test_boot_options_end_at_dashes),
		cmocka_unit_test(test_boot_options_quotes),
		cmocka_unit_test(test_boot_options_empty),
		cmocka_unit_test(test_arguments_after_dashes),
		cmocka_unit_test(test_arguments_without_dashes),
		cmocka_unit_test(test_arguments_quoted),
		cmocka_unit_test(test_lines_of_list),
		cmocka_unit_test(test_lines_literal),
		cmocka_unit_test(test_lines_limit),
		cmocka_unit_test(test_word_cut),
		cmocka_unit_test(test_status_of_wait),
		cmocka_unit_test(test_status_of_exec_error),
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_mount_path_unescape),
		cmocka_unit_test(test_mounts_from_the_end),
		cmocka_unit_test(test_mounts_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
