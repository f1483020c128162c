/* SPDX-License-Identifier: Apache-2.0 */
/*
 * i8042.h - as much of the keyboard controller as lets a PC kernel probe it quickly and reset the
 * machine through it (command 0xfe): no keyboard, no mouse.
 *
 * The controller answers every command at once and its input buffer is never full, so that nothing
 * a kernel does while probing runs into a timeout. What is not there says so in the way that makes
 * Linux (drivers/input/serio/i8042.c) give up first:
 *
 *	auxiliary port	the interface test (0xa9) reports a fault and the loop-back (0xd3) answers
 *			without AUXDATA: Linux then has no auxiliary port and tests no interrupt
 *	keyboard	a byte sent to it is answered by 0xfe and the time-out flag, as a real
 *			controller does with nothing plugged in
 */
#ifndef VOLT_DEVICES_I8042_H
#define VOLT_DEVICES_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/bus.h"
#include "devices/irq.h"

/* What a snapshot needs. */
struct i8042_state {
	uint8_t ctr;			/* command byte */
	uint8_t status;
	uint8_t out;			/* output buffer */
	uint8_t pending_cmd;		/* command that waits for a data byte, 0: none */
};

struct i8042 {
	pthread_mutex_t lock;		/* covers state; a leaf */
	void (*reset)(void *ctx);	/* called on a vCPU thread, without the lock */
	void *ctx;
	/*
	 * The keyboard's line (GSI 1), NULL after i8042_init(): a machine that has none loses only
	 * the keyboard's "nobody here", which some kernels then wait for in the background.
	 */
	const struct irq_line *irq;
	struct i8042_state state;
};

void i8042_init(struct i8042 *dev, void (*reset)(void *ctx), void *ctx);

/* Two windows of one port each: 0x60 and 0x64 (0x61 between them belongs to KVM's PIT). */
extern const struct bus_ops i8042_data_ops;
extern const struct bus_ops i8042_cmd_ops;

#endif
