/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/virtio_config.h>

#include "devices/virtio/queue.h"
#include "fake_driver.h"

#define SIZE 16
#define FEATURES_NONE BIT64(VIRTIO_F_VERSION_1)
#define FEATURES_ALL (FEATURES_NONE | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
		      BIT64(VIRTIO_RING_F_INDIRECT_DESC))

/* RAM on both sides of the MMIO gap; nothing but the touched pages costs memory. */
#define MEM_SIZE (GUEST_MMIO_GAP_START + MIB(2))
#define MEM_END (GUEST_MMIO_GAP_END + MIB(2))

static struct guest_memory mem;
static struct fake_driver drv;
static struct virtq q;
static struct virtq_chain chain;

static int group_setup(void **state)
{
	(void)state;
	return guest_memory_create(&mem, MEM_SIZE, false, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	guest_memory_destroy(&mem);
	return 0;
}

static void queue_configure(uint32_t size)
{
	q = (struct virtq){ .max_size = VIRTQ_SIZE_MAX };
	q.state = (struct virtq_state){
		.size = size, .ready = true,
		.desc = FAKE_DESC, .avail = FAKE_AVAIL, .used = FAKE_USED,
	};
}

/* A fresh pair of driver and device. */
static void start_size(uint16_t size, uint64_t features)
{
	fake_driver_init(&drv, &mem, size);
	queue_configure(size);
	assert_int_equal(virtq_activate(&q, &mem, features), 0);
}

static void start(uint64_t features)
{
	start_size(SIZE, features);
}

static int pop(void)
{
	return virtq_pop(&q, &mem, &chain);
}

/* Offer descriptor 0 on a fresh queue, as it is set up by then, and see what becomes of it. */
static int pop_first(void)
{
	fake_offer(&drv, 0);
	return pop();
}

static void test_activate_sizes(void **state)
{
	const uint32_t bad[] = { 0, 3, 24, 255, 512, 65536, 65536 + 16, UINT32_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		queue_configure(bad[i]);
		assert_int_equal(virtq_activate(&q, &mem, FEATURES_ALL), -EINVAL);
		assert_false(virtq_active(&q));
	}
	for (uint32_t size = 1; size <= VIRTQ_SIZE_MAX; size *= 2) {
		queue_configure(size);
		assert_int_equal(virtq_activate(&q, &mem, FEATURES_ALL), 0);
		assert_true(virtq_active(&q));
	}
	queue_configure(64);
	q.max_size = 32;
	assert_int_equal(virtq_activate(&q, &mem, FEATURES_ALL), -EINVAL);
	queue_configure(SIZE);
	q.state.ready = false;
	assert_int_equal(virtq_activate(&q, &mem, FEATURES_ALL), -EINVAL);
}

static int activate_at(uint64_t desc, uint64_t avail, uint64_t used)
{
	queue_configure(SIZE);
	q.state.desc = desc;
	q.state.avail = avail;
	q.state.used = used;
	return virtq_activate(&q, &mem, FEATURES_ALL);
}

static void test_activate_alignment(void **state)
{
	(void)state;
	for (uint64_t off = 1; off < 16; off++)
		assert_int_equal(activate_at(FAKE_DESC + off, FAKE_AVAIL, FAKE_USED), -EINVAL);
	assert_int_equal(activate_at(FAKE_DESC, FAKE_AVAIL + 1, FAKE_USED), -EINVAL);
	for (uint64_t off = 1; off < 4; off++)
		assert_int_equal(activate_at(FAKE_DESC, FAKE_AVAIL, FAKE_USED + off), -EINVAL);
	assert_int_equal(activate_at(FAKE_DESC + 16, FAKE_AVAIL + 2, FAKE_USED + 4), 0);
}

/* Each area just fits the end of a region of RAM, and does not two bytes (its alignment) later. */
static void test_activate_edges(void **state)
{
	const uint64_t ends[] = { GUEST_MMIO_GAP_START, MEM_END };
	const uint64_t outside[] = {
		GUEST_MMIO_GAP_START, GUEST_MMIO_GAP_END - 16, MEM_END, UINT64_C(1) << 52,
		UINT64_MAX - 15, INT64_MAX & ~UINT64_C(15),
	};
	const uint64_t desc_len = 16 * SIZE, avail_len = 6 + 2 * SIZE, used_len = 6 + 8 * SIZE;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(ends); i++) {
		uint64_t end = ends[i];
		uint64_t used = align_down(end - used_len, 4);

		assert_int_equal(activate_at(end - desc_len, FAKE_AVAIL, FAKE_USED), 0);
		assert_int_equal(activate_at(end - desc_len + 16, FAKE_AVAIL, FAKE_USED), -EFAULT);
		assert_int_equal(activate_at(FAKE_DESC, end - avail_len, FAKE_USED), 0);
		assert_int_equal(activate_at(FAKE_DESC, end - avail_len + 2, FAKE_USED), -EFAULT);
		assert_int_equal(activate_at(FAKE_DESC, FAKE_AVAIL, used), 0);
		assert_int_equal(activate_at(FAKE_DESC, FAKE_AVAIL, used + 4), -EFAULT);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_int_equal(activate_at(outside[i], FAKE_AVAIL, FAKE_USED), -EFAULT);
		assert_int_equal(activate_at(FAKE_DESC, outside[i], FAKE_USED), -EFAULT);
		assert_int_equal(activate_at(FAKE_DESC, FAKE_AVAIL, outside[i]), -EFAULT);
		assert_false(virtq_active(&q));
	}
}

