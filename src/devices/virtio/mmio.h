/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmio.h - virtio over MMIO, version 2 (VIRTIO 1.2, 4.2): a window of registers, an edge-triggered
 * interrupt line, and an eventfd per queue through which the driver's kicks reach the device
 * thread.
 *
 * The machine registers each kick_fd with KVM as an ioeventfd (address: window + QUEUE_NOTIFY,
 * length 4, data match: the queue's index) and watches it on the device thread, where it calls
 * virtio_mmio_kick() when the descriptor is readable. Where KVM has no ioeventfd for it, the write
 * reaches the register, which writes the same eventfd.
 */
#ifndef VOLT_VIRTIO_MMIO_H
#define VOLT_VIRTIO_MMIO_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/virtio/device.h"

#define VIRTIO_MMIO_WINDOW		0x1000
#define VIRTIO_MMIO_QUEUE_NOTIFY	0x050	/* 4.2.2: offset of the register */

/* What a snapshot needs beside the queues' state and the accepted features. */
struct virtio_mmio_state {
	uint32_t status;		/* 2.1: device status */
	uint32_t device_features_sel, driver_features_sel, queue_sel;
};

/*
 * Everything but the interrupt status and kick_fd is covered by dev->lock. The object must not
 * move: the device points to it.
 */
struct virtio_mmio {
	struct virtio_device *dev;	/* borrowed */
	const struct irq_line *irq;	/* borrowed */
	int kick_fd[VIRTIO_QUEUES_MAX];	/* -1 beyond dev->queue_count */
	atomic_uint interrupt_status;	/* 4.2.2: InterruptStatus */
	struct virtio_mmio_state state;
};

/* Connects @dev to the transport. Errors: those of eventfd(); nothing is held then. */
int virtio_mmio_init(struct virtio_mmio *t, struct virtio_device *dev, const struct irq_line *irq,
		     struct error *err);

/* Closes the eventfds; the device lives on without a transport. */
void virtio_mmio_destroy(struct virtio_mmio *t);

/* VIRTIO_MMIO_WINDOW bytes; the device pointer is a struct virtio_mmio. */
extern const struct bus_ops virtio_mmio_bus_ops;

/*
 * kick_fd[@index] became readable: consume it and let the device work on that queue, if the driver
 * has got that far. A broken ring sets DEVICE_NEEDS_RESET. Device thread.
 */
void virtio_mmio_kick(struct virtio_mmio *t, unsigned int index);

#endif
