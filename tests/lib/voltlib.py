# SPDX-License-Identifier: Apache-2.0
"""Run the monitor from a test: start it, feed its input, collect its output, end it for certain.

Nothing here asserts anything about time. Timeouts only bound how long a broken monitor may hang a
test, so they are generous: several times what a loaded machine with two cores needs.

    with voltlib.Process(voltlib.vmm("--kernel", path, "--memory", "32M")) as vm:
        vm.wait_for(b"login: ")
        vm.write(b"root\\n")
        result = vm.finish()
    assert result.status == 0, result
"""

import fcntl
import os
import pathlib
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VOLT_BUILD", ROOT / "build"))
VMM = pathlib.Path(os.environ.get("VOLT_VMM", BUILD / "volt-vmm"))
TIMEOUT = float(os.environ.get("VOLT_TEST_TIMEOUT", "180"))

# Under nohup or in a script's background these are ignored, and the monitor would inherit that.
for _number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

KVM_GET_API_VERSION = 0xAE00
KVM_API_VERSION = 12


def kvm_unusable(path="/dev/kvm"):
    """Why KVM cannot be used here, as a sentence for a skip, or None when it can."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as e:
        return f"{path}: {e.strerror}"
    try:
        version = fcntl.ioctl(fd, KVM_GET_API_VERSION, 0)
    except OSError as e:
        return f"{path} is no KVM device: {e.strerror}"
    finally:
        os.close(fd)
    if version != KVM_API_VERSION:
        return f"{path} has API version {version}, not {KVM_API_VERSION}"
    return None


def vmm(*args):
    """The command that runs the monitor with @args (anything that str() can print)."""
    return [str(VMM), *map(str, args)]


class Result:
    """How a process ended: status (negative: the signal), out (bytes), err (text)."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    @property
    def text(self):
        """Standard output as text, with the serial port's CR LF made LF."""
        return self.out.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def lines(self):
        """Standard output, split into lines."""
        return self.text.splitlines()

    @property
    def last(self):
        """The last line of standard error: why the monitor ended."""
        lines = self.err.splitlines()
        return lines[-1] if lines else ""

    def __repr__(self):
        out = self.text
        if len(out) > 6000:
            out = f"{out[:3000]}\n...\n{out[-3000:]}"
        return (f"\n$ {' '.join(self.argv)}\nstatus {self.status}\n--- stdout\n{out}\n"
            f"--- stderr\n{self.err}\n---")


class Timeout(AssertionError):
    """Something that the monitor or the guest should have done did not happen in time."""


