/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the policy: words from the left until one is neither a condition nor a mark; the rest of
 * the line is the reason.
 */
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

const char *const role_names[ROLES] = {
	[ROLE_VCPU] = "vcpu", [ROLE_DEVICE] = "device", [ROLE_API] = "api",
};

static const struct mark {
	const char *name;
	unsigned int flag;
} marks[] = {
	{ "[rare]", FLAG_RARE },
	{ "[later]", FLAG_LATER },
};

bool policy_error(const struct policy *policy, unsigned int at, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", policy->path, at);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

/* Cut the next word off the front of *text, which then begins with the word after it. */
static char *word_next(char **text)
{
	char *word = *text + strspn(*text, " \t");
	char *end = word + strcspn(word, " \t");

	if (*end != '\0')
		*end++ = '\0';
	*text = end + strspn(end, " \t");
	return word;
}

/* One value: names and numbers with | between them. Cuts @text up. */
static bool value_read(const struct policy *policy, unsigned int at, char *text, uint64_t *ret)
{
	uint64_t value = 0, part;
	char *rest = text, *name, *end;

	while ((name = strsep(&rest, "|")) != NULL) {
		errno = 0;
		part = strtoull(name, &end, 0);
		if (!isdigit((unsigned char)name[0]) || *end != '\0' || errno != 0) {
			if (!constant_find(name, &part))
				return policy_error(policy, at, "unknown constant '%s'", name);
		}
		value |= part;
	}
	*ret = value;
	return true;
}

static bool is_condition(const char *word)
{
	return (strncmp(word, "arg", 3) == 0 || strncmp(word, "int", 3) == 0) &&
	       isdigit((unsigned char)word[3]) && (word[4] == '=' || word[4] == '&');
}

/* argN=VALUE,... intN=VALUE,... argN&MASK=VALUE,... */
static bool condition_read(const struct policy *policy, struct line *line, char *word)
{
	struct condition cond = { .arg = (unsigned int)(word[3] - '0'), .mask = UINT64_MAX };
	char *values = strchr(word, '='), *value;
	unsigned int at = line->at;

	if (cond.arg >= POLICY_ARGS || !values)
		return policy_error(policy, at, "'%s' is no condition", word);
	*values++ = '\0';
	if (word[0] == 'i')
		cond.mask = UINT32_MAX;
	if (word[4] == '&' && !value_read(policy, at, word + 5, &cond.mask))
		return false;
	for (unsigned int i = 0; i < line->cond_count; i++)
		if (line->cond[i].arg == cond.arg)
			return policy_error(policy, at, "two conditions on argument %u", cond.arg);
	while ((value = strsep(&values, ",")) != NULL) {
		uint64_t *slot = &cond.value[cond.count++];

		if (cond.count > POLICY_VALUES)
			return policy_error(policy, at, "more than %d values", POLICY_VALUES);
		if (!value_read(policy, at, value, slot))
			return false;
		if (*slot & ~cond.mask)
			return policy_error(policy, at, "a value has bits beyond its mask");
	}
	line->cond[line->cond_count++] = cond;
	return true;
}

static bool roles_read(const struct policy *policy, struct line *line, char *word)
{
	char *name;

	while ((name = strsep(&word, ",")) != NULL) {
		unsigned int role = 0;

		while (role < ROLES && strcmp(role_names[role], name) != 0)
			role++;
		if (role == ROLES)
			return policy_error(policy, line->at, "unknown role '%s'", name);
		line->roles |= 1u << role;
	}
	return true;
}

static bool mark_read(struct line *line, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (strcmp(marks[i].name, word) == 0) {
			line->flags |= marks[i].flag;
			return true;
		}
	}
	return false;
}

/* A sentence, so more than a word. Short enough for its place. */
static bool reason_read(const struct policy *policy, unsigned int at, const char *text,
			char reason[static POLICY_REASON])
{
	if (text[0] == '[')
		return policy_error(policy, at, "unknown mark %s", text);
	if (!strchr(text, ' '))
		return policy_error(policy, at, "no reason is given");
	if (strlen(text) >= POLICY_REASON)
		return policy_error(policy, at, "the reason is too long");
	strcpy(reason, text);
	return true;
}

static bool call_read(const struct policy *policy, unsigned int at, const char *word,
		      char call[static POLICY_NAME], int *ret_number)
{
	int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, word);

	if (number < 0 || strlen(word) >= POLICY_NAME)
		return policy_error(policy, at, "unknown system call '%s'", word);
	strcpy(call, word);
	*ret_number = number;
	return true;
}

static bool beyond_read(struct policy *policy, unsigned int at, char *text)
{
	struct beyond *beyond = &policy->beyond[policy->beyond_count++];
	int number;

	beyond->at = at;
	return call_read(policy, at, word_next(&text), beyond->call, &number) &&
	       reason_read(policy, at, text, beyond->reason);
}

static bool line_read(struct policy *policy, unsigned int at, char *text)
{
	struct line *line = &policy->line[policy->line_count++];
	char *word = word_next(&text);

	line->at = at;
	if (!call_read(policy, at, word, line->call, &line->number) ||
	    !roles_read(policy, line, word_next(&text)))
		return false;
	for (;;) {
		char *rest = text, *before = strndup(text, strcspn(text, " \t"));
		bool ok = true, mine = is_condition(before) || mark_read(line, before);

		if (mine)
			word = word_next(&rest);
		if (is_condition(before))
			ok = condition_read(policy, line, word);
		free(before);
		if (!ok)
			return false;
		if (!mine)
			return reason_read(policy, at, text, line->reason);
		text = rest;
	}
}

bool policy_read(const char *path, struct policy *policy)
{
	char text[1024], *at_word;
	FILE *file = fopen(path, "re");
	bool ok = file != NULL;

	memset(policy, 0, sizeof(*policy));
	policy->path = path;
	if (!file)
		perror(path);
	for (unsigned int at = 1; ok && fgets(text, sizeof(text), file); at++) {
		text[strcspn(text, "\n")] = '\0';
		at_word = text + strspn(text, " \t");
		if (*at_word == '\0' || *at_word == '#')
			continue;
		if (policy->line_count == POLICY_LINES || policy->beyond_count == POLICY_LINES)
			ok = policy_error(policy, at, "more than %d lines", POLICY_LINES);
		else if (strncmp(at_word, "beyond ", 7) == 0)
			ok = beyond_read(policy, at, at_word + 7);
		else
			ok = line_read(policy, at, at_word);
	}
	if (file)
		fclose(file);
	return ok;
}
