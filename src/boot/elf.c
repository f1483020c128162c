/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c - load a vmlinux: an ELF file whose segments go to their physical addresses.
 *
 * An image with Xen's PHYS32_ENTRY note is entered there by the PVH protocol; any other is entered
 * at e_entry by Linux's 64-bit boot protocol (a vmlinux has the physical address of startup_64
 * there). All headers are checked before the first byte goes into guest memory, and a segment must
 * leave the first MiB alone, where the monitor puts its tables.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/util.h"
#include "boot/image.h"

/* A vmlinux has five or six program headers. */
#define ELF_HEADERS_MAX 64

struct elf_headers {
	Elf64_Ehdr file;
	unsigned int count;
	Elf64_Phdr segment[ELF_HEADERS_MAX];
};

struct machine_name {
	uint16_t machine;
	const char *name;
};

static const struct machine_name machine_names[] = {
	{ EM_386, "32-bit x86" }, { EM_AARCH64, "AArch64" }, { EM_ARM, "32-bit Arm" },
	{ EM_RISCV, "RISC-V" }, { EM_PPC64, "64-bit PowerPC" }, { EM_PPC, "32-bit PowerPC" },
	{ EM_S390, "s390" }, { EM_MIPS, "MIPS" }, { EM_SPARCV9, "64-bit SPARC" },
	{ EM_IA_64, "Itanium" }, { 258, "LoongArch" },
};

bool elf_probe(const struct kernel_image *image)
{
	return image->head_len >= SELFMAG && memcmp(image->head, ELFMAG, SELFMAG) == 0;
}

static const char *elf_machine_name(uint16_t machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machine_names); i++)
		if (machine_names[i].machine == machine)
			return machine_names[i].name;
	return "another architecture";
}

static int elf_check_ident(const struct kernel_image *image, const Elf64_Ehdr *file,
			   struct error *err)
{
	bool big_endian = file->e_ident[EI_DATA] == ELFDATA2MSB;
	uint16_t machine = big_endian ? __builtin_bswap16(file->e_machine) : file->e_machine;

	if (machine != EM_X86_64)
		return error_set(err, -ENOEXEC, "kernel %s is an ELF for %s (machine %u), this"
				 " monitor boots x86-64 kernels", image->name,
				 elf_machine_name(machine), machine);
	if (file->e_ident[EI_DATA] != ELFDATA2LSB)
		return error_set(err, -ENOEXEC, "kernel %s is %s ELF (data encoding %u), and x86-64"
				 " kernels are little-endian", image->name, big_endian ?
				 "a big-endian" : "an unknown kind of", file->e_ident[EI_DATA]);
	if (file->e_ident[EI_CLASS] != ELFCLASS64)
		return error_set(err, -ENOEXEC, "kernel %s is not a 64-bit ELF (class %u), this"
				 " monitor boots x86-64 kernels", image->name,
				 file->e_ident[EI_CLASS]);
	return 0;
}

static int elf_check_type(const struct kernel_image *image, const Elf64_Ehdr *file,
			  struct error *err)
{
	switch (file->e_type) {
	case ET_EXEC:
	case ET_DYN:
		return 0;
	case ET_REL:
		return error_set(err, -ENOEXEC, "kernel %s is a relocatable object (a module or"
				 " vmlinux.o), not linked into a kernel: pass the vmlinux",
				 image->name);
	case ET_CORE:
		return error_set(err, -ENOEXEC, "kernel %s is a core dump, not a kernel",
				 image->name);
	default:
		return error_set(err, -ENOEXEC, "kernel %s is an ELF of type %u, which is no"
				 " executable", image->name, file->e_type);
	}
}

static int elf_read_headers(const struct kernel_image *image, struct elf_headers *headers,
			    struct error *err)
{
	const Elf64_Ehdr *file = &headers->file;
	uint64_t len;
	int r;

