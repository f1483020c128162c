# SPDX-License-Identifier: Apache-2.0
"""
Every system call from every kind of thread of a real monitor in its real sandbox: exactly what
seccomp/policy allows is carried out, everything else ends the process. Each call is a start of the
monitor's probe build (probe.c).
"""

import concurrent.futures
import json
import os
import re

import pytest

import voltlib

RELEASE = voltlib.ROOT / "build" / "release"
PROBE = RELEASE / "tests" / "audit" / "volt-vmm-probe"
KERNEL = RELEASE / "tests" / "guest" / "guest"
POLICY = json.loads((RELEASE / "seccomp" / "policy.json").read_text(encoding="utf-8"))
ROLES = ("vcpu", "device", "api")
KILLED = 216        # exit status, man/volt-vmm.1
X32 = 0x40000000    # __X32_SYSCALL_BIT, asm/unistd.h
# uretprobe and uprobe: the kernel's own trampolines make these, and kernels that have them let them
# pass every filter (seen on 6.18). Made by anybody else they only fail.
UNFILTERED = (335, 336)
NUMBERS = [*(number for number in range(512) if number not in UNFILTERED),
           X32, X32 + 1, X32 + 512, 0xffffffff]
ALL_ONES = (1 << 64) - 1
# What ends a thread or the process by being carried out.
EXIT, EXIT_GROUP, RT_SIGRETURN = 60, 231, 15


def probe(role, number, args):
    """Make a call from a thread of @role. Returns what came of it in a word, and all of it."""
    text = " ".join(map(str, (role, "call", number, *args)))
    result = voltlib.run([str(PROBE), "--kernel", str(KERNEL)],
                         env=dict(os.environ, VOLT_PROBE=text))
    told = re.search(r"^PROBE (\w+) (-?\d+)$", result.err, re.M)
    if told:
        return told.group(1), result
    if result.status == KILLED and "stopped by the sandbox" in result.last:
        return "killed", result
    if result.status == -11:
        return "crashed", result
    return ("exited" if "no word of why" in result.last else "unclear"), result


def lines_of(role, number=None):
    return [line for line in POLICY["lines"] if line["role"] == role and
            number in (None, line["number"])]


def holds(condition, args):
    return args[condition["arg"]] & condition["mask"] in condition["values"]


def allowed(role, number, args):
    """What the policy says of a call."""
    return any(all(holds(condition, args) for condition in line["conditions"])
               for line in lines_of(role, number))


def args_for(line):
    """Arguments that meet the line's conditions and do no harm: bad descriptors and addresses."""
    args = [ALL_ONES] * 6
    for condition in line["conditions"]:
        args[condition["arg"]] = condition["values"][0]
    return args


def expected(role, number, args):
    if not allowed(role, number, args):
        return "killed"
    return {EXIT: "ended", EXIT_GROUP: "exited", RT_SIGRETURN: "crashed"}.get(number, "returned")


def play(trials):
    """Make the calls, two at a time; returns those that went otherwise than the policy says."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = pool.map(lambda trial: probe(*trial), trials)
        return [f"{trial}: {outcome}, not {expected(*trial)}: {result}"
                for trial, (outcome, result) in zip(trials, outcomes)
                if outcome != expected(*trial)]


def arguments_around(line):
    """The line's arguments, and those just outside of each of its conditions, and just inside."""
    for condition in line["conditions"]:
        mask = condition["mask"]
        bits = [bit for bit in range(64) if mask >> bit & 1]
        near = bits if len(bits) <= 8 else [bits[0], bits[1], bits[2], bits[-1]]
        beyond = [bit for bit in (31, 32, 63) if not mask >> bit & 1]
        for value in condition["values"]:
            for other in {value, *((value ^ 1 << bit) & ALL_ONES for bit in near + beyond),
                          (value + 1) & mask, (value - 1) & mask}:
                args = args_for(line)
                args[condition["arg"]] = other
                yield args


def test_call_is_named():
    """
    The last line names the call, where the kernel's log may be read. First of all tests, because the
    kernel does not log more than some at a time.
    """
    try:
        with open("/dev/kmsg", "rb"):
            pass
    except OSError as error:
        pytest.skip(f"/dev/kmsg: {error.strerror}")
    outcome, result = probe("device", 59, [ALL_ONES] * 6)
    assert outcome == "killed", result
    assert "it called execve" in result.last, result


@pytest.mark.parametrize("role", ROLES)
def test_every_call(role):
    trials = []
    for number in NUMBERS:
        lines = lines_of(role, number)
        trials.append((role, number, args_for(lines[0]) if lines else [ALL_ONES] * 6))
    assert play(trials) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_bound(role):
    trials = [(role, line["number"], args) for line in lines_of(role)
              for args in arguments_around(line)]
    assert len(trials) > 10
    assert play(trials) == []


@pytest.mark.parametrize("role, most", [("vcpu", 15), ("device", 40), ("api", 25)])
def test_number_of_calls(role, most):
    assert 0 < len({line["number"] for line in lines_of(role)}) <= most


def test_log_mode_lets_the_call_pass():
    result = voltlib.run([str(PROBE), "--kernel", str(KERNEL), "--seccomp-log"],
                         env=dict(os.environ, VOLT_PROBE="device call 39 0 0 0 0 0 0"))
    assert re.search(r"^PROBE returned [1-9]", result.err, re.M), result
