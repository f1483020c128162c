/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/landlock.h"
#include "sandbox/privileges.h"
#include "sandbox/sandbox.h"

/*
 * Descriptors that a VM process may have at most. It has some ten, and two a virtio queue; the rest is
 * for what is to come.
 */
#define SANDBOX_FDS_MAX 1024

/* ---- in the parent ---- */

static int sandbox_open_cgroup(struct sandbox *sandbox, const char *text, struct error *err)
{
	_cleanup_free_ struct cgroup_config *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return error_sys(err, -ENOMEM, "--cgroup");
	r = cgroup_parse(text, config, err);
	if (r == 0)
		r = cgroup_open(config, &sandbox->cgroup, err);
	return r < 0 ? error_wrap(err, "--cgroup") : 0;
}

static int sandbox_open_jail(struct sandbox *sandbox, const struct jail_config *config,
			     struct error *err)
{
	int r = jail_open(config, &sandbox->jail, err);

	return r < 0 ? error_wrap(err, config->netns ? "--netns" : "--uid or --gid") : 0;
}

static int sandbox_check_landlock(const struct sandbox_config *config, struct error *err)
{
	int abi;

	if (config->landlock != WANT_REQUIRED)
		return 0;
	abi = landlock_abi();
	if (abi >= config->landlock_abi_min)
		return 0;
	if (abi == 0)
		return error_set(err, -EOPNOTSUPP, "--require-landlock: this kernel has no Landlock, or "
				 "it is not among the security modules enabled at boot (lsm=)");
	return error_set(err, -EOPNOTSUPP, "--require-landlock: this kernel has Landlock ABI %d, asked"
			 " for is %d", abi, config->landlock_abi_min);
}

int sandbox_prepare(struct sandbox *ret_sandbox, const struct sandbox_config *config,
		    struct error *err)
{
	struct sandbox sandbox = {
		.config = config, .jail = { .netns_fd = -1, .sock = -1 },
		.cgroup = { .parent_fd = -1, .fd = -1, .procs_fd = -1 },
	};
	struct jail_config jail = {
		.enabled = config->jail != WANT_OFF, .new_net = true, .netns = config->netns,
		.required = config->jail == WANT_REQUIRED,
		.uid = config->uid, .gid = config->gid,
	};
	int r = sandbox_check_landlock(config, err);

	if (r == 0)
		r = sandbox_open_jail(&sandbox, &jail, err);
	if (r == 0 && config->cgroup)
		r = sandbox_open_cgroup(&sandbox, config->cgroup, err);
	if (r < 0) {
		jail_close(&sandbox.jail);
		return r;
	}
	*ret_sandbox = sandbox;
	return 0;
}

/* The child waits for the end of the pipe: it is to take no memory outside of its cgroup. */
static int sandbox_fork_into_cgroup(struct sandbox *sandbox, pid_t *ret_pid, struct error *err)
{
	int gate[2], r;
	pid_t pid;
	char byte;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return error_sys(err, -errno, "cannot make a pipe");
	r = jail_fork(&sandbox->jail, &pid, err);
	if (r == 0 && pid == 0) {
		fd_close(&gate[1]);
		(void)!read(gate[0], &byte, 1);
	} else if (r == 0) {
		r = cgroup_attach(&sandbox->cgroup, pid, err);
		if (r < 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			error_wrap(err, "--cgroup");
		}
	}
	fd_close(&gate[0]);
	fd_close(&gate[1]);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

int sandbox_fork(struct sandbox *sandbox, pid_t *ret_pid, struct error *err)
{
	if (sandbox->config->cgroup)
		return sandbox_fork_into_cgroup(sandbox, ret_pid, err);
	return jail_fork(&sandbox->jail, ret_pid, err);
}

void sandbox_release(struct sandbox *sandbox)
{
	jail_close(&sandbox->jail);
	if (sandbox->config->cgroup)
		(void)cgroup_close(&sandbox->cgroup, NULL);
}

/* ---- in the child ---- */

int sandbox_enter(struct sandbox *sandbox, struct error *err)
{
	int r;

	fd_close(&sandbox->cgroup.fd);
	fd_close(&sandbox->cgroup.procs_fd);
	fd_close(&sandbox->cgroup.parent_fd);
	r = jail_enter(&sandbox->jail, err);
	if (r == 0)
		r = privileges_limit_resources(SANDBOX_FDS_MAX, err);
	if (r == 0)
		r = privileges_deny_gain(err);
	if (r == 0)
		r = privileges_drop(err);
	if (r == 0 && sandbox->config->landlock != WANT_OFF)
		r = landlock_enforce(&sandbox->landlock_abi, err);
	return r;
}

int sandbox_seal(enum sandbox_role role, enum sandbox_filter filter, struct error *err)
{
	return filter == FILTER_OFF ? 0 : seccomp_enter(role, filter == FILTER_LOG, err);
}

/* ---- words ---- */

static void describe_jail(const struct sandbox *sandbox, FILE *out)
{
	if (sandbox->config->jail == WANT_OFF)
		fprintf(out, "WARNING: no namespaces (--no-jail)\n");
	else if (sandbox->jail.refusal.code != 0)
		fprintf(out, "WARNING: %s: %s\n",
			sandbox->jail.enabled ? "the jail is incomplete" : "no namespaces",
			sandbox->jail.refusal.msg);
}

static void describe_landlock(const struct sandbox *sandbox, FILE *out)
{
	char text[LANDLOCK_TEXT_MAX];

	if (sandbox->config->landlock == WANT_OFF) {
		fprintf(out, "WARNING: no Landlock (--no-landlock)\n");
		return;
	}
	landlock_describe(sandbox->landlock_abi, text, sizeof(text));
	fprintf(out, "Landlock %s\n", text);
}

static void describe_filter(const struct sandbox *sandbox, FILE *out)
{
	switch (sandbox->config->filter) {
	case FILTER_KILL:
		fprintf(out, "Seccomp filter active: %u syscalls allowed, all others → KILL_PROCESS\n",
			seccomp_allowed_union());
		break;
	case FILTER_LOG:
		fprintf(out, "WARNING: forbidden system calls are only logged (--seccomp-log)\n");
		break;
	case FILTER_OFF:
		fprintf(out, "WARNING: no seccomp filter (--no-seccomp)\n");
		break;
	}
}

void sandbox_describe(const struct sandbox *sandbox, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	text[0] = '\0';
	if (!out)
		return;
	describe_jail(sandbox, out);
	describe_landlock(sandbox, out);
	describe_filter(sandbox, out);
	fclose(out);
	text[size - 1] = '\0';
}
