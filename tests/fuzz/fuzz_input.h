/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_input.h - for the fuzzers of devices: numbers taken from the input, which ends in zeroes,
 * and addresses and lengths that are often nearly right.
 */
#ifndef VOLT_FUZZ_INPUT_H
#define VOLT_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guestmem/guestmem.h"

/* What must hold whatever the input was. */
#define FUZZ_CHECK(condition)								\
	do {										\
		if (!(condition)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);	\
			abort();							\
		}									\
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

static inline uint64_t fuzz_take(struct fuzz_input *in, size_t bytes)
{
	uint64_t value = 0;
	size_t n = bytes < in->left ? bytes : in->left;

	memcpy(&value, in->data, n);
	in->data += n;
	in->left -= n;
	return value;
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	return (uint8_t)fuzz_take(in, 1);
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	return (uint16_t)fuzz_take(in, 2);
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	return (uint32_t)fuzz_take(in, 4);
}

/*
 * A guest address out of 16 bits: the upper three choose a place, the others are an offset. @ram is
 * the size of guest RAM, @places five addresses that matter to the caller.
 */
static inline uint64_t fuzz_address(uint16_t code, uint64_t ram, const uint64_t places[5])
{
	unsigned int offset = code & 0x1fff;

	switch (code >> 13) {
	case 5:
		return ram - 0x1000 + offset;		/* around the end of RAM */
	case 6:
		return GUEST_MMIO_GAP_START - 0x1000 + offset;
	case 7:
		return UINT64_MAX - offset;
	default:
		return places[code >> 13] + offset;
	}
}

/* A length out of 16 bits: any small one, multiples of 16 or 512, and huge ones. */
static inline uint32_t fuzz_length(uint16_t code)
{
	uint32_t value = code & 0x3fff;

	switch (code >> 14) {
	case 0:
		return value;
	case 1:
		return (value & 0x1ff) * 16;
	case 2:
		return (value & 0x3f) * 512;
	default:
		return UINT32_MAX - (value << 14);
	}
}

#endif
