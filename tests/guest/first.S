/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest guest: it sends one byte to the serial port as soon as it runs, then powers off. For
 * measuring how long a machine takes from its process's start to the guest's first instructions.
 */
	.section .text.start, "ax"
	.code64
	.globl guest_start
guest_start:
	mov $0x3f8, %edx
	mov $'!', %al
	out %al, (%dx)
	mov $0x600, %edx
	mov $(5 << 2 | 0x20), %al
	out %al, (%dx)
0:	hlt
	jmp 0b

	.section .note.GNU-stack, "", @progbits
