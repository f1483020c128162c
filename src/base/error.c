/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* What a sentence quotes may come from anywhere: it must not break the line or steer a terminal. */
static void error_clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

__attribute__((format(printf, 3, 0)))
static void error_vset(struct error *err, int code, const char *fmt, va_list ap)
{
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	error_clean(err->msg);
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	error_vset(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int error_sys(struct error *err, int code, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	error_vset(err, code, fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(-code));
	return code;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	char sentence[ERROR_MSG_MAX];
	size_t used;
	va_list ap;

	if (!err)
		return -EINVAL;
	memcpy(sentence, err->msg, sizeof(sentence));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg) / 2, fmt, ap);
	va_end(ap);
	error_clean(err->msg);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", sentence);
	return err->code;
}
