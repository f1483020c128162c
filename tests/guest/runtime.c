/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.c - the serial port as a printer, the command line's words, and the choice of the test.
 */
#include "guest.h"

void guest_main(const uint8_t *boot_params, const uint8_t *start_info);
void guest_boot_parse(const uint8_t *boot_params, const uint8_t *start_info);
void guest_trap_init(void);

#define SERIAL_LSR_THRE 0x20

void serial_put(uint8_t byte)
{
	while (!(in8(PORT_SERIAL + 5) & SERIAL_LSR_THRE))
		;
	out8(PORT_SERIAL, byte);
}

static void print_number(uint64_t value, unsigned int base, unsigned int width)
{
	char digits[24];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	while (n < width && n < sizeof(digits))
		digits[n++] = '0';
	while (n > 0)
		serial_put((uint8_t)digits[--n]);
}

static void print_text(const char *text)
{
	while (*text != '\0') {
		if (*text == '\n')
			serial_put('\r');
		serial_put((uint8_t)*text++);
	}
}

void vprint(const char *fmt, va_list args)
{
	for (; *fmt != '\0'; fmt++) {
		const char plain[2] = { *fmt, '\0' };
		unsigned int width = 0;
		bool is_long = false;

		if (*fmt != '%') {
			print_text(plain);
			continue;
		}
		while (*++fmt >= '0' && *fmt <= '9')
			width = width * 10 + (unsigned int)(*fmt - '0');
		if (*fmt == 'l') {
			is_long = true;
			fmt++;
		}
		switch (*fmt) {
		case 's':
			print_text(va_arg(args, const char *));
			break;
		case 'c':
			serial_put((uint8_t)va_arg(args, int));
			break;
		case 'u':
		case 'x':
			print_number(is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned int),
				     *fmt == 'x' ? 16 : 10, width);
			break;
		default:
			return;
		}
	}
}

void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprint(fmt, args);
	va_end(args);
}

_Noreturn void guest_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void guest_power_off(uint8_t status)
{
	out8(PORT_EXIT_STATUS, status);
	out8(PORT_SLEEP_CONTROL, 5 << 2 | 0x20);
	guest_halt();
}

_Noreturn void guest_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	print("GUEST FAIL: %s:%u: ", file, (unsigned int)line);
	va_start(args, fmt);
	vprint(fmt, args);
	va_end(args);
	print("\n");
	guest_power_off(1);
}

/* By eight bytes where that comes out even: a slow KVM takes each step of REP for itself. */
void *memset(void *to, int value, size_t len)
{
	void *const start = to;
	uint64_t pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
	size_t count = len / 8;

	if (len % 8 != 0)
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(pattern) : "memory");
	else
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(pattern) : "memory");
	return start;
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	void *const start = to;
	size_t count = len / 8;

	if (len % 8 != 0)
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	else
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (; len > 0; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

void breathe(void)
{
	/* Each read leaves the guest, which takes longer than any instruction would. */
	for (unsigned int i = 0; i < 50; i++)
		(void)in8(PORT_SLEEP_STATUS);
}

/* The last NAME= on the line counts, as the tests add theirs at the end. */
size_t arg_find(const char *name, const char **ret_value)
{
	const char *line = guest_boot.cmdline;
	size_t found = 0;

	while (*line != '\0') {
		const char *n = name, *word = line;

		while (*n != '\0' && *n == *word)
			n++, word++;
		while (*line != '\0' && *line != ' ')
			line++;
		if (*n == '\0' && *word == '=') {
			*ret_value = word + 1;
			found = (size_t)(line - word - 1);
		}
		while (*line == ' ')
			line++;
	}
	return found;
}

uint64_t arg_u64(const char *name, uint64_t otherwise)
{
	const char *value = NULL;
	const size_t len = arg_find(name, &value);
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++) {
		check(value[i] >= '0' && value[i] <= '9', "%s is not a number", name);
		number = number * 10 + (uint64_t)(value[i] - '0');
	}
	return len > 0 ? number : otherwise;
}

bool arg_is(const char *name, const char *text)
{
	const char *value = NULL;
	const size_t len = arg_find(name, &value);

	for (size_t i = 0; i < len; i++)
		if (text[i] != value[i])
			return false;
	return len > 0 && text[len] == '\0';
}

void guest_main(const uint8_t *boot_params, const uint8_t *start_info)
{
	guest_boot_parse(boot_params, start_info);
	if (!arg_is("idt", "none"))
		guest_trap_init();
	for (const struct guest_test *test = guest_tests_start; test < guest_tests_end; test++) {
		if (!arg_is("test", test->name))
			continue;
		test->run();
		print("GUEST PASS\n");
		guest_power_off(0);
	}
	fail("no such test; the command line is: %s", guest_boot.cmdline);
}
