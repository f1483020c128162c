/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/bootparam.h>

#include "boot_image.h"

#define KERNEL_START	MIB(1)
#define KERNEL_END	(MIB(2) + 1)

static const struct kernel linux64 = {
	.protocol = KERNEL_LINUX64, .format = "ELF", .entry = 0x1234567, .start = KERNEL_START,
	.end = KERNEL_END, .initrd_max = UINT32_MAX, .cmdline_max = 2047,
};

static const struct kernel pvh = {
	.protocol = KERNEL_PVH, .format = "ELF with PVH entry", .entry = 0x7654321,
	.start = KERNEL_START, .end = KERNEL_END, .initrd_max = UINT32_MAX, .cmdline_max = 2047,
};

#define CHECK_HEADER(field) \
	assert_int_equal(offsetof(struct setup_header_2_12, field), \
			 offsetof(struct setup_header, field))

/* The kernel's own header has the same offsets. */
static void abi(void **state)
{
	(void)state;
	CHECK_HEADER(setup_sects);
	CHECK_HEADER(syssize);
	CHECK_HEADER(boot_flag);
	CHECK_HEADER(jump);
	CHECK_HEADER(header);
	CHECK_HEADER(version);
	CHECK_HEADER(type_of_loader);
	CHECK_HEADER(loadflags);
	CHECK_HEADER(code32_start);
	CHECK_HEADER(ramdisk_image);
	CHECK_HEADER(ramdisk_size);
	CHECK_HEADER(cmd_line_ptr);
	CHECK_HEADER(initrd_addr_max);
	CHECK_HEADER(kernel_alignment);
	CHECK_HEADER(relocatable_kernel);
	CHECK_HEADER(xloadflags);
	CHECK_HEADER(cmdline_size);
	CHECK_HEADER(setup_data);
	CHECK_HEADER(pref_address);
	CHECK_HEADER(init_size);
	CHECK_HEADER(handover_offset);
	assert_int_equal(SETUP_XLF_KERNEL_64, XLF_KERNEL_64);
	assert_int_equal(SETUP_LOADED_HIGH, LOADED_HIGH);
	assert_int_equal(SETUP_HEADER_OFFSET, offsetof(struct boot_params, hdr));
	assert_int_equal(offsetof(struct zero_page, acpi_rsdp_addr),
			 offsetof(struct boot_params, acpi_rsdp_addr));
	assert_int_equal(offsetof(struct zero_page, e820_entries),
			 offsetof(struct boot_params, e820_entries));
	assert_int_equal(offsetof(struct zero_page, e820_table),
			 offsetof(struct boot_params, e820_table));
	assert_int_equal(ZERO_PAGE_SIZE, sizeof(struct boot_params));
}

