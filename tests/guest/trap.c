/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.c - exceptions end the test with their name and place; interrupts are counted.
 */
#include "guest.h"

#define IDT_VECTORS	64
#define IRQ_FIRST	32

#define LAPIC_EOI	0xb0
#define LAPIC_SVR	0xf0
#define IOAPIC_DATA	0x10
#define IOAPIC_REDTBL	0x10

struct idt_gate {
	uint16_t offset_low, selector;
	uint8_t ist, attributes;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

_Static_assert(sizeof(struct idt_gate) == 16, "Intel SDM volume 3, 6.14.1");

extern const uint8_t guest_vectors[IDT_VECTORS][16];

volatile uint32_t irq_count[IDT_VECTORS];

void guest_trap_init(void);
void guest_trap(const struct guest_frame *frame);

void guest_trap_init(void)
{
	static struct idt_gate idt[IDT_VECTORS] __attribute__((aligned(16)));
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, gpa_of(idt) };
	uint16_t code;

	__asm__("mov %%cs, %0" : "=r"(code));
	for (unsigned int i = 0; i < IDT_VECTORS; i++) {
		const uint64_t stub = gpa_of(guest_vectors[i]);

		idt[i] = (struct idt_gate){
			.offset_low = (uint16_t)stub, .selector = code, .attributes = 0x8e,
			.offset_middle = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void guest_trap(const struct guest_frame *frame)
{
	uint64_t cr2;

	if (frame->vector >= IRQ_FIRST && frame->vector < IDT_VECTORS) {
		irq_count[frame->vector]++;
		mmio_write32(LAPIC_BASE + LAPIC_EOI, 0);
		return;
	}
	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	fail("exception %lu at 0x%lx, error 0x%lx, cr2 0x%lx", frame->vector, frame->rip,
	     frame->error, cr2);
}

static void ioapic_write(uint32_t index, uint32_t value)
{
	mmio_write32(IOAPIC_BASE, index);
	mmio_write32(IOAPIC_BASE + IOAPIC_DATA, value);
}

void guest_irq_enable(unsigned int gsi, unsigned int vector)
{
	/* The two 8259s start with their lines open: mask them. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	mmio_write32(LAPIC_BASE + LAPIC_SVR, 0x1ff);
	ioapic_write(IOAPIC_REDTBL + gsi * 2 + 1, 0);
	ioapic_write(IOAPIC_REDTBL + gsi * 2, vector);	/* fixed, edge, active high, open */
}

void guest_irq_wait(unsigned int vector, uint32_t old)
{
	for (;;) {
		__asm__ volatile("cli");
		if (irq_count[vector] != old)
			return;
		/* STI holds interrupts off for one more instruction, so none is lost before HLT. */
		__asm__ volatile("sti; hlt" : : : "memory");
	}
}
