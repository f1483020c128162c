/* SPDX-License-Identifier: Apache-2.0 */
/*
 * irq.h - an edge-triggered interrupt line: an eventfd that KVM has as an irqfd. Raising it is one
 * write and may be done by any thread.
 */
#ifndef VOLT_DEVICES_IRQ_H
#define VOLT_DEVICES_IRQ_H

#include <sys/eventfd.h>

struct irq_line {
	int event_fd;		/* owned by the machine; -1: not connected */
};

static inline void irq_raise(const struct irq_line *line)
{
	/* Fails only when the counter is full, and then an edge is pending anyway. */
	if (line->event_fd >= 0)
		(void)eventfd_write(line->event_fd, 1);
}

#endif
