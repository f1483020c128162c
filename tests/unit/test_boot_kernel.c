/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>

#include "boot_image.h"

static struct test_elf elf;
static struct test_bzimage bz;

/* Load these bytes; returns what kernel_load() does. */
static int load(const void *bytes, size_t len, struct guest_memory *mem, struct kernel *kernel,
		struct error *err)
{
	int fd = test_file(bytes, len);
	int r = kernel_load(fd, "TEST", mem, kernel, err);

	close(fd);
	return r;
}

/* A load that must fail: the code, the sentence, nothing returned and nothing in guest memory. */
static void refuse(const void *bytes, size_t len, int code, const char *phrase)
{
	struct kernel kernel, before;
	struct error err = { 0 };
	struct guest_memory mem;

	memset(&kernel, 0x5a, sizeof(kernel));
	before = kernel;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(bytes, len, &mem, &kernel, &err), code);
	assert_int_equal(err.code, code);
	test_says(&err, phrase);
	test_says(&err, "kernel TEST");
	assert_memory_equal(&kernel, &before, sizeof(kernel));
	assert_true(test_all(test_ptr(&mem, 0, TEST_MEMORY), TEST_MEMORY, 0));
	guest_memory_destroy(&mem);
}

static void check_elf_loaded(const struct guest_memory *mem)
{
	assert_true(test_all(test_ptr(mem, 0, TEST_TEXT_GPA), TEST_TEXT_GPA, 0));
	assert_memory_equal(test_ptr(mem, TEST_TEXT_GPA, TEST_TEXT_SIZE), elf.text, TEST_TEXT_SIZE);
	assert_true(test_all(test_ptr(mem, TEST_TEXT_GPA + TEST_TEXT_SIZE, 0x1000), 0x1000, 0));
	assert_memory_equal(test_ptr(mem, TEST_DATA_GPA, TEST_DATA_FILE), elf.data, TEST_DATA_FILE);
	assert_true(test_all(test_ptr(mem, TEST_DATA_GPA + TEST_DATA_FILE, 0x10000), 0x10000, 0));
}

static void elf_with_pvh(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_elf_fill(&elf);
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.protocol, KERNEL_PVH);
	assert_string_equal(kernel.format, "ELF with PVH entry");
	assert_int_equal(kernel.entry, TEST_PVH_ENTRY);
	assert_int_equal(kernel.start, TEST_TEXT_GPA);
	assert_int_equal(kernel.end, TEST_DATA_GPA + TEST_DATA_SIZE);
	assert_int_equal(kernel.setup_header_len, 0);
	assert_int_equal(kernel.cmdline_max, 2047);
	check_elf_loaded(&mem);
	guest_memory_destroy(&mem);
}

static void elf_without_pvh(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_elf_fill(&elf);
	elf.note.n_type = 17;
	elf.file.e_type = ET_DYN;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.protocol, KERNEL_LINUX64);
	assert_string_equal(kernel.format, "ELF");
	assert_int_equal(kernel.entry, TEST_ENTRY);
	check_elf_loaded(&mem);
	guest_memory_destroy(&mem);
}

/* A program header table behind what is read first, and segments that are not page-aligned. */
static void elf_unaligned(void **state)
{
	static struct {
		struct test_elf elf;
		uint8_t padding[40];
		Elf64_Phdr header[2];
	} image;
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_elf_fill(&image.elf);
	image.elf.file.e_phoff = offsetof(typeof(image), header);
	image.elf.file.e_phnum = 2;
	image.elf.file.e_entry = TEST_ENTRY + 0x123;
	image.header[0] = image.elf.text_header;
	image.header[0].p_paddr += 0x123;
	image.header[1] = image.elf.data_header;
	image.header[1].p_paddr += 0x456;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&image, sizeof(image), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.protocol, KERNEL_LINUX64);
	assert_int_equal(kernel.end, TEST_DATA_GPA + 0x456 + TEST_DATA_SIZE);
	assert_memory_equal(test_ptr(&mem, TEST_TEXT_GPA + 0x123, TEST_TEXT_SIZE), image.elf.text,
			    TEST_TEXT_SIZE);
	assert_memory_equal(test_ptr(&mem, TEST_DATA_GPA + 0x456, TEST_DATA_FILE), image.elf.data,
			    TEST_DATA_FILE);
	guest_memory_destroy(&mem);
}

