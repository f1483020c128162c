/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot/ - from a kernel file to a vCPU that can run it: images (ELF with a PVH note, ELF by the
 * 64-bit boot protocol, bzImage), initrd, command line, memory map, MP table, ACPI tables, and the
 * first register values. Knows addresses and lines of devices, nothing of their inner life.
 *
 * All functions run on the thread that builds the machine, before any vCPU runs.
 */
#ifndef VOLT_BOOT_H
#define VOLT_BOOT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "boot/layout.h"
#include "guestmem/guestmem.h"

enum kernel_protocol {
	KERNEL_LINUX64,		/* 64-bit boot protocol: long mode, RSI = boot_params */
	KERNEL_PVH,		/* PVH: 32-bit protected mode, EBX = start_info */
};

/* What kernel_load() found out about the image and where it put it. */
struct kernel {
	enum kernel_protocol protocol;
	const char *format;	/* "ELF", "ELF with PVH entry", "bzImage": for messages */
	uint64_t entry;		/* first instruction, guest physical */
	uint64_t start, end;	/* the guest physical range that it occupies or unpacks to */
	uint64_t initrd_max;	/* highest address that an initrd's last byte may have */
	uint32_t cmdline_max;	/* longest command line it takes, without the NUL */
	uint32_t setup_header_len;	/* bytes in setup_header; 0 unless a bzImage */
	uint8_t setup_header[128];	/* from file offset 0x1f1, for boot_params */
};

/*
 * Tell the image's format from its content, check it whole and load it. @fd is a regular file open
 * for reading; @name is used in messages. Nothing in the file is trusted.
 * Errors: -ENOEXEC (not a kernel this monitor can boot; says what it is instead), -E2BIG (does not
 * fit the guest's memory), -ENODATA (truncated), I/O errors.
 */
int kernel_load(int fd, const char *name, struct guest_memory *mem, struct kernel *ret_kernel,
		struct error *err);

struct initrd {
	uint64_t gpa, size;	/* size 0: none */
};

/*
 * Load the initrd as high in low RAM as @kernel allows, page-aligned, never over the kernel.
 * Errors: -EINVAL (empty), -E2BIG (no room, says how much memory would do), I/O errors.
 */
int initrd_load(int fd, const char *name, struct guest_memory *mem, const struct kernel *kernel,
		struct initrd *ret_initrd, struct error *err);

/* A command line under construction. Zero it before use. */
struct cmdline {
	char text[LAYOUT_CMDLINE_MAX];
	uint32_t len;		/* without the NUL */
};

/*
 * Add a text with a space before it unless the line is empty. Whatever follows a " -- " belongs to
 * the guest's init: parameters (cmdline_add_param) are put before it, wherever it stands.
 * Errors: -E2BIG (longer than LAYOUT_CMDLINE_MAX - 1), -EINVAL (control characters, non-ASCII, or
 * a quotation mark without its counterpart); the line is then as it was.
 */
int cmdline_add(struct cmdline *line, const char *text, struct error *err);
int cmdline_add_param(struct cmdline *line, const char *param, struct error *err);

/*
 * Whether the kernel's part of the line has parameter @name: a whole word, or the start of one when
 * @name ends with '='. What is quoted within a value is no parameter.
 */
bool cmdline_has(const struct cmdline *line, const char *name);

/* What the tables tell the guest about the machine. */
struct boot_virtio {
	uint64_t base;		/* MMIO window of 4 KiB */
	uint32_t gsi;
};

struct boot_machine {
	unsigned int cpus;	/* APIC ids are 0..cpus-1 */
	unsigned int virtio_count;
	struct boot_virtio virtio[LAYOUT_VIRTIO_MAX];
};

/* Write the Intel MP table (MultiProcessor Specification 1.4) at LAYOUT_SYSTEM. -ENOSPC if full. */
int mptable_write(struct guest_memory *mem, const struct boot_machine *machine, struct error *err);

/*
 * Write the ACPI tables (RSDP at LAYOUT_RSDP; XSDT, FADT, MADT, DSDT at LAYOUT_ACPI), ACPI 6.3,
 * hardware-reduced. -ENOSPC if they do not fit.
 */
int acpi_write(struct guest_memory *mem, const struct boot_machine *machine, struct error *err);

/*
 * Write what the kernel's protocol asks for: boot_params or start_info with the memory map, the
 * command line, and for 64-bit entry the GDT and identity page tables (4 GiB, 2 MiB pages).
 * Errors: -E2BIG when the command line is longer than the kernel takes, -EFAULT.
 */
int boot_info_write(struct guest_memory *mem, const struct kernel *kernel,
		    const struct initrd *initrd, const struct cmdline *line, struct error *err);

/* Set the boot processor's registers; @sregs comes from KVM_GET_SREGS and is edited. */
void boot_vcpu_regs(const struct kernel *kernel, struct kvm_sregs *sregs,
		    struct kvm_regs *ret_regs);

#endif
