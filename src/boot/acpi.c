/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.c - the ACPI tables, by version 6.3 of the specification: RSDP (5.2.5), XSDT (5.2.8), FADT
 * (5.2.9), MADT (5.2.12) and DSDT (dsdt.c).
 *
 * The machine is hardware-reduced (4.1): no PM timer, no SCI, no fixed button, sleep and reset are
 * registers in I/O space (devices/power.h). Linux then leaves the 8259 and the 8254 alone; the
 * MADT's PCAT_COMPAT flag, which would bring the 8259 back, is 0. The kernel takes its time from
 * kvm-clock and the local APIC's timer. The boot architecture flags spare the guest its probes:
 *
 *	8042		clear: there is a port that resets, but no keyboard behind it. Linux would
 *			wait some 100 ms for one. "reboot=k" works all the same.
 *	VGA, CMOS RTC	marked as absent
 *	MSI		not marked as unsupported
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "boot/boot.h"
#include "boot/checksum.h"
#include "boot/dsdt.h"
#include "devices/power.h"

#define ACPI_SPACE		(LAYOUT_RSDP - LAYOUT_ACPI)
#define ACPI_TABLE_ALIGN	16

/* Table 5-33 and following: FADT. */
#define FADT_REVISION		6
#define FADT_MINOR		3
#define FADT_WBINVD		BIT32(0)
#define FADT_PWR_BUTTON		BIT32(4)	/* no fixed-hardware button: a device or none */
#define FADT_SLP_BUTTON		BIT32(5)	/* the same for the sleep button */
#define FADT_RESET_REG_SUP	BIT32(10)
#define FADT_HW_REDUCED		BIT32(20)
#define FADT_BOOT_NO_VGA	(1 << 2)
#define FADT_BOOT_NO_CMOS_RTC	(1 << 5)

/* Tables 5-43 and following: MADT. */
#define MADT_REVISION		5
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_LAPIC_NMI		4
#define MADT_LAPIC_ENABLED	1
#define MADT_ALL_CPUS		0xff
#define MADT_CPUS_MAX		254		/* 8-bit APIC ids, one kept for the IOAPIC */

#define XSDT_REVISION		1
#define XSDT_TABLES		2		/* FADT, MADT; the FADT points to the DSDT */
#define DSDT_REVISION		2		/* 64-bit integers */
#define RSDP_REVISION		2

#define GAS_SYSTEM_IO		1
#define GAS_BYTE_ACCESS		1

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;		/* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;	/* of all */
	uint8_t reserved[3];
} __attribute__((packed));

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct acpi_gas {
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
} __attribute__((packed));

struct acpi_xsdt {
	struct acpi_header header;
	uint64_t table[XSDT_TABLES];
} __attribute__((packed));

/* What hardware-reduced machines leave 0 is not named. */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t fixed_hardware[109 - 44];
	uint16_t boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_gas reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct acpi_gas x_fixed_hardware[8];
	struct acpi_gas sleep_control;
	struct acpi_gas sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic;
	uint32_t flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

