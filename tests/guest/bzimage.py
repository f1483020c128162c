# SPDX-License-Identifier: Apache-2.0
"""A bzImage made of a tiny guest (the kernel's Documentation/arch/x86/boot.rst)."""

import struct

LOAD_ADDRESS = 0x100000


def load_segments(elf):
    """An ELF file's loadable segments: (address, bytes, size in memory)."""
    offset, = struct.unpack_from("<Q", elf, 32)
    count, = struct.unpack_from("<H", elf, 56)
    for i in range(count):
        kind, _, at, _, where, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", elf,
                                                                     offset + 56 * i)
        if kind == 1:
            yield where, elf[at:at + filesz], memsz


def make_bzimage(elf, version=0x20f, xloadflags=1, pref_address=LOAD_ADDRESS, init_size=None):
    """
    The guest as a bzImage: a setup sector, and from 1 MiB up a payload whose 64-bit entry jumps to
    the guest at its own address. The keywords are fields of the setup header.
    """
    entry, = struct.unpack_from("<Q", elf, 24)
    payload = bytearray(0x200)
    payload += b"\xb8" + struct.pack("<I", entry) + b"\xff\xe0"    # mov $entry, %eax; jmp *%rax
    end = LOAD_ADDRESS
    for where, data, memsz in load_segments(elf):
        payload = payload.ljust(where - LOAD_ADDRESS, b"\0") + data
        end = max(end, where + memsz)
    payload += bytes(-len(payload) % 16)
    setup = bytearray(1024)
    struct.pack_into("<B", setup, 0x1f1, 1)                         # setup_sects
    struct.pack_into("<I", setup, 0x1f4, len(payload) // 16)        # syssize
    struct.pack_into("<H", setup, 0x1fe, 0xaa55)
    struct.pack_into("<HIH", setup, 0x200, 0x66eb, 0x53726448, version)
    struct.pack_into("<B", setup, 0x211, 1)                         # loadflags: LOADED_HIGH
    struct.pack_into("<I", setup, 0x214, LOAD_ADDRESS)              # code32_start
    struct.pack_into("<II", setup, 0x22c, 0x7fffffff, 0x100000)     # initrd_addr_max, alignment
    struct.pack_into("<BBH", setup, 0x234, 0, 20, xloadflags)       # not relocatable
    struct.pack_into("<I", setup, 0x238, 2047)                      # cmdline_size
    struct.pack_into("<QI", setup, 0x258, pref_address,
                     end - LOAD_ADDRESS if init_size is None else init_size)
    return bytes(setup + payload)
