/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.c - the 16550A (PC16550D data sheet): registers, and bytes in both directions, none lost.
 */
#include "guest.h"

#define RBR	(PORT_SERIAL + 0)
#define THR	(PORT_SERIAL + 0)
#define DLL	(PORT_SERIAL + 0)
#define IER	(PORT_SERIAL + 1)
#define DLM	(PORT_SERIAL + 1)
#define IIR	(PORT_SERIAL + 2)
#define FCR	(PORT_SERIAL + 2)
#define LCR	(PORT_SERIAL + 3)
#define MCR	(PORT_SERIAL + 4)
#define LSR	(PORT_SERIAL + 5)
#define MSR	(PORT_SERIAL + 6)
#define SCR	(PORT_SERIAL + 7)

#define LSR_DR	0x01
#define LSR_OE	0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define VECTOR 41

/* FIFOs on and empty, then the line open: so that nothing that waits on the line is thrown away. */
static void open_line(void)
{
	out8(MCR, 0x00);
	out8(FCR, 0x07);
	out8(MCR, 0x0b);
}

static uint8_t receive(void)
{
	uint8_t lsr;

	while (!((lsr = in8(LSR)) & LSR_DR))
		;
	check(!(lsr & LSR_OE), "the receiver lost something");
	return in8(RBR);
}

/* Give back @bytes bytes. */
GUEST_TEST(serial_echo)
{
	uint64_t left = arg_u64("bytes", 1);

	open_line();
	print("READY\n");
	for (; left > 0; left--)
		serial_put(receive());
	print("\n");
}

/* Receive without hurry what comes all at once: the FIFO is full most of the time. */
GUEST_TEST(serial_receive)
{
	const uint64_t bytes = arg_u64("bytes", 1);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);	/* FNV-1a */

	open_line();
	print("READY\n");
	for (uint64_t i = 0; i < bytes; i++) {
		if (i % 4096 == 0)
			breathe();
		hash = (hash ^ receive()) * UINT64_C(0x100000001b3);
	}
	print("hash %016lx\n", hash);
}

/* Send a known sequence again and again, a FIFO of 16 bytes at a time. */
GUEST_TEST(serial_send)
{
	static uint8_t block[4080];
	const uint64_t bytes = arg_u64("bytes", 16);

	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i ^ i >> 8);
	open_line();
	print("READY\n");
	check_eq(bytes % 16, 0, "whole FIFOs");
	for (uint64_t sent = 0; sent < bytes; sent += 16) {
		while (!(in8(LSR) & LSR_THRE))
			;
		outs8(THR, block + sent % sizeof(block), 16);
	}
	print("\n");
}

/* Only say that it runs, and wait to be ended. */
GUEST_TEST(serial_idle)
{
	print("READY\n");
	guest_halt();
}

GUEST_TEST(serial_registers)
{
	out8(LCR, 0x03);
	for (unsigned int i = 0; i < 256; i += 51) {
		out8(SCR, (uint8_t)i);
		check_eq(in8(SCR), i, "scratch");
	}
	out8(IER, 0xff);
	check_eq(in8(IER), 0x0f, "IER has four bits");
	out8(IER, 0);
	out8(LCR, 0x83);
	out8(DLL, 0x12);
	out8(DLM, 0x34);
	check_eq(in8(DLL), 0x12, "divisor");
	check_eq(in8(DLM), 0x34, "divisor");
	out8(LCR, 0x03);
	check_eq(in8(LCR), 0x03, "LCR");
	check_eq(in8(IER), 0, "IER behind the divisor latch");
	out8(FCR, 0x07);
	check_eq(in8(IIR) & 0xc0, 0xc0, "a 16550A shows its FIFOs");
	out8(FCR, 0x00);
	check_eq(in8(IIR) & 0xc0, 0x00, "and hides them when they are off");
	out8(FCR, 0x07);
	check_eq(in8(MCR) & 0xe0, 0, "MCR has five bits");
	check_eq(in8(MSR) & 0xb0, 0xb0, "the other end is there: CTS, DSR, DCD");
	while ((in8(LSR) & (LSR_THRE | LSR_TEMT)) != (LSR_THRE | LSR_TEMT))
		;
}

