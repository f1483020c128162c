/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_reg.c - a driver that writes registers in the wrong order, at the wrong width, with the
 * wrong values. The device may ignore it or ask for a reset; it works again after one.
 */
#include "virtio.h"

static struct vdev dev;

/* The phases of 3.1.1 that a device can be in. */
enum phase { PHASE_RESET, PHASE_ACKNOWLEDGE, PHASE_DRIVER, PHASE_FEATURES, PHASE_QUEUE, PHASE_LIVE,
	     PHASE_FAILED, PHASES };

static void phase_enter(enum phase phase)
{
	dev_find(&dev);
	dev_reset(&dev);
	dev_rings_clear(&dev, QUEUE_MAX);
	if (phase >= PHASE_ACKNOWLEDGE)
		reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE);
	if (phase >= PHASE_DRIVER)
		reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	if (phase >= PHASE_FEATURES)
		dev_negotiate(&dev, ~UINT64_C(0));
	if (phase >= PHASE_QUEUE)
		dev_queue_setup(&dev, QUEUE_MAX);
	if (phase >= PHASE_LIVE)
		dev_live(&dev);
	if (phase >= PHASE_FAILED)
		reg_write(&dev, REG_STATUS, STATUS_LIVE | STATUS_FAILED);
}

/* Every byte of the registers and of what follows, at every width: reads, then zeros, then ones. */
GUEST_TEST(reg_sweep)
{
	const enum phase phase = (enum phase)arg_u64("phase", PHASE_RESET);

	check(phase < PHASES, "phase %u", phase);
	for (unsigned int what = 0; what < 3; what++) {
		phase_enter(phase);
		for (uint64_t offset = 0; offset < 0x140; offset++) {
			for (unsigned int width = 1; width <= 8; width *= 2) {
				if (what == 0)
					(void)mmio_read(dev.base + offset, width);
				else
					mmio_write(dev.base + offset, what == 1 ? 0 : ~UINT64_C(0),
						   width);
			}
		}
		for (uint64_t offset = 0x140; offset < 0x1000 - 8; offset += 61)
			mmio_write(dev.base + offset, ~UINT64_C(0), 8);
	}
	check_eq(reg_read(&dev, REG_MAGIC), 0x74726976, "magic");
	dev_recover(&dev);
}

/* What only can be read does not change by writing, in any phase. */
GUEST_TEST(reg_read_only)
{
	static const uint16_t fixed[] = { REG_MAGIC, REG_VERSION, REG_DEVICE_ID, REG_VENDOR_ID,
					  REG_DEVICE_FEATURES, REG_QUEUE_NUM_MAX,
					  REG_CONFIG_GENERATION, REG_CONFIG, REG_CONFIG + 4 };

	for (enum phase phase = PHASE_RESET; phase < PHASES; phase++) {
		phase_enter(phase);
		for (unsigned int i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
			const uint32_t before = reg_read(&dev, fixed[i]);

			reg_write(&dev, fixed[i], ~before);
			check_eq(reg_read(&dev, fixed[i]), before, "a register that is read-only");
		}
	}
	/* 4.2.2: a region of shared memory that is not there has the length 2^64 - 1. */
	for (uint32_t id = 0; id < 3; id++) {
		reg_write(&dev, REG_SHM_SEL, id);
		check_eq(reg_read(&dev, REG_SHM_LEN), 0xffffffff, "shared memory");
		check_eq(reg_read(&dev, REG_SHM_LEN + 4), 0xffffffff, "shared memory");
	}
	dev_recover(&dev);
}

static void features_refused(uint64_t features, const char *what)
{
	dev_reset(&dev);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	dev_features_write(&dev, features);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	/* 2.2.2: the device must not accept what it has not offered, nor (6.1) a legacy driver. */
	check(!(reg_read(&dev, REG_STATUS) & STATUS_FEATURES_OK), "%s", what);
}

