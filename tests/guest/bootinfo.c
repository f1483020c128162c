/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootinfo.c - what the loader says about the machine: command line, initrd, MP table
 * (MultiProcessor Specification 1.4) and ACPI tables (ACPI 6.3, 5.2).
 */
#include "guest.h"

#define LOW_RAM_END	0x9fc00
#define RSDP_PLACE	0xe0000

static uint8_t sum(const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	uint8_t total = 0;

	while (len-- > 0)
		total = (uint8_t)(total + *bytes++);
	return total;
}

GUEST_TEST(boot_cmdline)
{
	print("cmdline: %s\n", guest_boot.cmdline);
}

static void initrd_place(void)
{
	check_eq(guest_boot.initrd_size, arg_u64("bytes", 0), "size");
	check_eq(guest_boot.initrd % 4096, 0, "page alignment");
	check(guest_boot.initrd >= gpa_of(guest_end), "it lies over the kernel");
	check(guest_boot.initrd + guest_boot.initrd_size <= ram_low_end(), "it lies outside RAM");
}

/* Print a sum that the host compares: of every word, or of one in @step. */
GUEST_TEST(boot_initrd)
{
	const uint64_t *words = ptr(guest_boot.initrd);
	const uint64_t step = arg_u64("step", 1);
	uint64_t total = 0;

	initrd_place();
	for (uint64_t i = 0; i < guest_boot.initrd_size / 8; i += step)
		total = (total << 1 | total >> 63) ^ words[i];
	print("initrd: %016lx\n", total);
}

