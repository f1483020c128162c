/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The line to the backend has no speed: a byte written to THR goes to the backend in the same
 * access and the transmitter is empty again at once. Only when the backend refuses do bytes wait in
 * the transmit FIFO, where THRE and TEMT stay clear until all of them are gone. A driver may write
 * 16 bytes after it has seen THRE, so that many are kept; what is written beyond that is lost, as
 * on hardware.
 *
 * Input waits in one array: first what is in the receive FIFO, which the guest sees, then what is
 * on the line. serial_receive() moves the boundary when the FIFO has room and the line is open.
 * Bytes that came before the guest wrote MCR for the first time go back onto the line when it turns
 * out that it is not ready for them.
 *
 * Interrupts. The UART's INTR output is a level: the OR of four sources (receiver line status, data
 * received, transmitter empty, modem status), each enabled by a bit of IER. The machine's line is
 * an edge (an irqfd), so the code keeps the set of sources for which it has raised an edge and,
 * after everything that can change the set, raises another when the new set is not empty and
 * differs. A source that goes away and comes back thus always makes an edge, and so does what
 * remains when the guest has dealt with another source. Where a slow line would have let INTR fall
 * for a moment (a byte written while the transmitter is empty, a byte read below the trigger level
 * with more to come) the set is emptied first, so that a driver which deals with one byte an
 * interrupt gets the next one.
 *
 * OUT2 does not gate the line, as it does on a PC's serial card: no driver depends on losing
 * interrupts, and a guest without a full driver need not know about it.
 */
#include <string.h>

#include "base/util.h"
#include "devices/serial.h"

/* Offsets */
#define REG_DATA	0	/* RBR, THR; DLL while LCR.DLAB is set */
#define REG_IER		1	/* DLM while LCR.DLAB is set */
#define REG_IIR		2	/* FCR when written */
#define REG_LCR		3
#define REG_MCR		4
#define REG_LSR		5
#define REG_MSR		6
#define REG_SCR		7

#define IER_RDI		0x01	/* received data available, and time-out */
#define IER_THRI	0x02	/* transmitter holding register empty */
#define IER_RLSI	0x04	/* receiver line status */
#define IER_MSI		0x08	/* modem status */
#define IER_MASK	0x0f

#define IIR_NO_INT	0x01
#define IIR_MSI		0x00
#define IIR_THRI	0x02
#define IIR_RDI		0x04
#define IIR_RLSI	0x06
#define IIR_TIMEOUT	0x0c
#define IIR_FIFO	0xc0

#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define FCR_CLEAR_TX	0x04
#define FCR_KEPT	0xc9	/* enable, DMA mode, trigger level */
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB	0x80

#define MCR_DTR		0x01
#define MCR_RTS		0x02
#define MCR_OUT1	0x04
#define MCR_OUT2	0x08
#define MCR_LOOP	0x10
#define MCR_MASK	0x1f

#define LSR_DR		0x01	/* data ready */
#define LSR_OE		0x02	/* overrun */
#define LSR_THRE	0x20	/* transmit FIFO empty */
#define LSR_TEMT	0x40	/* transmitter empty */

#define MSR_DELTAS	0x0f
#define MSR_TERI	0x04	/* ring indicator went away */
#define MSR_CTS		0x10
#define MSR_DSR		0x20
#define MSR_RI		0x40
#define MSR_DCD		0x80
#define MSR_DELTA_SHIFT	4

#define DIVISOR_9600	12

/* Ask for more input when the line has drained this far: fewer, larger pieces. */
#define LINE_LOW_WATER	(SERIAL_LINE_SIZE / 2)

_Static_assert(SERIAL_FIFO_SIZE + SERIAL_LINE_SIZE <= UINT8_MAX, "counts are bytes");

static unsigned int serial_sources(const struct serial_state *state)
{
	unsigned int sources = 0;

	if (state->overrun)
		sources |= IER_RLSI;
	if (state->fifo_count > 0)
		sources |= IER_RDI;
	if (state->thri_pending)
		sources |= IER_THRI;
	if (state->msr & MSR_DELTAS)
		sources |= IER_MSI;
	return sources & state->ier;
}

/* To be called after everything that may have changed the sources or their enabling. */
static void serial_update_irq(struct serial *serial)
{
	unsigned int sources = serial_sources(&serial->state);

	if (sources != 0 && sources != serial->pending)
		irq_raise(serial->irq);
	serial->pending = sources;
}

/* In 16450 mode the FIFOs are single registers. */
static unsigned int serial_fifo_depth(const struct serial_state *state)
{
	return state->fcr & FCR_ENABLE ? SERIAL_FIFO_SIZE : 1;
}

static bool serial_line_open(const struct serial_state *state)
{
	if (!state->mcr_written)
		return true;
	return (state->mcr & MCR_RTS) && !(state->mcr & MCR_LOOP);
}

static unsigned int serial_on_line(const struct serial_state *state)
{
	return state->rx_count - state->fifo_count;
}