GUEST_TEST(reg_features)
{
	uint64_t offered;

	dev_find(&dev);
	offered = dev_offered(&dev);
	for (unsigned int bit = 0; bit < 64; bit++)
		if (!(offered & UINT64_C(1) << bit))
			features_refused(F_VERSION_1 | UINT64_C(1) << bit, "a feature not offered");
	features_refused(~UINT64_C(0), "all features");
	features_refused(0, "no features");
	features_refused(offered & ~F_VERSION_1, "no VIRTIO_F_VERSION_1");
	/* What an earlier driver accepted is gone after the reset. */
	dev_recover(&dev);
	dev_reset(&dev);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	check(!(reg_read(&dev, REG_STATUS) & STATUS_FEATURES_OK), "features of before the reset");
	dev_reset(&dev);
	/* Banks that do not exist are empty, and nothing written to them has an effect. */
	for (uint32_t bank = 2; bank != 0; bank = bank * 2 + 1) {
		reg_write(&dev, REG_DEVICE_FEATURES_SEL, bank);
		check_eq(reg_read(&dev, REG_DEVICE_FEATURES), 0, "features that do not exist");
		reg_write(&dev, REG_DRIVER_FEATURES_SEL, bank);
		reg_write(&dev, REG_DRIVER_FEATURES, 0xffffffff);
		if (bank == 0xffffffff)
			break;
	}
	/* After FEATURES_OK it is too late: what was agreed on stays. */
	phase_enter(PHASE_QUEUE);
	dev_features_write(&dev, 0);
	dev_live(&dev);
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "features as agreed on");
	dev_recover(&dev);
}

static void expect_dead(const char *what)
{
	blk_request_set(&dev, BLK_IN, 0, blk_data, 512);
	ring_put(&dev, 0);
	for (unsigned int i = 0; i < 10; i++)
		ring_kick(&dev);
	breathe();
	check_eq(dev.used->idx, 0, what);
	check_eq(blk_status, BLK_NO_STATUS, what);
}

/* 3.1.1: no buffer is used before DRIVER_OK, and DRIVER_OK comes after FEATURES_OK. */
GUEST_TEST(reg_order)
{
	static const uint32_t status[] = {
		STATUS_DRIVER_OK, STATUS_FEATURES_OK, STATUS_DRIVER,
		STATUS_DRIVER | STATUS_DRIVER_OK, STATUS_ACKNOWLEDGE | STATUS_DRIVER_OK,
		STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK,
		STATUS_FEATURES_OK | STATUS_DRIVER_OK,
		STATUS_NEEDS_RESET, STATUS_NEEDS_RESET | STATUS_LIVE, 0x10, 0xffffff00,
	};

	for (enum phase phase = PHASE_RESET; phase < PHASE_LIVE; phase++) {
		phase_enter(phase);
		expect_dead("a device that is not live");
	}
	for (unsigned int i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		phase_enter(PHASE_RESET);
		reg_write(&dev, REG_STATUS, status[i]);
		dev_queue_write(&dev, dev.size, gpa_of(dev.desc), gpa_of(dev.avail),
				gpa_of(dev.used));
		reg_write(&dev, REG_STATUS, status[i]);
		expect_dead("a status out of order");
		check_eq(reg_read(&dev, REG_STATUS) & STATUS_DRIVER_OK, 0, "DRIVER_OK out of order");
		check(!(reg_read(&dev, REG_STATUS) & STATUS_NEEDS_RESET) ||
		      !(status[i] & STATUS_NEEDS_RESET), "NEEDS_RESET is not the driver's to set");
	}
	/* Straight to the end, without the negotiation, which DRIVER_OK alone would have needed. */
	phase_enter(PHASE_DRIVER);
	dev_queue_write(&dev, dev.size, gpa_of(dev.desc), gpa_of(dev.avail), gpa_of(dev.used));
	reg_write(&dev, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
	expect_dead("DRIVER_OK without FEATURES_OK");
	check_eq(reg_read(&dev, REG_STATUS) & STATUS_DRIVER_OK, 0, "DRIVER_OK out of order");
	phase_enter(PHASE_FAILED);
	expect_dead("a driver that has given up");
	dev_recover(&dev);
}

/* 2.1.1: bits are not taken back but by a reset. */
GUEST_TEST(reg_status_bits)
{
	phase_enter(PHASE_LIVE);
	for (uint32_t value = 1; value < STATUS_LIVE; value++)
		reg_write(&dev, REG_STATUS, value);
	check_eq(reg_read(&dev, REG_STATUS) & STATUS_LIVE, STATUS_LIVE, "status");
	for (unsigned int width = 1; width <= 8; width *= 2)
		if (width != 4)
			mmio_write(dev.base + REG_STATUS, 0, width);
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "still live");
	dev_recover(&dev);
}