/* 64-bit entry: what the boot protocol promises about the processor. */
GUEST_TEST(boot_state)
{
	uint64_t cr0, cr4, rflags;
	uint32_t low, high;
	uint16_t cs, ds, es, ss;

	__asm__("mov %%cr0, %0" : "=r"(cr0));
	__asm__("mov %%cr4, %0" : "=r"(cr4));
	__asm__("pushf; pop %0" : "=r"(rflags));
	__asm__("mov %%cs, %0" : "=r"(cs));
	__asm__("mov %%ds, %0" : "=r"(ds));
	__asm__("mov %%es, %0" : "=r"(es));
	__asm__("mov %%ss, %0" : "=r"(ss));
	__asm__("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
	check_eq(cr0 & 0x80000001, 0x80000001, "CR0: paging, protection");
	check(cr4 & 0x20, "CR4: PAE");
	check_eq(low & 0x500, 0x500, "EFER: LME, LMA");
	check(!(rflags & 0x200), "interrupts are off");
	if (!guest_boot.pvh) {
		/* boot.rst, "64-bit Boot Protocol": __BOOT_CS and __BOOT_DS. */
		check_eq(cs, 0x10, "CS");
		check_eq(ds, 0x18, "DS");
		check_eq(es, 0x18, "ES");
		check_eq(ss, 0x18, "SS");
	}
}

GUEST_TEST(boot_params)
{
	const uint8_t *const bp = guest_boot.params;

	check_eq(load16(bp + 0x1fe), 0xaa55, "boot_flag");
	check_eq(load32(bp + 0x202), 0x53726448, "the header's magic, HdrS");
	check(load16(bp + 0x206) >= 0x20c, "protocol version 0x%x",
	      (unsigned int)load16(bp + 0x206));
	check_eq(bp[0x210], 0xff, "type_of_loader");
	check_eq(bp[0x211] & 1, 1, "loadflags: LOADED_HIGH");
	check_eq(guest_boot.rsdp, RSDP_PLACE, "acpi_rsdp_addr");
}

GUEST_TEST(boot_mptable)
{
	const uint8_t *const floating = ptr(LOW_RAM_END), *table, *entry;
	unsigned int cpus = 0, ioapics = 0, pins = 0, buses = 0, size;

	check_eq(load32(floating), 0x5f504d5f, "_MP_");
	check_eq(sum(floating, floating[8] * 16u), 0, "the pointer's checksum");
	check_eq(floating[9], 4, "revision 1.4");
	table = ptr(load32(floating + 4));
	check_eq(load32(table), 0x504d4350, "PCMP");
	check_eq(sum(table, load16(table + 4)), 0, "the table's checksum");
	check_eq(load32(table + 36), LAPIC_BASE, "LAPIC");
	entry = table + 44;
	for (unsigned int i = 0; i < load16(table + 34); i++, entry += size) {
		size = entry[0] == 0 ? 20 : 8;
		switch (entry[0]) {
		case 0:
			check_eq(entry[1], cpus, "APIC id");
			check_eq(entry[3], cpus == 0 ? 3 : 1, "enabled; the first one boots");
			cpus++;
			break;
		case 1:
			buses++;
			break;
		case 2:
			check_eq(load32(entry + 4), IOAPIC_BASE, "IOAPIC");
			ioapics++;
			break;
		case 3:
			pins++;
			break;
		case 4:
			break;
		default:
			fail("entry of type %u", (unsigned int)entry[0]);
		}
	}
	check_eq(entry - table, load16(table + 4), "the entries fill the table");
	check_eq(cpus, arg_u64("cpus", 1), "processors");
	check_eq(ioapics, 1, "IOAPICs");
	check_eq(buses, 1, "buses");
	check(pins >= 16, "%u interrupt sources", pins);
}

static bool contains(const uint8_t *data, uint32_t len, const char *text, uint32_t text_len)
{
	for (uint32_t i = 0; i + text_len <= len; i++)
		if (data[i] == (uint8_t)text[0] && memcmp(data + i, text, text_len) == 0)
			return true;
	return false;
}

static const uint8_t *acpi_table(uint64_t at, const char *signature)
{
	const uint8_t *const table = ptr(at);
	const uint32_t len = load32(table + 4);

	check(len >= 36 && len < 65536, "a table of %u bytes at 0x%lx", len, at);
	check(memcmp(table, signature, 4) == 0, "%s is not at 0x%lx", signature, at);
	check_eq(sum(table, len), 0, signature);
	/* Where the memory map says that it is not for use. */
	for (unsigned int i = 0; i < guest_boot.map_count; i++)
		check(guest_boot.map[i].type != 1 || at >= guest_boot.map[i].start +
		      guest_boot.map[i].size || at + len <= guest_boot.map[i].start,
		      "%s lies in usable RAM", signature);
	return table;
}

/* A generic address structure (5.2.3.2): one byte of I/O ports. */
static void check_port(const uint8_t *gas, uint16_t port, const char *what)
{
	check_eq(gas[0], 1, what);
	check_eq(gas[1], 8, what);
	check_eq(load64(gas + 4), port, what);
}

static void check_fadt(const uint8_t *fadt)
{
	const uint32_t flags = load32(fadt + 112);
	const uint8_t *dsdt;

	check(load32(fadt + 4) >= 268, "a FADT of version 5 or later");
	check(flags & UINT32_C(1) << 20, "HW_REDUCED_ACPI");
	check(flags & UINT32_C(1) << 10, "RESET_REG_SUP");
	check_port(fadt + 116, PORT_RESET, "reset register");
	check_eq(fadt[128], 1, "reset value");
	check_port(fadt + 244, PORT_SLEEP_CONTROL, "sleep control register");
	check_port(fadt + 256, PORT_SLEEP_STATUS, "sleep status register");
	check(load64(fadt + 140) != 0 || load32(fadt + 40) != 0, "no DSDT");
	dsdt = acpi_table(load64(fadt + 140) != 0 ? load64(fadt + 140) : load32(fadt + 40), "DSDT");
	check(contains(dsdt, load32(dsdt + 4), "_S5_", 4), "_S5");
	/* As EISA ids (19.3.4): three letters in 15 bits, then the digits, big-endian. */
	check(contains(dsdt, load32(dsdt + 4), "\x41\xd0\x0c\x0c", 4), "the power button, PNP0C0C");
	check(contains(dsdt, load32(dsdt + 4), "\x41\xd0\x05\x01", 4), "the serial port, PNP0501");
	check_eq(contains(dsdt, load32(dsdt + 4), "LNRO0005", 8), arg_u64("virtio", 0) > 0,
		 "virtio devices");
}

static void check_madt(const uint8_t *madt)
{
	const uint8_t *entry = madt + 44;
	const uint8_t *const end = madt + load32(madt + 4);
	unsigned int cpus = 0, ioapics = 0;

	check_eq(load32(madt + 36), LAPIC_BASE, "LAPIC");
	for (; entry < end; entry += entry[1]) {
		check(entry[1] >= 2, "an entry without length");
		if (entry[0] == 0) {
			check_eq(entry[3], cpus, "APIC id");
			check_eq(load32(entry + 4) & 1, 1, "enabled");
			cpus++;
		} else if (entry[0] == 1) {
			check_eq(load32(entry + 4), IOAPIC_BASE, "IOAPIC");
			check_eq(load32(entry + 8), 0, "its first interrupt");
			ioapics++;
		}
	}
	check_eq(entry - end, 0, "the entries fill the table");
	check_eq(cpus, arg_u64("cpus", 1), "processors");
	check_eq(ioapics, 1, "IOAPICs");
}

GUEST_TEST(boot_acpi)
{
	const uint8_t *const rsdp = ptr(RSDP_PLACE);
	const uint8_t *xsdt;
	bool fadt = false, madt = false;

	check_eq(guest_boot.rsdp, RSDP_PLACE, "the loader's pointer");
	check(memcmp(rsdp, "RSD PTR ", 8) == 0, "RSDP");
	check_eq(sum(rsdp, 20), 0, "RSDP, first checksum");
	check_eq(sum(rsdp, load32(rsdp + 20)), 0, "RSDP, second checksum");
	check(rsdp[15] >= 2, "revision %u", (unsigned int)rsdp[15]);
	xsdt = acpi_table(load64(rsdp + 24), "XSDT");
	for (uint32_t i = 36; i + 8 <= load32(xsdt + 4); i += 8) {
		const uint64_t at = load64(xsdt + i);

		if (memcmp(ptr(at), "FACP", 4) == 0) {
			check_fadt(acpi_table(at, "FACP"));
			fadt = true;
		} else if (memcmp(ptr(at), "APIC", 4) == 0) {
			check_madt(acpi_table(at, "APIC"));
			madt = true;
		} else {
			fail("a table nobody expects at 0x%lx", at);
		}
	}
	check(fadt && madt, "FADT and MADT");
}
