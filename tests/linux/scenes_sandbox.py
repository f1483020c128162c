# SPDX-License-Identifier: Apache-2.0
"""
Scenes: the sandbox, layer by layer, tried from inside and looked at from outside. Also those of the
modules test_sandbox_*.py, whose machines have other kernels.
"""

import contextlib
import os
import pathlib
import shutil

import straced
import voltlib
from attacked import NOBODY, SWITCHES, TINY, USER, Surroundings, open_directory, started_by

CGROUPS = pathlib.Path("/sys/fs/cgroup")

ALL_OFF = list(SWITCHES.values())


def _name_all_calls():
    """The kernel logs each call that a filter stops, not just some in five seconds."""
    pathlib.Path("/proc/sys/kernel/printk_ratelimit").write_text("0", encoding="ascii")


def attacks(lab, start, role, *sets):
    """All attacks from one kind of thread, with each of the @sets of layers ("seccomp+jail")."""
    _name_all_calls()
    around = Surroundings(lab, NOBODY if start == "root" else USER)
    return {layers: {attack: around.attack(start, role, layers.split("+"), attack)
                     for attack in around.attacks} for layers in sets}


def _tiny(lab, *flags, start="root"):
    """A tiny guest. It says something when it runs at all."""
    open_directory(lab)
    program, kernel = shutil.copy(voltlib.VMM, lab.directory), shutil.copy(TINY, lab.directory)
    return voltlib.run([program, "--kernel", kernel, "--memory", "32M", *flags, "--cmdline",
                        "test=ports_empty"], **started_by(start))


def landlock(lab, *flags):
    """What the monitor says of Landlock, and does when it is required."""
    return {"guest": _tiny(lab, *flags)}


def switched_off(lab):
    """Each switch has its own line."""
    return {"guests": {flag: _tiny(lab, flag) for flag in [*ALL_OFF, "--seccomp-log"]}}


# ---- a guest's life ----

def same_output(lab, kind):
    """Three boots with the sandbox, three without."""
    guests = {}
    for name, flags in (("with", []), ("without", ALL_OFF)):
        guests[name] = []
        for _ in range(3):
            disk = {"disk": lab.copy("rootfs")} if kind == "disk" else {"initrd": "initramfs"}
            guest = "disk" if kind == "disk" else "hello"
            guests[name].append(lab.run(*flags, guest=guest, **disk))
    return guests


def boot(lab, start):
    """A real boot with everything on, and who the VM process is meanwhile."""
    open_directory(lab)
    disk = lab.copy("rootfs")
    if start == "user":
        os.chown(disk, USER, USER)
    with lab.start(disk=disk, guest="write_and_wait SIGTERM", popen=_program(lab, start)) as vm:
        vm.wait_for(b"= written yes")
        facts = {"status": _status(vm.vm_pid), "threads": _threads(vm.vm_pid),
                 "namespaces": _namespaces(vm.vm_pid)}
        vm.signal(voltlib.SIGTERM)
        facts["guest"] = vm.finish()
    facts["kept"] = lab.text(disk, "/kept")
    return facts


def _program(lab, start):
    """The monitor where any user may run it: the tree may lie where only root can look."""
    program = lab.directory / "volt-vmm"
    if not program.exists():
        shutil.copy(voltlib.VMM, program)
        program.chmod(0o755)
    if start == "user":
        lab.files["vmlinux"] = lab.copy("vmlinux")
        lab.files["vmlinux"].chmod(0o644)
    return {"executable": str(program), **started_by(start)}


def _status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def _threads(pid):
    """For each thread of the VM process: the mode and number of its seccomp filters."""
    return [[status["Seccomp"], status["Seccomp_filters"], status["NoNewPrivs"]]
            for status in (_status(thread) for thread in os.listdir(f"/proc/{pid}/task"))]


