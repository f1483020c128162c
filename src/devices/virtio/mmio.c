/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers are those of linux/virtio_mmio.h, which are table 4.1 of VIRTIO 1.2. They are 32 bits
 * wide and aligned; any other access reads as 0 and writes nothing (4.2.2.2). The configuration
 * space from 0x100 on takes every width.
 *
 * The initialisation of 3.1.1 is enforced: a status bit is taken only when those before it are set,
 * bits never go away but by a reset, and a register that is written out of phase keeps its value.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "devices/virtio/mmio.h"

#define MAGIC		0x74726976u	/* "virt" */
#define VERSION		2
#define VENDOR		0x746c6f56u	/* "Volt" */

#define STATUS_ACK		VIRTIO_CONFIG_S_ACKNOWLEDGE
#define STATUS_DRIVER		VIRTIO_CONFIG_S_DRIVER
#define STATUS_FEATURES_OK	VIRTIO_CONFIG_S_FEATURES_OK
#define STATUS_DRIVER_OK	VIRTIO_CONFIG_S_DRIVER_OK
#define STATUS_NEEDS_RESET	VIRTIO_CONFIG_S_NEEDS_RESET
#define STATUS_FAILED		VIRTIO_CONFIG_S_FAILED
#define STATUS_DEAD		(STATUS_NEEDS_RESET | STATUS_FAILED)

_Static_assert(VIRTIO_MMIO_QUEUE_NOTIFY == 0x050 && VIRTIO_MMIO_CONFIG == 0x100,
	       "register offsets of VIRTIO 1.2, 4.2.2");

static void mmio_raise(struct virtio_mmio *t, unsigned int cause)
{
	/*
	 * Status first, then the edge: a driver that is interrupted finds the cause. One that
	 * acknowledges an earlier cause at the same time takes this one with it, and looks at
	 * its rings after that (4.2.2.1), where the device has already published.
	 */
	atomic_fetch_or(&t->interrupt_status, cause);
	irq_raise(t->irq);
}

static void mmio_interrupt(struct virtio_device *dev, unsigned int index)
{
	(void)index;		/* one line for all queues */
	mmio_raise(dev->transport, VIRTIO_MMIO_INT_VRING);
}

static bool mmio_running(const struct virtio_mmio *t)
{
	return (t->state.status & STATUS_DRIVER_OK) && !(t->state.status & STATUS_DEAD);
}

/* 2.1.2: the driver is told of it by a configuration change once it is up. */
static void mmio_set_needs_reset(struct virtio_mmio *t)
{
	t->state.status |= STATUS_NEEDS_RESET;
	if (t->state.status & STATUS_DRIVER_OK)
		mmio_raise(t, VIRTIO_MMIO_INT_CONFIG);
}

static void mmio_reset(struct virtio_mmio *t)
{
	virtio_device_reset(t->dev);
	t->state = (struct virtio_mmio_state){ 0 };
	atomic_store(&t->interrupt_status, 0);
}

/* 6.1, 2.2.2: everything accepted was offered, and the device speaks VIRTIO 1 only. */
static bool mmio_features_fine(const struct virtio_device *dev)
{
	return (dev->driver_features & ~dev->features) == 0 &&
	       (dev->driver_features & BIT64(VIRTIO_F_VERSION_1));
}

static void mmio_write_status(struct virtio_mmio *t, uint32_t value)
{
	static const uint32_t order[] = {
		STATUS_ACK, STATUS_DRIVER, STATUS_FEATURES_OK, STATUS_DRIVER_OK,
	};
	uint32_t before = 0;

	if (value == 0) {
		mmio_reset(t);
		return;
	}
	/* 2.1.1: a driver must not clear a bit. NEEDS_RESET is the device's and stays anyway. */
	if (t->state.status & ~value & ~(uint32_t)STATUS_NEEDS_RESET)
		return;
	if (value & STATUS_FAILED)
		t->state.status |= STATUS_FAILED;
	for (unsigned int i = 0; i < ARRAY_SIZE(order); before |= order[i++]) {
		if (!(value & order[i]) || (t->state.status & order[i]))
			continue;
		if ((t->state.status & STATUS_DEAD) || (t->state.status & before) != before)
			return;
		if (order[i] == STATUS_FEATURES_OK && !mmio_features_fine(t->dev))
			return;
		t->state.status |= order[i];
		if (order[i] == STATUS_DRIVER_OK && virtio_device_activate(t->dev) < 0)
			mmio_set_needs_reset(t);
	}
}

