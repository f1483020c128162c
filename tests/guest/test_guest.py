# SPDX-License-Identifier: Apache-2.0
"""Tiny guests on the machine's own KVM: devices, memory, boot information, and a hostile driver."""

import hashlib
import os
import pathlib
import pty
import re
import resource
import signal
import struct
import threading
import time

import pytest

import conftest
import voltlib
from bzimage import make_bzimage
from conftest import passed

SECTORS = 256
SOURCES = pathlib.Path(__file__).parent

# Exit statuses, from the man page.
RESET, TRIPLE_FAULT, STOPPED, NO_ANSWER = 200, 201, 202, 203
IMAGE, EMULATION, HOST, VCPU = 211, 213, 214, 215


def guest_tests(prefix):
    """The names of all guest tests that begin with @prefix."""
    names = re.findall(r"^(?:GUEST|RING)_TEST\((\w+)\)",
                       "\n".join(path.read_text() for path in sorted(SOURCES.glob("*.c"))), re.M)
    return [name for name in names if name.startswith(prefix)]


def test_no_guest_test_is_forgotten():
    """Every test that a guest has is run by this folder, by name or by its prefix."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("test_*.py")))
    prefixes = tuple(re.findall(r'guest_tests\("(\w+)"\)', text))
    missing = [name for name in guest_tests("")
               if not name.startswith(prefixes) and f'"{name}"' not in text]
    assert prefixes and not missing


# ---- the serial port ----

@pytest.mark.parametrize("test", ["serial_registers", "serial_loopback", "serial_odd_access",
                                  "serial_transmit_interrupt"])
def test_serial(machine, test):
    result = machine.expect_pass(test)
    if test == "serial_transmit_interrupt":
        assert "sent by interrupts alone" in result.lines, result
    if test == "serial_odd_access":
        assert result.lines[-3:-1] == ["by one string instruction", "still here"], result


def test_serial_interrupt_identification(machine):
    with machine.start("serial_iir") as vm:
        vm.wait_for(b"READY")
        vm.write(b"x")
        passed(vm.finish())


def echoed(result, data):
    """The bytes between the guest's READY and its last words."""
    begin = result.out.index(b"READY\r\n") + 7
    assert result.out[begin:begin + len(data)] == data, \
        f"{len(result.out)} bytes came back: {result.out[:200]!r}"
    assert result.out[begin + len(data):] == b"\r\nGUEST PASS\r\n"


@pytest.mark.parametrize("test,count", [("serial_echo", 1), ("serial_echo", 300),
                                        ("serial_echo", 65536), ("serial_interrupt", 10000)])
