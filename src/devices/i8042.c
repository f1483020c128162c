/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command and status bits as in the IBM PS/2 technical reference, "Keyboard and Auxiliary Device
 * Controller". vCPU threads access the two ports; one lock covers the few bytes of state.
 */
#include "devices/i8042.h"

#define STATUS_OBF	0x01	/* output buffer full: a byte waits at 0x60 */
#define STATUS_SYS	0x04	/* system flag, a copy of the command byte's */
#define STATUS_CMD	0x08	/* the last write went to 0x64 */
#define STATUS_UNLOCKED	0x10	/* the keyboard lock is open */
#define STATUS_AUXDATA	0x20	/* the byte at 0x60 is the auxiliary device's */
#define STATUS_TIMEOUT	0x40	/* the device did not answer */

#define CTR_KBD_INT	0x01
#define CTR_SYS		0x04
#define CTR_KBD_DISABLE	0x10
#define CTR_AUX_DISABLE	0x20
#define CTR_DEFAULT	0x47	/* both interrupts, system flag, translation */

#define CMD_READ_CTR		0x20
#define CMD_WRITE_CTR		0x60
#define CMD_PASSWORD_TEST	0xa4
#define CMD_AUX_DISABLE		0xa7
#define CMD_AUX_ENABLE		0xa8
#define CMD_AUX_TEST		0xa9
#define CMD_SELF_TEST		0xaa
#define CMD_KBD_TEST		0xab
#define CMD_KBD_DISABLE		0xad
#define CMD_KBD_ENABLE		0xae
#define CMD_READ_INPUT_PORT	0xc0
#define CMD_READ_OUTPUT_PORT	0xd0
#define CMD_WRITE_OUTPUT_PORT	0xd1
#define CMD_WRITE_KBD_BUFFER	0xd2
#define CMD_WRITE_AUX_BUFFER	0xd3
#define CMD_WRITE_AUX		0xd4
#define CMD_PULSE		0xf0	/* to 0xff: pulse the output port's lines whose bit is 0 */

#define OUTPUT_PORT_RUN		0x01	/* low resets the processor */
#define OUTPUT_PORT_A20		0x02

#define REPLY_SELF_TEST_OK	0x55
#define REPLY_TEST_OK		0x00
#define REPLY_AUX_FAULT		0x01	/* clock line stuck low */
#define REPLY_NO_PASSWORD	0xf1
#define REPLY_INPUT_PORT	0x80	/* keyboard not inhibited */
#define REPLY_RESEND		0xfe	/* what a controller says for a device that is silent */

static void i8042_put(struct i8042_state *state, uint8_t value, uint8_t flags)
{
	state->out = value;
	state->status &= (uint8_t)~(STATUS_AUXDATA | STATUS_TIMEOUT);
	state->status |= STATUS_OBF | flags;
}

/* A byte that looks as if it came from the keyboard, which interrupts when it may. */
static void i8042_put_keyboard(struct i8042 *dev, uint8_t value, uint8_t flags)
{
	i8042_put(&dev->state, value, flags);
	if (dev->irq && (dev->state.ctr & CTR_KBD_INT))
		irq_raise(dev->irq);
}

static void i8042_set_ctr(struct i8042_state *state, uint8_t ctr)
{
	state->ctr = ctr;
	state->status &= (uint8_t)~STATUS_SYS;
	if (ctr & CTR_SYS)
		state->status |= STATUS_SYS;
}

