/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/i8042.h"

#define OBF	0x01
#define IBF	0x02
#define SYS	0x04
#define CMD	0x08
#define UNLOCKED 0x10
#define AUXDATA	0x20
#define TIMEOUT	0x40

static unsigned int resets;
static struct i8042 kbc;

static void on_reset(void *ctx)
{
	assert_ptr_equal(ctx, &resets);
	resets++;
	/* The lock is not held. */
	assert_int_equal(pthread_mutex_trylock(&kbc.lock), 0);
	pthread_mutex_unlock(&kbc.lock);
}

static int setup(void **state)
{
	(void)state;
	resets = 0;
	i8042_init(&kbc, on_reset, &resets);
	return 0;
}

static uint8_t status(void)
{
	uint8_t value;

	i8042_cmd_ops.read(&kbc, 0, &value, 1);
	return value;
}

static uint8_t data(void)
{
	uint8_t value;

	i8042_data_ops.read(&kbc, 0, &value, 1);
	return value;
}

static void put(unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	i8042_data_ops.write(&kbc, 0, &byte, 1);
}

static void command(unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	i8042_cmd_ops.write(&kbc, 0, &byte, 1);
}

/* What a driver does that waits for the answer's flag: it is there at once or never. */
static uint8_t answer(void)
{
	assert_true(status() & OBF);
	return data();
}

static uint8_t read_ctr(void)
{
	command(0x20);
	return answer();
}

static void test_commands(void **state)
{
	(void)state;
	assert_int_equal(status(), UNLOCKED | SYS);
	assert_int_equal(read_ctr(), 0x47);
	assert_false(status() & OBF);
	command(0x60);
	put(0x74);
	assert_int_equal(read_ctr(), 0x74);
	command(0xa8);
	assert_int_equal(read_ctr(), 0x54);
	command(0xa7);
	assert_int_equal(read_ctr(), 0x74);
	command(0xae);
	assert_int_equal(read_ctr(), 0x64);
	command(0xad);
	assert_int_equal(read_ctr(), 0x74);
	command(0xab);
	assert_int_equal(answer(), 0x00);
	command(0xaa);
	assert_int_equal(answer(), 0x55);
	assert_int_equal(read_ctr(), 0x47);
	command(0xd0);
	assert_int_equal(answer() & 1, 1);
	command(0xc0);
	assert_int_equal(answer(), 0x80);
	command(0xa4);
	assert_int_equal(answer(), 0xf1);
	assert_int_equal(resets, 0);
}

static void test_status(void **state)
{
	(void)state;
	command(0x60);
	assert_true(status() & CMD);
	put(0x43);			/* system flag off */
	assert_false(status() & (CMD | SYS));
	command(0xaa);
	assert_true(status() & SYS);
	assert_false(status() & IBF);
	(void)data();
	assert_false(status() & OBF);
	assert_int_equal(data(), 0x55);	/* an empty buffer gives its last byte */
}

/* The order in which Linux's i8042 driver probes; every wait of it must be satisfied at once. */
static void test_linux_probe(void **state)
{
	uint8_t ctr;

	(void)state;
	/* Flush: nothing there, or the driver reads until it gives up on the controller. */
	assert_false(status() & OBF);
	/* Two readings of the CTR that agree. */
	ctr = read_ctr();
	assert_int_equal(read_ctr(), ctr);
	assert_true(status() & UNLOCKED);
	assert_true(ctr & 0x40);		/* translation: not a direct controller */
	/* Disable the keyboard and its interrupt. */
	command(0x60);
	put((ctr | 0x10) & ~0x01u);
	assert_false(status() & OBF);
	/* No auxiliary port: the loop-back lacks AUXDATA, the interface test fails. */
	command(0xd3);
	put(0x5a);
	assert_true(status() & OBF);
	assert_false(status() & AUXDATA);
	(void)data();
	command(0xa9);
	ctr = answer();
	assert_true(ctr != 0x00 && ctr != 0xfa && ctr != 0xff);
	/* The keyboard port is switched on. */
	command(0x60);
	put(0x65);
	assert_int_equal(read_ctr(), 0x65);
}

static void test_no_devices(void **state)
{
	struct irq_line irq = { .event_fd = eventfd(0, EFD_NONBLOCK) };
	eventfd_t edges;

	(void)state;
	kbc.irq = &irq;
	put(0xf2);			/* "who are you" */
	assert_int_equal(status() & (OBF | TIMEOUT | AUXDATA), OBF | TIMEOUT);
	assert_int_equal(eventfd_read(irq.event_fd, &edges), 0);
	assert_int_equal(data(), 0xfe);
	assert_int_equal(status() & (OBF | TIMEOUT), 0);
	command(0x60);
	put(0x46);			/* keyboard interrupt off */
	put(0xff);
	assert_int_equal(eventfd_read(irq.event_fd, &edges), -1);
	assert_int_equal(answer(), 0xfe);
	command(0xd4);
	put(0xff);
	assert_int_equal(status() & (OBF | TIMEOUT | AUXDATA), OBF | TIMEOUT | AUXDATA);
	assert_int_equal(data(), 0xfe);
	command(0xd2);
	put(0x1c);
	assert_int_equal(status() & (OBF | TIMEOUT | AUXDATA), OBF);
	assert_int_equal(data(), 0x1c);
	close(irq.event_fd);
}

static void test_reset(void **state)
{
	(void)state;
	command(0xfe);
	assert_int_equal(resets, 1);
	command(0xff);			/* pulses nothing */
	assert_int_equal(resets, 1);
	command(0xd1);
	put(0xdf);
	assert_int_equal(resets, 1);
	command(0xd1);
	put(0xfe);			/* the output port's reset line low */
	assert_int_equal(resets, 2);
	put(0xfe);			/* a byte for the keyboard */
	assert_int_equal(resets, 2);
}

/* A command takes the place of one that still waits for its byte; unknown ones do nothing. */
static void test_swallow(void **state)
{
	(void)state;
	command(0x60);
	command(0x20);
	assert_int_equal(answer(), 0x47);
	put(0x00);
	assert_int_equal(read_ctr(), 0x47);
	for (unsigned int cmd = 0; cmd < 0xf0; cmd++)
		command(cmd);
	for (unsigned int value = 0; value < 256; value++)
		put(value);
	assert_int_equal(resets, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_commands, setup),
		cmocka_unit_test_setup(test_status, setup),
		cmocka_unit_test_setup(test_linux_probe, setup),
		cmocka_unit_test_setup(test_no_devices, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_swallow, setup),
	};

	return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
