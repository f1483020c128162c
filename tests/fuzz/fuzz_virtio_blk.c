/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a live block device: headers, chains of any shape, and several at once. Each chain is
 * answered, or the device asks for a reset; the disk's size never changes.
 */
#include <sys/stat.h>

#include "fuzz_disk.h"

#define REQUESTS_MAX 256
#define RING 16

static void write_header(struct fuzz_input *in)
{
	struct virtio_blk_outhdr header = { .type = fuzz_u8(in) & 15 };
	uint16_t sector = fuzz_u16(in);

	header.sector = sector & 0x8000 ? UINT64_MAX - (sector & 0xff) : sector & 0x1f;
	guest_memory_write(&disk.mem, HEADER + (sector >> 8 & 0x70), &header, sizeof(header));
}

/* A chain of up to 15 descriptors, in the ring or in a table, mostly well-formed. */
static void write_chain(struct fuzz_input *in)
{
	uint8_t shape = fuzz_u8(in);
	unsigned int count = shape & 15;
	bool indirect = shape & 16;

	for (unsigned int i = 0; i < count; i++) {
		uint8_t bits = fuzz_u8(in);
		uint64_t addr = fuzz_address(fuzz_u16(in), RAM, places);
		uint32_t len = bits & 1 ? fuzz_length(fuzz_u16(in)) : bits >> 3;
		unsigned int flags = (bits & F_WRITE) | (i + 1 < count ? F_NEXT : 0);

		if (i == 0 && !(shape & 32)) {		/* an ordinary first one */
			addr = HEADER;
			len = sizeof(struct virtio_blk_outhdr);
			flags = F_NEXT;
		}
		if (indirect)
			fake_indirect(&disk.drv, FAKE_INDIRECT, i, addr, len, flags, i + 1);
		else
			fake_desc(&disk.drv, i, addr, len, flags, bits & 4 ? bits >> 3 : i + 1);
	}
	if (indirect)
		fake_desc(&disk.drv, 0, FAKE_INDIRECT, count * 16, F_INDIRECT, 0);
}

/* A chain may have put its data over the rings, so only the device's own view can be trusted. */
static void check_answers(void)
{
	const struct virtq_state *state = &disk.dev->queue[0].state;
	uint32_t status = reg_get(VIRTIO_MMIO_STATUS);

	if (status == LIVE) {
		FUZZ_CHECK(state->next_used == state->next_avail);
		return;
	}
	FUZZ_CHECK(status == (LIVE | VIRTIO_CONFIG_S_NEEDS_RESET));
	FUZZ_CHECK(reg_get(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };
	uint64_t features = (uint64_t)fuzz_u8(&in) << 24 | (uint64_t)fuzz_u8(&in) << 5;
	struct stat st;

	disk_start();
	disk_go_live(RING, features);
	for (unsigned int i = 0; in.left > 0 && i < REQUESTS_MAX; i++) {
		uint8_t what = fuzz_u8(&in);

		write_header(&in);
		write_chain(&in);
		for (unsigned int k = 0; k <= (what & 3); k++)
			fake_offer(&disk.drv, what >> 4 & (k > 0 ? 15 : 0));
		virtio_mmio_kick(&disk.mmio, 0);
		if (what & 4)
			virtio_mmio_kick(&disk.mmio, 0);
		check_answers();
		if (reg_get(VIRTIO_MMIO_STATUS) != LIVE)
			disk_go_live(RING, features);
	}
	disk_expect_usable();
	FUZZ_CHECK(fstat(disk.memfd, &st) == 0 && st.st_size == DISK_SIZE);
	return 0;
}
