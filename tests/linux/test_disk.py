# SPDX-License-Identifier: Apache-2.0
"""The disk: what one side writes, the other reads, whatever happens in between."""

from support import scenes

FILES = ["vmlinux", "rootfs"]

IMAGE_REFUSED = 211


@scenes("writable")
def test_what_the_guest_writes_is_kept(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert guest.fact("root") == "/dev/root" or guest.fact("root") == "/dev/vda", guest
    assert guest.fact("mode") == "rw", guest
    assert guest.fact("readonly") == "0", guest
    assert guest.fact("disk") == str(run["sectors"]), guest
    assert run["written"] == "written by the guest\n", guest
    assert run["fsck"][0] == 0, run["fsck"][1]


@scenes("read_only", "two_readers")
def test_read_only_disk_refuses_writes(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert guest.fact("before") == guest.fact("after") == "hello from the host", guest
    assert guest.fact("readonly") == "1", guest
    for way in ("created", "remounted", "overwritten"):
        assert way not in guest.facts, f"{way}: {guest}"
    assert run.get("same", True), "the image has changed"


@scenes("big_file")
def test_big_file_is_the_same_on_both_sides(run):
    guest = run["guest"]
    assert [status for status, _ in run["grown"]] == [0, 0], run["grown"]
    assert guest.status == 0, guest
    assert guest.fact("size") == str(run["size"]) == str(16 * ((4 << 20) + 512)), guest
    assert guest.fact("big").split()[0] == run["host"], guest
    assert run["fsck"][0] == 0, run["fsck"][1]


@scenes("many_fsyncs")
def test_many_small_fsyncs(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert guest.facts["synced"][-1] == "100", guest
    assert run["content"] == [f"file {number}\n" for number in range(1, 101)], guest
    assert run["fsck"][0] == 0, run["fsck"][1]


@scenes("two_machines")
def test_second_machine_is_refused(run):
    for other in (run["second"], run["reader"]):
        assert other.status == IMAGE_REFUSED, other
        assert "VOLT VM READY" not in other.out, other
        assert "rootfs" in other.last and "another" in other.last, other
    assert run["first"].status == 143, run["first"]
    assert run["kept"] == "kept by first\n"
    assert run["fsck"][0] == 0, run["fsck"][1]


@scenes("killed")
def test_killed_monitor_leaves_a_disk_that_can_be_recovered(run):
    assert run["guest"].status == -9, run["guest"]
    assert run["repair"][0] in (0, 1), run["repair"][1]	# 1: errors corrected
    assert run["fsck"][0] == 0, run["fsck"][1]
    assert run["synced"] >= 30
    assert run["content"] == [f"file {number}\n" for number in range(1, run["synced"] + 1)]
    # Nothing holds the lock, and the image boots again.
    assert run["again"].status == 0, run["again"]
    assert run["written"] == "written by the guest\n", run["again"]
