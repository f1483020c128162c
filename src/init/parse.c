/* SPDX-License-Identifier: Apache-2.0 */
#include "init/parse.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/*
 * Cut the next word off *@rest, NULL at the end. Quotes keep blanks in a word and are dropped from
 * its value, as the kernel's own parser does.
 */
static char *word_next(char **rest)
{
	char *word = *rest, *to;
	bool quoted = false;

	while (is_blank(*word))
		word++;
	if (!*word)
		return NULL;
	to = word;
	for (*rest = word; **rest && (quoted || !is_blank(**rest)); (*rest)++) {
		if (**rest == '"')
			quoted = !quoted;
		else
			*to++ = **rest;
	}
	if (**rest)
		(*rest)++;
	*to = '\0';
	return word;
}

static const char *value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(word, name, length) != 0 || word[length] != '=')
		return NULL;
	return word + length + 1;
}

void boot_options_parse(char *line, struct boot_options *ret_options)
{
	struct boot_options options = { .root_type = "ext4", .init = "/sbin/init" };
	char *word;

	while ((word = word_next(&line)) && strcmp(word, "--") != 0) {
		const char *value;

		if (strcmp(word, "rw") == 0)
			options.root_writable = true;
		else if (strcmp(word, "ro") == 0)
			options.root_writable = false;
		else if (strcmp(word, "rootwait") == 0)
			options.root_wait = true;
		else if ((value = value_of(word, "root")))
			options.root = value;
		else if ((value = value_of(word, "rootfstype")))
			options.root_type = value;
		else if ((value = value_of(word, "init")))
			options.init = value;
	}
	*ret_options = options;
}

int arguments_leaked(char *line, int argc, char *const argv[])
{
	int leaked = 0, after = 0;
	bool dashes = false;
	char *word;

	while ((word = word_next(&line))) {
		if (dashes)
			after++;
		else if (strcmp(word, "--") == 0)
			dashes = true;
		else if (leaked + 1 < argc && strcmp(word, argv[leaked + 1]) == 0)
			leaked++;
	}
	/* With "--" the number of words behind it is what counts: "quiet -- quiet" leaks none. */
	if (dashes)
		leaked = argc - 1 > after ? argc - 1 - after : 0;
	return leaked;
}

int lines_split(char *text, bool literal, char **ret_lines, int max)
{
	int count = 0;

	while (*text) {
		char *line = text, *end = strchr(text, '\n');

		text = end ? end + 1 : text + strlen(text);
		if (end)
			*end = '\0';
		if (!literal && (!*line || *line == '#'))
			continue;
		if (count == max - 1)
			return -1;
		ret_lines[count++] = line;
	}
	ret_lines[count] = NULL;
	return count;
}

char *word_cut(char *line)
{
	while (*line && !is_blank(*line))
		line++;
	while (is_blank(*line))
		*line++ = '\0';
	return line;
}

int status_of_wait(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return STATUS_SIGNAL_BASE + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

int status_of_exec_error(int error)
{
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

void uptime_format(const struct timespec *uptime, char *text)
{
	unsigned long seconds = (unsigned long)uptime->tv_sec;
	unsigned long milliseconds = (unsigned long)uptime->tv_nsec / 1000000;
	char digits[UPTIME_TEXT_MAX];
	size_t at = sizeof(digits);

	for (int i = 0; i < 3; i++, milliseconds /= 10)
		digits[--at] = (char)('0' + milliseconds % 10);
	digits[--at] = '.';
	do {
		digits[--at] = (char)('0' + seconds % 10);
		seconds /= 10;
	} while (seconds);
	memcpy(text, digits + at, sizeof(digits) - at);
	text[sizeof(digits) - at] = '\0';
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void mount_path_unescape(char *path)
{
	char *to = path;

	while (*path) {
		if (path[0] == '\\' && is_octal(path[1]) && is_octal(path[2]) && is_octal(path[3])) {
			*to++ = (char)((path[1] - '0') << 6 | (path[2] - '0') << 3 | (path[3] - '0'));
			path += 4;
		} else {
			*to++ = *path++;
		}
	}
	*to = '\0';
}

char *mount_path_last(char *text, size_t *length)
{
	size_t end = *length;
	char *line, *path;

	while (end > 0 && text[end - 1] == '\n')
		end--;
	if (end == 0)
		return NULL;
	text[end] = '\0';
	line = memrchr(text, '\n', end);
	line = line ? line + 1 : text;
	*length = (size_t)(line - text);
	path = word_cut(line);
	word_cut(path);
	mount_path_unescape(path);
	return path;
}