/* Replace one half of a 64-bit value. */
static void set_half(uint64_t *value, bool high, uint32_t half)
{
	if (high)
		*value = (*value & UINT32_MAX) | (uint64_t)half << 32;
	else
		*value = (*value & ~(uint64_t)UINT32_MAX) | half;
}

/* 3.1.1, step 4: between DRIVER and FEATURES_OK. Selectors beyond 1 have no features. */
static void mmio_write_features(struct virtio_mmio *t, uint32_t value)
{
	uint32_t status = t->state.status;

	if (!(status & STATUS_DRIVER) || (status & (STATUS_FEATURES_OK | STATUS_DEAD)))
		return;
	if (t->state.driver_features_sel <= 1)
		set_half(&t->dev->driver_features, t->state.driver_features_sel == 1, value);
}

static struct virtq *mmio_queue(const struct virtio_mmio *t)
{
	if (t->state.queue_sel >= t->dev->queue_count)
		return NULL;
	return &t->dev->queue[t->state.queue_sel];
}

/* 3.1.1, step 7: queues are set up between FEATURES_OK and DRIVER_OK. */
static bool mmio_in_setup(const struct virtio_mmio *t)
{
	return (t->state.status & STATUS_FEATURES_OK) &&
	       !(t->state.status & (STATUS_DRIVER_OK | STATUS_DEAD));
}

/*
 * 4.2.2: writing 0 stops the queue at any time, after which only a set-up from the start makes it
 * work again.
 */
static void mmio_write_ready(struct virtio_mmio *t, struct virtq *q, uint32_t value)
{
	if (value == 0)
		virtq_reset(q);
	else if (value == 1 && mmio_in_setup(t))
		q->state.ready = true;
}

static void mmio_write_queue(struct virtio_mmio *t, uint64_t reg, uint32_t value)
{
	struct virtq *q = mmio_queue(t);

	if (!q)
		return;
	if (reg == VIRTIO_MMIO_QUEUE_READY) {
		mmio_write_ready(t, q, value);
		return;
	}
	if (q->state.ready || !mmio_in_setup(t))
		return;
	switch (reg) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->state.size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->state.desc, reg == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->state.avail, reg == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->state.used, reg == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	default:
		break;
	}
}

static void mmio_write_register(struct virtio_mmio *t, uint64_t reg, uint32_t value)
{
	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		t->state.device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		mmio_write_features(t, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		t->state.driver_features_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		t->state.queue_sel = value;
		break;
	case VIRTIO_MMIO_STATUS:
		mmio_write_status(t, value);
		break;
	default:
		mmio_write_queue(t, reg, value);
		break;
	}
}

static uint32_t mmio_read_features(const struct virtio_mmio *t)
{
	if (t->state.device_features_sel > 1)
		return 0;
	return (uint32_t)(t->dev->features >> (32 * t->state.device_features_sel));
}

static uint32_t mmio_read_register(const struct virtio_mmio *t, uint64_t reg)
{
	const struct virtq *q = mmio_queue(t);

	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return t->dev->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return mmio_read_features(t);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q ? q->max_size : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q ? q->state.ready : 0;
	case VIRTIO_MMIO_STATUS:
		return t->state.status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;	/* 4.2.2: there is no such region */
	default:
		/* ConfigGeneration too: a configuration does not change while the VM runs. */
		return 0;
	}
}

static void mmio_config_read(struct virtio_mmio *t, uint64_t offset, void *data, unsigned int len)
{
	struct virtio_device *dev = t->dev;

	/* What lies beyond the end stays 0. */
	if (offset >= dev->config_size || !dev->ops->config_read)
		return;
	len = (unsigned int)u64_min(len, dev->config_size - offset);
	dev->ops->config_read(dev, offset, data, len);
}

