# SPDX-License-Identifier: Apache-2.0
"""Debian's stock cloud kernels, on the monitor's default command line."""

import pytest

import known
from support import scenes
from test_cpus import check_processors

FILES = ["stock_6_1", "stock_6_12", "initramfs_6_1", "initramfs_6_12", "rootfs"]
# A newer KVM below than the other modules have.
TESTBED = ["--kernel=6.12"]

ACPI_TABLES = ["APIC", "DSDT", "FACP"]


@pytest.mark.parametrize("run, series, cpus", [
    (f"workload {series} {cpus}", series, cpus)
    for series in ("6_1", "6_12") for cpus in (1, 2)
], indirect=["run"])
def test_stock_kernel(run, series, cpus):
    guest = run["guest"]
    assert guest.status == 5, guest
    assert guest.fact("uname").startswith(series.replace("_", ".") + "."), guest
    assert "-cloud-" in guest.fact("uname"), guest
    # The disk, through ACPI: these kernels' driver takes no devices from the command line.
    assert [table for table in guest.fact("acpi").split() if table.isupper()] == ACPI_TABLES, guest
    assert guest.fact("virtio") == "1", guest
    assert guest.fact("parameter") == "", guest
    assert guest.fact("root") == "/dev/vda", guest
    assert guest.fact("mode") == "rw", guest
    assert run["copied"] == "hello from the host\n", guest
    assert run["fsck"][0] == 0, run["fsck"][1]
    # The 16550A is type 4.
    assert guest.fact("serial") == "4", guest
    assert guest.fact("button") != "0", guest
    # The kernel's own way to power off: _S5 and the sleep control register.
    assert "reboot: Power down" in guest.out, guest
    check_processors(guest, cpus)
    assert known.unknown(guest.complaints) == [], guest


@scenes("button 6_1", "button 6_12")
def test_sigterm_is_the_power_button(run):
    guest = run["guest"]
    assert guest.status == 143, guest
    assert guest.last.startswith("volt-vmm: guest powered off"), guest
    assert run["kept"] == "kept by button\n", guest
    assert run["fsck"][0] == 0, run["fsck"][1]


@scenes("reset_register 6_12")
def test_acpi_resets(run):
    guest = run["guest"]
    assert guest.fact("asked") == "yes", guest
    assert guest.status == 200, guest
