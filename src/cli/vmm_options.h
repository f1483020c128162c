/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm_options.h - volt-vmm's command line.
 */
#ifndef VOLT_CLI_VMM_OPTIONS_H
#define VOLT_CLI_VMM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "sandbox/sandbox.h"
#include "vmm/config.h"

struct vmm_options {
	struct machine_config config;
	struct sandbox_config sandbox;
	bool help, version;
};

/* Parse and check. The strings stay those of @argv. -EINVAL. */
int vmm_options_parse(int argc, char **argv, struct vmm_options *ret_options, struct error *err);

/* The whole help text, with the exit statuses. */
void vmm_options_help(FILE *out);

#endif