static void write_info(struct guest_memory *mem, const struct kernel *kernel,
		       const struct initrd *initrd, const char *text)
{
	struct cmdline line = { 0 };
	struct error err = { 0 };

	assert_int_equal(cmdline_add(&line, text, NULL), 0);
	if (boot_info_write(mem, kernel, initrd, &line, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal((const char *)test_ptr(mem, LAYOUT_CMDLINE, 4096), text);
}

static void check_e820(const struct boot_params *params, unsigned int n, uint64_t addr,
		       uint64_t size, uint32_t type)
{
	assert_true(n < params->e820_entries);
	assert_int_equal(params->e820_table[n].addr, addr);
	assert_int_equal(params->e820_table[n].size, size);
	assert_int_equal(params->e820_table[n].type, type);
}

static void zero_page_of_elf(void **state)
{
	const struct initrd initrd = { .gpa = MIB(30), .size = 0x12345 };
	struct boot_params params;
	struct guest_memory mem;

	(void)state;
	test_memory(&mem, MIB(32));
	write_info(&mem, &linux64, &initrd, "console=ttyS0");
	memcpy(&params, test_ptr(&mem, 0x7000, sizeof(params)), sizeof(params));
	assert_int_equal(params.hdr.boot_flag, 0xaa55);
	assert_int_equal(params.hdr.header, 0x53726448);
	assert_int_equal(params.hdr.version, 0x020c);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.loadflags, LOADED_HIGH);
	assert_int_equal(params.hdr.cmd_line_ptr, 0x20000);
	assert_int_equal(params.ext_cmd_line_ptr, 0);
	assert_int_equal(params.hdr.ramdisk_image, MIB(30));
	assert_int_equal(params.hdr.ramdisk_size, 0x12345);
	assert_int_equal(params.ext_ramdisk_image, 0);
	assert_int_equal(params.acpi_rsdp_addr, 0xe0000);
	assert_int_equal(params.sentinel, 0);
	assert_int_equal(params.e820_entries, 3);
	check_e820(&params, 0, 0, 0x9fc00, 1);
	check_e820(&params, 1, 0x9fc00, 0x100000 - 0x9fc00, 2);
	check_e820(&params, 2, MIB(1), MIB(31), 1);
	guest_memory_destroy(&mem);
}

static void zero_page_of_bzimage(void **state)
{
	const struct initrd none = { 0 };
	struct kernel kernel = linux64;
	struct boot_params params;
	struct guest_memory mem;

	(void)state;
	/* A header longer than any known; what the loader has to set is full of rubbish. */
	memset(kernel.setup_header, 0xee, sizeof(kernel.setup_header));
	kernel.setup_header_len = sizeof(kernel.setup_header);
	test_memory(&mem, GIB(5));
	write_info(&mem, &kernel, &none, "");
	memcpy(&params, test_ptr(&mem, 0x7000, sizeof(params)), sizeof(params));
	assert_int_equal(params.hdr.version, 0xeeee);
	assert_int_equal(params.hdr.kernel_info_offset, 0xeeeeeeee);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.code32_start, KERNEL_START);
	assert_int_equal(params.hdr.ramdisk_image, 0);
	assert_int_equal(params.hdr.ramdisk_size, 0);
	assert_int_equal(params.hdr.setup_data, 0);
	assert_int_equal(params.hdr.cmd_line_ptr, 0x20000);
	assert_int_equal(params.edd_mbr_sig_buffer[0], 0);
	assert_int_equal(params.e820_entries, 4);
	check_e820(&params, 2, MIB(1), GIB(3) - MIB(1), 1);
	check_e820(&params, 3, GIB(4), GIB(2), 1);
	guest_memory_destroy(&mem);
}

/* Offsets by Xen's start_info.h. */
static void start_info(void **state)
{
	const struct initrd initrd = { .gpa = MIB(30), .size = 0x12345 };
	struct guest_memory mem;
	const uint8_t *info, *module, *map;

	(void)state;
	test_memory(&mem, GIB(4));
	write_info(&mem, &pvh, &initrd, "quiet");
	info = test_ptr(&mem, LAYOUT_PVH_INFO, 56);
	assert_int_equal(test_u32(info), 0x336ec578);
	assert_int_equal(test_u32(info + 4), 1);
	assert_int_equal(test_u32(info + 8), 0);
	assert_int_equal(test_u32(info + 12), 1);
	module = test_ptr(&mem, test_u64(info + 16), 32);
	assert_int_equal(test_u64(info + 24), LAYOUT_CMDLINE);
	assert_int_equal(test_u64(info + 32), LAYOUT_RSDP);
	map = test_ptr(&mem, test_u64(info + 40), 4 * 24);
	assert_int_equal(test_u32(info + 48), 4);
	assert_int_equal(test_u64(module), MIB(30));
	assert_int_equal(test_u64(module + 8), 0x12345);
	assert_int_equal(test_u64(map + 3 * 24), GIB(4));
	assert_int_equal(test_u64(map + 3 * 24 + 8), GIB(1));
	assert_int_equal(test_u32(map + 3 * 24 + 16), 1);
	assert_int_equal(test_u32(map + 1 * 24 + 16), 2);
	/* Nothing of the other protocol. */
	assert_true(test_all(test_ptr(&mem, LAYOUT_BOOT_PARAMS, 0x8000), 0x8000, 0));
	guest_memory_destroy(&mem);
}

static void start_info_without_initrd(void **state)
{
	const struct initrd none = { 0 };
	struct guest_memory mem;
	const uint8_t *info;

	(void)state;
	test_memory(&mem, MIB(1));
	write_info(&mem, &pvh, &none, "quiet");
	info = test_ptr(&mem, LAYOUT_PVH_INFO, 56);
	assert_int_equal(test_u32(info + 12), 0);
	assert_int_equal(test_u64(info + 16), 0);
	assert_int_equal(test_u32(info + 48), 2);	/* no RAM above 1 MiB */
	guest_memory_destroy(&mem);
}

