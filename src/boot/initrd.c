/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/util.h"
#include "boot/boot.h"

/* The highest page-aligned place for @size bytes within [@bottom, @top). */
static bool initrd_place(uint64_t size, uint64_t bottom, uint64_t top, uint64_t *ret_gpa)
{
	uint64_t gpa;

	if (!u64_sub(top, size, &gpa))
		return false;
	gpa = align_down(gpa, PAGE_SIZE_4K);
	if (gpa < bottom)
		return false;
	*ret_gpa = gpa;
	return true;
}

/* No room: would more memory help, and how much? */
static int initrd_no_room(const char *name, uint64_t size, const struct guest_memory *mem,
			  const struct kernel *kernel, uint64_t limit, struct error *err)
{
	uint64_t need;

	if (!u64_add(align_down(kernel->end + PAGE_SIZE_4K - 1, PAGE_SIZE_4K), size, &need) ||
	    need > limit)
		return error_set(err, -E2BIG, "initrd %s has %" PRIu64 " bytes, more than"
				 " fit between the kernel's end at 0x%" PRIx64 " and 0x%" PRIx64 ","
				 " the highest address that this kernel takes for an initrd", name,
				 size, kernel->end, limit);
	need = (need + MIB(1) - 1) >> 20;
	return error_set(err, -E2BIG, "initrd %s has %" PRIu64 " bytes and with the kernel needs at"
			 " least %" PRIu64 " MiB of memory and some to run in, but the guest has %"
			 PRIu64 " MiB: raise --memory", name, size, need, mem->size >> 20);
}

int initrd_load(int fd, const char *name, struct guest_memory *mem, const struct kernel *kernel,
		struct initrd *ret_initrd, struct error *err)
{
	uint64_t limit = u64_min(kernel->initrd_max + 1, GUEST_MMIO_GAP_START);
	uint64_t top = u64_min(limit, guest_memory_low_end(mem));
	uint64_t size, gpa;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot examine initrd %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "initrd %s is not a regular file: pass a cpio"
				 " archive", name);
	if (st.st_size == 0)
		return error_set(err, -EINVAL, "initrd %s is an empty file: pass a cpio archive, or"
				 " leave --initrd out", name);
	size = (uint64_t)st.st_size;

	/* Above the kernel, or below one that is linked to high addresses. */
	if (!initrd_place(size, kernel->end, top, &gpa) &&
	    !initrd_place(size, LAYOUT_HIGH_MEMORY, u64_min(kernel->start, top), &gpa))
		return initrd_no_room(name, size, mem, kernel, limit, err);
	r = guest_memory_load(mem, gpa, fd, 0, size);
	if (r < 0)
		return error_sys(err, r, "cannot load initrd %s to guest address 0x%" PRIx64, name,
				 gpa);
	*ret_initrd = (struct initrd){ .gpa = gpa, .size = size };
	return 0;
}
