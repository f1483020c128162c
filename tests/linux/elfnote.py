# SPDX-License-Identifier: Apache-2.0
"""The PVH entry of a vmlinux: find it, and make a copy of the kernel without it."""

import struct

PT_NOTE = 4
XEN_ELFNOTE_PHYS32_ENTRY = 18


def _notes(image):
    """(offset, name, type) of each note of a 64-bit little-endian ELF file."""
    assert image[:6] == b"\x7fELF\x02\x01", "no 64-bit little-endian ELF file"
    headers, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for number in range(count):
        kind, _, offset, _, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", image,
                                                                 headers + number * size)
        if kind != PT_NOTE:
            continue
        end = offset + length
        while offset + 12 <= end:
            name_size, content_size, note = struct.unpack_from("<III", image, offset)
            name = bytes(image[offset + 12:offset + 12 + name_size]).rstrip(b"\0")
            yield offset, name, note
            offset += 12 + (name_size + 3 & ~3) + (content_size + 3 & ~3)


def pvh_notes(image):
    """The offsets of the notes that give a PVH entry."""
    return [offset for offset, name, note in _notes(image)
            if name == b"Xen" and note == XEN_ELFNOTE_PHYS32_ENTRY]


def without_pvh(source, target):
    """Copy the kernel @source to @target with the PVH note's type made one that nobody knows."""
    image = bytearray(source.read_bytes())
    offsets = pvh_notes(image)
    assert offsets, f"{source} has no PVH note"
    for offset in offsets:
        struct.pack_into("<I", image, offset + 8, 0xffff)
    assert not pvh_notes(image)
    target.write_bytes(image)
    return target