/* Loopback: the modem lines come back, and so do bytes, which must not get out. */
GUEST_TEST(serial_loopback)
{
	out8(FCR, 0x07);
	while (!(in8(LSR) & LSR_TEMT))
		;
	out8(MCR, 0x1f);
	check_eq(in8(MSR) & 0xf0, 0xf0, "all outputs on");
	out8(MCR, 0x10);
	check_eq(in8(MSR) & 0xf0, 0x00, "all outputs off");
	out8(MCR, 0x12);
	check_eq(in8(MSR), 0x11, "RTS is CTS, which has changed");
	check_eq(in8(MSR), 0x10, "reading takes the changes back");
	out8(MCR, 0x16);
	check_eq(in8(MSR), 0x50, "OUT1 is RI, whose leading edge does not count");
	out8(MCR, 0x12);
	check_eq(in8(MSR), 0x14, "its trailing edge does");
	for (unsigned int i = 0; i < 10; i++) {
		out8(THR, (uint8_t)(0x40 + i));
		check(in8(LSR) & LSR_DR, "byte %u came back", i);
		check_eq(in8(RBR), 0x40 + i, "loopback");
	}
	out8(MCR, 0x00);
	check(!(in8(LSR) & LSR_DR), "nothing left");
}

/* What IIR says, by priority, and what takes it back. */
GUEST_TEST(serial_iir)
{
	out8(FCR, 0x07);
	out8(IER, 0);
	check_eq(in8(IIR) & 0x0f, 0x01, "nothing pending");
	while (!(in8(LSR) & LSR_THRE))
		;
	out8(IER, 0x02);
	check_eq(in8(IIR) & 0x0f, 0x02, "transmitter empty");
	check_eq(in8(IIR) & 0x0f, 0x01, "reading IIR took it back");
	out8(IER, 0x00);
	out8(IER, 0x02);
	check_eq(in8(IIR) & 0x0f, 0x02, "enabling it once more brings it back");
	open_line();
	out8(IER, 0x03);
	print("READY\n");
	while (!(in8(LSR) & LSR_DR))
		;
	check((in8(IIR) & 0x0e) == 0x04 || (in8(IIR) & 0x0e) == 0x0c, "received data comes first");
	(void)in8(RBR);
	out8(IER, 0x01);
	check_eq(in8(IIR) & 0x0f, 0x01, "nothing pending");
	out8(IER, 0x00);
}

/* Every line typed wakes the guest out of HLT and is printed back. */
GUEST_TEST(serial_interrupt)
{
	uint64_t left = arg_u64("bytes", 1);

	guest_irq_enable(GSI_SERIAL, VECTOR);
	open_line();
	out8(IER, 0x01);
	print("READY\n");
	while (left > 0) {
		const uint32_t before = irq_count[VECTOR];

		for (unsigned int i = 0; i < 16 && left > 0 && (in8(LSR) & LSR_DR); i++) {
			serial_put(in8(RBR));
			left--;
		}
		/* A software KVM may look for interrupts only where the guest is left anyway. */
		__asm__ volatile("sti" : : : "memory");
		(void)in8(SCR);
		__asm__ volatile("cli" : : : "memory");
		if (left > 0 && !(in8(LSR) & LSR_DR))
			guest_irq_wait(VECTOR, before);
	}
	out8(IER, 0);
	check(irq_count[VECTOR] > 0, "no interrupt at all");
	print("\n");
}

/* The transmitter's interrupt drives a whole message. */
GUEST_TEST(serial_transmit_interrupt)
{
	static const char text[] = "sent by interrupts alone\r\n";

	guest_irq_enable(GSI_SERIAL, VECTOR);
	open_line();
	for (unsigned int i = 0; text[i] != '\0'; i++) {
		const uint32_t before = irq_count[VECTOR];

		if (i == 0)
			out8(IER, 0x02);
		guest_irq_wait(VECTOR, before);
		check_eq(in8(IIR) & 0x0f, 0x02, "transmitter empty");
		out8(THR, (uint8_t)text[i]);
	}
	out8(IER, 0);
}

/* Words and strings: a word goes to two ports, a string to one. */
GUEST_TEST(serial_odd_access)
{
	static const char text[] = "by one string instruction";
	static uint8_t bytes[64];
	static uint32_t longs[8];

	out8(SCR, 0x5c);
	outs8(THR, text, sizeof(text) - 1);
	print("\n");
	ins8(SCR, bytes, sizeof(bytes));
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		check_eq(bytes[i], 0x5c, "ins");
	/* Wider than a register, beyond the last port, over both ends: an answer is enough. */
	(void)in16(LSR);
	(void)in32(LSR);
	(void)in32(SCR);
	(void)in16(PORT_SERIAL - 1);
	(void)in32(PORT_SERIAL - 2);
	ins16(MSR, longs, 16);
	ins32(LCR, longs, 8);
	out16(SCR, 0x1234);
	out32(SCR - 1, 0x12345678);
	out16(PORT_SERIAL - 1, 0x00ff);
	outs32(SCR, longs, 8);
	out8(LCR, 0x03);
	out8(IER, 0);
	out8(MCR, 0);
	print("still here\n");
}
