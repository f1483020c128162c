# SPDX-License-Identifier: Apache-2.0
"""
The sandbox: what each layer stops, what a VM process looks like from outside, which system calls it
makes. docs/security.md claims; claims.py has the claims. This machine has Landlock's ABI 2.
"""

import re

import pytest

import claims
from support import SANDBOXED, USAGE, refused, scenes

FILES = ["vmlinux", "initramfs", "rootfs"]
ABI = 2
ALL = "seccomp+jail+landlock"
# Everything, all but one, one, none. Without seccomp all threads may do the same.
WITH_SECCOMP = f"{ALL} seccomp+jail seccomp+landlock seccomp"
WITHOUT_SECCOMP = "jail+landlock jail landlock none"
# The times that a quiet guest tells: volt-init's, and the kernel's in its last line.
TIMES = re.compile(r"(?<=^VOLT VM READY) \(uptime \d+\.\d+ s\)$"
                   r"|^\[ *\d+\.\d+\](?= reboot: )", re.M)
POWERED_OFF = "volt-vmm: guest powered off, status "


def attacks(abi, *batches):
    """Parameters for a test of attacks: who starts the monitor, which thread, which layers."""
    return pytest.mark.parametrize("run, start, abi", [
        (f"attacks {start} {role} {sets}", start, abi) for start, role, sets in batches],
        indirect=["run"])


@attacks(ABI, *((start, role, sets) for start in ("root", "user")
                for role in ("vcpu", "device", "api") for sets in (WITH_SECCOMP, WITHOUT_SECCOMP)))
def test_each_layer_stops_what_it_claims(run, start, abi):
    wrong = claims.violations(run, start, abi)
    assert not wrong, wrong


def test_table_of_layers_is_what_is_tested():
    claims.check_document("layers", claims.layers_table())


def test_table_of_calls_is_the_policy():
    claims.check_document("calls", claims.calls_table())


# ---- what the user is told ----

