# SPDX-License-Identifier: Apache-2.0
"""Scenes: several processors."""


def processors(lab, count):
    """The guest's view of its processors, and its kernel's."""
    return {"guest": lab.run(initrd="initramfs", guest="cpus", cpus=count)}
