/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR, DLL = DATA, DLM = IER };

#define LSR_DR		0x01
#define LSR_OE		0x02
#define LSR_IDLE	0x60	/* THRE and TEMT */
#define NO_INT		0x01
#define RTS		0x02
#define LOOP		0x10

#define SENT_MAX 4096

struct fixture {
	struct serial serial;
	struct irq_line irq;
	bool blocked;			/* the backend takes nothing */
	unsigned int budget;		/* or this many, then it blocks */
	size_t sent;
	uint8_t out[SENT_MAX];
	unsigned int rooms;		/* rx_room() calls */
};

static struct fixture f;

static bool on_tx(void *ctx, uint8_t byte)
{
	struct fixture *fix = ctx;

	if (fix->blocked || fix->budget == 0)
		return false;
	fix->budget--;
	fix->out[fix->sent++ % SENT_MAX] = byte;
	return true;
}

static void on_rx_room(void *ctx)
{
	struct fixture *fix = ctx;

	fix->rooms++;
}

static int setup(void **state)
{
	struct serial_backend backend = { .tx = on_tx, .rx_room = on_rx_room, .ctx = &f };

	(void)state;
	memset(&f, 0, sizeof(f));
	f.irq.event_fd = eventfd(0, EFD_NONBLOCK);
	f.budget = UINT32_MAX;
	serial_init(&f.serial, &f.irq, &backend);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(f.irq.event_fd);
	return 0;
}

static uint8_t in(unsigned int reg)
{
	uint8_t value;

	serial_bus_ops.read(&f.serial, reg, &value, 1);
	return value;
}

static void out(unsigned int reg, unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	serial_bus_ops.write(&f.serial, reg, &byte, 1);
}

/* Whether the line made an edge since the last look. */
static bool edge(void)
{
	eventfd_t count;

	return eventfd_read(f.irq.event_fd, &count) == 0;
}

static uint8_t iir(void)
{
	return in(IIR) & 0x0f;
}

static size_t type(const char *text)
{
	return serial_input(&f.serial, (const uint8_t *)text, strlen(text));
}

static void expect_received(const char *text)
{
	for (; *text; text++) {
		assert_true(in(LSR) & LSR_DR);
		assert_int_equal(in(DATA), *text);
	}
	assert_false(in(LSR) & LSR_DR);
}

/* The registers that only store, and those that hide behind DLAB. */
static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(in(LSR), LSR_IDLE);
	assert_int_equal(in(MSR), 0xb0);
	for (unsigned int value = 0; value < 256; value++) {
		out(SCR, value);
		assert_int_equal(in(SCR), value);
		out(IER, value);
		assert_int_equal(in(IER), value & 0x0f);
		out(MCR, value);
		assert_int_equal(in(MCR), value & 0x1f);
		out(LCR, value);
		assert_int_equal(in(LCR), value);
		out(LCR, 0x80);
		out(DLL, value);
		out(DLM, value ^ 0xff);
		assert_int_equal(in(DLL), value);
		assert_int_equal(in(DLM), value ^ 0xff);
		out(LCR, 0x03);
		assert_int_equal(in(IER), value & 0x0f);
	}
	out(LSR, 0xff);
	out(MSR, 0xff);
	assert_int_equal(in(LSR), LSR_IDLE);
	assert_int_equal(f.sent, 0);
}

/* How Linux's 8250 driver finds out what it has, step by step. */
static void test_linux_autoconfig(void **state)
{
	(void)state;
	out(IER, 0x00);
	assert_int_equal(in(IER) & 0x0f, 0x00);
	out(IER, 0x0f);
	assert_int_equal(in(IER) & 0x0f, 0x0f);
	out(IER, 0x00);
	/* Loop-back with RTS and OUT2: CTS and DCD. */
	out(MCR, LOOP | 0x0a);
	assert_int_equal(in(MSR) & 0xf0, 0x90);
	out(MCR, 0x00);
	/* A FIFO that shows in IIR: at least 16550A. */
	out(FCR, 0x00);
	assert_int_equal(in(IIR) >> 6, 0);
	out(FCR, 0x01);
	assert_int_equal(in(IIR) >> 6, 3);
	/* Not one of the later kinds: EFR, the 16750's 64-byte bit, the XScale's UUE. */
	out(LCR, 0x80);
	assert_true(in(IIR) != 0);
	out(LCR, 0xbf);
	assert_true(in(IIR) != 0);
	out(LCR, 0x00);
	out(FCR, 0x21);
	assert_int_equal(in(IIR) >> 5, 6);
	out(FCR, 0x01);
	out(LCR, 0x80);
	out(FCR, 0x21);
	assert_int_equal(in(IIR) >> 5, 6);
	out(LCR, 0x00);
	out(IER, 0x40);
	assert_int_equal(in(IER), 0x00);
	out(FCR, 0x00);
}