struct madt_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_rsdp) == 36 && sizeof(struct acpi_header) == 36, "5.2.5, 5.2.6");
_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "5.2.9");
_Static_assert(offsetof(struct acpi_fadt, reset) == 116, "5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "5.2.9");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "5.2.9");
_Static_assert(sizeof(struct acpi_fadt) == 276, "5.2.9");
_Static_assert(sizeof(struct madt_lapic) == 8 && sizeof(struct madt_ioapic) == 12 &&
	       sizeof(struct madt_lapic_nmi) == 6, "5.2.12");

static struct acpi_header acpi_header_make(const char signature[4], uint8_t revision)
{
	struct acpi_header header = {
		.revision = revision,
		.oem = { 'V', 'O', 'L', 'T', ' ', ' ' },
		.oem_table = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ' },
		.oem_revision = 1,
		.creator = { 'V', 'O', 'L', 'T' },
		.creator_revision = 1,
	};

	memcpy(header.signature, signature, sizeof(header.signature));
	return header;
}

/* Align the next table; returns its offset. */
static size_t acpi_table_begin(struct aml *out)
{
	static const uint8_t padding[ACPI_TABLE_ALIGN];

	aml_bytes(out, padding, -out->len & (ACPI_TABLE_ALIGN - 1));
	return out->len;
}

/* Close the table at @start: its length, then its checksum. Returns its guest address. */
static uint64_t acpi_table_end(struct aml *out, size_t start)
{
	uint8_t *table = out->buf + start;
	uint32_t len = (uint32_t)(out->len - start);

	if (out->overflow)
		return 0;
	memcpy(table + offsetof(struct acpi_header, length), &len, sizeof(len));
	table[offsetof(struct acpi_header, checksum)] = table_checksum(table, len);
	return LAYOUT_ACPI + start;
}

static uint64_t acpi_write_dsdt(struct aml *out, const struct boot_machine *machine)
{
	struct acpi_header header = acpi_header_make("DSDT", DSDT_REVISION);
	size_t start = acpi_table_begin(out);

	aml_bytes(out, &header, sizeof(header));
	dsdt_write(out, machine);
	return acpi_table_end(out, start);
}

static struct acpi_gas acpi_power_register(uint16_t offset)
{
	return (struct acpi_gas){
		.space = GAS_SYSTEM_IO, .bit_width = 8, .access_size = GAS_BYTE_ACCESS,
		.address = LAYOUT_PORT_POWER + offset,
	};
}

static uint64_t acpi_write_fadt(struct aml *out, uint64_t dsdt)
{
	struct acpi_fadt fadt = {
		.header = acpi_header_make("FACP", FADT_REVISION),
		.dsdt = (uint32_t)dsdt,
		.boot_arch = FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS_RTC,
		.flags = FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG_SUP |
			 FADT_HW_REDUCED,
		.reset = acpi_power_register(POWER_RESET),
		.reset_value = POWER_RESET_VALUE,
		.minor = FADT_MINOR,
		.x_dsdt = dsdt,
		.sleep_control = acpi_power_register(POWER_SLEEP_CONTROL),
		.sleep_status = acpi_power_register(POWER_SLEEP_STATUS),
	};
	size_t start = acpi_table_begin(out);

	aml_bytes(out, &fadt, sizeof(fadt));
	return acpi_table_end(out, start);
}

static uint64_t acpi_write_madt(struct aml *out, unsigned int cpus)
{
	struct acpi_madt madt = {
		.header = acpi_header_make("APIC", MADT_REVISION), .lapic = LAYOUT_LAPIC,
	};
	struct madt_ioapic ioapic = {
		.type = MADT_IOAPIC, .length = sizeof(ioapic), .id = (uint8_t)cpus,
		.address = LAYOUT_IOAPIC,
	};
	struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI, .length = sizeof(nmi), .uid = MADT_ALL_CPUS, .lint = 1,
	};
	size_t start = acpi_table_begin(out);

	aml_bytes(out, &madt, sizeof(madt));
	for (unsigned int i = 0; i < cpus; i++) {
		struct madt_lapic lapic = {
			.type = MADT_LAPIC, .length = sizeof(lapic), .uid = (uint8_t)i,
			.apic_id = (uint8_t)i, .flags = MADT_LAPIC_ENABLED,
		};

		aml_bytes(out, &lapic, sizeof(lapic));
	}
	aml_bytes(out, &ioapic, sizeof(ioapic));
	aml_bytes(out, &nmi, sizeof(nmi));
	return acpi_table_end(out, start);
}

static uint64_t acpi_write_xsdt(struct aml *out, uint64_t fadt, uint64_t madt)
{
	struct acpi_xsdt xsdt = {
		.header = acpi_header_make("XSDT", XSDT_REVISION), .table = { fadt, madt },
	};
	size_t start = acpi_table_begin(out);

	aml_bytes(out, &xsdt, sizeof(xsdt));
	return acpi_table_end(out, start);
}

static int acpi_write_rsdp(struct guest_memory *mem, uint64_t xsdt)
{
	struct acpi_rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem = { 'V', 'O', 'L', 'T', ' ', ' ' },
		.revision = RSDP_REVISION,
		.length = sizeof(rsdp),
		.xsdt = xsdt,
	};

	rsdp.checksum = table_checksum(&rsdp, offsetof(struct acpi_rsdp, length));
	rsdp.extended_checksum = table_checksum(&rsdp, sizeof(rsdp));
	return guest_memory_write(mem, LAYOUT_RSDP, &rsdp, sizeof(rsdp));
}

int acpi_write(struct guest_memory *mem, const struct boot_machine *machine, struct error *err)
{
	struct aml out = { .buf = guest_memory_ptr(mem, LAYOUT_ACPI, ACPI_SPACE),
			   .size = ACPI_SPACE };
	uint64_t dsdt, fadt, madt, xsdt;

	if (!out.buf)
		return error_set(err, -EFAULT, "guest memory ends below the ACPI tables");
	if (machine->cpus > MADT_CPUS_MAX || machine->virtio_count > LAYOUT_VIRTIO_MAX)
		return error_set(err, -ENOSPC, "the ACPI tables have room for %u CPUs and %u"
				 " devices, not for %u and %u", MADT_CPUS_MAX, LAYOUT_VIRTIO_MAX,
				 machine->cpus, machine->virtio_count);
	dsdt = acpi_write_dsdt(&out, machine);
	fadt = acpi_write_fadt(&out, dsdt);
	madt = acpi_write_madt(&out, machine->cpus);
	xsdt = acpi_write_xsdt(&out, fadt, madt);
	if (out.overflow)
		return error_set(err, -ENOSPC, "the ACPI tables do not fit into %u bytes",
				 (unsigned int)ACPI_SPACE);
	if (acpi_write_rsdp(mem, xsdt) < 0)
		return error_set(err, -EFAULT, "guest memory ends below the ACPI RSDP");
	return 0;
}