GUEST_TEST(reg_notify)
{
	static const uint32_t queues[] = { 1, 2, 7, 8, 9, 255, 0xffff, 0x10000, 0x80000000,
					   0xffffffff };

	for (enum phase phase = PHASE_RESET; phase < PHASES; phase++) {
		phase_enter(phase);
		for (unsigned int i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
			reg_write(&dev, REG_QUEUE_NOTIFY, queues[i]);
		for (unsigned int width = 1; width <= 8; width *= 2)
			mmio_write(dev.base + REG_QUEUE_NOTIFY, 0, width);
		if (phase == PHASE_LIVE)
			check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "a read");
	}
	dev_recover(&dev);
}

/* Queues that do not exist, and the one that does, changed while it is in use. */
GUEST_TEST(reg_queues)
{
	for (uint32_t queue = 1; queue != 0; queue *= 2) {
		phase_enter(PHASE_FEATURES);
		reg_write(&dev, REG_QUEUE_SEL, queue);
		check_eq(reg_read(&dev, REG_QUEUE_NUM_MAX), 0, "a queue that does not exist");
		reg_write(&dev, REG_QUEUE_NUM, 16);
		reg_write64(&dev, REG_QUEUE_DESC, gpa_of(dev.desc));
		reg_write(&dev, REG_QUEUE_READY, 1);
		check_eq(reg_read(&dev, REG_QUEUE_READY), 0, "a queue that does not exist");
	}
	phase_enter(PHASE_LIVE);
	dev_queue_write(&dev, 3, 0, ~UINT64_C(0), MMIO_GAP_START);
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "a live queue stays");
	for (uint32_t value = 2; value != 0; value *= 2)
		reg_write(&dev, REG_QUEUE_READY, value);
	check_eq(blk_request(&dev, BLK_IN, 1, blk_data, 512), BLK_OK, "QueueReady is 0 or 1");
	/* A queue that was stopped answers nobody, whatever else is written, until the reset. */
	reg_write(&dev, REG_QUEUE_READY, 0);
	check_eq(reg_read(&dev, REG_QUEUE_READY), 0, "stopped");
	dev.used->idx = 0;
	expect_dead("a stopped queue");
	/* DRIVER_OK with no queue at all: nothing to do, and no harm. */
	phase_enter(PHASE_FEATURES);
	dev_live(&dev);
	expect_dead("no queue");
	dev_recover(&dev);
}

/* The configuration space at every width and alignment: the same bytes, and none behind its end. */
GUEST_TEST(reg_config)
{
	uint8_t bytes[64];

	dev_find(&dev);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)mmio_read(dev.base + REG_CONFIG + i, 1);
	check_eq(load64(bytes), arg_u64("sectors", 0), "capacity, byte by byte");
	for (unsigned int width = 2; width <= 8; width *= 2)
		for (unsigned int i = 0; i + width <= sizeof(bytes); i++)
			check_eq(mmio_read(dev.base + REG_CONFIG + i, width),
				 load64(bytes + i) & ~UINT64_C(0) >> (64 - 8 * width), "config");
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = REG_CONFIG; offset + width <= 0x1000; offset += 97) {
			mmio_write(dev.base + offset, ~UINT64_C(0), width);
			(void)mmio_read(dev.base + offset, width);
		}
	check_eq(blk_capacity(&dev), arg_u64("sectors", 0), "capacity");
	dev_recover(&dev);
}