@scenes("landlock", "landlock --require-landlock=2", "landlock --require-landlock")
def test_landlock_is_partial(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    line = "volt-vmm: Landlock partially enforced (ABI 2 of 6: no truncate, TCP, device ioctl or "
    assert line in guest.err, guest
    assert "WARNING" not in guest.err, guest


@scenes("landlock --require-landlock=3")
def test_landlock_is_too_old(run):
    refused(run["guest"], "--require-landlock", "ABI 2", "asked for is 3")


@scenes("switched_off")
def test_what_is_switched_off_is_said(run):
    words = {"--no-seccomp": "no seccomp filter", "--no-jail": "no namespaces",
             "--no-landlock": "no Landlock",
             "--seccomp-log": "forbidden system calls are only logged"}
    assert set(run["guests"]) == set(words)
    for flag, guest in run["guests"].items():
        warnings = [line for line in guest.err.splitlines() if "WARNING" in line]
        assert guest.status == 0, guest
        assert warnings == [f"volt-vmm: WARNING: {words[flag]} ({flag})"], guest


# ---- a guest's life ----

@scenes("same_output initramfs", "same_output disk")
def test_guest_sees_no_difference(run):
    """Byte by byte, but for TIMES."""
    guests = run["with"] + run["without"]
    assert len(guests) == 6
    for guest in guests:
        assert guest.status == 0 and guest.out.count("VOLT VM READY") == 1, guest
        assert TIMES.sub("", guest.out) == TIMES.sub("", guests[0].out), guest
    assert all("WARNING" not in guest.err for guest in run["with"])
    assert all(guest.err.count("WARNING") == 3 for guest in run["without"])


@pytest.mark.parametrize("run, user", [("boot root", 65534), ("boot user", 1000)], indirect=["run"])
def test_boot_in_the_whole_sandbox(run, user):
    guest = run["guest"]
    assert guest.status == 143 and guest.last.startswith(POWERED_OFF), guest
    assert "WARNING" not in guest.err and "Seccomp filter active" in guest.err, guest
    assert run["kept"] == "kept by SIGTERM\n"
    status = run["status"]
    assert status["Uid"].split() == status["Gid"].split() == [str(user)] * 4
    # A group's user namespace forbids setgroups(); there were none to begin with.
    assert status["Groups"].strip() == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert len(run["threads"]) == 2 and all(thread == ["2", "1", "1"] for thread in run["threads"])
    assert set(run["namespaces"]) - {"user"} == {"cgroup", "ipc", "mnt", "net", "pid", "uts"}
    assert ("user" in run["namespaces"]) == (user == 1000)


@scenes("other_ids")
def test_user_and_group_of_choice(run):
    assert run["guest"].status == 143, run["guest"]
    assert run["status"]["Uid"].split() == ["4321"] * 4
    assert run["status"]["Gid"].split() == ["8765"] * 4


@scenes("netns")
def test_network_namespace_of_choice(run):
    assert run["made"][0] == 0, run["made"]
    assert run["joined"] == run["wanted"] and run["guest"].status == 143, run["guest"]
    assert "WARNING" not in run["guest"].err, run["guest"]
    refused(run["none"], "is not a network namespace")
    refused(run["no_jail"], "--netns", "--no-jail", status=USAGE)


# ---- cgroups ----

@scenes("cgroup")
def test_cgroup(run):
    assert run["guest"].status == 143, run["guest"]
    assert run["values"] == {"memory.max": "268435456", "pids.max": "64",
                             "cpu.max": "50000 100000"}
    assert run["inside"], "the VM process, and no other"
    assert not run["there"], "it was left behind"


@scenes("cgroup_existing")
def test_existing_cgroup_stays(run):
    assert run["guest"].status == 143, run["guest"]
    assert run["inside"] and run["there"]


@scenes("cgroup_wrong")
def test_cgroup_that_cannot_be(run):
    assert len(run["guests"]) == 6
    for text, guest in run["guests"].items():
        status = SANDBOXED if text in run["well_formed"] else USAGE
        refused(guest, "--cgroup", text.split(",")[-1].split("=")[0].split("/")[0], status=status)
    assert not run["there"], "it was left behind"


@scenes("cgroup_after_failure")
def test_cgroup_goes_when_the_start_fails(run):
    refused(run["no_fork"], "cannot make a process")
    refused(run["no_thread"], "cannot start the thread of vCPU 0", status=214)
    assert run["there"] == [False, False], "it was left behind"


# ---- system calls ----

ENDS = {"traced work": 0, "traced quiet": 0, "traced stop": 143, "traced lost": 213}
TRACES = tuple(ENDS)
NEEDED = set()		# lines of the policy


@pytest.mark.parametrize("run, status", ENDS.items(), indirect=["run"])
def test_calls_are_in_the_policy(run, status):
    assert run["guest"].status == status, run["guest"]
    assert run["sealed"] == ["device", "vcpu"] and run["unsealed"] == [], run["unsealed"]
    assert run["beyond"] == []
    NEEDED.update(run["lines"])


@pytest.mark.parametrize("run, opened", [
    ("traced work", 2), ("traced quiet", 2), ("traced lost", 1),
], indirect=["run"])
def test_nothing_is_read_before_the_filters(run, opened):
    """The kernel, and the disk or the archive."""
    assert run["early"] == []
    assert len(run["files"]) == opened
    assert run["late"] == run["files"]


def test_each_line_of_the_policy_is_needed(request):
    """What no test makes, nobody needs; claims.made() has the exceptions."""
    traced = [item for item in request.session.items
              if item.originalname == "test_calls_are_in_the_policy"]
    if len(traced) < len(TRACES):
        pytest.skip("not all the traces were asked for")
    idle = [(line["role"], line["call"], line["conditions"]) for line in claims.POLICY["lines"]
            if line["line"] not in NEEDED and claims.made(line) == "always"]
    assert idle == []
