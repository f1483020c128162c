/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power.h - the end of the machine. The monitor's power device has these ports, the first three as
 * in the ACPI specification 6.3, 4.8.3.7: 0x600 sleep control, 0x601 sleep status, 0x602 reset,
 * 0x603 the workload's exit status, which the monitor makes its own, 0x604 whether the button was
 * pressed since the last read.
 */
#ifndef VOLT_INIT_POWER_H
#define VOLT_INIT_POWER_H

#include <stdbool.h>

/* Whether this is the monitor's machine, and its button can be asked for. */
bool power_button_exists(void);

/* Whether the button was pressed since the last call; a press before the first one counts. */
bool power_button_pressed(void);

/* Leave @status with the monitor, if there is one, and power off. File systems are down. */
void power_off(int status) __attribute__((noreturn));

/* Reset the machine. File systems are down. */
void power_reboot(void) __attribute__((noreturn));

#endif
