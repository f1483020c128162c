/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The initramfs is the kernel's first file system and cannot be unmounted, so
 * the root device is mounted on a directory, gets /dev, /proc, /sys and /run moved into it, and is
 * then moved over / itself. The initramfs stays below, out of sight; its files are removed before
 * that, since their memory would be lost for the guest. The removal stays on the initramfs' own
 * device: whatever else is mounted is none of its business.
 */
#include "init/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#include "init/say.h"

#define NEW_ROOT "/.volt-root"

/* How long to wait for the root device, and how often to look. */
#define WAIT_MS 5000
#define ROOTWAIT_MS 60000
#define LOOK_MS 5

/* Deeper directories than any archive has; recursion ends there. */
#define DEPTH_MAX 64

#define INIT_PATH_MAX 256

bool root_is_initramfs(void)
{
	struct statfs fs;

	return statfs("/", &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

/* 0 when @path is there, else a negative errno. */
static int device_wait(const char *path, int wait_ms)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	struct stat st;

	for (; stat(path, &st) < 0; wait_ms -= LOOK_MS) {
		if (errno != ENOENT || wait_ms <= 0)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void directory_empty(int fd, dev_t device, int depth);

static void entry_remove(int dir_fd, const char *name, dev_t device, int depth)
{
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != device)
		return;
	if (!S_ISDIR(st.st_mode)) {
		unlinkat(dir_fd, name, 0);
		return;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && depth < DEPTH_MAX)
		directory_empty(fd, device, depth + 1);
	else if (fd >= 0)
		close(fd);
	unlinkat(dir_fd, name, AT_REMOVEDIR);
}

/* Takes @fd over. */
static void directory_empty(int fd, dev_t device, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			entry_remove(fd, entry->d_name, device, depth);
	}
	closedir(dir);
}

/* A root without the directory loses the mount: its own init makes a new one. */
static void mounts_move(void)
{
	static const char *const moved[] = { "/dev", "/proc", "/sys", "/run" };
	static char target[sizeof(NEW_ROOT) + 8];

	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		strcpy(target, NEW_ROOT);
		strcat(target, moved[i]);
		if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
			umount2(moved[i], MNT_DETACH);
	}
}

/* Make NEW_ROOT the root. @old is the initramfs' own root directory. */
static int root_move(int old)
{
	struct stat st;

	mounts_move();
	umount2("/tmp", MNT_DETACH);
	if (fstat(old, &st) < 0 || chdir(NEW_ROOT) < 0)
		return -errno;
	directory_empty(old, st.st_dev, 0);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int root_switch(const struct boot_options *options, char *argv[])
{
	static char init[INIT_PATH_MAX];
	int old, r = 0;

	strncpy(init, options->init, sizeof(init) - 1);
	/* What is no path is the name of a share, which nobody waits for. */
	if (options->root[0] == '/')
		r = device_wait(options->root, options->root_wait ? ROOTWAIT_MS : WAIT_MS);
	if (r < 0) {
		complain(-r, "root device root=", options->root, " did not appear", NULL);
		return STATUS_NOT_FOUND;
	}
	mkdir(NEW_ROOT, 0755);
	if (mount(options->root, NEW_ROOT, options->root_type,
		  options->root_writable ? 0 : MS_RDONLY, NULL) < 0) {
		complain(errno, "cannot mount root=", options->root, " as ", options->root_type,
			 " (rootfstype= names another type)", NULL);
		return STATUS_NOT_EXECUTABLE;
	}
	old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = old < 0 ? -errno : root_move(old);
	if (r < 0) {
		complain(-r, "cannot make ", options->root, " the root", NULL);
		return STATUS_NOT_EXECUTABLE;
	}
	argv[0] = init;
	execv(init, argv);
	r = errno;
	complain(r, "cannot execute ", options->init, " on ", options->root,
		 " (init= names another program)", NULL);
	return status_of_exec_error(r);
}