static void cmdline_too_long(void **state)
{
	const struct initrd none = { 0 };
	struct kernel kernel = linux64;
	struct cmdline line = { 0 };
	struct error err = { 0 };
	struct guest_memory mem;

	(void)state;
	test_memory(&mem, MIB(2));
	kernel.cmdline_max = 5;
	assert_int_equal(cmdline_add(&line, "12345", NULL), 0);
	assert_int_equal(boot_info_write(&mem, &kernel, &none, &line, &err), 0);
	assert_int_equal(cmdline_add(&line, "7", NULL), 0);
	assert_int_equal(boot_info_write(&mem, &kernel, &none, &line, &err), -E2BIG);
	test_says(&err, "has 7 characters, but this kernel (ELF) takes at most 5");
	guest_memory_destroy(&mem);
}

/* Follow the tables as a processor does: the mapping must be the identity, writable, 4 GiB long. */
static void page_tables(void **state)
{
	const struct initrd none = { 0 };
	struct guest_memory mem;
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs;

	(void)state;
	test_memory(&mem, MIB(2));
	write_info(&mem, &linux64, &none, "");
	boot_vcpu_regs(&linux64, &sregs, &regs);
	for (uint64_t va = 0; va < GIB(4); va += MIB(2)) {
		uint64_t table = sregs.cr3, entry = 0;

		for (unsigned int shift = 39; shift >= 21; shift -= 9) {
			entry = test_u64(test_ptr(&mem, table, 4096) + (va >> shift & 511) * 8);
			assert_int_equal(entry & 3, 3);
			assert_int_equal(entry >> 7 & 1, shift == 21);
			table = entry & ~UINT64_C(0xfff);
		}
		assert_int_equal(entry, va | 0x83);
	}
	assert_true(test_all(test_ptr(&mem, sregs.cr3 + 8, 4088), 4088, 0));
	guest_memory_destroy(&mem);
}

static void regs_linux64(void **state)
{
	const struct initrd none = { 0 };
	struct guest_memory mem;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	const uint8_t *gdt;

	(void)state;
	memset(&sregs, 0x5a, sizeof(sregs));
	memset(&regs, 0x5a, sizeof(regs));
	boot_vcpu_regs(&linux64, &sregs, &regs);
	assert_int_equal(regs.rip, 0x1234567);
	assert_int_equal(regs.rsi, 0x7000);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(regs.rax, 0);
	assert_int_equal(sregs.cr0, 0x80000011);
	assert_int_equal(sregs.cr4, 0x20);
	assert_int_equal(sregs.efer, 0x500);
	assert_int_equal(sregs.cs.selector, 0x10);	/* __BOOT_CS */
	assert_int_equal(sregs.ds.selector, 0x18);	/* __BOOT_DS */
	assert_int_equal(sregs.cs.l, 1);
	assert_int_equal(sregs.cs.db, 0);
	assert_int_equal(sregs.cs.limit, UINT32_MAX);
	assert_int_equal(sregs.tr.limit, 0x67);
	assert_int_equal(sregs.apic_base, UINT64_C(0x5a5a5a5a5a5a5a5a)); /* KVM's own */
	assert_int_equal(sregs.gdt.base, 0x500);
	assert_int_equal(sregs.gdt.limit, 0x2f);
	assert_int_equal(sregs.idt.limit, 0);
	assert_int_equal(sregs.ldt.unusable, 1);
	assert_int_equal(sregs.ldt.present, 0);
	assert_int_equal(sregs.gs.limit, UINT32_MAX);

	/* Intel SDM volume 3, figure 3-8: what a selector names is what is loaded. */
	test_memory(&mem, MIB(2));
	write_info(&mem, &linux64, &none, "");
	gdt = test_ptr(&mem, sregs.gdt.base, sregs.gdt.limit + 1u);
	assert_int_equal(test_u64(gdt), 0);
	assert_int_equal(test_u64(gdt + sregs.cs.selector), UINT64_C(0x00af9b000000ffff));
	assert_int_equal(test_u64(gdt + sregs.ds.selector), UINT64_C(0x00cf93000000ffff));
	assert_int_equal(test_u64(gdt + sregs.tr.selector), UINT64_C(0x00008b0000000067));
	assert_int_equal(test_u64(gdt + sregs.tr.selector + 8), 0);
	guest_memory_destroy(&mem);
}

