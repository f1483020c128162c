/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The driver owns the descriptor table and the available ring, the device the used ring. All three
 * are in guest memory, where any vCPU can change any byte at any moment, so nothing is read twice:
 * an index or a descriptor is copied into a local variable, checked there and used from there. The
 * areas' addresses are checked once, at activation; guest memory is never unmapped under a device.
 *
 * Indices run freely modulo 2^16. At any time
 *
 *	next_used <= next_avail <= avail->idx <= next_used + size	(modulo 2^16)
 *
 * holds with a correct driver, because a descriptor is in at most one chain at a time; whatever
 * violates it breaks the ring. That also bounds how many chains a device can have in hand.
 *
 * A chain is walked with a budget of descriptors, so a loop ends. An indirect table is entered at
 * most once, as the last descriptor of the chain, and shares the budget.
 *
 * Memory order. The compiler and the processor are told with C11 orders; each use says what it
 * pairs with in the driver (2.7.13). Guest and host are little-endian (x86-64), so ring fields need
 * no conversion.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/util.h"
#include "devices/virtio/queue.h"

#define DESC_ALIGN	16
#define AVAIL_ALIGN	2
#define USED_ALIGN	4

_Static_assert(sizeof(struct vring_desc) == 16 && sizeof(struct vring_used_elem) == 8,
	       "ring layout of VIRTIO 1.2, 2.7");
_Static_assert((VIRTQ_SIZE_MAX & (VIRTQ_SIZE_MAX - 1)) == 0 && VIRTQ_SIZE_MAX <= 32768,
	       "a queue size (2.7)");

