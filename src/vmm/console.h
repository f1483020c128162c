/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - the guest's serial port on this process's standard input and output.
 *
 * Theory of operation. Output: a vCPU thread puts bytes into a ring (console_tx, under the serial
 * port's lock: one producer) and the device thread writes them out (one consumer), so that a slow
 * reader never blocks a vCPU or another device: when the ring is full the port's transmitter stays
 * busy until there is room. The first byte after a pause is written at once; while the guest goes on
 * printing, the consumer comes back every CONSOLE_TICK_MS by itself and writes what has gathered, so
 * that the guest does not pay for a wake-up a byte. Input: the device thread reads into a small buffer, takes the escape
 * sequences out, gives the port what it has room for and, while the buffer is full, leaves the rest to
 * the kernel and does not watch the descriptor, so that nothing is lost and nothing spins. The escape
 * works as long as the buffer has room, even if the guest does not listen.
 *
 * The standard descriptors are shared with other processes, so they are never made non-blocking:
 * each write is preceded by a poll and is no larger than what the poll vouches for. A terminal for
 * output, whose poll vouches for next to nothing, is opened anew and written to without blocking.
 *
 * A terminal's settings are the supervisor's business (supervisor.h), which says when it is raw and
 * may be read. In it, Ctrl-A is the escape: then x ends the VM, p presses the power button, Ctrl-A
 * sends a Ctrl-A.
 */
#ifndef VOLT_VMM_CONSOLE_H
#define VOLT_VMM_CONSOLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "devices/serial.h"
#include "vmm/loop.h"

#define CONSOLE_RING_SIZE 65536u	/* a power of two */
#define CONSOLE_TICK_MS 1
#define CONSOLE_PENDING_MAX 1024u

struct console_hooks {
	void (*stop)(void *ctx);	/* Ctrl-A x */
	void (*button)(void *ctx);	/* Ctrl-A p */
	void *ctx;
};

struct console {
	struct loop *loop;
	struct serial *serial;
	struct console_hooks hooks;

	struct loop_source in, out, wake;
	bool in_open;			/* no end of input yet */
	bool in_always_ready;		/* a regular file: epoll does not take it */
	bool in_terminal;		/* raw mode and escapes */
	bool escaped;			/* the last byte was the escape */
	size_t pending_len;		/* bytes in pending that the port has had no room for */
	uint8_t pending[CONSOLE_PENDING_MAX];
	bool out_open;			/* the reader is there */
	size_t out_chunk;		/* what one write may carry after a successful poll */

	/*
	 * The ring. head is the producer's, tail the consumer's; both run freely and are used modulo
	 * the size. Stores and loads of what is shared are sequentially consistent, for two protocols:
	 * the consumer clears awake and then looks at the ring a last time, the producer stores head
	 * and then looks at awake, so one of the two sees the other; the producer sets refused and then
	 * looks at tail a last time, the consumer stores tail and then takes refused.
	 */
	_Atomic uint32_t head, tail;
	atomic_bool awake;		/* the consumer will look at the ring without being woken */
	atomic_bool refused;
	atomic_bool rx_room;		/* the port has room again: set by a vCPU, taken here */
	uint8_t ring[CONSOLE_RING_SIZE];
};

/*
 * Take the standard streams, in the VM process: a terminal is opened anew by its path, for reading or
 * for writing alone, and standard error becomes /dev/null. Before the sandbox.
 */
void console_open(struct console *console);

/* Prepare the rest; @serial's backend is then console_backend(). */
int console_init(struct console *console, struct loop *loop, struct serial *serial,
		 const struct console_hooks *hooks, struct error *err);
struct serial_backend console_backend(struct console *console);

/* Start reading, unless the input is a terminal: that has to be given. */
void console_start(struct console *console);

/* The terminal on standard input is @ours to read from now on, or not any more. Device thread. */
void console_terminal(struct console *console, bool ours);

/* Write out what the ring still holds, for at most @timeout_ms. Device thread, vCPUs stopped. */
void console_drain(struct console *console, int timeout_ms);

void console_destroy(struct console *console);

#endif
