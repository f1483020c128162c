# SPDX-License-Identifier: Apache-2.0
"""The sandbox on Linux 6.12, whose Landlock knows TCP, signals and abstract sockets (ABI 6)."""

import claims
from support import scenes
from test_sandbox import attacks

FILES = ["vmlinux", "initramfs"]
SCENES = "sandbox"
TESTBED = ["--kernel=6.12"]
ABI = 6
# All but seccomp, which is no other here, and Landlock alone.
SETS = "seccomp+jail+landlock jail+landlock landlock none"


@attacks(ABI, ("root", "device", SETS), ("user", "vcpu", SETS))
def test_each_layer_stops_what_it_claims(run, start, abi):
    wrong = claims.violations(run, start, abi)
    assert not wrong, wrong


@scenes("landlock", "landlock --require-landlock=6")
def test_landlock_is_complete(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert "volt-vmm: Landlock fully enforced (ABI 6)" in guest.err.splitlines(), guest
    assert "WARNING" not in guest.err, guest
