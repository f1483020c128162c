/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio/ - virtio devices (VIRTIO 1.2). Three parts that know only each other's headers:
 *
 *	queue.h		split virtqueues: the one walker of descriptor chains
 *	device.h	what a device is: an ops table, offered features, its queues
 *	mmio.h		the transport: registers in a 4 KiB window
 *
 * A device does not know its transport; it is handed queues that are ready and says "queue i has
 * something used" or "I am broken". A transport does not know what a device does.
 *
 * Locking. `struct virtio_device.lock` covers the device's and the transport's state: status,
 * features, queues, the device's own fields. Register accesses (vCPU threads) and queue work
 * (device thread) take it. The interrupt status is atomic and outside of the lock, so that a vCPU
 * can acknowledge an interrupt while the device thread is in a long transfer.
 */
#ifndef VOLT_VIRTIO_DEVICE_H
#define VOLT_VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/queue.h"
#include "guestmem/guestmem.h"

#define VIRTIO_QUEUES_MAX 8

struct virtio_device;

/* All are called with the device's lock held. Those marked * may be NULL. */
struct virtio_device_ops {
	/* * The driver set DRIVER_OK: queues are checked and may be used. Returns 0 or an errno. */
	int (*activate)(struct virtio_device *dev);
	/* * Back to the state after construction. Queues are no longer to be touched. */
	void (*reset)(struct virtio_device *dev);
	/*
	 * The driver kicked queue @index (or may have: kicks can be spurious). The queue is active.
	 * Device thread. Returns 0 when the queue is empty, 1 when the device did a fair share and
	 * there may be more: it is called again after other devices had their turn. A negative
	 * errno means that the ring is broken: the transport sets DEVICE_NEEDS_RESET.
	 */
	int (*queue_run)(struct virtio_device *dev, unsigned int index);
	/* * Device configuration space; @offset + @len lies within config_size. */
	void (*config_read)(struct virtio_device *dev, uint64_t offset, void *data,
			    unsigned int len);
	void (*config_write)(struct virtio_device *dev, uint64_t offset, const void *data,
			     unsigned int len);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	uint32_t id;			/* VIRTIO 1.2, section 5: 2 = block */
	uint64_t features;		/* offered, the device's own and the queue's */
	uint64_t driver_features;	/* accepted, valid after FEATURES_OK */
	uint32_t config_size;
	unsigned int queue_count;
	struct virtq queue[VIRTIO_QUEUES_MAX];
	const struct guest_memory *mem;	/* borrowed, for the device's whole life; resets keep it */
	pthread_mutex_t lock;
	/* Set by the transport: tell the driver that queue @index has used buffers. */
	void (*interrupt)(struct virtio_device *dev, unsigned int index);
	void *transport;		/* the transport's own */
};

/*
 * A device's constructor fills ops, id, features, config_size, queue_count, each queue's max_size
 * and mem, then calls this for the rest; its destructor calls virtio_device_fini().
 */
void virtio_device_init(struct virtio_device *dev);
void virtio_device_fini(struct virtio_device *dev);

/*
 * For the transport, with the lock held: check and look up every ready queue, then activate the
 * device. Returns 0 or the first error, after which only a reset may follow.
 */
int virtio_device_activate(struct virtio_device *dev);

/* For the transport, with the lock held: queues, accepted features and the device itself. */
void virtio_device_reset(struct virtio_device *dev);

#endif
