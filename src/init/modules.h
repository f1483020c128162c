/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.h - kernel modules, for kernels that need some to find their root device.
 */
#ifndef VOLT_INIT_MODULES_H
#define VOLT_INIT_MODULES_H

/* One module a line, in the order of loading: its path, then its parameters if it has any. */
#define MODULES_LIST "/etc/volt/modules"

/* Load what MODULES_LIST names, if it exists. What fails is said on the console and left out. */
void modules_load(void);

#endif
