#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs inside the emulated machine: plays the scenes that it is asked for, and prints a line of JSON
for each, with what became of its guests. conftest.py starts it, once for a module of tests.

Standard input has {"files": {name: path}, "module": "boot", "scenes": ["format pvh", ...]}. A scene
"NAME ARGUMENT..." is the function NAME of scenes_MODULE.py, called with a Lab and the arguments. It
returns a dictionary of facts, in which voltlib.Results may stand. What the facts should be is the
tests' business; a scene raises only when it cannot go on.
"""

import concurrent.futures
import contextlib
import importlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
sys.path.insert(0, str(HERE))

import voltlib  # noqa: E402


class Lab:
    """What a scene works with: the files it was given, a directory of its own, guests."""

    def __init__(self, files, directory):
        self.files = {name: pathlib.Path(path) for name, path in files.items()}
        self.directory = pathlib.Path(directory)
        self.stack = contextlib.ExitStack()

    def copy(self, name):
        """A copy of a file that the guest may write to."""
        return pathlib.Path(shutil.copy(self.files[name], self.directory / name))

    def argv(self, *flags, guest="", arguments="", kernel="vmlinux", initrd=None, disk=None,
             memory="128M", cpus=1, quiet=True, cmdline=""):
        """
        The monitor's command for a guest that runs "/bin/guest GUEST" under volt-init, or whose
        first process gets @arguments.
        """
        argv = ["--kernel", self.files[kernel], "--memory", memory, "--cpus", cpus]
        if initrd:
            argv += ["--initrd", self.files[initrd]]
        if disk:
            argv += ["--rootfs", disk]
        words = [word for word in ("quiet" if quiet else "", cmdline) if word]
        if guest:
            arguments = f"/bin/guest {guest}"
        if arguments:
            words += ["--", arguments]
        return voltlib.vmm(*argv, *flags, "--cmdline-append", " ".join(words))

    def start(self, *flags, popen=None, **keywords):
        """Start a guest; it is killed at the scene's end if it is still there then."""
        process = voltlib.Process(self.argv(*flags, **keywords), **(popen or {}))
        return self.stack.enter_context(process)

    def run(self, *flags, **keywords):
        """Run a guest to its end."""
        return self.start(*flags, **keywords, popen={"stdin": b""}).finish()

    def tool(self, *argv):
        """Run a program of the host's; returns its status and what it said."""
        done = subprocess.run([*map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False)
        return [done.returncode, done.stdout.decode("utf-8", "replace")]

    def fsck(self, image):
        """Look for damage in a file system without repairing it."""
        return self.tool("/sbin/e2fsck", "-fn", image)

    def cat(self, image, path):
        """A file's contents out of a file system image, None when it is not there."""
        done = subprocess.run(["/sbin/debugfs", "-R", f"cat {path}", image], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return None if b"not found" in done.stderr else done.stdout

    def text(self, image, path):
        """The same as text."""
        content = self.cat(image, path)
        return None if content is None else content.decode("utf-8", "replace")


def encode(value):
    """Results for JSON."""
    if isinstance(value, voltlib.Result):
        return {"argv": value.argv, "status": value.status, "out": value.text, "err": value.err}
    raise TypeError(f"a fact of type {type(value)}")


def play(module, scene, files):
    """One scene; what goes wrong in it is part of its result."""
    name, *arguments = scene.split()
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        lab = Lab(files, directory)
        try:
            with lab.stack:
                return {"scene": scene, "facts": getattr(module, name)(lab, *arguments)}
        except Exception:
            return {"scene": scene, "error": traceback.format_exc()}


def main():
    order = json.load(sys.stdin)
    module = importlib.import_module("scenes_" + order["module"])
    # Two guests at a time: where one waits, the other goes on.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(play, module, scene, order["files"]) for scene in order["scenes"]]
        for job in concurrent.futures.as_completed(jobs):
            print(json.dumps(job.result(), default=encode), flush=True)


if __name__ == "__main__":
    main()
