/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info.h - the parts of what a kernel finds in memory when it starts. Private to boot/.
 */
#ifndef VOLT_BOOT_INFO_H
#define VOLT_BOOT_INFO_H

#include <linux/kvm.h>
#include <stdint.h>

#include "boot/boot.h"

/* Types of the BIOS call INT 15h, E820h, which both protocols use. */
#define MEMORY_RAM		1
#define MEMORY_RESERVED		2

#define MEMORY_RANGES_MAX	4

struct memory_range {
	uint64_t gpa, size;
	uint32_t type;
};

/* The guest's memory map, in ascending order. Returns the number of ranges. */
unsigned int memory_map_get(const struct guest_memory *mem,
			    struct memory_range ret_range[MEMORY_RANGES_MAX]);

/* Fill in the page at LAYOUT_BOOT_PARAMS; the page's memory is still zero. */
int boot_params_write(struct guest_memory *mem, const struct kernel *kernel,
		      const struct initrd *initrd, struct error *err);

/* Fill in start_info and its lists at LAYOUT_PVH_INFO. */
int pvh_info_write(struct guest_memory *mem, const struct initrd *initrd, struct error *err);

/*
 * The flat segments of 64-bit entry. The protocol wants the selectors 0x10 and 0x18 (__BOOT_CS,
 * __BOOT_DS); the task register needs a descriptor of two slots in long mode.
 */
#define GDT_CODE		2
#define GDT_DATA		3
#define GDT_TSS			4
#define GDT_ENTRIES		6

extern const struct kvm_segment segment_code64, segment_code32, segment_data, segment_tss;

/* Write the GDT at LAYOUT_GDT. */
int gdt_write(struct guest_memory *mem, struct error *err);

/* Write page tables at LAYOUT_PAGE_TABLES that map the first 4 GiB to themselves. */
int page_tables_write(struct guest_memory *mem, struct error *err);

#endif
