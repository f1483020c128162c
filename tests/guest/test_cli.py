# SPDX-License-Identifier: Apache-2.0
"""
Bad input from the user: one line that says what, which value, why and what to do, an exit status of
its own, and nothing on standard output.
"""

import gzip
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

import conftest
import voltlib
from bzimage import make_bzimage

USAGE, IMAGE, KVM, HOST, SANDBOX = 210, 211, 212, 214, 216
NOBODY = 65534


def refused(args, status, *words, **keywords):
    """Run the monitor; it has to refuse with @status and a line that has all @words."""
    result = voltlib.run(voltlib.vmm(*args), **keywords)
    assert result.status == status, result
    assert result.out == b"", result
    lines = result.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("volt-vmm: "), result
    for word in words:
        assert str(word) in lines[0], (word, result)
    assert len(lines[0]) < 400 and lines[0].isprintable(), result
    return lines[0]


# ---- options ----

K = ["--kernel", "kernel"]


@pytest.mark.parametrize("args,words", [
    ([], ["--kernel"]),
    (["--kernel"], ["--kernel", "value"]),
    (["--kernel", ""], ["--kernel", "empty"]),
    (K + ["--memory"], ["--memory", "SIZE"]),
    (["--kernl", "kernel"], ["'--kernl'", "did you mean --kernel?"]),
    (K + ["--memroy", "1G"], ["'--memroy'", "did you mean --memory?"]),
    (K + ["--cpu", "1"], ["'--cpu'", "did you mean --cpus?"]),
    (K + ["--rootfs-read-only"], ["did you mean --rootfs-readonly?"]),
    (K + ["--hugepages"], ["did you mean --huge-pages?"]),
    (K + ["--frobnicate-all"], ["'--frobnicate-all'", "--help"]),
    (K + ["-h"], ["'-h'", "--help"]),
    (K + ["kernel2"], ["'kernel2'", "--help"]),
    (K + ["--"], ["'--'"]),
    (K + [""], ["''"]),
    (K + K, ["--kernel", "twice"]),
    (K + ["--kernel=other"], ["--kernel", "twice"]),
    (K + ["--huge-pages", "--huge-pages"], ["--huge-pages", "twice"]),
    (K + ["--huge-pages=yes"], ["--huge-pages", "'yes'"]),
    (K + ["--help=me"], ["--help", "'me'"]),
    (K + ["--memory", "0"], ["--memory", " 0 ", "16M"]),
    (K + ["--memory", "-1"], ["--memory", "'-1'", "128M"]),
    (K + ["--memory", "+1G"], ["--memory", "'+1G'"]),
    (K + ["--memory", " 1G"], ["--memory", "' 1G'"]),
    (K + ["--memory", ""], ["--memory", "''"]),
    (K + ["--memory", "M"], ["--memory", "'M'"]),
    (K + ["--memory", "1K"], ["--memory", "1024", "16M"]),
    (K + ["--memory", "128"], ["--memory", "128", "16M"]),
    (K + ["--memory", "16383K"], ["--memory", "16M"]),
    (K + ["--memory", "128MB"], ["--memory", "'128MB'"]),
    (K + ["--memory", "1.5G"], ["--memory", "'1.5G'"]),
    (K + ["--memory", "0x10000000"], ["--memory", "'0x10000000'"]),
    (K + ["--memory", "128M,"], ["--memory", "'128M,'"]),
    (K + ["--memory", "33554433"], ["--memory", "33554433", "4K"]),
    (K + ["--memory", "33M", "--huge-pages"], ["--memory", "2M", "--huge-pages"]),
    (K + ["--memory", "1024T"], ["--memory", "this host has"]),
    (K + ["--memory", "16777216T"], ["--memory", "'16777216T'"]),
    (K + ["--memory", "18446744073709551615"], ["--memory"]),
    (K + ["--memory", "18446744073709551616"], ["--memory", "'18446744073709551616'"]),
    (K + ["--memory", "9" * 60], ["--memory", "9" * 60]),
    (K + ["--cpus", "0"], ["--cpus", "0", "1 to 32"]),
    (K + ["--cpus", "33"], ["--cpus", "33", "1 to 32"]),
    (K + ["--cpus", "-1"], ["--cpus", "'-1'", "1 to 32"]),
    (K + ["--cpus", "abc"], ["--cpus", "'abc'", "1 to 32"]),
    (K + ["--cpus", "2x"], ["--cpus", "'2x'"]),
    (K + ["--cpus", ""], ["--cpus", "''"]),
    (K + ["--cpus", "18446744073709551617"], ["--cpus", "18446744073709551617"]),
    (K + ["--net-backend", "tap"], ["--net-backend", "'tap'", "none"]),
    (K + ["--rootfs-readonly"], ["--rootfs-readonly", "--rootfs"]),
])
def test_usage(args, words):
    refused(args, USAGE, *words)