static void regs_pvh(void **state)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	(void)state;
	memset(&sregs, 0x5a, sizeof(sregs));
	boot_vcpu_regs(&pvh, &sregs, &regs);
	assert_int_equal(regs.rip, 0x7654321);
	assert_int_equal(regs.rbx, LAYOUT_PVH_INFO);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(sregs.cr0, 0x11);
	assert_int_equal(sregs.cr4, 0);
	assert_int_equal(sregs.efer, 0);
	assert_int_equal(sregs.cs.l, 0);
	assert_int_equal(sregs.cs.db, 1);
	assert_int_equal(sregs.cs.limit, UINT32_MAX);
	assert_int_equal(sregs.ss.limit, UINT32_MAX);
	assert_int_equal(sregs.tr.base, 0);
	assert_int_equal(sregs.tr.limit, 0x67);
	assert_int_equal(sregs.apic_base, UINT64_C(0x5a5a5a5a5a5a5a5a));
}

struct initrd_case {
	uint64_t memory, start, end, max;	/* of the guest and of its kernel */
	size_t size;
	uint64_t gpa;				/* 0: no room */
	const char *phrase;
};

static const struct initrd_case initrd_cases[] = {
	/* The top of RAM, page-aligned; below the kernel's limit; exactly above the kernel. */
	{ MIB(32), MIB(1), MIB(2) + 1, UINT32_MAX, 5000, MIB(32) - 8192, NULL },
	{ MIB(32), MIB(1), MIB(2) + 1, MIB(16) - 1, 4096, MIB(16) - 4096, NULL },
	{ MIB(32), MIB(1), MIB(2) + 1, MIB(16), 4096, MIB(16) - 4096, NULL },
	{ MIB(4), MIB(1), MIB(4) - 8192, UINT32_MAX, 8192, MIB(4) - 8192, NULL },
	{ GIB(5), MIB(1), MIB(2), UINT32_MAX, 4096, GIB(3) - 4096, NULL },
	/* Below a kernel that reaches the top. */
	{ MIB(32), MIB(16), MIB(32), UINT32_MAX, 4097, MIB(16) - 8192, NULL },
	/* One byte too many. */
	{ MIB(4), MIB(1), MIB(4) - 8192, UINT32_MAX, 8193, 0, "at least 5 MiB of memory" },
	{ MIB(4), MIB(1), MIB(4), UINT32_MAX, 1, 0, "the guest has 4 MiB" },
	{ MIB(32), MIB(1), MIB(3), MIB(3) + 4095, 4097, 0, "more than fit" },
};

static void initrd_places(void **state)
{
	static uint8_t bytes[16384];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(initrd_cases); i++) {
		const struct initrd_case *test = &initrd_cases[i];
		struct kernel kernel = linux64;
		struct initrd initrd = { 1, 2 };
		struct error err = { 0 };
		struct guest_memory mem;
		int fd = test_file(bytes, test->size);
		int r;

		kernel.start = test->start;
		kernel.end = test->end;
		kernel.initrd_max = test->max;
		test_memory(&mem, test->memory);
		r = initrd_load(fd, "TEST", &mem, &kernel, &initrd, &err);
		if (test->gpa == 0) {
			assert_int_equal(r, -E2BIG);
			test_says(&err, test->phrase);
			assert_int_equal(initrd.gpa, 1);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(initrd.gpa, test->gpa);
			assert_int_equal(initrd.size, test->size);
			assert_memory_equal(test_ptr(&mem, initrd.gpa, test->size), bytes,
					    test->size);
		}
		guest_memory_destroy(&mem);
		close(fd);
	}
}

static void initrd_refused(void **state)
{
	struct initrd initrd = { 0 };
	struct error err = { 0 };
	struct guest_memory mem;
	int fd, pipe_fds[2];

	(void)state;
	test_memory(&mem, MIB(4));
	fd = test_file("", 0);
	assert_int_equal(initrd_load(fd, "TEST", &mem, &linux64, &initrd, &err), -EINVAL);
	test_says(&err, "initrd TEST is an empty file");
	close(fd);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(initrd_load(pipe_fds[0], "TEST", &mem, &linux64, &initrd, &err), -EINVAL);
	test_says(&err, "not a regular file");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	guest_memory_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abi), cmocka_unit_test(zero_page_of_elf),
		cmocka_unit_test(zero_page_of_bzimage), cmocka_unit_test(start_info),
		cmocka_unit_test(start_info_without_initrd), cmocka_unit_test(cmdline_too_long),
		cmocka_unit_test(page_tables), cmocka_unit_test(regs_linux64),
		cmocka_unit_test(regs_pvh), cmocka_unit_test(initrd_places),
		cmocka_unit_test(initrd_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