/* To be called after everything that may have made room in the FIFO, or opened the line. */
static void serial_receive(struct serial_state *state)
{
	while (serial_line_open(state) && serial_on_line(state) > 0 &&
	       state->fifo_count < serial_fifo_depth(state))
		state->fifo_count++;
}

/* Take @count bytes out of the FIFO. */
static void serial_fifo_drop(struct serial_state *state, unsigned int count)
{
	state->rx_count = (uint8_t)(state->rx_count - count);
	state->fifo_count = (uint8_t)(state->fifo_count - count);
	memmove(state->rx, state->rx + count, state->rx_count);
}

static void serial_update_rx_room(struct serial *serial)
{
	if (!serial->rx_refused || serial_on_line(&serial->state) > LINE_LOW_WATER)
		return;
	serial->rx_refused = false;
	serial->backend.rx_room(serial->backend.ctx);
}

/* How many bytes the receive FIFO holds before it says "data" rather than "time-out". */
static unsigned int serial_rx_trigger(const struct serial_state *state)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	if (!(state->fcr & FCR_ENABLE))
		return 1;
	return level[state->fcr >> FCR_TRIGGER_SHIFT];
}

static uint8_t serial_read_rbr(struct serial *serial)
{
	struct serial_state *state = &serial->state;
	uint8_t byte = state->rx[0];

	if (state->fifo_count == 0)
		return 0;
	serial_fifo_drop(state, 1);
	if (state->fifo_count < serial_rx_trigger(state))
		serial->pending = 0;
	return byte;
}

/* A byte goes from the guest to itself; there is no line that could wait. */
static void serial_loop_back(struct serial_state *state, uint8_t byte)
{
	uint8_t *end = state->rx + state->fifo_count;

	state->thri_pending = true;
	if (state->fifo_count >= serial_fifo_depth(state) || state->rx_count == sizeof(state->rx)) {
		state->overrun = true;
		return;
	}
	memmove(end + 1, end, serial_on_line(state));
	*end = byte;
	state->fifo_count++;
	state->rx_count++;
}

static void serial_write_thr(struct serial *serial, uint8_t byte)
{
	struct serial_state *state = &serial->state;

	if (state->ier & IER_THRI)
		serial->pending = 0;
	if (state->mcr & MCR_LOOP) {
		serial_loop_back(state, byte);
		return;
	}
	if (state->tx_count == 0 && serial->backend.tx(serial->backend.ctx, byte)) {
		state->thri_pending = true;	/* full and empty again */
		return;
	}
	state->thri_pending = false;
	if (state->tx_count < serial_fifo_depth(state))
		state->tx[state->tx_count++] = byte;
}

static void serial_write_ier(struct serial_state *state, uint8_t value)
{
	bool enabled = (value & IER_THRI) && !(state->ier & IER_THRI);

	state->ier = value & IER_MASK;
	/* Enabling the interrupt while the transmitter is empty makes one, seen or not before. */
	if (enabled && state->tx_count == 0)
		state->thri_pending = true;
}

static void serial_write_fcr(struct serial_state *state, uint8_t value)
{
	bool toggled = (value ^ state->fcr) & FCR_ENABLE;

	if (toggled || (value & FCR_CLEAR_RX)) {
		serial_fifo_drop(state, state->fifo_count);
		state->overrun = false;
	}
	if ((toggled || (value & FCR_CLEAR_TX)) && state->tx_count > 0) {
		state->tx_count = 0;
		state->thri_pending = true;
	}
	/* The other bits count only in a write that has the enable bit. */
	state->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

/*
 * The modem inputs: in loop-back the outputs come back (RTS as CTS, DTR as DSR, OUT1 as RI, OUT2 as
 * DCD), otherwise the far end is always there and ready.
 */
static uint8_t serial_modem_inputs(uint8_t mcr)
{
	uint8_t inputs = 0;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (mcr & MCR_RTS)
		inputs |= MSR_CTS;
	if (mcr & MCR_DTR)
		inputs |= MSR_DSR;
	if (mcr & MCR_OUT1)
		inputs |= MSR_RI;
	if (mcr & MCR_OUT2)
		inputs |= MSR_DCD;
	return inputs;
}

static void serial_write_mcr(struct serial_state *state, uint8_t value)
{
	uint8_t before = state->msr & (uint8_t)~MSR_DELTAS;
	uint8_t after = serial_modem_inputs(value);
	uint8_t deltas = (uint8_t)((before ^ after) >> MSR_DELTA_SHIFT);

	if (after & MSR_RI)
		deltas &= (uint8_t)~MSR_TERI;	/* only the trailing edge counts */
	state->mcr = value & MCR_MASK;
	if (!state->mcr_written) {
		state->mcr_written = true;
		if (!serial_line_open(state))
			state->fifo_count = 0;	/* back onto the line, unseen */
	}
	state->msr = (uint8_t)(after | (state->msr & MSR_DELTAS) | deltas);
}

/* Reading tells the most urgent source; "transmitter empty" is thereby dealt with. */
static uint8_t serial_read_iir(struct serial_state *state)
{
	uint8_t fifo = state->fcr & FCR_ENABLE ? IIR_FIFO : 0;
	unsigned int sources = serial_sources(state);

	if (sources & IER_RLSI)
		return fifo | IIR_RLSI;
	if (sources & IER_RDI) {
		if (state->fifo_count >= serial_rx_trigger(state))
			return fifo | IIR_RDI;
		return fifo | IIR_TIMEOUT;
	}
	if (sources & IER_THRI) {
		state->thri_pending = false;
		return fifo | IIR_THRI;
	}
	return fifo | (sources & IER_MSI ? IIR_MSI : IIR_NO_INT);
}

static uint8_t serial_read_lsr(struct serial_state *state)
{
	uint8_t lsr = 0;

	if (state->fifo_count > 0)
		lsr |= LSR_DR;
	if (state->tx_count == 0)
		lsr |= LSR_THRE | LSR_TEMT;
	if (state->overrun)
		lsr |= LSR_OE;
	state->overrun = false;
	return lsr;
}

static uint8_t serial_read_msr(struct serial_state *state)
{
	uint8_t msr = state->msr;

	state->msr &= (uint8_t)~MSR_DELTAS;
	return msr;
}

static uint8_t serial_read_register(struct serial *serial, uint64_t reg)
{
	struct serial_state *state = &serial->state;
	bool dlab = state->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? state->dll : serial_read_rbr(serial);
	case REG_IER:
		return dlab ? state->dlm : state->ier;
	case REG_IIR:
		return serial_read_iir(state);
	case REG_LCR:
		return state->lcr;
	case REG_MCR:
		return state->mcr;
	case REG_LSR:
		return serial_read_lsr(state);
	case REG_MSR:
		return serial_read_msr(state);
	default:
		return state->scr;
	}
}

