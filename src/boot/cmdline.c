/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "boot/boot.h"

/* Linux splits at spaces outside of double quotes. */
static int cmdline_check(const char *text, struct error *err)
{
	bool quoted = false;

	for (size_t i = 0; text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c > 0x7e)
			return error_set(err, -EINVAL, "the kernel command line has a byte 0x%02x"
					 " at position %zu: only printable ASCII is allowed", c, i);
		if (c == '"')
			quoted = !quoted;
	}
	if (quoted)
		return error_set(err, -EINVAL, "the kernel command line \"%s\" opens a quotation"
				 " that it does not close, which would swallow what follows", text);
	return 0;
}

/* Make room for @len characters at @pos; returns where, or NULL. */
static char *cmdline_open(struct cmdline *line, uint32_t pos, size_t len, struct error *err)
{
	if (len > sizeof(line->text) - 1 - line->len) {
		error_set(err, -E2BIG, "the kernel command line would have %zu characters, more"
			  " than the %zu that there is room for: shorten it", line->len + len,
			  sizeof(line->text) - 1);
		return NULL;
	}
	memmove(line->text + pos + len, line->text + pos, line->len - pos);
	line->len += (uint32_t)len;
	line->text[line->len] = '\0';
	return line->text + pos;
}

int cmdline_add(struct cmdline *line, const char *text, struct error *err)
{
	size_t len = strlen(text);
	size_t space = line->len > 0 ? 1 : 0;
	char *at;
	int r;

	r = cmdline_check(text, err);
	if (r < 0 || len == 0)
		return r;
	at = cmdline_open(line, line->len, len + space, err);
	if (!at)
		return -E2BIG;
	if (space)
		*at++ = ' ';
	mempcpy(at, text, len);
	return 0;
}

/* Where the word "--" stands outside of quotes; the line's length when it does not. */
static uint32_t cmdline_find_dashes(const struct cmdline *line)
{
	bool quoted = false;
	uint32_t start = 0;

	for (uint32_t i = 0; i <= line->len; i++) {
		if (line->text[i] == '"')
			quoted = !quoted;
		if (i < line->len && (quoted || line->text[i] != ' '))
			continue;
		if (i - start == 2 && memcmp(line->text + start, "--", 2) == 0)
			return start;
		start = i + 1;
	}
	return line->len;
}

/* How long the word at @word is, up to a space outside of quotes. */
static size_t cmdline_word_len(const char *word)
{
	bool quoted = false;
	size_t len = 0;

	for (; word[len] && (quoted || word[len] != ' '); len++) {
		if (word[len] == '"')
			quoted = !quoted;
	}
	return len;
}

bool cmdline_has(const struct cmdline *line, const char *name)
{
	const char *end = line->text + cmdline_find_dashes(line);
	size_t name_len = strlen(name), len;
	bool prefix = name_len > 0 && name[name_len - 1] == '=';

	for (const char *word = line->text; word < end; word += len) {
		const char *start;

		word += strspn(word, " ");
		start = *word == '"' ? word + 1 : word;		/* quoted whole: the same to Linux */
		len = cmdline_word_len(word);
		if (word < end && strncmp(start, name, name_len) == 0 && (prefix || len == name_len))
			return true;
	}
	return false;
}

int cmdline_add_param(struct cmdline *line, const char *param, struct error *err)
{
	uint32_t dashes = cmdline_find_dashes(line);
	size_t len = strlen(param);
	char *at;
	int r;

	if (dashes == line->len)
		return cmdline_add(line, param, err);
	r = cmdline_check(param, err);
	if (r < 0 || len == 0)
		return r;
	at = cmdline_open(line, dashes, len + 1, err);
	if (!at)
		return -E2BIG;
	at = mempcpy(at, param, len);
	*at = ' ';
	return 0;
}
