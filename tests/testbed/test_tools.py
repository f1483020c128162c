# SPDX-License-Identifier: Apache-2.0
"""The scripts that tests are built from: the cache, kernels and initramfs archives."""

import os
import pathlib
import shutil
import signal
import subprocess
import textwrap
import time

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
TIMEOUT = 600


def start(script, cache, *arguments):
    """A bash script that has sourced cache.sh, with its own cache, in its own process group."""
    text = f". '{TOOLS}/lib/cache.sh'\n" + textwrap.dedent(script)
    return subprocess.Popen(["bash", "-euo", "pipefail", "-c", text, "test", *map(str, arguments)],
                            env=dict(os.environ, XDG_CACHE_HOME=str(cache)), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)


def finish(process):
    said, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, said, errors


def run(script, cache, *arguments):
    return finish(start(script, cache, *arguments))


def wait_for(path):
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.01)


def entries(cache):
    return sorted(path.name for path in (cache / "volt").iterdir()
                  if not path.name.startswith(".lock."))


# Says that it builds, waits until it may end, and leaves one file.
SLOW_BUILD = """
    build() {
        touch "$2/building.$$"
        echo once >>"$2/builds"
        until [ -e "$2/go" ]; do sleep 0.02; done
        echo "$3" >"$1/file"
    }
    dir=$(cache_get slow-1 build "$1" value)
    cat "$dir/file"
    """


def test_cache_builds_once_and_finds_again(tmp_path):
    script = """
        build() { echo "$2" >"$1/file"; echo built >&2; }
        dir=$(cache_get thing-1 build "two words")
        cat "$dir/file"
        """
    assert run(script, tmp_path) == (0, "two words\n", "built\n")
    assert run(script, tmp_path) == (0, "two words\n", "")
    assert entries(tmp_path) == ["thing-1"]


