# SPDX-License-Identifier: Apache-2.0
"""
Reads what strace -f saw of a monitor. The process that it started is the supervisor; the first one
made by it is the VM process, whose own thread is the device thread, and whose others are vCPUs.

Arguments are numbers ("-e raw="), but for those of open and openat. A call counts from where it is
entered; one that was interrupted by another thread's has two lines.
"""

import json
import re

import voltlib

POLICY = voltlib.BUILD / "release" / "seccomp" / "policy.json"
SECCOMP_SET_MODE_FILTER = 1	# linux/seccomp.h
# Calls that get at a file's contents, and which of their arguments is the file.
READERS = {"read": 0, "pread64": 0, "readv": 0, "preadv": 0, "preadv2": 0, "mmap": 4,
           "sendfile": 1, "splice": 0, "copy_file_range": 0, "readahead": 0, "dup": 0, "dup2": 0,
           "dup3": 0}


def _number(text):
    """An argument as the 64 bits that the kernel got, None where strace tells it otherwise."""
    match = re.match(r"0x[0-9a-f]+|-?\d+", text)
    return int(match[0], 0) & (1 << 64) - 1 if match else None


class Call:
    """One call: thread, name, args (numbers), text (of all arguments), result (None: unknown)."""

    def __init__(self, thread, name, text):
        self.thread, self.name, self.text = thread, name, text
        self.args = [_number(part) for part in text.split(", ")] if text else []
        self.result = None

    def __repr__(self):
        return f"{self.name}({self.text})"


def calls(lines):
    """The calls in the order in which they were entered."""
    seen, pending = [], {}
    for line in lines:
        entered = re.match(r"(\d+) +(\w+)\((.*)$", line)
        resumed = re.match(r"(\d+) +<\.\.\. (\w+) resumed>", line)
        if entered:
            thread, name, rest = int(entered[1]), entered[2], entered[3]
            call = Call(thread, name, re.sub(r"( <unfinished \.\.\.>|\) += .*)$", "", rest))
            pending[thread] = call
            seen.append(call)
        call = pending.get(int((entered or resumed)[1])) if entered or resumed else None
        result = re.search(r"\) += (-?\w+)[^)]*?(\(.*\))?$", line)
        if call and result:
            call.result = _number(result[1])
    return seen


def _matching(lines, call):
    """The lines of the policy that allow the call."""
    return [line["line"] for line in lines if line["call"] == call.name and all(
        condition["arg"] < len(call.args) and call.args[condition["arg"]] is not None and
        call.args[condition["arg"]] & condition["mask"] in condition["values"]
        for condition in line["conditions"])]


class Trace:
    """What the threads of the VM process did, and when."""

    def __init__(self, lines, paths):
        self.policy = json.loads(POLICY.read_text(encoding="utf-8"))["lines"]
        self.calls = calls(lines)
        self.paths = paths
        self.supervisor = self.calls[0].thread
        self.device = next(call.thread for call in self.calls if call.thread != self.supervisor)
        self.sealed = set()

    def role(self, thread):
        return "device" if thread == self.device else "vcpu"

    def facts(self):
        """
        lines: those of the policy that were needed after the filters; beyond: calls after them that
        it has not; sealed: the roles of the threads that have filters; unsealed: what others did
        after the device thread's, which is the last one. files: which of the paths were opened;
        early: what got at their contents before the device thread's filter; late: which were read
        after it.
        """
        facts = {"lines": set(), "beyond": [], "unsealed": [], "early": [], "late": set()}
        opened = {}
        for call in self.calls:
            self._note_open(call, opened)
            self._note_read(call, opened, facts)
            if call.thread in self.sealed:
                self._note_sealed(call, facts)
            elif call.name == "seccomp" and call.args[0] == SECCOMP_SET_MODE_FILTER:
                assert call.thread != self.supervisor and call.result == 0, call
                self.sealed.add(call.thread)
            elif self.device in self.sealed and call.thread != self.supervisor:
                facts["unsealed"].append(f"{call.thread}: {call}")
        facts.update(lines=sorted(facts["lines"]), late=sorted(facts["late"]),
                     files=sorted(set(opened.values())), sealed=sorted(map(self.role, self.sealed)))
        return facts

    def _note_sealed(self, call, facts):
        role = self.role(call.thread)
        found = _matching([line for line in self.policy if line["role"] == role], call)
        facts["lines"].update(found)
        if not found:
            facts["beyond"].append(f"{role}: {call}")

    def _note_read(self, call, opened, facts):
        at = READERS.get(call.name)
        if at is None or len(call.args) <= at or call.args[at] not in opened:
            return
        if self.device not in self.sealed:
            facts["early"].append(f"{call.thread}: {call} of {opened[call.args[at]]}")
        elif call.thread == self.device:
            facts["late"].add(opened[call.args[at]])

    def _note_open(self, call, opened):
        if call.name not in ("open", "openat") or call.result is None or call.result >= 1 << 31:
            return
        for path in self.paths:
            if f'"{path}"' in call.text:
                opened[call.result] = path