static void test_inactive(void **state)
{
	(void)state;
	q = (struct virtq){ .max_size = SIZE };
	chain = (struct virtq_chain){ .write_len = 10 };
	assert_int_equal(pop(), 0);
	virtq_push(&q, &chain, 10);
	assert_int_equal(q.state.next_used, 0);
	assert_false(virtq_needs_interrupt(&q));
	virtq_disable_notify(&q);
	assert_false(virtq_enable_notify(&q));
}

static void test_chain(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	assert_int_equal(pop(), 0);
	fake_desc(&drv, 5, FAKE_DATA, 16, F_NEXT, 1);
	fake_desc(&drv, 1, FAKE_DATA + 100, 0, F_NEXT, 9);	/* empty: skipped */
	fake_desc(&drv, 9, FAKE_DATA + 200, 7, F_NEXT, 2);
	fake_desc(&drv, 2, GUEST_MMIO_GAP_END, 512, F_NEXT | F_WRITE, 3);
	fake_desc(&drv, 3, UINT64_MAX, 0, F_NEXT | F_WRITE, 4);	/* empty: not looked at */
	fake_desc(&drv, 4, MEM_END - 1, 1, F_WRITE, 77);
	fake_offer(&drv, 5);

	assert_int_equal(pop(), 1);
	assert_int_equal(chain.head, 5);
	assert_int_equal(chain.read_count, 2);
	assert_int_equal(chain.write_count, 2);
	assert_int_equal(chain.read_len, 23);
	assert_int_equal(chain.write_len, 513);
	assert_ptr_equal(chain.iov[0].iov_base, fake_ptr(&drv, FAKE_DATA));
	assert_int_equal(chain.iov[0].iov_len, 16);
	assert_ptr_equal(chain.iov[1].iov_base, fake_ptr(&drv, FAKE_DATA + 200));
	assert_int_equal(chain.iov[1].iov_len, 7);
	assert_ptr_equal(chain.iov[2].iov_base, fake_ptr(&drv, GUEST_MMIO_GAP_END));
	assert_ptr_equal(chain.iov[3].iov_base, fake_ptr(&drv, MEM_END - 1));
	assert_int_equal(pop(), 0);
}

static void test_chain_empty(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 0, 0, 0, 0, 0);
	assert_int_equal(pop_first(), 1);
	assert_int_equal(chain.read_count + chain.write_count, 0);
	assert_int_equal(chain.read_len + chain.write_len, 0);
}

