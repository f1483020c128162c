/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <sys/sysinfo.h>

#include "kvm/kvm.h"
#include "vmm/config.h"

static int config_check_memory(const struct machine_config *config, struct error *err)
{
	uint64_t align = config->huge_pages ? PAGE_SIZE_2M : PAGE_SIZE_4K;
	struct sysinfo host;
	uint64_t total;

	if (config->memory < CONFIG_MEMORY_MIN)
		return error_set(err, -EINVAL, "--memory of %" PRIu64 " bytes is too small: a guest "
				 "needs at least 16M (a plain number is in bytes)", config->memory);
	if (!is_aligned(config->memory, align))
		return error_set(err, -EINVAL, "--memory of %" PRIu64 " bytes is not a multiple of %s",
				 config->memory, config->huge_pages ?
				 "2M, which --huge-pages needs" : "4K, the size of a page");
	if (sysinfo(&host) < 0)
		return error_sys(err, -errno, "cannot tell how much memory this host has");
	total = (uint64_t)host.totalram * host.mem_unit;
	if (config->memory > total)
		return error_set(err, -EINVAL, "--memory of %" PRIu64 "M is more than this host has "
				 "(%" PRIu64 "M)", config->memory >> 20, total >> 20);
	return 0;
}

int machine_config_check(const struct machine_config *config, struct error *err)
{
	if (!config->kernel)
		return error_set(err, -EINVAL, "no kernel given: --kernel FILE is required");
	if (config->cpus < 1 || config->cpus > KVM_VCPUS_MAX)
		return error_set(err, -EINVAL, "--cpus %" PRIu64 " is out of range: a VM has 1 to %d",
				 config->cpus, KVM_VCPUS_MAX);
	if (config->rootfs_read_only && !config->rootfs)
		return error_set(err, -EINVAL, "--rootfs-readonly has no disk to apply to: it needs "
				 "--rootfs");
	return config_check_memory(config, err);
}