/* Notes may be padded to eight bytes, and the entry may have four. */
static void elf_note_forms(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_elf_fill(&elf);
	elf.note.n_descsz = 4;
	elf.note_header.p_filesz -= 4;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.entry, TEST_PVH_ENTRY);
	guest_memory_destroy(&mem);

	test_elf_fill(&elf);
	elf.note_header.p_align = 8;
	elf.other.n_descsz = 3;		/* padded to 8, not to 4 */
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.entry, TEST_PVH_ENTRY);
	guest_memory_destroy(&mem);
}

/* The last address of RAM is the kernel's to use; a segment of nothing may be anywhere. */
static void elf_edges(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_elf_fill(&elf);
	elf.data_header.p_paddr = TEST_MEMORY - TEST_DATA_SIZE;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.end, TEST_MEMORY);
	guest_memory_destroy(&mem);
	elf.data_header.p_paddr++;
	refuse(&elf, sizeof(elf), -E2BIG, "at least 33 MiB");

	test_elf_fill(&elf);
	elf.data_header.p_paddr = 0;
	elf.data_header.p_filesz = 0;
	elf.data_header.p_memsz = 0;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&elf, sizeof(elf), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.start, TEST_TEXT_GPA);
	guest_memory_destroy(&mem);
}

struct damage {
	void *field;
	size_t size;
	uint64_t value;
	int code;
	const char *phrase;
};

#define DAMAGE(field, value, code, phrase) { &(field), sizeof(field), value, code, phrase }

static const struct damage elf_damage[] = {
	DAMAGE(elf.file.e_machine, EM_AARCH64, -ENOEXEC, "ELF for AArch64 (machine 183)"),
	DAMAGE(elf.file.e_machine, EM_386, -ENOEXEC, "ELF for 32-bit x86 (machine 3)"),
	DAMAGE(elf.file.e_machine, 4711, -ENOEXEC, "another architecture (machine 4711)"),
	DAMAGE(elf.file.e_ident[EI_DATA], ELFDATA2MSB, -ENOEXEC, "another architecture"),
	DAMAGE(elf.file.e_ident[EI_DATA], 0, -ENOEXEC, "unknown kind of ELF"),
	DAMAGE(elf.file.e_ident[EI_CLASS], ELFCLASS32, -ENOEXEC, "not a 64-bit ELF"),
	DAMAGE(elf.file.e_type, ET_REL, -ENOEXEC, "relocatable object"),
	DAMAGE(elf.file.e_type, ET_CORE, -ENOEXEC, "core dump"),
	DAMAGE(elf.file.e_type, 77, -ENOEXEC, "ELF of type 77"),
	DAMAGE(elf.file.e_phentsize, 55, -ENOEXEC, "program headers of 55 bytes"),
	DAMAGE(elf.file.e_phnum, 0, -ENOEXEC, "no program headers"),
	DAMAGE(elf.file.e_phnum, 65, -ENOEXEC, "65 program headers"),
	DAMAGE(elf.file.e_phnum, 0xffff, -ENOEXEC, "65535 program headers"),
	DAMAGE(elf.file.e_phoff, sizeof(elf), -ENODATA, "truncated: its program headers"),
	DAMAGE(elf.file.e_phoff, UINT64_MAX, -ENODATA, "truncated: its program headers"),
	DAMAGE(elf.file.e_entry, 0, 0, NULL),		/* the note's entry is what counts */
	DAMAGE(elf.text_header.p_filesz, TEST_TEXT_SIZE + 1, -ENOEXEC, "only 8192 in memory"),
	DAMAGE(elf.text_header.p_offset, sizeof(elf) - TEST_TEXT_SIZE + 1, -ENODATA,
	       "truncated: segment 0"),
	DAMAGE(elf.text_header.p_offset, UINT64_MAX, -ENODATA, "truncated: segment 0"),
	DAMAGE(elf.text_header.p_memsz, UINT64_MAX, -ENOEXEC, "beyond the end of all addresses"),
	DAMAGE(elf.text_header.p_memsz, GIB(4), -ENOEXEC, "where the devices begin"),
	DAMAGE(elf.text_header.p_paddr, MIB(1) - 1, -ENOEXEC, "below 1 MiB"),
	DAMAGE(elf.text_header.p_paddr, 0, -ENOEXEC, "below 1 MiB"),
	DAMAGE(elf.text_header.p_paddr, GUEST_MMIO_GAP_START, -ENOEXEC, "where the devices begin"),
	DAMAGE(elf.text_header.p_paddr, GUEST_MMIO_GAP_END, -ENOEXEC, "where the devices begin"),
	DAMAGE(elf.text_header.p_paddr, TEST_MEMORY, -E2BIG, "at least 33 MiB of memory"),
	DAMAGE(elf.text_header.p_paddr, TEST_DATA_GPA + TEST_DATA_SIZE - 1, -ENOEXEC, "overlaps"),
	DAMAGE(elf.data_header.p_paddr, TEST_TEXT_GPA + TEST_TEXT_SIZE - 1, -ENOEXEC, "overlaps"),
	DAMAGE(elf.data_header.p_memsz, TEST_MEMORY, -E2BIG, "the guest has 32 MiB"),
	DAMAGE(elf.text_header.p_type, PT_INTERP, -ENOEXEC, "dynamically linked program"),
	DAMAGE(elf.text_header.p_type, PT_NULL, -ENOEXEC, "none of its executable segments"),
	DAMAGE(elf.text_header.p_flags, PF_R, -ENOEXEC, "none of its executable segments"),
	DAMAGE(elf.text_header.p_filesz, 0x40, -ENOEXEC, "none of its executable segments"),
	DAMAGE(elf.note_desc[0], TEST_TEXT_GPA - 1, -ENOEXEC, "(its PVH note)"),
	DAMAGE(elf.note_desc[0], TEST_DATA_GPA, -ENOEXEC, "none of its executable segments"),
	DAMAGE(elf.note_desc[1], 1, -ENOEXEC, "above 4 GiB"),
	DAMAGE(elf.note.n_descsz, 7, -ENOEXEC, "neither 4 nor 8"),
	DAMAGE(elf.note.n_descsz, 9, -ENOEXEC, "longer than its segment"),
	DAMAGE(elf.note.n_descsz, UINT32_MAX, -ENOEXEC, "longer than its segment"),
	DAMAGE(elf.note.n_namesz, UINT32_MAX, -ENOEXEC, "longer than its segment"),
	DAMAGE(elf.other.n_namesz, UINT32_MAX, -ENOEXEC, "longer than its segment"),
	DAMAGE(elf.note_header.p_offset, UINT64_MAX, -ENODATA, "truncated: its notes"),
	DAMAGE(elf.note_header.p_filesz, sizeof(elf), -ENODATA, "truncated: its notes"),
	DAMAGE(elf.note_header.p_filesz, 11, 0, NULL),	/* too short for a note: there is none */
};

