/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.h - raw mode of one terminal, and the way back on every way out that leaves this process
 * any say, fatal signals included. Process-wide: the supervisor's.
 */
#ifndef VOLT_VMM_TERMINAL_H
#define VOLT_VMM_TERMINAL_H

#include <stdbool.h>

/*
 * Make the terminal @fd raw. Returns false, and changes nothing, when this process is not in its
 * foreground. The first call's settings are the ones restored.
 */
bool terminal_raw(int fd);

/* Give the terminal its first settings back, if it was made raw. Async-signal-safe. */
void terminal_restore(void);

#endif
