/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvh.c - what a kernel that is entered by the PVH protocol finds: start_info, the module list (the
 * initrd) and the memory map. The structures are Xen's public ABI, xen/include/public/arch-x86/hvm/
 * start_info.h: little-endian, all addresses guest physical. Version 1 brought the memory map.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "boot/info.h"

#define PVH_MAGIC	0x336ec578
#define PVH_VERSION	1

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct pvh_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* The three lie one behind the other. */
struct pvh_info {
	struct pvh_start_info start;
	struct pvh_module initrd;
	struct pvh_memmap_entry map[MEMORY_RANGES_MAX];
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h");
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "start_info.h");
_Static_assert(LAYOUT_PVH_INFO + sizeof(struct pvh_info) <= LAYOUT_BOOT_PARAMS, "room");

int pvh_info_write(struct guest_memory *mem, const struct initrd *initrd, struct error *err)
{
	struct memory_range map[MEMORY_RANGES_MAX];
	struct pvh_info info = {
		.start = {
			.magic = PVH_MAGIC,
			.version = PVH_VERSION,
			.cmdline_paddr = LAYOUT_CMDLINE,
			.rsdp_paddr = LAYOUT_RSDP,
			.memmap_paddr = LAYOUT_PVH_INFO + offsetof(struct pvh_info, map),
		},
	};

	if (initrd->size > 0) {
		info.start.nr_modules = 1;
		info.start.modlist_paddr = LAYOUT_PVH_INFO + offsetof(struct pvh_info, initrd);
		info.initrd = (struct pvh_module){ .paddr = initrd->gpa, .size = initrd->size };
	}
	info.start.memmap_entries = memory_map_get(mem, map);
	for (unsigned int i = 0; i < info.start.memmap_entries; i++)
		info.map[i] = (struct pvh_memmap_entry){
			.addr = map[i].gpa, .size = map[i].size, .type = map[i].type,
		};
	if (guest_memory_write(mem, LAYOUT_PVH_INFO, &info, sizeof(info)) < 0)
		return error_set(err, -EFAULT, "guest memory ends below the PVH start info");
	return 0;
}
