/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio/mmio.h"
#include "fake_driver.h"

#define ACK		1
#define DRIVER		2
#define DRIVER_OK	4
#define FEATURES_OK	8
#define NEEDS_RESET	64
#define FAILED		128
#define LIVE		(ACK | DRIVER | FEATURES_OK | DRIVER_OK)

#define OFFERED (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(3))
#define QUEUES 2
#define SIZE 16
#define CONFIG_SIZE 10

/* A device that gives every chain back and can be told to misbehave. */
struct probe {
	struct virtio_device dev;
	unsigned int activations, resets, runs;
	int activate_result;
	int run_result;
	uint8_t config[CONFIG_SIZE];
};

static struct guest_memory mem;
static struct fake_driver drv;
static struct irq_line irq;
static struct probe probe;
static struct virtio_mmio mmio;

static int probe_activate(struct virtio_device *dev)
{
	(void)dev;
	probe.activations++;
	return probe.activate_result;
}

static void probe_reset(struct virtio_device *dev)
{
	(void)dev;
	probe.resets++;
}

static int probe_run(struct virtio_device *dev, unsigned int index)
{
	struct virtq *q = &dev->queue[index];
	struct virtq_chain chain;
	int r;

	probe.runs++;
	assert_true(virtq_active(q));
	while ((r = virtq_pop(q, dev->mem, &chain)) > 0)
		virtq_push(q, &chain, chain.write_len);
	if (virtq_needs_interrupt(q))
		dev->interrupt(dev, index);
	return r < 0 ? r : probe.run_result;
}

static void probe_config_read(struct virtio_device *dev, uint64_t offset, void *data,
			      unsigned int len)
{
	(void)dev;
	assert_true(offset + len <= CONFIG_SIZE);
	memcpy(data, probe.config + offset, len);
}

static void probe_config_write(struct virtio_device *dev, uint64_t offset, const void *data,
			       unsigned int len)
{
	(void)dev;
	assert_true(offset + len <= CONFIG_SIZE);
	memcpy(probe.config + offset, data, len);
}

static const struct virtio_device_ops probe_ops = {
	.activate = probe_activate, .reset = probe_reset, .queue_run = probe_run,
	.config_read = probe_config_read, .config_write = probe_config_write,
};

static int setup(void **state)
{
	(void)state;
	if (guest_memory_create(&mem, MIB(1), false, NULL) < 0)
		return -1;
	probe = (struct probe){
		.dev = { .ops = &probe_ops, .id = 42, .features = OFFERED,
			 .config_size = CONFIG_SIZE, .queue_count = QUEUES, .mem = &mem },
		.config = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 },
	};
	for (unsigned int i = 0; i < QUEUES; i++)
		probe.dev.queue[i].max_size = 64;
	virtio_device_init(&probe.dev);
	irq.event_fd = eventfd(0, EFD_NONBLOCK);
	return virtio_mmio_init(&mmio, &probe.dev, &irq, NULL);
}

static int teardown(void **state)
{
	(void)state;
	virtio_mmio_destroy(&mmio);
	virtio_device_fini(&probe.dev);
	guest_memory_destroy(&mem);
	close(irq.event_fd);
	return 0;
}

static uint32_t get(uint64_t reg)
{
	uint32_t value;

	virtio_mmio_bus_ops.read(&mmio, reg, &value, 4);
	return value;
}

static void set(uint64_t reg, uint32_t value)
{
	virtio_mmio_bus_ops.write(&mmio, reg, &value, 4);
}

static void set64(uint64_t reg, uint64_t value)
{
	set(reg, (uint32_t)value);
	set(reg + 4, (uint32_t)(value >> 32));
}

static uint32_t status(void)
{
	return get(VIRTIO_MMIO_STATUS);
}

static bool edge(void)
{
	eventfd_t count;

	return eventfd_read(irq.event_fd, &count) == 0;
}

static bool kicked(unsigned int index)
{
	eventfd_t count;

	return eventfd_read(mmio.kick_fd[index], &count) == 0;
}

