/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/util.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char *const controllers[] = { "cpu", "cpuset", "hugetlb", "io", "memory", "pids" };

/* Reading the option. */

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool is_path_safe(const char *path)
{
	if (*path == '/')
		path++;
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len > NAME_MAX || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

static int parse_path(const char *path, struct cgroup_config *config, struct error *err)
{
	char full[PATH_MAX];
	char *slash;
	int len;

	if (has_control_character(path) || !is_path_safe(path))
		return error_set(err, -EINVAL, "control group '%s': not a path of plain names",
				 path);
	len = snprintf(full, sizeof(full), "%s%s", path[0] == '/' ? "" : CGROUP_ROOT "/", path);
	if (len < 0 || (size_t)len >= sizeof(full))
		return error_set(err, -EINVAL, "control group '%s': the path is too long", path);
	slash = strrchr(full, '/');
	*slash = '\0';
	snprintf(config->name, sizeof(config->name), "%s", slash + 1);
	snprintf(config->parent, sizeof(config->parent), "%s", full[0] ? full : "/");
	return 0;
}

/* The controller that a file belongs to; NULL for files of no known one. */
static const char *controller_of(const char *file)
{
	size_t len = strcspn(file, ".");

	if (file[len] != '.' || strspn(file + len, LETTERS DIGITS "._") != strlen(file + len) ||
	    file[len + 1] == '\0' || strstr(file, ".."))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (strlen(controllers[i]) == len && strncmp(file, controllers[i], len) == 0)
			return controllers[i];
	return NULL;
}

static int parse_setting(const char *text, struct cgroup_config *config, struct error *err)
{
	const char *equals = strchr(text, '=');
	struct cgroup_setting *setting;

	if (!equals || !equals[1])
		return error_set(err, -EINVAL, "control group setting '%s': not FILE=VALUE", text);
	if (config->nr == CGROUP_SETTINGS_MAX)
		return error_set(err, -EINVAL, "more than %d control group settings",
				 CGROUP_SETTINGS_MAX);
	setting = &config->settings[config->nr];
	if ((size_t)(equals - text) >= sizeof(setting->file) ||
	    strlen(equals + 1) >= sizeof(setting->value) || has_control_character(equals + 1))
		return error_set(err, -EINVAL, "control group setting '%s': too long or no text",
				 text);
	memcpy(setting->file, text, (size_t)(equals - text));
	setting->file[equals - text] = '\0';
	if (!controller_of(setting->file))
		return error_set(err, -EINVAL, "control group file '%s': not of the controllers "
				 "cpu, cpuset, hugetlb, io, memory or pids", setting->file);
	snprintf(setting->value, sizeof(setting->value), "%s", equals + 1);
	config->nr++;
	return 0;
}

static int extend_value(const char *text, struct cgroup_config *config, struct error *err)
{
	struct cgroup_setting *last = &config->settings[config->nr - 1];
	size_t len = strlen(last->value);

	if (len + 1 + strlen(text) >= sizeof(last->value))
		return error_set(err, -EINVAL, "control group setting '%s': too long", last->file);
	snprintf(last->value + len, sizeof(last->value) - len, ",%s", text);
	return 0;
}

static bool is_list_item(const char *text)
{
	return *text && strspn(text, DIGITS "-") == strlen(text);
}

int cgroup_parse(const char *text, struct cgroup_config *ret, struct error *err)
{
	_cleanup_free_ struct cgroup_config *config = calloc(1, sizeof(*config));
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *piece;
	int r;

	if (!config || !copy)
		return error_sys(err, -ENOMEM, "control group '%s'", text);
	piece = strsep(&rest, ",");
	r = parse_path(piece, config, err);
	while (!r && (piece = strsep(&rest, ",")) != NULL) {
		if (config->nr && is_list_item(piece))
			r = extend_value(piece, config, err);
		else
			r = parse_setting(piece, config, err);
	}
	if (!r)
		*ret = *config;
	return r;
}

/* Doing it. */

static int write_file(int dir, const char *file, const char *value)
{
	_cleanup_fd_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static bool has_controller(int dir, const char *controller)
{
	_cleanup_fd_ int fd = openat(dir, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	char list[1024], *rest = list, *word;
	ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);

	if (n < 0)
		return false;
	list[n] = '\0';
	while ((word = strsep(&rest, " \n")) != NULL)
		if (strcmp(word, controller) == 0)
			return true;
	return false;
}

static int need_controller(const struct cgroup *cgroup, const char *controller, struct error *err)
{
	char text[CGROUP_FILE_MAX];
	int r;

	if (has_controller(cgroup->fd, controller))
		return 0;
	snprintf(text, sizeof(text), "+%s", controller);
	r = write_file(cgroup->parent_fd, "cgroup.subtree_control", text);
	if (has_controller(cgroup->fd, controller))
		return 0;
	return error_sys(err, r ? r : -ENOENT, "control group %s: the controller %s is not "
			 "available: cannot write %s to the parent's cgroup.subtree_control",
			 cgroup->name, controller, text);
}

static int apply_settings(const struct cgroup_config *config, const struct cgroup *cgroup,
			  struct error *err)
{
	for (unsigned int i = 0; i < config->nr; i++) {
		const struct cgroup_setting *setting = &config->settings[i];
		int r = need_controller(cgroup, controller_of(setting->file), err);

		if (r)
			return r;
		r = write_file(cgroup->fd, setting->file, setting->value);
		if (r)
			return error_sys(err, r, "control group %s: cannot write '%s' to %s",
					 config->name, setting->value, setting->file);
	}
	return 0;
}

static int open_parent(const struct cgroup_config *config, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = open(config->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, -errno, "cannot open the control group %s", config->parent);
	if (!is_cgroup2(fd))
		return error_set(err, -EINVAL, "%s is not on a cgroup2 file system (version 1 "
				 "is not supported)", config->parent);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int open_group(struct cgroup *cgroup, struct error *err)
{
	if (mkdirat(cgroup->parent_fd, cgroup->name, 0755) == 0)
		cgroup->made = true;
	else if (errno != EEXIST)
		return error_sys(err, -errno, "cannot make the control group %s", cgroup->name);
	cgroup->fd = openat(cgroup->parent_fd, cgroup->name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cgroup->fd < 0)
		return error_sys(err, -errno, "cannot open the control group %s", cgroup->name);
	if (!is_cgroup2(cgroup->fd))
		return error_set(err, -EINVAL, "%s is not a control group", cgroup->name);
	return 0;
}

/* Now: the caller may be another user by the time that there is a process to move. */
static int open_procs(struct cgroup *cgroup, struct error *err)
{
	cgroup->procs_fd = openat(cgroup->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (cgroup->procs_fd < 0)
		return error_sys(err, -errno, "cannot open cgroup.procs of the control group %s",
				 cgroup->name);
	return 0;
}

int cgroup_open(const struct cgroup_config *config, struct cgroup *ret, struct error *err)
{
	struct cgroup cgroup = { .parent_fd = -1, .fd = -1, .procs_fd = -1 };
	int r;

	snprintf(cgroup.name, sizeof(cgroup.name), "%s", config->name);
	r = open_parent(config, &cgroup.parent_fd, err);
	if (!r)
		r = open_group(&cgroup, err);
	if (!r)
		r = apply_settings(config, &cgroup, err);
	if (!r)
		r = open_procs(&cgroup, err);
	if (r)
		cgroup_close(&cgroup, NULL);
	else
		*ret = cgroup;
	return r;
}

int cgroup_attach(const struct cgroup *cgroup, pid_t pid, struct error *err)
{
	int r = dprintf(cgroup->procs_fd, "%d", pid) < 0 ? -errno : 0;

	return r ? error_sys(err, r, "cannot move process %d into the control group %s", pid,
			     cgroup->name) : 0;
}

int cgroup_close(struct cgroup *cgroup, struct error *err)
{
	int r = 0;

	fd_close(&cgroup->fd);
	fd_close(&cgroup->procs_fd);
	if (cgroup->made && unlinkat(cgroup->parent_fd, cgroup->name, AT_REMOVEDIR))
		r = error_sys(err, -errno, "cannot remove the control group %s", cgroup->name);
	cgroup->made = false;
	fd_close(&cgroup->parent_fd);
	return r;
}