static const struct damage bz_damage[] = {
	DAMAGE(bz.hdr.boot_flag, 0x55aa, -ENOEXEC, "boot flag 0x55aa"),
	DAMAGE(bz.hdr.version, 0x020b, -ENOEXEC, "boot protocol 2.11"),
	DAMAGE(bz.hdr.version, 0, -ENOEXEC, "boot protocol 0.00"),
	DAMAGE(bz.hdr.loadflags, 0, -ENOEXEC, "zImage"),
	DAMAGE(bz.hdr.xloadflags, 0xfffe, -ENOEXEC, "32-bit kernel"),
	DAMAGE(bz.hdr.jump_distance, 0x61, -ENOEXEC, "too short for its version"),
	DAMAGE(bz.hdr.setup_sects, 8, -ENODATA, "truncated: its header announces 16896 bytes"),
	DAMAGE(bz.hdr.setup_sects, 255, -ENODATA, "truncated"),
	DAMAGE(bz.hdr.syssize, 0, -ENOEXEC, "without room for an entry"),
	DAMAGE(bz.hdr.syssize, 0x20, -ENOEXEC, "without room for an entry"),
	DAMAGE(bz.hdr.syssize, TEST_BZ_CODE / 16 + 1, -ENODATA, "truncated"),
	DAMAGE(bz.hdr.syssize, UINT32_MAX, -ENODATA, "truncated"),
	DAMAGE(bz.hdr.kernel_alignment, 0, -ENOEXEC, "no power of two"),
	DAMAGE(bz.hdr.kernel_alignment, 0x300000, -ENOEXEC, "no power of two"),
	DAMAGE(bz.hdr.kernel_alignment, 0x80000000, -E2BIG, "at least 2049 MiB"),
	DAMAGE(bz.hdr.pref_address, MIB(1) - 1, -ENOEXEC, "no address for a kernel"),
	DAMAGE(bz.hdr.pref_address, UINT64_MAX, -ENOEXEC, "no address for a kernel"),
	DAMAGE(bz.hdr.pref_address, GIB(4), -ENOEXEC, "where the devices begin"),
	DAMAGE(bz.hdr.pref_address, TEST_MEMORY, -E2BIG, "at least 33 MiB"),
	DAMAGE(bz.hdr.init_size, MIB(17), -E2BIG, "the guest has 32 MiB"),
	DAMAGE(bz.hdr.init_size, UINT32_MAX, -ENOEXEC, "where the devices begin"),
	DAMAGE(bz.hdr.header, 0, -ENOEXEC, "PE (EFI or Windows) program"),
};

