/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.c - tell a kernel image's format from its first bytes and hand it to that format's loader.
 * What is no bootable kernel is named, when it can be recognised, so that the user sees at once
 * which file was mixed up with which.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/io.h"
#include "base/util.h"
#include "boot/image.h"

struct signature {
	uint32_t offset;
	uint32_t len;
	const char *bytes;
	const char *what;	/* "kernel NAME is ..." */
};

#define DECOMPRESS(kind, command) \
	"compressed with " kind ", and this monitor boots uncompressed kernels and bzImages:" \
	" decompress it first (" command ")"

/* In the order of trying: the most telling first. */
static const struct signature signatures[] = {
	{ 0, 2, "\x1f\x8b", DECOMPRESS("gzip", "gzip -d") },
	{ 0, 6, "\xfd" "7zXZ\0", DECOMPRESS("xz", "xz -d") },
	{ 0, 4, "\x28\xb5\x2f\xfd", DECOMPRESS("zstd", "zstd -d") },
	{ 0, 3, "BZh", DECOMPRESS("bzip2", "bzip2 -d") },
	{ 0, 4, "\x02\x21\x4c\x18", DECOMPRESS("lz4", "lz4 -d") },
	{ 0, 4, "\x04\x22\x4d\x18", DECOMPRESS("lz4", "lz4 -d") },
	{ 0, 5, "\x89LZO\0", DECOMPRESS("lzop", "lzop -d") },
	{ 0, 3, "\x5d\0\0", DECOMPRESS("lzma", "xz -d --format=lzma") },
	{ 0, 2, "#!", "a script, not a kernel" },
	{ 0, 6, "070701", "a cpio archive, which looks like an initramfs: pass it as --initrd" },
	{ 0, 4, "QFI\xfb", "a qcow2 disk image, not a kernel" },
	{ 0, 4, "hsqs", "a squashfs file system, not a kernel: pass it as --rootfs" },
	{ 0, 4, "XFSB", "an XFS file system, not a kernel: pass it as --rootfs" },
	{ 1080, 2, "\x53\xef", "a disk image with an ext2, ext3 or ext4 file system, not a kernel:"
	  " pass it as --rootfs" },
	{ 0x38, 4, "ARM\x64", "a kernel for AArch64, and this monitor boots x86-64 kernels" },
	{ 0x38, 4, "RSC\x05", "a kernel for RISC-V, and this monitor boots x86-64 kernels" },
	{ 0, 4, "\x27\x05\x19\x56", "a U-Boot image, which this monitor does not boot: extract"
	  " the vmlinux from it" },
	{ 0, 2, "MZ", "a PE (EFI or Windows) program without a Linux boot header: this monitor"
	  " has no firmware to run it; pass a vmlinux or a bzImage" },
	{ 0x1fe, 2, "\x55\xaa", "a disk image with a boot sector, not a kernel" },
};

int kernel_image_read(const struct kernel_image *image, void *buf, uint64_t len, uint64_t offset)
{
	if (!u64_range_within(offset, len, 0, image->size))
		return -ENODATA;
	if (u64_range_within(offset, len, 0, image->head_len)) {
		memcpy(buf, image->head + offset, len);
		return 0;
	}
	return pread_full(image->fd, buf, len, offset);
}

int kernel_image_check_room(const struct kernel_image *image, const struct guest_memory *mem,
			    uint64_t start, uint64_t end, struct error *err)
{
	uint64_t need = (end + MIB(1) - 1) >> 20;

	if (end > GUEST_MMIO_GAP_START)
		return error_set(err, -ENOEXEC, "kernel %s occupies guest addresses 0x%" PRIx64
				 " to 0x%" PRIx64 ", but RAM ends at 0x%" PRIx64 " there, where the"
				 " devices begin: the image is damaged or built for another"
				 " machine",
				 image->name, start, end, GUEST_MMIO_GAP_START);
	if (end > guest_memory_low_end(mem))
		return error_set(err, -E2BIG, "kernel %s occupies guest addresses 0x%" PRIx64
				 " to 0x%" PRIx64 " and so needs at least %" PRIu64 " MiB of memory"
				 " and some to run in, but the guest has %" PRIu64 " MiB: raise"
				 " --memory", image->name, start, end, need, mem->size >> 20);
	return 0;
}

static int kernel_image_open(struct kernel_image *image, int fd, const char *name,
			     struct error *err)
{
	struct stat st;
	int r;

	image->fd = fd;
	image->name = name;
	image->size = 0;
	image->head_len = 0;
	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot examine kernel %s", name);
	if (S_ISDIR(st.st_mode))
		return error_set(err, -ENOEXEC, "kernel %s is a directory: pass the kernel's file",
				 name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -ENOEXEC, "kernel %s is not a regular file: copy the kernel"
				 " into one", name);
	if (st.st_size == 0)
		return error_set(err, -ENOEXEC, "kernel %s is an empty file: pass a vmlinux or a"
				 " bzImage", name);

	image->size = (uint64_t)st.st_size;
	image->head_len = (uint32_t)u64_min(image->size, sizeof(image->head));
	r = pread_full(fd, image->head, image->head_len, 0);
	if (r < 0)
		return error_sys(err, r, "cannot read kernel %s", name);
	return 0;
}

/* Nothing that boots: say what it is. */
static int kernel_image_reject(const struct kernel_image *image, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		const struct signature *sig = &signatures[i];

		if (!u64_range_within(sig->offset, sig->len, 0, image->head_len) ||
		    memcmp(image->head + sig->offset, sig->bytes, sig->len) != 0)
			continue;
		return error_set(err, -ENOEXEC, "kernel %s is %s", image->name, sig->what);
	}
	return error_set(err, -ENOEXEC, "kernel %s (%" PRIu64 " bytes) is in no format that this"
			 " monitor boots: pass an x86-64 vmlinux (ELF) or bzImage", image->name,
			 image->size);
}

int kernel_load(int fd, const char *name, struct guest_memory *mem, struct kernel *ret_kernel,
		struct error *err)
{
	struct kernel_image image;
	int r;

	r = kernel_image_open(&image, fd, name, err);
	if (r < 0)
		return r;
	if (elf_probe(&image))
		return elf_load(&image, mem, ret_kernel, err);
	if (bzimage_probe(&image))
		return bzimage_load(&image, mem, ret_kernel, err);
	return kernel_image_reject(&image, err);
}
