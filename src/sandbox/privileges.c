/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

#define FIRST_FD 3	/* after standard input, output and error */

/* 64 capabilities in two words each: _LINUX_CAPABILITY_VERSION_3 of linux/capability.h. */
struct cap_sets {
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];
};

static bool is_kept(int fd, const int *keep, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

/* The lowest descriptor of @keep that is not below @from; INT_MAX when there is none. */
static int next_kept(int from, const int *keep, size_t nr)
{
	int next = INT_MAX;

	for (size_t i = 0; i < nr; i++)
		if (keep[i] >= from && keep[i] < next)
			next = keep[i];
	return next;
}

static int close_gap(unsigned int first, unsigned int last)
{
	return syscall(SYS_close_range, first, last, 0U) ? -errno : 0;
}

static int close_gaps(const int *keep, size_t nr)
{
	int from = FIRST_FD, kept, r;

	while ((kept = next_kept(from, keep, nr)) != INT_MAX) {
		if (kept > from) {
			r = close_gap((unsigned int)from, (unsigned int)kept - 1);
			if (r)
				return r;
		}
		from = kept + 1;
	}
	return close_gap((unsigned int)from, UINT_MAX);
}

/* For kernels without close_range(2), and for filters that do not know it. */
static int close_listed(const int *keep, size_t nr)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (fd >= FIRST_FD && fd != dirfd(dir) && !is_kept(fd, keep, nr))
			close(fd);
	}
	closedir(dir);
	return 0;
}

int privileges_limit_fds(const int *keep, size_t nr, struct error *err)
{
	int r = close_gaps(keep, nr);

	if (r == -ENOSYS || r == -EPERM)
		r = close_listed(keep, nr);
	return r ? error_sys(err, r, "cannot close inherited descriptors") : 0;
}

void privileges_clear_environment(void)
{
	for (char **var = environ; var && *var; var++)
		explicit_bzero(*var, strlen(*var));
	clearenv();
}

static int limit_lower(int resource, rlim_t max, const char *name, struct error *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return error_sys(err, -errno, "cannot read the limit %s", name);
	if (limit.rlim_max > max)
		limit.rlim_max = max;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(resource, &limit))
		return error_sys(err, -errno, "cannot set the limit %s", name);
	return 0;
}

int privileges_limit_resources(unsigned int max_fds, struct error *err)
{
	int r = limit_lower(RLIMIT_CORE, 0, "RLIMIT_CORE", err);

	return r ? r : limit_lower(RLIMIT_NOFILE, max_fds, "RLIMIT_NOFILE", err);
}

int privileges_deny_gain(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return error_sys(err, -errno, "cannot set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return error_sys(err, -errno, "cannot make the process not dumpable");
	return 0;
}

static int caps_get(struct cap_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, ret->word) ? -errno : 0;
}

static int caps_set(const struct cap_sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capset, &header, sets->word) ? -errno : 0;
}

/* Permitted capabilities take effect: a change of the user ID leaves them without. */
static int caps_raise(struct cap_sets *sets)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets->word); i++)
		sets->word[i].effective = sets->word[i].permitted;
	return caps_set(sets);
}

/* The last capability is not known, as /proc may be gone: EINVAL is the end. */
static int bounding_drop(struct error *err)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	/* EPERM: a user namespace that grants nothing. no_new_privs makes the set of no use then. */
	if (errno != EINVAL && errno != EPERM)
		return error_sys(err, -errno, "cannot empty the capability bounding set");
	return 0;
}

static int securebits_lock(struct error *err)
{
	const unsigned long locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
		SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED |
		SECBIT_KEEP_CAPS_LOCKED;
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	unsigned long wanted;

	if (bits < 0)
		return error_sys(err, -errno, "cannot read the securebits");
	wanted = ((unsigned long)bits & ~(unsigned long)SECBIT_KEEP_CAPS) | locked;
	if (prctl(PR_SET_SECUREBITS, wanted, 0, 0, 0) && errno != EPERM)
		return error_sys(err, -errno, "cannot lock the securebits");
	return 0;
}

static bool caps_are_empty(const struct cap_sets *sets)
{
	uint32_t any = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sets->word); i++)
		any |= sets->word[i].effective | sets->word[i].permitted |
		       sets->word[i].inheritable;
	return any == 0;
}

static int caps_clear(struct error *err)
{
	struct cap_sets sets = { 0 };
	int r = caps_set(&sets);

	if (!r)
		r = caps_get(&sets);
	if (r)
		return error_sys(err, r, "cannot drop the capabilities");
	if (!caps_are_empty(&sets))
		return error_set(err, -EPERM, "capabilities are left after dropping them all");
	return 0;
}

int privileges_drop(struct error *err)
{
	struct cap_sets sets = { 0 };
	int r;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return error_sys(err, -errno, "cannot clear the ambient capabilities");
	r = caps_get(&sets);
	if (!r)
		r = caps_raise(&sets);
	if (r)
		return error_sys(err, r, "cannot read or raise the capabilities");
	if (sets.word[0].permitted & (1U << CAP_SETPCAP)) {
		r = bounding_drop(err);
		if (!r)
			r = securebits_lock(err);
		if (r)
			return r;
	}
	return caps_clear(err);
}
