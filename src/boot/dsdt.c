/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dsdt.c - the devices, in AML. The guest interprets this on its way up, so it is as small as it
 * can be: names, resources, and one method of one test.
 *
 *	\_S5			sleep type 5 turns the machine off
 *	\_SB.COM1		the serial port (PNP0501)
 *	\_SB.PWRB		the power button (PNP0C0C)
 *	\_SB.GED		the power line's event device (ACPI0013): notifies the button
 *	\_SB.V000 ...		a virtio-mmio transport each (LNRO0005)
 */
#include <stdio.h>

#include "boot/dsdt.h"
#include "devices/power.h"

#define SERIAL_PORTS		8
#define NOTIFY_BUTTON_PRESSED	0x80	/* ACPI 6.3, 4.8.2.2.1.2 */

static void dsdt_sleep(struct aml *aml)
{
	size_t package;

	aml_name(aml, "\\_S5");
	package = aml_package(aml, 2);
	aml_integer(aml, POWER_SLP_TYP_S5);
	aml_integer(aml, POWER_SLP_TYP_S5);
	aml_end(aml, package);
}

static void dsdt_serial(struct aml *aml)
{
	size_t device = aml_device(aml, "COM1");
	size_t crs;

	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0501");
	aml_name_integer(aml, "_UID", 0);
	crs = aml_crs(aml);
	aml_resource_io(aml, LAYOUT_PORT_SERIAL, SERIAL_PORTS);
	aml_resource_edge_interrupt(aml, LAYOUT_GSI_SERIAL);
	aml_crs_end(aml, crs);
	aml_end(aml, device);
}

/* Reading the button clears it, so a line that fires twice presses once. */
static void dsdt_power_button(struct aml *aml)
{
	size_t device, crs, method, pressed;

	aml_port_field(aml, "PWRR", LAYOUT_PORT_POWER + POWER_BUTTON, "PRES");

	device = aml_device(aml, "PWRB");
	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0C0C");
	aml_end(aml, device);

	device = aml_device(aml, "GED");
	aml_name(aml, "_HID");
	aml_string(aml, "ACPI0013");
	crs = aml_crs(aml);
	aml_resource_edge_interrupt(aml, LAYOUT_GSI_POWER);
	aml_crs_end(aml, crs);
	method = aml_method(aml, "_EVT", 1);
	pressed = aml_if(aml);
	aml_path(aml, "PRES");
	aml_notify(aml, "PWRB", NOTIFY_BUTTON_PRESSED);
	aml_end(aml, pressed);
	aml_end(aml, method);
	aml_end(aml, device);
}

static void dsdt_virtio(struct aml *aml, unsigned int n, const struct boot_virtio *virtio)
{
	size_t device, crs;
	char name[8];

	snprintf(name, sizeof(name), "V%03u", n % 1000);
	device = aml_device(aml, name);
	aml_name(aml, "_HID");
	aml_string(aml, "LNRO0005");
	aml_name_integer(aml, "_UID", n);
	aml_name_integer(aml, "_CCA", 1);	/* its memory accesses are cache-coherent */
	crs = aml_crs(aml);
	aml_resource_memory(aml, (uint32_t)virtio->base, (uint32_t)LAYOUT_VIRTIO_STRIDE);
	aml_resource_edge_interrupt(aml, virtio->gsi);
	aml_crs_end(aml, crs);
	aml_end(aml, device);
}

void dsdt_write(struct aml *aml, const struct boot_machine *machine)
{
	size_t scope;

	dsdt_sleep(aml);
	scope = aml_scope(aml, "\\_SB");
	dsdt_serial(aml);
	dsdt_power_button(aml);
	for (unsigned int i = 0; i < machine->virtio_count; i++)
		dsdt_virtio(aml, i, &machine->virtio[i]);
	aml_end(aml, scope);
}
