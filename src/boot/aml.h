/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.h - a small writer of ACPI Machine Language (ACPI 6.3, chapter 20) and of resource
 * descriptors (6.4): just the terms that this monitor's DSDT needs. Private to boot/.
 *
 * Terms are appended to a buffer. Writing beyond its end sets `overflow` and is otherwise harmless,
 * so that only the end of a table has to look. Objects with a length (scopes, devices, methods...)
 * are opened by a function that returns a mark and closed by aml_end(), innermost first.
 */
#ifndef VOLT_BOOT_AML_H
#define VOLT_BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t len, size;
	bool overflow;
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_byte(struct aml *aml, uint8_t byte);

/* A path: an optional backslash, then one segment of at most four characters. */
void aml_path(struct aml *aml, const char *path);

/* Data: an integer in its shortest form, a string, a compressed EISA id such as "PNP0501". */
void aml_integer(struct aml *aml, uint32_t value);
void aml_string(struct aml *aml, const char *text);
void aml_eisa_id(struct aml *aml, const char *id);

/* Name(path, ...): the object follows. And the common whole ones. */
void aml_name(struct aml *aml, const char *path);
void aml_name_integer(struct aml *aml, const char *path, uint32_t value);

size_t aml_scope(struct aml *aml, const char *path);
size_t aml_device(struct aml *aml, const char *path);
size_t aml_method(struct aml *aml, const char *path, unsigned int args);
size_t aml_package(struct aml *aml, uint8_t elements);
size_t aml_if(struct aml *aml);		/* the predicate follows, then the body */
void aml_end(struct aml *aml, size_t mark);

/* OperationRegion(region, SystemIO, port, 1) with one field of 8 bits. */
void aml_port_field(struct aml *aml, const char *region, uint16_t port, const char *field);

void aml_notify(struct aml *aml, const char *object, uint8_t value);

/* Name(_CRS, ResourceTemplate() { ... }) */
size_t aml_crs(struct aml *aml);
void aml_crs_end(struct aml *aml, size_t mark);
void aml_resource_io(struct aml *aml, uint16_t port, uint8_t count);
void aml_resource_memory(struct aml *aml, uint32_t base, uint32_t size);
void aml_resource_edge_interrupt(struct aml *aml, uint32_t gsi);

#endif
