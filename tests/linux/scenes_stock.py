# SPDX-License-Identifier: Apache-2.0
"""
Scenes: Debian's stock kernels. volt-init in the initramfs loads the modules and goes on from the
disk, which these kernels find through ACPI alone.
"""

import voltlib


def _guest(series, guest, **keywords):
    return {"kernel": f"stock_{series}", "initrd": f"initramfs_{series}", "memory": "256M",
            "guest": guest, **keywords}


def workload(lab, series, cpus):
    """Find everything, run, power off with a status."""
    disk = lab.copy("rootfs")
    result = lab.run(**_guest(series, "stock 5", disk=disk, cpus=cpus))
    return {"guest": result, "copied": lab.text(disk, "/copied"), "fsck": lab.fsck(disk)}


def button(lab, series):
    """SIGTERM, the ACPI event device, the button's driver, an input event, volt-init."""
    disk = lab.copy("rootfs")
    with lab.start(**_guest(series, "write_and_wait button", disk=disk)) as vm:
        vm.wait_for(b"= written yes")
        vm.signal(voltlib.SIGTERM)
        result = vm.finish()
    return {"guest": result, "kept": lab.text(disk, "/kept"), "fsck": lab.fsck(disk)}


def reset_register(lab, series):
    """The kernel's own way to reboot, by the FADT's reset register."""
    return {"guest": lab.run("--cmdline", "console=ttyS0 panic=-1 pci=off reboot=a",
                             **_guest(series, "reboot"))}
