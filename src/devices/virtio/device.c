/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/device.h"

void virtio_device_init(struct virtio_device *dev)
{
	pthread_mutex_init(&dev->lock, NULL);	/* cannot fail without attributes */
	dev->driver_features = 0;
	dev->interrupt = NULL;
	dev->transport = NULL;
	for (unsigned int i = 0; i < dev->queue_count; i++)
		virtq_reset(&dev->queue[i]);
}

void virtio_device_fini(struct virtio_device *dev)
{
	pthread_mutex_destroy(&dev->lock);
}

int virtio_device_activate(struct virtio_device *dev)
{
	int r;

	for (unsigned int i = 0; i < dev->queue_count; i++) {
		if (!dev->queue[i].state.ready)
			continue;	/* a driver need not use every queue */
		r = virtq_activate(&dev->queue[i], dev->mem, dev->driver_features);
		if (r < 0)
			return r;
	}
	return dev->ops->activate ? dev->ops->activate(dev) : 0;
}

void virtio_device_reset(struct virtio_device *dev)
{
	for (unsigned int i = 0; i < dev->queue_count; i++)
		virtq_reset(&dev->queue[i]);
	dev->driver_features = 0;
	if (dev->ops->reset)
		dev->ops->reset(dev);
}
