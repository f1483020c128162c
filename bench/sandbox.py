#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the sandbox costs and how narrow it is.

sandbox_setup_us_p50: all layers of the sandbox, fork and namespaces included, natively and without a
VM; 200 runs after 10 that do not count.
seccomp_allowed_vcpu, _device, _api, _union: how many system calls seccomp/policy allows each kind of
thread, and all together.
Prints a JSON object.
"""

import json
import pathlib
import subprocess

RELEASE = pathlib.Path(__file__).resolve().parents[1] / "build" / "release"
RUNS, WARM_UP = 200, 10


def main():
    done = subprocess.run([RELEASE / "bench" / "sandbox", str(WARM_UP + RUNS)], check=True,
                          stdout=subprocess.PIPE, text=True)
    times = sorted(int(line) for line in done.stdout.split()[WARM_UP:])
    policy = json.loads((RELEASE / "seccomp" / "policy.json").read_text(encoding="utf-8"))
    figures = {"sandbox_setup_us_p50": times[len(times) // 2]}
    figures.update({f"seccomp_allowed_{name}": count for name, count in policy["counts"].items()})
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