static void mmio_config_write(struct virtio_mmio *t, uint64_t offset, const void *data,
			      unsigned int len)
{
	struct virtio_device *dev = t->dev;

	if (!(t->state.status & STATUS_DRIVER) || (t->state.status & STATUS_DEAD))
		return;
	if (offset >= dev->config_size || len > dev->config_size - offset ||
	    !dev->ops->config_write)
		return;
	dev->ops->config_write(dev, offset, data, len);
}

static bool mmio_register_access(uint64_t offset, unsigned int len)
{
	return len == sizeof(uint32_t) && is_aligned(offset, sizeof(uint32_t));
}

static void mmio_read(void *opaque, uint64_t offset, void *data, unsigned int len)
{
	struct virtio_mmio *t = opaque;
	uint32_t value;

	memset(data, 0, len);
	if (offset < VIRTIO_MMIO_CONFIG && !mmio_register_access(offset, len))
		return;
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS) {
		value = atomic_load(&t->interrupt_status);
		memcpy(data, &value, sizeof(value));
		return;
	}
	pthread_mutex_lock(&t->dev->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		mmio_config_read(t, offset - VIRTIO_MMIO_CONFIG, data, len);
	} else {
		value = mmio_read_register(t, offset);
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&t->dev->lock);
}

static void mmio_write(void *opaque, uint64_t offset, const void *data, unsigned int len)
{
	struct virtio_mmio *t = opaque;
	uint32_t value = 0;

	if (offset < VIRTIO_MMIO_CONFIG) {
		if (!mmio_register_access(offset, len))
			return;
		memcpy(&value, data, sizeof(value));
	}
	/* These two work without the lock: see the heads of device.h and mmio.h. */
	if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		atomic_fetch_and(&t->interrupt_status, ~value);
		return;
	}
	if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
		if (value < t->dev->queue_count)
			(void)eventfd_write(t->kick_fd[value], 1);
		return;
	}
	pthread_mutex_lock(&t->dev->lock);
	if (offset >= VIRTIO_MMIO_CONFIG)
		mmio_config_write(t, offset - VIRTIO_MMIO_CONFIG, data, len);
	else
		mmio_write_register(t, offset, value);
	pthread_mutex_unlock(&t->dev->lock);
}

const struct bus_ops virtio_mmio_bus_ops = { .read = mmio_read, .write = mmio_write };

void virtio_mmio_kick(struct virtio_mmio *t, unsigned int index)
{
	struct virtio_device *dev = t->dev;
	eventfd_t kicks;
	int r = 0;

	if (index >= dev->queue_count)
		return;
	/*
	 * Consumed before the ring is looked at, so that a kick for what is added later is seen as
	 * a new one. The descriptor does not block: a spurious call finds nothing to consume.
	 */
	(void)eventfd_read(t->kick_fd[index], &kicks);

	pthread_mutex_lock(&dev->lock);
	if (mmio_running(t) && virtq_active(&dev->queue[index]))
		r = dev->ops->queue_run(dev, index);
	if (r < 0)
		mmio_set_needs_reset(t);
	pthread_mutex_unlock(&dev->lock);
	if (r > 0)
		(void)eventfd_write(t->kick_fd[index], 1);
}

int virtio_mmio_init(struct virtio_mmio *t, struct virtio_device *dev, const struct irq_line *irq,
		     struct error *err)
{
	*t = (struct virtio_mmio){ .dev = dev, .irq = irq };
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		t->kick_fd[i] = -1;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		t->kick_fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (t->kick_fd[i] < 0) {
			int r = error_sys(err, -errno, "cannot make an eventfd for a virtio queue");

			virtio_mmio_destroy(t);
			return r;
		}
	}
	atomic_init(&t->interrupt_status, 0);
	dev->interrupt = mmio_interrupt;
	dev->transport = t;
	return 0;
}

void virtio_mmio_destroy(struct virtio_mmio *t)
{
	if (!t->dev)
		return;
	t->dev->interrupt = NULL;
	t->dev->transport = NULL;
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		fd_close(&t->kick_fd[i]);
	t->dev = NULL;
}
