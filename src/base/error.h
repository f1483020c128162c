/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/ - what every other layer uses and what knows nothing of KVM or guests: errors, ownership
 * of descriptors and memory, checked arithmetic, numbers read from text, whole reads and writes.
 *
 * error.h - the sentence that tells a user what went wrong.
 *
 * A function that can fail returns 0 or a negative errno and, where a user may come to see the
 * failure, takes a `struct error *`. Success leaves the object untouched. The place that detects
 * the failure sets the sentence (what, which value, why, what to do); each level above may put
 * its own context in front with error_wrap(). A NULL error object is allowed everywhere: the
 * caller then wants only the code.
 */
#ifndef VOLT_BASE_ERROR_H
#define VOLT_BASE_ERROR_H

#define ERROR_MSG_MAX 1024

struct error {
	int code;			/* negative errno, 0 while nothing failed */
	char msg[ERROR_MSG_MAX];	/* NUL-terminated, no control characters; longer is cut */
};

/* Set the sentence and return @code (a negative errno), so that `return error_set(...)` works. */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set(), with ": " and the system's words for @code appended. */
int error_sys(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "context: " in front of the sentence; returns the code that the error holds. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
