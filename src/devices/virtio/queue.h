/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - split virtqueues (VIRTIO 1.2, 2.7), the device's side: the one walker of descriptor
 * chains. Every byte of the rings and of the descriptors may be hostile and may change while it is
 * read; what the functions below hand out is a checked private copy.
 *
 * A queue belongs to one thread at a time (the owner of the virtio device's lock).
 *
 *	while ((r = virtq_pop(q, mem, &chain)) > 0) {
 *		written = ...;				use chain.iov
 *		virtq_push(q, &chain, written);
 *	}
 *	if (virtq_needs_interrupt(q))
 *		...
 */
#ifndef VOLT_VIRTIO_QUEUE_H
#define VOLT_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guestmem/guestmem.h"

/*
 * The largest ring a device may offer here, and so the most descriptors in a chain: 2.7.5.3.1
 * allows a chain, indirect or not, as many descriptors as the ring has.
 */
#define VIRTQ_SIZE_MAX 256

/*
 * The most bytes in a chain, readable and writable together. 2.7.5.2 allows 2^32; a chain of just
 * that size does not fit the used ring's 32-bit length and no driver makes one.
 */
#define VIRTQ_CHAIN_BYTES_MAX UINT32_MAX

/* What a snapshot needs: no pointers. Addresses are guest-physical, indices free-running. */
struct virtq_state {
	uint32_t size;			/* descriptors, as the driver wrote it */
	bool ready;			/* QueueReady */
	bool event_idx;			/* VIRTIO_F_EVENT_IDX was accepted */
	bool indirect;			/* VIRTIO_F_INDIRECT_DESC was accepted */
	uint64_t desc, avail, used;
	uint16_t next_avail;		/* next entry of the available ring to take */
	uint16_t next_used;		/* next entry of the used ring to fill */
	uint16_t signalled;		/* next_used when virtq_needs_interrupt() last looked */
};

struct virtq {
	uint32_t max_size;		/* set by the device: a power of two, <= VIRTQ_SIZE_MAX */
	struct virtq_state state;
	/* The three areas in host memory; NULL unless active. */
	const void *desc, *avail;
	void *used;
};

struct virtq_chain {
	uint16_t head;			/* the first descriptor's index */
	unsigned int read_count;	/* iov[0 .. read_count): the device reads these */
	unsigned int write_count;	/* the next write_count entries: the device writes these */
	uint32_t read_len, write_len;	/* their bytes */
	struct iovec iov[VIRTQ_SIZE_MAX];	/* no empty entries */
};

/*
 * Check a ready queue's size, alignments (2.7: 16, 2 and 4) and areas, look the areas up once, and
 * note which of @features (accepted) matter here. Indices are left alone, so that a restored queue
 * goes on where it was. Errors: -EINVAL (size, alignment, not ready), -EFAULT (not all RAM).
 */
int virtq_activate(struct virtq *q, const struct guest_memory *mem, uint64_t features);

/* Back to the state after construction: only max_size stays. */
void virtq_reset(struct virtq *q);

static inline bool virtq_active(const struct virtq *q)
{
	return q->used != NULL;
}

/*
 * Take the next chain. Returns 1 and fills *@ret_chain, 0 when there is none (or the queue is not
 * active), or a negative errno when the ring is broken, after which the queue must not be used
 * until it is reset: -EPROTO (index out of range, directions mixed up, indirect descriptors
 * abused), -ELOOP (longer than the ring), -EOVERFLOW (too many bytes), -EFAULT (a buffer not all
 * RAM). A descriptor of length 0 carries nothing and is skipped; its address is not looked at.
 */
int virtq_pop(struct virtq *q, const struct guest_memory *mem, struct virtq_chain *ret_chain);

/*
 * Give a chain back. @written: how many bytes, counted from the first writable one, are known to be
 * written (2.7.8.2); cut to what the chain has.
 */
void virtq_push(struct virtq *q, const struct virtq_chain *chain, uint32_t written);

/*
 * Whether the driver wants an interrupt for what was pushed since the last call. A batch between
 * two calls must stay below 65536 chains.
 */
bool virtq_needs_interrupt(struct virtq *q);

/*
 * Ask the driver not to kick / to kick again. Between the two the device polls. Enabling returns
 * whether there is already something to pop, for which no kick may come.
 */
void virtq_disable_notify(struct virtq *q);
bool virtq_enable_notify(struct virtq *q);

/*
 * Copy bytes [@offset, @offset + @len) of the readable part out, or of the writable part in.
 * Returns how many there were, less than @len at the end of the part.
 */
size_t virtq_chain_read(const struct virtq_chain *chain, uint64_t offset, void *buf, size_t len);
size_t virtq_chain_write(const struct virtq_chain *chain, uint64_t offset, const void *buf,
			 size_t len);

/*
 * Cut a vector to its bytes [@offset, @offset + @len), in place: *@iov and *@count then describe
 * these, fewer when the vector ends before. Entries are changed, so that a chain whose vector was
 * cut can only be pushed.
 */
void virtq_iov_slice(struct iovec **iov, unsigned int *count, uint64_t offset, uint64_t len);

#endif