/* Linux's test for chips that do not raise THRI again: the second enabling must. */
static void test_linux_thre(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_int_equal(iir(), 0x02);
	assert_true(edge());
	out(IER, 0x00);
	assert_false(edge());
	out(IER, 0x02);
	assert_true(edge());
	assert_int_equal(iir(), 0x02);
	out(IER, 0x00);
}

/* Interrupt-driven output: every batch that the handler writes makes the next interrupt. */
static void test_transmit_interrupts(void **state)
{
	(void)state;
	out(FCR, 0x07);
	out(IER, 0x02);
	for (unsigned int batch = 0; batch < 10; batch++) {
		assert_true(edge());
		assert_int_equal(iir(), 0x02);
		assert_int_equal(iir(), NO_INT);
		assert_true(in(LSR) & 0x20);
		for (unsigned int i = 0; i < 16; i++)
			out(DATA, 'a' + i);
	}
	assert_int_equal(f.sent, 160);
	assert_memory_equal(f.out, "abcdefghijklmnopabcd", 20);
	out(IER, 0x00);
	(void)edge();
	out(DATA, 'x');			/* not enabled: silence */
	assert_false(edge());
	assert_int_equal(iir(), NO_INT);
}

/* A backend without room: up to 16 bytes stay, THRE tells, and all of them leave later. */
static void test_transmit_held(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(IER, 0x02);
	assert_true(edge());
	assert_int_equal(iir(), 0x02);
	f.budget = 3;
	for (unsigned int i = 0; i < 16; i++)	/* all that a driver may write after THRE */
		out(DATA, 'A' + i);
	assert_int_equal(f.sent, 3);
	assert_int_equal(in(LSR) & LSR_IDLE, 0);
	(void)edge();
	assert_int_equal(iir(), NO_INT);
	out(IER, 0x00);
	out(IER, 0x02);			/* no interrupt while the FIFO is not empty */
	assert_int_equal(iir(), NO_INT);
	assert_false(edge());

	f.budget = 5;
	serial_tx_room(&f.serial);
	assert_int_equal(f.sent, 8);
	assert_int_equal(in(LSR) & LSR_IDLE, 0);
	assert_false(edge());
	f.budget = UINT32_MAX;
	serial_tx_room(&f.serial);
	assert_int_equal(in(LSR) & LSR_IDLE, LSR_IDLE);
	assert_true(edge());
	assert_int_equal(iir(), 0x02);
	assert_int_equal(f.sent, 16);
	assert_memory_equal(f.out, "ABCDEFGHIJKLMNOP", 16);
	serial_tx_room(&f.serial);	/* spurious */
	assert_int_equal(f.sent, 16);
	assert_false(edge());
}

/* A driver that does not look at THRE loses its bytes, in order, and nothing else happens. */
static void test_transmit_overrun(void **state)
{
	(void)state;
	f.blocked = true;
	out(DATA, '1');			/* 16450 mode: one register */
	out(DATA, '2');
	f.blocked = false;
	serial_tx_room(&f.serial);
	assert_int_equal(f.sent, 1);
	out(FCR, 0x01);
	f.blocked = true;
	for (unsigned int i = 0; i < 1000; i++)
		out(DATA, 'a' + i % 26);
	f.blocked = false;
	serial_tx_room(&f.serial);
	assert_int_equal(f.sent, 17);
	assert_memory_equal(f.out, "1abcdefghijklmnop", 17);
}

static void test_transmit_clear(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(IER, 0x02);
	(void)iir();
	f.blocked = true;
	out(DATA, 'x');
	(void)edge();
	assert_int_equal(in(LSR) & LSR_IDLE, 0);
	out(FCR, 0x05);
	assert_int_equal(in(LSR) & LSR_IDLE, LSR_IDLE);
	assert_true(edge());
	f.blocked = false;
	serial_tx_room(&f.serial);
	assert_int_equal(f.sent, 0);
}

