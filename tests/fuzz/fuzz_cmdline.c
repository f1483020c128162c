/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel command line. The input is a list of lines: one that begins with '+' is added as a
 * parameter, any other as text. The line must stay a string of its length, a refusal must not
 * change it, and a parameter that is one plain word must be one of the kernel's: a word before the
 * first "--", as a tokenizer finds it that is written otherwise than the code's.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot.h"

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next word from *@pos on, cut by spaces outside of quotes; its length, 0 at the end. */
static size_t next_word(const char **pos)
{
	size_t len = 0;
	unsigned int quotes = 0;

	*pos += strspn(*pos, " ");
	while ((*pos)[len] && ((*pos)[len] != ' ' || quotes % 2 == 1))
		quotes += (*pos)[len++] == '"';
	return len;
}

static bool kernel_has(const struct cmdline *line, const char *word)
{
	const char *pos = line->text;
	size_t len;

	for (; (len = next_word(&pos)) > 0; pos += len) {
		if (len == 2 && memcmp(pos, "--", 2) == 0)
			return false;
		if (len == strlen(word) && memcmp(pos, word, len) == 0)
			return true;
	}
	return false;
}

static void check(const struct cmdline *line)
{
	FUZZ_CHECK(line->len < sizeof(line->text));
	FUZZ_CHECK(strlen(line->text) == line->len);
	for (uint32_t i = 0; i < line->len; i++)
		FUZZ_CHECK(line->text[i] >= ' ' && line->text[i] <= '~');
}

static void add(struct cmdline *line, const char *text)
{
	struct cmdline before = *line;
	struct error err = { 0 };
	bool param = text[0] == '+';
	int r;

	r = param ? cmdline_add_param(line, text + 1, &err) : cmdline_add(line, text, &err);
	check(line);
	if (r < 0) {
		FUZZ_CHECK(err.code == r && err.msg[0] != '\0');
		FUZZ_CHECK(memcmp(line->text, before.text, before.len + 1) == 0);
		FUZZ_CHECK(line->len == before.len);
		return;
	}
	FUZZ_CHECK(line->len >= before.len);
	if (param && text[1] && !strpbrk(text, " \"") && strcmp(text + 1, "--") != 0)
		FUZZ_CHECK(kernel_has(line, text + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cmdline line = { 0 };
	char *text = malloc(size + 1);
	char *pos, *next;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (pos = text; pos; pos = next) {
		next = strchr(pos, '\n');
		if (next)
			*next++ = '\0';
		add(&line, pos);
	}
	free(text);
	return 0;
}
