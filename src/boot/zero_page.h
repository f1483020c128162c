/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zero_page.h - the part of Linux's x86 boot protocol that this monitor uses: the setup header and
 * the zero page (struct boot_params), by the protocol's description in the kernel's documentation
 * (arch/x86/boot.rst and zero-page.rst). Written out here because the kernel's own header pulls in
 * others that a musl build does not have; a unit test compares every offset with it.
 */
#ifndef VOLT_BOOT_ZERO_PAGE_H
#define VOLT_BOOT_ZERO_PAGE_H

#include <stddef.h>
#include <stdint.h>

#define SETUP_HEADER_OFFSET	0x1f1	/* in the file and in the zero page */
#define SETUP_BOOT_FLAG		0xaa55
#define SETUP_MAGIC		0x53726448	/* "HdrS" */
#define SETUP_VERSION_2_12	0x020c
#define SETUP_LOADER_UNKNOWN	0xff	/* type_of_loader without an assigned number */
#define SETUP_LOADED_HIGH	0x01	/* loadflags */
#define SETUP_XLF_KERNEL_64	0x01	/* xloadflags */

struct setup_header_2_12 {
	uint8_t setup_sects;		/* 512-byte sectors after the first; 0 means 4 */
	uint16_t root_flags;
	uint32_t syssize;		/* of what follows the setup sectors, in 16 bytes */
	uint16_t ram_size;
	uint16_t vid_mode;
	uint16_t root_dev;
	uint16_t boot_flag;
	uint8_t jump;			/* a short jump over the header ... */
	uint8_t jump_distance;		/* ... so that header + jump_distance is its end */
	uint32_t header;
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg;
	uint16_t kernel_version;
	uint8_t type_of_loader;
	uint8_t loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start;
	uint32_t ramdisk_image;
	uint32_t ramdisk_size;
	uint32_t bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver;
	uint8_t ext_loader_type;
	uint32_t cmd_line_ptr;
	uint32_t initrd_addr_max;
	uint32_t kernel_alignment;
	uint8_t relocatable_kernel;
	uint8_t min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size;		/* without the NUL */
	uint32_t hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset;
	uint32_t payload_length;
	uint64_t setup_data;
	uint64_t pref_address;
	uint32_t init_size;
	uint32_t handover_offset;
} __attribute__((packed));

struct zero_page_e820 {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));

#define ZERO_PAGE_SIZE		4096
#define ZERO_PAGE_E820_MAX	128

struct zero_page {
	uint8_t unused0[0x70];
	uint64_t acpi_rsdp_addr;
	uint8_t unused1[0x1e8 - 0x78];
	uint8_t e820_entries;
	uint8_t unused2[SETUP_HEADER_OFFSET - 0x1e9];
	struct setup_header_2_12 hdr;
	uint8_t unused3[0x2d0 - SETUP_HEADER_OFFSET - sizeof(struct setup_header_2_12)];
	struct zero_page_e820 e820_table[ZERO_PAGE_E820_MAX];
	uint8_t unused4[ZERO_PAGE_SIZE - 0xcd0];
} __attribute__((packed));

_Static_assert(SETUP_HEADER_OFFSET + offsetof(struct setup_header_2_12, header) == 0x202 &&
	       SETUP_HEADER_OFFSET + offsetof(struct setup_header_2_12, init_size) == 0x260,
	       "boot.rst");
_Static_assert(offsetof(struct zero_page, e820_table) == 0x2d0, "zero-page.rst");
_Static_assert(sizeof(struct zero_page) == ZERO_PAGE_SIZE, "zero-page.rst");

#endif
