# SPDX-License-Identifier: Apache-2.0
"""Memory on both sides of the devices' gap."""

import hashlib
import pathlib

from support import scenes

FILES = ["vmlinux", "rootfs_sample"]
TESTBED = ["--memory=7168"]

GIB = 1 << 30
COPIES, SAMPLE = 20, 16 << 20


@scenes("five_gib")
def test_five_gib(run, files):
    guest = run["guest"]
    assert guest.status == 0, guest
    ranges = [line.split(" : ")[0].split("-") for line in guest.facts["iomem"]]
    ranges = [(int(start, 16), int(end, 16) + 1) for start, end in ranges]
    # 3 GiB less what is kept below 1 MiB, and 2 GiB above 4 GiB.
    assert ranges[-1] == (4 * GIB, 6 * GIB), guest
    assert max(end for _, end in ranges[:-1]) == 3 * GIB, guest
    # All but the kernel's own, most of which are its page structures: 64 bytes for each 4 KiB.
    assert 5 * GIB * 0.96 < int(guest.fact("total_kib")) * 1024 < 5 * GIB, guest
    # What the disk and processes wrote went there, and stayed as it was. The counters are not exact:
    # each processor keeps some free pages to itself.
    used = (int(guest.fact("free_before")) - int(guest.fact("free_after"))) * 4096
    assert used > 0.95 * COPIES * SAMPLE, guest
    sample = pathlib.Path(files.get("rootfs_sample")).with_name("sample").read_bytes()
    assert guest.fact("sample").split()[0] == hashlib.md5(sample).hexdigest(), guest
    assert guest.fact("same") == str(COPIES), guest
