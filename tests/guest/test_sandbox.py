# SPDX-License-Identifier: Apache-2.0
"""The sandbox's options, what they refuse, and what they say. What it holds back: tests/audit."""

import os
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

import conftest
import voltlib
from test_cli import SANDBOX, USAGE, refused

GUEST = ["--kernel", conftest.GUEST, "--cmdline", "test=power_off"]


@pytest.mark.parametrize("args, words", [
    (["--jail", "--no-jail"], ["--no-jail", "--jail"]),
    (["--no-jail", "--jail"], ["--jail", "--no-jail"]),
    (["--no-seccomp", "--seccomp-log"], ["--seccomp-log", "--no-seccomp"]),
    (["--seccomp-log", "--no-seccomp"], ["--no-seccomp", "--seccomp-log"]),
    (["--no-landlock", "--require-landlock"], ["--require-landlock", "--no-landlock"]),
    (["--require-landlock=2", "--no-landlock"], ["--no-landlock", "--require-landlock"]),
    (["--require-landlock=0"], ["--require-landlock", "'0'"]),
    (["--require-landlock=newest"], ["--require-landlock", "'newest'"]),
    (["--require-landlock", "3"], ["unexpected argument '3'"]),
    (["--uid", "root"], ["--uid", "'root'"]),
    (["--uid", "4294967295"], ["--uid", "'4294967295'"]),
    (["--gid", "-1"], ["--gid", "'-1'"]),
    (["--netns", ""], ["--netns", "empty"]),
    (["--netns", "/proc/self/ns/net", "--no-jail"], ["--netns", "--no-jail"]),
    (["--cgroup", ""], ["--cgroup", "empty"]),
    (["--cgroup", "/tmp/../etc"], ["--cgroup", "/tmp/../etc"]),
    (["--cgroup", "a,memory.max"], ["--cgroup", "memory.max"]),
    (["--cgroup", "a,../x=1"], ["--cgroup", "../x"]),
    (["--cgroup", "a,memory.max/../../x=1"], ["--cgroup", "memory.max/../../x"]),
])
def test_wrong_usage(args, words):
    refused([*GUEST, *args], USAGE, *words)


@pytest.mark.parametrize("args, words", [
    (["--require-landlock=1000000"], ["--require-landlock", "1000000"]),
    (["--netns", "/nowhere"], ["/nowhere", "No such file"]),
    (["--netns", "/proc/self/ns/uts"], ["/proc/self/ns/uts", "not a network namespace"]),
    (["--cgroup", "/tmp/volt-no-cgroup"], ["--cgroup", "cgroup2"]),
])
def test_cannot_be_had(kvm, args, words):
    """Refused before the guest has run an instruction."""
    refused([*GUEST, *args], SANDBOX, *words)


@pytest.mark.parametrize("flag, words", [
    ("--no-jail", "WARNING: no namespaces (--no-jail)"),
    ("--no-landlock", "WARNING: no Landlock (--no-landlock)"),
    ("--no-seccomp", "WARNING: no seccomp filter (--no-seccomp)"),
    ("--seccomp-log", "WARNING: forbidden system calls are only logged (--seccomp-log)"),
])
def test_a_layer_off_is_said_loudly(kvm, flag, words):
    result = voltlib.run(voltlib.vmm(*GUEST, flag))
    assert result.status == 0, result
    assert f"volt-vmm: {words}" in result.err.splitlines(), result
    assert result.err.count("WARNING") == 1, result


def test_everything_on_is_said(kvm):
    result = voltlib.run(voltlib.vmm(*GUEST))
    lines = result.err.splitlines()
    assert result.status == 0 and "WARNING" not in result.err, result
    assert lines[0].startswith("volt-vmm: Landlock "), result
    assert lines[1].startswith("volt-vmm: Seccomp filter active: "), result
    assert lines[1].endswith(" syscalls allowed, all others → KILL_PROCESS"), result


def test_state_of_the_vm_process(kvm):
    """Of what /proc tells, without its own tools: no rights, no way to get any, a filter each."""
    def status(path):
        with open(path, encoding="ascii") as lines:
            return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)

    command = voltlib.vmm("--kernel", conftest.GUEST, "--cmdline", "test=serial_idle")
    secret = dict(os.environ, VOLT_SECRET="a-secret-that-nobody-is-to-see")
    reader, writer = os.pipe()
    with voltlib.Process(command, env=secret, pass_fds=[writer]) as vm:
        os.close(writer)
        vm.wait_for(b"READY")
        pid = vm.vm_pid
        assert os.read(reader, 1) == b"", "an inherited descriptor is open"
        for thread in os.listdir(f"/proc/{pid}/task"):
            facts = status(f"/proc/{pid}/task/{thread}/status")
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(facts[name], 16) == 0, (name, facts)
            assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", facts
            assert facts["Seccomp_filters"] == "1", facts
            assert facts["NSpid"].split()[1:] in ([thread_id] for thread_id in "123456789"), facts
            if os.geteuid() == 0:
                assert facts["Uid"].split() == facts["Gid"].split() == ["65534"] * 4, facts
                assert facts["Groups"].strip() == "", facts
        for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
        assert os.listdir(f"/proc/{pid}/root/") == []
        with open(f"/proc/{pid}/environ", "rb") as environ:
            assert b"secret" not in environ.read()
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], core
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [target for target in targets if os.path.isdir(target)], targets
        vm.signal(signal.SIGKILL)
    os.close(reader)


