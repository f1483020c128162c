/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/util.h"
#include "cli/options.h"
#include "cli/vmm_options.h"
#include "vmm/exit.h"

static int set_path(const char **ret_path, const char *value, struct error *err)
{
	if (value[0] == '\0')
		return error_set(err, -EINVAL, "the path is empty");
	*ret_path = value;
	return 0;
}

static int set_kernel(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_path(&options->config.kernel, value, err);
}

static int set_initrd(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_path(&options->config.initrd, value, err);
}

static int set_rootfs(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_path(&options->config.rootfs, value, err);
}

static int set_rootfs_readonly(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	(void)err;
	options->config.rootfs_read_only = true;
	return 0;
}

static int set_memory(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;
	int r = parse_size(value, &options->config.memory);

	if (r == -ERANGE)
		return error_set(err, r, "'%s' is a larger number than any memory", value);
	if (r < 0)
		return error_set(err, r, "'%s' is not a size: write a number of bytes, or one with K, M,"
				 " G or T behind it, such as 128M", value);
	return 0;
}

static int set_cpus(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;
	int r = parse_u64(value, &options->config.cpus);

	if (r < 0)
		return error_set(err, r, "'%s' is not a number of vCPUs: write a whole number from 1 to"
				 " 32", value);
	return 0;
}

static int set_cmdline(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)err;
	options->config.cmdline = value;
	return 0;
}

static int set_cmdline_append(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)err;
	options->config.cmdline_append = value;
	return 0;
}

static int set_net_backend(void *target, const char *value, struct error *err)
{
	(void)target;
	if (strcmp(value, "none") != 0)
		return error_set(err, -EINVAL, "'%s' is not a network backend: this version has only "
				 "'none'", value);
	return 0;
}

static int set_huge_pages(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	(void)err;
	options->config.huge_pages = true;
	return 0;
}

/* ---- the sandbox ---- */

static int set_jail(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	if (options->sandbox.jail == WANT_OFF)
		return error_set(err, -EINVAL, "contradicts --no-jail");
	options->sandbox.jail = WANT_REQUIRED;
	return 0;
}

static int set_no_jail(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	if (options->sandbox.jail == WANT_REQUIRED)
		return error_set(err, -EINVAL, "contradicts --jail");
	options->sandbox.jail = WANT_OFF;
	return 0;
}

/* linux/uidgid.h: the highest number means "none". */
static int set_id(int64_t *ret_id, const char *value, struct error *err)
{
	uint64_t id;

	if (parse_u64(value, &id) < 0 || id >= UINT32_MAX)
		return error_set(err, -EINVAL, "'%s' is not a user or group number", value);
	*ret_id = (int64_t)id;
	return 0;
}

static int set_uid(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_id(&options->sandbox.uid, value, err);
}

static int set_gid(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_id(&options->sandbox.gid, value, err);
}

static int set_netns(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	return set_path(&options->sandbox.netns, value, err);
}

static int set_cgroup(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;
	_cleanup_free_ struct cgroup_config *config = malloc(sizeof(*config));
	int r = set_path(&options->sandbox.cgroup, value, err);

	if (r == 0 && !config)
		r = error_sys(err, -ENOMEM, "'%s'", value);
	return r < 0 ? r : cgroup_parse(value, config, err);
}

static int set_no_seccomp(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	if (options->sandbox.filter == FILTER_LOG)
		return error_set(err, -EINVAL, "contradicts --seccomp-log");
	options->sandbox.filter = FILTER_OFF;
	return 0;
}

static int set_seccomp_log(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	if (options->sandbox.filter == FILTER_OFF)
		return error_set(err, -EINVAL, "contradicts --no-seccomp");
	options->sandbox.filter = FILTER_LOG;
	return 0;
}

static int set_no_landlock(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	if (options->sandbox.landlock == WANT_REQUIRED)
		return error_set(err, -EINVAL, "contradicts --require-landlock");
	options->sandbox.landlock = WANT_OFF;
	return 0;
}

static int set_require_landlock(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;
	uint64_t abi = 1;

	if (options->sandbox.landlock == WANT_OFF)
		return error_set(err, -EINVAL, "contradicts --no-landlock");
	if (value && (parse_u64(value, &abi) < 0 || abi < 1 || abi > INT_MAX))
		return error_set(err, -EINVAL, "'%s' is not a Landlock ABI: write a whole number from 1"
				 " on", value);
	options->sandbox.landlock = WANT_REQUIRED;
	options->sandbox.landlock_abi_min = (int)abi;
	return 0;
}

/* ---- about the program ---- */

static int set_help(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	(void)err;
	options->help = true;
	return 0;
}

