# SPDX-License-Identifier: Apache-2.0
"""The test bed's machine: how QEMU emulates it, and the channels to its init.

Theory of operation. Booting the machine costs seconds of processor time, resuming it from a file
costs tenths. So "save" boots each kind of machine once, up to where its init waits for a job, and
saves it: the memory is a file that QEMU shares with it (x-ignore-shared leaves it out of the
migration stream), the rest is a short stream. "run" maps that file privately and reads the stream.
Runs of one kind of machine share the pages that they do not change.
"""

import collections
import json
import os
import signal
import socket
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
# A panic with a deep stack takes some fifty lines.
LOG_LINES = 100
LOG_CHUNK = 65536
QMP_SECONDS = 60

# What Linux spends much time on when it starts and nothing here needs: self-tests, keyrings,
# integrity measurement, the type information of the whole kernel, mice. Tests may need the rest.
SKIPPED_INITCALLS = [
    "blake2s_mod_init",
    "cmos_init",
    "crypto_kdf108_init",
    "i8042_init",
    "init_encrypted",
    "init_evm",
    "init_ima",
    "init_kprobe_trace",
    "init_trace_printk_function_export",
    "init_zswap",
    "load_system_certificate_list",
    "mousedev_init",
]

# The kernel logs to the first serial port. "quiet" leaves the errors, which a report shows. No
# reboot after a panic: QEMU ends instead.
KERNEL_ARGUMENTS = [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "mitigations=off",
    "nokaslr",
    "init_on_alloc=0",
    "no_timer_check",
    "random.trust_cpu=on",
    "cryptomgr.notests",
    "initcall_blacklist=" + ",".join(SKIPPED_INITCALLS),
    "tsc=reliable",
]

# With --icount, the time stamp counter counts virtual nanoseconds.
ICOUNT_TSC_KHZ = 1000000

# In the order of init.c's ports 1 to 4, then what QEMU itself has.
CHANNELS = ("control", "stdin", "stdout", "stderr", "log", "qmp")
NR_PORTS = 4


class Broken(Exception):
    """The machine did not do its part."""


class Kind:
    """What tells one machine from another for QEMU. writable holds host directories."""

    def __init__(self, memory, icount, writable):
        self.memory = memory
        self.icount = icount
        self.writable = writable


def boot_arguments(boot, kind, append, quiet=True):
    """What makes QEMU boot the files in the directory boot, see prepare."""
    if kind.icount:
        tsc_khz = ICOUNT_TSC_KHZ
    else:
        # A kernel that has to measure this fails on a busy host.
        tsc_khz = int(subprocess.run([f"{boot}/tsc"], stdout=subprocess.PIPE, check=True).stdout)
    arguments = list(KERNEL_ARGUMENTS)
    if not quiet:
        arguments[arguments.index("quiet")] = "ignore_loglevel"
    arguments += [f"tsc_early_khz={tsc_khz}", append]
    return ["-kernel", f"{boot}/kernel", "-initrd", f"{boot}/initramfs",
            "-append", " ".join(arguments)]


def qemu_command(kind, descriptors, memory, share):
    """descriptors of CHANNELS, which QEMU inherits; memory is a file."""
    command = [
        "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
        # Without ERMS the kernels clear and copy 8 bytes an instruction; with it the emulator
        # would count an instruction a byte, and virtual time make clearing a page eight times
        # dearer than it is.
        "-M", "q35,memory-backend=memory", "-cpu", "max,la57=off,erms=off,fsrm=off",
        "-m", str(kind.memory),
        "-object", f"memory-backend-file,id=memory,size={kind.memory}M,mem-path={memory},"
        f"share={share}",
        "-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
        "-device", f"virtio-serial-pci,max_ports={NR_PORTS + 1}",
        "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        "-serial", "chardev:log", "-mon", "chardev=qmp,mode=control",
    ]
    # One CPU. Of two with a thread each (thread=multi), one that translates code while the other
    # changes it may go on executing the old code for ever: seen as both trapping endlessly on a
    # breakpoint that the kernel had long replaced (it patches itself when the first VM is made and
    # when the last one goes), and as guests' triple faults. Two that take turns on one thread were
    # seen to stop in QEMU itself.
    command += ["-accel", "tcg,thread=single,tb-size=512"]
    if kind.icount:
        command += ["-icount", "shift=0,sleep=off", "-seed", "1",
                    "-rtc", "base=2026-01-01,clock=vm"]
    for name, descriptor in zip(CHANNELS, descriptors):
        command += ["-chardev", f"socket,id={name},fd={descriptor}"]
    for number, name in enumerate(CHANNELS[:NR_PORTS], 1):
        command += ["-device", f"virtserialport,chardev={name},nr={number}"]
    for number, path in enumerate(kind.writable):
        command += ["-virtfs", f"local,path={path},mount_tag=rw{number},security_model=none,"
                    "multidevs=remap"]
    return command


