# SPDX-License-Identifier: Apache-2.0
"""The test bed tested: what tests/testbed/run promises to those who run a monitor in it."""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import textwrap
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
STATUS_BROKEN = 125
# Bounds what a broken machine may cost, and says nothing about a sound one.
TIMEOUT = 600

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-x86_64"),
                                reason="there is no qemu-system-x86_64 (tools/setup)")


def run(*arguments, stdin=b"", **keywords):
    """The finished run of tests/testbed/run with these arguments."""
    return subprocess.run([RUN, *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=TIMEOUT, check=False, **keywords)


def succeed(*arguments, **keywords):
    """Standard output, as text, of a run that succeeds."""
    result = run(*arguments, **keywords)
    assert result.returncode == 0, result
    return result.stdout.decode()


def cache_home():
    """Where the cache is, for runs with another HOME."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def in_python(text):
    return ["--", "/usr/bin/python3", "-c", textwrap.dedent(text)]


def wait_for_line(process, wanted):
    for line in process.stdout:
        if line == wanted:
            return
    pytest.fail(f"no line {wanted!r}; it said {process.stderr.read()!r}")


@pytest.mark.parametrize("command, status", [
    ("true", 0),
    ("exit 3", 3),
    ("kill -9 $$", 128 + signal.SIGKILL),
])
def test_exit_status_passes_through(command, status):
    assert run("--", "sh", "-c", command).returncode == status


def test_command_that_does_not_exist():
    result = run("--", "nosuchprogram", "argument")
    assert result.returncode == 127
    assert result.stderr == b"testbed: cannot run nosuchprogram: No such file or directory\n"


def test_output_streams_are_whole_and_apart_from_the_kernel_log():
    result = run(*in_python("""
        import sys
        open("/dev/kmsg", "w").write("<0>a line of the kernel log")
        for number in range(40000):
            sys.stdout.write(f"out {number}\\n")
            sys.stderr.write(f"err {number}\\n")
        """))
    assert result.returncode == 0
    assert result.stdout == b"".join(b"out %d\n" % number for number in range(40000))
    assert result.stderr == b"".join(b"err %d\n" % number for number in range(40000))


def test_output_can_be_reopened():
    result = run("--", "sh", "-c", "echo one >/dev/stdout; echo two >/dev/stderr")
    assert (result.stdout, result.stderr) == (b"one\n", b"two\n")


def test_input_passes_and_ends():
    data = bytes(range(256)) * 2000
    result = run("--", "cat", stdin=data)
    assert (result.returncode, result.stdout) == (0, data)


def test_input_that_nobody_reads():
    assert succeed("--", "echo", "done", stdin=b"x" * 1000000) == "done\n"


def test_closed_input():
    result = subprocess.run(["sh", "-c", f"exec '{RUN}' -- cat <&-"], capture_output=True,
                            timeout=TIMEOUT, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_arguments_directory_and_environment(tmp_path):
    environment = dict(os.environ, VOLT_A="a b\nc", OTHER="x", LANG="C.UTF-8",
                       XDG_CACHE_HOME=str(cache_home()), HOME="/nonexistent")
    said = succeed(*in_python("""
        import os
        import sys
        print(repr((sys.argv[1:], os.getcwd(), sorted(os.environ))))
        print(os.environ["VOLT_A"], os.environ["PATH"], os.environ["HOME"])
        open(os.environ["HOME"] + "/file", "w").close()
        """), "", "two words", "$HOME", cwd=tmp_path, env=environment)
    names = sorted(["HOME"] + [name for name in environment if name in ("LANG", "PATH", "TERM")
                               or name.startswith("VOLT_")])
    first, rest = said.split("\n", 1)
    assert first == repr((["", "two words", "$HOME"], str(tmp_path), names))
    assert rest == f"a b\nc {os.environ['PATH']} /run/home\n"


def test_host_is_visible_and_read_only(tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    copy = pathlib.Path("/etc/volt-written-in-the-machine")     # a checkout may be under /tmp
    result = run("--", "sh", "-c", f"""
        cmp '{RUN}' /proc/self/fd/0 && cat '{tmp_path}/file' && ! touch '{copy}'
        """, stdin=RUN.read_bytes())
    assert (result.returncode, result.stdout) == (0, b"from the host\n")
    assert b"Read-only file system" in result.stderr
    assert not copy.exists()


def test_scratch_directories_are_writable_and_vanish(tmp_path):
    if not str(tmp_path).startswith("/tmp/"):
        pytest.skip(f"pytest's temporary directory {tmp_path} is not below /tmp")
    (tmp_path / "file").write_text("old")
    said = succeed("--", "sh", "-c", f"""
        set -e
        echo new >'{tmp_path}/file'
        cat '{tmp_path}/file'
        for file in /tmp/scratch /run/scratch /dev/shm/scratch "$HOME/scratch"; do
            echo hello >"$file"
            cat "$file"
        done
        """)
    assert said == "new\n" + "hello\n" * 4
    assert (tmp_path / "file").read_text() == "old"
    assert not os.path.exists("/tmp/scratch")


def test_writable_directories_reach_the_host(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    succeed(f"--writable={first}", f"--writable={second}", "--", "sh", "-c",
            f"echo one >'{first}/file'; echo two >'{second}/file'")
    assert (first / "file").read_text() == "one\n"
    assert (second / "file").read_text() == "two\n"


KVM_CHECK = """
    import ctypes
    import fcntl
    import os
    import socket
    import subprocess
    kvm = os.open("/dev/kvm", os.O_RDWR)
    print("kvm", fcntl.ioctl(kvm, 0xAE00))
    vm = fcntl.ioctl(kvm, 0xAE01, 0)
    os.close(fcntl.ioctl(vm, 0xAE41, 0))
    print("npt", open("/sys/module/kvm_amd/parameters/npt").read().strip())
    os.close(os.open("/dev/net/tun", os.O_RDWR))
    os.close(os.open("/dev/vhost-net", os.O_RDWR))
    # landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)
    print("landlock", ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1)
    print("user namespace", subprocess.run(["unshare", "-Urn", "true"]).returncode)
    print("cgroup2", os.path.exists("/sys/fs/cgroup/cgroup.controllers"))
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    print(os.uname().release)
    """


@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_kvm_and_its_company_work(series):
    said = succeed(f"--kernel={series}", *in_python(KVM_CHECK)).splitlines()
    assert said[:-1] == ["kvm 12", "npt Y", "landlock True", "user namespace 0",
                         "cgroup2 True"]
    assert said[-1].startswith(series + ".")


def test_random_numbers_and_time_differ_between_runs():
    """Machines resumed from one saved state must not be one machine."""
    command = ["--", "sh", "-c", "head -c 16 /dev/urandom | od -An -tx1; date +%s"]
    before = int(time.time())
    (one, begin), (two, end) = (succeed(*command).splitlines() for _ in range(2))
    after = int(time.time())
    assert one != two
    # The job's time is rounded, and a virtual second is about as long as a real one.
    assert before - 1 <= int(begin) <= int(end) <= after + 1


def test_icount_time_is_deterministic():
    """A computation takes as many nanoseconds as it takes instructions, whatever the host does."""
    program = in_python("""
        import time
        begin = time.monotonic_ns()
        sum(range(300000))
        print(time.monotonic_ns() - begin)
        """)
    one, two = (int(succeed("--icount", *program)) for _ in range(2))
    assert one > 1000000
    assert abs(one - two) <= one // 100


def test_two_at_once_do_not_disturb_each_other():
    script = "echo $0 >/tmp/both; echo started; read line; cat /tmp/both; echo $line"
    both = [start_script(script, name) for name in ("one", "two")]
    for process in both:
        wait_for_line(process, b"started\n")
    for number, process in enumerate(both):
        said, errors = process.communicate(b"line %d\n" % number, timeout=TIMEOUT)
        assert (said, errors, process.returncode) == (
            b"%s\nline %d\n" % ((b"one", b"two")[number], number), b"", 0)


def cached(environment):
    """The directory of the saved machine that runs use, as prepare prints it."""
    result = subprocess.run([HERE / "prepare", "6.1", "2048", "n", "0", ""],
                            capture_output=True, text=True, check=True, env=environment,
                            timeout=TIMEOUT)
    return pathlib.Path(result.stdout.strip())


def test_cache_may_be_deleted_while_a_machine_runs(tmp_path):
    """In a cache of its own, whose files are those of the real one."""
    saved = cached(os.environ)
    cache = saved.parent.parent / f"volt-test-{os.getpid()}"
    cache.mkdir()
    try:
        for pattern in ("debian-6.1-plain-*", "testbed-*", saved.name):
            for entry in saved.parent.glob(pattern):
                shutil.copytree(entry, cache / "volt" / entry.name, copy_function=os.link,
                                symlinks=True)
        environment = dict(os.environ, XDG_CACHE_HOME=str(cache))
        with subprocess.Popen([RUN, "--", "sh", "-c", "echo started; read line; unshare -Ur id -u"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment) as process:
            wait_for_line(process, b"started\n")
            shutil.rmtree(cache)
            said, errors = process.communicate(b"\n", timeout=TIMEOUT)
        assert (said, errors, process.returncode) == (b"0\n", b"", 0)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    assert saved.is_dir()


def qemu_of(process):
    """The process id of QEMU, which setpriv has become, below this run."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"qemu" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return pytest.fail(f"no QEMU among {children}")


def start_script(script, *arguments):
    return subprocess.Popen([RUN, "--", "sh", "-c", script, *arguments], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def start_waiting():
    """A run whose command waits, and its QEMU."""
    process = start_script("echo started; sleep 1000")
    wait_for_line(process, b"started\n")
    return process, qemu_of(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything(number):
    process, qemu = start_waiting()
    process.send_signal(number)
    assert process.communicate(timeout=TIMEOUT) == (b"", b"")
    assert process.returncode == -number
    assert not os.path.exists(f"/proc/{qemu}")


def test_killed_run_takes_its_machine_along():
    process, qemu = start_waiting()
    descriptor = os.pidfd_open(qemu)
    process.kill()
    process.communicate(timeout=TIMEOUT)
    # QEMU gets its signal when run dies; its pidfd becomes readable when it has ended.
    assert select.select([descriptor], [], [], TIMEOUT)[0]
    os.close(descriptor)


def test_death_of_qemu_is_reported():
    process, qemu = start_waiting()
    os.kill(qemu, signal.SIGKILL)
    said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == STATUS_BROKEN
    assert said[1].startswith(b"testbed: the machine ended before the command did\n")


def test_panic_is_reported_with_the_kernel_log():
    process = start_script("echo before; read line; echo c >/proc/sysrq-trigger; sleep 1000")
    wait_for_line(process, b"before\n")
    said, errors = process.communicate(b"line\n", timeout=TIMEOUT)
    assert (process.returncode, said) == (STATUS_BROKEN, b"")
    assert b"the machine ended before the command did" in errors
    assert b"Kernel panic - not syncing: sysrq triggered crash" in errors


def test_timeout_is_reported():
    result = run("--timeout=2", "--", "sleep", "1000")
    assert result.returncode == STATUS_BROKEN
    assert b"testbed: no end after 2 s (--timeout)\n" in result.stderr


@pytest.mark.parametrize("arguments, message", [
    ([], "no COMMAND"),
    (["--"], "no COMMAND"),
    (["--kernel=5.10", "--", "true"], "invalid choice: '5.10'"),
    (["--nosuch", "--", "true"], "unrecognized arguments: --nosuch|no COMMAND"),
    (["--memory=100", "--", "true"], "--memory=100: want 256 to 1048576 MiB"),
    (["--memory=many", "--", "true"], "invalid int value: 'many'"),
    (["--timeout=0", "--", "true"], "want more than 0 seconds"),
    (["--writable=/nonexistent", "--", "true"], "--writable=/nonexistent: no such directory"),
])
def test_bad_usage(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert re.search(message, result.stderr.decode()), result.stderr
    assert result.stdout == b""


def test_help():
    assert "--icount" in succeed("--help")
