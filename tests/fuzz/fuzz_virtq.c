/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue walker against rings that make no sense. The input is a list of 8-byte steps of a
 * driver and a device that share a queue; after each, what the walker handed out must be sound.
 */
#include <linux/virtio_config.h>

#include "../unit/fake_driver.h"
#include "devices/virtio/queue.h"
#include "fuzz_input.h"

#define RAM MIB(1)
#define STEPS_MAX 2048

static struct guest_memory mem;
static struct fake_driver drv;
static struct virtq q;
static struct virtq_chain held[4];	/* chains in the device's hands */
static unsigned int held_count;

static const uint64_t places[5] = { FAKE_DATA, FAKE_INDIRECT, FAKE_DESC, FAKE_AVAIL, FAKE_USED };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return guest_memory_create(&mem, RAM, false, NULL);
}

static void start(uint32_t size, uint64_t features)
{
	held_count = 0;
	fake_driver_init(&drv, &mem, (uint16_t)size);
	q = (struct virtq){ .max_size = VIRTQ_SIZE_MAX };
	q.state = (struct virtq_state){
		.size = size, .ready = true,
		.desc = FAKE_DESC, .avail = FAKE_AVAIL, .used = FAKE_USED,
	};
	FUZZ_CHECK(virtq_activate(&q, &mem, features) == 0);
}

/* All of a chain lies in RAM, and its numbers agree. Its ends can be touched. */
static void check_chain(const struct virtq_chain *chain)
{
	unsigned int count = chain->read_count + chain->write_count;
	uint64_t read_len = 0, write_len = 0;

	FUZZ_CHECK(count <= VIRTQ_SIZE_MAX);
	FUZZ_CHECK(chain->head < q.state.size);
	for (unsigned int i = 0; i < count; i++) {
		const struct iovec *iov = &chain->iov[i];
		uint8_t *base = iov->iov_base;

		FUZZ_CHECK(iov->iov_len > 0 && iov->iov_len <= RAM);
		FUZZ_CHECK(base >= mem.region[0].hva);
		FUZZ_CHECK(base + iov->iov_len <= mem.region[0].hva + RAM);
		if (i < chain->read_count)
			read_len += iov->iov_len;
		else
			write_len += iov->iov_len;
	}
	FUZZ_CHECK(read_len == chain->read_len && write_len == chain->write_len);
}

/* A step of the device. Returns false when the ring is broken and the queue must be set up anew. */
static bool device_pop(void)
{
	struct virtq_chain *chain = &held[held_count];
	uint8_t buf[64];
	int r;

	if (held_count == ARRAY_SIZE(held))
		return true;
	r = virtq_pop(&q, &mem, chain);
	FUZZ_CHECK(r <= 1);
	if (r <= 0)
		return r == 0;
	check_chain(chain);
	FUZZ_CHECK(virtq_chain_read(chain, 5, buf, sizeof(buf)) <= sizeof(buf));
	held_count++;
	FUZZ_CHECK((uint16_t)(q.state.next_avail - q.state.next_used) == held_count);
	return true;
}

static void device_push(unsigned int which, uint32_t written)
{
	struct virtq_chain *chain;
	struct vring_used_elem elem;

	if (held_count == 0)
		return;
	chain = &held[which % held_count];
	virtq_push(&q, chain, written);
	/* Nobody else runs here, so what is in the ring is what was pushed. */
	elem = drv.used->ring[(uint16_t)(q.state.next_used - 1) % q.state.size];
	FUZZ_CHECK(elem.id == chain->head);
	FUZZ_CHECK(elem.len <= chain->write_len && elem.len <= written);
	FUZZ_CHECK(drv.used->idx == q.state.next_used);
	*chain = held[--held_count];
}

static void device_copy(uint16_t offset, uint32_t len)
{
	struct iovec copy[VIRTQ_SIZE_MAX], *iov = copy;
	const struct virtq_chain *chain = &held[0];
	unsigned int count = chain->read_count;
	uint64_t left = 0, expect;

	if (held_count == 0)
		return;
	memcpy(copy, chain->iov, sizeof(copy));
	virtq_iov_slice(&iov, &count, offset, len);
	for (unsigned int i = 0; i < count; i++)
		left += iov[i].iov_len;
	expect = offset < chain->read_len ? u64_min(len, chain->read_len - offset) : 0;
	FUZZ_CHECK(left == expect);
}

/* Returns false when the ring is broken. */
static bool step(struct fuzz_input *in)
{
	uint8_t kind = fuzz_u8(in), a = fuzz_u8(in), b = fuzz_u8(in), c = fuzz_u8(in);
	uint16_t x = fuzz_u16(in), y = fuzz_u16(in);

	switch (kind % 12) {
	case 0:
		fake_desc(&drv, a % drv.size, fuzz_address(x, RAM, places), fuzz_length(y), b & 7,
			  c);
		return true;
	case 1:
		fake_indirect(&drv, FAKE_INDIRECT, a, fuzz_address(x, RAM, places), fuzz_length(y),
			      b & 7, c);
		return true;
	case 2:
		fake_offer(&drv, a);
		return true;
	case 3:
		fake_publish_idx(&drv, (uint16_t)(drv.avail_idx + x));
		return true;
	case 4:
		drv.avail->flags = y;
		drv.avail->ring[drv.size] = x;		/* used_event */
		return true;
	case 5:
		guest_memory_write(&mem, fuzz_address(x, RAM, places), &y, sizeof(y));
		return true;
	case 6:
		device_push(a, fuzz_length(y));
		return true;
	case 7:
		(void)virtq_needs_interrupt(&q);
		FUZZ_CHECK(!virtq_needs_interrupt(&q));
		return true;
	case 8:
		virtq_disable_notify(&q);
		(void)virtq_enable_notify(&q);
		return true;
	case 9:
		device_copy(x, fuzz_length(y));
		return true;
	default:
		return device_pop();
	}
}

/* A queue at places of the input's choice: it is refused, or it can be walked. */
static void fuzz_activation(struct fuzz_input *in)
{
	uint32_t size = fuzz_u32(in);

	q = (struct virtq){ .max_size = VIRTQ_SIZE_MAX };
	q.state = (struct virtq_state){
		.size = size, .ready = true,
		.desc = fuzz_address(fuzz_u16(in), RAM, places),
		.avail = fuzz_address(fuzz_u16(in), RAM, places),
		.used = fuzz_address(fuzz_u16(in), RAM, places),
	};
	if (virtq_activate(&q, &mem, UINT64_MAX) < 0) {
		FUZZ_CHECK(!virtq_active(&q));
		return;
	}
	FUZZ_CHECK(size > 0 && size <= VIRTQ_SIZE_MAX && (size & (size - 1)) == 0);
	for (unsigned int i = 0; i < 64; i++) {
		if (virtq_pop(&q, &mem, &held[0]) <= 0)
			break;
		check_chain(&held[0]);
		virtq_push(&q, &held[0], fuzz_u32(in));
		(void)virtq_enable_notify(&q);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };
	uint8_t shape = fuzz_u8(&in);
	uint64_t features = (uint64_t)(shape >> 4 & 3) << VIRTIO_RING_F_INDIRECT_DESC;
	uint32_t ring = 1u << shape % 9;

	memset(mem.region[0].hva, 0, RAM);
	if (shape >> 7) {
		fuzz_activation(&in);
		return 0;
	}
	start(ring, features);
	for (unsigned int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		if (!step(&in))
			start(ring, features);	/* as after a reset */
	return 0;
}
