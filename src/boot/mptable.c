/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptable.c - the Intel MP table, for kernels without ACPI. MultiProcessor Specification 1.4: the
 * floating pointer (4.1), the configuration header (4.2) and its entries (4.3), one behind the
 * other at LAYOUT_SYSTEM, in the last KiB of base memory, where section 4 has systems look.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "boot/boot.h"
#include "boot/checksum.h"

#define MP_REVISION		4	/* 1.4 */
#define MP_ENTRY_CPU		0
#define MP_ENTRY_BUS		1
#define MP_ENTRY_IOAPIC		2
#define MP_ENTRY_INTERRUPT	3
#define MP_ENTRY_LINT		4

#define MP_CPU_ENABLED		0x01
#define MP_CPU_BOOT		0x02
#define MP_IOAPIC_ENABLED	0x01
#define MP_INT			0	/* interrupt types, table 4-10 */
#define MP_NMI			1
#define MP_EXTINT		3
#define MP_ALL_LAPICS		0xff

#define MP_LAPIC_VERSION	0x14	/* of an integrated APIC, as KVM's */
#define MP_IOAPIC_VERSION	0x11	/* of an 82093AA, as KVM's */
#define MP_CPU_SIGNATURE	0x600	/* family 6; systems ask CPUID */
#define MP_CPU_FEATURES		0x201	/* APIC and FPU */
#define MP_BUS_ISA		0

struct mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length;			/* in 16 bytes */
	uint8_t revision;
	uint8_t checksum;
	uint8_t feature[5];		/* all 0: a table follows, no IMCR */
};

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_size;
	uint16_t entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
};

struct mp_cpu {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
};

struct mp_bus {
	uint8_t type, id;
	char name[6];
};

struct mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
};

/* Of an IOAPIC's pin, or of a local APIC's LINT pin. Flags 0: as the bus has it, edge and high. */
struct mp_interrupt {
	uint8_t type, interrupt;
	uint16_t flags;
	uint8_t bus, irq, apic, pin;
};

_Static_assert(sizeof(struct mp_pointer) == 16, "MP 4.1");
_Static_assert(sizeof(struct mp_header) == 44, "MP 4.2");
_Static_assert(sizeof(struct mp_cpu) == 20, "MP 4.3.1");
_Static_assert(sizeof(struct mp_bus) == 8 && sizeof(struct mp_ioapic) == 8 &&
	       sizeof(struct mp_interrupt) == 8, "MP 4.3.2 to 4.3.5");

#define MP_SPACE	0x400	/* to the end of base memory, 640 KiB */
#define MP_INTERRUPTS	(LAYOUT_IOAPIC_PINS + 2)	/* and the two LINT pins */
#define MP_CPUS_MAX	((MP_SPACE - sizeof(struct mp_pointer) - sizeof(struct mp_header) - \
			  sizeof(struct mp_bus) - sizeof(struct mp_ioapic) - \
			  MP_INTERRUPTS * sizeof(struct mp_interrupt)) / sizeof(struct mp_cpu))

/* A table that grows in guest memory; MP_CPUS_MAX sees to it that all fits. */
struct mp_writer {
	uint8_t *start;
	uint16_t len;
	uint16_t entries;
};

static void mp_add(struct mp_writer *writer, const void *entry, uint16_t len)
{
	memcpy(writer->start + writer->len, entry, len);
	writer->len = (uint16_t)(writer->len + len);
	writer->entries++;
}

static void mp_add_cpus(struct mp_writer *writer, unsigned int cpus)
{
	for (unsigned int i = 0; i < cpus; i++) {
		struct mp_cpu cpu = {
			.type = MP_ENTRY_CPU, .apic_id = (uint8_t)i,
			.apic_version = MP_LAPIC_VERSION,
			.flags = MP_CPU_ENABLED | (i == 0 ? MP_CPU_BOOT : 0),
			.signature = MP_CPU_SIGNATURE, .features = MP_CPU_FEATURES,
		};

		mp_add(writer, &cpu, sizeof(cpu));
	}
}