static void test_directions(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT | F_WRITE, 1);
	fake_desc(&drv, 1, FAKE_DATA, 16, 0, 0);
	assert_int_equal(pop_first(), -EPROTO);
	/* Empty ones have a direction too. */
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 0, F_NEXT | F_WRITE, 1);
	fake_desc(&drv, 1, FAKE_DATA, 16, 0, 0);
	assert_int_equal(pop_first(), -EPROTO);
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT | F_WRITE, 1);
	fake_desc(&drv, 1, FAKE_DATA, 0, 0, 0);
	assert_int_equal(pop_first(), -EPROTO);
}

static void test_loops(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT, 0);
	assert_int_equal(pop_first(), -ELOOP);

	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT, 1);
	fake_desc(&drv, 1, FAKE_DATA, 16, F_NEXT | F_WRITE, 2);
	fake_desc(&drv, 2, FAKE_DATA, 16, F_NEXT | F_WRITE, 1);
	assert_int_equal(pop_first(), -ELOOP);

	for (uint32_t len = 0; len < 2; len++) {
		start(FEATURES_ALL);
		for (unsigned int i = 0; i < SIZE; i++)
			fake_desc(&drv, i, FAKE_DATA, len, F_NEXT, (i + 1) % SIZE);
		assert_int_equal(pop_first(), -ELOOP);
	}
	/* The longest chain there can be is none. */
	start_size(VIRTQ_SIZE_MAX, FEATURES_ALL);
	for (unsigned int i = 0; i < VIRTQ_SIZE_MAX; i++)
		fake_desc(&drv, i, FAKE_DATA, 1, i < VIRTQ_SIZE_MAX - 1 ? F_NEXT : 0, i + 1);
	assert_int_equal(pop_first(), 1);
	assert_int_equal(chain.read_count, VIRTQ_SIZE_MAX);
}

static void test_indices(void **state)
{
	const unsigned int bad[] = { SIZE, SIZE + 1, 0x7fff, 0x8000, 0xffff };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		start(FEATURES_ALL);
		fake_offer(&drv, bad[i]);
		assert_int_equal(pop(), -EPROTO);

		start(FEATURES_ALL);
		fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT, bad[i]);
		assert_int_equal(pop_first(), -EPROTO);
	}
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, F_NEXT, SIZE - 1);
	fake_desc(&drv, SIZE - 1, FAKE_DATA, 16, 0, 0xffff);	/* next means nothing here */
	assert_int_equal(pop_first(), 1);
}

/* How far the available index may be ahead, at the start and with chains in the device's hands. */
static void test_avail_idx(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	fake_publish_idx(&drv, SIZE + 1);
	assert_int_equal(pop(), -EPROTO);
	fake_publish_idx(&drv, 0xffff);
	assert_int_equal(pop(), -EPROTO);
	fake_publish_idx(&drv, SIZE);
	for (unsigned int i = 0; i < SIZE; i++)
		assert_int_equal(pop(), 1);
	assert_int_equal(pop(), 0);

	/* All descriptors are with the device: there cannot be more, nor fewer. */
	fake_publish_idx(&drv, SIZE + 1);
	assert_int_equal(pop(), -EPROTO);
	fake_publish_idx(&drv, SIZE - 1);
	assert_int_equal(pop(), -EPROTO);
	fake_publish_idx(&drv, SIZE);
	virtq_push(&q, &chain, 0);
	assert_int_equal(pop(), 0);
	fake_publish_idx(&drv, SIZE + 1);
	assert_int_equal(pop(), 1);
	fake_publish_idx(&drv, SIZE + 2);
	assert_int_equal(pop(), -EPROTO);
}