class Process:
    """
    A running command whose output is collected all the time by two threads.

    @stdin: None for a pipe that write() feeds; bytes for a pipe that gets these and is then closed
    (by a thread, so any length is fine); a file object or descriptor to hand down; "closed" for a
    process that starts without a descriptor 0.
    @stdout: None to collect it; a file object or descriptor to hand down; "closed".
    Further keywords go to subprocess.Popen. Leaving the with block kills what is left.
    """

    def __init__(self, argv, *, stdin=None, stdout=None, timeout=TIMEOUT, **popen):
        self.argv = list(map(str, argv))
        self.timeout = timeout
        self._out, self._err = bytearray(), bytearray()
        self._grew = threading.Condition()
        close = [fd for fd, what in ((0, stdin), (1, stdout)) if what == "closed"]
        if close:
            popen["preexec_fn"] = lambda: [os.close(fd) for fd in close]
        pipe_in = stdin is None or isinstance(stdin, (bytes, bytearray))
        self.popen = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE if pipe_in else None if stdin == "closed" else stdin,
            stdout=subprocess.PIPE if stdout is None else None if stdout == "closed" else stdout,
            stderr=subprocess.PIPE, bufsize=0, **popen)
        self.pid = self.popen.pid
        self._threads = [threading.Thread(target=self._collect, args=(pipe, into), daemon=True)
                 for pipe, into in ((self.popen.stdout, self._out),
                            (self.popen.stderr, self._err)) if pipe]
        if isinstance(stdin, (bytes, bytearray)):
            self._threads.append(threading.Thread(target=self._feed, args=(bytes(stdin),),
                                  daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def vm_pid(self):
        """The process that is the VM: the child of the one that was started."""
        path = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        end = time.monotonic() + self.timeout
        while time.monotonic() < end and self.popen.poll() is None:
            children = path.read_text(encoding="ascii").split()
            if len(children) == 1:
                return int(children[0])
            time.sleep(0.01)
        raise Timeout(f"it has no child: {self.result()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _collect(self, pipe, into):
        while True:
            data = pipe.read(65536)
            with self._grew:
                into += data
                self._grew.notify_all()
            if not data:
                return

    def _feed(self, data):
        try:
            self.write(data)
            self.popen.stdin.close()
        except (BrokenPipeError, ValueError):
            pass	# it ended before it had read everything; its status tells

    def write(self, data):
        """Write all of @data to its standard input; blocks while the pipe is full."""
        view = memoryview(data)
        while view:
            view = view[self.popen.stdin.write(view):]

    def close_stdin(self):
        """Close the writing end: the process sees the end of its input."""
        self.popen.stdin.close()

    @property
    def out(self):
        """What it has written to standard output so far."""
        with self._grew:
            return bytes(self._out)

    @property
    def err(self):
        """What it has written to standard error so far, as text."""
        with self._grew:
            return self._err.decode("utf-8", "replace")

    def wait_for(self, needle, start=0, stderr=False):
        """
        Wait until the output from offset @start on holds the bytes @needle; return the offset
        behind it. Raises Timeout, also when the process ends without having written it.
        """
        end = time.monotonic() + self.timeout
        into = self._err if stderr else self._out
        ended = False
        with self._grew:
            while True:
                at = into.find(needle, start)
                if at >= 0:
                    return at + len(needle)
                if ended:
                    break
                # Once it is gone, its last words still have to come through the pipe.
                ended = self.popen.poll() is not None and not self._grew.wait(1)
                if time.monotonic() > end:
                    break
                if not ended:
                    self._grew.wait(0.1)
        what = "ended without" if self.popen.poll() is not None else "has not written"
        raise Timeout(f"it {what} {needle!r}: {self.result()}")

    def signal(self, number):
        """Send it a signal; no error when it has just ended."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def finish(self, timeout=None):
        """Wait for its end; returns a Result. Raises Timeout (and kills it) if it does not end."""
        try:
            self.popen.wait(timeout or self.timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Timeout(f"it did not end: {self.result()}") from None
        self._join()
        return self.result()

    def result(self):
        """The Result as far as it is known now."""
        return Result(self.argv, self.popen.poll(), self.out, self.err)

    def kill(self):
        """SIGKILL, if it still runs, and reap it."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self._join()

    def _join(self):
        for thread in self._threads:
            thread.join(5)
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def run(argv, **keywords):
    """Process(@argv, **@keywords), waited for. Standard input is empty unless stated."""
    keywords.setdefault("stdin", b"")
    with Process(argv, **keywords) as process:
        return process.finish()


def disk_sector(index):
    """The 512 bytes that make_disk() puts into a sector: each differs in every 8-byte word."""
    return b"".join((index << 16 | word).to_bytes(8, "little") for word in range(64))


def make_disk(path, sectors):
    """Make a disk image of known contents; returns its path."""
    with open(path, "wb") as image:
        for index in range(sectors):
            image.write(disk_sector(index))
    return path


def read_sector(path, index, count=1):
    """Sectors of a disk image as bytes."""
    with open(path, "rb") as image:
        image.seek(index * 512)
        return image.read(count * 512)


SIGTERM, SIGKILL, SIGINT = signal.SIGTERM, signal.SIGKILL, signal.SIGINT
