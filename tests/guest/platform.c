/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.c - the keyboard controller, the power device, and addresses where nothing is.
 */
#include "guest.h"

#define VECTOR 42

#define I8042_OUTPUT_FULL	0x01
#define I8042_INPUT_FULL	0x02

static void i8042_command(uint8_t command)
{
	for (unsigned int i = 0; in8(PORT_I8042_CMD) & I8042_INPUT_FULL; i++)
		check(i < 1000, "the controller never takes its input");
	out8(PORT_I8042_CMD, command);
}

static uint8_t i8042_answer(void)
{
	for (unsigned int i = 0; !(in8(PORT_I8042_CMD) & I8042_OUTPUT_FULL); i++)
		check(i < 1000, "the controller does not answer");
	return in8(PORT_I8042_DATA);
}

GUEST_TEST(i8042)
{
	uint8_t ctr;

	check(!(in8(PORT_I8042_CMD) & I8042_OUTPUT_FULL), "nothing was typed");
	i8042_command(0x20);
	ctr = i8042_answer();
	check(!(in8(PORT_I8042_CMD) & I8042_OUTPUT_FULL), "one answer");
	i8042_command(0x60);
	out8(PORT_I8042_DATA, (uint8_t)(ctr ^ 0x01));
	i8042_command(0x20);
	check_eq(i8042_answer(), ctr ^ 0x01, "the command byte that was written");
	i8042_command(0xaa);
	check_eq(i8042_answer(), 0x55, "self test");
	i8042_command(0xab);
	check_eq(i8042_answer(), 0x00, "keyboard interface test");
	/* Every other command but the reset, and data that nobody waits for: no harm. */
	for (unsigned int command = 0; command < 256; command++) {
		if (command >= 0xf0)
			break;
		out8(PORT_I8042_CMD, (uint8_t)command);
		out8(PORT_I8042_DATA, (uint8_t)command);
		(void)in8(PORT_I8042_DATA);
		(void)in8(PORT_I8042_CMD);
	}
	(void)in16(PORT_I8042_DATA);
	(void)in32(PORT_I8042_DATA);
	(void)in32(PORT_I8042_CMD);
}

GUEST_TEST(i8042_reset)
{
	i8042_command(0xfe);
	guest_halt();
}

GUEST_TEST(power_off)
{
	guest_power_off((uint8_t)arg_u64("status", 0));
}

GUEST_TEST(power_registers)
{
	check_eq(in8(PORT_SLEEP_CONTROL), 0, "sleep control");
	check_eq(in8(PORT_SLEEP_STATUS), 0x80, "sleep status: WAK_STS");
	check_eq(in8(PORT_RESET), 0, "reset");
	check_eq(in8(PORT_EXIT_STATUS), 0, "exit status");
	check_eq(in8(PORT_BUTTON), 0, "button");
	for (uint16_t port = 0x605; port < 0x608; port++)
		check_eq(in8(port), 0xff, "reserved");
	out8(PORT_EXIT_STATUS, 0x2a);
	check_eq(in8(PORT_EXIT_STATUS), 0x2a, "the status latched");
	/* None of these is S5 with SLP_EN, and none is the reset's value. */
	for (unsigned int value = 0; value < 256; value++)
		if ((value & 0x3c) != 0x34)
			out8(PORT_SLEEP_CONTROL, (uint8_t)value);
	for (unsigned int value = 0; value < 256; value++)
		if (value != 1)
			out8(PORT_RESET, (uint8_t)value);
	out8(PORT_SLEEP_STATUS, 0xff);
	out8(PORT_BUTTON, 0xff);
	check_eq(in8(PORT_BUTTON), 0, "a write does not press the button");
	check_eq(in8(PORT_SLEEP_STATUS), 0x80, "WAK_STS is not the guest's to clear");
}

GUEST_TEST(power_reset)
{
	out8(PORT_RESET, 1);
	guest_halt();
}

GUEST_TEST(power_button)
{
	print("READY\n");
	while (in8(PORT_BUTTON) == 0)
		;
	check_eq(in8(PORT_BUTTON), 0, "reading it clears it");
	print("BUTTON\n");
	guest_power_off((uint8_t)arg_u64("status", 0));
}

