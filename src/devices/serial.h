/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.h - a 16550A UART (National Semiconductor PC16550D data sheet), the guest's console.
 *
 * Registers are accessed by vCPU threads, input and the backend's "room again" come from the device
 * thread; the lock inside covers all of it. Nothing here ever blocks: when the backend has no room
 * bytes stay in the transmit FIFO (LSR.THRE clear) and the guest waits, as for a slow line; when
 * there is no room for input the caller keeps it.
 *
 * Input is never lost. The far end honours RTS, as a cable with hardware flow control does: once
 * the guest has written MCR, bytes reach the receive FIFO only while MCR.RTS is set and wait on the
 * line otherwise. A driver sets RTS when it is ready to receive, so what was typed or piped in
 * before that survives the driver's initialisation (Linux empties the FIFO and reads a byte into
 * nowhere when the port is opened). A guest that never touches MCR just receives.
 */
#ifndef VOLT_DEVICES_SERIAL_H
#define VOLT_DEVICES_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/bus.h"
#include "devices/irq.h"

#define SERIAL_PORTS 8		/* size of the bus window */
#define SERIAL_FIFO_SIZE 16	/* both FIFOs */
#define SERIAL_LINE_SIZE 64	/* how much input may wait on the line to the receive FIFO */

/*
 * Called with the serial's lock held, from a vCPU thread or from serial_tx_room()'s caller; must
 * not block nor call back.
 */
struct serial_backend {
	bool (*tx)(void *ctx, uint8_t byte);	/* take a byte; false: no room, not taken */
	void (*rx_room)(void *ctx);		/* input was refused and would be taken now */
	void *ctx;
};

/* What a snapshot needs. Registers are named as in the data sheet. */
struct serial_state {
	uint8_t ier, lcr, mcr, scr, fcr, dll, dlm;
	uint8_t msr;			/* modem inputs and their deltas */
	bool overrun;			/* LSR.OE; only the guest's own loop-back can cause it */
	bool thri_pending;		/* transmitter empty interrupt not yet seen */
	bool mcr_written;		/* the guest has taken charge of RTS */
	uint8_t tx_count;		/* bytes in tx: waiting for room in the backend */
	uint8_t fifo_count;		/* the first bytes of rx: in the receive FIFO */
	uint8_t rx_count;		/* all bytes in rx: the FIFO's, then the line's */
	uint8_t tx[SERIAL_FIFO_SIZE];
	uint8_t rx[SERIAL_FIFO_SIZE + SERIAL_LINE_SIZE];
};

struct serial {
	pthread_mutex_t lock;		/* taken before any lock of the backend's */
	const struct irq_line *irq;
	struct serial_backend backend;
	unsigned int pending;		/* interrupt sources for which an edge was raised */
	bool rx_refused;		/* the input's owner waits for rx_room() */
	struct serial_state state;
};

/* SERIAL_PORTS ports. */
extern const struct bus_ops serial_bus_ops;

void serial_init(struct serial *serial, const struct irq_line *irq,
		 const struct serial_backend *backend);

/*
 * How many bytes serial_input() would take now. After a 0 the backend's rx_room() is called once
 * when there is room: until then the caller may stop to watch its input. Device thread.
 */
size_t serial_input_room(struct serial *serial);

/*
 * Put bytes on the line to the guest; returns how many were taken, at least what
 * serial_input_room() said since the last call. When that is less than @len, rx_room() follows as
 * above. Device thread.
 */
size_t serial_input(struct serial *serial, const uint8_t *data, size_t len);

/* The backend has room again after it refused a byte. Spurious calls do no harm. Device thread. */
void serial_tx_room(struct serial *serial);

#endif
