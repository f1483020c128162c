/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk.h - a virtio block device (VIRTIO 1.2, 5.2) on a block backend: one queue of 256, requests
 * read, write, flush and get-id; anything else is answered UNSUPP. Data moves between backend and
 * guest memory without a copy and without an allocation.
 */
#ifndef VOLT_VIRTIO_BLK_H
#define VOLT_VIRTIO_BLK_H

#include "base/error.h"
#include "block/block.h"
#include "devices/virtio/device.h"
#include "guestmem/guestmem.h"

/* @backend and @mem are borrowed and must outlive the device. Error: -ENOMEM. */
int virtio_blk_create(struct block_backend *backend, const struct guest_memory *mem,
		      struct virtio_device **ret_dev, struct error *err);

/* After the transport has let go of it. Accepts NULL. */
void virtio_blk_destroy(struct virtio_device *dev);

#endif
