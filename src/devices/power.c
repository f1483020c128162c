/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/power.h"

static uint8_t power_read_port(struct power *power, uint64_t port)
{
	switch (port) {
	case POWER_SLEEP_CONTROL:
	case POWER_RESET:
		return 0;
	case POWER_SLEEP_STATUS:
		return POWER_WAK_STS;
	case POWER_EXIT_STATUS:
		return atomic_load(&power->exit_status);
	case POWER_BUTTON:
		return atomic_exchange(&power->button, false) ? 1 : 0;
	default:
		return 0xff;
	}
}

static void power_write_sleep(struct power *power, uint8_t value)
{
	if (!(value & POWER_SLP_EN))
		return;
	if ((value & POWER_SLP_TYP_MASK) >> POWER_SLP_TYP_SHIFT != POWER_SLP_TYP_S5)
		return;
	power->hooks.power_off(power->hooks.ctx, atomic_load(&power->exit_status));
}

static void power_write_port(struct power *power, uint64_t port, uint8_t value)
{
	switch (port) {
	case POWER_SLEEP_CONTROL:
		power_write_sleep(power, value);
		break;
	case POWER_RESET:
		if (value == POWER_RESET_VALUE)
			power->hooks.reset(power->hooks.ctx);
		break;
	case POWER_EXIT_STATUS:
		atomic_store(&power->exit_status, value);
		break;
	default:
		break;
	}
}

/* A wider access is one byte access a port, as a 16 or 32-bit cycle to an 8-bit device is. */
static void power_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	uint8_t *bytes = data;

	for (unsigned int i = 0; i < len; i++)
		bytes[i] = power_read_port(dev, offset + i);
}

static void power_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *bytes = data;

	for (unsigned int i = 0; i < len; i++)
		power_write_port(dev, offset + i, bytes[i]);
}

const struct bus_ops power_bus_ops = { .read = power_read, .write = power_write };

void power_init(struct power *power, const struct irq_line *irq, const struct power_hooks *hooks)
{
	power->irq = irq;
	power->hooks = *hooks;
	atomic_init(&power->exit_status, 0);
	atomic_init(&power->button, false);
}

void power_button_press(struct power *power)
{
	/* Before the edge, so that whoever handles it finds the button pressed. */
	atomic_store(&power->button, true);
	irq_raise(power->irq);
}

bool power_button_pending(struct power *power)
{
	return atomic_load(&power->button);
}