static void test_receive(void **state)
{
	(void)state;
	assert_int_equal(serial_input_room(&f.serial), SERIAL_LINE_SIZE);
	assert_int_equal(type("hello"), 5);
	assert_false(edge());
	expect_received("hello");
	assert_int_equal(in(DATA), 0);
	assert_false(in(LSR) & LSR_DR);
}

static void test_receive_interrupts(void **state)
{
	(void)state;
	out(FCR, 0x81);			/* trigger at 8 */
	out(MCR, 0x0b);
	out(IER, 0x01);
	assert_int_equal(type("abc"), 3);
	assert_true(edge());
	assert_int_equal(iir(), 0x0c);	/* below the trigger: the time-out */
	assert_int_equal(type("defgh"), 5);
	assert_int_equal(iir(), 0x04);
	for (unsigned int i = 0; i < 7; i++)
		(void)in(DATA);
	assert_int_equal(iir(), 0x0c);
	(void)in(DATA);
	assert_int_equal(iir(), NO_INT);
	(void)edge();
	/* Emptied and filled again: a new edge, every time. */
	for (unsigned int i = 0; i < 10; i++) {
		type("x");
		assert_true(edge());
		assert_int_equal(in(DATA), 'x');
		assert_false(edge());
	}
	/* Enabling finds what is there already. */
	out(IER, 0x00);
	type("y");
	assert_false(edge());
	assert_int_equal(iir(), NO_INT);
	out(IER, 0x01);
	assert_true(edge());
	out(FCR, 0x00);			/* without FIFO there is no time-out */
	type("z");
	assert_int_equal(in(IIR), 0x04);
}

/* One source goes, another stays: the machine's line is an edge, so there must be a new one. */
static void test_no_lost_edge(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(MCR, 0x0b);
	out(IER, 0x03);
	(void)edge();
	type("a");
	assert_true(edge());
	assert_int_equal(iir(), 0x04);	/* data before transmitter */
	(void)in(DATA);
	assert_true(edge());		/* the transmitter still is */
	assert_int_equal(iir(), 0x02);
	assert_false(edge());
	assert_int_equal(iir(), NO_INT);
	/* The console's way: all interrupts off, polled output, interrupts as they were. */
	type("b");
	assert_true(edge());
	out(IER, 0x00);
	out(DATA, 'p');
	out(IER, 0x03);
	assert_true(edge());
	assert_int_equal(iir(), 0x04);
}

/* A driver that deals with one byte an interrupt and never looks at IIR. */
static void test_one_byte_an_interrupt(void **state)
{
	(void)state;
	/* 16450 mode: the next byte comes after the last was read. */
	out(IER, 0x01);
	type("abc");
	for (const char *text = "abc"; *text; text++) {
		assert_true(edge());
		assert_int_equal(in(DATA), *text);
	}
	assert_false(edge());
	/* With a FIFO: the trigger level's worth in a piece, then byte after byte. */
	out(FCR, 0x41);			/* 4 */
	type("0123456");
	assert_true(edge());
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(in(DATA), '0' + i);
	for (unsigned int i = 4; i < 7; i++) {
		assert_true(edge());
		assert_int_equal(in(DATA), '0' + i);
	}
	assert_false(edge());
	out(IER, 0x02);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(edge());
		out(DATA, 'x');
	}
	assert_int_equal(f.sent, 20);
}

static void test_loop_back(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(IER, 0x01);
	out(MCR, LOOP);
	for (unsigned int i = 0; i < 16; i++)
		out(DATA, 0x80 + i);
	assert_true(edge());
	assert_int_equal(in(LSR), LSR_DR | LSR_IDLE);
	out(DATA, 0xff);		/* one too many */
	assert_int_equal(in(LSR), LSR_DR | LSR_OE | LSR_IDLE);
	assert_int_equal(in(LSR), LSR_DR | LSR_IDLE);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(in(DATA), 0x80 + i);
	assert_false(in(LSR) & LSR_DR);
	assert_int_equal(f.sent, 0);
	/* Line status comes before everything else. */
	out(IER, 0x0f);
	for (unsigned int i = 0; i < 17; i++)
		out(DATA, i);
	assert_int_equal(iir(), 0x06);
	(void)in(LSR);
	assert_int_equal(iir(), 0x04);
}

