/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VOLT_BOOT_CHECKSUM_H
#define VOLT_BOOT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The byte that makes the sum of all bytes of a table 0 when it replaces a checksum of 0: what both
 * the MP table and ACPI want. Private to boot/.
 */
static inline uint8_t table_checksum(const void *table, size_t len)
{
	const uint8_t *bytes = table;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

#endif
