/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs.c - the boot processor's first registers. Linux's 64-bit protocol (arch/x86/boot.rst) wants
 * long mode with an identity map, flat segments and RSI = boot_params; PVH (Xen's docs/misc/pvh)
 * 32-bit protected mode without paging, flat segments, a TSS and EBX = start_info. Interrupts are
 * off in both. The other processors stay as KVM made them, waiting for their start-up IPI.
 */
#include "boot/info.h"

#define CR0_PE		(1u << 0)
#define CR0_ET		(1u << 4)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define RFLAGS_ALWAYS_1	(1u << 1)

static void regs_set_segments(struct kvm_sregs *sregs, const struct kvm_segment *code)
{
	sregs->cs = *code;
	sregs->ds = segment_data;
	sregs->es = segment_data;
	sregs->fs = segment_data;
	sregs->gs = segment_data;
	sregs->ss = segment_data;
	sregs->tr = segment_tss;
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
}

static void regs_set_linux64(const struct kernel *kernel, struct kvm_sregs *sregs,
			     struct kvm_regs *regs)
{
	regs_set_segments(sregs, &segment_code64);
	sregs->gdt = (struct kvm_dtable){ .base = LAYOUT_GDT, .limit = GDT_ENTRIES * 8 - 1 };
	sregs->cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs->cr3 = LAYOUT_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	*regs = (struct kvm_regs){
		.rip = kernel->entry,
		.rsi = LAYOUT_BOOT_PARAMS,
		.rsp = LAYOUT_STACK,
		.rflags = RFLAGS_ALWAYS_1,
	};
}

static void regs_set_pvh(const struct kernel *kernel, struct kvm_sregs *sregs,
			 struct kvm_regs *regs)
{
	regs_set_segments(sregs, &segment_code32);
	sregs->gdt = (struct kvm_dtable){ 0 };
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr3 = 0;
	sregs->cr4 = 0;
	sregs->efer = 0;
	*regs = (struct kvm_regs){
		.rip = kernel->entry,
		.rbx = LAYOUT_PVH_INFO,
		.rsp = LAYOUT_STACK,
		.rflags = RFLAGS_ALWAYS_1,
	};
}

void boot_vcpu_regs(const struct kernel *kernel, struct kvm_sregs *sregs,
		    struct kvm_regs *ret_regs)
{
	if (kernel->protocol == KERNEL_PVH)
		regs_set_pvh(kernel, sregs, ret_regs);
	else
		regs_set_linux64(kernel, sregs, ret_regs);
}
