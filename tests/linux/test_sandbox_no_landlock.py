# SPDX-License-Identifier: Apache-2.0
"""The sandbox where the kernel lacks a layer: no Landlock, no user namespaces."""

from support import refused, scenes

FILES = ["vmlinux", "initramfs"]
SCENES = "sandbox"
TESTBED = ["--append=lsm=yama"]


@scenes("landlock")
def test_landlock_is_missing(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert "volt-vmm: Landlock not available" in guest.err.splitlines(), guest


@scenes("landlock --require-landlock", "landlock --require-landlock=3")
def test_landlock_is_required(run):
    refused(run["guest"], "--require-landlock", "this kernel has no Landlock")


@scenes("no_user_namespaces")
def test_user_namespaces_are_refused(run):
    guest = run["does_without"]
    assert guest.status == 0, guest
    warnings = [line for line in guest.err.splitlines() if "WARNING" in line]
    assert len(warnings) == 1, guest
    assert warnings[0].startswith("volt-vmm: WARNING: no namespaces: the system refuses the user "
                                  "namespace: "), guest
    refused(run["refuses"], "the system refuses the user namespace")
