/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - the guest physical map below 1 MiB, the MMIO gap, I/O ports and interrupt lines: every
 * address that the monitor chooses, in one table.
 *
 *	0x00000500  GDT				0x00020000  command line (<= LAYOUT_CMDLINE_MAX)
 *	0x00006000  PVH start_info, modlist, map	0x0009fc00  MP table, then ACPI tables
 *	0x00007000  boot_params (zero page)	0x000e0000  ACPI RSDP (where BIOS scans look)
 *	0x00009000  page tables (PML4, PDPT, 4 PD)	0x00100000  kernel
 */
#ifndef VOLT_BOOT_LAYOUT_H
#define VOLT_BOOT_LAYOUT_H

#include "guestmem/guestmem.h"

#define LAYOUT_GDT		UINT64_C(0x500)
#define LAYOUT_PVH_INFO		UINT64_C(0x6000)
#define LAYOUT_BOOT_PARAMS	UINT64_C(0x7000)
#define LAYOUT_STACK		UINT64_C(0x9000)	/* grows down; kernels bring their own */
#define LAYOUT_PAGE_TABLES	UINT64_C(0x9000)	/* 6 pages, up to 0xf000 */
#define LAYOUT_CMDLINE		UINT64_C(0x20000)
#define LAYOUT_CMDLINE_MAX	4096			/* with the final NUL */
#define LAYOUT_SYSTEM		UINT64_C(0x9fc00)	/* end of usable low RAM, MP table */
#define LAYOUT_ACPI		UINT64_C(0xa1000)	/* ACPI tables up to LAYOUT_RSDP */
#define LAYOUT_RSDP		UINT64_C(0xe0000)
#define LAYOUT_HIGH_MEMORY	UINT64_C(0x100000)

/* Devices in the MMIO gap: one 4 KiB window each, in the order of their interrupt lines. */
#define LAYOUT_VIRTIO_BASE	UINT64_C(0xc0001000)
#define LAYOUT_VIRTIO_STRIDE	UINT64_C(0x1000)
#define LAYOUT_VIRTIO_MAX	16
#define LAYOUT_IOAPIC		UINT64_C(0xfec00000)
#define LAYOUT_LAPIC		UINT64_C(0xfee00000)
#define LAYOUT_TSS		UINT64_C(0xfffbd000)	/* three pages that Intel's VT-x wants */

/* Interrupt lines (GSIs = IOAPIC pins); all edge-triggered, active high. */
#define LAYOUT_IOAPIC_PINS	24
#define LAYOUT_GSI_SERIAL	4
#define LAYOUT_GSI_POWER	5
#define LAYOUT_GSI_VIRTIO	6			/* and the LAYOUT_VIRTIO_MAX - 1 after it */

/* I/O ports. */
#define LAYOUT_PORT_I8042_DATA	0x60
#define LAYOUT_PORT_I8042_CMD	0x64
#define LAYOUT_PORT_SERIAL	0x3f8			/* 8 ports */
#define LAYOUT_PORT_POWER	0x600			/* 8 ports, see devices/power.h */

_Static_assert(LAYOUT_GSI_VIRTIO + LAYOUT_VIRTIO_MAX <= LAYOUT_IOAPIC_PINS,
	       "a line for every virtio device");
_Static_assert(LAYOUT_VIRTIO_BASE >= GUEST_MMIO_GAP_START &&
	       LAYOUT_VIRTIO_BASE + LAYOUT_VIRTIO_MAX * LAYOUT_VIRTIO_STRIDE <= LAYOUT_IOAPIC,
	       "virtio windows lie in the MMIO gap");

#endif
