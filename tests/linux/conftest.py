# SPDX-License-Identifier: Apache-2.0
"""
Linux guests in the emulated machine (tests/testbed/run).

A test asks for the fixture "run", parametrized with a scene: a function of scenes_MODULE.py that
runs inside the emulated machine. That machine has one processor, so all scenes of a module that the
selected tests need are dealt out to two machines, when the first of them asks. A module may say
with TESTBED what its machines need, and with SCENES whose scenes it plays.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lib"))
sys.path.insert(0, str(HERE))

import elfnote  # noqa: E402
import support  # noqa: E402
import voltlib  # noqa: E402

TESTBED_TIMEOUT = 900
# A guest in the emulated machine, with everything else that the host may be doing at the time.
GUEST_TIMEOUT = 240
MACHINES = 2


def command_output(*argv):
    """What a tool of ours prints; its progress goes to the terminal."""
    done = subprocess.run([*map(str, argv)], check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{argv[0]} ended with status {done.returncode}"
    return done.stdout.strip()


# What a stock kernel needs for its disk and its power button.
MODULES = ("virtio_mmio", "virtio_blk", "ext4", "button", "evdev")


class Files:
    """The guests' kernels, archives and disks, each made when a module first needs it."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def get(self, name):
        """The path of file @name."""
        if name not in self.made:
            self.made[name] = getattr(self, "make_" + name.replace(".", "_").replace("-", "_"))()
        return str(self.made[name])

    def micro(self):
        if "micro" not in self.made:
            self.made["micro"] = pathlib.Path(os.environ.get("VOLT_GUEST_KERNEL") or
                                              command_output(ROOT / "tools" / "kernel-build"))
        return self.made["micro"]

    def make_vmlinux(self):
        return self.micro() / "vmlinux"

    def make_bzimage(self):
        return self.micro() / "bzImage"

    def make_vmlinux_without_pvh(self):
        return elfnote.without_pvh(self.micro() / "vmlinux", self.directory / "vmlinux-without-pvh")

    def stock(self, series):
        return pathlib.Path(command_output(ROOT / "tools" / "kernel-fetch", "--cloud", series))

    def make_stock_6_1(self):
        return self.stock("6.1") / "vmlinuz"

    def make_stock_6_12(self):
        return self.stock("6.12") / "vmlinuz"

    def initramfs(self, name, *flags):
        path = self.directory / name
        command_output(ROOT / "tools" / "mkinitramfs", "-o", path, "--init",
                       voltlib.BUILD / "volt-init", "--busybox", "--file",
                       f"{HERE / 'guest.sh'}:/bin/guest", *flags)
        return path

    def make_initramfs(self):
        return self.initramfs("initramfs")

    def make_initramfs_6_1(self):
        return self.initramfs("initramfs-6.1", "--modules", self.stock("6.1"), *MODULES)

    def make_initramfs_6_12(self):
        return self.initramfs("initramfs-6.12", "--modules", self.stock("6.12"), *MODULES)

    def rootfs(self, name, size, *extra):
        hello = self.directory / "hello"
        hello.write_text("hello from the host\n", encoding="utf-8")
        path = self.directory / name
        files = [(HERE / "guest.sh", "/bin/guest"), (hello, "/etc/hello"), *extra]
        flags = [word for source, target in files for word in ("--file", f"{source}:{target}")]
        command_output(ROOT / "tools" / "mkrootfs", "-o", path, "--init",
                       voltlib.BUILD / "volt-init", "--size", size, *flags)
        return path

    def make_rootfs(self):
        return self.rootfs("rootfs", "32M")

    def make_rootfs_sample(self):
        sample = self.directory / "sample"
        sample.write_bytes(random.Random(4).randbytes(16 << 20))
        return self.rootfs("rootfs-sample", "64M", (sample, "/sample"))


@pytest.fixture(scope="session", name="files")
def fixture_files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("guests"))


class Batch:
    """The scenes of one module, played in emulated machines side by side."""

    def __init__(self, module, wanted, files):
        self.results = {}
        self.ends = {}
        try:
            self.play(module, wanted, files)
        except (AssertionError, OSError) as error:	# once is enough: do not build for each test
            self.ends = dict.fromkeys(wanted, f"its files could not be made: {error}")

    def play(self, module, wanted, files):
        order = {"files": {name: files.get(name) for name in module.FILES},
                 "module": getattr(module, "SCENES", module.__name__.removeprefix("test_"))}
        flags = getattr(module, "TESTBED", [])
        with concurrent.futures.ThreadPoolExecutor(MACHINES) as pool:
            list(pool.map(lambda hand: self.play_in_machine(order, hand, flags),
                          [wanted[i::MACHINES] for i in range(min(MACHINES, len(wanted)))]))

    def play_in_machine(self, order, scenes, flags):
        """Runs on a thread of its own; its scenes are nobody else's."""
        done = subprocess.run(
            [ROOT / "tests" / "testbed" / "run", f"--timeout={TESTBED_TIMEOUT}", *flags, "--",
             "/usr/bin/env", f"VOLT_TEST_TIMEOUT={GUEST_TIMEOUT}", "PYTHONDONTWRITEBYTECODE=1",
             "/usr/bin/python3", HERE / "scenario.py"],
            input=json.dumps({**order, "scenes": scenes}), capture_output=True, text=True, errors="replace", check=False)
        for line in done.stdout.splitlines():
            result = json.loads(line)
            self.results[result["scene"]] = result
        end = f"the emulated machine ended with status {done.returncode}:\n{done.stderr}"
        self.ends.update(dict.fromkeys(scenes, end))

    def facts(self, scene):
        """A scene's facts; its failure is the test's."""
        if scene not in self.results:
            pytest.fail(f"the scene '{scene}' was not played: {self.ends[scene]}", pytrace=False)
        result = self.results[scene]
        if "error" in result:
            pytest.fail(f"the scene '{scene}' failed inside the emulated machine:\n"
                        f"{result['error']}", pytrace=False)
        return support.decode(result["facts"])


BATCHES = {}


@pytest.fixture(name="run")
def fixture_run(request, files):
    """The facts of the scene that the test is parametrized with."""
    module = request.module
    if module not in BATCHES:
        wanted = [item.callspec.params["run"] for item in request.session.items
                  if item.module is module and "run" in item.fixturenames]
        BATCHES[module] = Batch(module, list(dict.fromkeys(wanted)), files)
    return BATCHES[module].facts(request.param)
