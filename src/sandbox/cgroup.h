/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - a control group (version 2) for the VM's process.
 *
 * The supervisor opens it before it makes the child, puts the child in by its process ID, and
 * closes it when the child is reaped or could not be started. A user who is not root needs a group that was delegated to
 * them: cgroups(7).
 */
#ifndef VOLT_SANDBOX_CGROUP_H
#define VOLT_SANDBOX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_FILE_MAX 64
#define CGROUP_VALUE_MAX 256
#define CGROUP_SETTINGS_MAX 16

struct cgroup_setting {
	char file[CGROUP_FILE_MAX];	/* CONTROLLER.NAME, no slash */
	char value[CGROUP_VALUE_MAX];
};

struct cgroup_config {
	char parent[PATH_MAX];		/* absolute */
	char name[NAME_MAX + 1];	/* the last component */
	unsigned int nr;
	struct cgroup_setting settings[CGROUP_SETTINGS_MAX];
};

struct cgroup {
	int parent_fd, fd, procs_fd;	/* -1 when closed; owned */
	bool made;			/* by us, so it is ours to remove */
	char name[NAME_MAX + 1];
};

/*
 * Read "PATH[,FILE=VALUE]...". A relative PATH starts at CGROUP_ROOT. Commas separate, but a piece
 * of digits and dashes alone goes on with the list before it: "cpuset.cpus=0,2-3". Touches no
 * file. -EINVAL for "." and ".." and nothing between slashes, for files that are not one of the
 * controllers cpu, cpuset, hugetlb, io, memory, pids, and for control characters.
 */
int cgroup_parse(const char *text, struct cgroup_config *ret, struct error *err);

/*
 * Make the group if it is missing (its parent must exist), have the parent pass on the controllers
 * that the settings need, and write the settings in their order. Must not touch anything outside
 * a cgroup2 file system, which is checked, nor follow a symbolic link as the last component. On
 * failure a group that was made here is removed, and the error names file, value and reason.
 */
int cgroup_open(const struct cgroup_config *config, struct cgroup *ret, struct error *err);

/* Move the process, with all its threads, into the group. */
int cgroup_attach(const struct cgroup *cgroup, pid_t pid, struct error *err);

/*
 * Remove the group if cgroup_open() made it, and close it. -EBUSY while a process is in it: then
 * the group stays, closed all the same. A second call does nothing.
 */
int cgroup_close(struct cgroup *cgroup, struct error *err);

#endif