def _namespaces(pid):
    """The kinds of namespaces that it does not share with this process."""
    return sorted(kind for kind in os.listdir("/proc/self/ns") if not kind.endswith("_for_children")
                  and os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"))


@contextlib.contextmanager
def _running(lab, *flags):
    """A Linux guest that is up, and is told to end afterwards."""
    with lab.start(*flags, initrd="initramfs", guest="write_and_wait SIGTERM") as vm:
        vm.wait_for(b"= written yes")
        yield vm
        vm.signal(voltlib.SIGTERM)
        vm.finish()


def other_ids(lab):
    with _running(lab, "--uid", 4321, "--gid", 8765) as vm:
        status = _status(vm.vm_pid)
    return {"status": status, "guest": vm.result()}


def netns(lab):
    """A network namespace that has a name, and what is none."""
    path = lab.directory / "netns"
    path.touch()
    made = lab.tool("unshare", f"--net={path}", "true")
    lab.stack.callback(lab.tool, "umount", path)
    with _running(lab, "--netns", path) as vm:
        joined = os.stat(f"/proc/{vm.vm_pid}/ns/net").st_ino
    return {"made": made, "joined": joined, "wanted": path.stat().st_ino, "guest": vm.result(),
            "none": _tiny(lab, "--netns", lab.files["initramfs"]),
            "no_jail": _tiny(lab, "--netns", path, "--no-jail")}


def no_user_namespaces(lab):
    """A user where nobody may make a user namespace. Nothing else may run in the machine."""
    limit = pathlib.Path("/proc/sys/user/max_user_namespaces")
    limit.write_text("0", encoding="ascii")
    return {"does_without": _tiny(lab, start="user"), "refuses": _tiny(lab, "--jail", start="user")}


# ---- cgroups ----

LIMITS = {"memory.max": "268435456", "pids.max": "64", "cpu.max": "50000 100000"}


def _programs(group):
    """The processes in a cgroup, without threads of the kernel: KVM has one for each VM."""
    pids = (group / "cgroup.procs").read_text(encoding="ascii").split()
    return [int(pid) for pid in pids if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]


def cgroup(lab):
    """One that the monitor makes, and removes."""
    group = CGROUPS / "volt-test-made"
    flag = ",".join([group.name, *(f"{name}={value}" for name, value in LIMITS.items())])
    with _running(lab, "--cgroup", flag) as vm:
        pid = vm.vm_pid
        values = {name: (group / name).read_text(encoding="ascii").strip() for name in LIMITS}
        inside = _programs(group)
    return {"values": values, "inside": inside == [pid], "there": group.exists(),
            "guest": vm.result()}


def cgroup_existing(lab):
    group = CGROUPS / "volt-test-mine"
    group.mkdir()
    lab.stack.callback(group.rmdir)
    with _running(lab, "--cgroup", f"{group},pids.max=64") as vm:
        inside = _programs(group) == [vm.vm_pid]
    return {"inside": inside, "there": group.is_dir(), "guest": vm.result()}


def cgroup_wrong(lab):
    """What cannot be made or written."""
    name = "volt-test-wrong"
    well_formed = [f"{name},memory.nothing=1", f"{name},pids.max=many", "volt-test-missing/vm"]
    malformed = ["../escape", f"{name},pids", f"{name},cgroup.procs=1"]
    guests = {text: _tiny(lab, "--cgroup", text) for text in well_formed + malformed}
    return {"guests": guests, "well_formed": well_formed,
            "there": (CGROUPS / name).exists()}


def cgroup_after_failure(lab):
    """No process for the VM, and none for its vCPU: each time a cgroup had been made."""
    made, tight = CGROUPS / "volt-test-brief", CGROUPS / "volt-test-tight"
    (CGROUPS / "cgroup.subtree_control").write_text("+pids", encoding="ascii")
    tight.mkdir()
    lab.stack.callback(tight.rmdir)
    (tight / "pids.max").write_text("1", encoding="ascii")
    argv = voltlib.vmm("--kernel", TINY, "--cmdline", "test=ports_empty", "--cgroup", made.name)
    no_fork = voltlib.run(["sh", "-c", f'echo $$ >{tight}/cgroup.procs; exec "$@"', "sh", *argv])
    there = [made.exists()]
    no_thread = _tiny(lab, "--cgroup", f"{made.name},pids.max=1")
    return {"no_fork": no_fork, "no_thread": no_thread, "there": [*there, made.exists()]}


# ---- system calls ----

def _trace(lab, vm_does, argv):
    """A guest under strace; @vm_does is given its process."""
    log = lab.directory / "strace"
    with voltlib.Process(["strace", "-f", "-qq", "-o", log, "-e", "raw=!open,openat", "--",
                          *argv]) as vm:
        vm_does(vm)
        result = vm.finish()
    paths = [argv[at + 1] for at, flag in enumerate(argv)
             if flag in ("--kernel", "--initrd", "--rootfs")]
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {"guest": result, **straced.Trace(lines, paths).facts()}


def _shell(vm):
    vm.wait_for(b"# ")
    vm.write(b"cat /etc/hello; echo traced >/written; sync; echo 3 >/proc/sys/vm/drop_caches\n")
    vm.write(b"cat /written >/read; sync; echo so''und; exit\n")
    vm.wait_for(b"sound")


def _stop(vm):
    vm.wait_for(b"= written yes")
    os.kill(vm.vm_pid, voltlib.SIGTERM)	# strace's child is the supervisor


def traced(lab, what):
    """
    A disk at work and someone who types; a guest that only ends; the power button; a guest that
    runs to where nothing is.
    """
    if what == "work":
        return _trace(lab, _shell, lab.argv(disk=lab.copy("rootfs"), arguments="/bin/sh -i"))
    if what == "quiet":
        return _trace(lab, voltlib.Process.close_stdin, lab.argv(initrd="initramfs", guest="hello"))
    if what == "stop":
        return _trace(lab, _stop, lab.argv(initrd="initramfs", guest="write_and_wait SIGTERM"))
    return _trace(lab, voltlib.Process.close_stdin, voltlib.vmm(
        "--kernel", TINY, "--memory", "32M", "--cmdline", "test=rubbish where=gap"))
