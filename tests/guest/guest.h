/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/guest/ - tiny guests: a "kernel" of plain integer code that drives the machine's devices
 * and says whether they did what they should. It runs on any KVM, also on one that emulates the
 * guest's kernel mode in software and lacks SSE, XSAVE, cmpxchg16b and int3.
 *
 * The command line chooses what runs: test=NAME and further NAME=VALUE words. The result is a line
 * "GUEST PASS" or "GUEST FAIL: file:line: text" on the serial port, and the exit status.
 *
 * Addresses and numbers are stated here once more and not taken from the monitor's headers: this is
 * the guest's view, and a slip in a header has to show.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_I8042_DATA		0x60
#define PORT_I8042_CMD		0x64
#define PORT_SERIAL		0x3f8
#define PORT_SLEEP_CONTROL	0x600
#define PORT_SLEEP_STATUS	0x601
#define PORT_RESET		0x602
#define PORT_EXIT_STATUS	0x603
#define PORT_BUTTON		0x604

#define GSI_SERIAL		4
#define GSI_POWER		5
#define GSI_VIRTIO		6

#define VIRTIO_BASE		UINT64_C(0xc0001000)
#define VIRTIO_STRIDE		UINT64_C(0x1000)
#define VIRTIO_WINDOWS		16

#define IOAPIC_BASE		UINT64_C(0xfec00000)
#define LAPIC_BASE		UINT64_C(0xfee00000)

#define MMIO_GAP_START		UINT64_C(0xc0000000)
#define MMIO_GAP_END		UINT64_C(0x100000000)

/* A function registered under its name. It returns, or fails, or ends the machine itself. */
struct guest_test {
	const char *name;
	void (*run)(void);
};

