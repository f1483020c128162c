/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/seccomp.h"
#include "vmm/exit.h"
#include "vmm/killed.h"

#define RECORD_MAX 8192		/* include/linux/printk.h: CONSOLE_EXT_LOG_MAX */
#define RECORD_WAIT_MS 100	/* the record may come a little after the end */

/* The number behind " KEY=", or -1. */
static long record_number(const char *record, const char *key)
{
	const char *at = strstr(record, key);

	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* AUDIT_SECCOMP is 1326 (linux/audit.h). */
int killed_parse_record(const char *record, pid_t pid)
{
	long number;

	if (!strstr(record, "type=1326 ") || record_number(record, " pid=") != (long)pid)
		return -1;
	number = record_number(record, " syscall=");
	return number >= 0 && number < 0x10000 ? (int)number : -1;
}

/*
 * Read the log from its beginning; -1 if nothing in it is about @pid. The last record counts: an older
 * one is about a process that had the same number.
 */
static int killed_find_call(pid_t pid)
{
	_cleanup_fd_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	static char record[RECORD_MAX];
	bool waited = false;
	int last = -1;

	while (fd >= 0) {
		ssize_t n = read(fd, record, sizeof(record) - 1);
		struct pollfd more = { .fd = fd, .events = POLLIN };
		int call;

		if (n < 0 && errno == EPIPE)	/* overwritten while we were reading */
			continue;
		if (n < 0 && errno == EAGAIN && last < 0 && !waited) {
			waited = true;
			if (poll(&more, 1, RECORD_WAIT_MS) > 0)
				continue;
		}
		if (n <= 0)
			break;
		record[n] = '\0';
		call = killed_parse_record(record, pid);
		if (call >= 0)
			last = call;
	}
	return last;
}

void killed_describe(pid_t pid, char *buf, size_t size)
{
	int call = killed_find_call(pid);
	const char *name = call >= 0 ? seccomp_call_name(call) : NULL;

	if (name)
		snprintf(buf, size, "%s: it called %s", exit_reason_text(EXIT_SANDBOX), name);
	else if (call >= 0)
		snprintf(buf, size, "%s: it called number %d", exit_reason_text(EXIT_SANDBOX), call);
	else
		snprintf(buf, size, "%s: which call is in the kernel's log, if you may read it"
			 " (dmesg | grep type=1326); --seccomp-log lets the VM go on and logs each",
			 exit_reason_text(EXIT_SANDBOX));
}