static void test_addresses(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		int result;
	} cases[] = {
		{ 0, 1, 1 },
		{ GUEST_MMIO_GAP_START - 1, 1, 1 },
		{ GUEST_MMIO_GAP_START - 512, 512, 1 },
		{ GUEST_MMIO_GAP_START - 512, 513, -EFAULT },
		{ GUEST_MMIO_GAP_START, 1, -EFAULT },
		{ GUEST_MMIO_GAP_START - 1, 0x40000002, -EFAULT },	/* over the whole gap */
		{ GUEST_MMIO_GAP_END - 1, 1, -EFAULT },
		{ GUEST_MMIO_GAP_END - 1, 2, -EFAULT },
		{ GUEST_MMIO_GAP_END, 1, 1 },
		{ MEM_END - 1, 1, 1 },
		{ MEM_END - 1, 2, -EFAULT },
		{ MEM_END - 4096, UINT32_MAX, -EFAULT },
		{ MEM_END, 1, -EFAULT },
		{ UINT64_MAX, 1, -EFAULT },
		{ UINT64_MAX, 2, -EFAULT },
		{ UINT64_MAX - 511, 512, -EFAULT },
		{ UINT64_MAX - UINT32_MAX + 1, UINT32_MAX, -EFAULT },
		{ UINT64_C(1) << 63, 4096, -EFAULT },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned int flags = 0; flags <= F_WRITE; flags += F_WRITE) {
			start(FEATURES_ALL);
			fake_desc(&drv, 0, cases[i].addr, cases[i].len, flags, 0);
			assert_int_equal(pop_first(), cases[i].result);
		}
	}
}

static void test_total_bytes(void **state)
{
	const uint32_t most = (uint32_t)GUEST_MMIO_GAP_START;

	(void)state;
	/* Exactly the limit, over both directions. */
	start(FEATURES_ALL);
	fake_desc(&drv, 0, 0, most, F_NEXT, 1);
	fake_desc(&drv, 1, 0, VIRTQ_CHAIN_BYTES_MAX - most, F_WRITE, 0);
	assert_int_equal(pop_first(), 1);
	assert_int_equal((uint64_t)chain.read_len + chain.write_len, VIRTQ_CHAIN_BYTES_MAX);
	/* And one more. */
	start(FEATURES_ALL);
	fake_desc(&drv, 0, 0, most, F_NEXT, 1);
	fake_desc(&drv, 1, 0, VIRTQ_CHAIN_BYTES_MAX - most, F_NEXT | F_WRITE, 2);
	fake_desc(&drv, 2, 0, 1, F_WRITE, 0);
	assert_int_equal(pop_first(), -EOVERFLOW);
	start(FEATURES_ALL);
	fake_desc(&drv, 0, 0, most, F_NEXT, 1);
	fake_desc(&drv, 1, 0, most, 0, 0);
	assert_int_equal(pop_first(), -EOVERFLOW);
}

static void test_indirect(void **state)
{
	(void)state;
	/* Two ordinary descriptors, then a table; a WRITE flag on its descriptor means nothing. */
	start(FEATURES_ALL);
	fake_desc(&drv, 3, FAKE_DATA, 1, F_NEXT, 4);
	fake_desc(&drv, 4, FAKE_DATA, 2, F_NEXT, 5);
	fake_desc(&drv, 5, FAKE_INDIRECT + 1, 5 * 16, F_INDIRECT | F_WRITE, 999);
	fake_indirect(&drv, FAKE_INDIRECT + 1, 0, FAKE_DATA, 4, F_NEXT, 4);
	fake_indirect(&drv, FAKE_INDIRECT + 1, 4, FAKE_DATA, 8, F_NEXT | F_WRITE, 2);
	fake_indirect(&drv, FAKE_INDIRECT + 1, 2, FAKE_DATA, 16, F_WRITE, 0);
	fake_offer(&drv, 3);
	assert_int_equal(pop(), 1);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.read_count, 3);
	assert_int_equal(chain.read_len, 7);
	assert_int_equal(chain.write_count, 2);
	assert_int_equal(chain.write_len, 24);
}

/* One indirect descriptor of @len bytes at @addr in descriptor 0. */
static int pop_indirect(uint64_t features, uint64_t addr, uint32_t len, unsigned int flags)
{
	start(features);
	fake_desc(&drv, 0, addr, len, F_INDIRECT | flags, 1);
	fake_desc(&drv, 1, FAKE_DATA, 16, 0, 0);
	return pop_first();
}