@pytest.mark.parametrize("flag,text", [("--help", b"usage: volt-vmm"), ("--version", b"volt-vmm ")])
def test_help_and_version(flag, text):
    result = voltlib.run(voltlib.vmm(flag))
    assert result.status == 0 and result.out.startswith(text) and result.err == "", result


def test_odd_bytes_in_a_value_do_not_reach_the_terminal():
    """What a message repeats may come from anywhere: no control characters."""
    result = voltlib.run(voltlib.vmm("--kernel", "a\033[31m\nb"))
    assert result.status in (IMAGE, USAGE), result
    assert "\033" not in result.err and len(result.err.splitlines()) == 1, result


# ---- files ----

@pytest.fixture(name="where")
def fixture_where():
    """A directory that other users can look into, which pytest's own is not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="volt-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def write(path, data):
    path.write_bytes(data)
    return path


def as_nobody(where):
    """How to run the monitor as a user without rights: the environment for refused()."""
    if os.geteuid() != 0:
        return {}
    program = where / "volt-vmm"
    shutil.copy(voltlib.VMM, program)
    program.chmod(0o755)
    return {"executable": str(program), "user": NOBODY, "group": NOBODY, "extra_groups": []}


@pytest.mark.parametrize("flag", ["--kernel", "--initrd", "--rootfs"])
@pytest.mark.parametrize("kind,words", [
    ("missing", ["No such file"]),
    ("directory", ["directory"]),
    ("null", ["regular file"]),
    ("fifo", ["regular file"]),
    ("socket", []),
    ("loop", ["link"]),
    ("long", ["too long"]),
    ("unreadable", ["ermission denied"]),
])
def test_unusable_file(where, flag, kind, words):
    """What is not a file that can be read, whichever file it is."""
    path, keywords = where / "file", {}
    if kind == "directory":
        path.mkdir()
    elif kind == "null":
        path = pathlib.Path("/dev/null")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o140644) if os.geteuid() == 0 else pytest.skip("only root makes one")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "long":
        path = where / ("x" * 300)
    elif kind == "unreadable":
        write(path, bytes(4096))
        path.chmod(0)
        keywords = as_nobody(where)
    args = [flag, path]
    if flag != "--kernel":
        kernel = where / "kernel"
        shutil.copy(conftest.GUEST, kernel)
        kernel.chmod(0o644)
        args = ["--kernel", kernel, *args]
    refused(args, IMAGE, path, *words, **keywords)


@pytest.mark.parametrize("size,words", [(0, ["empty"]), (1, ["1 byte", "512"]), (511, ["512"]),
                                        (513, ["513", "512"]), (4095, ["4095", "512"])])
def test_rootfs_size(kvm, where, size, words):
    path = write(where / "disk", bytes(size))
    refused(["--kernel", conftest.GUEST, "--rootfs", path], IMAGE, "--rootfs", path, *words)
    assert path.stat().st_size == size


def test_rootfs_not_writable(where):
    """Only readable is not enough for writing, and the message knows the remedy."""
    kernel = where / "kernel"
    shutil.copy(conftest.GUEST, kernel)
    kernel.chmod(0o644)
    path = write(where / "disk", bytes(4096))
    path.chmod(0o444)
    refused(["--kernel", kernel, "--rootfs", path], IMAGE, path, "ermission denied", "read-only",
            **as_nobody(where))


# ---- kernels ----


def elf(**fields):
    """The guest's ELF file with some fields changed: e_NAME of the header, p_NAME of segment 0."""
    places = {"e_ident": (0, "16s"), "e_class": (4, "B"), "e_data": (5, "B"), "e_type": (16, "H"),
              "e_machine": (18, "H"), "e_entry": (24, "Q"), "e_phoff": (32, "Q"),
              "e_phentsize": (54, "H"), "e_phnum": (56, "H"), "p_type": (64, "I"),
              "p_offset": (72, "Q"), "p_paddr": (88, "Q"), "p_filesz": (96, "Q"),
              "p_memsz": (104, "Q")}
    image = bytearray(conftest.GUEST.read_bytes())
    assert struct.unpack_from("<Q", image, 32)[0] == 64
    for name, value in fields.items():
        offset, form = places[name]
        struct.pack_into("<" + form, image, offset, value)
    return bytes(image)