static void accept_features(uint64_t features)
{
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* Reset and go up to FEATURES_OK. */
static void negotiate(uint64_t features)
{
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER);
	accept_features(features);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK);
}

static void set_queue(unsigned int index, uint32_t size, uint64_t desc)
{
	set(VIRTIO_MMIO_QUEUE_SEL, index);
	set(VIRTIO_MMIO_QUEUE_NUM, size);
	set64(VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	set64(VIRTIO_MMIO_QUEUE_AVAIL_LOW, FAKE_AVAIL);
	set64(VIRTIO_MMIO_QUEUE_USED_LOW, FAKE_USED);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
}

/* A driver that does everything right, with queue 0 alone. */
static void go_live(void)
{
	fake_driver_init(&drv, &mem, SIZE);
	fake_desc(&drv, 0, FAKE_DATA, 32, F_WRITE, 0);
	negotiate(OFFERED);
	set_queue(0, SIZE, FAKE_DESC);
	set(VIRTIO_MMIO_STATUS, LIVE);
	assert_int_equal(status(), LIVE);
}

/* One chain goes round and is answered with an interrupt. */
static void expect_working(void)
{
	uint32_t head = 99, len = 0;

	(void)edge();
	fake_offer(&drv, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_mmio_kick(&mmio, 0);
	assert_true(fake_take(&drv, &head, &len));
	assert_int_equal(head, 0);
	assert_int_equal(len, 32);
	assert_true(edge());
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	set(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	drv.avail->ring[SIZE] = drv.used_seen;		/* used_event */
}

static void test_identity(void **state)
{
	const uint32_t absent[] = { QUEUES, VIRTIO_QUEUES_MAX, 255, BIT32(31), UINT32_MAX };

	(void)state;
	assert_int_equal(get(0x000), 0x74726976);
	assert_int_equal(get(0x004), 2);
	assert_int_equal(get(0x008), 42);
	assert_int_equal(status(), 0);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), (uint32_t)OFFERED);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), OFFERED >> 32);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, i);
		assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(absent); i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, absent[i]);
		assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	}
	for (uint64_t reg = VIRTIO_MMIO_SHM_LEN_LOW; reg <= VIRTIO_MMIO_SHM_BASE_HIGH; reg += 4)
		assert_int_equal(get(reg), UINT32_MAX);
	assert_int_equal(get(VIRTIO_MMIO_CONFIG_GENERATION), 0);
}

/* Registers answer to aligned 32-bit accesses only. */
static void test_odd_accesses(void **state)
{
	uint8_t data[8];

	(void)state;
	for (unsigned int len = 1; len <= 8; len++) {
		for (uint64_t reg = 0; reg < 0x100 - len + 1; reg++) {
			if (len == 4 && reg % 4 == 0)
				continue;
			memset(data, 0xee, sizeof(data));
			virtio_mmio_bus_ops.read(&mmio, reg, data, len);
			for (unsigned int i = 0; i < 8; i++)
				assert_int_equal(data[i], i < len ? 0 : 0xee);
			memset(data, 0x01, sizeof(data));
			virtio_mmio_bus_ops.write(&mmio, reg, data, len);
		}
	}
	assert_int_equal(status(), 0);
	assert_int_equal(mmio.state.queue_sel, 0);
	assert_false(kicked(0));
	assert_false(kicked(1));
}