static void test_indirect_abuse(void **state)
{
	(void)state;
	start(FEATURES_ALL);
	for (unsigned int i = 0; i < 2 * VIRTQ_SIZE_MAX; i++)
		fake_indirect(&drv, FAKE_INDIRECT, i, FAKE_DATA, 1, 0, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16, 0), 1);
	assert_int_equal(pop_indirect(FEATURES_NONE, FAKE_INDIRECT, 16, 0), -EPROTO);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16, F_NEXT), -EPROTO);
	for (uint32_t len = 0; len < 16; len++) {
		assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, len, 0), -EPROTO);
		if (len > 0)
			assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16 + len, 0),
					 -EPROTO);
	}
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16 * VIRTQ_SIZE_MAX, 0), 1);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16 * VIRTQ_SIZE_MAX + 16, 0),
			 -EPROTO);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, UINT32_MAX & ~15u, 0), -EPROTO);
	assert_int_equal(pop_indirect(FEATURES_ALL, GUEST_MMIO_GAP_START - 16, 32, 0), -EFAULT);
	assert_int_equal(pop_indirect(FEATURES_ALL, GUEST_MMIO_GAP_START - 15, 16, 0), -EFAULT);
	assert_int_equal(pop_indirect(FEATURES_ALL, UINT64_MAX - 15, 16, 0), -EFAULT);
	assert_int_equal(pop_indirect(FEATURES_ALL, UINT64_MAX - 7, 16, 0), -EFAULT);
}

static void test_indirect_table_abuse(void **state)
{
	(void)state;
	/* A table in a table, even itself. */
	start(FEATURES_ALL);
	fake_indirect(&drv, FAKE_INDIRECT, 0, FAKE_INDIRECT, 16, F_INDIRECT, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16, 0), -EPROTO);
	/* Next beyond the table, though within the ring. */
	fake_indirect(&drv, FAKE_INDIRECT, 0, FAKE_DATA, 1, F_NEXT, 2);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 32, 0), -EPROTO);
	/* Loops. */
	fake_indirect(&drv, FAKE_INDIRECT, 0, FAKE_DATA, 1, F_NEXT, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 16, 0), -ELOOP);
	fake_indirect(&drv, FAKE_INDIRECT, 0, FAKE_DATA, 0, F_NEXT, 1);
	fake_indirect(&drv, FAKE_INDIRECT, 1, FAKE_DATA, 0, F_NEXT, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 32, 0), -ELOOP);
	/* Directions and addresses count in there too. */
	fake_indirect(&drv, FAKE_INDIRECT, 0, FAKE_DATA, 1, F_NEXT | F_WRITE, 1);
	fake_indirect(&drv, FAKE_INDIRECT, 1, FAKE_DATA, 1, 0, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 32, 0), -EPROTO);
	fake_indirect(&drv, FAKE_INDIRECT, 1, MEM_END, 1, F_WRITE, 0);
	assert_int_equal(pop_indirect(FEATURES_ALL, FAKE_INDIRECT, 32, 0), -EFAULT);
}

/* Ring and table share one budget; a full table fits beside the descriptor that names it. */
static void test_indirect_budget(void **state)
{
	(void)state;
	for (unsigned int direct = 0; direct < 3; direct++) {
		start_size(4, FEATURES_ALL);
		for (unsigned int i = 0; i < direct; i++)
			fake_desc(&drv, i, FAKE_DATA, 1, F_NEXT, i + 1);
		fake_desc(&drv, direct, FAKE_INDIRECT, 16 * VIRTQ_SIZE_MAX, F_INDIRECT, 0);
		for (unsigned int i = 0; i < VIRTQ_SIZE_MAX; i++)
			fake_indirect(&drv, FAKE_INDIRECT, i, FAKE_DATA, 1,
				      i < VIRTQ_SIZE_MAX - 1 ? F_NEXT : 0, i + 1);
		assert_int_equal(pop_first(), direct == 0 ? 1 : -ELOOP);
	}
}

