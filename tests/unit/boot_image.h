/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_image.h - small valid kernel images that tests damage in one place at a time, and what the
 * tests of boot/ share. Include after cmocka's headers.
 */
#ifndef VOLT_TEST_BOOT_IMAGE_H
#define VOLT_TEST_BOOT_IMAGE_H

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/util.h"
#include "boot/boot.h"
#include "boot/zero_page.h"

#define TEST_MEMORY		MIB(32)

#define TEST_TEXT_GPA		0x200000
#define TEST_TEXT_SIZE		0x2000
#define TEST_DATA_GPA		0x203000
#define TEST_DATA_FILE		0x800
#define TEST_DATA_SIZE		0x4000
#define TEST_ENTRY		0x200100
#define TEST_PVH_ENTRY		0x200040

/* An ELF kernel: text, data with bss behind it, notes with a PVH entry as the second. */
struct test_elf {
	Elf64_Ehdr file;
	Elf64_Phdr text_header, data_header, note_header;
	Elf64_Nhdr other;
	char other_name[4];
	char other_desc[8];
	Elf64_Nhdr note;
	char note_name[4];
	uint32_t note_desc[2];
	uint8_t padding[0x1000 - 64 - 3 * 56 - 12 - 4 - 8 - 12 - 4 - 8];
	uint8_t text[TEST_TEXT_SIZE];
	uint8_t data[TEST_DATA_FILE];
};

_Static_assert(offsetof(struct test_elf, text) == 0x1000, "page-aligned");

static inline void test_elf_fill(struct test_elf *elf)
{
	memset(elf, 0, sizeof(*elf));
	elf->file = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = TEST_ENTRY, .e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
	};
	elf->text_header = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_align = 0x1000,
		.p_offset = offsetof(struct test_elf, text), .p_paddr = TEST_TEXT_GPA,
		.p_vaddr = 0xffffffff80000000 + TEST_TEXT_GPA,
		.p_filesz = TEST_TEXT_SIZE, .p_memsz = TEST_TEXT_SIZE,
	};
	elf->data_header = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_align = 0x1000,
		.p_offset = offsetof(struct test_elf, data), .p_paddr = TEST_DATA_GPA,
		.p_vaddr = 0xffffffff80000000 + TEST_DATA_GPA,
		.p_filesz = TEST_DATA_FILE, .p_memsz = TEST_DATA_SIZE,
	};
	elf->note_header = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_flags = PF_R, .p_align = 4,
		.p_offset = offsetof(struct test_elf, other),
		.p_filesz = offsetof(struct test_elf, padding) - offsetof(struct test_elf, other),
	};
	elf->other = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 6, .n_type = 18 };
	memcpy(elf->other_name, "Abc", 4);
	elf->note = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 8, .n_type = 18 };
	memcpy(elf->note_name, "Xen", 4);
	elf->note_desc[0] = TEST_PVH_ENTRY;
	memset(elf->text, 0x90, sizeof(elf->text));
	memset(elf->data, 0xda, sizeof(elf->data));
}

#define TEST_BZ_SECTS	7		/* with the boot sector one page: can be mapped */
#define TEST_BZ_LOAD	0x1000000
#define TEST_BZ_CODE	0x3000
#define TEST_BZ_INIT	0x100000

struct test_bzimage {
	uint8_t boot[SETUP_HEADER_OFFSET];
	struct setup_header_2_12 hdr;
	uint8_t setup[0x1000 - SETUP_HEADER_OFFSET - sizeof(struct setup_header_2_12)];
	uint8_t code[TEST_BZ_CODE];
};

static inline void test_bzimage_fill(struct test_bzimage *bz)
{
	memset(bz, 0, sizeof(*bz));
	bz->hdr = (struct setup_header_2_12){
		.setup_sects = TEST_BZ_SECTS, .syssize = TEST_BZ_CODE / 16,
		.boot_flag = SETUP_BOOT_FLAG, .jump = 0xeb, .jump_distance = 0x66,
		.header = SETUP_MAGIC, .version = 0x020f, .loadflags = SETUP_LOADED_HIGH,
		.code32_start = 0x100000, .initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000, .relocatable_kernel = 1, .min_alignment = 21,
		.xloadflags = SETUP_XLF_KERNEL_64, .cmdline_size = 2047,
		.pref_address = TEST_BZ_LOAD, .init_size = TEST_BZ_INIT,
	};
	memcpy(bz->boot, "MZ", 2);
	memset(bz->code, 0xc0, sizeof(bz->code));
}

/* A file of these bytes that has no name. */
static inline int test_file(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, bytes, len), 0);
	return fd;
}

static inline void test_memory(struct guest_memory *mem, uint64_t size)
{
	struct error err = { 0 };

	if (guest_memory_create(mem, size, false, &err) < 0)
		fail_msg("%s", err.msg);
}

/* The bytes at a guest address, which must be RAM. */
static inline uint8_t *test_ptr(const struct guest_memory *mem, uint64_t gpa, uint64_t len)
{
	uint8_t *ptr = guest_memory_ptr(mem, gpa, len);

	assert_non_null(ptr);
	return ptr;
}

static inline uint64_t test_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t test_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint16_t test_u16(const void *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint8_t test_sum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum;
}

static inline bool test_all(const uint8_t *bytes, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

/* Fails unless the sentence has the phrase in it. */
static inline void test_says(const struct error *err, const char *phrase)
{
	if (!strstr(err->msg, phrase))
		fail_msg("\"%s\" does not say \"%s\"", err->msg, phrase);
}

#endif
