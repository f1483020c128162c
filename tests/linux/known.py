# SPDX-License-Identifier: Apache-2.0
"""What guests' kernels complain about although the monitor is not to blame, and why."""

import re

# A warning's registers and call trace lie between these; what it says decides about all of it.
TRACE_BEGIN, TRACE_END = "[ cut here ]", "[ end trace "

# (pattern, where the blame lies)
KNOWN_TRACES = [
    # The emulated machine does not tell KVM when a guest writes XCR0 (QEMU 7.2 does not intercept
    # XSETBV), so CPUID leaf 0xd goes on telling the size of an XSAVE area without extensions. A
    # guest of QEMU itself says the same there.
    (r"XSAVE consistency problem", "the emulated machine"),
]
KNOWN_LINES = [
    # The same, which the 6.1 kernel follows by what it found.
    (r"CPUID\[0d, [0-9a-f]{2}\]", "the emulated machine"),
    # An interrupt or a clock waited while other programs of the host ran.
    (r"hrtimer: interrupt took \d+ ns", "the host's load"),
    (r"clocksource: Long readout interval, skipping watchdog check", "the host's load"),
    # There is neither SMBIOS nor PCI, and nothing needs them; pci=off on the command line saves the
    # search, but not the word about it.
    (r"DMI not present or invalid", "the machine's design"),
    (r"PCI: Fatal: No config space access function found", "the machine's design"),
    (r"PCI: System does not support PCI", "the machine's design"),
    # Frequencies are the host's business: no _CPC objects.
    (r"amd_pstate: the _CPC object is not present", "the machine's design"),
    # tools/mkinitramfs takes debugging information out of modules, and their signatures with it.
    (r"module verification failed: signature and/or required key missing", "the initramfs"),
    # Words that only sound like complaints.
    (r"PCI: Using host bridge windows from ACPI; .* report a bug", "nobody"),
    (r"iommu: DMA domain TLB invalidation policy", "nobody"),
    (r"RAS: Correctable Errors collector initialized", "nobody"),
]


def _without_known_traces(lines):
    """@lines without those of the traces that are known."""
    kept, trace = [], None
    for line in lines:
        if TRACE_BEGIN in line and trace is None:
            trace = []
        if trace is None:
            kept.append(line)
            continue
        trace.append(line)
        if TRACE_END in line:
            if not any(re.search(pattern, text) for pattern, _ in KNOWN_TRACES for text in trace):
                kept += trace
            trace = None
    return kept + (trace or [])


def unknown(complaints):
    """The complaints that none of the known ones explains."""
    return [line for line in _without_known_traces(complaints)
            if not any(re.search(pattern, line) for pattern, _ in KNOWN_LINES)]
