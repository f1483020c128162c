# SPDX-License-Identifier: Apache-2.0
"""Scenes: more memory than fits below the devices."""


def five_gib(lab):
    """Data from the disk through memory above 4 GiB."""
    return {"guest": lab.run(disk=lab.copy("rootfs_sample"), guest="memory", memory="5G")}