static void test_config(void **state)
{
	uint8_t data[8];

	(void)state;
	for (unsigned int len = 1; len <= 8; len++) {
		for (uint64_t offset = 0; offset < 20; offset++) {
			memset(data, 0xee, sizeof(data));
			virtio_mmio_bus_ops.read(&mmio, 0x100 + offset, data, len);
			for (unsigned int i = 0; i < 8; i++) {
				uint64_t at = offset + i;

				assert_int_equal(data[i], i >= len ? 0xee :
						 at < CONFIG_SIZE ? at : 0);
			}
		}
	}
	virtio_mmio_bus_ops.read(&mmio, VIRTIO_MMIO_WINDOW - 8, data, 8);
	assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
	/* Only a driver may write, and only within. */
	virtio_mmio_bus_ops.write(&mmio, 0x100, "\xff", 1);
	assert_int_equal(probe.config[0], 0);
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER);
	virtio_mmio_bus_ops.write(&mmio, 0x100, "\xff", 1);
	assert_int_equal(probe.config[0], 0xff);
	virtio_mmio_bus_ops.write(&mmio, 0x108, "\xff\xff\xff", 3);
	virtio_mmio_bus_ops.write(&mmio, VIRTIO_MMIO_WINDOW - 1, "\xff", 1);
	assert_int_equal(probe.config[8], 8);
	virtio_mmio_bus_ops.write(&mmio, 0x108, "\xfe\xfd", 2);
	assert_int_equal(probe.config[9], 0xfd);
}

static void test_normal_life(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(probe.activations, 1);
	assert_int_equal(probe.dev.driver_features, OFFERED);
	for (unsigned int i = 0; i < 100; i++)
		expect_working();
	set(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(status(), 0);
	assert_int_equal(probe.dev.driver_features, 0);
	go_live();
	expect_working();
}

/* Every status from every status: only the next bits of the sequence are taken. */
static void test_status_order(void **state)
{
	static const uint32_t order[] = { ACK, DRIVER, FEATURES_OK, DRIVER_OK };

	(void)state;
	for (uint32_t value = 1; value < 64; value++) {
		uint32_t reached = 0;

		set(VIRTIO_MMIO_STATUS, 0);
		set(VIRTIO_MMIO_STATUS, value);
		for (unsigned int i = 0; i < 2 && (value & order[i]); i++)
			reached |= order[i];
		/* VERSION_1 was not accepted, so it goes no further than DRIVER. */
		assert_int_equal(status(), reached);
	}
	for (uint32_t value = 1; value < 16; value++) {
		negotiate(OFFERED);
		assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
		set(VIRTIO_MMIO_STATUS, value);		/* would clear something */
		if ((value & 11) != 11)
			assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
		else
			assert_int_equal(status(), value);
	}
}

/* The driver cannot set the device's own bit; it can set FAILED at any time, which ends all. */
static void test_status_failed(void **state)
{
	(void)state;
	set(VIRTIO_MMIO_STATUS, NEEDS_RESET);
	assert_int_equal(status(), 0);
	set(VIRTIO_MMIO_STATUS, FAILED);
	assert_int_equal(status(), FAILED);
	set(VIRTIO_MMIO_STATUS, FAILED | ACK);
	assert_int_equal(status(), FAILED);
	go_live();
	set(VIRTIO_MMIO_STATUS, LIVE | FAILED);
	assert_int_equal(status(), LIVE | FAILED);
	fake_offer(&drv, 0);
	virtio_mmio_kick(&mmio, 0);
	assert_int_equal(probe.runs, 0);
	go_live();
	expect_working();
}

static void test_features(void **state)
{
	(void)state;
	negotiate(OFFERED & ~BIT64(VIRTIO_F_VERSION_1));
	assert_int_equal(status(), ACK | DRIVER);
	negotiate(OFFERED | BIT64(5));
	assert_int_equal(status(), ACK | DRIVER);
	negotiate(OFFERED | BIT64(63));
	assert_int_equal(status(), ACK | DRIVER);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(status(), ACK | DRIVER);
	assert_int_equal(probe.activations, 0);
	/* A driver may think again. */
	accept_features(BIT64(VIRTIO_F_VERSION_1));
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
	/* But not after that, nor before DRIVER, nor beyond 64 features. */
	accept_features(OFFERED);
	assert_int_equal(probe.dev.driver_features, BIT64(VIRTIO_F_VERSION_1));
	set(VIRTIO_MMIO_STATUS, 0);
	accept_features(OFFERED);
	assert_int_equal(probe.dev.driver_features, 0);
	set(VIRTIO_MMIO_STATUS, ACK);
	accept_features(OFFERED);
	assert_int_equal(probe.dev.driver_features, 0);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	set(VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	assert_int_equal(probe.dev.driver_features, 0);
}

/* Queue registers: only between FEATURES_OK and DRIVER_OK, and while the queue is not ready. */
static void test_queue_phase(void **state)
{
	const struct virtq_state *q = &probe.dev.queue[0].state;

	(void)state;
	set_queue(0, SIZE, FAKE_DESC);
	assert_int_equal(q->size, 0);
	assert_false(q->ready);
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_STATUS, ACK | DRIVER);
	set_queue(0, SIZE, FAKE_DESC);
	assert_int_equal(q->size, 0);

	negotiate(OFFERED);
	set_queue(0, SIZE, UINT64_C(0x123456789abcdef0));
	assert_int_equal(q->desc, UINT64_C(0x123456789abcdef0));
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 1);
	set_queue(0, 8, FAKE_DESC);		/* ready: frozen */
	assert_int_equal(q->size, SIZE);
	assert_int_equal(q->desc, UINT64_C(0x123456789abcdef0));
	set(VIRTIO_MMIO_QUEUE_READY, 2);	/* neither 0 nor 1 */
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 1);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	set_queue(0, 8, FAKE_DESC);
	assert_int_equal(q->size, 8);
	set_queue(QUEUES, 8, FAKE_DESC);	/* no such queue */
	set_queue(UINT32_MAX, 8, FAKE_DESC);

	go_live();
	set_queue(0, 8, 0);
	set_queue(1, 8, FAKE_DESC);		/* too late */
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(q->size, SIZE);
	expect_working();
}