static void accept_bytes(const void *bytes, size_t len)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	test_memory(&mem, TEST_MEMORY);
	if (load(bytes, len, &mem, &kernel, &err) < 0)
		fail_msg("%s", err.msg);
	guest_memory_destroy(&mem);
}

static void try_damage(const struct damage *damage, const void *bytes, size_t len)
{
	memcpy(damage->field, &damage->value, damage->size);
	if (damage->code == 0)
		accept_bytes(bytes, len);
	else
		refuse(bytes, len, damage->code, damage->phrase);
}

static void elf_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(elf_damage); i++) {
		test_elf_fill(&elf);
		try_damage(&elf_damage[i], &elf, sizeof(elf));
	}
}

static void bzimage_damaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bz_damage); i++) {
		test_bzimage_fill(&bz);
		try_damage(&bz_damage[i], &bz, sizeof(bz));
	}
}

/* Each length up to the whole; every one but the whole is refused, whatever is missing. */
static void truncated(void **state)
{
	static const size_t lengths[] = {
		4, 5, 63, 64, 65, 64 + 3 * 56 - 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x37ff,
	};

	(void)state;
	test_elf_fill(&elf);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		refuse(&elf, lengths[i], -ENODATA, "truncated");
	test_bzimage_fill(&bz);
	refuse(&bz, 0x206, -ENODATA, "truncated");
	refuse(&bz, 0x3ff, -ENODATA, "truncated");
	refuse(&bz, 0x1000, -ENODATA, "truncated");
	refuse(&bz, sizeof(bz) - 1, -ENODATA, "truncated");
}

static void elf_notes_without_end(void **state)
{
	static struct test_elf endless;

	(void)state;
	test_elf_fill(&endless);
	endless.note_header.p_offset = offsetof(struct test_elf, text);
	endless.note_header.p_filesz = TEST_TEXT_SIZE;
	memset(endless.text, 0, sizeof(endless.text));	/* notes of nothing */
	refuse(&endless, sizeof(endless), -ENOEXEC, "too many others");
}

static void bzimage(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_bzimage_fill(&bz);
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&bz, sizeof(bz), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.protocol, KERNEL_LINUX64);
	assert_string_equal(kernel.format, "bzImage");
	assert_int_equal(kernel.entry, TEST_BZ_LOAD + 0x200);
	assert_int_equal(kernel.start, TEST_BZ_LOAD);
	assert_int_equal(kernel.end, TEST_BZ_LOAD + TEST_BZ_INIT);
	assert_int_equal(kernel.initrd_max, 0x7fffffff);
	assert_int_equal(kernel.cmdline_max, 2047);
	assert_int_equal(kernel.setup_header_len, 0x202 + 0x66 - 0x1f1);
	assert_memory_equal(kernel.setup_header, &bz.hdr, kernel.setup_header_len);
	assert_memory_equal(test_ptr(&mem, TEST_BZ_LOAD, TEST_BZ_CODE), bz.code, TEST_BZ_CODE);
	assert_true(test_all(test_ptr(&mem, TEST_BZ_LOAD - 0x1000, 0x1000), 0x1000, 0));
	assert_true(test_all(test_ptr(&mem, TEST_BZ_LOAD + TEST_BZ_CODE, 0x1000), 0x1000, 0));
	guest_memory_destroy(&mem);
}

