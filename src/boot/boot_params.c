/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "boot/image.h"
#include "boot/info.h"
#include "boot/zero_page.h"

/* A vmlinux brings no setup header: these are the fields that the kernel itself still reads. */
static void boot_params_header_default(struct setup_header_2_12 *hdr)
{
	hdr->boot_flag = SETUP_BOOT_FLAG;
	hdr->header = SETUP_MAGIC;
	hdr->version = SETUP_VERSION_2_12;
	hdr->loadflags = SETUP_LOADED_HIGH;
	hdr->cmdline_size = IMAGE_LINUX_CMDLINE_MAX;
}

int boot_params_write(struct guest_memory *mem, const struct kernel *kernel,
		      const struct initrd *initrd, struct error *err)
{
	struct zero_page *page = guest_memory_ptr(mem, LAYOUT_BOOT_PARAMS, sizeof(*page));
	struct memory_range map[MEMORY_RANGES_MAX];
	unsigned int ranges;

	if (!page)
		return error_set(err, -EFAULT, "guest memory ends below the boot parameters");
	if (kernel->setup_header_len > 0)
		memcpy(&page->hdr, kernel->setup_header, kernel->setup_header_len);
	else
		boot_params_header_default(&page->hdr);

	page->hdr.type_of_loader = SETUP_LOADER_UNKNOWN;
	page->hdr.cmd_line_ptr = (uint32_t)LAYOUT_CMDLINE;
	page->hdr.ramdisk_image = (uint32_t)initrd->gpa;	/* below the MMIO gap, so 32 bits */
	page->hdr.ramdisk_size = (uint32_t)initrd->size;
	page->hdr.setup_data = 0;
	page->hdr.code32_start = (uint32_t)kernel->start;
	page->acpi_rsdp_addr = LAYOUT_RSDP;

	ranges = memory_map_get(mem, map);
	for (unsigned int i = 0; i < ranges; i++)
		page->e820_table[i] = (struct zero_page_e820){
			map[i].gpa, map[i].size, map[i].type,
		};
	page->e820_entries = (uint8_t)ranges;
	return 0;
}

_Static_assert(MEMORY_RANGES_MAX <= ZERO_PAGE_E820_MAX, "the map fits");
