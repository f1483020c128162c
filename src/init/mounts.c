/* SPDX-License-Identifier: Apache-2.0 */
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/parse.h"
#include "init/say.h"

/* /proc/self/mounts of a guest with hundreds of mounts. */
#define MOUNTS_TEXT_MAX 65536

struct mount_point {
	const char *path;
	const char *type;
	unsigned long flags;
	const char *options;
};

static const struct mount_point dev_mount = { "/dev", "devtmpfs", MS_NOSUID, "mode=0755" };

/* In this order: each may lie in one before it. Group 5 is tty, as the C libraries expect. */
static const struct mount_point mount_points[] = {
	{ "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666" },
	{ "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777" },
};

/* Whether something is mounted at @path, whose parent is @path/.. */
static bool is_mounted(const char *path)
{
	char parent[64];
	struct stat here, above;
	size_t length = strlen(path);

	if (length + sizeof("/..") > sizeof(parent))
		return false;
	memcpy(parent, path, length);
	memcpy(parent + length, "/..", sizeof("/.."));
	return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

static void mount_one(const struct mount_point *point)
{
	if (mount(point->type, point->path, point->type, point->flags, point->options) == 0)
		return;
	if (errno == ENOENT && mkdir(point->path, 0755) == 0 &&
	    mount(point->type, point->path, point->type, point->flags, point->options) == 0)
		return;
	/* EBUSY: it is there already. ENODEV: this kernel was built without it. */
	if (errno != EBUSY && errno != ENODEV)
		complain(errno, "cannot mount ", point->type, " on ", point->path, NULL);
}

void mount_dev(void)
{
	if (!is_mounted(dev_mount.path))
		mount_one(&dev_mount);
}

void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
		if (!is_mounted(mount_points[i].path))
			mount_one(&mount_points[i]);
	}
}

ssize_t text_read(const char *path, char *ret_text, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;

	if (fd < 0)
		return -errno;
	while (length < size) {
		ssize_t got = read(fd, ret_text + length, size - length);

		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (length == size)
		return -EFBIG;
	ret_text[length] = '\0';
	return (ssize_t)length;
}

/* What the kernel needs no unmounting of, and the rest of the shutdown still uses. */
static bool is_kept(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/proc") == 0 || strcmp(path, "/sys") == 0 ||
	       strcmp(path, "/dev") == 0;
}

void unmount_all(void)
{
	static char text[MOUNTS_TEXT_MAX];
	ssize_t length;
	size_t left;
	char *path;

	sync();
	length = text_read("/proc/self/mounts", text, sizeof(text));
	left = length > 0 ? (size_t)length : 0;
	while ((path = mount_path_last(text, &left))) {
		if (is_kept(path) || umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
			complain(errno, "cannot unmount ", path, NULL);
	}
	/* An initramfs cannot be read-only and need not. */
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 && errno != EBUSY &&
	    errno != EINVAL)
		complain(errno, "cannot make / read-only", NULL);
	sync();
}