static uint16_t ring_load(const __u16 *field)
{
	return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static uint16_t ring_load_acquire(const __u16 *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static void ring_store(__u16 *field, uint16_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

/* What is written before is seen by others before what is read after is looked at. */
static void full_barrier(void)
{
	__sync_synchronize();
}

/* The two fields behind the rings' last entries, with VIRTIO_F_EVENT_IDX. */
static const __u16 *virtq_used_event(const struct virtq *q)
{
	const struct vring_avail *avail = q->avail;

	return &avail->ring[q->state.size];
}

static __u16 *virtq_avail_event(const struct virtq *q)
{
	struct vring_used *used = q->used;

	return (__u16 *)&used->ring[q->state.size];
}

int virtq_activate(struct virtq *q, const struct guest_memory *mem, uint64_t features)
{
	struct virtq_state *state = &q->state;
	uint64_t size = state->size;
	const void *desc, *avail;
	void *used;

	if (!state->ready || size == 0 || size > q->max_size || !is_aligned(size, size))
		return -EINVAL;
	if (!is_aligned(state->desc, DESC_ALIGN) || !is_aligned(state->avail, AVAIL_ALIGN) ||
	    !is_aligned(state->used, USED_ALIGN))
		return -EINVAL;

	/* 2.7.1: both rings end with the event field, used or not. */
	desc = guest_memory_ptr(mem, state->desc, size * sizeof(struct vring_desc));
	avail = guest_memory_ptr(mem, state->avail,
				 sizeof(struct vring_avail) + (size + 1) * sizeof(__u16));
	used = guest_memory_ptr(mem, state->used, sizeof(struct vring_used) +
				size * sizeof(struct vring_used_elem) + sizeof(__u16));
	if (!desc || !avail || !used)
		return -EFAULT;

	state->event_idx = features & BIT64(VIRTIO_RING_F_EVENT_IDX);
	state->indirect = features & BIT64(VIRTIO_RING_F_INDIRECT_DESC);
	q->desc = desc;
	q->avail = avail;
	q->used = used;
	return 0;
}

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){ .max_size = q->max_size };
}

/* A table of descriptors: the ring's own or an indirect one. */
struct desc_table {
	const uint8_t *base;	/* an indirect table has no alignment */
	uint32_t count;
};

/*
 * Copy one descriptor. The barrier keeps the compiler from reading guest memory a second time where
 * the copy is used.
 */
static void desc_read(const struct desc_table *table, uint32_t index, struct vring_desc *ret)
{
	memcpy(ret, table->base + (size_t)index * sizeof(*ret), sizeof(*ret));
	__asm__ volatile("" ::: "memory");
}

static int desc_table_enter(const struct virtq *q, const struct guest_memory *mem,
			    const struct vring_desc *desc, struct desc_table *table)
{
	const void *base;

	/* 2.7.5.3.1: only when negotiated, and the last of its chain. The WRITE flag is ignored. */
	if (!q->state.indirect || (desc->flags & VRING_DESC_F_NEXT))
		return -EPROTO;
	if (desc->len == 0 || desc->len % sizeof(*desc) != 0 ||
	    desc->len / sizeof(*desc) > q->max_size)
		return -EPROTO;
	base = guest_memory_ptr(mem, desc->addr, desc->len);
	if (!base)
		return -EFAULT;
	table->base = base;
	table->count = (uint32_t)(desc->len / sizeof(*desc));
	return 0;
}

/* Add one buffer. *@writing: a writable descriptor was seen, even an empty one. */
static int chain_add(struct virtq_chain *chain, const struct guest_memory *mem,
		     const struct vring_desc *desc, bool *writing)
{
	unsigned int at = chain->read_count + chain->write_count;
	void *base;

	if (desc->flags & VRING_DESC_F_WRITE)
		*writing = true;
	else if (*writing)
		return -EPROTO;		/* 2.7.4.2: readable ones come first */
	if (desc->len == 0)
		return 0;
	if (desc->len > VIRTQ_CHAIN_BYTES_MAX - chain->read_len - chain->write_len)
		return -EOVERFLOW;
	if (at == ARRAY_SIZE(chain->iov))
		return -ELOOP;
	base = guest_memory_ptr(mem, desc->addr, desc->len);
	if (!base)
		return -EFAULT;

	chain->iov[at] = (struct iovec){ .iov_base = base, .iov_len = desc->len };
	if (*writing) {
		chain->write_count++;
		chain->write_len += desc->len;
	} else {
		chain->read_count++;
		chain->read_len += desc->len;
	}
	return 0;
}

/*
 * The budget is what the device offered, not what the driver chose: Linux makes its ring smaller
 * when memory is short but goes on to build indirect tables by the device's limits. The descriptor
 * that names an indirect table is not charged.
 */
static int chain_walk(const struct virtq *q, const struct guest_memory *mem, uint16_t head,
		      struct virtq_chain *chain)
{
	struct desc_table table = { .base = q->desc, .count = q->state.size };
	bool writing = false, nested = false, more = true;
	uint32_t index = head;
	struct vring_desc desc;
	int r;

	chain->head = head;
	chain->read_count = chain->write_count = 0;
	chain->read_len = chain->write_len = 0;
	for (uint32_t charged = 0; more; index = desc.next) {
		if (index >= table.count)
			return -EPROTO;
		desc_read(&table, index, &desc);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			r = nested ? -EPROTO : desc_table_enter(q, mem, &desc, &table);
			nested = true;
			desc.next = 0;
		} else {
			r = charged++ < q->max_size ? chain_add(chain, mem, &desc, &writing)
						    : -ELOOP;
			more = desc.flags & VRING_DESC_F_NEXT;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int virtq_pop(struct virtq *q, const struct guest_memory *mem, struct virtq_chain *ret_chain)
{
	struct virtq_state *state = &q->state;
	const struct vring_avail *avail = q->avail;
	uint16_t idx, head, in_hand, offered;
	int r;

	if (!virtq_active(q))
		return 0;
	/*
	 * Pairs with the driver's write barrier between filling descriptors and ring entry and
	 * publishing them by idx.
	 */
	idx = ring_load_acquire(&avail->idx);
	in_hand = (uint16_t)(state->next_avail - state->next_used);
	offered = (uint16_t)(idx - state->next_used);
	if (offered == in_hand)
		return 0;
	if (offered > state->size || offered < in_hand)
		return -EPROTO;

	head = ring_load(&avail->ring[state->next_avail & (state->size - 1)]);
	if (head >= state->size)
		return -EPROTO;
	r = chain_walk(q, mem, head, ret_chain);
	if (r < 0)
		return r;
	state->next_avail++;
	return 1;
}

void virtq_push(struct virtq *q, const struct virtq_chain *chain, uint32_t written)
{
	struct virtq_state *state = &q->state;
	struct vring_used *used = q->used;
	struct vring_used_elem *elem;

	if (!virtq_active(q))
		return;
	elem = &used->ring[state->next_used & (state->size - 1)];
	__atomic_store_n(&elem->id, chain->head, __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len, (uint32_t)u64_min(written, chain->write_len),
			 __ATOMIC_RELAXED);
	state->next_used++;
	/*
	 * Pairs with the driver's read barrier between reading idx and reading the entry and the
	 * buffers: both are written before idx.
	 */
	__atomic_store_n(&used->idx, state->next_used, __ATOMIC_RELEASE);
}

bool virtq_needs_interrupt(struct virtq *q)
{
	struct virtq_state *state = &q->state;
	const struct vring_avail *avail = q->avail;
	uint16_t pushed = (uint16_t)(state->next_used - state->signalled);

	if (!virtq_active(q) || pushed == 0)
		return false;
	state->signalled = state->next_used;
	/*
	 * Pairs with the driver's full barrier between enabling interrupts (used_event or flags)
	 * and looking at used->idx again: either it sees our idx or we see that it wants to know.
	 */
	full_barrier();
	if (!state->event_idx)
		return !(ring_load(&avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	/* 2.7.7.2: wanted when used_event is one of the entries just pushed. */
	return (uint16_t)(state->next_used - ring_load(virtq_used_event(q)) - 1) < pushed;
}

void virtq_disable_notify(struct virtq *q)
{
	struct vring_used *used = q->used;

	/*
	 * With EVENT_IDX there is nothing to do: avail_event stays where it was, behind what the
	 * driver adds, and is moved by virtq_enable_notify().
	 */
	if (virtq_active(q) && !q->state.event_idx)
		ring_store(&used->flags, VRING_USED_F_NO_NOTIFY);
}

bool virtq_enable_notify(struct virtq *q)
{
	struct virtq_state *state = &q->state;
	const struct vring_avail *avail = q->avail;
	struct vring_used *used = q->used;

	if (!virtq_active(q))
		return false;
	if (state->event_idx)
		ring_store(virtq_avail_event(q), state->next_avail);
	else
		ring_store(&used->flags, 0);
	/*
	 * Pairs with the driver's full barrier between publishing avail->idx and reading
	 * avail_event or flags: either we see its chain or it sees that it has to kick.
	 */
	full_barrier();
	return ring_load(&avail->idx) != state->next_avail;
}

void virtq_iov_slice(struct iovec **iov, unsigned int *count, uint64_t offset, uint64_t len)
{
	struct iovec *first = *iov;
	unsigned int left = *count, kept = 0;

	while (left > 0 && offset >= first->iov_len) {
		offset -= first->iov_len;
		first++;
		left--;
	}
	if (left > 0) {
		first->iov_base = (uint8_t *)first->iov_base + offset;
		first->iov_len -= offset;
	}
	while (kept < left && len > 0) {
		first[kept].iov_len = u64_min(first[kept].iov_len, len);
		len -= first[kept].iov_len;
		kept++;
	}
	*iov = first;
	*count = kept;
}

/* One copy loop for both directions: exactly one of @out and @in is set. */
static size_t iov_copy(const struct iovec *iov, unsigned int count, uint64_t offset, void *out,
		       const void *in, size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < len; i++) {
		uint8_t *base = iov[i].iov_base;
		size_t n;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		n = u64_min(iov[i].iov_len - offset, len - done);
		if (out)
			memcpy((uint8_t *)out + done, base + offset, n);
		else
			memcpy(base + offset, (const uint8_t *)in + done, n);
		done += n;
		offset = 0;
	}
	return done;
}

size_t virtq_chain_read(const struct virtq_chain *chain, uint64_t offset, void *buf, size_t len)
{
	return iov_copy(chain->iov, chain->read_count, offset, buf, NULL, len);
}

size_t virtq_chain_write(const struct virtq_chain *chain, uint64_t offset, const void *buf,
			 size_t len)
{
	return iov_copy(chain->iov + chain->read_count, chain->write_count, offset, NULL, buf,
			len);
}
