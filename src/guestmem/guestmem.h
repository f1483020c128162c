/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guestmem/ - guest physical memory. The only code that turns a guest address into a pointer.
 *
 * Guest RAM is one or two regions: [0, 3 GiB) and, for what does not fit there, from 4 GiB up; the
 * 1 GiB between is the MMIO gap (devices, IOAPIC, LAPIC). Each region is one contiguous range of
 * host memory, aligned to 2 MiB on both sides so that huge pages can back it.
 *
 * Every address and length may come from a hostile guest: the accessors below check both, with no
 * overflow, and a range is only valid when it lies whole within one region. The contents of guest
 * memory change under our feet: whoever decides on a value reads it once, into a local variable.
 */
#ifndef VOLT_GUESTMEM_H
#define VOLT_GUESTMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GUEST_MMIO_GAP_START	UINT64_C(0xc0000000)	/* 3 GiB */
#define GUEST_MMIO_GAP_END	UINT64_C(0x100000000)	/* 4 GiB */

#define GUEST_REGIONS_MAX 2

struct guest_region {
	uint64_t gpa;		/* guest physical address, 2 MiB-aligned */
	uint64_t size;		/* bytes, a multiple of 4 KiB */
	uint8_t *hva;		/* where it is mapped here */
};

struct guest_memory {
	unsigned int region_count;
	struct guest_region region[GUEST_REGIONS_MAX];
	uint64_t size;		/* the sum of the regions' sizes */
	bool huge_pages;	/* backed by 2 MiB pages of the host's hugetlb pool */
	void *map;		/* the whole reservation, for unmapping */
	size_t map_size;
};

/*
 * Reserve @size bytes of zeroed guest RAM (a multiple of 4 KiB, of 2 MiB with @huge_pages, at least
 * 1 MiB). Pages are taken from the host when first touched; with @huge_pages they are reserved at
 * once, so that a short pool is an error here and not a SIGBUS later. The memory stays out of core
 * dumps. Errors: -ENOMEM, -EINVAL.
 */
int guest_memory_create(struct guest_memory *ret_mem, uint64_t size, bool huge_pages,
			struct error *err);

/* Unmap everything. Accepts a zeroed object. */
void guest_memory_destroy(struct guest_memory *mem);

/*
 * The host address of [@gpa, @gpa + @len), or NULL unless that range lies whole within one region.
 * A @len of 0 is never valid. The pointer stays valid as long as the memory object.
 */
void *guest_memory_ptr(const struct guest_memory *mem, uint64_t gpa, uint64_t len);

/* Copy out of or into guest memory. Returns 0 or -EFAULT when the range is not all RAM. */
int guest_memory_read(const struct guest_memory *mem, uint64_t gpa, void *buf, uint64_t len);
int guest_memory_write(const struct guest_memory *mem, uint64_t gpa, const void *buf, uint64_t len);

/*
 * Make [@gpa, @gpa + @len) hold the bytes of @fd from @offset. Whole pages whose address and offset
 * are congruent modulo 4 KiB are mapped privately from the page cache (copy-on-write, so the guest's
 * writes never reach the file); the rest, and everything with huge pages, is read. The caller has
 * checked that the file holds the range. A file that is truncated in place while mapped takes its
 * pages away from the guest: images are to be replaced by rename.
 * Errors: -EFAULT (not all RAM), -ENODATA (file too short), errors of mmap and pread.
 */
int guest_memory_load(struct guest_memory *mem, uint64_t gpa, int fd, uint64_t offset, uint64_t len);

/* The end of the region that starts at 0: the first address above low RAM. */
uint64_t guest_memory_low_end(const struct guest_memory *mem);

#endif
