# SPDX-License-Identifier: Apache-2.0
"""Scenes: the serial port on a pipe and on a terminal."""

import fcntl
import hashlib
import os
import pty
import random
import termios
import threading
import time

import voltlib

PASTE = 20 << 10
PROMPT = b"# "
CTRL_A, CTRL_C = b"\x01", b"\x03"


class Terminal:
    """A guest whose monitor has a terminal: what a person would see and type."""

    def __init__(self, lab, **keywords):
        self.master, self.slave = pty.openpty()
        self.seen = bytearray()
        self.before = termios.tcgetattr(self.slave)
        self.vm = lab.start(popen={"stdin": self.slave, "stdout": self.slave,
                                   "preexec_fn": self._own}, **keywords)
        threading.Thread(target=self._collect, daemon=True).start()

    @staticmethod
    def _own():
        """In the child: make the terminal its own, as a login shell has it."""
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _collect(self):
        while data := os.read(self.master, 65536):
            self.seen += data

    def type(self, data):
        """All of @data, however little the terminal takes at a time."""
        while data:
            data = data[os.write(self.master, data):]

    def wait_for(self, needle, start=0):
        """Wait until @needle is to be seen from @start on; returns the offset behind it."""
        end = time.monotonic() + voltlib.TIMEOUT
        while (at := self.seen.find(needle, start)) < 0:
            if time.monotonic() > end or self.vm.popen.poll() is not None:
                raise voltlib.Timeout(f"not seen: {needle!r} after {start} in {self.text}: "
                                      f"{self.vm.result()}")
            time.sleep(0.05)
        return at + len(needle)

    @property
    def text(self):
        return self.seen.decode("utf-8", "replace").replace("\r\n", "\n")

    def settings(self):
        """The terminal's settings now."""
        return termios.tcgetattr(self.slave)

    def finish(self):
        """The guest's end, with what was to be seen as its output."""
        result = self.vm.finish()
        last = len(self.seen)
        while True:	# what is still on its way through the terminal
            time.sleep(0.3)
            if len(self.seen) == last:
                break
            last = len(self.seen)
        result.out = bytes(self.seen)
        return result


def _is_raw(settings):
    return not settings[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


def pipe_shell(lab):
    """A shell, its commands one by one."""
    with lab.start(initrd="initramfs") as vm:
        at = vm.wait_for(PROMPT)
        vm.write(b"echo $((6 * 7))\n")
        at = vm.wait_for(b"42\r\n", start=at)
        at = vm.wait_for(PROMPT, start=at)
        vm.write(b"tty; exit 5\n")
        return {"guest": vm.finish()}


def early_input(lab):
    """Everything typed, and the input's end, before the guest runs its first instruction."""
    vm = lab.start(initrd="initramfs", popen={"stdin": b"echo $((6 * 7))\nexit 6\n"})
    return {"guest": vm.finish()}


def pipe_paste(lab):
    """All bytes there are, as fast as the pipe takes them, then the end of the input."""
    data = random.Random(1).randbytes(PASTE)
    with lab.start(initrd="initramfs", guest=f"paste {PASTE}") as vm:
        vm.wait_for(b"= pasting yes")
        vm.write(data)
        vm.close_stdin()
        return {"guest": vm.finish(), "md5": hashlib.md5(data).hexdigest()}


def terminal_paste(lab):
    """20 KiB of text in lines, into the terminal."""
    lines = [f"line {number} " + "x" * (1 + number % 60) for number in range(560)]
    data = ("\n".join(lines) + "\n").encode()
    terminal = Terminal(lab, initrd="initramfs", guest="lines")
    terminal.wait_for(b"= pasting yes")
    # A terminal's "enter" is a carriage return.
    terminal.type(data.replace(b"\n", b"\r") + b"end\r")
    return {"guest": terminal.finish(), "md5": hashlib.md5(data).hexdigest(), "size": len(data)}


def terminal_shell(lab):
    """What is typed echoes, Ctrl-C reaches the guest's process, the terminal is as before."""
    terminal = Terminal(lab, initrd="initramfs")
    at = terminal.wait_for(PROMPT)
    raw = terminal.settings()
    terminal.type(b"sh -c 'echo started; sleep 100000'\r")
    at = terminal.wait_for(b"\nstarted\r", start=at)
    terminal.type(CTRL_C)
    at = terminal.wait_for(PROMPT, start=at)
    terminal.type(b"echo code $?\r")
    at = terminal.wait_for(b"\ncode 130\r", start=at)
    # Ctrl-A is the monitor's; twice, it is the guest's, and goes to the line's beginning there.
    terminal.type(b"hello" + CTRL_A + CTRL_A + b"echo \r")
    at = terminal.wait_for(b"\nhello\r", start=at)
    terminal.type(b"exit 3\r")
    result = terminal.finish()
    return {"guest": result, "raw": _is_raw(raw),
            "restored": terminal.settings() == terminal.before}


def terminal_ends(lab, how):
    """The terminal after each way out."""
    terminal = Terminal(lab, initrd="initramfs", guest="ticks 100000")
    terminal.wait_for(b"= tick 1\r")
    raw = terminal.settings()
    if how == "SIGTERM":
        terminal.vm.signal(voltlib.SIGTERM)
    else:
        terminal.type(CTRL_A + how.encode())
    result = terminal.finish()
    return {"guest": result, "raw": _is_raw(raw),
            "restored": terminal.settings() == terminal.before}


def no_input(lab, kind):
    """A guest whose monitor has no standard input, or one that has ended."""
    with open(os.devnull, "rb") as null:
        stdin = {"closed": "closed", "ended": b"", "null": null}[kind]
        vm = lab.start(initrd="initramfs", guest="ticks 5", popen={"stdin": stdin})
    return {"guest": vm.finish()}
