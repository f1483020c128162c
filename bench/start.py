#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start-up time and memory of a machine, natively, with tiny guests on the machine's own KVM.

start_to_first_guest_instruction_us_p50, _p99: from just before the monitor's process is made
(posix_spawn and exec included) to the arrival of a byte that the guest sends to its serial port in
its third instruction; 128 MiB, one vCPU, the whole sandbox, 200 runs after 10 that do not count.
start_bare_us_p50: the same with every layer switched off that can be, in turns with the above.
start_sandbox_share_us_p50: the difference of the two.
vmm_private_kib: pages that the monitor's two processes have for themselves outside the guest's RAM,
while a guest of 128 MiB runs that has touched all of it.
volt_vmm_bytes: the size of the program.
Prints a JSON object; --show prints more on standard error.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "lib"))

import voltlib  # noqa: E402

GUESTS = TOP / "build" / "release" / "tests" / "guest"
START = TOP / "build" / "release" / "bench" / "start"
RUNS, TURNS, WARM_UP = 200, 4, 10
MEMORY_MIB = 128


def percentile(values, share):
    """The smallest value that at least @share of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def start_times(runs, *flags):
    """Microseconds from start to the first instruction, a value a run."""
    command = voltlib.vmm("--kernel", GUESTS / "first", "--memory", f"{MEMORY_MIB}M", "--cpus", 1,
                          "--net-backend", "none", *flags)
    done = subprocess.run([START, str(WARM_UP + runs), *command], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [int(line) / 1000 for line in done.stdout.split()][WARM_UP:]


def start_figures(show):
    """With the sandbox and without, in turns, so that what the host does meets both."""
    times, bare = [], []
    for _ in range(TURNS):
        times += start_times(RUNS // TURNS)
        bare += start_times(RUNS // TURNS, "--no-jail", "--no-landlock", "--no-seccomp")
    for name, values in ("sandboxed", times), ("bare", bare):
        if show:
            print(f"# {name}, us: min {min(values):.0f}, p50 {percentile(values, 50):.0f}, "
                  f"p90 {percentile(values, 90):.0f}, p99 {percentile(values, 99):.0f}, "
                  f"max {max(values):.0f}", file=sys.stderr)
    return {
        "start_to_first_guest_instruction_us_p50": round(percentile(times, 50), 1),
        "start_to_first_guest_instruction_us_p99": round(percentile(times, 99), 1),
        "start_bare_us_p50": round(percentile(bare, 50), 1),
        "start_sandbox_share_us_p50": round(percentile(times, 50) - percentile(bare, 50), 1),
    }


def mappings(pid):
    """A process's mappings: their fields by name, sizes in KiB, with the name as "path"."""
    entry = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                if entry:
                    yield entry
                words = line.split(maxsplit=5)
                entry = {"path": words[5].strip() if len(words) > 5 else ""}
            else:
                name, value = line.split(":", 1)
                entry[name] = value.split() if name == "VmFlags" else int(value.split()[0])
    if entry:
        yield entry


def private_memory(show):
    """
    KiB of private pages, huge ones included, outside guest RAM. Guest RAM is what the monitor has
    taken out of core dumps; that this is all of it, and resident, is checked.
    """
    with voltlib.Process(voltlib.vmm("--kernel", GUESTS / "guest", "--memory", f"{MEMORY_MIB}M",
                                     "--cmdline", "test=memory_hold")) as vm:
        vm.wait_for(b"HOLDING")
        guest = total = 0
        for entry in itertools.chain(mappings(vm.pid), mappings(vm.vm_pid)):
            # What the fork left shared between the two is split between them: together, once.
            private = entry["Private_Clean"] + entry["Pss_Dirty"] + entry["Private_Hugetlb"]
            if "dd" in entry["VmFlags"]:
                guest += entry["Rss"] + entry["Private_Hugetlb"]
                continue
            total += private
            if show and private:
                print(f"# {private:6} KiB {entry['path'] or 'anonymous'}", file=sys.stderr)
    if not MEMORY_MIB * 1024 * 0.99 <= guest <= MEMORY_MIB * 1024 * 1.02:
        sys.exit(f"start.py: guest RAM has {guest} KiB resident, not {MEMORY_MIB} MiB")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="more on standard error")
    arguments = parser.parse_args()
    figures = {"volt_vmm_bytes": os.path.getsize(voltlib.VMM)}
    reason = voltlib.kvm_unusable()
    if reason:
        print(f"start.py: not measured: {reason}", file=sys.stderr)
    else:
        figures.update(start_figures(arguments.show))
        figures["vmm_private_kib"] = private_memory(arguments.show)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