def test_serial_echo(machine, test, count):
    """What goes in at once comes back whole: every byte value, in order."""
    data = bytes((i * 7 + i // 256) & 0xff for i in range(count))
    result = machine.expect_pass(test, f"bytes={count}", stdin=data)
    echoed(result, data)


def test_serial_interactive(machine):
    """One byte at a time, each answered before the next is typed."""
    with machine.start("serial_interrupt", "bytes=20") as vm:
        at = vm.wait_for(b"READY\r\n")
        for value in range(20):
            vm.write(bytes([65 + value]))
            at = vm.wait_for(bytes([65 + value]), at)
        passed(vm.finish())


def test_serial_slow_guest(machine):
    """A guest that reads slowly: the FIFO is full, the pipe is full, and nothing is lost."""
    data = bytes(i * i & 0xff for i in range(20000))
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    result = machine.expect_pass("serial_receive", f"bytes={len(data)}", stdin=data)
    assert f"hash {value:016x}" in result.lines, result


def test_serial_input_before_the_guest_listens(machine):
    """What is typed while the machine starts waits for the guest."""
    result = machine.expect_pass("serial_echo", "bytes=11", stdin=b"early birds")
    echoed(result, b"early birds")


def test_serial_input_from_a_file(machine, tmp_path):
    data = os.urandom(5000)
    (tmp_path / "input").write_bytes(data)
    with open(tmp_path / "input", "rb") as file:
        echoed(machine.expect_pass("serial_echo", "bytes=5000", stdin=file), data)


@pytest.mark.parametrize("stdin", ["closed", "/dev/null", "ended", "directory"])
def test_serial_without_input(machine, stdin, tmp_path):
    """Whatever standard input is, the guest runs to its end."""
    fd = stdin if stdin == "closed" else b"" if stdin == "ended" else \
        os.open("/dev/null" if stdin == "/dev/null" else tmp_path, os.O_RDONLY)
    machine.expect_pass("power_registers", stdin=fd)
    if isinstance(fd, int):
        os.close(fd)


@pytest.mark.parametrize("stdin", ["/dev/null", "ended", "file", "unread"])
def test_idle_input_does_not_spin(machine, tmp_path, stdin):
    """The end of the input, or input that nobody takes, costs no processor time."""
    path = tmp_path / "input"
    path.write_bytes(b"x" * 100000)
    fd = b"" if stdin == "ended" else b"x" * 100000 if stdin == "unread" else \
        os.open(path if stdin == "file" else "/dev/null", os.O_RDONLY)
    with machine.start("serial_idle", stdin=fd) as vm:
        vm.wait_for(b"READY")
        time.sleep(0.2)
        before = [cpu_ticks(pid) for pid in (vm.pid, vm.vm_pid)]
        time.sleep(0.5)
        # Spinning would be 50 ticks on an idle machine; 10 leaves room for anything but that.
        assert cpu_ticks(vm.pid) - before[0] < 10
        assert cpu_ticks(vm.vm_pid) - before[1] < 10
    if isinstance(fd, int):
        os.close(fd)


def cpu_ticks(pid):
    """User and system time of a process in clock ticks."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


SENT = (bytes((i ^ i >> 8) & 0xff for i in range(4080)) * 40)[:160000]


def test_serial_slow_reader(machine):
    """The guest sends more than the pipe and the monitor hold: it waits, and nothing is lost."""
    read_end, write_end = os.pipe()
    with machine.start("serial_send", f"bytes={len(SENT)}", stdout=write_end) as vm:
        os.close(write_end)
        time.sleep(1)
        assert vm.popen.poll() is None, vm.result()
        out = bytearray()
        while True:
            data = os.read(read_end, 3000)
            if not data:
                break
            out += data
        os.close(read_end)
        result = vm.finish()
    assert result.status == 0, result
    assert out == b"READY\r\n" + SENT + b"\r\nGUEST PASS\r\n"


def test_terminal_that_nobody_reads(machine):
    """Line ends fill a terminal in the middle of a write: the monitor can be ended all the same."""
    master, slave = pty.openpty()
    try:
        with machine.start("serial_echo", "bytes=200000", stdin=b"\n" * 200000, stdout=slave) as vm:
            time.sleep(2)
            result = end_by_signals(vm)
    finally:
        os.close(slave)
        os.close(master)
    assert result.status == STOPPED, result


def test_serial_reader_goes_away(machine):
    """Nobody reads any more: the guest goes on, and the monitor does not die of it."""
    read_end, write_end = os.pipe()
    with machine.start("serial_send", "bytes=32000", stdout=write_end) as vm:
        os.close(write_end)
        out = b""
        while b"READY" not in out:
            out += os.read(read_end, 5)
        os.close(read_end)
        result = vm.finish()
    assert result.status == 0, result
    assert result.last == "volt-vmm: guest powered off, status 0"


@pytest.mark.parametrize("stdout", ["closed", "/dev/full"])
def test_serial_without_output(machine, stdout):
    """No standard output at all, or one that takes nothing."""
    if stdout == "closed":
        result = machine.run("serial_send", "bytes=3200", stdout="closed")
    else:
        with open(stdout, "wb") as full:
            result = machine.run("serial_send", "bytes=3200", stdout=full)
    assert result.status == 0, result
    assert result.last == "volt-vmm: guest powered off, status 0"


def test_serial_output_to_a_file(machine, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        result = machine.run("serial_send", "bytes=32000", stdout=out)
    assert result.status == 0, result
    assert (tmp_path / "out").read_bytes() == \
        b"READY\r\n" + SENT[:32000] + b"\r\nGUEST PASS\r\n"


# ---- i8042, power, ends ----

@pytest.mark.parametrize("test", ["i8042", "power_registers"])
def test_registers(machine, test):
    machine.expect_pass(test)


@pytest.mark.parametrize("test", ["i8042_reset", "power_reset"])
def test_reset(machine, test):
    result = machine.run(test)
    assert result.status == RESET, result
    assert result.last == "volt-vmm: guest asked for a reset", result


@pytest.mark.parametrize("status", [0, 1, 7, 199, 200, 255])
def test_power_off(machine, status):
    result = machine.run("power_off", f"status={status}")
    assert result.status == min(status, 199), result
    assert result.last.startswith(f"volt-vmm: guest powered off, status {status}"), result


def test_triple_fault(machine):
    result = machine.run("triple_fault")
    assert result.status == TRIPLE_FAULT, result
    assert "triple fault" in result.last, result


@pytest.mark.parametrize("test", ["power_button", "power_button_interrupt"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_presses_the_button(machine, test, number):
    with machine.start(test) as vm:
        vm.wait_for(b"READY")
        vm.signal(number)
        vm.wait_for(b"BUTTON")
        result = vm.finish()
    assert result.status == 0, result
    assert result.last == "volt-vmm: guest powered off, status 0", result


def test_second_signal_ends_the_machine(machine):
    with machine.start("power_button_ignored") as vm:
        vm.wait_for(b"READY")
        vm.signal(signal.SIGTERM)
        vm.wait_for(b"IGNORED")
        assert vm.popen.poll() is None
        vm.signal(signal.SIGTERM)
        result = vm.finish()
    assert result.status == STOPPED, result
    assert "second" in result.last, result


def end_by_signals(vm):
    """SIGTERM until it ends: one may be merged with another that is still pending."""
    end = time.monotonic() + voltlib.TIMEOUT
    while vm.popen.poll() is None:
        assert time.monotonic() < end, vm.result()
        vm.signal(signal.SIGTERM)
        time.sleep(0.05)
    return vm.finish()


@pytest.fixture(name="unanswered", scope="module", autouse=True)
def fixture_unanswered():
    """
    A machine whose button was pressed and whose guest does nothing about it. It is given half a
    minute, so it is started before all other tests and looked at after them.
    """
    if voltlib.kvm_unusable():
        yield None
        return
    with conftest.Machine().start("power_button_ignored") as vm:
        vm.wait_for(b"READY")
        vm.signal(signal.SIGTERM)
        yield vm


def test_ignored_signals_stay_ignored(machine):
    """Under nohup, or in a script's background: SIGHUP and SIGINT are not for this process."""
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with machine.start("serial_idle", preexec_fn=ignore) as vm:
        vm.wait_for(b"READY")
        vm.signal(signal.SIGHUP)
        vm.signal(signal.SIGINT)
        result = end_by_signals(vm)
    assert result.status == STOPPED and "Terminated" in result.last, result


def test_signals_that_the_parent_has_blocked(machine):
    """A full signal mask is inherited; the machine can be ended all the same."""
    machine.flags += ["--cpus", "2"]
    with machine.start("serial_idle", preexec_fn=lambda: signal.pthread_sigmask(
            signal.SIG_BLOCK, signal.valid_signals())) as vm:
        vm.wait_for(b"READY")
        result = end_by_signals(vm)
    assert result.status == STOPPED, result


def test_idle_guest_with_interrupts_off_can_be_ended(machine):
    with machine.start("serial_idle") as vm:
        vm.wait_for(b"READY")
        result = end_by_signals(vm)
    assert result.status == STOPPED, result


@pytest.mark.parametrize("where", ["ones", "gap", "nowhere"])
def test_guest_runs_into_rubbish(machine, where):
    result = machine.run("rubbish", f"where={where}")
    assert "JUMPING" in result.lines, result
    assert result.status in (TRIPLE_FAULT, EMULATION, VCPU), result
    assert result.last.startswith("volt-vmm: "), result


@pytest.mark.parametrize("seed", range(1, 9))
def test_guest_runs_random_bytes(machine, seed):
    """It ends with a clear reason, or, when the bytes make an endless loop, can be ended."""
    with machine.start("rubbish", f"seed={seed}") as vm:
        vm.wait_for(b"JUMPING")
        end = time.monotonic() + 1
        while vm.popen.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        result = end_by_signals(vm)
    assert result.status in (TRIPLE_FAULT, STOPPED, EMULATION, VCPU), result
    assert result.last.startswith("volt-vmm: "), result


def test_empty_ports(machine):
    machine.expect_pass("ports_empty")


def test_accesses_over_the_edges_of_ports(machine):
    machine.expect_pass("ports_straddle")


@pytest.mark.parametrize("seed", [1, 2])
def test_empty_addresses(machine, seed):
    machine.expect_pass("mmio_empty", f"seed={seed}")


def test_empty_addresses_beside_a_device(disk_machine):
    disk_machine.expect_pass("mmio_empty", "virtio=1")


def test_accesses_over_the_edges_of_memory(machine):
    machine.expect_pass("mmio_straddle")


# ---- memory ----

def mib(memory):
    """How many MiB a size is."""
    return int(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]]


def needs_memory(memory):
    """Skip what the host has too little memory for; --memory refuses that itself."""
    with open("/proc/meminfo", encoding="utf-8") as info:
        total = int(info.readline().split()[1]) // 1024
    if mib(memory) > total:
        pytest.skip(f"the host has {total} MiB, less than {memory}")


MEMORY_SIZES = ["16M", "17M", "128M", "1G", "3G", "3073M", "5G"]


@pytest.mark.parametrize("memory", MEMORY_SIZES)
def test_memory_map(machine, memory):
    needs_memory(memory)
    machine.memory = memory
    machine.expect_pass("memory_map", f"mib={mib(memory)}")


@pytest.mark.parametrize("memory", MEMORY_SIZES)
def test_all_memory_is_there(machine, memory):
    needs_memory(memory)
    machine.memory = memory
    machine.expect_pass("memory_touch", f"kib={max(64, mib(memory))}")


@pytest.mark.parametrize("memory", ["32M", "3G", "5G"])
def test_nothing_behind_memory(machine, memory):
    needs_memory(memory)
    machine.memory = memory
    machine.expect_pass("memory_end")


def test_guest_that_has_touched_everything(machine):
    """Every page of its memory is taken from the host, and is still the guest's own."""
    with machine.start("memory_hold") as vm:
        vm.wait_for(b"HOLDING")
        with open(f"/proc/{vm.vm_pid}/smaps_rollup", encoding="utf-8") as rollup:
            resident = next(int(line.split()[1]) for line in rollup if line.startswith("Rss"))
        assert resident > 31 * 1024
        assert end_by_signals(vm).status == STOPPED


def test_fresh_memory_is_zero(machine):
    machine.memory = "256M"
    machine.expect_pass("memory_zero")


def test_odd_memory_size(machine):
    """Any multiple of a page."""
    machine.memory = f"{32 * 1024 + 4}K"
    machine.expect_pass("memory_touch", "kib=512")


def huge_pages_free():
    with open("/proc/meminfo", encoding="utf-8") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("HugePages_Free"))