/* Values that stand for others, a raised address, and a header that is longer than any known. */
static void bzimage_forms(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;

	(void)state;
	test_bzimage_fill(&bz);
	bz.hdr.setup_sects = 0;		/* means 4, so that the file is longer than announced */
	bz.hdr.cmdline_size = 0;	/* means 255 */
	bz.hdr.pref_address = TEST_BZ_LOAD + 1;
	bz.hdr.jump_distance = 0xff;
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&bz, sizeof(bz), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.start, TEST_BZ_LOAD + 0x200000);
	assert_int_equal(kernel.cmdline_max, 255);
	assert_int_equal(kernel.setup_header_len, sizeof(kernel.setup_header));
	assert_true(test_all(test_ptr(&mem, kernel.start, 0x600), 0x600, 0));
	assert_int_equal(*test_ptr(&mem, kernel.start + 0x600, 1), 0xc0);
	guest_memory_destroy(&mem);

	test_bzimage_fill(&bz);		/* one that stays where it was linked to */
	bz.hdr.relocatable_kernel = 0;
	bz.hdr.kernel_alignment = 0;
	bz.hdr.pref_address = 0x1001000;
	bz.hdr.init_size = 1;		/* less than what is loaded, which counts then */
	test_memory(&mem, TEST_MEMORY);
	assert_int_equal(load(&bz, sizeof(bz), &mem, &kernel, &err), 0);
	assert_int_equal(kernel.start, 0x1001000);
	assert_int_equal(kernel.end, 0x1001000 + TEST_BZ_CODE);
	guest_memory_destroy(&mem);
}

struct stranger {
	size_t offset;
	size_t len;
	const char *bytes;
	const char *phrase;
};

static const struct stranger strangers[] = {
	{ 0, 4, "\x1f\x8b\x08\x00", "compressed with gzip" },
	{ 0, 6, "\xfd" "7zXZ\0", "compressed with xz" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "decompress it first (zstd -d)" },
	{ 0, 4, "BZh9", "compressed with bzip2" },
	{ 0, 4, "\x02\x21\x4c\x18", "compressed with lz4" },
	{ 0, 10, "#!/bin/sh\n", "a script" },
	{ 0, 6, "070701", "pass it as --initrd" },
	{ 0, 2, "MZ", "PE (EFI or Windows) program" },
	{ 0x38, 4, "ARM\x64", "for AArch64" },
	{ 1080, 2, "\x53\xef", "ext4 file system" },
	{ 0x1fe, 2, "\x55\xaa", "boot sector" },
	{ 0, 4, "QFI\xfb", "qcow2" },
	{ 0, 5, "hello", "in no format that this monitor boots" },
};

static void named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		const struct stranger *stranger = &strangers[i];
		uint8_t bytes[2048] = { 0 };

		memcpy(bytes + stranger->offset, stranger->bytes, stranger->len);
		refuse(bytes, sizeof(bytes), -ENOEXEC, stranger->phrase);
		/* Cut within its mark, it must not be read beyond its end. */
		refuse(bytes, stranger->offset + 1, -ENOEXEC, "kernel TEST");
	}
	refuse("", 0, -ENOEXEC, "empty file");
}

static void not_a_file(void **state)
{
	struct error err = { 0 };
	struct guest_memory mem;
	struct kernel kernel;
	int fd;

	(void)state;
	test_memory(&mem, TEST_MEMORY);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(kernel_load(fd, "/", &mem, &kernel, &err), -ENOEXEC);
	test_says(&err, "kernel / is a directory");
	close(fd);
	fd = open("/dev/zero", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(kernel_load(fd, "/dev/zero", &mem, &kernel, &err), -ENOEXEC);
	test_says(&err, "not a regular file");
	close(fd);
	assert_int_equal(kernel_load(-1, "gone", &mem, &kernel, &err), -EBADF);
	test_says(&err, "cannot examine kernel gone");
	guest_memory_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_with_pvh), cmocka_unit_test(elf_without_pvh),
		cmocka_unit_test(elf_unaligned), cmocka_unit_test(elf_note_forms),
		cmocka_unit_test(elf_edges),
		cmocka_unit_test(elf_damaged), cmocka_unit_test(elf_notes_without_end),
		cmocka_unit_test(bzimage), cmocka_unit_test(bzimage_forms),
		cmocka_unit_test(bzimage_damaged), cmocka_unit_test(truncated),
		cmocka_unit_test(named), cmocka_unit_test(not_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