	if (file->e_phentsize != sizeof(Elf64_Phdr) && file->e_phnum > 0)
		return error_set(err, -ENOEXEC, "kernel %s has program headers of %u bytes instead"
				 " of %zu: the image is damaged", image->name, file->e_phentsize,
				 sizeof(Elf64_Phdr));
	if (file->e_phnum == 0)
		return error_set(err, -ENOEXEC, "kernel %s has no program headers, so nothing of it"
				 " can be loaded: pass a linked vmlinux", image->name);
	if (file->e_phnum > ELF_HEADERS_MAX)
		return error_set(err, -ENOEXEC, "kernel %s has %u program headers, more than the %u"
				 " that this monitor takes", image->name, file->e_phnum,
				 ELF_HEADERS_MAX);
	headers->count = file->e_phnum;
	len = headers->count * sizeof(Elf64_Phdr);
	r = kernel_image_read(image, headers->segment, len, file->e_phoff);
	if (r == -ENODATA)
		return error_set(err, -ENODATA, "kernel %s is truncated: its program headers are at"
				 " file offset %" PRIu64 ", but the file has %" PRIu64 " bytes",
				 image->name, (uint64_t)file->e_phoff, image->size);
	if (r < 0)
		return error_sys(err, r, "cannot read the program headers of kernel %s",
				 image->name);
	return 0;
}

/* One PT_LOAD segment by itself. */
static int elf_check_segment(const struct kernel_image *image, const struct guest_memory *mem,
			     unsigned int n, const Elf64_Phdr *seg, struct error *err)
{
	uint64_t end;

	if (seg->p_filesz > seg->p_memsz)
		return error_set(err, -ENOEXEC, "kernel %s: segment %u has %" PRIu64 " bytes in the"
				 " file but only %" PRIu64 " in memory: the image is damaged",
				 image->name, n, (uint64_t)seg->p_filesz, (uint64_t)seg->p_memsz);
	if (!u64_range_within(seg->p_offset, seg->p_filesz, 0, image->size))
		return error_set(err, -ENODATA, "kernel %s is truncated: segment %u is %" PRIu64
				 " bytes at file offset %" PRIu64 ", but the file has %" PRIu64
				 " bytes", image->name, n, (uint64_t)seg->p_filesz,
				 (uint64_t)seg->p_offset, image->size);
	if (!u64_add(seg->p_paddr, seg->p_memsz, &end))
		return error_set(err, -ENOEXEC, "kernel %s: segment %u at 0x%" PRIx64 " with 0x%"
				 PRIx64 " bytes goes beyond the end of all addresses: the image is"
				 " damaged", image->name, n, (uint64_t)seg->p_paddr,
				 (uint64_t)seg->p_memsz);
	if (seg->p_paddr < LAYOUT_HIGH_MEMORY)
		return error_set(err, -ENOEXEC, "kernel %s: segment %u is linked to physical"
				 " address 0x%" PRIx64 ", below 1 MiB, where the monitor keeps its"
				 " tables: this is no x86-64 kernel, or one for another loader",
				 image->name, n, (uint64_t)seg->p_paddr);
	return kernel_image_check_room(image, mem, seg->p_paddr, end, err);
}

static bool elf_segments_overlap(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	return a->p_paddr < b->p_paddr + b->p_memsz && b->p_paddr < a->p_paddr + a->p_memsz;
}

/*
 * Check each segment, and each against those before it (their sums are known not to wrap). Keeps
 * only what has to be loaded in the table, and finds the kernel's extent.
 */
static int elf_check_segments(const struct kernel_image *image, const struct guest_memory *mem,
			      struct elf_headers *headers, struct kernel *kernel, struct error *err)
{
	unsigned int kept = 0;
	int r;

	kernel->start = UINT64_MAX;
	kernel->end = 0;
	for (unsigned int i = 0; i < headers->count; i++) {
		const Elf64_Phdr *seg = &headers->segment[i];

		if (seg->p_type == PT_INTERP)
			return error_set(err, -ENOEXEC, "kernel %s is a dynamically linked program,"
					 " not a kernel", image->name);
		if (seg->p_type != PT_LOAD || seg->p_memsz == 0)
			continue;
		r = elf_check_segment(image, mem, i, seg, err);
		if (r < 0)
			return r;
		for (unsigned int j = 0; j < kept; j++)
			if (elf_segments_overlap(seg, &headers->segment[j]))
				return error_set(err, -ENOEXEC, "kernel %s: segment %u at 0x%"
						 PRIx64 " overlaps the one at 0x%" PRIx64 ": the"
						 " image is damaged", image->name, i,
						 (uint64_t)seg->p_paddr,
						 (uint64_t)headers->segment[j].p_paddr);
		kernel->start = u64_min(kernel->start, seg->p_paddr);
		kernel->end = u64_max(kernel->end, seg->p_paddr + seg->p_memsz);
		headers->segment[kept++] = *seg;
	}
	headers->count = kept;
	if (kept == 0)
		return error_set(err, -ENOEXEC, "kernel %s has no segment to load: pass a linked"
				 " vmlinux", image->name);
	return 0;
}