def test_huge_pages(machine):
    machine.flags = ["--huge-pages"]
    if huge_pages_free() < 16:
        pytest.skip(f"{huge_pages_free()} huge pages are free here, 16 are needed")
    machine.expect_pass("memory_touch")


def test_too_few_huge_pages(machine):
    """A short pool is an error at start, not a crash later."""
    machine.flags = ["--huge-pages"]
    machine.memory = "512M"
    if huge_pages_free() >= 256:
        pytest.skip("the pool of huge pages has enough of them")
    result = machine.run("memory_touch")
    assert result.status == HOST, result
    assert "huge" in result.last and "nr_hugepages" in result.last, result


# ---- boot information ----

@pytest.mark.parametrize("test", ["boot_state", "boot_params"])
def test_boot(machine, test):
    machine.expect_pass(test)


def test_command_line(disk_machine):
    """The user's words, the root disk and the device, in front of what init gets."""
    result = disk_machine.expect_pass("boot_cmdline", "quiet", "--", "init words")
    line = result.lines[0]
    assert line.startswith("cmdline: test=boot_cmdline quiet "), result
    assert line.endswith(" -- init words"), result
    assert " root=/dev/vda rw " in line, result
    assert " virtio_mmio.device=4K@0xc0001000:6 " in line, result