@pytest.mark.parametrize("name,image,words", [
    ("empty", lambda: b"", ["empty"]),
    ("one byte", lambda: b"\x7f", []),
    ("zeros", lambda: bytes(1 << 20), []),
    ("text", lambda: b"hello world\n" * 100, []),
    ("script", lambda: b"#!/bin/sh\nexit 0\n", ["script"]),
    ("gzip", lambda: gzip.compress(conftest.GUEST.read_bytes()), ["gzip", "decompress"]),
    ("zstd", lambda: b"\x28\xb5\x2f\xfd" + bytes(1000), ["zstd"]),
    ("xz", lambda: b"\xfd7zXZ\0" + bytes(1000), ["xz"]),
    ("truncated header", lambda: elf()[:40], ["truncated"]),
    ("truncated segments", lambda: elf()[:100], ["truncated"]),
    ("truncated text", lambda: elf()[:5000], ["truncated"]),
    ("one byte short", lambda: elf(p_filesz=len(elf()) - 4096 + 1, p_memsz=1 << 20),
     ["truncated"]),
    ("aarch64", lambda: elf(e_machine=183), ["AArch64", "x86-64"]),
    ("i386", lambda: elf(e_machine=3), ["x86-64"]),
    ("riscv", lambda: elf(e_machine=243), ["x86-64"]),
    ("unknown machine", lambda: elf(e_machine=60000), ["60000"]),
    ("32 bits", lambda: elf(e_class=1), ["64-bit"]),
    ("big-endian", lambda: elf(e_data=2), ["x86-64"]),
    ("object file", lambda: elf(e_type=1), []),
    ("core dump", lambda: elf(e_type=4), []),
    ("no segments", lambda: elf(e_phnum=0), []),
    ("65535 segments", lambda: elf(e_phnum=65535), []),
    ("odd segment headers", lambda: elf(e_phentsize=57), []),
    ("segment headers nowhere", lambda: elf(e_phoff=1 << 62), []),
    ("segment headers wrap", lambda: elf(e_phoff=(1 << 64) - 8), []),
    ("segment offset nowhere", lambda: elf(p_offset=1 << 62), []),
    ("segment offset wraps", lambda: elf(p_offset=(1 << 64) - 4096), []),
    ("segment size wraps", lambda: elf(p_filesz=(1 << 64) - 1, p_memsz=(1 << 64) - 1), []),
    ("more file than memory", lambda: elf(p_memsz=16), []),
    ("segment beyond memory", lambda: elf(p_paddr=1 << 40), []),
    ("segment address wraps", lambda: elf(p_paddr=(1 << 64) - 4096), []),
    ("segment in the MMIO gap", lambda: elf(p_paddr=0xd0000000), []),
    ("segment at the end of memory", lambda: elf(p_paddr=(32 << 20) - 4096), []),
    ("segment over the boot parameters", lambda: elf(p_paddr=0x7000), []),
    ("segment at 0", lambda: elf(p_paddr=0), []),
    ("segment too big", lambda: elf(p_memsz=1 << 30), ["memory"]),
    ("entry outside", lambda: elf(e_entry=0x90000000), []),
    ("entry 0", lambda: elf(e_entry=0), []),
    ("entry wraps", lambda: elf(e_entry=(1 << 64) - 1), []),
    ("bzImage cut in its header", lambda: make_bzimage(elf())[:0x210], []),
    ("bzImage cut in its payload", lambda: make_bzimage(elf())[:-4096], ["truncated"]),
    ("bzImage too old", lambda: make_bzimage(elf(), version=0x20b), ["2.11", "2.12"]),
    ("bzImage without 64 bits", lambda: make_bzimage(elf(), xloadflags=0), ["64-bit"]),
    ("bzImage too big", lambda: make_bzimage(elf(), init_size=1 << 30), ["memory"]),
    ("bzImage of a huge size", lambda: make_bzimage(elf(), init_size=0xffffffff), []),
    ("bzImage at a bad address", lambda: make_bzimage(elf(), pref_address=(1 << 64) - 4096), []),
])
def test_kernel(kvm, where, name, image, words):
    """A kernel file that lies, or is none: refused in words, whatever is wrong with it."""
    path = write(where / "kernel", image())
    refused(["--kernel", path, "--memory", "32M"], IMAGE, path, *words)
    assert name


