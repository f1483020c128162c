# SPDX-License-Identifier: Apache-2.0
"""The monitor's console on a terminal: raw mode, its end, the escape, the background."""

import fcntl
import os
import pty
import select
import signal
import termios
import time

import pytest

import voltlib

STOPPED = 202     # exit status, man/volt-vmm.1


class Terminal:
    """A monitor whose input and output is a terminal that it has for itself."""

    def __init__(self, argv):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.out = bytearray()
        self.vm = voltlib.Process(argv, stdin=self.slave, stdout=self.slave,
                                  start_new_session=True, preexec_fn=self._control)

    @staticmethod
    def _control():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vm.kill()
        os.close(self.master)
        os.close(self.slave)

    def wait_for(self, needle):
        """Read until the terminal has shown @needle."""
        end = time.monotonic() + voltlib.TIMEOUT
        while needle not in self.out:
            assert time.monotonic() < end, self.out
            if select.select([self.master], [], [], 0.1)[0]:
                self.out += os.read(self.master, 4096)

    def type(self, data):
        os.write(self.master, data)

    def finish(self):
        return self.vm.finish()

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before


def test_terminal_is_raw_and_restored(machine):
    """Every key reaches the guest, unechoed, and the terminal is as before afterwards."""
    with Terminal(machine.argv("serial_echo", "bytes=6")) as terminal:
        terminal.wait_for(b"READY")
        assert not terminal.restored()
        terminal.type(b"\x03\x04\x1a\r\x01\x01\x7f")    # Ctrl-A twice is one
        terminal.wait_for(b"\x03\x04\x1a\r\x01\x7f")
        terminal.wait_for(b"GUEST PASS")
        assert terminal.finish().status == 0
        assert terminal.restored()


def test_terminal_escape_ends_the_machine(machine):
    with Terminal(machine.argv("serial_idle")) as terminal:
        terminal.wait_for(b"READY")
        terminal.type(b"\x01x")
        result = terminal.finish()
        assert result.status == STOPPED and "Ctrl-A x" in result.last, result
        assert terminal.restored()


def test_terminal_escape_presses_the_button(machine):
    with Terminal(machine.argv("power_button", "status=5")) as terminal:
        terminal.wait_for(b"READY")
        terminal.type(b"\x01p")
        terminal.wait_for(b"BUTTON")
        assert terminal.finish().status == 5
        assert terminal.restored()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGALRM,
                                    signal.SIGUSR1, signal.SIGPWR])
def test_terminal_is_restored_after_a_crash(machine, number):
    with Terminal(machine.argv("serial_idle")) as terminal:
        terminal.wait_for(b"READY")
        terminal.vm.signal(number)
        assert terminal.finish().status == -number
        assert terminal.restored()


# Moves the monitor to the background while it is stopped, has a key typed, and ends it.
BACKGROUND_SHELL = """
import os, select, signal, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
signal.sigwait([signal.SIGUSR1])
os.kill(pid, signal.SIGSTOP)
os.waitpid(pid, os.WUNTRACED)
os.tcsetpgrp(0, os.getpgrp())
os.kill(pid, signal.SIGCONT)
time.sleep(0.2)
print("BACKGROUND", flush=True)
select.select([0], [], [])
ended = 0
while not ended:
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    ended, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
print("stopped" if os.WIFSTOPPED(status) else "ended", os.WEXITSTATUS(status))
os.kill(pid, signal.SIGKILL) if os.WIFSTOPPED(status) else None
"""


def test_terminal_is_left_alone_in_the_background(machine):
    """What is typed for others does not stop a monitor that has been moved to the background."""
    argv = ["/usr/bin/python3", "-c", BACKGROUND_SHELL, *machine.argv("serial_idle")]
    with Terminal(argv) as terminal:
        terminal.wait_for(b"READY")
        terminal.vm.signal(signal.SIGUSR1)
        terminal.wait_for(b"BACKGROUND")
        terminal.type(b"x")
        terminal.wait_for(b"ed ")
        assert b"ended 202" in terminal.out, terminal.out