static void test_push(void **state)
{
	uint32_t head = 0, len = 0;

	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 7, FAKE_DATA, 16, F_NEXT, 8);
	fake_desc(&drv, 8, FAKE_DATA, 100, F_WRITE, 0);
	fake_offer(&drv, 7);
	fake_offer(&drv, 7);
	assert_int_equal(pop(), 1);
	assert_false(fake_take(&drv, &head, &len));
	virtq_push(&q, &chain, 42);
	assert_true(fake_take(&drv, &head, &len));
	assert_int_equal(head, 7);
	assert_int_equal(len, 42);
	/* Never more than there was room for. */
	assert_int_equal(pop(), 1);
	virtq_push(&q, &chain, 101);
	assert_true(fake_take(&drv, &head, &len));
	assert_int_equal(len, 100);
	assert_false(fake_take(&drv, &head, &len));
}

/* The indices run around 2^16 several times, with several chains in the device's hands. */
static void test_wrap(void **state)
{
	struct virtq_chain held[3];
	uint32_t head = 0, len = 0;

	(void)state;
	start(FEATURES_ALL);
	for (unsigned int i = 0; i < SIZE; i++)
		fake_desc(&drv, i, FAKE_DATA + i, i + 1, F_WRITE, 0);
	for (unsigned int i = 0; i < 150000; i += 3) {
		for (unsigned int k = 0; k < 3; k++)
			fake_offer(&drv, (i + k) % SIZE);
		for (unsigned int k = 0; k < 3; k++)
			assert_int_equal(virtq_pop(&q, &mem, &held[k]), 1);
		assert_int_equal(pop(), 0);
		for (unsigned int k = 3; k-- > 0;)	/* completed out of order */
			virtq_push(&q, &held[k], UINT32_MAX);
		for (unsigned int k = 3; k-- > 0;) {
			assert_true(fake_take(&drv, &head, &len));
			assert_int_equal(head, (i + k) % SIZE);
			assert_int_equal(len, head + 1);
		}
	}
}

static void use_one(void)
{
	fake_offer(&drv, 0);
	assert_int_equal(pop(), 1);
	virtq_push(&q, &chain, 0);
}

static void test_interrupt_flags(void **state)
{
	(void)state;
	start(FEATURES_NONE);
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	assert_false(virtq_needs_interrupt(&q));	/* nothing was pushed */
	use_one();
	assert_true(virtq_needs_interrupt(&q));
	assert_false(virtq_needs_interrupt(&q));
	drv.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	use_one();
	assert_false(virtq_needs_interrupt(&q));
	drv.avail->flags = 0;
	assert_false(virtq_needs_interrupt(&q));	/* that one was decided */
	use_one();
	use_one();
	assert_true(virtq_needs_interrupt(&q));
}

static void test_interrupt_event_idx(void **state)
{
	uint16_t *used_event;

	(void)state;
	start(FEATURES_ALL);
	used_event = &drv.avail->ring[SIZE];
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	drv.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;	/* means nothing with EVENT_IDX */
	use_one();					/* entry 0 */
	assert_true(virtq_needs_interrupt(&q));
	use_one();					/* 1, while the event is still 0 */
	assert_false(virtq_needs_interrupt(&q));
	*used_event = 4;
	use_one();
	use_one();
	assert_false(virtq_needs_interrupt(&q));	/* 2, 3 */
	use_one();
	use_one();
	assert_true(virtq_needs_interrupt(&q));		/* 4 is among 4, 5 */
	*used_event = 5;
	use_one();
	assert_false(virtq_needs_interrupt(&q));	/* 6: past it */
	/* Over the wrap of the indices. */
	while (q.state.next_used != 0xfffe)
		use_one();
	(void)virtq_needs_interrupt(&q);
	*used_event = 0;
	use_one();
	use_one();
	assert_false(virtq_needs_interrupt(&q));	/* 0xfffe, 0xffff */
	use_one();
	assert_true(virtq_needs_interrupt(&q));		/* 0 */
}

