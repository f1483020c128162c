/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h - numbers and names read from text that a user typed.
 */
#ifndef VOLT_BASE_PARSE_H
#define VOLT_BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A decimal number, digits only: no sign, no space, no other base. Returns 0, -EINVAL when the
 * text is not of that form, -ERANGE when it does not fit 64 bits.
 */
int parse_u64(const char *text, uint64_t *ret);

/*
 * A size in bytes: a decimal number and at most one of the suffixes K, M, G, T (powers of 1024,
 * either case, "KiB" and "KB" style endings not taken). Errors as parse_u64().
 */
int parse_size(const char *text, uint64_t *ret);

/*
 * The edit distance of two words (insertions, deletions, substitutions and swaps of neighbours
 * cost one each), for "did you mean". Words longer than 63 characters count as far away.
 */
unsigned int parse_distance(const char *a, const char *b);

#endif
