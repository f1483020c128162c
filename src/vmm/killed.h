/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killed.h - words for a VM process that its own seccomp filter has killed. Which call it made only
 * the kernel's log tells, and not everybody may read that.
 */
#ifndef VOLT_VMM_KILLED_H
#define VOLT_VMM_KILLED_H

#include <stddef.h>
#include <sys/types.h>

/* Describe the end of process @pid, with the call's name if /dev/kmsg has it. */
void killed_describe(pid_t pid, char *buf, size_t size);

/*
 * Find the system call in a record of the kernel's log that says seccomp has killed @pid, such as
 * "audit: type=1326 audit(...): ... pid=42 ... sig=31 arch=c000003e syscall=59 ...". Returns its
 * number, or -1 if @record is about something else.
 */
int killed_parse_record(const char *record, pid_t pid);

#endif