#define GUEST_TEST(test_name)								\
	static void test_name(void);							\
	static const struct guest_test test_##test_name					\
		__attribute__((section(".guest_tests"), used, aligned(8))) = {		\
		.name = #test_name, .run = test_name };					\
	static void test_name(void)

extern const struct guest_test guest_tests_start[], guest_tests_end[];

/* Say why, and end with status 1. */
_Noreturn void guest_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define fail(...) guest_fail(__FILE_NAME__, __LINE__, __VA_ARGS__)
#define check(condition, fmt, ...)								\
	do {											\
		if (!(condition))								\
			guest_fail(__FILE_NAME__, __LINE__, "(%s) is false: " fmt, #condition,	\
				   ##__VA_ARGS__);						\
	} while (0)
/* Two numbers that have to be equal. */
#define check_eq(a, b, what)									\
	do {											\
		const uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);				\
		if (a_ != b_)									\
			fail("%s: %s is 0x%lx, should be 0x%lx", what, #a, a_, b_);		\
	} while (0)

/* Power off with this exit status. */
_Noreturn void guest_power_off(uint8_t status);
/* Stop for good with interrupts off. */
_Noreturn void guest_halt(void);

/* What the loader handed over, whichever the protocol. */
#define GUEST_RAM_MAX 32

struct guest_range {
	uint64_t start, size;
	uint32_t type;		/* e820: 1 RAM, 2 reserved, 3 ACPI, ... */
};

struct guest_boot {
	bool pvh;
	const uint8_t *params;		/* boot_params or start_info */
	const char *cmdline;
	unsigned int map_count;
	struct guest_range map[GUEST_RAM_MAX];
	uint64_t initrd, initrd_size;
	uint64_t rsdp;
};

extern struct guest_boot guest_boot;
extern const uint8_t guest_end[];

/* The value of NAME=VALUE on the command line: its length, 0 if there is none. */
size_t arg_find(const char *name, const char **ret_value);
uint64_t arg_u64(const char *name, uint64_t otherwise);
bool arg_is(const char *name, const char *value);

/* Highest address behind usable RAM below the MMIO gap; all usable RAM. */
uint64_t ram_low_end(void);
uint64_t ram_total(void);

/* Identity-map everything below this address (4 GiB is there at start, 512 GiB is the limit). */
void map_up_to(uint64_t end);

/* printf's %s %c %u %x %lu %lx and %0Nx, onto the serial port. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));
void serial_put(uint8_t byte);

/* The compiler makes calls of these out of assignments and loops: hence their usual names. */
void *memset(void *to, int value, size_t len);
void *memcpy(void *restrict to, const void *restrict from, size_t len);
int memcmp(const void *a, const void *b, size_t len);

/* A pseudo-random sequence (xorshift64*); the state must not be 0. */
uint64_t random_next(uint64_t *state);

/* Let the other side get on with its work for a moment. */
void breathe(void);

/*
 * Interrupts. guest_irq_enable() sends a GSI of the IOAPIC to a vector from 32 to 63 of the boot
 * processor; irq_count[vector] counts its arrivals.
 */
extern volatile uint32_t irq_count[64];
void guest_irq_enable(unsigned int gsi, unsigned int vector);
/* Wait, in HLT, until irq_count[vector] is not @old. */
void guest_irq_wait(unsigned int vector, uint32_t old);

/* What vector_common in start.S leaves on the stack. */
struct guest_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %w1, %k0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %k0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outs8(uint16_t port, const void *from, size_t count)
{
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void outs16(uint16_t port, const void *from, size_t count)
{
	__asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void outs32(uint16_t port, const void *from, size_t count)
{
	__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void ins8(uint16_t port, void *to, size_t count)
{
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void ins16(uint16_t port, void *to, size_t count)
{
	__asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void ins32(uint16_t port, void *to, size_t count)
{
	__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

/* Memory-mapped registers, by plain MOV so that every KVM can emulate the access. */
static inline uint64_t mmio_read(uint64_t addr, unsigned int width)
{
	uint64_t value = 0;

	switch (width) {
	case 1:
		__asm__ volatile("movb (%1), %b0" : "+r"(value) : "r"(addr) : "memory");
		break;
	case 2:
		__asm__ volatile("movw (%1), %w0" : "+r"(value) : "r"(addr) : "memory");
		break;
	case 4:
		__asm__ volatile("movl (%1), %k0" : "+r"(value) : "r"(addr) : "memory");
		break;
	default:
		__asm__ volatile("movq (%1), %q0" : "+r"(value) : "r"(addr) : "memory");
		break;
	}
	return value;
}

static inline void mmio_write(uint64_t addr, uint64_t value, unsigned int width)
{
	switch (width) {
	case 1:
		__asm__ volatile("movb %b1, (%0)" : : "r"(addr), "r"(value) : "memory");
		break;
	case 2:
		__asm__ volatile("movw %w1, (%0)" : : "r"(addr), "r"(value) : "memory");
		break;
	case 4:
		__asm__ volatile("movl %k1, (%0)" : : "r"(addr), "r"(value) : "memory");
		break;
	default:
		__asm__ volatile("movq %q1, (%0)" : : "r"(addr), "r"(value) : "memory");
		break;
	}
}

static inline uint32_t mmio_read32(uint64_t addr)
{
	return (uint32_t)mmio_read(addr, 4);
}

static inline void mmio_write32(uint64_t addr, uint32_t value)
{
	mmio_write(addr, value, 4);
}

/* A guest physical address as a pointer: memory is identity-mapped. */
static inline void *ptr(uint64_t gpa)
{
	return (void *)(uintptr_t)gpa;
}

static inline uint64_t gpa_of(const volatile void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* Unaligned loads, for tables. */
static inline uint16_t load16(const void *from)
{
	uint16_t value;

	__builtin_memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint32_t load32(const void *from)
{
	uint32_t value;

	__builtin_memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint64_t load64(const void *from)
{
	uint64_t value;

	__builtin_memcpy(&value, from, sizeof(value));
	return value;
}

/* The compiler may not move memory accesses over this; x86 keeps stores in order itself. */
static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif
