/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers in any order, with any width and value, between writes to the rings' memory and kicks.
 * The status must always be a state that the specification knows, and a reset must heal everything.
 */
#include "fuzz_disk.h"

#define STEPS_MAX 1024

/* The sequence of 3.1.1, the device's own bit and FAILED; nothing else can be read. */
static void check_status(void)
{
	uint32_t status = reg_get(VIRTIO_MMIO_STATUS), phase = status & LIVE;

	FUZZ_CHECK((status & ~(uint32_t)(LIVE | VIRTIO_CONFIG_S_NEEDS_RESET |
					 VIRTIO_CONFIG_S_FAILED)) == 0);
	FUZZ_CHECK(phase == 0 || phase == 1 || phase == 3 || phase == 11 || phase == LIVE);
	FUZZ_CHECK(!(status & VIRTIO_CONFIG_S_NEEDS_RESET) || phase == LIVE);
	if (status & VIRTIO_CONFIG_S_FEATURES_OK)
		FUZZ_CHECK((disk.dev->driver_features & ~disk.dev->features) == 0);
	if (phase != LIVE)
		FUZZ_CHECK(!virtq_active(&disk.dev->queue[0]));
	FUZZ_CHECK((reg_get(VIRTIO_MMIO_INTERRUPT_STATUS) & ~3u) == 0);
}

/* A value that a register may well want: small numbers, parts of addresses, or anything. */
static uint32_t register_value(struct fuzz_input *in)
{
	uint8_t kind = fuzz_u8(in);

	switch (kind & 3) {
	case 0:
		return fuzz_u8(in);
	case 1:
		return (uint32_t)fuzz_address(fuzz_u16(in), RAM, places);
	case 2:
		return fuzz_length(fuzz_u16(in));
	default:
		return fuzz_u32(in);
	}
}

static void access_register(struct fuzz_input *in, bool write)
{
	uint16_t where = fuzz_u16(in);
	uint64_t offset = where & 0xfff;
	unsigned int len = (where >> 12 & 7) + 1;
	uint8_t data[8] = { 0 };
	uint64_t value;

	if (offset + len > VIRTIO_MMIO_WINDOW)
		return;
	if (!write) {
		virtio_mmio_bus_ops.read(&disk.mmio, offset, data, len);
		return;
	}
	value = fuzz_take(in, len);
	memcpy(data, &value, sizeof(data));
	virtio_mmio_bus_ops.write(&disk.mmio, offset, data, len);
}

static void write_memory(struct fuzz_input *in)
{
	uint64_t addr = fuzz_address(fuzz_u16(in), RAM, places);
	uint64_t value = fuzz_take(in, 8);

	guest_memory_write(&disk.mem, addr, &value, sizeof(value));
}

static void step(struct fuzz_input *in)
{
	uint8_t kind = fuzz_u8(in), a = fuzz_u8(in), b = fuzz_u8(in);

	switch (kind % 9) {
	case 0:
		access_register(in, false);
		break;
	case 1:
		access_register(in, true);
		break;
	case 2:
	case 3:			/* the registers proper, more often right than wrong */
		reg_set((uint64_t)(a & 0x3f) * 4, register_value(in));
		break;
	case 4:
		write_memory(in);
		break;
	case 5:
		virtio_mmio_kick(&disk.mmio, a & 1);
		break;
	case 6:
		if (disk.drv.size == 0)
			break;
		fake_desc(&disk.drv, a % disk.drv.size, fuzz_address(fuzz_u16(in), RAM, places),
			  fuzz_length(fuzz_u16(in)), b & 7, b >> 3);
		break;
	case 7:
		if (disk.drv.size > 0)
			fake_offer(&disk.drv, a);
		break;
	default:
		disk_go_live((uint16_t)(1u << a % 9), (uint64_t)b << 24);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };

	disk_start();
	disk.drv.size = 0;
	for (unsigned int i = 0; in.left > 0 && i < STEPS_MAX; i++) {
		step(&in);
		check_status();
	}
	disk_expect_usable();
	return 0;
}
