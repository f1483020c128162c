# SPDX-License-Identifier: Apache-2.0
"""Scenes: kernel formats, root file systems, how a guest ends."""

import os
import time

import voltlib


def hello(lab, kernel):
    """A guest with nothing but an initramfs."""
    return {"guest": lab.run(kernel=kernel, initrd="initramfs", guest="hello")}


def status(lab, number):
    """A workload that ends with a status, given as a shell's command line."""
    return {"guest": lab.run(initrd="initramfs", arguments=f'/bin/sh -c "exit {number}"')}


def boots_in_a_row(lab, number):
    """KVM's first VM and its last one, again and again."""
    return {"guests": [lab.run(initrd="initramfs", arguments=f'/bin/sh -c "exit {turn}"')
                       for turn in range(int(number))]}


def last_words(lab):
    """A workload that ends while its output is still in the kernel's buffer."""
    return {"guests": [lab.run(initrd="initramfs", guest="last_words") for _ in range(3)]}


def workload_reboots(lab, kind):
    """The guest resets itself by the method that the kernel calls @kind."""
    return {"guest": lab.run("--cmdline", f"console=ttyS0 panic=-1 reboot={kind}",
                             initrd="initramfs", guest="reboot")}


def panic(lab):
    """A guest whose process 1 ends."""
    return {"guest": lab.run(initrd="initramfs", cmdline="rdinit=/bin/true")}


def _ends(lab, *signals, after=b"= written yes", **keywords):
    """A guest that gets signals, the first one @after its output has these bytes."""
    with lab.start(**keywords) as vm:
        vm.wait_for(after)
        for number in signals:
            vm.signal(number)
        return vm.finish()


def sigterm(lab, *cmdline):
    """The button, at work on a disk: nothing of it may be lost."""
    disk = lab.copy("rootfs")
    result = _ends(lab, voltlib.SIGTERM, disk=disk, guest="write_and_wait SIGTERM",
                   cmdline=" ".join(cmdline))
    return {"guest": result, "kept": lab.text(disk, "/kept"), "fsck": lab.fsck(disk)}


def sigint(lab):
    """The same by SIGINT, without a disk."""
    return {"guest": _ends(lab, voltlib.SIGINT, initrd="initramfs", guest="write_and_wait SIGINT")}


def sigterm_early(lab):
    """The button, as soon as there is a vCPU thread: long before the guest asks for it."""
    with lab.start(initrd="initramfs", guest="write_and_wait SIGTERM") as vm:
        while len(os.listdir(f"/proc/{vm.vm_pid}/task")) < 2:
            time.sleep(0.01)
        seen = len(vm.out)
        vm.signal(voltlib.SIGTERM)
        return {"guest": vm.finish(), "seen": seen}


def sigterm_twice(lab):
    """A guest without an init that hears the button, and no patience."""
    with lab.start(initrd="initramfs", cmdline="rdinit=/bin/guest",
                   arguments="ticks 100000") as vm:
        vm.wait_for(b"= tick 1\r")
        vm.signal(voltlib.SIGTERM)
        # Still there: the guest does not know what a button is.
        at = vm.wait_for(b"= tick ", start=len(vm.out))
        vm.wait_for(b"= tick ", start=at)
        vm.signal(voltlib.SIGTERM)
        return {"guest": vm.finish()}


def sigterm_ignored(lab):
    """The same with patience: the monitor's own clock ends it."""
    return {"guest": _ends(lab, voltlib.SIGTERM, after=b"= tick 1\r", initrd="initramfs",
                           cmdline="rdinit=/bin/guest", arguments="ticks 100000")}