def test_command_line_asks_for_a_root_that_is_not_written(disk_machine):
    """The user's "ro" counts, and a root= that is part of something else does not."""
    result = disk_machine.expect_pass("boot_cmdline", "ro", 'x="y root=z"')
    assert " root=/dev/vda virtio_mmio" in result.lines[0], result


def test_command_line_default_and_append(machine):
    result = voltlib.run(machine.argv("boot_cmdline", cmdline="--cmdline-append"))
    passed(result)
    assert result.lines[0] == ("cmdline: console=ttyS0 reboot=k panic=-1 pci=off "
                               "test=boot_cmdline"), result


@pytest.mark.parametrize("size,step", [(8, 1), (4097, 1), (100001, 1), ((8 << 20) + 5, 509)])
def test_initrd(machine, tmp_path, size, step):
    """All of it is there; of the big one the guest, which may be slow, sums up a part."""
    data = os.urandom(size)
    (tmp_path / "initrd").write_bytes(data)
    machine.flags = ["--initrd", tmp_path / "initrd"]
    result = machine.expect_pass("boot_initrd", f"bytes={size}", f"step={step}")
    total = 0
    words = [word for (word,) in struct.iter_unpack("<Q", data[:size // 8 * 8])]
    for word in words[::step]:
        total = ((total << 1 | total >> 63) ^ word) & 0xffffffffffffffff
    assert f"initrd: {total:016x}" in result.lines, result


@pytest.mark.parametrize("cpus", [1, 2, 4, 32])
@pytest.mark.parametrize("test", ["boot_mptable", "boot_acpi"])
def test_tables(machine, test, cpus):
    machine.flags = ["--cpus", cpus]
    machine.expect_pass(test, f"cpus={cpus}")


def test_tables_with_a_disk(disk_machine):
    disk_machine.expect_pass("boot_acpi", "virtio=1")


def pvh_machine(machine):
    """The same machine with a kernel that is entered by PVH, where this KVM runs such a thing."""
    machine.kernel = conftest.GUEST_PVH
    result = machine.run("boot_state")
    if result.status == EMULATION:
        pytest.skip(f"this KVM cannot run 32-bit protected mode: {result.last}")
    passed(result)
    return machine


@pytest.mark.parametrize("test", ["boot_state", "boot_cmdline", "boot_mptable", "boot_acpi",
                                  "memory_touch", "power_registers"])
def test_pvh(machine, test):
    pvh_machine(machine).expect_pass(test)


@pytest.mark.parametrize("memory", ["17M", "5G"])
def test_pvh_memory_map(machine, memory):
    needs_memory(memory)
    machine.memory = memory
    pvh_machine(machine).expect_pass("memory_map", f"mib={mib(memory)}")


def test_pvh_initrd(machine, tmp_path):
    (tmp_path / "initrd").write_bytes(b"12345678" * 100)
    machine.flags = ["--initrd", tmp_path / "initrd"]
    pvh_machine(machine).expect_pass("boot_initrd", "bytes=800")


def test_pvh_disk(disk_machine):
    pvh_machine(disk_machine).expect_pass("blk_read_all")


def test_bzimage(disk_machine, tmp_path):
    (tmp_path / "bzImage").write_bytes(make_bzimage(conftest.GUEST.read_bytes()))
    disk_machine.kernel = tmp_path / "bzImage"
    disk_machine.expect_pass("boot_params")
    disk_machine.expect_pass("boot_state")
    disk_machine.expect_pass("blk_read_all")


# ---- the block device ----

def disk_hash(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("test", ["blk_read_all", "blk_get_id", "blk_odd_requests", "blk_many",
                                  "blk_index_wrap", "blk_interrupt", "blk_framing",
                                  "blk_longest_chain", "blk_end_of_ram", "blk_indirect"])
def test_blk(disk_machine, test):
    """Requests that change nothing: the disk is the same afterwards."""
    before = disk_hash(disk_machine.disk)
    disk_machine.expect_pass(test)
    assert disk_hash(disk_machine.disk) == before


@pytest.mark.parametrize("sectors", [1, 2, 256, 100000])
def test_blk_capacity(machine, tmp_path, sectors):
    machine.disk = voltlib.make_disk(tmp_path / "disk", min(sectors, 256))
    os.truncate(machine.disk, sectors * 512)
    if sectors > 1:
        machine.expect_pass("blk_identity", f"sectors={sectors}")
    else:
        machine.expect_pass("blk_read_all")


def test_blk_write(disk_machine):
    """What was written is in the file, and nothing else is."""
    disk_machine.expect_pass("blk_write")
    for sector in range(SECTORS):
        data = voltlib.read_sector(disk_machine.disk, sector)
        expected = voltlib.disk_sector(sector)
        if sector in (1, 5) or 8 <= sector < 136:
            expected = b"".join(((1 << 40) + (sector << 16 | word)).to_bytes(8, "little")
                                for word in range(64))
        assert data == expected, f"sector {sector}"
    assert os.path.getsize(disk_machine.disk) == SECTORS * 512


def test_blk_read_only(disk_machine):
    before = disk_hash(disk_machine.disk)
    disk_machine.flags = ["--rootfs-readonly"]
    disk_machine.expect_pass("blk_identity", f"sectors={SECTORS}", "ro=1")
    disk_machine.expect_pass("blk_read_only")
    assert disk_hash(disk_machine.disk) == before


def test_blk_read_only_file(disk_machine):
    """A file that may only be read does for --rootfs-readonly."""
    os.chmod(disk_machine.disk, 0o444)
    disk_machine.flags = ["--rootfs-readonly"]
    disk_machine.expect_pass("blk_read_all")


def test_disk_shrinks(disk_machine):
    """The file loses its end under the machine: errors for the guest, nothing worse."""
    with disk_machine.start("blk_shrunk") as vm:
        vm.wait_for(b"READY")
        os.truncate(disk_machine.disk, SECTORS * 256)
        vm.write(b"x")
        passed(vm.finish())


def test_blk_high_memory(disk_machine):
    needs_memory("5G")
    disk_machine.memory = "5G"
    disk_machine.expect_pass("blk_high_memory")


def test_disk_cannot_be_shared(disk_machine):
    """One machine may write a disk, or several may read it; a kill leaves no lock behind."""
    with disk_machine.start("blk_hold") as first:
        first.wait_for(b"HOLDING")
        for flags in ([], ["--rootfs-readonly"]):
            disk_machine.flags = flags
            second = disk_machine.run("blk_read_all")
            assert second.status == IMAGE, second
            assert str(disk_machine.disk) in second.last and "in use" in second.last, second
        first.signal(signal.SIGKILL)
        assert first.finish().status == -signal.SIGKILL
    disk_machine.flags = ["--rootfs-readonly"]
    with disk_machine.start("blk_hold") as first:
        first.wait_for(b"HOLDING")
        disk_machine.expect_pass("blk_read_all")
        disk_machine.flags = []
        assert disk_machine.run("blk_read_all").status == IMAGE
    disk_machine.expect_pass("blk_read_all")


# ---- the hostile driver ----

@pytest.mark.parametrize("test", [name for name in guest_tests("ring_") if name != "ring_storm"])
def test_hostile_ring(disk_machine, test):
    disk_machine.expect_pass(test)


@pytest.mark.parametrize("seed", range(4))
def test_ring_storm(disk_machine, seed):
    disk_machine.expect_pass("ring_storm", f"seed={seed}")


def test_all_hostile_rings_one_after_the_other(disk_machine):
    disk_machine.expect_pass("all_rings", "rounds=60")


def test_hostile_ring_with_memory_above_the_gap(disk_machine):
    """The gap has RAM on both sides."""
    needs_memory("5G")
    disk_machine.memory = "5G"
    disk_machine.expect_pass("ring_bad_addresses")


def test_hostile_driver_of_a_read_only_disk(disk_machine):
    before = disk_hash(disk_machine.disk)
    disk_machine.flags = ["--rootfs-readonly"]
    disk_machine.expect_pass("ring_storm", "seed=99", "rounds=150")
    disk_machine.expect_pass("ring_rewritten", "seed=99", "rounds=150")
    assert disk_hash(disk_machine.disk) == before


def test_hostile_driver_on_several_vcpus(disk_machine):
    """The other vCPUs only exist; the threads are what matters."""
    disk_machine.flags = ["--cpus", 4]
    disk_machine.expect_pass("ring_rewritten", "seed=5", "rounds=150")


@pytest.mark.parametrize("phase", range(7))
def test_reg_sweep(disk_machine, phase):
    disk_machine.expect_pass("reg_sweep", f"phase={phase}")


@pytest.mark.parametrize("test", [name for name in guest_tests("reg_")
                                  if name not in ("reg_sweep", "reg_storm")])
def test_hostile_registers(disk_machine, test):
    disk_machine.expect_pass(test, f"sectors={SECTORS}")


@pytest.mark.parametrize("seed", range(4))
def test_reg_storm(disk_machine, seed):
    disk_machine.expect_pass("reg_storm", f"seed={seed}")


# ---- many at once ----

def test_machines_side_by_side(machine):
    """Eight machines at a time, thirty-two in all: none disturbs another."""
    results = []

    def several():
        for status in range(4):
            results.append((status, machine.run("power_off", f"status={status}")))

    threads = [threading.Thread(target=several) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 32
    for status, result in results:
        assert result.status == status, result


def test_nothing_is_left_behind(machine):
    """The VM process has no children, and dies with its supervisor."""
    with machine.start("serial_idle") as vm:
        vm.wait_for(b"READY")
        pid = vm.vm_pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        assert not children.exists() or children.read_text() == ""
        vm.signal(signal.SIGKILL)
        vm.finish()
    end = time.monotonic() + voltlib.TIMEOUT
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < end, "the VM process lives on"
        time.sleep(0.01)


def test_death_of_the_vm_process_is_told(machine):
    with machine.start("serial_idle") as vm:
        vm.wait_for(b"READY")
        os.kill(vm.vm_pid, signal.SIGKILL)
        result = vm.finish()
    assert result.status == -signal.SIGKILL, result
    assert "killed by signal 9 " in result.last, result


def test_the_supervisor_leaves_no_core(machine, tmp_path):
    """It dies by the VM process's signal, but is not the cause."""
    machine.flags = ["--no-jail"]    # so that SIGSEGV reaches it
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with machine.start("serial_idle", cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_CORE, unlimited)) as vm:
        vm.wait_for(b"READY")
        os.kill(vm.vm_pid, signal.SIGSEGV)
        vm.popen.wait(voltlib.TIMEOUT)
        assert vm.popen.returncode == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) == []


def is_pending(pid, number):
    """Whether a process has not taken a signal yet: a second one would be lost in it."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        pending = next(line.split()[1] for line in status if line.startswith("ShdPnd:"))
    return int(pending, 16) >> (number - 1) & 1


@pytest.mark.parametrize("count", [2, 3])
def test_requests_end_a_vm_process_that_hangs(machine, count):
    with machine.start("serial_idle") as vm:
        vm.wait_for(b"READY")
        os.kill(vm.vm_pid, signal.SIGSTOP)
        for _ in range(count):
            vm.signal(signal.SIGTERM)
            while vm.popen.poll() is None and is_pending(vm.pid, signal.SIGTERM):
                time.sleep(0.01)
        result = vm.finish()
    assert result.status == STOPPED, result
    assert f"killed, after it was told to stop {count} times" in result.last, result


# ---- last, because it is half a minute's wait ----

def test_unanswered_button_ends_the_machine(machine, unanswered):
    assert machine
    result = unanswered.finish(voltlib.TIMEOUT + 30)
    assert "IGNORED" in result.lines, result
    assert result.status == NO_ANSWER, result
    assert "guest did not power off" in result.last, result
