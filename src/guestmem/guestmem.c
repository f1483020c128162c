/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/io.h"
#include "base/util.h"
#include "guestmem/guestmem.h"

#define GUEST_MEMORY_MIN MIB(1)

static int guest_memory_check_size(uint64_t size, bool huge_pages, struct error *err)
{
	if (size < GUEST_MEMORY_MIN)
		return error_set(err, -EINVAL, "guest memory of %" PRIu64 " bytes is too small", size);
	if (!is_aligned(size, PAGE_SIZE_4K))
		return error_set(err, -EINVAL,
				 "guest memory of %" PRIu64 " bytes is not a multiple of 4 KiB", size);
	if (huge_pages && !is_aligned(size, PAGE_SIZE_2M))
		return error_set(err, -EINVAL, "guest memory of %" PRIu64
				 " bytes is not a multiple of 2 MiB, which huge pages need", size);
	return 0;
}

/*
 * Ordinary pages: reserve 2 MiB more than needed so that the start can be rounded up to where a
 * transparent huge page could begin. hugetlb mappings are aligned by the kernel itself.
 */
static int guest_memory_reserve(struct guest_memory *mem, uint64_t size, struct error *err)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (mem->huge_pages) {
		flags |= MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);
		mem->map_size = size;
	} else {
		flags |= MAP_NORESERVE;
		if (!u64_add(size, PAGE_SIZE_2M, &mem->map_size))
			return error_set(err, -ENOMEM, "guest memory of %" PRIu64
					 " bytes does not fit the address space", size);
	}
	mem->map = mmap(NULL, mem->map_size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem->map != MAP_FAILED)
		return 0;
	mem->map = NULL;
	if (mem->huge_pages)
		return error_sys(err, -errno, "cannot get %" PRIu64 " huge pages of 2 MiB for the"
				 " guest (see /proc/sys/vm/nr_hugepages, or leave out --huge-pages)",
				 size / PAGE_SIZE_2M);
	return error_sys(err, -errno, "cannot reserve %" PRIu64 " MiB for the guest", size >> 20);
}

static void guest_memory_lay_out(struct guest_memory *mem, uint64_t size)
{
	uint8_t *start = (uint8_t *)align_down((uint64_t)mem->map + PAGE_SIZE_2M - 1, PAGE_SIZE_2M);
	uint64_t low = u64_min(size, GUEST_MMIO_GAP_START);

	mem->size = size;
	mem->region[0] = (struct guest_region){ .gpa = 0, .size = low, .hva = start };
	mem->region_count = 1;
	if (size > low) {
		mem->region[1] = (struct guest_region){
			.gpa = GUEST_MMIO_GAP_END, .size = size - low, .hva = start + low,
		};
		mem->region_count = 2;
	}
}

int guest_memory_create(struct guest_memory *ret_mem, uint64_t size, bool huge_pages,
			struct error *err)
{
	struct guest_memory mem = { .huge_pages = huge_pages };
	int r;

	r = guest_memory_check_size(size, huge_pages, err);
	if (r < 0)
		return r;
	r = guest_memory_reserve(&mem, size, err);
	if (r < 0)
		return r;
	/* Advice only: a kernel that does not take it still runs the guest. */
	madvise(mem.map, mem.map_size, MADV_DONTDUMP);
	guest_memory_lay_out(&mem, size);
	*ret_mem = mem;
	return 0;
}

void guest_memory_destroy(struct guest_memory *mem)
{
	if (mem->map)
		munmap(mem->map, mem->map_size);
	*mem = (struct guest_memory){ 0 };
}

void *guest_memory_ptr(const struct guest_memory *mem, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned int i = 0; i < mem->region_count; i++) {
		const struct guest_region *region = &mem->region[i];

		if (u64_range_within(gpa, len, region->gpa, region->size))
			return region->hva + (gpa - region->gpa);
	}
	return NULL;
}

int guest_memory_read(const struct guest_memory *mem, uint64_t gpa, void *buf, uint64_t len)
{
	const void *src = guest_memory_ptr(mem, gpa, len);

	if (!src)
		return -EFAULT;
	memcpy(buf, src, len);
	return 0;
}

int guest_memory_write(const struct guest_memory *mem, uint64_t gpa, const void *buf, uint64_t len)
{
	void *dst = guest_memory_ptr(mem, gpa, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, buf, len);
	return 0;
}

/* Map the whole pages of the range; their bytes are then the file's. */
static int guest_memory_map_pages(uint8_t *dst, int fd, uint64_t offset, uint64_t len)
{
	void *map;

	map = mmap(dst, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		   (off_t)offset);
	if (map == MAP_FAILED)
		return -errno;
	madvise(dst, len, MADV_DONTDUMP);
	return 0;
}

int guest_memory_load(struct guest_memory *mem, uint64_t gpa, int fd, uint64_t offset, uint64_t len)
{
	uint8_t *dst = guest_memory_ptr(mem, gpa, len);
	uint64_t head, pages;
	int r;

	if (!dst)
		return -EFAULT;
	head = -gpa & (PAGE_SIZE_4K - 1);
	if (mem->huge_pages || !is_aligned(gpa - offset, PAGE_SIZE_4K) ||
	    len < head + PAGE_SIZE_4K)
		return pread_full(fd, dst, len, offset);

	pages = align_down(len - head, PAGE_SIZE_4K);
	r = guest_memory_map_pages(dst + head, fd, offset + head, pages);
	if (r == -ENODEV || r == -EACCES)	/* a file that cannot be mapped can still be read */
		return pread_full(fd, dst, len, offset);
	if (r < 0)
		return r;
	if (head > 0) {
		r = pread_full(fd, dst, head, offset);
		if (r < 0)
			return r;
	}
	if (len == head + pages)
		return 0;
	return pread_full(fd, dst + head + pages, len - head - pages, offset + head + pages);
}

uint64_t guest_memory_low_end(const struct guest_memory *mem)
{
	return mem->region[0].size;
}
