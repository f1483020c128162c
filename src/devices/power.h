/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power.h - power-off, reset, exit status and power button behind eight I/O ports, as the ACPI
 * tables name them (boot/acpi.c) and volt-init uses them without ACPI.
 *
 *	+0  sleep control (ACPI 6.3, 4.8.3.7): a write of SLP_TYP << 2 | SLP_EN with SLP_TYP 5
 *	    powers off; reads as 0
 *	+1  sleep status: WAK_STS, reads as 0x80; writes ignored
 *	+2  reset: a write of 1 resets the machine; reads as 0
 *	+3  exit status: the workload's status, latched by a write, 0 until then; read back
 *	+4  button: 1 when the button was pressed since the last read; a read clears it
 *	+5..+7 reserved, read as 0xff
 *
 * The button's line is an edge that a guest which is still starting may lose, so whoever presses
 * asks power_button_pending() later and presses again.
 */
#ifndef VOLT_DEVICES_POWER_H
#define VOLT_DEVICES_POWER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/bus.h"
#include "devices/irq.h"

#define POWER_SLEEP_CONTROL	0
#define POWER_SLEEP_STATUS	1
#define POWER_RESET		2
#define POWER_EXIT_STATUS	3
#define POWER_BUTTON		4
#define POWER_PORTS		8

#define POWER_SLP_EN		0x20
#define POWER_SLP_TYP_SHIFT	2
#define POWER_SLP_TYP_MASK	0x1c
#define POWER_SLP_TYP_S5	5
#define POWER_WAK_STS		0x80
#define POWER_RESET_VALUE	1

/* Called on a vCPU thread. */
struct power_hooks {
	void (*power_off)(void *ctx, uint8_t status);
	void (*reset)(void *ctx);
	void *ctx;
};

struct power {
	const struct irq_line *irq;
	struct power_hooks hooks;
	atomic_uchar exit_status;
	atomic_bool button;
};

extern const struct bus_ops power_bus_ops;

void power_init(struct power *power, const struct irq_line *irq, const struct power_hooks *hooks);

/* Press the power button: raises the line. Any thread. */
void power_button_press(struct power *power);

/* Whether the guest has not yet read the last press. Any thread. */
bool power_button_pending(struct power *power);

#endif
