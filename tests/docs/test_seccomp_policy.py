# SPDX-License-Identifier: Apache-2.0
"""The seccomp policy: what its compiler refuses, and what the real one keeps to."""

import json
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build" / "release" / "seccomp"
FINE = "read device reads something\n"

# Calls by which a thread could get more than it has.
NEVER = {
    "open", "openat", "openat2", "creat", "socket", "connect", "bind", "clone", "clone3",
    "fork", "vfork", "execve", "execveat", "ptrace", "prctl", "kill", "tgkill", "bpf", "mount",
    "unshare", "setns", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "memfd_create",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "sendmsg", "recvmsg", "dup", "dup2",
}


def compile_policy(tmp_path, text):
    path = tmp_path / "policy"
    path.write_text(text, encoding="utf-8")
    return subprocess.run([BUILD / "compile", path], capture_output=True, text=True, timeout=30,
                          check=False)


@pytest.mark.parametrize("line, message", [
    ("raed device reads something", "unknown system call 'raed'"),
    ("read", "unknown role ''"),
    ("read driver reads something", "unknown role 'driver'"),
    ("read vcpu,driver reads something", "unknown role 'driver'"),
    ("write device", "no reason is given"),
    ("write device arg2=8", "no reason is given"),
    ("write device [rare]", "no reason is given"),
    ("write device because", "no reason is given"),
    ("write device [often] writes something", "unknown mark [often]"),
    ("write device arg6=8 writes something", "'arg6=8' is no condition"),
    ("write device arg2&7 writes something", "'arg2&7' is no condition"),
    ("write device arg2= writes something", "unknown constant ''"),
    ("write device arg2=8,, writes something", "unknown constant ''"),
    ("write device arg2=08 writes something", "unknown constant '08'"),
    ("write device arg2=-1 writes something", "unknown constant '-1'"),
    ("write device arg2=99999999999999999999 writes", "unknown constant '99999999999999999999'"),
    ("ioctl device int1=KVM_RUM runs the guest", "unknown constant 'KVM_RUM'"),
    ("mmap device arg2&PROT_EXEC=PROT_READ maps memory", "a value has bits beyond its mask"),
    ("write device int2=0x100000000 writes something", "a value has bits beyond its mask"),
    ("write device arg2=8 arg2=16 writes something", "two conditions on argument 2"),
    ("write device arg2=8,8 writes something", "a value is there twice"),
    ("write device arg2=1,2,3,4,5,6,7,8,9 writes something", "more than 8 values"),
    ("read device reads it again", "read is allowed already, by line 1"),
    ("read vcpu,device reads it again", "read is allowed already, by line 1"),
    ("read device arg2=8 reads it again", "and none in the other"),
    ("poll device waits for something", "poll is not in the baseline"),
    ("beyond pol waits for something", "unknown system call 'pol'"),
    ("beyond poll", "no reason is given"),
    ("beyond poll waits for something", "no line allows poll"),
    ("beyond read reads something", "read is in the baseline"),
    ("write device " + "much " * 60, "the reason is too long"),
])
def test_refuses(tmp_path, line, message):
    done = compile_policy(tmp_path, FINE + "\n# a comment\n" + line + "\n")
    assert done.returncode == 1 and done.stdout == "", done
    assert done.stderr.startswith(f"{tmp_path}/policy:4: "), done.stderr
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_accepts(tmp_path):
    text = FINE + ("beyond poll its C library makes this call\n"
                   "poll vcpu,device [rare] [later] waits for something\n"
                   "\twrite  device\targ2=8  writes eight bytes\n"
                   "write device arg2=16,010 int0=1|2 writes others\n"
                   "mmap device arg2&PROT_EXEC=0 maps memory\n")
    done = compile_policy(tmp_path, text)
    assert done.returncode == 0 and done.stdout + done.stderr == "", done


def test_same_condition_twice(tmp_path):
    text = ("write device arg2=8 int0=1,2 writes eight bytes\n"
            "write device int0=2,3 arg2=8 writes them again\n")
    done = compile_policy(tmp_path, text)
    assert done.returncode == 1 and "policy:2: write is allowed already, by line 1" in done.stderr


def test_missing_file(tmp_path):
    done = subprocess.run([BUILD / "compile", tmp_path / "none"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1 and "none" in done.stderr


@pytest.fixture(name="policy", scope="module")
def fixture_policy():
    return json.loads((BUILD / "policy.json").read_text(encoding="utf-8"))


def test_counts(policy):
    for role, most in (("vcpu", 15), ("device", 40), ("api", 25)):
        calls = {line["call"] for line in policy["lines"] if line["role"] == role}
        assert policy["counts"][role] == len(calls) <= most
    assert policy["counts"]["union"] == len({line["call"] for line in policy["lines"]})


def test_nothing_dangerous(policy):
    assert not NEVER & {line["call"] for line in policy["lines"]}


def test_calls_with_many_faces_have_conditions(policy):
    """A call that can do all kinds of things is bound to the ones that are wanted."""
    for line in policy["lines"]:
        if line["call"] in ("ioctl", "futex", "madvise", "mmap", "mprotect", "tkill", "fallocate"):
            assert line["conditions"], line


def test_beyond_the_baseline(policy):
    assert set(policy["beyond"]) == {line["call"] for line in policy["lines"]
                                     if not line["baseline"]}


def test_later_is_the_api_alone(policy):
    for line in policy["lines"]:
        assert line["later"] == (line["role"] == "api"), line
