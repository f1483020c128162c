/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The guest sees the host's processor as KVM can virtualise it
 * (KVM_GET_SUPPORTED_CPUID), edited in three ways:
 *
 *  - topology: one socket, as many cores as vCPUs, one thread a core. APIC ids are the vCPU ids, so
 *    a "core" field of ceil(log2(count)) bits holds them all. Each vendor says the same in its own
 *    leaves, and a guest that compares them must find no contradiction.
 *  - what the host's KVM cannot say by itself: hypervisor present, TSC deadline timer.
 *  - what the guest should not see: performance counters (the monitor has none to give), power
 *    management of the host.
 *
 * Every rule is a row of the table at the end: a leaf and the function that edits its entries.
 * Numbers: Intel SDM volume 2A (CPUID), AMD APM volume 3 appendix E.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"

#define CPUID_ENTRIES_FIRST 128		/* Linux 6.x needs 30 to 60 */
#define CPUID_ENTRIES_MAX 1024

struct topology {
	unsigned int id, count;
	unsigned int core_bits;		/* APIC id bits that number the cores */
	bool tsc_deadline;
};

/* Replace bits [@low, @low + @width) of *reg. */
static void set_bits(uint32_t *reg, unsigned int low, unsigned int width, uint32_t value)
{
	uint32_t mask = (uint32_t)(BIT64(width) - 1) << low;

	*reg = (*reg & ~mask) | ((value << low) & mask);
}

static void edit_leaf_1(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	set_bits(&e->ebx, 8, 8, 8);			/* CLFLUSH line: 8 * 8 bytes */
	set_bits(&e->ebx, 16, 8, 1u << t->core_bits);	/* addressable ids in the package */
	set_bits(&e->ebx, 24, 8, t->id);		/* initial APIC id */
	set_bits(&e->ecx, 15, 1, 0);			/* PDCM: no performance MSRs */
	set_bits(&e->ecx, 24, 1, t->tsc_deadline);
	set_bits(&e->ecx, 31, 1, 1);			/* hypervisor present */
	set_bits(&e->edx, 28, 1, t->count > 1);		/* HTT: EBX[23:16] is valid */
}

/* Intel's deterministic cache parameters: levels 1 and 2 a core's own, level 3 shared by all. */
static void edit_leaf_4(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	unsigned int level = (e->eax >> 5) & 7;

	if ((e->eax & 0x1f) == 0)			/* no more caches */
		return;
	set_bits(&e->eax, 14, 12, level >= 3 ? (1u << t->core_bits) - 1 : 0);
	set_bits(&e->eax, 26, 6, (1u << t->core_bits) - 1);	/* cores in the package - 1 */
}

/* Thermal and power management: keep only ARAT (the LAPIC timer never stops). */
static void edit_leaf_6(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	(void)t;
	e->eax &= BIT32(2);
	e->ebx = e->ecx = e->edx = 0;
}

static void edit_clear(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	(void)t;
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

/* Extended topology: subleaf 0 is the thread level, 1 the core level, the rest ends the list. */
static void edit_leaf_0b(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->eax = e->ebx = 0;
	e->ecx = e->index;
	e->edx = t->id;					/* x2APIC id */
	if (e->index == 0) {
		e->ebx = 1;				/* a thread a core, 0 bits of the id */
		e->ecx |= 1u << 8;			/* level type: SMT */
	} else if (e->index == 1) {
		e->eax = t->core_bits;
		e->ebx = t->count;
		e->ecx |= 2u << 8;			/* level type: core */
	}
}

static void edit_leaf_80000001(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	set_bits(&e->ecx, 1, 1, t->count > 1);		/* CmpLegacy: cores, not threads */
}

static void edit_leaf_80000008(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	set_bits(&e->ecx, 0, 8, t->count - 1);		/* NC: cores - 1 */
	set_bits(&e->ecx, 12, 4, t->core_bits);		/* ApicIdSize */
}

/* AMD's cache topology, laid out as leaf 4 but without the core count. */
static void edit_leaf_8000001d(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	unsigned int level = (e->eax >> 5) & 7;

	if ((e->eax & 0x1f) == 0)
		return;
	set_bits(&e->eax, 14, 12, level >= 3 ? t->count - 1 : 0);
}

static void edit_leaf_8000001e(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->eax = t->id;					/* extended APIC id */
	e->ebx = t->id;					/* core id; threads a core - 1 = 0 */
	e->ecx = 0;					/* node 0 of 1 */
	e->edx = 0;
}

static const struct cpuid_rule {
	uint32_t leaf;
	bool intel, amd;
	void (*edit)(struct kvm_cpuid_entry2 *e, const struct topology *t);
} cpuid_rules[] = {
	{ 0x00000001, true, true, edit_leaf_1 },
	{ 0x00000004, true, false, edit_leaf_4 },
	{ 0x00000006, true, true, edit_leaf_6 },
	{ 0x0000000a, true, true, edit_clear },		/* architectural performance counters */
	{ 0x0000000b, true, true, edit_leaf_0b },
	{ 0x0000001f, true, true, edit_leaf_0b },
	{ 0x80000001, false, true, edit_leaf_80000001 },
	{ 0x80000008, false, true, edit_leaf_80000008 },
	{ 0x8000001d, false, true, edit_leaf_8000001d },
	{ 0x8000001e, false, true, edit_leaf_8000001e },
	{ 0x80000022, false, true, edit_clear },	/* AMD's performance counters */
};

static bool cpuid_is_intel(const struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0)
			return cpuid->entries[i].ebx == 0x756e6547;	/* "Genu" */
	}
	return false;
}