static void mp_add_interrupts(struct mp_writer *writer, uint8_t ioapic_id)
{
	static const struct mp_interrupt lint[] = {
		{ MP_ENTRY_LINT, MP_EXTINT, 0, MP_BUS_ISA, 0, 0, 0 },
		{ MP_ENTRY_LINT, MP_NMI, 0, MP_BUS_ISA, 0, MP_ALL_LAPICS, 1 },
	};

	for (uint8_t pin = 0; pin < LAYOUT_IOAPIC_PINS; pin++) {
		struct mp_interrupt interrupt = {
			MP_ENTRY_INTERRUPT, MP_INT, 0, MP_BUS_ISA, pin, ioapic_id, pin,
		};

		mp_add(writer, &interrupt, sizeof(interrupt));
	}
	mp_add(writer, &lint[0], sizeof(lint[0]));
	mp_add(writer, &lint[1], sizeof(lint[1]));
}

static void mp_add_entries(struct mp_writer *writer, const struct boot_machine *machine)
{
	/* The IOAPIC's id is the first that no CPU has. */
	uint8_t ioapic_id = (uint8_t)machine->cpus;
	struct mp_bus bus = {
		.type = MP_ENTRY_BUS, .id = MP_BUS_ISA, .name = { 'I', 'S', 'A', ' ', ' ', ' ' },
	};
	struct mp_ioapic ioapic = {
		MP_ENTRY_IOAPIC, ioapic_id, MP_IOAPIC_VERSION, MP_IOAPIC_ENABLED, LAYOUT_IOAPIC,
	};

	mp_add_cpus(writer, machine->cpus);
	mp_add(writer, &bus, sizeof(bus));
	mp_add(writer, &ioapic, sizeof(ioapic));
	mp_add_interrupts(writer, ioapic_id);
}

int mptable_write(struct guest_memory *mem, const struct boot_machine *machine, struct error *err)
{
	const uint16_t entries_at = sizeof(struct mp_pointer) + sizeof(struct mp_header);
	struct mp_writer writer = {
		.start = guest_memory_ptr(mem, LAYOUT_SYSTEM, MP_SPACE), .len = entries_at,
	};
	struct mp_pointer pointer = {
		.signature = { '_', 'M', 'P', '_' }, .table = LAYOUT_SYSTEM + sizeof(pointer),
		.length = sizeof(pointer) / 16, .revision = MP_REVISION,
	};
	struct mp_header header = {
		.signature = { 'P', 'C', 'M', 'P' }, .revision = MP_REVISION,
		.oem = { 'V', 'O', 'L', 'T', ' ', ' ', ' ', ' ' },
		.product = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ', ' ', ' ', ' ', ' ' },
		.lapic = LAYOUT_LAPIC,
	};

	if (!writer.start)
		return error_set(err, -EFAULT, "guest memory ends below the MP table");
	if (machine->cpus > MP_CPUS_MAX)
		return error_set(err, -ENOSPC, "the MP table has room for %zu CPUs, not for %u",
				 MP_CPUS_MAX, machine->cpus);
	mp_add_entries(&writer, machine);

	header.length = (uint16_t)(writer.len - sizeof(pointer));
	header.entries = writer.entries;
	memcpy(writer.start + sizeof(pointer), &header, sizeof(header));
	header.checksum = table_checksum(writer.start + sizeof(pointer), header.length);
	memcpy(writer.start + sizeof(pointer), &header, sizeof(header));
	pointer.checksum = table_checksum(&pointer, sizeof(pointer));
	memcpy(writer.start, &pointer, sizeof(pointer));
	return 0;
}

_Static_assert(LAYOUT_SYSTEM + MP_SPACE == 640 * 1024, "the last KiB of base memory");
