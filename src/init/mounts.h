/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.h - file systems up and down. What fails is said on the console and left out: a guest
 * without /dev/shm is better than none.
 */
#ifndef VOLT_INIT_MOUNTS_H
#define VOLT_INIT_MOUNTS_H

#include <stddef.h>
#include <sys/types.h>

/* Mount /dev if nothing is mounted there. Apart from the rest, since the console is on it. */
void mount_dev(void);

/* Mount /proc, /sys, /dev/pts, /dev/shm, /run and /tmp where nothing is mounted yet. */
void mount_all(void);

/* Unmount what can be, and make the rest read-only. All processes have to be gone. */
void unmount_all(void);

/*
 * Read at most @size - 1 bytes of @path, NUL-terminated. Returns the length or a negative errno,
 * -EFBIG when the file is longer.
 */
ssize_t text_read(const char *path, char *ret_text, size_t size);

#endif
