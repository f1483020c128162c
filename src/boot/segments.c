/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segments.c - the segments of both entries and, for 64-bit entry, the GDT that describes them. KVM
 * takes limits in bytes whatever the granularity bit says; a descriptor counts 4 KiB pages when
 * that bit is set (Intel SDM volume 3, 3.4.5).
 */
#include <errno.h>

#include "base/util.h"
#include "boot/info.h"

/* Types: code that is readable and was accessed, data likewise, a busy TSS of 32 or 64 bits. */
#define SEGMENT_CODE	0xb
#define SEGMENT_DATA	0x3
#define SEGMENT_TSS	0xb

const struct kvm_segment segment_code64 = {
	.limit = UINT32_MAX, .selector = GDT_CODE * 8, .type = SEGMENT_CODE, .s = 1, .present = 1,
	.l = 1, .g = 1,
};

const struct kvm_segment segment_code32 = {
	.limit = UINT32_MAX, .selector = GDT_CODE * 8, .type = SEGMENT_CODE, .s = 1, .present = 1,
	.db = 1, .g = 1,
};

const struct kvm_segment segment_data = {
	.limit = UINT32_MAX, .selector = GDT_DATA * 8, .type = SEGMENT_DATA, .s = 1, .present = 1,
	.db = 1, .g = 1,
};

/* 0x67 is the last byte of a TSS, which PVH asks for; nothing ever reads it. */
const struct kvm_segment segment_tss = {
	.limit = 0x67, .selector = GDT_TSS * 8, .type = SEGMENT_TSS, .present = 1,
};

/* All bases here are 0. */
static uint64_t segment_descriptor(const struct kvm_segment *seg)
{
	uint64_t limit = seg->g ? seg->limit / PAGE_SIZE_4K : seg->limit;

	return (limit & 0xffff) | (limit >> 16 & 0xf) << 48 | (uint64_t)seg->type << 40 |
	       (uint64_t)seg->s << 44 | (uint64_t)seg->dpl << 45 | (uint64_t)seg->present << 47 |
	       (uint64_t)seg->l << 53 | (uint64_t)seg->db << 54 | (uint64_t)seg->g << 55;
}

int gdt_write(struct guest_memory *mem, struct error *err)
{
	uint64_t gdt[GDT_ENTRIES] = {
		[GDT_CODE] = segment_descriptor(&segment_code64),
		[GDT_DATA] = segment_descriptor(&segment_data),
		[GDT_TSS] = segment_descriptor(&segment_tss),	/* its upper half is 0 */
	};

	if (guest_memory_write(mem, LAYOUT_GDT, gdt, sizeof(gdt)) < 0)
		return error_set(err, -EFAULT, "guest memory ends below the GDT");
	return 0;
}