def test_cache_runs_at_once_share_one_build(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    both = [start(SLOW_BUILD, tmp_path, work) for _ in range(2)]
    wait_for(work / "builds")
    (work / "go").touch()
    assert [finish(process)[:2] for process in both] == [(0, "value\n")] * 2
    assert (work / "builds").read_text() == "once\n"


def test_cache_build_that_fails_leaves_nothing(tmp_path):
    """In a condition, too, where a shell would go on after an error."""
    status, said, errors = run("""
        build() { touch "$1/half"; false; touch "$1/whole"; }
        if dir=$(cache_get thing-1 build); then echo "got $dir"; else echo failed; fi
        """, tmp_path)
    assert (status, said) == (0, "failed\n")
    assert "could not build thing-1" in errors
    assert entries(tmp_path) == []


def test_cache_killed_build_is_not_taken_for_complete(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    process = start(SLOW_BUILD, tmp_path, work)
    wait_for(work / "builds")
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    assert [name[:12] for name in entries(tmp_path)] == [".tmp.slow-1."]
    assert run("cache_peek slow-1 || echo none", tmp_path)[1] == "none\n"
    (work / "go").touch()
    assert run(SLOW_BUILD, tmp_path, work)[:2] == (0, "value\n")
    assert entries(tmp_path) == ["slow-1"]


def test_cache_deleted_during_a_build(tmp_path):
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    process = start(SLOW_BUILD, cache, work)
    wait_for(work / "builds")
    shutil.rmtree(cache)
    (work / "go").touch()
    status, said, errors = finish(process)
    assert (status, said) == (0, "value\n"), errors
    assert "was deleted" in errors


def test_cache_forgets_what_nobody_used(tmp_path):
    for number in range(12):
        path = tmp_path / "volt" / f"thing-{number}"
        path.mkdir(parents=True)
        # The first six were used long ago, number 0 before the others.
        age = 10000 - number if number < 6 else 0
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / "volt" / "other-1").mkdir()
    os.utime(tmp_path / "volt" / "other-1", (0, 0))
    assert run("cache_get thing-new mkdir -p", tmp_path)[0] == 0
    assert entries(tmp_path) == sorted(["other-1", "thing-new"] +
                                       [f"thing-{number}" for number in range(5, 12)])


def test_cache_hash_knows_contents_order_and_bounds(tmp_path):
    (tmp_path / "file").write_text("text")
    lines = run("""
        cache_hash "@$1"
        cache_hash text
        cache_hash te xt
        cache_hash xt te
        cache_hash "@$2" || echo failed
        """, tmp_path, tmp_path / "file", tmp_path / "absent")[1].splitlines()
    assert lines[0] == lines[1]
    assert len(set(lines[1:4])) == 3
    assert lines[4] == "failed"


def test_cache_that_cannot_be_written():
    status, _, errors = run("cache_get thing-1 true", "/proc/nowhere")
    assert status != 0
    assert "cannot make the cache directory /proc/nowhere/volt" in errors


def tool(name, *arguments):
    return subprocess.run([TOOLS / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)


@pytest.fixture(name="kernel", scope="module")
def kernel_fixture():
    result = tool("kernel-fetch", "--plain", "--any", "6.12")
    assert result.returncode == 0, result.stderr
    return pathlib.Path(result.stdout.strip())


def test_fetched_kernel_is_whole(kernel):
    image = (kernel / "vmlinuz").read_bytes()
    assert image[0x202:0x206] == b"HdrS"
    version = (kernel / "version").read_text().strip()
    assert version.startswith("6.12.")
    assert version.encode() in image
    assert "CONFIG_KVM_AMD=m\n" in (kernel / "config").read_text()
    assert (kernel / "modules" / "modules.dep").stat().st_size > 0


@pytest.mark.parametrize("arguments, message", [
    ([], "which kernel?"),
    (["5.10"], "unknown argument '5.10'"),
])
def test_kernel_fetch_bad_usage(arguments, message):
    result = tool("kernel-fetch", *arguments)
    assert result.returncode == 1
    assert message in result.stderr


def listing(archive):
    """name: (mode, size) of a cpio archive."""
    with open(archive, "rb") as file:
        lines = subprocess.run(["cpio", "--quiet", "-itvn"], stdin=file, capture_output=True,
                               text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    assert {(row[2], row[3], row[7]) for row in rows} <= {("0", "0", "1970")}
    return {row[8]: (row[0], int(row[4])) for row in rows}


def contents(archive, name):
    with open(archive, "rb") as file:
        return subprocess.run(["cpio", "--quiet", "-i", "--to-stdout", name], stdin=file,
                              capture_output=True, check=True).stdout


def test_initramfs_holds_what_was_asked_for(tmp_path, kernel):
    (tmp_path / "init").write_text("#!/bin/sh\n")
    (tmp_path / "init").chmod(0o700)
    (tmp_path / "data").write_text("data")
    archives = [tmp_path / "one", tmp_path / "two"]
    for archive in archives:
        result = tool("mkinitramfs", "-o", archive, "--busybox", "--init", tmp_path / "init",
                      "--modules", kernel, "ext4", "virtio_mmio", "--file",
                      f"{tmp_path}/data:/etc/some/data")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert archives[0].read_bytes() == archives[1].read_bytes()
    names = listing(archives[0])
    assert names["init"][0] == "-rwxr-xr-x"
    assert names["etc/some/data"] == ("-rw-r--r--", 4)
    assert names["bin/sh"][0] == "lrwxrwxrwx"
    modules = contents(archives[0], "etc/volt/modules").decode().splitlines()
    # Each module comes after those that it needs, jbd2 and mbcache here.
    short = [os.path.basename(module) for module in modules]
    assert short.index("jbd2.ko") < short.index("ext4.ko") > short.index("mbcache.ko")
    assert "virtio_mmio.ko" in short
    for module in modules:
        assert contents(archives[0], module.lstrip("/"))[:4] == b"\x7fELF", module


def test_initramfs_can_be_compressed(tmp_path):
    for archive, options in (("plain", []), ("packed", ["--gzip"])):
        assert tool("mkinitramfs", "-o", tmp_path / archive, "--init", "/bin/true",
                    *options).returncode == 0
    unpacked = subprocess.run(["gzip", "-dc", tmp_path / "packed"], capture_output=True,
                              check=True).stdout
    assert unpacked == (tmp_path / "plain").read_bytes()


@pytest.mark.parametrize("arguments, message", [
    (["--init", "/bin/true"], "-o OUT is missing"),
    (["-o", "OUT"], "nothing executable at /init"),
    (["-o", "OUT", "--init", "/nonexistent"], "cannot add /nonexistent: no such file"),
    (["-o", "OUT", "--init", "/bin/true", "--file", "relative:path"], "want SRC:DST"),
    (["-o", "OUT", "--init", "/bin/true", "--modules", "/nonexistent", "ext4"], "no kernel directory"),
    (["-o", "OUT", "--init", "/bin/true", "--modules", "KERNEL"], "which modules?"),
    (["-o", "OUT", "--init", "/bin/true", "--modules", "KERNEL", "nosuch"], "no module nosuch"),
    (["--nosuch"], "unknown argument '--nosuch'"),
    (["--init"], "--init wants an argument"),
])
def test_mkinitramfs_bad_usage(arguments, message, tmp_path, kernel):
    words = {"OUT": tmp_path / "out", "KERNEL": kernel}
    result = tool("mkinitramfs", *(words.get(word, word) for word in arguments))
    assert result.returncode == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_setup_has_nothing_to_do_here():
    """What the tests need is installed, or they would not run; silent means fast."""
    result = tool("setup", "--check")
    if result.returncode == 1:
        pytest.skip(f"packages are missing: {result.stdout.strip()}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
