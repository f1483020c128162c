/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp/ - from a readable table of system calls to the BPF programs in the monitor. All of it
 * runs on the machine that builds, where libseccomp is; nothing of it is in the product.
 *
 * table.h - the policy as read: see the head of `policy` for the format.
 */
#ifndef VOLT_SECCOMP_TABLE_H
#define VOLT_SECCOMP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define POLICY_LINES 256
#define POLICY_NAME 32		/* the longest call or constant, with its NUL */
#define POLICY_REASON 256
#define POLICY_VALUES 8		/* alternatives of one condition */
#define POLICY_ARGS 6		/* a system call has no more */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* In the order of enum sandbox_role, src/sandbox/seccomp.h. */
enum role { ROLE_VCPU, ROLE_DEVICE, ROLE_API, ROLES };
extern const char *const role_names[ROLES];

enum flag {
	FLAG_RARE = 1,		/* a run of the tests need not make the call */
	FLAG_LATER = 2,		/* the role does not run yet */
};

/* The argument, under the mask, is one of the values. */
struct condition {
	unsigned int arg;
	uint64_t mask;
	uint64_t value[POLICY_VALUES];
	unsigned int count;
};

struct line {
	unsigned int at;	/* the line's number in the file, from 1 */
	unsigned int roles;	/* bit mask of enum role */
	unsigned int flags;
	int number;
	char call[POLICY_NAME];
	struct condition cond[POLICY_ARGS];	/* all of them hold */
	unsigned int cond_count;
	char reason[POLICY_REASON];
};

/* Why a call is allowed that is not in the baseline. */
struct beyond {
	unsigned int at;
	char call[POLICY_NAME];
	char reason[POLICY_REASON];
};

struct policy {
	const char *path;
	struct line line[POLICY_LINES];
	unsigned int line_count;
	struct beyond beyond[POLICY_LINES];
	unsigned int beyond_count;
};

/* Say "PATH:LINE: ..." on stderr and return false, so that `return policy_error(...)` works. */
bool policy_error(const struct policy *policy, unsigned int at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Read and check the file. Returns false after the first thing that is wrong has been said. */
bool policy_read(const char *path, struct policy *policy);

/* Check the whole: nothing twice, nothing without effect, nothing beyond the baseline unsaid. */
bool policy_check(const struct policy *policy);

/* A constant of the kernel's headers by its name. Returns false when there is none. */
bool constant_find(const char *name, uint64_t *ret_value);

/* Whether the call is one of the baseline, beyond which each call needs its own justification. */
bool baseline_has(const char *call);

/* How many rules a line is: one for each combination of its conditions' values. */
unsigned int line_rules(const struct line *line);

/* The value of condition @cond in rule @rule of the line. */
uint64_t line_value(const struct line *line, unsigned int rule, unsigned int cond);

#endif
