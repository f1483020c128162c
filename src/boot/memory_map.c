/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/info.h"

unsigned int memory_map_get(const struct guest_memory *mem,
			    struct memory_range ret_range[MEMORY_RANGES_MAX])
{
	uint64_t low_end = guest_memory_low_end(mem);
	unsigned int n = 0;

	ret_range[n++] = (struct memory_range){ 0, LAYOUT_SYSTEM, MEMORY_RAM };
	/* The MP and ACPI tables live here; Linux looks for them only in what is no RAM. */
	ret_range[n++] = (struct memory_range){
		LAYOUT_SYSTEM, LAYOUT_HIGH_MEMORY - LAYOUT_SYSTEM, MEMORY_RESERVED,
	};
	if (low_end > LAYOUT_HIGH_MEMORY)
		ret_range[n++] = (struct memory_range){
			LAYOUT_HIGH_MEMORY, low_end - LAYOUT_HIGH_MEMORY, MEMORY_RAM,
		};
	for (unsigned int i = 1; i < mem->region_count; i++)
		ret_range[n++] = (struct memory_range){
			mem->region[i].gpa, mem->region[i].size, MEMORY_RAM,
		};
	return n;
}

_Static_assert(MEMORY_RANGES_MAX == 3 + GUEST_REGIONS_MAX - 1, "room for every range");