static unsigned int bits_for(unsigned int count)
{
	return count > 1 ? 32 - (unsigned int)__builtin_clz(count - 1) : 0;
}

void kvm_cpuid_edit(struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int count,
		    bool tsc_deadline)
{
	struct topology topology = {
		.id = id, .count = count, .core_bits = bits_for(count), .tsc_deadline = tsc_deadline,
	};
	bool intel = cpuid_is_intel(cpuid);

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		for (size_t j = 0; j < ARRAY_SIZE(cpuid_rules); j++) {
			const struct cpuid_rule *rule = &cpuid_rules[j];

			if (rule->leaf == e->function && (intel ? rule->intel : rule->amd))
				rule->edit(e, &topology);
		}
	}
}

static struct kvm_cpuid2 *cpuid_alloc(uint32_t entries)
{
	size_t room = (size_t)entries + KVM_CPUID_ENTRIES_ADDED;
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + room * sizeof(cpuid->entries[0]));

	if (cpuid)
		cpuid->nent = entries;
	return cpuid;
}

/*
 * Since Linux 6.2 KVM lists the topology leaves with subleaf 0 alone; the guest's core level needs
 * subleaf 1. Without it every vCPU would be a package of its own.
 */
static void cpuid_add_core_level(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	bool has_leaf = false, has_core = false;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		has_leaf |= cpuid->entries[i].function == leaf;
		has_core |= cpuid->entries[i].function == leaf && cpuid->entries[i].index == 1;
	}
	if (!has_leaf || has_core)
		return;
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
		.function = leaf, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
	};
}

void kvm_cpuid_add_core_levels(struct kvm_cpuid2 *cpuid)
{
	cpuid_add_core_level(cpuid, 0xb);
	cpuid_add_core_level(cpuid, 0x1f);	/* Intel's second version, preferred where it is */
}

static int cpuid_fetch(int kvm_fd, struct kvm_cpuid2 **ret_cpuid, struct error *err)
{
	for (uint32_t n = CPUID_ENTRIES_FIRST; n <= CPUID_ENTRIES_MAX; n *= 2) {
		_cleanup_free_ struct kvm_cpuid2 *cpuid = cpuid_alloc(n);

		if (!cpuid)
			return error_sys(err, -ENOMEM, "the host's CPUID");
		if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) == 0) {
			kvm_cpuid_add_core_levels(cpuid);
			*ret_cpuid = mem_take(&cpuid);
			return 0;
		}
		if (errno != E2BIG)
			return error_sys(err, -errno, "KVM_GET_SUPPORTED_CPUID failed");
	}
	return error_set(err, -E2BIG, "this host's KVM has more than %d CPUID entries",
			 CPUID_ENTRIES_MAX);
}

static void *cpuid_thread(void *arg)
{
	struct kvm_cpuid_job *job = arg;

	job->result = cpuid_fetch(job->kvm_fd, &job->cpuid, &job->error);
	return NULL;
}

void kvm_cpuid_start(struct kvm *kvm)
{
	struct kvm_cpuid_job *job = &kvm->cpuid_job;

	job->kvm_fd = kvm->fd;
	job->started = pthread_create(&job->thread, NULL, cpuid_thread, job) == 0;
}

int kvm_cpuid_finish(struct kvm *kvm, struct error *err)
{
	struct kvm_cpuid_job *job = &kvm->cpuid_job;

	if (!job->started)
		return cpuid_fetch(kvm->fd, &kvm->cpuid, err);
	pthread_join(job->thread, NULL);
	job->started = false;
	kvm->cpuid = mem_take(&job->cpuid);
	return job->result < 0 ? error_set(err, job->result, "%s", job->error.msg) : 0;
}
