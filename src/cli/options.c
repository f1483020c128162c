/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"
#include "base/util.h"
#include "cli/options.h"

#define NEAR_ENOUGH 3		/* edits, for "did you mean" */
#define HELP_COLUMN 26

static const struct option_def *option_find(const struct option_def *defs, size_t count,
					    const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(defs[i].name) == len && strncmp(defs[i].name, name, len) == 0)
			return &defs[i];
	}
	return NULL;
}

static int option_unknown(const struct option_def *defs, size_t count, const char *name, size_t len,
			  struct error *err)
{
	const struct option_def *best = NULL;
	unsigned int best_distance = UINT_MAX;
	char word[64];

	if (name[0] != '-')
		return error_set(err, -EINVAL, "unexpected argument '%s': options start with --, and "
				 "--help lists them", name);
	snprintf(word, sizeof(word), "%.*s", (int)u64_min(len, 60), name);
	for (size_t i = 0; i < count; i++) {
		unsigned int distance = parse_distance(word, defs[i].name);

		if (distance < best_distance) {
			best = &defs[i];
			best_distance = distance;
		}
	}
	/* A start of a name is as good as a typing error. */
	for (size_t i = 0; i < count && best_distance > NEAR_ENOUGH; i++) {
		if (len > 4 && strncmp(defs[i].name, name, len) == 0) {
			best = &defs[i];
			best_distance = 0;
		}
	}
	if (best_distance <= NEAR_ENOUGH)
		return error_set(err, -EINVAL, "unknown option '%.*s': did you mean %s?", (int)len,
				 name, best->name);
	return error_set(err, -EINVAL, "unknown option '%.*s': --help lists those there are",
			 (int)len, name);
}

/* Parse the option at argv[*index], moving *index to the last argument that it used. */
static int option_parse(const struct option_def *defs, size_t count, int argc, char **argv,
			int *index, uint64_t *seen, void *target, struct error *err)
{
	const char *arg = argv[*index];
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
	const struct option_def *def = option_find(defs, count, arg, len);
	uint64_t bit;
	int r;

	if (!def)
		return option_unknown(defs, count, arg, len, err);
	bit = BIT64(def - defs);
	if (*seen & bit)
		return error_set(err, -EINVAL, "%s is given twice", def->name);
	*seen |= bit;
	if (!def->arg && value)
		return error_set(err, -EINVAL, "%s takes no value, but was given '%s'", def->name,
				 value);
	if (def->arg && def->arg[0] != '[' && !value) {
		if (*index + 1 >= argc)
			return error_set(err, -EINVAL, "%s needs a value: %s %s", def->name, def->name,
					 def->arg);
		value = argv[++*index];
	}
	r = def->set(target, value, err);
	return r < 0 ? error_wrap(err, "%s", def->name) : 0;
}

int options_parse(const struct option_def *defs, size_t count, int argc, char **argv, void *target,
		  struct error *err)
{
	uint64_t seen = 0;

	for (int i = 1; i < argc; i++) {
		int r = option_parse(defs, count, argc, argv, &i, &seen, target, err);

		if (r < 0)
			return r;
	}
	return 0;
}

void options_print(const struct option_def *defs, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		const char *line = defs[i].help;
		const char *arg = defs[i].arg ? defs[i].arg : "";
		int used = fprintf(out, "  %s%s%s", defs[i].name, arg[0] && arg[0] != '[' ? " " : "",
				   arg);

		if (used >= HELP_COLUMN)
			used = fprintf(out, "\n") - 1;
		for (;;) {
			size_t len = strcspn(line, "\n");

			fprintf(out, "%*s%.*s\n", HELP_COLUMN - used, "", (int)len, line);
			if (line[len] == '\0')
				break;
			line += len + 1;
			used = 0;
		}
	}
}
