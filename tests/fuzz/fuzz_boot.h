/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_boot.h - load bytes as a kernel into a small guest, and check what must hold of any file:
 * a refusal leaves a sentence and no trace in guest memory's first MiB, a success a kernel that
 * lies in RAM and for which everything else that a boot needs can be written.
 */
#ifndef VOLT_FUZZ_BOOT_H
#define VOLT_FUZZ_BOOT_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/util.h"
#include "boot/boot.h"

#define FUZZ_MEMORY	MIB(32)

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline int fuzz_file(const void *bytes, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write_full(fd, bytes, len) == 0);
	return fd;
}

/* Whether no page of the first MiB was touched: it is the monitor's. */
static inline bool fuzz_low_untouched(const struct guest_memory *mem)
{
	unsigned char resident[256];

	FUZZ_CHECK(mincore(mem->region[0].hva, MIB(1), resident) == 0);
	for (size_t i = 0; i < sizeof(resident); i++)
		if (resident[i] & 1)
			return false;
	return true;
}

static inline void fuzz_check_kernel(const struct guest_memory *mem, const struct kernel *kernel)
{
	FUZZ_CHECK(kernel->start >= LAYOUT_HIGH_MEMORY);
	FUZZ_CHECK(kernel->start < kernel->end);
	FUZZ_CHECK(kernel->end <= FUZZ_MEMORY);
	FUZZ_CHECK(kernel->entry >= kernel->start && kernel->entry < kernel->end);
	FUZZ_CHECK(kernel->protocol == KERNEL_LINUX64 || kernel->protocol == KERNEL_PVH);
	FUZZ_CHECK(kernel->setup_header_len <= sizeof(kernel->setup_header));
	FUZZ_CHECK(guest_memory_ptr(mem, kernel->start, kernel->end - kernel->start));
}

/* What follows on a loaded kernel, with an initrd of a page and a byte. */
static inline void fuzz_boot_on(struct guest_memory *mem, const struct kernel *kernel)
{
	static const uint8_t bytes[4097] = { 1 };
	int fd = fuzz_file(bytes, sizeof(bytes));
	struct cmdline line = { 0 };
	struct initrd initrd = { 0 };
	struct error err = { 0 };
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs;

	if (initrd_load(fd, "fuzz", mem, kernel, &initrd, &err) == 0) {
		FUZZ_CHECK(initrd.gpa >= LAYOUT_HIGH_MEMORY && initrd.gpa % 4096 == 0);
		FUZZ_CHECK(initrd.gpa + initrd.size - 1 <= kernel->initrd_max);
		FUZZ_CHECK(initrd.gpa >= kernel->end || initrd.gpa + initrd.size <= kernel->start);
	}
	close(fd);
	FUZZ_CHECK(cmdline_add(&line, "quiet", &err) == 0);
	if (kernel->cmdline_max >= line.len)
		FUZZ_CHECK(boot_info_write(mem, kernel, &initrd, &line, &err) == 0);
	boot_vcpu_regs(kernel, &sregs, &regs);
	FUZZ_CHECK(regs.rip == kernel->entry);
}

static inline int fuzz_kernel_load(const void *bytes, size_t len)
{
	int fd = fuzz_file(bytes, len);
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;
	int r;

	FUZZ_CHECK(guest_memory_create(&mem, FUZZ_MEMORY, false, &err) == 0);
	madvise(mem.map, mem.map_size, MADV_NOHUGEPAGE);
	r = kernel_load(fd, "fuzz", &mem, &kernel, &err);
	close(fd);
	FUZZ_CHECK(fuzz_low_untouched(&mem));
	if (r < 0) {
		FUZZ_CHECK(err.code == r && err.msg[0] != '\0');
	} else {
		FUZZ_CHECK(err.code == 0);
		fuzz_check_kernel(&mem, &kernel);
		fuzz_boot_on(&mem, &kernel);
	}
	guest_memory_destroy(&mem);
	return 0;
}

#endif
