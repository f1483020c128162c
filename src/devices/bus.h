/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/ - the machine's devices and the buses that reach them. A device is an object with an ops
 * table; it sees a bus window, an interrupt line and a backend, never a file or a tap.
 *
 * bus.h - an address space (ports or MMIO) divided among devices. Built by the main thread before
 * any vCPU runs, then only read: bus_read() and bus_write() may be called by any vCPU thread at
 * once, so each device locks its own state.
 */
#ifndef VOLT_DEVICES_BUS_H
#define VOLT_DEVICES_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * @offset is within the window and so is @offset + @len - 1; @len is 1 to 8 and comes from the
 * guest, as does the alignment: a device must take any of them. A read sets all @len bytes.
 */
struct bus_ops {
	void (*read)(void *dev, uint64_t offset, void *data, unsigned int len);
	void (*write)(void *dev, uint64_t offset, const void *data, unsigned int len);
};

#define BUS_WINDOWS_MAX 32

struct bus_window {
	uint64_t base, size;
	const struct bus_ops *ops;
	void *dev;
};

struct bus {
	const char *name;	/* "port" or "MMIO", for messages */
	unsigned int count;
	struct bus_window window[BUS_WINDOWS_MAX];	/* sorted by base, no overlap */
};

/* Give [@base, @base + @size) to @dev. Errors: -EEXIST (overlap), -ENOSPC, -EINVAL (empty). */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *dev,
	    struct error *err);

/*
 * One access of the guest. Returns false when no device has the whole range; a read then gives all
 * ones, as an empty bus does, and a write goes nowhere.
 */
bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len);
bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len);

#endif