static void test_notify_flags(void **state)
{
	(void)state;
	start(FEATURES_NONE);
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	virtq_disable_notify(&q);
	assert_int_equal(drv.used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_enable_notify(&q));
	assert_int_equal(drv.used->flags, 0);
	virtq_disable_notify(&q);
	fake_offer(&drv, 0);			/* the driver does not kick for this */
	assert_true(virtq_enable_notify(&q));
	assert_int_equal(pop(), 1);
	assert_false(virtq_enable_notify(&q));
}

static void test_notify_event_idx(void **state)
{
	uint16_t *avail_event;

	(void)state;
	start(FEATURES_ALL);
	avail_event = (uint16_t *)&drv.used->ring[SIZE];
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	assert_false(virtq_enable_notify(&q));
	assert_int_equal(*avail_event, 0);
	use_one();
	use_one();
	virtq_disable_notify(&q);
	assert_int_equal(*avail_event, 0);	/* behind: no kick is wanted */
	assert_int_equal(drv.used->flags, 0);
	fake_offer(&drv, 0);
	assert_true(virtq_enable_notify(&q));
	assert_int_equal(*avail_event, 2);
	assert_int_equal(pop(), 1);
	assert_false(virtq_enable_notify(&q));
	assert_int_equal(*avail_event, 3);
}

/* A queue goes on from its saved state alone. */
static void test_state(void **state)
{
	struct virtq_state saved;

	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 0, FAKE_DATA, 16, 0, 0);
	use_one();
	use_one();
	(void)virtq_needs_interrupt(&q);
	fake_offer(&drv, 0);
	saved = q.state;
	q = (struct virtq){ .max_size = VIRTQ_SIZE_MAX, .state = saved };
	assert_int_equal(virtq_activate(&q, &mem, FEATURES_ALL), 0);
	assert_memory_equal(&q.state, &saved, sizeof(saved));
	assert_int_equal(pop(), 1);
	virtq_push(&q, &chain, 0);
	assert_int_equal(fake_used_idx(&drv), 3);
	virtq_reset(&q);
	assert_false(virtq_active(&q));
	assert_int_equal(q.max_size, VIRTQ_SIZE_MAX);
	assert_int_equal(q.state.next_avail, 0);
}

static void test_chain_copy(void **state)
{
	uint8_t buf[16];

	(void)state;
	start(FEATURES_ALL);
	memcpy(fake_ptr(&drv, FAKE_DATA), "abcdefgh", 8);
	fake_desc(&drv, 0, FAKE_DATA, 3, F_NEXT, 1);
	fake_desc(&drv, 1, FAKE_DATA + 4, 4, F_NEXT, 2);
	fake_desc(&drv, 2, FAKE_DATA + 64, 2, F_NEXT | F_WRITE, 3);
	fake_desc(&drv, 3, FAKE_DATA + 80, 5, F_WRITE, 0);
	assert_int_equal(pop_first(), 1);

	assert_int_equal(virtq_chain_read(&chain, 0, buf, sizeof(buf)), 7);
	assert_memory_equal(buf, "abcefgh", 7);
	assert_int_equal(virtq_chain_read(&chain, 2, buf, 3), 3);
	assert_memory_equal(buf, "cef", 3);
	assert_int_equal(virtq_chain_read(&chain, 6, buf, 3), 1);
	assert_int_equal(virtq_chain_read(&chain, 7, buf, 3), 0);
	assert_int_equal(virtq_chain_read(&chain, UINT64_MAX, buf, 3), 0);

	assert_int_equal(virtq_chain_write(&chain, 1, "vwxyz?", 6), 6);
	assert_memory_equal(fake_ptr(&drv, FAKE_DATA + 64), "\0v", 2);
	assert_memory_equal(fake_ptr(&drv, FAKE_DATA + 80), "wxyz?\0", 6);
	assert_int_equal(virtq_chain_write(&chain, 6, "12", 2), 1);
	assert_int_equal(virtq_chain_write(&chain, 7, "12", 2), 0);
	assert_memory_equal(fake_ptr(&drv, FAKE_DATA + 80), "wxyz1\0", 6);
}

