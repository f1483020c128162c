/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/util.h"
#include "boot/info.h"

/* Intel SDM volume 3, 4.5: bits of an entry. */
#define PTE_PRESENT	0x01
#define PTE_WRITABLE	0x02
#define PTE_LARGE	0x80	/* in a page directory: maps 2 MiB */

#define PTE_PER_TABLE	512
#define PD_COUNT	4	/* of 1 GiB each */

struct page_tables {
	uint64_t pml4[PTE_PER_TABLE];
	uint64_t pdpt[PTE_PER_TABLE];
	uint64_t pd[PD_COUNT][PTE_PER_TABLE];
};

_Static_assert(LAYOUT_PAGE_TABLES + sizeof(struct page_tables) <= LAYOUT_CMDLINE, "room");

int page_tables_write(struct guest_memory *mem, struct error *err)
{
	const uint64_t base = LAYOUT_PAGE_TABLES;
	struct page_tables *tables = guest_memory_ptr(mem, base, sizeof(*tables));

	if (!tables)
		return error_set(err, -EFAULT, "guest memory ends below the page tables");
	tables->pml4[0] = (base + offsetof(struct page_tables, pdpt)) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t i = 0; i < PD_COUNT; i++) {
		tables->pdpt[i] = (base + offsetof(struct page_tables, pd) +
				   i * sizeof(tables->pd[0])) | PTE_PRESENT | PTE_WRITABLE;
		for (uint64_t j = 0; j < PTE_PER_TABLE; j++)
			tables->pd[i][j] = (i * PTE_PER_TABLE + j) * PAGE_SIZE_2M |
					   PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;
	}
	return 0;
}