/* A stopped queue is dead until the reset, and kicks for it are nothing. */
static void test_queue_stop(void **state)
{
	(void)state;
	go_live();
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	fake_offer(&drv, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_mmio_kick(&mmio, 0);
	assert_int_equal(probe.runs, 0);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(status(), LIVE);
	go_live();
	expect_working();
}

/* A queue that cannot be used: the device says so when the driver says DRIVER_OK. */
static void test_activation_fails(void **state)
{
	static const struct {
		uint32_t size;
		uint64_t desc;
	} bad[] = {
		{ 0, FAKE_DESC }, { 3, FAKE_DESC }, { 128, FAKE_DESC },
		{ 65536 + SIZE, FAKE_DESC }, { SIZE, FAKE_DESC + 8 }, { SIZE, MIB(1) },
		{ SIZE, MIB(1) - 16 * SIZE + 16 }, { SIZE, GUEST_MMIO_GAP_START },
		{ SIZE, UINT64_MAX - 15 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		negotiate(OFFERED);
		set_queue(0, bad[i].size, bad[i].desc);
		assert_false(edge());
		set(VIRTIO_MMIO_STATUS, LIVE);
		assert_int_equal(status(), LIVE | NEEDS_RESET);
		assert_true(edge());
		assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 2);
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		virtio_mmio_kick(&mmio, 0);
	}
	assert_int_equal(probe.runs, 0);
	assert_int_equal(probe.activations, 0);

	probe.activate_result = -EIO;		/* the device itself may fail as well */
	negotiate(OFFERED);
	set(VIRTIO_MMIO_STATUS, LIVE);
	assert_int_equal(status(), LIVE | NEEDS_RESET);
	assert_true(edge());
	probe.activate_result = 0;
	go_live();
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	expect_working();
}

static void test_broken_ring(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		go_live();
		expect_working();
		(void)edge();
		fake_offer(&drv, SIZE);			/* no such descriptor */
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		virtio_mmio_kick(&mmio, 0);
		assert_int_equal(status(), LIVE | NEEDS_RESET);
		assert_true(edge());
		assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
		/* Nothing is touched any more, whatever comes. */
		probe.runs = 0;
		fake_publish_idx(&drv, 1);
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		virtio_mmio_kick(&mmio, 0);
		set(VIRTIO_MMIO_STATUS, LIVE);		/* cannot take the bit back */
		virtio_mmio_kick(&mmio, 0);
		assert_int_equal(status(), LIVE | NEEDS_RESET);
		assert_int_equal(probe.runs, 0);
	}
}

