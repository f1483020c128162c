# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests that run a tiny guest on the machine's own KVM."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import voltlib  # noqa: E402

GUEST = voltlib.BUILD / "release" / "tests" / "guest" / "guest"
GUEST_PVH = GUEST.with_name("guest-pvh")
MEMORY = "32M"


@pytest.fixture(scope="session")
def kvm():
    """Skip the test where there is no KVM to run a guest on."""
    reason = voltlib.kvm_unusable()
    if reason:
        pytest.skip(reason)


@pytest.fixture(name="disk")
def fixture_disk(tmp_path):
    """A disk of 256 sectors of known contents."""
    return voltlib.make_disk(tmp_path / "disk", 256)


class Machine:
    """Runs tiny guests: the machine's flags and the guest's words on one line."""

    def __init__(self):
        self.kernel, self.memory, self.disk, self.flags = GUEST, MEMORY, None, []

    def argv(self, test, *words, cmdline="--cmdline"):
        """The monitor's command for guest test @test with NAME=VALUE @words."""
        disk = ["--rootfs", self.disk] if self.disk else []
        return voltlib.vmm("--kernel", self.kernel, "--memory", self.memory, *disk, *self.flags,
                           cmdline, " ".join([f"test={test}", *words]))

    def start(self, test, *words, **keywords):
        """Start it; returns a voltlib.Process."""
        return voltlib.Process(self.argv(test, *words), **keywords)

    def run(self, test, *words, **keywords):
        """Run it to its end; returns a voltlib.Result."""
        return voltlib.run(self.argv(test, *words), **keywords)

    def expect_pass(self, test, *words, **keywords):
        """Run it; the guest has to be content and the monitor to have ended well."""
        result = self.run(test, *words, **keywords)
        passed(result)
        return result


def passed(result):
    """The guest said that all is well, and the monitor that the guest powered off."""
    assert result.lines and result.lines[-1] == "GUEST PASS", result
    assert result.status == 0, result
    assert result.last == "volt-vmm: guest powered off, status 0", result


@pytest.fixture(name="machine")
def fixture_machine(kvm):  # pylint: disable=unused-argument
    """A machine of 32 MiB with one vCPU and no disk; a test changes what it wants."""
    return Machine()


@pytest.fixture(name="disk_machine")
def fixture_disk_machine(machine, disk):
    """The same with a disk of 256 sectors."""
    machine.disk = disk
    return machine
