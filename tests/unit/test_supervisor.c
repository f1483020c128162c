/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor against VM processes that lie: each is a child that says what it wants over the link
 * and ends as it wants.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "vmm/exit.h"
#include "vmm/killed.h"
#include "vmm/link.h"
#include "vmm/supervisor.h"

static char said[256];

static void say(const char *line)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "[%.40s]", line);
}

/* Fork a child that runs @act with its end of the link, and supervise it. */
static void supervise(void (*act)(int link_fd), struct verdict *ret_verdict)
{
	struct error err = { 0 };
	int link[2];
	pid_t child;

	said[0] = '\0';
	assert_int_equal(supervisor_block_signals(&err), 0);
	assert_int_equal(link_create(link, &err), 0);
	child = fork();
	if (child == 0) {
		close(link[0]);
		act(link[1]);
		_exit(0);
	}
	close(link[1]);
	assert_int_equal(supervisor_run(child, link[0], say, ret_verdict, &err), 0);
}

static void act_well(int fd)
{
	link_report(fd, REPORT_RUNNING, 0, "one\n\ntwo\033[2J\n");
	link_report(fd, REPORT_RUNNING, 0, "once is enough");
	link_report(fd, REPORT_END, 7, "guest powered off, status 7");
}

static void test_report(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_well, &v);
	assert_int_equal(v.code, 7);
	assert_int_equal(v.signal, 0);
	assert_string_equal(v.text, "guest powered off, status 7");
	assert_string_equal(said, "[one][two?[2J]");
}

static void act_twice(int fd)
{
	link_report(fd, REPORT_END, 1, "first");
	link_report(fd, REPORT_END, 2, "second");
}

static void test_first_report_counts(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_twice, &v);
	assert_int_equal(v.code, 1);
	assert_string_equal(v.text, "first");
}

/* No NUL, escape sequences in both spellings, a code beyond a byte, kinds that there are none of. */
static void act_like_an_enemy(int fd)
{
	struct report report = { .kind = 77, .code = UINT32_MAX };

	(void)!write(fd, &report, sizeof(report));
	(void)!write(fd, &report, 3);
	(void)!write(fd, &report, 0);
	report.kind = REPORT_END;
	memset(report.text, 'x', sizeof(report.text));
	memcpy(report.text, "\033[2J\n\r\xc2\x9b" "31m\x7f\xc3\xa9", 14);
	(void)!write(fd, &report, sizeof(report));
}

static void test_what_the_vm_process_says_is_made_printable(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_like_an_enemy, &v);
	assert_int_equal(v.code, 0xff);
	assert_memory_equal(v.text, "?[2J????31m?\xc3\xa9", 14);
	assert_int_equal(strlen(v.text), LINK_TEXT_MAX - 1);
	assert_null(strpbrk(v.text, "\033\n\r\x7f"));
}

static void act_silently(int fd)
{
	(void)fd;
	_exit(3);
}

static void test_silence(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_silently, &v);
	assert_int_equal(v.code, exit_reason_code(EXIT_HOST, 0));
	assert_non_null(strstr(v.text, "status 3 and no word of why"));
}

static void act_dead(int fd)
{
	link_report(fd, REPORT_END, 0, "all is well");
	raise(SIGKILL);
}

static void test_death_is_told_whatever_was_said(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_dead, &v);
	assert_int_equal(v.signal, SIGKILL);
	assert_non_null(strstr(v.text, "killed by signal 9"));
}

static void act_forbidden(int fd)
{
	(void)fd;
	signal(SIGSYS, SIG_DFL);
	raise(SIGSYS);
}

static void test_sandbox_kill_is_told(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_forbidden, &v);
	assert_int_equal(v.signal, 0);
	assert_int_equal(v.code, exit_reason_code(EXIT_SANDBOX, 0));
	assert_non_null(strstr(v.text, "stopped by the sandbox"));
}

/* Closes its end and lives on for a while: that is neither its end nor a reason to spin. */
static void act_deaf(int fd)
{
	close(fd);
	usleep(50000);
	_exit(9);
}

static void test_closed_link(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_deaf, &v);
	assert_non_null(strstr(v.text, "status 9 and no word of why"));
}

static void act_obediently(int fd)
{
	struct order order = { 0 };

	kill(getppid(), SIGTERM);
	while (read(fd, &order, sizeof(order)) != (ssize_t)sizeof(order))
		usleep(1000);
	link_report(fd, REPORT_END, order.kind == ORDER_STOP ? order.signal : 255, "stopped");
}

static void test_signal_becomes_an_order(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_obediently, &v);
	assert_int_equal(v.code, SIGTERM);
}

/* Sends more than the link holds, and never reads what it is sent. */
static void act_noisily(int fd)
{
	for (int i = 0; i < 5000; i++)
		link_report(fd, REPORT_RUNNING, i, "noise");
	for (int i = 0; i < 20; i++)
		kill(getppid(), SIGCONT);
}

static void test_noise(void **state)
{
	struct verdict v;

	(void)state;
	supervise(act_noisily, &v);
	assert_non_null(strstr(v.text, "no word of why"));
}

static void test_kernel_log_record(void **state)
{
	static const char record[] = "4,883,91,-;audit: type=1326 audit(1.2:3): auid=4 uid=0 gid=0 ses=4"
		" pid=4242 comm=\"volt-vmm\" exe=\"/x\" sig=31 arch=c000003e syscall=59 compat=0 ip=0x1"
		" code=0x80000000\n";

	(void)state;
	assert_int_equal(killed_parse_record(record, 4242), 59);
	assert_int_equal(killed_parse_record(record, 424), -1);
	assert_int_equal(killed_parse_record("audit: type=1327 pid=4242 syscall=59", 4242), -1);
	assert_int_equal(killed_parse_record("type=1326 pid=4242 sysca", 4242), -1);
	assert_int_equal(killed_parse_record("type=1326 pid=4242 syscall=-3", 4242), -1);
	assert_int_equal(killed_parse_record("type=1326 pid=4242 syscall=99999999999", 4242), -1);
	assert_int_equal(killed_parse_record("", 4242), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_first_report_counts),
		cmocka_unit_test(test_what_the_vm_process_says_is_made_printable),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_death_is_told_whatever_was_said),
		cmocka_unit_test(test_sandbox_kill_is_told),
		cmocka_unit_test(test_closed_link),
		cmocka_unit_test(test_signal_becomes_an_order),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_kernel_log_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
