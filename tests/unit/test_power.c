/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/power.h"

struct fixture {
	struct power power;
	struct irq_line irq;
	unsigned int power_offs, resets;
	uint8_t status;
};

static void on_power_off(void *ctx, uint8_t status)
{
	struct fixture *f = ctx;

	f->power_offs++;
	f->status = status;
}

static void on_reset(void *ctx)
{
	struct fixture *f = ctx;

	f->resets++;
}

static void start(struct fixture *f)
{
	struct power_hooks hooks = { .power_off = on_power_off, .reset = on_reset, .ctx = f };

	*f = (struct fixture){ .irq.event_fd = eventfd(0, EFD_NONBLOCK) };
	power_init(&f->power, &f->irq, &hooks);
}

static uint8_t in(struct fixture *f, unsigned int port)
{
	uint8_t value;

	power_bus_ops.read(&f->power, port, &value, 1);
	return value;
}

static void out(struct fixture *f, unsigned int port, unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	power_bus_ops.write(&f->power, port, &byte, 1);
}

static void test_sleep(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(in(&f, POWER_SLEEP_CONTROL), 0);
	assert_int_equal(in(&f, POWER_SLEEP_STATUS), POWER_WAK_STS);
	out(&f, POWER_SLEEP_STATUS, 0xff);
	/* Only S5 with the enable bit counts. */
	for (unsigned int value = 0; value < 256; value++) {
		unsigned int type = (value & POWER_SLP_TYP_MASK) >> POWER_SLP_TYP_SHIFT;
		unsigned int before = f.power_offs;

		out(&f, POWER_SLEEP_CONTROL, value);
		assert_int_equal(f.power_offs - before,
				 (value & POWER_SLP_EN) && type == POWER_SLP_TYP_S5);
	}
	assert_int_equal(f.status, 0);
	assert_int_equal(f.resets, 0);
	close(f.irq.event_fd);
}

static void test_exit_status(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(in(&f, POWER_EXIT_STATUS), 0);
	out(&f, POWER_EXIT_STATUS, 42);
	assert_int_equal(in(&f, POWER_EXIT_STATUS), 42);
	out(&f, POWER_SLEEP_CONTROL, POWER_SLP_TYP_S5 << POWER_SLP_TYP_SHIFT | POWER_SLP_EN);
	assert_int_equal(f.power_offs, 1);
	assert_int_equal(f.status, 42);
	close(f.irq.event_fd);
}

static void test_reset(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	for (unsigned int value = 0; value < 256; value++)
		out(&f, POWER_RESET, value);
	assert_int_equal(f.resets, 1);
	assert_int_equal(in(&f, POWER_RESET), 0);
	close(f.irq.event_fd);
}

static void test_button(void **state)
{
	struct fixture f;
	eventfd_t edges;

	(void)state;
	start(&f);
	assert_int_equal(in(&f, POWER_BUTTON), 0);
	assert_false(power_button_pending(&f.power));
	power_button_press(&f.power);
	assert_int_equal(eventfd_read(f.irq.event_fd, &edges), 0);
	assert_true(power_button_pending(&f.power));
	out(&f, POWER_BUTTON, 0);			/* a write is nothing */
	assert_true(power_button_pending(&f.power));
	assert_int_equal(in(&f, POWER_BUTTON), 1);
	assert_false(power_button_pending(&f.power));
	assert_int_equal(in(&f, POWER_BUTTON), 0);
	close(f.irq.event_fd);
}

static void test_reserved_and_wide(void **state)
{
	struct fixture f;
	uint8_t bytes[8];

	(void)state;
	start(&f);
	for (unsigned int port = 5; port < POWER_PORTS; port++) {
		out(&f, port, 0);
		assert_int_equal(in(&f, port), 0xff);
	}
	out(&f, POWER_EXIT_STATUS, 7);
	power_button_press(&f.power);
	power_bus_ops.read(&f.power, 0, bytes, 8);
	assert_memory_equal(bytes, "\x00\x80\x00\x07\x01\xff\xff\xff", 8);
	power_bus_ops.write(&f.power, POWER_SLEEP_STATUS, "\0\1\x63", 3);
	assert_int_equal(f.resets, 1);
	assert_int_equal(in(&f, POWER_EXIT_STATUS), 0x63);
	close(f.irq.event_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleep), cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_reset), cmocka_unit_test(test_button),
		cmocka_unit_test(test_reserved_and_wide),
	};

	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