/* Returns whether the machine is to be reset. */
static bool i8042_command(struct i8042_state *state, uint8_t cmd)
{
	state->status |= STATUS_CMD;
	state->pending_cmd = 0;
	switch (cmd) {
	case CMD_READ_CTR:
		i8042_put(state, state->ctr, 0);
		break;
	case CMD_PASSWORD_TEST:
		i8042_put(state, REPLY_NO_PASSWORD, 0);
		break;
	case CMD_AUX_DISABLE:
		state->ctr |= CTR_AUX_DISABLE;
		break;
	case CMD_AUX_ENABLE:
		state->ctr &= (uint8_t)~CTR_AUX_DISABLE;
		break;
	case CMD_AUX_TEST:
		i8042_put(state, REPLY_AUX_FAULT, 0);
		break;
	case CMD_SELF_TEST:
		i8042_set_ctr(state, CTR_DEFAULT);
		i8042_put(state, REPLY_SELF_TEST_OK, 0);
		break;
	case CMD_KBD_TEST:
		i8042_put(state, REPLY_TEST_OK, 0);
		break;
	case CMD_KBD_DISABLE:
		state->ctr |= CTR_KBD_DISABLE;
		break;
	case CMD_KBD_ENABLE:
		state->ctr &= (uint8_t)~CTR_KBD_DISABLE;
		break;
	case CMD_READ_INPUT_PORT:
		i8042_put(state, REPLY_INPUT_PORT, 0);
		break;
	case CMD_READ_OUTPUT_PORT:
		i8042_put(state, OUTPUT_PORT_RUN | OUTPUT_PORT_A20, 0);
		break;
	case CMD_WRITE_CTR:
	case CMD_WRITE_OUTPUT_PORT:
	case CMD_WRITE_KBD_BUFFER:
	case CMD_WRITE_AUX_BUFFER:
	case CMD_WRITE_AUX:
		state->pending_cmd = cmd;
		break;
	default:
		return (cmd & CMD_PULSE) == CMD_PULSE && !(cmd & OUTPUT_PORT_RUN);
	}
	return false;
}

/* A byte written to 0x60. Returns whether the machine is to be reset. */
static bool i8042_data(struct i8042 *dev, uint8_t value)
{
	struct i8042_state *state = &dev->state;
	uint8_t cmd = state->pending_cmd;

	state->pending_cmd = 0;
	state->status &= (uint8_t)~STATUS_CMD;
	switch (cmd) {
	case CMD_WRITE_CTR:
		i8042_set_ctr(state, value);
		break;
	case CMD_WRITE_OUTPUT_PORT:
		return !(value & OUTPUT_PORT_RUN);
	case CMD_WRITE_KBD_BUFFER:
		i8042_put_keyboard(dev, value, 0);
		break;
	case CMD_WRITE_AUX_BUFFER:
		i8042_put(state, value, 0);	/* no AUXDATA: see the head of i8042.h */
		break;
	case CMD_WRITE_AUX:
		i8042_put(state, REPLY_RESEND, STATUS_AUXDATA | STATUS_TIMEOUT);
		break;
	default:
		i8042_put_keyboard(dev, REPLY_RESEND, STATUS_TIMEOUT);
		break;
	}
	return false;
}

/* The windows are one port wide, so every access is one byte. */
static void i8042_read_data(void *opaque, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *dev = opaque;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&dev->lock);
	*(uint8_t *)data = dev->state.out;
	dev->state.status &= (uint8_t)~(STATUS_OBF | STATUS_AUXDATA | STATUS_TIMEOUT);
	pthread_mutex_unlock(&dev->lock);
}

static void i8042_read_status(void *opaque, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *dev = opaque;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&dev->lock);
	*(uint8_t *)data = dev->state.status;
	pthread_mutex_unlock(&dev->lock);
}

static void i8042_write_data(void *opaque, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *dev = opaque;
	bool reset;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&dev->lock);
	reset = i8042_data(dev, *(const uint8_t *)data);
	pthread_mutex_unlock(&dev->lock);
	if (reset)
		dev->reset(dev->ctx);
}

static void i8042_write_command(void *opaque, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *dev = opaque;
	bool reset;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&dev->lock);
	reset = i8042_command(&dev->state, *(const uint8_t *)data);
	pthread_mutex_unlock(&dev->lock);
	if (reset)
		dev->reset(dev->ctx);
}

const struct bus_ops i8042_data_ops = { .read = i8042_read_data, .write = i8042_write_data };
const struct bus_ops i8042_cmd_ops = { .read = i8042_read_status, .write = i8042_write_command };

void i8042_init(struct i8042 *dev, void (*reset)(void *ctx), void *ctx)
{
	*dev = (struct i8042){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.reset = reset,
		.ctx = ctx,
		.state = { .ctr = CTR_DEFAULT, .status = STATUS_UNLOCKED | STATUS_SYS },
	};
}
