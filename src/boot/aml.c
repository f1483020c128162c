/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "boot/aml.h"

/* Opcodes, ACPI 6.3 table 20-431. */
#define AML_ZERO		0x00
#define AML_ONE			0x01
#define AML_NAME		0x08
#define AML_BYTE		0x0a
#define AML_WORD		0x0b
#define AML_DWORD		0x0c
#define AML_STRING		0x0d
#define AML_SCOPE		0x10
#define AML_BUFFER		0x11
#define AML_PACKAGE		0x12
#define AML_METHOD		0x14
#define AML_EXT			0x5b
#define AML_EXT_REGION		0x80
#define AML_EXT_FIELD		0x81
#define AML_EXT_DEVICE		0x82
#define AML_NOTIFY		0x86
#define AML_IF			0xa0

#define AML_REGION_SYSTEM_IO	1
#define AML_FIELD_BYTE_ACCESS	1	/* no lock, the rest of the byte preserved */

/* Resource descriptors, 6.4.2 and 6.4.3. */
#define RESOURCE_IO		0x47
#define RESOURCE_END		0x79
#define RESOURCE_MEMORY32_FIXED	0x86
#define RESOURCE_INTERRUPT	0x89
#define RESOURCE_IO_DECODE16	1
#define RESOURCE_MEMORY_WRITE	1
#define RESOURCE_IRQ_CONSUMER	1
#define RESOURCE_IRQ_EDGE	2	/* active high and exclusive are 0 */

#define AML_SEGMENT_LEN		4

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (len > aml->size - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->buf + aml->len, bytes, len);
	aml->len += len;
}

void aml_byte(struct aml *aml, uint8_t byte)
{
	aml_bytes(aml, &byte, 1);
}

/* The machine's own byte order is AML's, little-endian. */
static void aml_u16(struct aml *aml, uint16_t value)
{
	aml_bytes(aml, &value, sizeof(value));
}

static void aml_u32(struct aml *aml, uint32_t value)
{
	aml_bytes(aml, &value, sizeof(value));
}

void aml_path(struct aml *aml, const char *path)
{
	if (*path == '\\')
		aml_byte(aml, (uint8_t)*path++);
	for (unsigned int i = 0; i < AML_SEGMENT_LEN; i++)
		aml_byte(aml, *path ? (uint8_t)*path++ : '_');
}

