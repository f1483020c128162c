/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what a machine is to be, filled by the command line and validated once, whole, before
 * anything is opened. After that nothing re-parses.
 */
#ifndef VOLT_VMM_CONFIG_H
#define VOLT_VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/util.h"

#define CONFIG_MEMORY_DEFAULT	MIB(128)
#define CONFIG_MEMORY_MIN	MIB(16)
#define CONFIG_CPUS_DEFAULT	1

/*
 * The console on the first serial port; resets through the keyboard controller, the quickest way;
 * a panic ends the VM at once; there is no PCI bus to look for.
 */
#define CONFIG_CMDLINE_DEFAULT	"console=ttyS0 reboot=k panic=-1 pci=off"

/* The strings belong to whoever filled the object and outlive the machine. NULL: not given. */
struct machine_config {
	const char *kernel;
	const char *initrd;
	const char *rootfs;
	bool rootfs_read_only;
	uint64_t memory;		/* bytes */
	uint64_t cpus;
	bool huge_pages;
	const char *cmdline;		/* instead of CONFIG_CMDLINE_DEFAULT */
	const char *cmdline_append;	/* after it */
};

#define MACHINE_CONFIG_DEFAULT { .memory = CONFIG_MEMORY_DEFAULT, .cpus = CONFIG_CPUS_DEFAULT }

/* Check every value; the error names the option, its value, the reason and the remedy. -EINVAL. */
int machine_config_check(const struct machine_config *config, struct error *err);

#endif
