# SPDX-License-Identifier: Apache-2.0
"""What the tests of Linux guests say with: scenes, and guests that have ended."""

import collections
import re

import pytest

TAIL = 60


def scenes(*names):
    """Run the test once for each of the scenes @names."""
    return pytest.mark.parametrize("run", names, indirect=True)


class Guest:
    """How a guest ended: status, last (the monitor's last line), what it said, and its facts."""

    def __init__(self, result):
        self.argv, self.status = result["argv"], result["status"]
        # On a terminal, which ends lines by itself too, there are two carriage returns.
        self.out, self.err = result["out"].replace("\r", ""), result["err"]
        self.last = (self.err.splitlines() or [""])[-1]
        self.facts = collections.defaultdict(list)
        for line in self.out.splitlines():
            match = re.match(r"= (\S+) ?(.*)", line)
            if match:
                self.facts[match[1]].append(match[2])

    def fact(self, name):
        """What the guest said about @name, the one time it did."""
        assert len(self.facts[name]) == 1, f"no one fact '{name}': {self}"
        return self.facts[name][0]

    @property
    def complaints(self):
        """What the guest's kernel complained about."""
        return [line[2:] for line in self.out.splitlines() if line.startswith("! ")]

    def __repr__(self):
        out = "\n".join(self.out.splitlines()[-TAIL:])
        return (f"\n$ {' '.join(self.argv)}\nstatus {self.status}\n--- the console's end\n{out}\n"
                f"--- the monitor's stderr\n{self.err}\n---")


USAGE, SANDBOXED = 210, 216	# exit statuses


def refused(guest, *words, status=SANDBOXED):
    """The sandbox is not what was asked for: no guest ran, and one line says why."""
    assert guest.status == status and guest.out == "", guest
    assert len(guest.err.splitlines()) == 1, guest
    for word in words:
        assert word in guest.last, (word, guest)


def decode(value):
    """JSON's dictionaries back into guests."""
    if isinstance(value, dict):
        if set(value) == {"argv", "status", "out", "err"}:
            return Guest(value)
        return {name: decode(item) for name, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value