class Machine:
    """One emulated machine. Its channels are sockets: control, stdin, stdout and so on."""

    def __init__(self, kind, memory, share, extra, state=None):
        """extra is for QEMU's command line. memory and state are open files: their names may be
        gone already. They stay open as long as the machine."""
        self.kind = kind
        self.memory = memory
        self.state = state
        self.log_lines = collections.deque(maxlen=LOG_LINES)
        self.log_part = b""
        theirs = []
        for name in CHANNELS:
            mine, its = socket.socketpair()
            setattr(self, name, mine)
            theirs.append(its)
        descriptors = [end.fileno() for end in theirs]
        # In a session of its own, so that ctrl-C reaches us alone; we end it.
        self.process = subprocess.Popen(
            qemu_command(kind, descriptors, path_of(memory), share) + extra, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=descriptors, start_new_session=True)
        for end in theirs:
            end.close()
        self.qmp.settimeout(QMP_SECONDS)
        self.qmp_lines = self.qmp.makefile("r", encoding="utf-8")

    def start(self):
        """Must come before all else. Leaves shared memory out of saving and resuming."""
        self.qmp_receive("QMP")
        self.qmp_command("qmp_capabilities")
        self.qmp_command("migrate-set-capabilities",
                         capabilities=[{"capability": "x-ignore-shared", "state": True}])
        if self.state:
            self.qmp_command("migrate-incoming", uri=f"exec:cat {path_of(self.state)}")

    def qmp_command(self, name, **arguments):
        text = json.dumps({"execute": name, "arguments": arguments})
        try:
            self.qmp.sendall(text.encode() + b"\n")
        except OSError as error:
            raise Broken("QEMU has ended") from error
        return self.qmp_receive("return")

    def qmp_receive(self, wanted):
        """Events, which nobody asked for, are skipped."""
        while True:
            try:
                line = self.qmp_lines.readline()
            except TimeoutError as error:
                raise Broken(f"QEMU gave no answer within {QMP_SECONDS} s") from error
            except OSError:
                line = ""
            if not line:
                raise Broken("QEMU has ended")
            message = json.loads(line)
            if "error" in message:
                raise Broken(f"QEMU refused: {message['error']['desc']}")
            if wanted in message:
                return message[wanted]

    def take_log(self, data):
        *lines, self.log_part = (self.log_part + data).split(b"\n")
        self.log_lines.extend(line.rstrip(b"\r") for line in lines)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def report(self, text):
        """What is known about a machine that was killed, in lines."""
        while data := receive(self.log):
            self.take_log(data)
        said = self.process.stdout.read().decode(errors="replace").strip()
        lines = [f"testbed: {text}"]
        if said:
            lines.append(f"testbed: QEMU said: {said}")
        log = list(self.log_lines) + ([self.log_part] if self.log_part else [])
        if log:
            lines.append("testbed: the end of the machine's kernel log:")
            lines += ["  " + line.decode(errors="replace") for line in log]
        else:
            lines.append("testbed: the machine's kernel has logged nothing")
        return "\n".join(lines) + "\n"


def path_of(file):
    """A name for an open file that other processes can use."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}"


def receive(channel):
    """What has arrived; nothing when the other end is gone."""
    try:
        return channel.recv(LOG_CHUNK)
    except OSError:
        return b""


class Interrupted(Exception):
    """A signal asked us to end."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def catch_signals():
    def interrupt(number, _frame):
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def die_by(number):
    """So that our caller sees what a signal does to any program."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