GUEST_TEST(power_button_interrupt)
{
	guest_irq_enable(GSI_POWER, VECTOR);
	print("READY\n");
	guest_irq_wait(VECTOR, 0);
	check_eq(in8(PORT_BUTTON), 1, "button");
	print("BUTTON\n");
}

/* Read the button and go on as if nothing were. */
GUEST_TEST(power_button_ignored)
{
	print("READY\n");
	while (in8(PORT_BUTTON) == 0)
		;
	print("IGNORED\n");
	guest_halt();
}

GUEST_TEST(triple_fault)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	guest_halt();
}

/* Jump into what is no code: zeros in RAM, unmapped addresses, addresses where nothing is. */
GUEST_TEST(rubbish)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };
	uint8_t *const code = ptr((gpa_of(guest_end) + 0x200000) & ~UINT64_C(0xfff));
	uint64_t seed = arg_u64("seed", 1), target = gpa_of(code);

	/* No page of this memory is zero, so the guest does not run for hours through ADDs. */
	for (unsigned int i = 0; i < 512; i++)
		((uint64_t *)code)[i] = random_next(&seed);
	if (arg_is("where", "gap"))
		target = MMIO_GAP_START + 0x10000000;
	else if (arg_is("where", "nowhere"))
		target = UINT64_C(1) << 40;
	else if (arg_is("where", "ones"))
		memset(code, 0xff, 4096);
	print("JUMPING\n");
	__asm__ volatile("lidt %0; call *%1" : : "m"(none), "r"(target) : "memory");
	guest_halt();
}

static bool port_taken(uint32_t port)
{
	/* The 8259s, the PIT and port 0x61 are KVM's; PCI has a test of its own. */
	return (port >= 0x20 && port <= 0x21) ||
	       (port >= 0xa0 && port <= 0xa1) || (port >= 0x40 && port <= 0x43) ||
	       (port >= 0x4d0 && port <= 0x4d1) || (port >= 0x60 && port <= 0x64) ||
	       (port >= PORT_SERIAL && port < PORT_SERIAL + 8) ||
	       (port >= PORT_SLEEP_CONTROL && port < PORT_SLEEP_CONTROL + 8) ||
	       (port >= 0xcf8 && port <= 0xcff);
}

/* An empty port reads as ones and swallows writes, at every width and by strings too. */
GUEST_TEST(ports_empty)
{
	static uint8_t bytes[64];

	for (uint32_t port = arg_u64("first", 0) & 0xffff; port < 0x10000; port += 7) {
		const uint16_t p = (uint16_t)port;

		if (port_taken(port) || port_taken(port + 1) || port_taken(port + 2) ||
		    port_taken(port + 3))
			continue;
		check_eq(in8(p), 0xff, "empty port");
		out8(p, 0x01);
		if (port % 64 != 0)
			continue;
		check_eq(in16(p), 0xffff, "empty port");
		check_eq(in32(p), 0xffffffff, "empty port");
		out16(p, 0x5aa5);
		out32(p, 0x12345678);
		memset(bytes, 0, sizeof(bytes));
		ins8(p, bytes, 16);
		check_eq(load64(bytes + 8), ~UINT64_C(0), "ins from an empty port");
		ins32(p, bytes, 16);
		outs32(p, bytes, 16);
	}
	(void)in32(0xffff);
	(void)in16(0xffff);
	out32(0xfffe, 0);
	check_eq(in32(0xcf8), 0xffffffff, "there is no PCI bus");
}

