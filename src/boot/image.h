/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - what the loaders of the kernel formats share. Private to boot/.
 */
#ifndef VOLT_BOOT_IMAGE_H
#define VOLT_BOOT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "boot/boot.h"
#include "guestmem/guestmem.h"

/* Enough for every header of the known formats: most kernels cost one read. */
#define IMAGE_HEAD_MAX 4096

/* Linux on x86 keeps 2048 bytes for its command line (COMMAND_LINE_SIZE), the NUL among them. */
#define IMAGE_LINUX_CMDLINE_MAX 2047

struct kernel_image {
	int fd;
	const char *name;		/* for messages */
	uint64_t size;			/* of the file */
	uint32_t head_len;		/* bytes in head: min(size, IMAGE_HEAD_MAX) */
	uint8_t head[IMAGE_HEAD_MAX];	/* the file's first bytes */
};

/* Copy @len bytes at @offset, from the head where possible. -ENODATA if the file is shorter. */
int kernel_image_read(const struct kernel_image *image, void *buf, uint64_t len, uint64_t offset);

/*
 * Check that [@start, @end) is RAM below the MMIO gap. -ENOEXEC when no amount of memory would do,
 * -E2BIG when more would: the sentence says how much.
 */
int kernel_image_check_room(const struct kernel_image *image, const struct guest_memory *mem,
			    uint64_t start, uint64_t end, struct error *err);

/* Whether the head looks like the format; then the loader's word is final. */
bool elf_probe(const struct kernel_image *image);
bool bzimage_probe(const struct kernel_image *image);

int elf_load(const struct kernel_image *image, struct guest_memory *mem, struct kernel *ret_kernel,
	     struct error *err);
int bzimage_load(const struct kernel_image *image, struct guest_memory *mem,
		 struct kernel *ret_kernel, struct error *err);

/*
 * Look through the ELF notes in [@offset, @offset + @len) of the file, padded to @align (4 or 8),
 * for Xen's PHYS32_ENTRY. Returns 1 and the address, 0 when there is none, or a negative errno.
 */
int elf_note_find_pvh(const struct kernel_image *image, uint64_t offset, uint64_t len,
		      uint64_t align, uint64_t *ret_entry, struct error *err);

#endif