/* The line is cut off meanwhile, and what waits on it comes after the guest's own bytes. */
static void test_loop_back_line(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(MCR, LOOP | RTS);
	assert_int_equal(type("line"), 4);
	assert_false(in(LSR) & LSR_DR);
	out(DATA, 'A');
	out(DATA, 'B');
	expect_received("AB");
	out(DATA, 'C');
	out(MCR, RTS);
	expect_received("Cline");
}

static void test_modem_status(void **state)
{
	(void)state;
	out(IER, 0x08);
	assert_int_equal(iir(), NO_INT);
	out(MCR, LOOP);			/* CTS, DSR and DCD go away */
	assert_true(edge());
	assert_int_equal(iir(), 0x00);
	assert_int_equal(in(MSR), 0x0b);
	assert_int_equal(in(MSR), 0x00);
	assert_int_equal(iir(), NO_INT);
	out(MCR, LOOP | 0x04);		/* ring: only its end counts */
	assert_int_equal(in(MSR), 0x40);
	out(MCR, LOOP);
	assert_int_equal(in(MSR), 0x04);
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int expect = (i & 2) << 3 | (i & 1) << 5 | (i & 4) << 4 | (i & 8) << 4;

		out(MCR, LOOP | i);
		assert_int_equal(in(MSR) & 0xf0, expect);
	}
	out(MCR, 0x0b);
	assert_int_equal(in(MSR) & 0xf0, 0xb0);
}

/* Input is kept, in order, and never more is taken than there is room for. */
static void test_input_room(void **state)
{
	static uint8_t data[4096];
	size_t given = 0, got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	out(FCR, 0x01);
	while (got < sizeof(data)) {
		size_t room;

		while (given < sizeof(data) && (room = serial_input_room(&f.serial)) > 0) {
			size_t n = room < sizeof(data) - given ? room : sizeof(data) - given;

			assert_int_equal(serial_input(&f.serial, data + given, n), n);
			given += n;
		}
		assert_true(given > got);
		/* The sender is told once, when more than a byte or two fit again. */
		for (f.rooms = 0; f.rooms == 0 && got < given; got++) {
			assert_true(in(LSR) & LSR_DR);
			assert_int_equal(in(DATA), data[got]);
		}
		if (given < sizeof(data)) {
			assert_int_equal(f.rooms, 1);
			assert_true(serial_input_room(&f.serial) >= SERIAL_LINE_SIZE / 2);
		}
	}
	assert_int_equal(given, sizeof(data));
	assert_false(in(LSR) & LSR_DR);
}

/* More than fits is refused, not lost silently. */
static void test_input_flood(void **state)
{
	uint8_t flood[1000];
	size_t taken;

	(void)state;
	memset(flood, 'f', sizeof(flood));
	taken = serial_input(&f.serial, flood, sizeof(flood));
	assert_int_equal(taken, SERIAL_FIFO_SIZE + SERIAL_LINE_SIZE);
	assert_int_equal(serial_input(&f.serial, flood, sizeof(flood)), 0);
	assert_int_equal(serial_input_room(&f.serial), 0);
	assert_int_equal(f.rooms, 0);
	for (size_t i = 0; i < taken; i++)
		assert_int_equal(in(DATA), 'f');
	assert_int_equal(f.rooms, 1);
	assert_false(in(LSR) & (LSR_DR | LSR_OE));
}

/*
 * What was typed before the guest is ready survives its driver's start: the probe, the emptied
 * FIFO, and the byte that is read into nowhere.
 */
static void test_early_input(void **state)
{
	(void)state;
	type("early");
	assert_true(in(LSR) & LSR_DR);
	for (unsigned int i = 0; i < 2; i++) {
		out(MCR, LOOP | 0x0a);
		out(MCR, 0x00);
		out(FCR, 0x01);
		out(FCR, 0x07);
		out(FCR, 0x00);
		(void)in(LSR);
		(void)in(DATA);
		(void)in(IIR);
		(void)in(MSR);
	}
	type(" bird");
	out(FCR, 0x01);
	out(IER, 0x05);
	assert_false(in(LSR) & LSR_DR);
	assert_false(edge());
	out(MCR, 0x0b);
	assert_true(edge());
	expect_received("early bird");
}