static void test_kicks(void **state)
{
	(void)state;
	/* Before DRIVER_OK a kick is consumed and does nothing. */
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_mmio_kick(&mmio, 0);
	assert_false(kicked(0));
	go_live();
	/* The register reaches the right descriptor, or none. */
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_false(kicked(0));
	assert_true(kicked(1));
	set(VIRTIO_MMIO_QUEUE_NOTIFY, QUEUES);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	assert_false(kicked(0) || kicked(1));
	virtio_mmio_kick(&mmio, 1);			/* was never set up */
	virtio_mmio_kick(&mmio, QUEUES);
	virtio_mmio_kick(&mmio, UINT32_MAX);
	assert_int_equal(probe.runs, 0);
	virtio_mmio_kick(&mmio, 0);			/* spurious: looks, finds nothing */
	assert_int_equal(probe.runs, 1);
	assert_false(edge());
	/* A device that has more to do is called again, through the descriptor. */
	probe.run_result = 1;
	virtio_mmio_kick(&mmio, 0);
	assert_true(kicked(0));
	probe.run_result = 0;
	virtio_mmio_kick(&mmio, 0);
	assert_false(kicked(0));
	assert_int_equal(status(), LIVE);
}

static void test_reset_any_time(void **state)
{
	(void)state;
	for (unsigned int stage = 0; stage < 5; stage++) {
		go_live();
		if (stage == 1)
			expect_working();
		if (stage == 2)
			fake_offer(&drv, 0);
		if (stage == 3)
			fake_offer(&drv, SIZE);
		if (stage >= 2)
			virtio_mmio_kick(&mmio, 0);
		probe.resets = 0;
		set(VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(probe.resets, 1);
		assert_int_equal(status(), 0);
		assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
		assert_int_equal(probe.dev.driver_features, 0);
		for (unsigned int i = 0; i < QUEUES; i++)
			assert_false(virtq_active(&probe.dev.queue[i]));
		assert_ptr_equal(probe.dev.mem, &mem);
	}
	go_live();
	expect_working();
}

#define ROUNDS 300

static atomic_bool device_stop;

static void *device_thread(void *opaque)
{
	(void)opaque;
	while (!atomic_load(&device_stop)) {
		virtio_mmio_kick(&mmio, 0);
		virtio_mmio_kick(&mmio, 1);
		sched_yield();
	}
	return NULL;
}

/* Registers on one thread, queue work on another; resets come at any moment. */
static void test_threads(void **state)
{
	unsigned int broken = 0;
	pthread_t thread;

	(void)state;
	atomic_store(&device_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, device_thread, NULL), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		bool last_bad = round % 3 == 2;
		uint32_t head, len;

		set(VIRTIO_MMIO_STATUS, 0);	/* before the rings are written anew */
		go_live();
		for (unsigned int i = 0; i < round % 16; i++) {
			fake_offer(&drv, 0);
			set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
			set(VIRTIO_MMIO_INTERRUPT_ACK, get(VIRTIO_MMIO_INTERRUPT_STATUS));
		}
		if (last_bad)
			fake_offer(&drv, SIZE);
		if (round % 2)
			continue;		/* reset in the middle of it */
		while (drv.used_seen != round % 16)
			if (!fake_take(&drv, &head, &len))
				sched_yield();
		while (last_bad && !(status() & NEEDS_RESET))
			sched_yield();
		broken += last_bad;
	}
	atomic_store(&device_stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(broken, ROUNDS / 6);
	set(VIRTIO_MMIO_STATUS, 0);
	go_live();
	expect_working();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity), TEST(test_odd_accesses), TEST(test_config),
		TEST(test_normal_life), TEST(test_status_order), TEST(test_status_failed),
		TEST(test_features), TEST(test_queue_phase), TEST(test_queue_stop),
		TEST(test_activation_fails), TEST(test_broken_ring), TEST(test_kicks),
		TEST(test_reset_any_time), TEST(test_threads),
	};

	return cmocka_run_group_tests_name("virtio_mmio", tests, NULL, NULL);
}