static int set_version(void *target, const char *value, struct error *err)
{
	struct vmm_options *options = target;

	(void)value;
	(void)err;
	options->version = true;
	return 0;
}

static const struct option_def vmm_option_defs[] = {
	{ "--kernel", "FILE", "guest kernel: ELF vmlinux or bzImage, told apart by\n"
	  "content (required)", set_kernel },
	{ "--initrd", "FILE", "initial RAM disk", set_initrd },
	{ "--rootfs", "FILE", "raw disk image or block device, the guest's /dev/vda and,\n"
	  "unless the command line says otherwise, its root", set_rootfs },
	{ "--rootfs-readonly", NULL, "the guest cannot write to the disk", set_rootfs_readonly },
	{ "--memory", "SIZE", "guest RAM, from 16M to what the host has (default 128M)",
	  set_memory },
	{ "--cpus", "N", "vCPUs, 1 to 32 (default 1)", set_cpus },
	{ "--cmdline", "TEXT", "kernel command line instead of the default:\n"
	  CONFIG_CMDLINE_DEFAULT, set_cmdline },
	{ "--cmdline-append", "TEXT", "more kernel parameters; what follows ' -- ' goes to init",
	  set_cmdline_append },
	{ "--net-backend", "none", "network: none (the only one in this version)",
	  set_net_backend },
	{ "--huge-pages", NULL, "back guest RAM by 2 MiB pages of the host's pool", set_huge_pages },
	{ "--jail", NULL, "refuse to run without namespaces; the default is to do without,\n"
	  "and say so, where the kernel does not allow them", set_jail },
	{ "--no-jail", NULL, "no namespaces", set_no_jail },
	{ "--uid", "N", "user to run as, for root (default: 65534)", set_uid },
	{ "--gid", "N", "group to run as, for root (default: 65534)", set_gid },
	{ "--netns", "FILE", "network namespace to join, for root (default: a new one)",
	  set_netns },
	{ "--cgroup", "DIR[,FILE=VALUE...]", "cgroup (version 2) to run in, and its limits, such as\n"
	  "vms/a,memory.max=256M,pids.max=64", set_cgroup },
	{ "--seccomp-log", NULL, "log forbidden system calls instead of ending the VM",
	  set_seccomp_log },
	{ "--no-seccomp", NULL, "no system call filter", set_no_seccomp },
	{ "--require-landlock", "[=ABI]", "refuse to run without Landlock, or with an older ABI",
	  set_require_landlock },
	{ "--no-landlock", NULL, "no Landlock", set_no_landlock },
	{ "--help", NULL, "print this text", set_help },
	{ "--version", NULL, "print the version", set_version },
};
_Static_assert(ARRAY_SIZE(vmm_option_defs) <= OPTIONS_MAX, "options_parse() has a bit for each");

static int sandbox_config_check(const struct sandbox_config *config, struct error *err)
{
	if (config->netns && config->jail == WANT_OFF)
		return error_set(err, -EINVAL, "--netns contradicts --no-jail: joining a network "
				 "namespace is part of the jail");
	return 0;
}

int vmm_options_parse(int argc, char **argv, struct vmm_options *ret_options, struct error *err)
{
	struct vmm_options options = {
		.config = MACHINE_CONFIG_DEFAULT, .sandbox = SANDBOX_CONFIG_DEFAULT,
	};
	int r;

	r = options_parse(vmm_option_defs, ARRAY_SIZE(vmm_option_defs), argc, argv, &options, err);
	if (r == 0 && !options.help && !options.version)
		r = machine_config_check(&options.config, err);
	if (r == 0)
		r = sandbox_config_check(&options.sandbox, err);
	if (r < 0)
		return r;
	*ret_options = options;
	return 0;
}

void vmm_options_help(FILE *out)
{
	fprintf(out, "usage: volt-vmm --kernel FILE [OPTIONS]\n\n"
		"Run a Linux microVM with its console on this terminal.\n\n");
	options_print(vmm_option_defs, ARRAY_SIZE(vmm_option_defs), out);
	fprintf(out, "\nOn a terminal, Ctrl-A x ends the VM, Ctrl-A p presses its power button and "
		"Ctrl-A Ctrl-A\nsends a Ctrl-A. SIGTERM presses the power button; a second one ends the "
		"VM.\n\nExit status:\n  0-%d  %s, its workload's status\n", EXIT_GUEST_MAX,
		exit_reason_text(EXIT_POWER_OFF));
	for (int reason = EXIT_POWER_OFF + 1; reason < EXIT_REASONS; reason++)
		fprintf(out, "  %-5d  %s\n", exit_reason_code((enum exit_reason)reason, 0),
			exit_reason_text((enum exit_reason)reason));
}
