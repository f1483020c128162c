/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "devices/bus.h"

int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *dev,
	    struct error *err)
{
	unsigned int at = 0;
	uint64_t end;

	if (size == 0 || !u64_add(base, size - 1, &end))
		return error_set(err, -EINVAL, "%s window at 0x%" PRIx64 " of 0x%" PRIx64
				 " bytes is empty or wraps around", bus->name, base, size);
	if (bus->count == BUS_WINDOWS_MAX)
		return error_set(err, -ENOSPC, "no room for a %s window at 0x%" PRIx64
				 ": all %d are taken", bus->name, base, BUS_WINDOWS_MAX);

	while (at < bus->count && bus->window[at].base < base)
		at++;
	if ((at > 0 && base - bus->window[at - 1].base < bus->window[at - 1].size) ||
	    (at < bus->count && end >= bus->window[at].base))
		return error_set(err, -EEXIST, "%s window at 0x%" PRIx64 " of 0x%" PRIx64
				 " bytes overlaps another", bus->name, base, size);

	memmove(&bus->window[at + 1], &bus->window[at],
		(bus->count - at) * sizeof(bus->window[0]));
	bus->window[at] = (struct bus_window){ .base = base, .size = size, .ops = ops, .dev = dev };
	bus->count++;
	return 0;
}

/* The window that has all of the range. */
static const struct bus_window *bus_find(const struct bus *bus, uint64_t addr, unsigned int len)
{
	unsigned int low = 0, high = bus->count;

	/* The first window that starts above @addr; the one before it is the only candidate. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (bus->window[middle].base <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	if (!u64_range_within(addr, len, bus->window[low - 1].base, bus->window[low - 1].size))
		return NULL;
	return &bus->window[low - 1];
}

bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len)
{
	const struct bus_window *window = bus_find(bus, addr, len);

	if (!window) {
		memset(data, 0xff, len);
		return false;
	}
	window->ops->read(window->dev, addr - window->base, data, len);
	return true;
}

bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len)
{
	const struct bus_window *window = bus_find(bus, addr, len);

	if (!window)
		return false;
	window->ops->write(window->dev, addr - window->base, data, len);
	return true;
}
