/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first instructions: entry by the 64-bit boot protocol (RSI = boot_params, long mode,
 * identity-mapped), with PVH_ENTRY also by PVH (EBX = start_info, 32-bit protected mode without
 * paging); and the entry points of exceptions and interrupts.
 */
	.section .text.start, "ax"
	.code64
	.globl guest_start
guest_start:
	cld
	mov $guest_stack_end, %esp
	xor %ebp, %ebp
	mov %rsi, %rdi
	xor %esi, %esi
	call guest_main
0:	hlt
	jmp 0b

#ifdef PVH_ENTRY
	.code32
	.globl guest_start_pvh
guest_start_pvh:
	cld
	mov $guest_stack_end, %esp
	/* 4 GiB of identity-mapped 2 MiB pages. */
	mov $pvh_pd, %edi
	xor %ecx, %ecx
0:	mov %ecx, %eax
	shl $21, %eax
	or $0x83, %eax
	mov %eax, (%edi, %ecx, 8)
	inc %ecx
	cmp $2048, %ecx
	jne 0b
	mov $pvh_pd + 3, %eax
	mov %eax, pvh_pdpt
	add $0x1000, %eax
	mov %eax, pvh_pdpt + 8
	add $0x1000, %eax
	mov %eax, pvh_pdpt + 16
	add $0x1000, %eax
	mov %eax, pvh_pdpt + 24
	movl $pvh_pdpt + 3, pvh_pml4

	mov %cr4, %eax
	or $0x20, %eax			/* PAE */
	mov %eax, %cr4
	mov $pvh_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx		/* EFER */
	rdmsr
	or $0x100, %eax			/* LME */
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax		/* PG, PE */
	mov %eax, %cr0
	lgdt pvh_gdt_pointer
	ljmp $0x10, $pvh_long

	.code64
pvh_long:
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %edi, %edi
	mov %ebx, %esi
	call guest_main
0:	hlt
	jmp 0b

	.section .rodata
	.balign 8
pvh_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x18: data */
pvh_gdt_pointer:
	.word pvh_gdt_pointer - pvh_gdt - 1
	.long pvh_gdt

	.section .bss
	.balign 4096
pvh_pml4:
	.skip 4096
pvh_pdpt:
	.skip 4096
pvh_pd:
	.skip 4 * 4096

	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long guest_start_pvh
#endif

	/*
	 * One stub of 16 bytes for each of 64 vectors: what the CPU pushed, an error code (0 where
	 * the CPU pushes none) and the vector.
	 */
	.section .text
	.balign 16
	.globl guest_vectors
guest_vectors:
	vector = 0
	.rept 64
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	push $0
	.endif
	push $vector
	jmp vector_common
	vector = vector + 1
	.endr

vector_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	cld
	call guest_trap
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.section .bss
	.balign 16
	.skip 32768
	.globl guest_stack_end
guest_stack_end:

	.section .note.GNU-stack, "", @progbits