static int elf_find_pvh(const struct kernel_image *image, const struct elf_headers *headers,
			uint64_t *ret_entry, struct error *err)
{
	for (unsigned int i = 0; i < headers->count; i++) {
		const Elf64_Phdr *seg = &headers->segment[i];
		int r;

		if (seg->p_type != PT_NOTE)
			continue;
		if (!u64_range_within(seg->p_offset, seg->p_filesz, 0, image->size))
			return error_set(err, -ENODATA, "kernel %s is truncated: its notes are %"
					 PRIu64 " bytes at file offset %" PRIu64 ", but the file"
					 " has %" PRIu64 " bytes", image->name,
					 (uint64_t)seg->p_filesz, (uint64_t)seg->p_offset,
					 image->size);
		r = elf_note_find_pvh(image, seg->p_offset, seg->p_filesz,
				      seg->p_align == 8 ? 8 : 4, ret_entry, err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* The first instruction must come from the file, out of an executable segment. */
static int elf_check_entry(const struct kernel_image *image, const struct elf_headers *headers,
			   const struct kernel *kernel, struct error *err)
{
	for (unsigned int i = 0; i < headers->count; i++) {
		const Elf64_Phdr *seg = &headers->segment[i];

		if ((seg->p_flags & PF_X) &&
		    u64_range_within(kernel->entry, 1, seg->p_paddr, seg->p_filesz))
			return 0;
	}
	return error_set(err, -ENOEXEC, "kernel %s is to be entered at physical address 0x%" PRIx64
			 " (%s), which lies in none of its executable segments: the image is"
			 " damaged or built for another loader", image->name, kernel->entry,
			 kernel->protocol == KERNEL_PVH ? "its PVH note" : "its ELF entry");
}

static int elf_load_segments(const struct kernel_image *image, const struct elf_headers *headers,
			     struct guest_memory *mem, struct error *err)
{
	for (unsigned int i = 0; i < headers->count; i++) {
		const Elf64_Phdr *seg = &headers->segment[i];
		int r;

		if (seg->p_filesz == 0)
			continue;
		/* What follows the file's bytes is zero, as all of guest memory still is. */
		r = guest_memory_load(mem, seg->p_paddr, image->fd, seg->p_offset, seg->p_filesz);
		if (r < 0)
			return error_sys(err, r, "cannot load kernel %s to guest address 0x%"
					 PRIx64, image->name, (uint64_t)seg->p_paddr);
	}
	return 0;
}

int elf_load(const struct kernel_image *image, struct guest_memory *mem, struct kernel *ret_kernel,
	     struct error *err)
{
	struct kernel kernel = {
		.initrd_max = UINT32_MAX, .cmdline_max = IMAGE_LINUX_CMDLINE_MAX,
	};
	struct elf_headers headers;
	int pvh, r;

	r = kernel_image_read(image, &headers.file, sizeof(headers.file), 0);
	if (r < 0)
		return error_set(err, -ENODATA, "kernel %s is truncated: it has %" PRIu64 " bytes,"
				 " less than an ELF header", image->name, image->size);
	r = elf_check_ident(image, &headers.file, err);
	if (r < 0)
		return r;
	r = elf_check_type(image, &headers.file, err);
	if (r < 0)
		return r;
	r = elf_read_headers(image, &headers, err);
	if (r < 0)
		return r;
	kernel.entry = headers.file.e_entry;
	pvh = elf_find_pvh(image, &headers, &kernel.entry, err);
	if (pvh < 0)
		return pvh;
	kernel.protocol = pvh ? KERNEL_PVH : KERNEL_LINUX64;
	kernel.format = pvh ? "ELF with PVH entry" : "ELF";
	r = elf_check_segments(image, mem, &headers, &kernel, err);
	if (r < 0)
		return r;
	r = elf_check_entry(image, &headers, &kernel, err);
	if (r < 0)
		return r;
	r = elf_load_segments(image, &headers, mem, err);
	if (r < 0)
		return r;
	*ret_kernel = kernel;
	return 0;
}