/* RTS stops the line, not what has been received. */
static void test_flow_control(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(MCR, RTS);
	type("abc");
	assert_int_equal(in(DATA), 'a');
	out(MCR, 0);
	type("def");
	expect_received("bc");
	out(MCR, RTS);
	expect_received("def");
	/* A cleared FIFO loses what was in it and nothing that was not. */
	type("0123456789abcdefXYZ");
	out(FCR, 0x03);
	expect_received("XYZ");
}

/* Whole words: a port each. */
static void test_wide_access(void **state)
{
	uint8_t bytes[8];

	(void)state;
	serial_bus_ops.write(&f.serial, LCR, "\x03\x0b", 2);
	assert_int_equal(in(LCR), 0x03);
	assert_int_equal(in(MCR), 0x0b);
	serial_bus_ops.write(&f.serial, SCR, "\x77", 1);
	out(FCR, 1);
	type("w");
	serial_bus_ops.read(&f.serial, 0, bytes, 8);
	assert_memory_equal(bytes, "w\x00\xc1\x03\x0b\x60\xb0\x77", 8);
}

/* Everything a guest can do, in an order that makes no sense, leaves sane counts. */
static void test_nonsense(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		f.blocked = seed >> 30 == 0;
		switch (seed >> 27 & 7) {
		case 0:
			type("some input, more than fits the FIFO");
			break;
		case 1:
			serial_tx_room(&f.serial);
			break;
		case 2:
		case 3:
			(void)in(seed >> 16 & 7);
			break;
		default:
			out(seed >> 16 & 7, seed >> 8 & 0xff);
			break;
		}
		assert_true(f.serial.state.tx_count <= SERIAL_FIFO_SIZE);
		assert_true(f.serial.state.fifo_count <= SERIAL_FIFO_SIZE);
		assert_true(f.serial.state.fifo_count <= f.serial.state.rx_count);
		assert_true(f.serial.state.rx_count <= SERIAL_FIFO_SIZE + SERIAL_LINE_SIZE);
	}
}

#define STREAM 20000

static atomic_bool stream_done;

/* The device thread: feeds input as there is room and frees the backend. */
static void *device_thread(void *opaque)
{
	unsigned int given = 0;

	(void)opaque;
	while (!atomic_load(&stream_done)) {
		size_t room = serial_input_room(&f.serial);

		for (; room > 0 && given < STREAM; room--, given++) {
			uint8_t byte = (uint8_t)given;

			assert_int_equal(serial_input(&f.serial, &byte, 1), 1);
		}
		pthread_mutex_lock(&f.serial.lock);
		f.budget = 3;			/* the backend's own state, behind the same lock */
		pthread_mutex_unlock(&f.serial.lock);
		serial_tx_room(&f.serial);
		sched_yield();
	}
	return NULL;
}

/* A vCPU echoes a stream by polling; nothing is lost or reordered in either direction. */
static void test_threads(void **state)
{
	pthread_t thread;

	(void)state;
	out(FCR, 0x01);
	out(MCR, RTS);
	f.budget = 1;
	atomic_store(&stream_done, false);
	assert_int_equal(pthread_create(&thread, NULL, device_thread, NULL), 0);
	for (unsigned int got = 0; got < STREAM; got++) {
		while (!(in(LSR) & LSR_DR))
			sched_yield();
		assert_int_equal(in(DATA), got & 0xff);
		while (!(in(LSR) & 0x20))
			sched_yield();
		out(DATA, got);
	}
	while (!(in(LSR) & 0x20))
		sched_yield();
	atomic_store(&stream_done, true);
	pthread_join(thread, NULL);
	assert_int_equal(f.sent, STREAM);
	for (unsigned int i = STREAM - SENT_MAX; i < STREAM; i++)
		assert_int_equal(f.out[i % SENT_MAX], i & 0xff);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_registers), TEST(test_linux_autoconfig), TEST(test_linux_thre),
		TEST(test_transmit_interrupts), TEST(test_transmit_held),
		TEST(test_transmit_overrun), TEST(test_transmit_clear), TEST(test_receive),
		TEST(test_receive_interrupts), TEST(test_no_lost_edge),
		TEST(test_one_byte_an_interrupt), TEST(test_loop_back),
		TEST(test_loop_back_line), TEST(test_modem_status), TEST(test_input_room),
		TEST(test_input_flood), TEST(test_early_input), TEST(test_flow_control),
		TEST(test_wide_access), TEST(test_nonsense), TEST(test_threads),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