/* Acknowledging what was not raised, and what was. */
GUEST_TEST(reg_interrupt)
{
	phase_enter(PHASE_LIVE);
	for (unsigned int i = 0; i < 32; i++)
		reg_write(&dev, REG_INTERRUPT_ACK, UINT32_C(1) << i);
	check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), 0, "nothing raised");
	reg_write(&dev, REG_INTERRUPT_STATUS, 0xffffffff);
	check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), 0, "not the driver's to raise");
	dev.avail->ring[dev.size] = 0;
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "read");
	while (reg_read(&dev, REG_INTERRUPT_STATUS) != INTERRUPT_USED)
		;
	reg_write(&dev, REG_INTERRUPT_ACK, INTERRUPT_CONFIG);
	check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), INTERRUPT_USED, "the other bit");
	reg_write(&dev, REG_INTERRUPT_ACK, 0xffffffff);
	check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), 0, "acknowledged");
	dev.avail->ring[dev.size] = dev.used_idx;
	check_eq(blk_request(&dev, BLK_IN, 0, blk_data, 512), BLK_OK, "read");
	while (reg_read(&dev, REG_INTERRUPT_STATUS) != INTERRUPT_USED)
		;
	dev_reset(&dev);
	check_eq(reg_read(&dev, REG_INTERRUPT_STATUS), 0, "after the reset");
	dev_recover(&dev);
}

/* Thousands of resets, from every phase, with and without a request under way. */
GUEST_TEST(reg_resets)
{
	const uint64_t count = arg_u64("count", 4000);

	dev_open(&dev);
	for (uint64_t i = 0; i < count; i++) {
		if (i % 50 == 0) {
			phase_enter((enum phase)(i / 50 % PHASES));
			blk_request_set(&dev, BLK_IN, 0, blk_data, 4096);
			ring_put(&dev, 0);
			ring_kick(&dev);
		}
		dev_reset(&dev);
	}
	dev_recover(&dev);
}

/* A deterministic storm of register accesses. */
GUEST_TEST(reg_storm)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 7, 8, 0xf, 0xb, 0x40, 0x80, 0xff, 256,
					   0x8000, 0xffff, 0x7fffffff, 0xffffffff };
	uint64_t seed = arg_u64("seed", 1) * 2 + 1;
	const uint64_t count = arg_u64("count", 8000);

	dev_open(&dev);
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t r = random_next(&seed);
		const unsigned int width = (r & 7) == 0 ? 1u << (r >> 3 & 3) : 4;
		const uint64_t offset = (r & 0x30) == 0 ? r >> 8 & 0xfff : r >> 8 & 0xfc;
		const uint64_t value = (r & 0x40) == 0 ? random_next(&seed) : values[r >> 20 & 15];

		if (offset > 0x1000 - 8)
			continue;
		/* The ring registers only get addresses at which the guest loses nothing. */
		if (offset >= REG_QUEUE_DESC - 7 && offset < REG_SHM_SEL) {
			reg_write64(&dev, REG_QUEUE_DESC + (r >> 20 & 3) * 0x10,
				    UINT64_C(0x400000) + (r >> 24 & 0xfffff));
			continue;
		}
		if (r >> 32 & 3)
			mmio_write(dev.base + offset, value, width);
		else
			(void)mmio_read(dev.base + offset, width);
		if ((r >> 36 & 63) == 0)
			phase_enter((enum phase)(r >> 44 & 0xff) % PHASES);
	}
	dev_recover(&dev);
}
