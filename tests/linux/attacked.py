# SPDX-License-Identifier: Apache-2.0
"""A monitor that has been taken over (tests/audit/probe.c), and the machine that it is in."""

import os
import re
import shutil
import socket
import subprocess

import voltlib

RELEASE = voltlib.BUILD / "release"
PROBE = RELEASE / "tests" / "audit" / "volt-vmm-probe"
TINY = RELEASE / "tests" / "guest" / "guest"
USER = 1000		# who starts the monitor where root does not
NOBODY = 65534

SWITCHES = {"seccomp": "--no-seccomp", "jail": "--no-jail", "landlock": "--no-landlock"}


def started_by(start):
    """How to start a program as root, or as a user: keywords for Popen."""
    if start == "root":
        return {}
    os.chmod("/dev/kvm", 0o666)
    return {"user": USER, "group": USER, "extra_groups": []}


def open_directory(lab):
    """The scene's directory, for every user to look into."""
    lab.directory.chmod(0o755)
    return lab.directory


class Surroundings:
    """What a monitor finds outside of its sandbox: attacks and their arguments."""

    def __init__(self, lab, owner):
        where = open_directory(lab)
        self.stack = lab.stack
        self.program = shutil.copy(PROBE, where)
        self.kernel = shutil.copy(TINY, where)
        shared, private, drop = where / "shared", where / "private", where / "drop"
        for path, mode in ((shared, 0o644), (private, 0o600)):
            path.write_bytes(bytes(4096))
            path.chmod(mode)
        drop.mkdir()
        drop.chmod(0o777)
        self.written, self.executed = drop / "written", drop / "executed"
        program = where / "program"
        program.write_text(f"#!/bin/sh\n: >{self.executed}\n", encoding="utf-8")
        program.chmod(0o755)
        name = f"volt-test-{where.name}"
        port = self.listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.listen(socket.AF_UNIX, str(where / "socket"))
        os.chmod(where / "socket", 0o666)
        self.listen(socket.AF_UNIX, "\0" + name)
        mine, roots = self.sleeper(owner), self.sleeper(0)
        self.attacks = {
            "read-private": f"read {private}", "read-shadow": "read /etc/shadow",
            "read-shared": f"read {shared}", "write": f"write {self.written}",
            "tcp": f"tcp {port}", "unix": f"unix {where / 'socket'}",
            "abstract": f"abstract {name}",
            "signal-other": f"signal {roots}", "signal-own": f"signal {mine}",
            "ptrace-other": f"ptrace {roots}", "ptrace-own": f"ptrace {mine}",
            "exec": f"exec {program}", "map-code": "map-code", "make-code": "make-code",
            "mount": "mount", "own-mount": "user-namespace mount", "module": "module",
            "namespace": "namespace", "own-namespace": "user-namespace none", "root": "root",
            "limit": "limit",
        }

    def listen(self, family, address):
        server = self.stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        server.bind(address)
        server.listen(1000)
        return server

    def sleeper(self, user):
        # A session of its own, as daemons have: within one everybody may send SIGCONT (kill(2)).
        process = subprocess.Popen(["/bin/sleep", "100000"], user=user, group=user,
                                   extra_groups=[], start_new_session=True)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process.pid

    def attack(self, start, role, layers, attack):
        """What came of it: "success", an errno's number, or "killed by CALL"."""
        for witness in (self.written, self.executed):
            witness.unlink(missing_ok=True)
        argv = [self.program, "--kernel", self.kernel,
                *(flag for layer, flag in SWITCHES.items() if layer not in layers)]
        done = subprocess.run(argv, env={"VOLT_PROBE": f"{role} attack {self.attacks[attack]}"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=voltlib.TIMEOUT, check=False,
                              **started_by(start))
        # The VM process is another program then, and tells nothing.
        return "success" if self.executed.exists() else outcome_of(done.returncode, done.stderr)


def outcome_of(status, err):
    told = re.search(r"^PROBE returned (-?\d+)$", err, re.M)
    if told:
        return -int(told[1]) or "success"
    last = (err.splitlines() or [""])[-1]
    if status == 216 and "stopped by the sandbox" in last:
        called = re.search(r": it called (\w+)$", last)
        return "killed by " + (called[1] if called else "seccomp")
    return f"unclear: {status}: {err}"