def test_kernel_too_big_says_how_much_would_do(kvm, where):
    path = write(where / "kernel", elf(p_memsz=100 << 20))
    refused(["--kernel", path, "--memory", "64M"], IMAGE, path, "--memory")


@pytest.mark.parametrize("size,words", [(0, ["empty"]), (40 << 20, ["--memory"]),
                                        (31 << 20, ["--memory"])])
def test_initrd(kvm, where, size, words):
    path = write(where / "initrd", b"")
    os.truncate(path, size)
    refused(["--kernel", conftest.GUEST, "--memory", "32M", "--initrd", path], IMAGE, path, *words)


def test_sparse_giant_initrd(kvm, where):
    """Its size is known before anything is read."""
    path = write(where / "initrd", b"")
    os.truncate(path, 1 << 42)
    refused(["--kernel", conftest.GUEST, "--memory", "32M", "--initrd", path], IMAGE, path)


@pytest.mark.parametrize("flag", ["--cmdline", "--cmdline-append"])
@pytest.mark.parametrize("text,words", [("x" * 5000, ["4095"]), ("a\nb", []), ("a\x01b", []),
                                        ("caf\u00e9", [])])
def test_command_line(kvm, flag, text, words):
    line = refused(["--kernel", conftest.GUEST, flag, text], IMAGE, flag, *words)
    assert len(line) < 400


# ---- /dev/kvm ----

def unshare(script, *args):
    """Run the monitor in a mount namespace of its own, after a shell script in it."""
    flags = "-m" if os.geteuid() == 0 else "-rm"
    probe = subprocess.run(["unshare", flags, "sh", "-c", "mount -t tmpfs none /mnt"], check=False,
                           capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no mount namespace can be made here: {probe.stderr.strip()}")
    return ["unshare", flags, "sh", "-c", f'{script} && exec "$@"', "sh", *voltlib.vmm(*args)]


@pytest.mark.parametrize("kind,script,words", [
    ("missing", "mount -t tmpfs none /dev", ["does not exist", "modprobe"]),
    ("a file", "mount --bind {file} /dev/kvm", ["not"]),
    ("another device", "mount --bind /dev/zero /dev/kvm", ["not"]),
])
def test_no_kvm(where, kind, script, words):
    """A host without KVM, or with something else in its place."""
    if kind != "missing" and not os.path.exists("/dev/kvm"):
        pytest.skip("there is no /dev/kvm to put something over")
    file = write(where / "file", b"")
    argv = unshare(script.format(file=file), "--kernel", conftest.GUEST)
    result = voltlib.run(argv)
    assert result.status == KVM, result
    assert len(result.err.splitlines()) == 1, result
    for word in ["/dev/kvm", *words]:
        assert word in result.last, result


def test_kvm_without_permission(where):
    if not os.path.exists("/dev/kvm"):
        pytest.skip("there is no /dev/kvm")
    if os.stat("/dev/kvm").st_mode & 0o006 == 0o006 or (os.geteuid() != 0 and
                                                        os.access("/dev/kvm", os.R_OK | os.W_OK)):
        pytest.skip("everybody may use /dev/kvm here")
    kernel = where / "kernel"
    shutil.copy(conftest.GUEST, kernel)
    kernel.chmod(0o644)
    refused(["--kernel", kernel], KVM, "/dev/kvm", "permission", "group", **as_nobody(where))


# ---- the host's resources ----

def test_address_space_limit(kvm):
    """The host refuses the memory: an error, not a crash."""
    result = voltlib.run(["sh", "-c", 'ulimit -v 262144; exec "$@"', "sh",
                          *voltlib.vmm("--kernel", conftest.GUEST, "--memory", "1G")])
    assert result.status == HOST, result
    assert "memory" in result.last and len(result.err.splitlines()) == 1, result


@pytest.mark.parametrize("count", range(4, 24, 2))
def test_descriptor_limit(kvm, count):
    """Too few descriptors, at whatever point they run out: an error in words or a good run."""
    result = voltlib.run(["sh", "-c", f'ulimit -n {count}; exec "$@"', "sh",
                          *voltlib.vmm("--kernel", conftest.GUEST, "--cmdline", "test=power_off")])
    assert result.status in (0, IMAGE, KVM, HOST, SANDBOX), result
    assert result.last.startswith("volt-vmm: "), result
    if result.status:
        assert len(result.err.splitlines()) == 1, result
        assert "descriptor" in result.last or "Too many open files" in result.last, result
