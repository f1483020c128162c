# SPDX-License-Identifier: Apache-2.0
"""Scenes: the disk, as the guest and as the host see it."""

import hashlib
import re

import voltlib


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _guest(lab, disk, guest, *flags, **keywords):
    return lab.run(*flags, disk=disk, guest=guest, **keywords)


def writable(lab):
    """What the guest writes is there afterwards, in a sound file system."""
    disk = lab.copy("rootfs")
    result = _guest(lab, disk, "disk")
    return {"guest": result, "sectors": disk.stat().st_size // 512,
            "written": lab.text(disk, "/written"), "fsck": lab.fsck(disk)}


def read_only(lab):
    """Nothing that the guest tries changes a byte of the image."""
    disk = lab.copy("rootfs")
    before = _hash(disk)
    result = _guest(lab, disk, "try_to_write", "--rootfs-readonly")
    return {"guest": result, "same": _hash(disk) == before}


def big_file(lab):
    """64 MiB of random data, read back by the guest and by the host."""
    disk = lab.copy("rootfs")
    grown = [lab.tool("truncate", "-s", "128M", disk), lab.tool("/sbin/resize2fs", "-f", disk)]
    result = _guest(lab, disk, "big_file", cpus=2)
    content = lab.cat(disk, "/big") or b""
    return {"guest": result, "grown": grown, "host": hashlib.md5(content).hexdigest(),
            "size": len(content), "fsck": lab.fsck(disk)}


def many_fsyncs(lab):
    """A flush after each small file."""
    disk = lab.copy("rootfs")
    result = _guest(lab, disk, "fsyncs 100")
    content = [lab.text(disk, f"/small/{number}") for number in range(1, 101)]
    return {"guest": result, "content": content, "fsck": lab.fsck(disk)}


def two_machines(lab):
    """One image and a second VM that wants to write it, or to read it."""
    disk = lab.copy("rootfs")
    with lab.start(disk=disk, guest="write_and_wait first") as first:
        first.wait_for(b"= written yes")
        second = _guest(lab, disk, "disk")
        reader = _guest(lab, disk, "disk", "--rootfs-readonly")
        first.signal(voltlib.SIGTERM)
        result = first.finish()
    return {"first": result, "second": second, "reader": reader,
            "kept": lab.text(disk, "/kept"), "fsck": lab.fsck(disk)}


def two_readers(lab):
    """One image read by two VMs at the same time."""
    disk = lab.copy("rootfs")
    with lab.start("--rootfs-readonly", disk=disk, guest="ticks 100000") as first:
        first.wait_for(b"= tick 1\r")
        second = _guest(lab, disk, "try_to_write", "--rootfs-readonly")
        at = len(first.out)
        first.wait_for(b"= tick ", start=at)
    return {"guest": second}


def killed(lab):
    """The monitor's sudden end: what was flushed is there, the journal repairs the rest."""
    disk = lab.copy("rootfs")
    with lab.start(disk=disk, guest="fsyncs 1000") as vm:
        vm.wait_for(b"= synced 30\r")
        vm.signal(voltlib.SIGKILL)
        result = vm.finish()
    synced = max(int(number) for number in re.findall(r"= synced (\d+)", result.text))
    repair = lab.tool("/sbin/e2fsck", "-fp", disk)
    content = [lab.text(disk, f"/small/{number}") for number in range(1, synced + 1)]
    after = lab.fsck(disk)
    return {"guest": result, "synced": synced, "content": content, "repair": repair,
            "fsck": after, "again": _guest(lab, disk, "disk"),
            "written": lab.text(disk, "/written")}
