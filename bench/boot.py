#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boot to userspace in virtual time: volt-vmm beside QEMU's microvm machine.

Both run in the emulated machine with deterministic time (one nanosecond an instruction), with the
same kernel (micro profile, vmlinux), the same initramfs, 128 MiB and one vCPU. What is measured is
the time from just before the monitor's process is started to the first line that init prints.
Prints a JSON object; --show prints what was run as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
READY = "VOLT VM READY"
RUNS = 5
CMDLINE = "console=ttyS0 reboot=k panic=-1 quiet"

VOLT = ("$w/volt-vmm --kernel $w/vmlinux --initrd $w/initramfs --memory 128M --cpus 1 "
        "--net-backend none --cmdline '" + CMDLINE + "'")
QEMU = ("$w/lib/ld.so --library-path $w/lib $w/qemu -L $w/firmware -M microvm,x-option-roms=off,"
        "pit=off,pic=off,isa-serial=on,rtc=off -enable-kvm -cpu host -m 128 -smp 1 -nodefaults "
        "-no-user-config -nographic -no-reboot -serial stdio -kernel $w/vmlinux "
        "-initrd $w/initramfs -append '" + CMDLINE + "'")

# Everything that is measured lies in the machine's own memory: reading the host's files would wait
# for the host, and waiting moves virtual time by what the host happens to need.
PREPARE = """set -e
w=/run/bench
mkdir -p $w/lib $w/firmware
cp {top}/build/volt-vmm {top}/build/release/bench/until $w/
cp {kernel} $w/vmlinux
cp {initrd} $w/initramfs
"""
PREPARE_QEMU = """cp /usr/bin/qemu-system-x86_64 $w/qemu
cp $(ldd $w/qemu | sed -n 's/.*=> \\(\\/[^ ]*\\).*/\\1/p') $w/lib/
cp /lib64/ld-linux-x86-64.so.2 $w/lib/ld.so
find /usr/share/seabios /usr/share/qemu -name "*.bin" -exec cp -L {} $w/firmware/ \\;
"""


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def measure(prepare, command, show):
    """A run that does not count, then RUNS in the same machine; the least, in virtual ms."""
    script = (prepare + f"for i in $(seq {RUNS + 1}); do $w/until '{READY}' {command} </dev/null "
              "|| exit 1; done")
    if show:
        print(f"# {command}", file=sys.stderr)
    lines = output(f"{TOP}/tests/testbed/run", "--icount", "--timeout=900", "--", "sh", "-c", script)
    runs = [int(line) / 1e6 for line in lines.split()][1:]
    if show:
        print("# " + " ".join(f"{ms:.1f}" for ms in runs), file=sys.stderr)
    return min(runs)       # QEMU's threads wait for each other, now and then for long


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--only", choices=("volt", "qemu"))
    arguments = parser.parse_args()
    kernel = output(f"{TOP}/tools/kernel-build") + "/vmlinux"
    result = {}
    with tempfile.TemporaryDirectory() as work:
        initrd = f"{work}/initramfs.cpio"
        subprocess.run([f"{TOP}/tools/mkinitramfs", "-o", initrd, "--init",
                        f"{TOP}/build/volt-init"], check=True)
        prepare = PREPARE.format(top=TOP, kernel=kernel, initrd=initrd)
        if arguments.only != "qemu":
            result["boot_virtual_ms_volt"] = measure(prepare, VOLT, arguments.show)
        if arguments.only != "volt":
            result["boot_virtual_ms_qemu_microvm"] = measure(prepare + PREPARE_QEMU, QEMU,
                                                             arguments.show)
    if len(result) == 2:
        result["boot_virtual_ratio"] = (result["boot_virtual_ms_volt"] /
                                        result["boot_virtual_ms_qemu_microvm"])
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


if __name__ == "__main__":
    main()
