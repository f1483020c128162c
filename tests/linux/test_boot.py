# SPDX-License-Identifier: Apache-2.0
"""Kernel formats, and how a guest ends."""

import pytest

import elfnote
from support import scenes

FILES = ["vmlinux", "vmlinux_without_pvh", "bzimage", "initramfs", "rootfs"]

# What the kernel's own entry by the PVH note says of its loader, and what the monitor says of
# itself in the boot protocol: "unknown". (/proc/sys/kernel/bootloader_type)
LOADER_PVH, LOADER_UNKNOWN = "176", "255"


@pytest.mark.parametrize("run, loader, has_setup", [
    ("hello vmlinux", LOADER_PVH, False),
    ("hello vmlinux_without_pvh", LOADER_UNKNOWN, False),
    ("hello bzimage", LOADER_UNKNOWN, True),
], indirect=["run"])
def test_kernel_format(run, loader, has_setup):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert guest.last == "volt-vmm: guest powered off, status 0", guest
    assert "VOLT VM READY" in guest.out, guest
    assert guest.fact("loader") == loader, guest
    # Only a bzImage brings a setup header with the size of its real-mode part.
    assert (guest.fact("setup_sects") != "0") == has_setup, guest
    assert guest.fact("disk") == "none", guest
    assert guest.fact("pid1").startswith("/init"), guest


def test_pvh_note_is_gone(files):
    with open(files.get("vmlinux"), "rb") as image:
        assert len(elfnote.pvh_notes(image.read())) == 1
    with open(files.get("vmlinux_without_pvh"), "rb") as image:
        assert elfnote.pvh_notes(image.read()) == []


@pytest.mark.parametrize("run, status, last", [
    ("status 7", 7, "status 7"),
    ("status 255", 199, "255"),
], indirect=["run"])
def test_workload_status(run, status, last):
    guest = run["guest"]
    assert guest.status == status, guest
    assert last in guest.last, guest


@scenes("boots_in_a_row 50")
def test_one_boot_is_like_the_other(run):
    for number, guest in enumerate(run["guests"]):
        assert guest.status == number, guest
        assert "VOLT VM READY" in guest.out, guest


@scenes("last_words")
def test_last_words_are_heard(run):
    said = " ".join(str(number) for number in range(1, 901))
    for guest in run["guests"]:
        assert guest.status == 0, guest
        assert said in guest.out.splitlines(), guest


@pytest.mark.parametrize("run, status", [
    ("workload_reboots k", 200),
    ("workload_reboots t", 201),
], indirect=["run"])
def test_reboot(run, status):
    guest = run["guest"]
    assert guest.fact("asked") == "yes"
    assert guest.status == status, guest


@scenes("panic")
def test_panic(run):
    guest = run["guest"]
    assert "Kernel panic - not syncing: Attempted to kill init!" in guest.out, guest
    assert guest.status == 200, guest


# Without ACPI, the disk comes by the command line, and volt-init itself asks for the button.
@scenes("sigterm", "sigterm acpi=off")
def test_sigterm_powers_off_in_order(run):
    guest = run["guest"]
    # 143: the workload's own end, by the SIGTERM that volt-init passes on.
    assert guest.status == 143, guest
    assert guest.last.startswith("volt-vmm: guest powered off"), guest
    assert run["kept"] == "kept by SIGTERM\n", guest
    assert run["fsck"][0] == 0, run["fsck"]


@scenes("sigint", "sigterm_early")
def test_signal_is_not_lost(run):
    guest = run["guest"]
    assert run.get("seen", 0) == 0, "the guest was up already"
    assert guest.status == 143, guest
    assert guest.last.startswith("volt-vmm: guest powered off"), guest


@scenes("sigterm_twice")
def test_second_sigterm_ends_at_once(run):
    guest = run["guest"]
    assert guest.status == 202, guest
    assert "second request" in guest.last, guest


@scenes("sigterm_ignored")
def test_sigterm_without_an_answer(run):
    guest = run["guest"]
    assert guest.status == 203, guest
    assert "waited 30 s" in guest.last, guest