static void test_iov_slice(void **state)
{
	uint8_t a[4], b[1], c[8];

	(void)state;
	for (uint64_t offset = 0; offset <= 14; offset++) {
		for (uint64_t len = 0; len <= 14; len++) {
			struct iovec entries[] = {
				{ a, sizeof(a) }, { b, sizeof(b) }, { c, sizeof(c) },
			};
			uint8_t *expect[13] = { a, a + 1, a + 2, a + 3, b, c, c + 1, c + 2, c + 3,
						c + 4, c + 5, c + 6, c + 7 };
			struct iovec *iov = entries;
			unsigned int count = ARRAY_SIZE(entries);
			uint64_t at = offset;

			virtq_iov_slice(&iov, &count, offset, len);
			for (unsigned int i = 0; i < count; i++) {
				assert_true(iov[i].iov_len > 0);
				for (size_t k = 0; k < iov[i].iov_len; k++, at++)
					assert_ptr_equal((uint8_t *)iov[i].iov_base + k,
							 expect[at]);
			}
			assert_int_equal(at - offset,
					 offset < 13 ? u64_min(len, 13 - offset) : 0);
		}
	}
}

#ifndef __SANITIZE_THREAD__	/* the race is the point: the guest writes while the device reads */
static atomic_bool flip_stop;

static void *flip_descriptors(void *opaque)
{
	volatile struct vring_desc *desc = drv.desc;

	(void)opaque;
	while (!atomic_load(&flip_stop)) {
		desc[0].addr = FAKE_DATA;
		desc[0].len = 64;
		desc[0].next = 1;
		desc[0].flags = F_NEXT;
		desc[0].addr = UINT64_MAX - 4;
		desc[0].len = UINT32_MAX;
		desc[0].next = 0xfff0;
		desc[0].flags = F_NEXT | F_WRITE;
	}
	return NULL;
}

/* Whatever the device made of it, what it hands out lies in RAM and adds up. */
static void test_changing_descriptors(void **state)
{
	pthread_t thread;

	(void)state;
	start(FEATURES_ALL);
	fake_desc(&drv, 1, FAKE_DATA, 16, F_WRITE, 0);
	fake_publish_idx(&drv, 1);
	atomic_store(&flip_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, flip_descriptors, NULL), 0);
	for (unsigned int i = 0; i < 100000; i++) {
		uint64_t bytes = 0;

		q.state.next_avail = 0;
		if (pop() != 1)
			continue;
		for (unsigned int k = 0; k < chain.read_count + chain.write_count; k++) {
			const struct iovec *iov = &chain.iov[k];

			bytes += iov->iov_len;
			assert_true((uint8_t *)iov->iov_base >= mem.region[0].hva);
			assert_true((uint8_t *)iov->iov_base + iov->iov_len <=
				    mem.region[0].hva + mem.size);
		}
		assert_int_equal(bytes, (uint64_t)chain.read_len + chain.write_len);
	}
	atomic_store(&flip_stop, true);
	pthread_join(thread, NULL);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_activate_sizes), cmocka_unit_test(test_activate_alignment),
		cmocka_unit_test(test_activate_edges), cmocka_unit_test(test_inactive),
		cmocka_unit_test(test_chain), cmocka_unit_test(test_chain_empty),
		cmocka_unit_test(test_directions), cmocka_unit_test(test_loops),
		cmocka_unit_test(test_indices), cmocka_unit_test(test_avail_idx),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_total_bytes),
		cmocka_unit_test(test_indirect), cmocka_unit_test(test_indirect_abuse),
		cmocka_unit_test(test_indirect_table_abuse),
		cmocka_unit_test(test_indirect_budget), cmocka_unit_test(test_push),
		cmocka_unit_test(test_wrap), cmocka_unit_test(test_interrupt_flags),
		cmocka_unit_test(test_interrupt_event_idx), cmocka_unit_test(test_notify_flags),
		cmocka_unit_test(test_notify_event_idx), cmocka_unit_test(test_state),
		cmocka_unit_test(test_chain_copy), cmocka_unit_test(test_iov_slice),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_changing_descriptors),
#endif
	};

	return cmocka_run_group_tests_name("virtq", tests, group_setup, group_teardown);
}
