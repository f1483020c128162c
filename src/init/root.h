/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root.h - from the initramfs to the root device.
 */
#ifndef VOLT_INIT_ROOT_H
#define VOLT_INIT_ROOT_H

#include <stdbool.h>

#include "init/parse.h"

/* Whether / is the initramfs: on a ramfs or a tmpfs, and not moved anywhere yet. */
bool root_is_initramfs(void);

/*
 * Wait for options->root, mount it, make it /, empty the initramfs and execute options->init with
 * the arguments of @argv behind its own name. Returns only on failure, with the exit status; it
 * has said why on the console.
 */
int root_switch(const struct boot_options *options, char *argv[]);

#endif
