/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"

/* MSRs that differ from KVM's own reset values (Intel SDM volume 4 for the numbers). */
static const struct boot_msr {
	uint32_t index;
	uint64_t value;
	const char *name;
} boot_msrs[] = {
	/* Fast strings on, as firmware leaves it: kernels choose rep movs by this bit. */
	{ 0x1a0, 1, "IA32_MISC_ENABLE" },
	/* MTRRs on, default type write-back, so that a guest may set its own attributes by PAT. */
	{ 0x2ff, (1u << 11) | 6, "IA32_MTRR_DEF_TYPE" },
};

static int vcpu_set_cpuid(const struct kvm *kvm, const struct kvm_vcpu *vcpu, unsigned int count,
			  struct error *err)
{
	size_t size = sizeof(*kvm->cpuid) + kvm->cpuid->nent * sizeof(kvm->cpuid->entries[0]);
	_cleanup_free_ struct kvm_cpuid2 *cpuid = malloc(size);

	if (!cpuid)
		return error_sys(err, -ENOMEM, "CPUID of vCPU %u", vcpu->id);
	memcpy(cpuid, kvm->cpuid, size);
	kvm_cpuid_edit(cpuid, vcpu->id, count, kvm->tsc_deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return error_sys(err, -errno, "KVM does not take the CPUID of vCPU %u", vcpu->id);
	return 0;
}

/* KVM_SET_MSRS returns how many it set: a short count names the one that it refused. */
static int vcpu_set_msrs(const struct kvm_vcpu *vcpu, struct error *err)
{
	_Alignas(struct kvm_msrs) uint8_t buf[sizeof(struct kvm_msrs) +
					      ARRAY_SIZE(boot_msrs) * sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *msrs = (struct kvm_msrs *)buf;
	int n;

	memset(buf, 0, sizeof(buf));
	msrs->nmsrs = ARRAY_SIZE(boot_msrs);
	for (size_t i = 0; i < ARRAY_SIZE(boot_msrs); i++) {
		msrs->entries[i].index = boot_msrs[i].index;
		msrs->entries[i].data = boot_msrs[i].value;
	}
	n = ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
	if (n < 0)
		return error_sys(err, -errno, "KVM_SET_MSRS of vCPU %u failed", vcpu->id);
	if ((size_t)n < ARRAY_SIZE(boot_msrs))
		return error_set(err, -EINVAL, "KVM does not take %s (MSR 0x%" PRIx32 ") of vCPU %u",
				 boot_msrs[n].name, boot_msrs[n].index, vcpu->id);
	return 0;
}

static int vcpu_open(const struct kvm *kvm, int vm_fd, unsigned int id, struct kvm_vcpu *vcpu,
		     struct error *err)
{
	*vcpu = (struct kvm_vcpu){ .id = id, .run_size = kvm->run_size };
	vcpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		return error_sys(err, -errno, "KVM cannot create vCPU %u", id);
	vcpu->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return error_sys(err, -errno, "cannot map the run page of vCPU %u", id);
	}
	return 0;
}

int kvm_vcpu_create(const struct kvm *kvm, int vm_fd, unsigned int id, unsigned int count,
		    struct kvm_vcpu *ret_vcpu, struct error *err)
{
	struct kvm_vcpu vcpu;
	int r;

	r = vcpu_open(kvm, vm_fd, id, &vcpu, err);
	if (r == 0)
		r = vcpu_set_cpuid(kvm, &vcpu, count, err);
	/* After CPUID: since Linux 6.13 MSRs that CPUID does not announce are not there. */
	if (r == 0)
		r = vcpu_set_msrs(&vcpu, err);
	if (r < 0) {
		kvm_vcpu_destroy(&vcpu);
		return r;
	}
	*ret_vcpu = vcpu;
	return 0;
}

void kvm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	vcpu->run = NULL;
	fd_close(&vcpu->fd);
}

int kvm_vcpu_get_sregs(const struct kvm_vcpu *vcpu, struct kvm_sregs *ret_sregs, struct error *err)
{
	if (ioctl(vcpu->fd, KVM_GET_SREGS, ret_sregs) < 0)
		return error_sys(err, -errno, "KVM_GET_SREGS of vCPU %u failed", vcpu->id);
	return 0;
}

int kvm_vcpu_set_regs(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs,
		      const struct kvm_regs *regs, struct error *err)
{
	if (ioctl(vcpu->fd, KVM_SET_SREGS, sregs) < 0)
		return error_sys(err, -errno, "KVM does not take the control registers of vCPU %u",
				 vcpu->id);
	if (ioctl(vcpu->fd, KVM_SET_REGS, regs) < 0)
		return error_sys(err, -errno, "KVM does not take the registers of vCPU %u", vcpu->id);
	return 0;
}
