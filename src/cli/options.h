/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/ - the front ends: option tables, help, messages, main().
 *
 * options.h - long options from one table that also makes the help text. `--name value` and
 * `--name=value` both work; there are no short options and no positional arguments.
 */
#ifndef VOLT_CLI_OPTIONS_H
#define VOLT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

#define OPTIONS_MAX 64

struct option_def {
	const char *name;	/* with the two dashes */
	const char *arg;	/* the value's name in the help, or NULL: a switch; "[=NAME]": a
				   switch that may have a value, then given behind '=' */
	const char *help;	/* one or more lines, separated by '\n' */
	/*
	 * Store the value (NULL for a switch) in the caller's object. Returns 0 or sets an error that
	 * need not name the option: that is put in front.
	 */
	int (*set)(void *target, const char *value, struct error *err);
};

/*
 * Parse argv[1..] into @target. An option given twice is an error, since one of the two values
 * would be dropped. An unknown one is answered with the nearest known. -EINVAL.
 */
int options_parse(const struct option_def *defs, size_t count, int argc, char **argv, void *target,
		  struct error *err);

/* Print the table as the body of a help text. */
void options_print(const struct option_def *defs, size_t count, FILE *out);

#endif
