/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"

/*
 * Values of include/uapi/linux/landlock.h, Linux 6.12, written down here because the headers that
 * this is built with may be older (Debian 12: 6.1, up to REFER).
 */
#define CREATE_RULESET_VERSION	(1U << 0)
#define FS_ABI_1		((1ULL << 13) - 1)	/* EXECUTE (bit 0) to MAKE_SYM (bit 12) */
#define FS_REFER		(1ULL << 13)
#define FS_TRUNCATE		(1ULL << 14)
#define FS_IOCTL_DEV		(1ULL << 15)
#define NET_TCP			(3ULL << 0)		/* BIND_TCP, CONNECT_TCP */
#define SCOPE_ALL		(3ULL << 0)		/* ABSTRACT_UNIX_SOCKET, SIGNAL */

/* struct landlock_ruleset_attr; a kernel of a lower ABI takes it when the rest is zero. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};
_Static_assert(sizeof(struct ruleset) == 24, "struct landlock_ruleset_attr of ABI 6");

/* What each ABI added, lowest first. */
static const struct step {
	int abi;
	struct ruleset rights;
	const char *name;
} steps[] = {
	{ 1, { .fs = FS_ABI_1 }, "files" },
	{ 2, { .fs = FS_REFER }, "links between directories" },
	{ 3, { .fs = FS_TRUNCATE }, "truncate" },
	{ 4, { .net = NET_TCP }, "TCP" },
	{ 5, { .fs = FS_IOCTL_DEV }, "device ioctl" },
	{ 6, { .scoped = SCOPE_ALL }, "scope" },
};
_Static_assert(ARRAY_SIZE(steps) == LANDLOCK_ABI_KNOWN, "a step for each ABI");

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0UL, CREATE_RULESET_VERSION);

	/* ENOSYS: not built in; EOPNOTSUPP: not among the lsm= of the boot. */
	return abi > 0 ? (int)abi : 0;
}

static struct ruleset rights_of(int abi)
{
	struct ruleset all = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].abi > abi)
			break;
		all.fs |= steps[i].rights.fs;
		all.net |= steps[i].rights.net;
		all.scoped |= steps[i].rights.scoped;
	}
	return all;
}

int landlock_enforce(int *ret_abi, struct error *err)
{
	int abi = landlock_abi();
	struct ruleset rights = rights_of(abi);
	_cleanup_fd_ int fd = -1;

	if (abi == 0) {
		*ret_abi = 0;
		return 0;
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0U);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make a Landlock rule set (ABI %d)", abi);
	if (syscall(SYS_landlock_restrict_self, fd, 0U))
		return error_sys(err, -errno, "cannot enforce Landlock (ABI %d)", abi);
	*ret_abi = abi;
	return 0;
}

void landlock_describe(int abi, char *text, size_t size)
{
	const char *before = "no ";
	size_t used;

	if (abi <= 0) {
		snprintf(text, size, "not available");
		return;
	}
	if (abi >= LANDLOCK_ABI_KNOWN) {
		snprintf(text, size, "fully enforced (ABI %d)", abi);
		return;
	}
	used = (size_t)snprintf(text, size, "partially enforced (ABI %d of %d: ", abi,
				LANDLOCK_ABI_KNOWN);
	for (size_t i = (size_t)abi; i < ARRAY_SIZE(steps) && used < size; i++) {
		used += (size_t)snprintf(text + used, size - used, "%s%s", before, steps[i].name);
		before = i + 2 == ARRAY_SIZE(steps) ? " or " : ", ";
	}
	if (used < size)
		snprintf(text + used, size - used, " rules)");
}
