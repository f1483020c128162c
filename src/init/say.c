/* SPDX-License-Identifier: Apache-2.0 */
#include "init/say.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* A console line; longer ones are cut. */
#define LINE_MAX_BYTES 1024

struct line {
	size_t length;
	char text[LINE_MAX_BYTES];
};

static void line_add(struct line *line, const char *text)
{
	size_t room = sizeof(line->text) - 1 - line->length;	/* one byte stays for the newline */
	size_t length = strnlen(text, room);

	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static void line_add_all(struct line *line, const char *text, va_list list)
{
	for (; text; text = va_arg(list, const char *))
		line_add(line, text);
}

/* There is nobody to tell if the console does not take it. */
static void line_write(struct line *line)
{
	ssize_t written;

	line->text[line->length++] = '\n';
	written = write(STDOUT_FILENO, line->text, line->length);
	(void)written;
}

void say(const char *text, ...)
{
	struct line line = { .length = 0 };
	va_list list;

	va_start(list, text);
	line_add_all(&line, text, list);
	va_end(list);
	line_write(&line);
}

void complain(int error, const char *text, ...)
{
	struct line line = { .length = 0 };
	va_list list;

	line_add(&line, "volt-init: ");
	va_start(list, text);
	line_add_all(&line, text, list);
	va_end(list);
	if (error) {
		line_add(&line, ": ");
		line_add(&line, strerror(error));
	}
	line_write(&line);
}
