/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VOLT_BOOT_DSDT_H
#define VOLT_BOOT_DSDT_H

#include "boot/aml.h"
#include "boot/boot.h"

/* Append the DSDT's terms, which describe the devices, to @aml. Private to boot/. */
void dsdt_write(struct aml *aml, const struct boot_machine *machine);

#endif
