/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables, read in three ways: by offsets of the specification; by iasl, which must
 * disassemble each table and compile the result to the same bytes; and by ACPICA's interpreter,
 * the same code that Linux runs, in acpiexec. The last two need the package acpica-tools.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "boot/aml.h"
#include "boot_image.h"

#define TABLE_MAX	8192

static void machine_fill(struct boot_machine *machine, unsigned int cpus, unsigned int virtio)
{
	*machine = (struct boot_machine){ .cpus = cpus, .virtio_count = virtio };
	for (unsigned int i = 0; i < virtio; i++)
		machine->virtio[i] = (struct boot_virtio){
			.base = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE,
			.gsi = LAYOUT_GSI_VIRTIO + i,
		};
}

static void write_tables(struct guest_memory *mem, unsigned int cpus, unsigned int virtio)
{
	struct boot_machine machine;
	struct error err = { 0 };

	machine_fill(&machine, cpus, virtio);
	test_memory(mem, MIB(1));
	if (acpi_write(mem, &machine, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A table at a guest address, its signature and checksum checked. */
static const uint8_t *get_table(const struct guest_memory *mem, uint64_t gpa, const char *signature)
{
	const uint8_t *table = test_ptr(mem, gpa, 36);
	uint32_t length = test_u32(table + 4);

	assert_memory_equal(table, signature, 4);
	assert_true(gpa >= LAYOUT_ACPI && gpa + length <= LAYOUT_RSDP);
	assert_int_equal(gpa % 8, 0);
	assert_int_equal(test_sum(test_ptr(mem, gpa, length), length), 0);
	assert_memory_equal(table + 10, "VOLT", 4);
	return table;
}

/* The XSDT's entry number @n. */
static uint64_t get_entry(const struct guest_memory *mem, unsigned int n)
{
	const uint8_t *rsdp = test_ptr(mem, LAYOUT_RSDP, 36);
	const uint8_t *xsdt;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(test_sum(rsdp, 20), 0);
	assert_int_equal(test_sum(rsdp, 36), 0);
	assert_int_equal(test_u32(rsdp + 20), 36);
	xsdt = get_table(mem, test_u64(rsdp + 24), "XSDT");
	assert_int_equal(test_u32(xsdt + 4), 36 + 2 * 8);
	return test_u64(xsdt + 36 + n * 8);
}

/* A generic address structure: one byte of I/O space. */
static void check_register(const uint8_t *gas, uint64_t port)
{
	assert_int_equal(gas[0], 1);
	assert_int_equal(gas[1], 8);
	assert_int_equal(gas[2], 0);
	assert_int_equal(gas[3], 1);
	assert_int_equal(test_u64(gas + 4), port);
}

static void fadt(void **state)
{
	struct guest_memory mem;
	const uint8_t *table;

	(void)state;
	write_tables(&mem, 1, 1);
	table = get_table(&mem, get_entry(&mem, 0), "FACP");
	assert_int_equal(test_u32(table + 4), 276);
	assert_int_equal(table[8], 6);
	assert_int_equal(table[131], 3);
	assert_int_equal(test_u16(table + 109), 0x24);		/* no VGA, no CMOS clock, no 8042 */
	assert_int_equal(test_u32(table + 112), 1 << 20 | 1 << 10 | 1 << 5 | 1 << 4 | 1 << 0);
	check_register(table + 116, 0x602);
	assert_int_equal(table[128], 1);
	check_register(table + 244, 0x600);
	check_register(table + 256, 0x601);
	assert_int_equal(test_u32(table + 40), test_u64(table + 140));
	get_table(&mem, test_u64(table + 140), "DSDT");
	/* Hardware-reduced: no PM1, timer or GPE blocks, in either form, no FACS. */
	assert_int_equal(test_u32(table + 36), 0);
	assert_true(test_all(table + 46, 109 - 46, 0));
	assert_true(test_all(table + 132, 8, 0));
	assert_true(test_all(table + 148, 244 - 148, 0));
	guest_memory_destroy(&mem);
}

static void check_madt(const uint8_t *table, unsigned int cpus)
{
	uint32_t pos = 44, lapics = 0, ioapics = 0, nmis = 0;

	assert_int_equal(test_u32(table + 36), 0xfee00000);
	assert_int_equal(test_u32(table + 40), 0);		/* no 8259 */
	while (pos < test_u32(table + 4)) {
		const uint8_t *entry = table + pos;

		switch (entry[0]) {
		case 0:
			assert_int_equal(entry[1], 8);
			assert_int_equal(entry[2], lapics);
			assert_int_equal(entry[3], lapics);
			assert_int_equal(test_u32(entry + 4), 1);
			lapics++;
			break;
		case 1:
			assert_int_equal(entry[1], 12);
			assert_int_equal(entry[2], cpus);
			assert_int_equal(test_u32(entry + 4), 0xfec00000);
			assert_int_equal(test_u32(entry + 8), 0);
			ioapics++;
			break;
		case 4:
			assert_int_equal(entry[1], 6);
			assert_int_equal(entry[2], 0xff);
			assert_int_equal(test_u16(entry + 3), 0);
			assert_int_equal(entry[5], 1);
			nmis++;
			break;
		default:
			fail_msg("an entry of type %u", entry[0]);
		}
		pos += entry[1];
	}
	assert_int_equal(pos, test_u32(table + 4));
	assert_int_equal(lapics, cpus);
	assert_int_equal(ioapics, 1);
	assert_int_equal(nmis, 1);
}

static void madt(void **state)
{
	static const unsigned int cpus[] = { 1, 2, 4, 32, 254 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct guest_memory mem;

		write_tables(&mem, cpus[i], 0);
		check_madt(get_table(&mem, get_entry(&mem, 1), "APIC"), cpus[i]);
		guest_memory_destroy(&mem);
	}
}

static void too_much(void **state)
{
	struct boot_machine machine;
	struct error err = { 0 };
	struct guest_memory mem;

	(void)state;
	test_memory(&mem, MIB(1));
	machine_fill(&machine, 255, 0);
	assert_int_equal(acpi_write(&mem, &machine, &err), -ENOSPC);
	machine_fill(&machine, 1, 0);
	machine.virtio_count = LAYOUT_VIRTIO_MAX + 1;
	assert_int_equal(acpi_write(&mem, &machine, &err), -ENOSPC);
	test_says(&err, "not for 1 and 17");
	guest_memory_destroy(&mem);
}

/* The event device reads the button at its port and notifies the button's device. */
static void power_button(void **state)
{
	static const uint8_t region[] = { 0x5b, 0x80, 'P', 'W', 'R', 'R', 1, 0x0b, 0x04, 0x06, 1 };
	static const uint8_t event[] = { '_', 'E', 'V', 'T', 1, 0xa0, 12, 'P', 'R', 'E', 'S',
					 0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80 };
	struct guest_memory mem;
	const uint8_t *dsdt;

	(void)state;
	write_tables(&mem, 1, 0);
	dsdt = get_table(&mem, test_u64(get_table(&mem, get_entry(&mem, 0), "FACP") + 140), "DSDT");
	assert_non_null(memmem(dsdt, test_u32(dsdt + 4), region, sizeof(region)));
	assert_non_null(memmem(dsdt, test_u32(dsdt + 4), event, sizeof(event)));
	guest_memory_destroy(&mem);
}

/* Package lengths around the sizes where they grow, and a buffer that ends anywhere. */
static void aml_lengths(void **state)
{
	static const struct {
		size_t body, total;	/* bytes after the name, and of the scope with its opcode */
		uint8_t first;		/* of the package length */
	} cases[] = {
		{ 0, 6, 5 }, { 58, 64, 63 }, { 59, 66, 0x40 | 1 }, { 4089, 4096, 0x40 | 15 },
		{ 4090, 4098, 0x80 | 1 },
	};
	static uint8_t buf[5000], body[5000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct aml aml = { .buf = buf, .size = cases[i].total };
		size_t mark = aml_scope(&aml, "A");

		memset(body, 0xab, sizeof(body));
		aml_bytes(&aml, body, cases[i].body);
		aml_end(&aml, mark);
		assert_false(aml.overflow);
		assert_int_equal(aml.len, cases[i].total);
		assert_int_equal(buf[1], cases[i].first);
		assert_memory_equal(buf + aml.len - cases[i].body - 4, "A___", 4);
		assert_memory_equal(buf + aml.len - cases[i].body, body, cases[i].body);

		for (size_t size = cases[i].total - 1; size > cases[i].total - 5; size--) {
			aml = (struct aml){ .buf = buf, .size = size };
			buf[size] = 0x77;
			mark = aml_scope(&aml, "A");
			aml_bytes(&aml, body, cases[i].body);
			aml_end(&aml, mark);
			assert_true(aml.overflow);
			assert_int_equal(buf[size], 0x77);
		}
	}
}

/* --- the tools of ACPICA --- */

static char dir[] = "/tmp/volt-acpi-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void have_tool(const char *tool)
{
	char path[64];

	snprintf(path, sizeof(path), "/usr/bin/%s", tool);
	if (access(path, X_OK) == 0)
		return;
	print_message("skipped: %s is not installed (package acpica-tools)\n", path);
	skip();
}

/* Run a tool in the directory with its output in the file "out"; returns its exit status. */
static int run(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int out;

		if (chdir(dir) < 0)
			_exit(126);
		out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(126);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static size_t read_back(const char *name, char *buf, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	len = read(fd, buf, size - 1);
	assert_true(len >= 0);
	close(fd);
	buf[len] = '\0';
	return (size_t)len;
}

static void write_out(const char *name, const uint8_t *bytes, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, bytes, len), 0);
	close(fd);
}

static void run_iasl(const char *const argv[])
{
	static char output[16384];
	int status = run(argv);

	read_back("out", output, sizeof(output));
	if (status != 0 || strstr(output, "Warning  ") || strstr(output, "Error  "))
		fail_msg("%s %s: exit status %d\n%s", argv[0], argv[1], status, output);
}

/* Disassembled and compiled again without optimisation, a table must be what it was. */
static void round_trip(const uint8_t *table)
{
	const char *const disassemble[] = { "iasl", "-d", "t.dat", NULL };
	const char *const compile[] = { "iasl", "-oa", "-p", "again", "t.dsl", NULL };
	uint32_t length = test_u32(table + 4);
	static char again[TABLE_MAX];

	assert_true(length < TABLE_MAX);
	write_out("t.dat", table, length);
	run_iasl(disassemble);
	run_iasl(compile);
	assert_int_equal(read_back("again.aml", again, sizeof(again)), length);
	/* The compiler puts its own name into the header, which changes the checksum. */
	assert_memory_equal(again, table, 9);
	assert_memory_equal(again + 10, table + 10, 28 - 10);
	assert_memory_equal(again + 36, table + 36, length - 36);
}

static void iasl(void **state)
{
	static const unsigned int sizes[][2] = { { 1, 0 }, { 2, 1 }, { 32, LAYOUT_VIRTIO_MAX } };

	(void)state;
	have_tool("iasl");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct guest_memory mem;
		const uint8_t *facp;

		write_tables(&mem, sizes[i][0], sizes[i][1]);
		facp = get_table(&mem, get_entry(&mem, 0), "FACP");
		round_trip(facp);
		round_trip(get_table(&mem, get_entry(&mem, 1), "APIC"));
		round_trip(get_table(&mem, test_u64(facp + 140), "DSDT"));
		round_trip(get_table(&mem, test_u64(test_ptr(&mem, LAYOUT_RSDP, 36) + 24), "XSDT"));
		guest_memory_destroy(&mem);
	}
}

static const struct {
	const char *command;
	const char *answer[4];
} evaluations[] = {
	{ "evaluate \\_S5", { "Contains 2 Elements", "[Integer] = 0000000000000005" } },
	{ "evaluate \\_SB.GED._EVT 5", { "No object was returned" } },
	{ "evaluate \\_SB.V015._UID", { "[Integer] = 000000000000000F" } },
	{ "evaluate \\_SB.V015._CCA", { "[Integer] = 0000000000000001" } },
	{ "evaluate \\_SB.V015._HID", { "LNRO0005" } },
	{ "resources \\_SB.V015", { "Address : C0010000", "Address Length : 00001000",
				    "Triggering : Edge", "Dword00 : 00000015" } },
	{ "resources \\_SB.COM1", { "Address Minimum : 03F8", "Address Length : 08",
				    "Polarity : ActiveHigh", "Dword00 : 00000004" } },
	{ "resources \\_SB.GED", { "Dword00 : 00000005", "Triggering : Edge" } },
};

static void acpiexec(void **state)
{
	static char output[65536];
	struct guest_memory mem;
	const uint8_t *dsdt;

	(void)state;
	have_tool("acpiexec");
	write_tables(&mem, 1, LAYOUT_VIRTIO_MAX);
	dsdt = get_table(&mem, test_u64(get_table(&mem, get_entry(&mem, 0), "FACP") + 140), "DSDT");
	write_out("dsdt.dat", dsdt, test_u32(dsdt + 4));
	for (size_t i = 0; i < ARRAY_SIZE(evaluations); i++) {
		const char *const argv[] = { "acpiexec", "-b", evaluations[i].command, "dsdt.dat",
					     NULL };

		assert_int_equal(run(argv), 0);
		read_back("out", output, sizeof(output));
		for (size_t j = 0; j < 4 && evaluations[i].answer[j]; j++)
			if (!strstr(output, evaluations[i].answer[j]))
				fail_msg("%s: no \"%s\" in\n%s", evaluations[i].command,
					 evaluations[i].answer[j], output);
	}
	guest_memory_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fadt), cmocka_unit_test(madt), cmocka_unit_test(too_much),
		cmocka_unit_test(power_button), cmocka_unit_test(aml_lengths),
		cmocka_unit_test(iasl), cmocka_unit_test(acpiexec),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
