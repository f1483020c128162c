# SPDX-License-Identifier: Apache-2.0
"""
What docs/security.md claims: which layer stops what, and the system calls of each role. The tests
of the sandbox hold the claims against the monitor, and the document against the claims.
"""

import errno
import json
import os
import pathlib
import re

import voltlib

DOCUMENT = pathlib.Path(voltlib.ROOT) / "docs" / "security.md"
POLICY = json.loads((voltlib.BUILD / "release" / "seccomp" / "policy.json")
                    .read_text(encoding="utf-8"))
SOURCE = (voltlib.ROOT / "seccomp" / "policy").read_text(encoding="utf-8").splitlines()

LAYERS = ("seccomp", "jail", "landlock")


class Claim:
    """
    A row of the table. seccomp: the call that is stopped. jail, landlock, privileges: the errno;
    None where nothing is claimed, and then the attack must succeed with this layer alone. abi: the
    Landlock ABI from which on.
    """

    def __init__(self, row, attacks, seccomp, *, jail=None, landlock=None, abi=1, privileges=None):
        self.row, self.attacks, self.seccomp = row, attacks, seccomp
        self.jail, self.landlock, self.abi, self.privileges = jail, landlock, abi, privileges

    def stopped_by(self, layers, abi):
        """What may come of the attack with these layers, of which privileges is always one."""
        if "seccomp" in layers:
            return {f"killed by {self.seccomp}"}
        found = {self.privileges}
        if "jail" in layers:
            found.add(self.jail)
        if "landlock" in layers and abi >= self.abi:
            found.add(self.landlock)
        found.discard(None)
        return found or {"success"}

    def cells(self):
        """The row as the document has it."""
        landlock = "-" if self.landlock is None else \
            "yes" if self.abi == 1 else f"from ABI {self.abi}"
        return [self.row, "yes", "-" if self.jail is None else "yes", landlock,
                "-" if self.privileges is None else "yes"]


CLAIMS = [
    Claim("open a file that its user may not open", ("read-private", "read-shadow"), "openat",
          jail=errno.ENOENT, landlock=errno.EACCES, privileges=errno.EACCES),
    Claim("open a file that everybody may read, another VM's disk", ("read-shared",), "openat",
          jail=errno.ENOENT, landlock=errno.EACCES),
    Claim("create a file where everybody may", ("write",), "openat",
          jail=errno.ENOENT, landlock=errno.EACCES),
    Claim("connect to a TCP port of the host's", ("tcp",), "socket",
          jail=errno.ENETUNREACH, landlock=errno.EACCES, abi=4),
    Claim("connect to a unix socket by its path", ("unix",), "socket", jail=errno.ENOENT),
    Claim("connect to an abstract unix socket", ("abstract",), "socket",
          jail=errno.ECONNREFUSED, landlock=errno.EPERM, abi=6),
    Claim("signal a process of another user's", ("signal-other",), "kill",
          jail=errno.ESRCH, landlock=errno.EPERM, abi=6, privileges=errno.EPERM),
    Claim("signal another process of its user's", ("signal-own",), "kill",
          jail=errno.ESRCH, landlock=errno.EPERM, abi=6),
    Claim("trace a process of another user's", ("ptrace-other",), "ptrace",
          jail=errno.ESRCH, landlock=errno.EPERM, privileges=errno.EPERM),
    Claim("trace another process of its user's", ("ptrace-own",), "ptrace",
          jail=errno.ESRCH, landlock=errno.EPERM),
    Claim("execute a program", ("exec",), "execve", jail=errno.ENOENT, landlock=errno.EACCES),
    Claim("map executable memory", ("map-code",), "mmap"),
    Claim("make memory executable", ("make-code",), "mprotect"),
    Claim("mount", ("mount",), "mount", privileges=errno.EPERM),
    Claim("mount, in a user namespace that it makes", ("own-mount",), "clone",
          landlock=errno.EPERM),
    Claim("load a kernel module", ("module",), "finit_module", privileges=errno.EPERM),
    Claim("make a namespace", ("namespace",), "unshare", privileges=errno.EPERM),
    Claim("make a user namespace", ("own-namespace",), "clone"),
    Claim("take back a capability", ("root",), "capset", privileges=errno.EPERM),
    Claim("raise a limit", ("limit",), "prlimit64", privileges=errno.EPERM),
]


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def layers_table():
    head = ["attack", "seccomp", "jail", "Landlock", "no capabilities, other user"]
    return [_row(head), "|---|---|---|---|---|", *(_row(claim.cells()) for claim in CLAIMS)]


def _policy_words(line):
    """The conditions and the reason, as seccomp/policy has them."""
    words = re.sub(r"\s*\[\w+\]", "", SOURCE[line["line"] - 1]).split()[2:]
    conditions = [word for word in words if re.match(r"(arg|int)\d[=&]", word)]
    return " ".join(f"`{word}`" for word in conditions), " ".join(words[len(conditions):])


# FUTEX_WAIT, FUTEX_WAKE, of linux/futex.h, without FUTEX_PRIVATE_FLAG.
SHARED_FUTEX = [0, 1]


def made(line):
    """
    When a line of the policy is needed: "always" is what the traces must show. musl's list of
    threads is waited for only when another thread has it at that moment.
    """
    if line["later"] or line["rare"]:
        return "later" if line["later"] else "rarely"
    if line["call"] == "futex" and line["conditions"][0]["values"] == SHARED_FUTEX:
        return "in a race"
    return "always"


def calls_table():
    head = [_row(["role", "call", "conditions", "reason", "made"]), "|---|---|---|---|---|"]
    rows = []
    for line in POLICY["lines"]:
        conditions, reason = _policy_words(line)
        conditions = conditions.replace("|", "\\|")
        rows.append(_row([line["role"], f"`{line['call']}`", conditions, reason, made(line)]))
    return head + rows


def check_document(name, lines):
    """Between two marks the document has @lines; writes them with VOLT_UPDATE_DOCS=1."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted, found = re.subn(rf"(<!-- {name}: begin[^\n]*-->\n).*?(<!-- {name}: end -->)",
                            lambda match: match[1] + "\n".join(lines) + "\n" + match[2], text,
                            flags=re.S)
    assert found == 1, f"{DOCUMENT} has no marks for '{name}'"
    if os.environ.get("VOLT_UPDATE_DOCS") == "1":
        DOCUMENT.write_text(wanted, encoding="utf-8")
    else:
        assert text == wanted, f"the table '{name}' of {DOCUMENT} is old: VOLT_UPDATE_DOCS=1"


def _named(start, outcome, claim):
    """A user cannot read the kernel's log, and is not told the call: take it for the right one."""
    if start == "user" and outcome == "killed by seccomp":
        return f"killed by {claim.seccomp}"
    return outcome


def violations(results, start, abi):
    """The results of a scene "attacks" that are not what is claimed."""
    wrong, tried = [], 0
    for layers, outcomes in results.items():
        for claim in CLAIMS:
            wanted = claim.stopped_by(layers.split("+"), abi)
            for attack in claim.attacks:
                tried += 1
                if _named(start, outcomes[attack], claim) not in wanted:
                    wrong.append(f"{attack} with {layers}: {outcomes[attack]}, not {wanted}")
    assert tried == sum(map(len, results.values())), "an attack that no claim is about"
    return "\n".join(wrong)