def test_closed_streams_do_not_become_a_disk(kvm, tmp_path):
    """In a root directory without /dev/null, the next files opened would get the numbers 0 to 2."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root directory")
    (tmp_path / "dev").mkdir()
    os.mknod(tmp_path / "dev" / "kvm", 0o600 | stat.S_IFCHR, os.stat("/dev/kvm").st_rdev)
    shutil.copy(voltlib.VMM, tmp_path / "volt-vmm")
    shutil.copy(conftest.GUEST, tmp_path / "guest")
    disk = voltlib.make_disk(tmp_path / "disk", 64)
    before = disk.read_bytes()
    done = subprocess.run(
        ["sh", "-c", f'exec chroot {tmp_path} /volt-vmm --kernel /guest --rootfs /disk --cmdline '
         'test=power_off --no-jail <&- >&- 2>&-'], check=False)
    assert done.returncode in (0, 214)
    assert disk.read_bytes() == before


def test_terminal_descriptors_go_one_way(kvm):
    """The VM process can neither read its output's terminal nor write to standard error."""
    master, slave = os.openpty()
    with voltlib.Process(voltlib.vmm("--kernel", conftest.GUEST, "--cmdline", "test=serial_idle"),
                         stdin=slave, stdout=slave) as vm:
        vm.wait_for(b"Seccomp", stderr=True)
        modes = {}
        for fd in "012":
            with open(f"/proc/{vm.vm_pid}/fdinfo/{fd}", encoding="ascii") as info:
                flags = next(line.split()[1] for line in info if line.startswith("flags"))
                modes[fd] = int(flags, 8) & os.O_ACCMODE
        assert modes == {"0": os.O_RDONLY, "1": os.O_WRONLY, "2": os.O_WRONLY}, modes
        assert os.readlink(f"/proc/{vm.vm_pid}/fd/2") == "/dev/null"
        assert not [fd for fd in os.listdir(f"/proc/{vm.vm_pid}/fd")
                    if os.readlink(f"/proc/{vm.vm_pid}/fd/{fd}") == "/dev/kvm"]
    os.close(master)
    os.close(slave)


def test_suspend_and_resume(machine):
    """SIGTSTP stops both processes, SIGCONT continues both, also when the starter ignores it."""
    def state(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat_file:
            return stat_file.read().rsplit(")", 1)[1].split()[0]

    def wait_until(pid, stopped):
        end = time.monotonic() + voltlib.TIMEOUT
        while (state(pid) == "T") != stopped:
            assert time.monotonic() < end
            time.sleep(0.01)

    with machine.start("serial_echo", "bytes=3", process_group=0,
                       preexec_fn=lambda: signal.signal(signal.SIGCONT, signal.SIG_IGN)) as vm:
        vm.wait_for(b"READY")
        for _ in range(2):
            vm.signal(signal.SIGTSTP)
            wait_until(vm.pid, True)
            wait_until(vm.vm_pid, True)
            vm.signal(signal.SIGCONT)
            wait_until(vm.pid, False)
            wait_until(vm.vm_pid, False)
        vm.write(b"abc")
        vm.wait_for(b"abc")
        assert vm.finish().status == 0


def test_suspend_of_an_orphan_is_discarded(machine):
    """Nobody could continue it: the kernel discards the signal there, and so do we."""
    with machine.start("serial_echo", "bytes=3", start_new_session=True) as vm:
        vm.wait_for(b"READY")
        vm.signal(signal.SIGTSTP)
        time.sleep(0.2)
        vm.write(b"abc")
        vm.wait_for(b"abc")
        assert vm.finish().status == 0


def test_link_swapped_in_while_starting(kvm, tmp_path):
    """A path is looked at once: whatever it led to then is what runs, or is refused."""
    link, good, bad = tmp_path / "kernel", tmp_path / "good", tmp_path / "bad"
    good.symlink_to(conftest.GUEST)
    bad.symlink_to("/dev/zero")
    link.symlink_to(conftest.GUEST)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for target in (bad, good):
                spare = tmp_path / "spare"
                spare.symlink_to(target)
                spare.replace(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        results = [voltlib.run(voltlib.vmm("--kernel", link, "--cmdline", "test=power_off"))
                   for _ in range(40)]
    finally:
        stop.set()
        thread.join()
    for result in results:
        assert result.status in (0, 211), result
        assert (result.status == 0) != ("not a regular file" in result.last), result
    assert len({result.status for result in results}) == 2, "the swap was never seen"
