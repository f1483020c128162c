# SPDX-License-Identifier: Apache-2.0
"""Processors: their number and topology, as the guest sees them."""

import pytest

import known

FILES = ["vmlinux", "initramfs"]


def check_processors(guest, count):
    """One socket with @count cores, numbered from 0 in every way, each of which executes."""
    numbers = [str(number) for number in range(count)]
    assert guest.fact("nproc") == str(count), guest
    assert guest.fact("online") == (f"0-{count - 1}" if count > 1 else "0"), guest
    assert guest.facts["ran"] == numbers, guest
    seen = {}
    for line in guest.facts["cpuinfo"]:
        name, _, value = line.partition(":")
        seen.setdefault(name, []).append(value.strip())
    assert seen == {
        "processor": numbers,
        "physical id": ["0"] * count,
        "siblings": [str(count)] * count,
        "core id": numbers,
        "cpu cores": [str(count)] * count,
        "apicid": numbers,
        "initial apicid": numbers,
    }, guest


@pytest.mark.parametrize("run, count", [
    ("processors 1", 1), ("processors 2", 2), ("processors 4", 4), ("processors 32", 32),
], indirect=["run"])
def test_processors(run, count):
    guest = run["guest"]
    assert guest.status == 0, guest
    check_processors(guest, count)
    assert known.unknown(guest.complaints) == [], guest