/* Over the edges of the devices' windows: neither end may be hit by half an access. */
GUEST_TEST(ports_straddle)
{
	static uint8_t bytes[256];
	static const uint16_t start[] = { 0x60, 0x64, PORT_SERIAL, PORT_SLEEP_CONTROL,
					  PORT_SERIAL + 8, PORT_SLEEP_CONTROL + 8 };

	for (unsigned int i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
		for (uint16_t port = (uint16_t)(start[i] - 3); port < start[i]; port++) {
			(void)in16(port);
			(void)in32(port);
			ins32(port, bytes, 64);
			ins16(port, bytes, 64);
		}
	}
	/* A double word that lies over the sleep register's low edge and would power off. */
	out32(PORT_SLEEP_CONTROL - 1, 0x00003400);
	out32(PORT_SLEEP_CONTROL - 3, 0x34000000);
	out16(PORT_SLEEP_CONTROL - 1, 0x3400);
	/* Strings onto the registers that only answer. */
	outs8(PORT_SLEEP_STATUS, bytes, sizeof(bytes));
	outs8(PORT_BUTTON, bytes, sizeof(bytes));
	outs8(0x605, bytes, sizeof(bytes));
	ins8(PORT_SLEEP_CONTROL, bytes, sizeof(bytes));
	ins32(PORT_SLEEP_CONTROL, bytes, 64);
	ins32(PORT_I8042_CMD, bytes, 64);
	check_eq(in8(PORT_SLEEP_STATUS), 0x80, "still there");
}

static bool mmio_taken(uint64_t at)
{
	return (at >= VIRTIO_BASE - 8 && at < VIRTIO_BASE + VIRTIO_WINDOWS * VIRTIO_STRIDE) ||
	       (at >= IOAPIC_BASE - 8 && at < IOAPIC_BASE + 0x1000) ||
	       (at >= LAPIC_BASE - 8 && at < LAPIC_BASE + 0x1000) ||
	       (at >= UINT64_C(0xfffbd000) - 8 && at < UINT64_C(0xfffc1000));
}

/* The gap between low and high RAM: ones where no device is, at any width and alignment. */
GUEST_TEST(mmio_empty)
{
	uint64_t seed = arg_u64("seed", 1);
	const uint64_t first = ram_low_end();

	check(first <= MMIO_GAP_START, "RAM ends at 0x%lx", first);
	for (unsigned int i = 0; i < arg_u64("count", 2000); i++) {
		const uint64_t at = first + random_next(&seed) % (MMIO_GAP_END - first - 8);
		const unsigned int width = 1u << (random_next(&seed) & 3);
		const uint64_t ones = ~UINT64_C(0) >> (64 - 8 * width);

		if (mmio_taken(at))
			continue;
		check_eq(mmio_read(at, width), ones, "empty address");
		mmio_write(at, random_next(&seed), width);
		check_eq(mmio_read(at, width), ones, "empty address");
	}
	check_eq(mmio_read(first, 8), ~UINT64_C(0), "behind RAM");
	check_eq(mmio_read(MMIO_GAP_START, 8), ~UINT64_C(0), "the gap's first bytes");
	/* The windows of devices that are not there. */
	for (unsigned int i = (unsigned int)arg_u64("virtio", 0); i < VIRTIO_WINDOWS; i++) {
		const uint64_t at = VIRTIO_BASE + i * VIRTIO_STRIDE;

		for (uint64_t offset = 0; offset < VIRTIO_STRIDE; offset += 0x104) {
			check_eq(mmio_read(at + offset, 4), 0xffffffff, "absent device");
			mmio_write(at + offset, 0xffffffff, 4);
		}
	}
}

/* Half in RAM, half behind it. */
GUEST_TEST(mmio_straddle)
{
	const uint64_t end = ram_low_end();

	for (unsigned int behind = 1; behind < 8; behind++) {
		const unsigned int inside = 8 - behind;
		const uint64_t mask = ~UINT64_C(0) >> (64 - 8 * inside);

		mmio_write(end - 8, UINT64_C(0x1111111111111111), 8);
		mmio_write(end - inside, UINT64_C(0x1122334455667788), 8);
		check_eq(mmio_read(end - inside, 8) & mask, UINT64_C(0x1122334455667788) & mask,
			 "RAM's half");
		check_eq(mmio_read(end - inside, 8) | mask, ~UINT64_C(0), "the empty half");
	}
	/* Over the start and the end of a virtio window. */
	for (unsigned int behind = 1; behind < 8; behind++) {
		(void)mmio_read(VIRTIO_BASE - behind, 8);
		(void)mmio_read(VIRTIO_BASE + VIRTIO_STRIDE - behind, 8);
		mmio_write(VIRTIO_BASE - behind, ~UINT64_C(0), 8);
		mmio_write(VIRTIO_BASE + VIRTIO_STRIDE - behind, ~UINT64_C(0), 8);
	}
}
