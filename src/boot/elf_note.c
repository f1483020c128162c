/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/util.h"
#include "boot/image.h"

/* Xen's public ABI (xen/include/public/elfnote.h): where PVH enters, in 32-bit mode. */
#define NOTE_XEN_NAME		"Xen"
#define NOTE_XEN_PHYS32_ENTRY	18

/* A kernel has a handful; the bound keeps a hostile file from costing more than a moment. */
#define NOTES_MAX		256

static int elf_note_bad(const struct kernel_image *image, uint64_t pos, const char *why,
			struct error *err)
{
	return error_set(err, -ENOEXEC, "kernel %s has an ELF note at file offset 0x%" PRIx64 " %s:"
			 " the image is damaged", image->name, pos, why);
}

/* The entry address is 4 bytes in what Linux writes and 8 in what some other kernels do. */
static int elf_note_read_entry(const struct kernel_image *image, uint64_t pos, uint32_t len,
			       uint64_t *ret_entry, struct error *err)
{
	uint64_t entry = 0;
	int r;

	if (len != sizeof(uint32_t) && len != sizeof(uint64_t))
		return elf_note_bad(image, pos, "whose PVH entry is neither 4 nor 8 bytes long",
				    err);
	r = kernel_image_read(image, &entry, len, pos);
	if (r < 0)
		return error_sys(err, r, "cannot read the PVH entry of kernel %s", image->name);
	if (entry > UINT32_MAX)
		return elf_note_bad(image, pos, "whose PVH entry lies above 4 GiB", err);
	*ret_entry = entry;
	return 1;
}

int elf_note_find_pvh(const struct kernel_image *image, uint64_t offset, uint64_t len,
		      uint64_t align, uint64_t *ret_entry, struct error *err)
{
	uint64_t pos = offset, end = offset + len;

	for (unsigned int n = 0; end - pos >= sizeof(Elf64_Nhdr); n++) {
		char name[sizeof(NOTE_XEN_NAME)];
		uint64_t desc, next;
		Elf64_Nhdr note;
		int r;

		if (n == NOTES_MAX)
			return elf_note_bad(image, pos, "after too many others", err);
		r = kernel_image_read(image, &note, sizeof(note), pos);
		if (r < 0)
			return error_sys(err, r, "cannot read the notes of kernel %s", image->name);
		/* The two lengths have 32 bits, so that these sums cannot wrap. */
		desc = pos + ((sizeof(note) + note.n_namesz + align - 1) & -align);
		next = desc + ((note.n_descsz + align - 1) & -align);
		if (desc + note.n_descsz > end)
			return elf_note_bad(image, pos, "that is longer than its segment", err);

		if (note.n_type == NOTE_XEN_PHYS32_ENTRY && note.n_namesz == sizeof(name)) {
			r = kernel_image_read(image, name, sizeof(name), pos + sizeof(note));
			if (r < 0)
				return error_sys(err, r, "cannot read the notes of kernel %s",
						 image->name);
			if (memcmp(name, NOTE_XEN_NAME, sizeof(name)) == 0)
				return elf_note_read_entry(image, desc, note.n_descsz, ret_entry,
							   err);
		}
		pos = u64_min(next, end);
	}
	return 0;
}
