/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checked.h - arithmetic on sizes and addresses that somebody else chose. Each function returns
 * true and sets *ret when the result fits, and returns false, *ret untouched, when it does not.
 */
#ifndef VOLT_BASE_CHECKED_H
#define VOLT_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

static inline bool u64_sub(uint64_t a, uint64_t b, uint64_t *ret)
{
	if (b > a)
		return false;
	*ret = a - b;
	return true;
}

static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret = product;
	return true;
}

/* Round @value up to @align, a power of two. */
static inline bool u64_align_up(uint64_t value, uint64_t align, uint64_t *ret)
{
	uint64_t sum;

	if (!u64_add(value, align - 1, &sum))
		return false;
	*ret = sum & ~(align - 1);
	return true;
}

/* Whether [@start, @start + @len) lies within [@base, @base + @size), without overflow. */
static inline bool u64_range_within(uint64_t start, uint64_t len, uint64_t base, uint64_t size)
{
	return start >= base && len <= size && start - base <= size - len;
}

#endif
