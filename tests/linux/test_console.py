# SPDX-License-Identifier: Apache-2.0
"""The serial port as a console: a pipe, a terminal, and nothing at all."""

import pytest

from support import scenes

FILES = ["vmlinux", "initramfs"]


@scenes("pipe_shell")
def test_shell_on_a_pipe(run):
    guest = run["guest"]
    assert guest.status == 5, guest
    assert "echo $((6 * 7))" in guest.out, f"no echo: {guest}"
    assert "/dev/ttyS0" in guest.out.splitlines(), guest


@scenes("early_input")
def test_input_waits_for_the_guest(run):
    guest = run["guest"]
    assert guest.status == 6, guest
    assert "42" in guest.out.splitlines(), guest


@scenes("pipe_paste", "terminal_paste")
def test_nothing_of_a_paste_is_lost(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert run.get("size", 20 << 10) >= 20 << 10
    assert guest.fact("pasted").split()[0] == run["md5"], guest


@scenes("terminal_shell")
def test_shell_on_a_terminal(run):
    guest = run["guest"]
    assert guest.status == 3, guest
    assert "echo code $?" in guest.out, f"no echo: {guest}"
    assert run["raw"], "the terminal was not raw while the guest ran"
    assert run["restored"], "the terminal is not as it was before"


@pytest.mark.parametrize("run, status", [
    ("terminal_ends SIGTERM", 143),
    ("terminal_ends p", 143),
    ("terminal_ends x", 202),
], indirect=["run"])
def test_terminal_is_restored(run, status):
    guest = run["guest"]
    assert guest.status == status, guest
    assert run["raw"], "the terminal was not raw while the guest ran"
    assert run["restored"], "the terminal is not as it was before"


@scenes("no_input closed", "no_input ended", "no_input null")
def test_without_input_the_guest_runs_on(run):
    guest = run["guest"]
    assert guest.status == 0, guest
    assert guest.facts["tick"] == ["1", "2", "3", "4", "5"], guest