static void serial_write_register(struct serial *serial, uint64_t reg, uint8_t value)
{
	struct serial_state *state = &serial->state;
	bool dlab = state->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			state->dll = value;
		else
			serial_write_thr(serial, value);
		break;
	case REG_IER:
		if (dlab)
			state->dlm = value;
		else
			serial_write_ier(state, value);
		break;
	case REG_IIR:
		serial_write_fcr(state, value);
		break;
	case REG_LCR:
		state->lcr = value;
		break;
	case REG_MCR:
		serial_write_mcr(state, value);
		break;
	case REG_SCR:
		state->scr = value;
		break;
	default:		/* LSR and MSR are only read */
		break;
	}
}

/* What follows from an access. */
static void serial_settle(struct serial *serial)
{
	serial_receive(&serial->state);
	serial_update_irq(serial);
	serial_update_rx_room(serial);
}

/* A wider access is one byte access a port, as a 16 or 32-bit cycle to an 8-bit device is. */
static void serial_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct serial *serial = dev;
	uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (unsigned int i = 0; i < len; i++)
		bytes[i] = serial_read_register(serial, offset + i);
	serial_settle(serial);
	pthread_mutex_unlock(&serial->lock);
}

static void serial_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct serial *serial = dev;
	const uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (unsigned int i = 0; i < len; i++)
		serial_write_register(serial, offset + i, bytes[i]);
	serial_settle(serial);
	pthread_mutex_unlock(&serial->lock);
}

const struct bus_ops serial_bus_ops = { .read = serial_read, .write = serial_write };

void serial_init(struct serial *serial, const struct irq_line *irq,
		 const struct serial_backend *backend)
{
	*serial = (struct serial){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.irq = irq,
		.backend = *backend,
		.state = { .dll = DIVISOR_9600, .msr = serial_modem_inputs(0) },
	};
}

size_t serial_input_room(struct serial *serial)
{
	unsigned int waiting;
	size_t room = 0;

	pthread_mutex_lock(&serial->lock);
	waiting = serial_on_line(&serial->state);
	if (waiting < SERIAL_LINE_SIZE)
		room = SERIAL_LINE_SIZE - waiting;
	else
		serial->rx_refused = true;
	pthread_mutex_unlock(&serial->lock);
	return room;
}

size_t serial_input(struct serial *serial, const uint8_t *data, size_t len)
{
	struct serial_state *state = &serial->state;
	size_t taken;

	pthread_mutex_lock(&serial->lock);
	taken = u64_min(len, sizeof(state->rx) - state->rx_count);
	memcpy(state->rx + state->rx_count, data, taken);
	state->rx_count = (uint8_t)(state->rx_count + taken);
	if (taken < len)
		serial->rx_refused = true;
	serial_receive(state);
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return taken;
}

void serial_tx_room(struct serial *serial)
{
	struct serial_state *state = &serial->state;
	unsigned int sent = 0;

	pthread_mutex_lock(&serial->lock);
	while (sent < state->tx_count && serial->backend.tx(serial->backend.ctx, state->tx[sent]))
		sent++;
	if (sent > 0) {
		state->tx_count = (uint8_t)(state->tx_count - sent);
		memmove(state->tx, state->tx + sent, state->tx_count);
		state->thri_pending = state->tx_count == 0;
	}
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}
