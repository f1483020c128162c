/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bzimage.c - load a bzImage by Linux's 64-bit boot protocol.
 *
 * The file is a boot sector, setup sectors for real mode (not used here), and the protected-mode
 * part, which is loaded whole and entered 0x200 bytes from its start. It unpacks the kernel into
 * init_size bytes from where it runs; that range has to be RAM and to be left alone. Loading at
 * the preferred address (raised to the kernel's alignment) spares the unpacker a move. The setup
 * part of Debian's kernels is whole pages, so that the rest is mapped from the page cache.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/util.h"
#include "boot/image.h"
#include "boot/zero_page.h"

#define BZIMAGE_SECTOR		512
#define BZIMAGE_SETUP_SECTS_OLD	4		/* what a setup_sects of 0 means */
#define BZIMAGE_ENTRY_64	0x200		/* from the start of the protected-mode part */
#define BZIMAGE_CMDLINE_OLD	255		/* what a cmdline_size of 0 means */

/* Where the header must reach at least: all fields up to init_size, which 2.12 has. */
#define BZIMAGE_HEADER_MIN	(offsetof(struct setup_header_2_12, init_size) + sizeof(uint32_t))

/* Where the file's parts are and where they go. */
struct bzimage_plan {
	uint64_t offset, len;		/* the protected-mode part in the file */
	uint64_t load;			/* its guest address */
	uint64_t end;			/* of what it needs there */
};

_Static_assert(sizeof(((struct kernel *)NULL)->setup_header) >= sizeof(struct setup_header_2_12) &&
	       SETUP_HEADER_OFFSET + sizeof(((struct kernel *)NULL)->setup_header) <= 0x290,
	       "the copied header ends where the zero page's next field begins");

bool bzimage_probe(const struct kernel_image *image)
{
	uint32_t magic;

	if (image->head_len < 0x206)
		return false;
	memcpy(&magic, image->head + 0x202, sizeof(magic));
	return magic == SETUP_MAGIC;
}

static int bzimage_check_header(const struct kernel_image *image,
				const struct setup_header_2_12 *hdr, struct error *err)
{
	if (hdr->boot_flag != SETUP_BOOT_FLAG)
		return error_set(err, -ENOEXEC, "kernel %s has the setup header of a bzImage but"
				 " boot flag 0x%04x instead of 0xaa55: the image is damaged",
				 image->name, hdr->boot_flag);
	if (hdr->version < SETUP_VERSION_2_12)
		return error_set(err, -ENOEXEC, "kernel %s is a bzImage of boot protocol %u.%02u,"
				 " and entry in 64-bit mode needs 2.12 (Linux 3.8) or later: use a"
				 " newer kernel, or its vmlinux", image->name, hdr->version >> 8,
				 hdr->version & 0xff);
	if (!(hdr->loadflags & SETUP_LOADED_HIGH))
		return error_set(err, -ENOEXEC, "kernel %s is a zImage, which loads below 1 MiB:"
				 " pass a bzImage", image->name);
	if (!(hdr->xloadflags & SETUP_XLF_KERNEL_64))
		return error_set(err, -ENOEXEC, "kernel %s is a bzImage without a 64-bit entry"
				 " (xloadflags 0x%x): it is a 32-bit kernel, and this monitor boots"
				 " x86-64 kernels", image->name, hdr->xloadflags);
	if (offsetof(struct setup_header_2_12, header) + hdr->jump_distance < BZIMAGE_HEADER_MIN)
		return error_set(err, -ENOEXEC, "kernel %s has a setup header of %zu bytes, too"
				 " short for its version: the image is damaged", image->name,
				 offsetof(struct setup_header_2_12, header) + hdr->jump_distance);
	return 0;
}

static int bzimage_plan_file(const struct kernel_image *image, const struct setup_header_2_12 *hdr,
			     struct bzimage_plan *plan, struct error *err)
{
	uint64_t sectors = hdr->setup_sects ? hdr->setup_sects : BZIMAGE_SETUP_SECTS_OLD;

	plan->offset = (sectors + 1) * BZIMAGE_SECTOR;
	plan->len = (uint64_t)hdr->syssize * 16;
	if (plan->len <= BZIMAGE_ENTRY_64)
		return error_set(err, -ENOEXEC, "kernel %s has a protected-mode part of %" PRIu64
				 " bytes, without room for an entry at 0x200: the image is damaged",
				 image->name, plan->len);
	if (!u64_range_within(plan->offset, plan->len, 0, image->size))
		return error_set(err, -ENODATA, "kernel %s is truncated: its header announces %"
				 PRIu64 " bytes, but the file has %" PRIu64, image->name,
				 plan->offset + plan->len, image->size);
	return 0;
}

static int bzimage_plan_memory(const struct kernel_image *image,
			       const struct setup_header_2_12 *hdr, const struct guest_memory *mem,
			       struct bzimage_plan *plan, struct error *err)
{
	uint64_t align = hdr->relocatable_kernel ? hdr->kernel_alignment : 1;

	if (align == 0 || (align & (align - 1)) != 0)
		return error_set(err, -ENOEXEC, "kernel %s has an alignment of 0x%" PRIx64 ", which"
				 " is no power of two: the image is damaged", image->name, align);
	if (hdr->pref_address < LAYOUT_HIGH_MEMORY ||
	    !u64_align_up(hdr->pref_address, align, &plan->load) ||
	    !u64_add(plan->load, u64_max(hdr->init_size, plan->len), &plan->end))
		return error_set(err, -ENOEXEC, "kernel %s prefers to run at 0x%" PRIx64 ", which"
				 " is no address for a kernel: the image is damaged", image->name,
				 hdr->pref_address);
	return kernel_image_check_room(image, mem, plan->load, plan->end, err);
}

static void bzimage_describe(const struct kernel_image *image, const struct setup_header_2_12 *hdr,
			     const struct bzimage_plan *plan, struct kernel *ret_kernel)
{
	uint64_t len = offsetof(struct setup_header_2_12, header) + hdr->jump_distance;

	*ret_kernel = (struct kernel){
		.protocol = KERNEL_LINUX64,
		.format = "bzImage",
		.entry = plan->load + BZIMAGE_ENTRY_64,
		.start = plan->load,
		.end = plan->end,
		.initrd_max = hdr->initrd_addr_max,
		.cmdline_max = hdr->cmdline_size ? hdr->cmdline_size : BZIMAGE_CMDLINE_OLD,
		.setup_header_len = (uint32_t)u64_min(len, sizeof(ret_kernel->setup_header)),
	};
	memcpy(ret_kernel->setup_header, image->head + SETUP_HEADER_OFFSET,
	       ret_kernel->setup_header_len);
}

int bzimage_load(const struct kernel_image *image, struct guest_memory *mem,
		 struct kernel *ret_kernel, struct error *err)
{
	struct setup_header_2_12 hdr;
	struct bzimage_plan plan = { 0 };
	int r;

	/* Two sectors are the least that a boot sector and any setup code can be. */
	if (image->head_len < 2 * BZIMAGE_SECTOR)
		return error_set(err, -ENODATA, "kernel %s is truncated: it has %" PRIu64 " bytes,"
				 " less than a bzImage's setup part", image->name, image->size);
	memcpy(&hdr, image->head + SETUP_HEADER_OFFSET, sizeof(hdr));
	r = bzimage_check_header(image, &hdr, err);
	if (r < 0)
		return r;
	r = bzimage_plan_file(image, &hdr, &plan, err);
	if (r < 0)
		return r;
	r = bzimage_plan_memory(image, &hdr, mem, &plan, err);
	if (r < 0)
		return r;
	r = guest_memory_load(mem, plan.load, image->fd, plan.offset, plan.len);
	if (r < 0)
		return error_sys(err, r, "cannot load kernel %s to guest address 0x%" PRIx64,
				 image->name, plan.load);
	bzimage_describe(image, &hdr, &plan, ret_kernel);
	return 0;
}
