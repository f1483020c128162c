/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - what the loader left in memory, by either protocol, in one form; and page tables for
 * what lies above 4 GiB.
 */
#include "guest.h"

struct guest_boot guest_boot;

/* boot_params: Documentation/arch/x86/zero-page.rst and boot.rst. */
#define BP_ACPI_RSDP_ADDR	0x070
#define BP_E820_ENTRIES		0x1e8
#define BP_RAMDISK_IMAGE	0x218
#define BP_RAMDISK_SIZE		0x21c
#define BP_CMD_LINE_PTR		0x228
#define BP_E820_TABLE		0x2d0
#define E820_ENTRY_SIZE		20

/* struct hvm_start_info, version 1: Xen's public/arch-x86/hvm/start_info.h. */
#define SI_MAGIC		0x336ec578
#define SI_VERSION		4
#define SI_NR_MODULES		12
#define SI_MODLIST		16
#define SI_CMDLINE		24
#define SI_RSDP			32
#define SI_MEMMAP		40
#define SI_MEMMAP_ENTRIES	48

void guest_boot_parse(const uint8_t *boot_params, const uint8_t *start_info);

static void map_add(uint64_t start, uint64_t size, uint32_t type)
{
	if (guest_boot.map_count < GUEST_RAM_MAX)
		guest_boot.map[guest_boot.map_count++] = (struct guest_range){ start, size, type };
}

static void parse_boot_params(const uint8_t *bp)
{
	const uint8_t *entry = bp + BP_E820_TABLE;

	guest_boot.cmdline = ptr(load32(bp + BP_CMD_LINE_PTR));
	guest_boot.initrd = load32(bp + BP_RAMDISK_IMAGE);
	guest_boot.initrd_size = load32(bp + BP_RAMDISK_SIZE);
	guest_boot.rsdp = load64(bp + BP_ACPI_RSDP_ADDR);
	for (unsigned int i = 0; i < bp[BP_E820_ENTRIES]; i++, entry += E820_ENTRY_SIZE)
		map_add(load64(entry), load64(entry + 8), load32(entry + 16));
}

static void parse_start_info(const uint8_t *si)
{
	const uint8_t *entry, *module;

	guest_boot.pvh = true;
	guest_boot.cmdline = ptr(load64(si + SI_CMDLINE));
	check_eq(load32(si), SI_MAGIC, "start_info");
	check_eq(load32(si + SI_VERSION), 1, "start_info");
	guest_boot.rsdp = load64(si + SI_RSDP);
	if (load32(si + SI_NR_MODULES) > 0) {
		module = ptr(load64(si + SI_MODLIST));
		guest_boot.initrd = load64(module);
		guest_boot.initrd_size = load64(module + 8);
	}
	entry = ptr(load64(si + SI_MEMMAP));
	for (unsigned int i = 0; i < load32(si + SI_MEMMAP_ENTRIES); i++, entry += 24)
		map_add(load64(entry), load64(entry + 8), load32(entry + 16));
}

void guest_boot_parse(const uint8_t *boot_params, const uint8_t *start_info)
{
	if (start_info != NULL) {
		guest_boot.params = start_info;
		parse_start_info(start_info);
	} else {
		guest_boot.params = boot_params;
		parse_boot_params(boot_params);
	}
}

uint64_t ram_low_end(void)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < guest_boot.map_count; i++) {
		const struct guest_range *range = &guest_boot.map[i];

		if (range->type == 1 && range->start < MMIO_GAP_START &&
		    range->start + range->size > end)
			end = range->start + range->size;
	}
	return end;
}

uint64_t ram_total(void)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < guest_boot.map_count; i++)
		if (guest_boot.map[i].type == 1)
			total += guest_boot.map[i].size;
	return total;
}

#define PAGE_TABLES_MAX 16	/* enough for 20 GiB */

void map_up_to(uint64_t end)
{
	static uint64_t tables[PAGE_TABLES_MAX][512] __attribute__((aligned(4096)));
	const uint64_t gib = UINT64_C(1) << 30;
	uint64_t *pml4, *pdpt;
	unsigned int used = 0;

	__asm__ volatile("mov %%cr3, %0" : "=r"(pml4));
	pdpt = ptr(pml4[0] & UINT64_C(0xffffffffff000));
	for (uint64_t at = 4 * gib; at < end; at += gib) {
		check(used < PAGE_TABLES_MAX, "no tables for 0x%lx", end);
		for (unsigned int i = 0; i < 512; i++)
			tables[used][i] = (at + ((uint64_t)i << 21)) | 0x83;
		pdpt[at >> 30] = gpa_of(tables[used++]) | 3;
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}
