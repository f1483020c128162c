/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "sandbox/seccomp.h"
#include "seccomp/filters.h"

static const struct role_filter {
	const struct sock_filter *code;
	unsigned short len;		/* instructions */
	unsigned int calls;
} role_filters[] = {
	[SANDBOX_VCPU] = { filter_vcpu, ARRAY_SIZE(filter_vcpu), FILTER_SANDBOX_VCPU_CALLS },
	[SANDBOX_DEVICE] = {
		filter_device, ARRAY_SIZE(filter_device), FILTER_SANDBOX_DEVICE_CALLS,
	},
	[SANDBOX_API] = { filter_api, ARRAY_SIZE(filter_api), FILTER_SANDBOX_API_CALLS },
};
_Static_assert(ARRAY_SIZE(role_filters) == SANDBOX_ROLES, "a filter for every role");
_Static_assert(ARRAY_SIZE(filter_vcpu) <= BPF_MAXINSNS && ARRAY_SIZE(filter_api) <= BPF_MAXINSNS &&
	       ARRAY_SIZE(filter_device) <= BPF_MAXINSNS, "the kernel takes no longer ones");
_Static_assert(FILTER_SANDBOX_VCPU_CALLS <= 15 && FILTER_SANDBOX_DEVICE_CALLS <= 40 &&
	       FILTER_SANDBOX_API_CALLS <= 25, "what docs/security.md promises at most");

/* seccomp(2). No C library has a function for it. */
static int seccomp_call(unsigned int operation, const void *arg)
{
	return syscall(SYS_seccomp, operation, 0u, arg) < 0 ? -errno : 0;
}

/*
 * A kernel that does not know an action takes it for SECCOMP_RET_KILL_THREAD, and one thread less
 * is a monitor that hangs. Both actions came with Linux 4.14.
 */
static int seccomp_check_action(uint32_t action, struct error *err)
{
	int r = seccomp_call(SECCOMP_GET_ACTION_AVAIL, &action);

	if (r == 0)
		return 0;
	if (r == -ENOSYS)
		return error_set(err, r, "this kernel has no seccomp filters"
				 " (CONFIG_SECCOMP_FILTER)");
	if (r == -EOPNOTSUPP || r == -EINVAL)
		return error_set(err, -EOPNOTSUPP, "this kernel's seccomp cannot %s: it is older"
				 " than Linux 4.14", action == SECCOMP_RET_LOG ? "log calls" :
				 "kill a process");
	return error_sys(err, r, "cannot ask the kernel about seccomp");
}

static int seccomp_install(const struct sock_filter *code, unsigned short len, struct error *err)
{
	/* The kernel only reads it; the structure has no const because old interfaces share it. */
	struct sock_fprog program = { .len = len, .filter = (struct sock_filter *)(uintptr_t)code };
	int r = seccomp_call(SECCOMP_SET_MODE_FILTER, &program);

	if (r == 0)
		return 0;
	if (r == -EACCES)
		return error_set(err, r, "cannot install a seccomp filter: no_new_privs is not"
				 " set");
	if (r == -EINVAL)
		return error_set(err, r, "this kernel does not take seccomp filters, or the thread"
				 " is in seccomp's strict mode");
	return error_sys(err, r, "cannot install a seccomp filter");
}

/* The same program, but for what is not allowed. */
static int seccomp_install_log(const struct role_filter *filter, struct error *err)
{
	_cleanup_free_ struct sock_filter *code = malloc(filter->len * sizeof(*code));

	if (!code)
		return error_sys(err, -ENOMEM, "a seccomp filter");
	memcpy(code, filter->code, filter->len * sizeof(*code));
	for (unsigned short i = 0; i < filter->len; i++)
		if (code[i].code == (BPF_RET | BPF_K) && code[i].k == SECCOMP_RET_KILL_PROCESS)
			code[i].k = SECCOMP_RET_LOG;
	return seccomp_install(code, filter->len, err);
}

int seccomp_enter(enum sandbox_role role, bool log, struct error *err)
{
	const struct role_filter *filter = &role_filters[role];
	int r = seccomp_check_action(log ? SECCOMP_RET_LOG : SECCOMP_RET_KILL_PROCESS, err);

	if (r < 0)
		return r;
	return log ? seccomp_install_log(filter, err) :
		     seccomp_install(filter->code, filter->len, err);
}

unsigned int seccomp_allowed(enum sandbox_role role)
{
	return role_filters[role].calls;
}

unsigned int seccomp_allowed_union(void)
{
	return FILTER_UNION_CALLS;
}

const char *seccomp_call_name(int number)
{
	if (number < 0 || (size_t)number >= ARRAY_SIZE(call_names))
		return NULL;
	return call_names[number];
}