void aml_integer(struct aml *aml, uint32_t value)
{
	if (value <= 1) {
		aml_byte(aml, value ? AML_ONE : AML_ZERO);
	} else if (value <= UINT8_MAX) {
		aml_byte(aml, AML_BYTE);
		aml_byte(aml, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		aml_byte(aml, AML_WORD);
		aml_u16(aml, (uint16_t)value);
	} else {
		aml_byte(aml, AML_DWORD);
		aml_u32(aml, value);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, AML_STRING);
	aml_bytes(aml, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits each and four hexadecimal digits, the most significant byte first. */
void aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - 'A' + 1);
	for (unsigned int i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	aml_byte(aml, AML_DWORD);
	aml_u32(aml, __builtin_bswap32(value));
}

void aml_name(struct aml *aml, const char *path)
{
	aml_byte(aml, AML_NAME);
	aml_path(aml, path);
}

void aml_name_integer(struct aml *aml, const char *path, uint32_t value)
{
	aml_name(aml, path);
	aml_integer(aml, value);
}

/* Open an object with a package length, for which one byte is kept until aml_end() knows it. */
static size_t aml_begin(struct aml *aml, uint8_t opcode)
{
	aml_byte(aml, opcode);
	aml_byte(aml, 0);
	return aml->len;
}

size_t aml_scope(struct aml *aml, const char *path)
{
	size_t mark = aml_begin(aml, AML_SCOPE);

	aml_path(aml, path);
	return mark;
}

size_t aml_device(struct aml *aml, const char *path)
{
	size_t mark;

	aml_byte(aml, AML_EXT);
	mark = aml_begin(aml, AML_EXT_DEVICE);
	aml_path(aml, path);
	return mark;
}

size_t aml_method(struct aml *aml, const char *path, unsigned int args)
{
	size_t mark = aml_begin(aml, AML_METHOD);

	aml_path(aml, path);
	aml_byte(aml, (uint8_t)args);	/* not serialised */
	return mark;
}

size_t aml_package(struct aml *aml, uint8_t elements)
{
	size_t mark = aml_begin(aml, AML_PACKAGE);

	aml_byte(aml, elements);
	return mark;
}

size_t aml_if(struct aml *aml)
{
	return aml_begin(aml, AML_IF);
}

/*
 * A package length counts itself: one byte up to 63, otherwise its low nibble and one or two bytes
 * more, whose number the top bits say (20.2.4). The contents move up when one byte is too few.
 */
void aml_end(struct aml *aml, size_t mark)
{
	size_t len = aml->len - mark;
	size_t extra = len + 1 <= 0x3f ? 0 : len + 2 <= 0xfff ? 1 : 2;
	size_t total = len + 1 + extra;

	if (aml->overflow || extra > aml->size - aml->len || total > 0xfffff) {
		aml->overflow = true;
		return;
	}
	if (extra == 0) {
		aml->buf[mark - 1] = (uint8_t)total;
		return;
	}
	memmove(aml->buf + mark + extra, aml->buf + mark, len);
	aml->len += extra;
	aml->buf[mark - 1] = (uint8_t)(extra << 6 | (total & 0xf));
	for (size_t i = 0; i < extra; i++)
		aml->buf[mark + i] = (uint8_t)(total >> (4 + 8 * i));
}

void aml_port_field(struct aml *aml, const char *region, uint16_t port, const char *field)
{
	size_t mark;

	aml_byte(aml, AML_EXT);
	aml_byte(aml, AML_EXT_REGION);
	aml_path(aml, region);
	aml_byte(aml, AML_REGION_SYSTEM_IO);
	aml_integer(aml, port);
	aml_integer(aml, 1);

	aml_byte(aml, AML_EXT);
	mark = aml_begin(aml, AML_EXT_FIELD);
	aml_path(aml, region);
	aml_byte(aml, AML_FIELD_BYTE_ACCESS);
	aml_path(aml, field);
	aml_byte(aml, 8);	/* bits, in the form of a package length */
	aml_end(aml, mark);
}

void aml_notify(struct aml *aml, const char *object, uint8_t value)
{
	aml_byte(aml, AML_NOTIFY);
	aml_path(aml, object);
	aml_integer(aml, value);
}

/* The buffer's size is a term before its bytes: a byte that aml_crs_end() fills in. */
size_t aml_crs(struct aml *aml)
{
	size_t mark;

	aml_name(aml, "_CRS");
	mark = aml_begin(aml, AML_BUFFER);
	aml_byte(aml, AML_BYTE);
	aml_byte(aml, 0);
	return mark;
}

void aml_crs_end(struct aml *aml, size_t mark)
{
	size_t len;

	aml_byte(aml, RESOURCE_END);
	aml_byte(aml, 0);	/* a checksum of 0 counts as right (6.4.2.9) */
	len = aml->len - mark - 2;
	if (aml->overflow || len > UINT8_MAX) {
		aml->overflow = true;
		return;
	}
	aml->buf[mark + 1] = (uint8_t)len;
	aml_end(aml, mark);
}

void aml_resource_io(struct aml *aml, uint16_t port, uint8_t count)
{
	aml_byte(aml, RESOURCE_IO);
	aml_byte(aml, RESOURCE_IO_DECODE16);
	aml_u16(aml, port);	/* lowest and highest base: it cannot move */
	aml_u16(aml, port);
	aml_byte(aml, 1);	/* alignment */
	aml_byte(aml, count);
}

void aml_resource_memory(struct aml *aml, uint32_t base, uint32_t size)
{
	aml_byte(aml, RESOURCE_MEMORY32_FIXED);
	aml_u16(aml, 1 + sizeof(base) + sizeof(size));
	aml_byte(aml, RESOURCE_MEMORY_WRITE);
	aml_u32(aml, base);
	aml_u32(aml, size);
}

void aml_resource_edge_interrupt(struct aml *aml, uint32_t gsi)
{
	aml_byte(aml, RESOURCE_INTERRUPT);
	aml_u16(aml, 2 + sizeof(gsi));
	aml_byte(aml, RESOURCE_IRQ_CONSUMER | RESOURCE_IRQ_EDGE);
	aml_byte(aml, 1);	/* one interrupt */
	aml_u32(aml, gsi);
}
