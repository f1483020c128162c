/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-compile POLICY [FILTERS RULES JSON]
 *
 * Check the policy and write
 *   FILTERS  C: each role's BPF program, how many calls it allows, and the names of all calls
 *   RULES    C: each rule with numbers for names, for the test that tries them
 *   JSON     the same with lines, reasons and marks, for tools
 *
 * The order of the policy is the order in which libseccomp tests: a filter's common calls come
 * first, and KVM_RUN is the first of all.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table.h"

#define CALLS_MAX 512		/* x86-64 has about 470 */
#define FILTER_MAX 4096		/* linux/bpf_common.h: BPF_MAXINSNS */

static const char *const role_enums[ROLES] = {
	[ROLE_VCPU] = "SANDBOX_VCPU", [ROLE_DEVICE] = "SANDBOX_DEVICE", [ROLE_API] = "SANDBOX_API",
};

/* How many different calls the roles of the mask allow. */
static unsigned int count_calls(const struct policy *policy, unsigned int roles)
{
	bool seen[CALLS_MAX] = { false };
	unsigned int count = 0;

	for (unsigned int i = 0; i < policy->line_count; i++) {
		const struct line *line = &policy->line[i];

		if ((line->roles & roles) && !seen[line->number]) {
			seen[line->number] = true;
			count++;
		}
	}
	return count;
}

/* ---- BPF ---- */

static int filter_add_rule(scmp_filter_ctx ctx, const struct line *line, unsigned int rule)
{
	struct scmp_arg_cmp cmp[POLICY_ARGS];

	for (unsigned int i = 0; i < line->cond_count; i++) {
		const struct condition *cond = &line->cond[i];
		uint64_t value = line_value(line, rule, i);

		if (cond->mask == UINT64_MAX)
			cmp[i] = SCMP_CMP(cond->arg, SCMP_CMP_EQ, value);
		else
			cmp[i] = SCMP_CMP(cond->arg, SCMP_CMP_MASKED_EQ, cond->mask, value);
	}
	return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, line->number, line->cond_count,
					    cmp);
}

static bool filter_add_line(const struct policy *policy, scmp_filter_ctx ctx,
			    const struct line *line, uint8_t priority)
{
	int r = seccomp_syscall_priority(ctx, line->number, priority);

	for (unsigned int i = 0; r == 0 && i < line_rules(line); i++)
		r = filter_add_rule(ctx, line, i);
	return r == 0 || policy_error(policy, line->at, "libseccomp: %s", strerror(-r));
}

static scmp_filter_ctx filter_make(const struct policy *policy, unsigned int role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	uint8_t priority = UINT8_MAX;
	bool ok = ctx &&
		  seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
		  seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 1) == 0;

	for (unsigned int i = 0; ok && i < policy->line_count; i++)
		if (policy->line[i].roles & 1u << role)
			ok = filter_add_line(policy, ctx, &policy->line[i], priority--);
	if (ok)
		return ctx;
	seccomp_release(ctx);
	return NULL;
}

/* Returns the number of instructions; 0 is a failure. */
static size_t filter_export(scmp_filter_ctx ctx, struct sock_filter code[static FILTER_MAX])
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0 && seccomp_export_bpf(ctx, fd) == 0)
		n = pread(fd, code, FILTER_MAX * sizeof(code[0]), 0);
	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n / sizeof(code[0]);
}

static bool write_filter(const struct policy *policy, unsigned int role, FILE *out)
{
	static struct sock_filter code[FILTER_MAX];
	scmp_filter_ctx ctx = filter_make(policy, role);
	size_t len = ctx ? filter_export(ctx, code) : 0;

	seccomp_release(ctx);
	if (len == 0) {
		fprintf(stderr, "%s: no filter for %s\n", policy->path, role_names[role]);
		return false;
	}
	fprintf(out, "static const struct sock_filter filter_%s[] = {\n", role_names[role]);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt,
			code[i].jf, code[i].k);
	fprintf(out, "};\n#define FILTER_%s_CALLS %u\n\n", role_enums[role],
		count_calls(policy, 1u << role));
	return true;
}

/* ---- what is written ---- */

static void write_names(FILE *out)
{
	fprintf(out, "static const char *const call_names[] = {\n");
	for (int i = 0; i < CALLS_MAX; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, i);

		if (name)
			fprintf(out, "\t[%d] = \"%s\",\n", i, name);
		free(name);
	}
	fprintf(out, "};\n");
}

/* A role whose lines are all for later has no thread yet. */
static unsigned int roles_in_use(const struct policy *policy)
{
	unsigned int roles = 0;

	for (unsigned int i = 0; i < policy->line_count; i++)
		if (!(policy->line[i].flags & FLAG_LATER))
			roles |= policy->line[i].roles;
	return roles;
}

static bool write_filters(const struct policy *policy, FILE *out)
{
	fprintf(out, "/* Made from seccomp/policy. Needs <linux/filter.h>. */\n\n");
	for (unsigned int role = 0; role < ROLES; role++)
		if (!write_filter(policy, role, out))
			return false;
	fprintf(out, "#define FILTER_UNION_CALLS %u\n\n",
		count_calls(policy, roles_in_use(policy)));
	write_names(out);
	return true;
}

static void write_rule(FILE *out, const struct line *line, unsigned int role, unsigned int rule)
{
	fprintf(out, "\t{ %u, %s, %d, %u, {", line->at, role_enums[role], line->number,
		line->cond_count);
	for (unsigned int i = 0; i < line->cond_count; i++)
		fprintf(out, " { %u, UINT64_C(0x%" PRIx64 "), UINT64_C(0x%" PRIx64 ") },",
			line->cond[i].arg, line->cond[i].mask, line_value(line, rule, i));
	fprintf(out, " } },\n");
}

static bool write_rules(const struct policy *policy, FILE *out)
{
	fprintf(out, "/* Made from seccomp/policy. */\n"
		"/* { line, role, call, conditions, { arg, mask, value } } */\n"
		"static const struct rule rules[] = {\n");
	for (unsigned int i = 0; i < policy->line_count; i++) {
		const struct line *line = &policy->line[i];

		for (unsigned int j = 0; j < ROLES * line_rules(line); j++)
			if (line->roles & 1u << j % ROLES)
				write_rule(out, line, j % ROLES, j / ROLES);
	}
	fprintf(out, "};\n");
	return true;
}

static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
	fputc('"', out);
}

static void json_line(FILE *out, const struct line *line, unsigned int role)
{
	fprintf(out, "{\"line\": %u, \"role\": \"%s\", \"call\": \"%s\", \"number\": %d, ",
		line->at, role_names[role], line->call, line->number);
	fprintf(out, "\"rare\": %s, \"later\": %s, \"baseline\": %s, \"conditions\": [",
		line->flags & FLAG_RARE ? "true" : "false",
		line->flags & FLAG_LATER ? "true" : "false",
		baseline_has(line->call) ? "true" : "false");
	for (unsigned int i = 0; i < line->cond_count; i++) {
		const struct condition *cond = &line->cond[i];

		fprintf(out, "%s{\"arg\": %u, \"mask\": %" PRIu64 ", \"values\": [", i ? ", " : "",
			cond->arg, cond->mask);
		for (unsigned int v = 0; v < cond->count; v++)
			fprintf(out, "%s%" PRIu64, v ? ", " : "", cond->value[v]);
		fprintf(out, "]}");
	}
	fprintf(out, "], \"reason\": ");
	json_string(out, line->reason);
	fprintf(out, "}");
}

static bool write_json(const struct policy *policy, FILE *out)
{
	const char *comma = "\n";

	fprintf(out, "{\"counts\": {\"union\": %u", count_calls(policy, ~0u));
	for (unsigned int role = 0; role < ROLES; role++)
		fprintf(out, ", \"%s\": %u", role_names[role], count_calls(policy, 1u << role));
	fprintf(out, "},\n\"beyond\": {");
	for (unsigned int i = 0; i < policy->beyond_count; i++) {
		fprintf(out, "%s\"%s\": ", i ? ",\n" : "\n", policy->beyond[i].call);
		json_string(out, policy->beyond[i].reason);
	}
	fprintf(out, "},\n\"lines\": [");
	for (unsigned int i = 0; i < policy->line_count * ROLES; i++) {
		const struct line *line = &policy->line[i % policy->line_count];
		unsigned int role = i / policy->line_count;

		if (!(line->roles & 1u << role))
			continue;
		fputs(comma, out);
		json_line(out, line, role);
		comma = ",\n";
	}
	fprintf(out, "]}\n");
	return true;
}

static bool write_file(const struct policy *policy, const char *path,
		       bool (*write)(const struct policy *policy, FILE *out))
{
	FILE *out = fopen(path, "we");
	bool ok = out && write(policy, out);

	if (out && (fclose(out) != 0 || !ok))
		unlink(path);	/* nothing is better than a part */
	else if (!out)
		perror(path);
	return ok;
}

int main(int argc, char **argv)
{
	static struct policy policy;

	if (argc != 2 && argc != 5) {
		fprintf(stderr, "usage: %s POLICY [FILTERS RULES JSON]\n", argv[0]);
		return 2;
	}
	if (!policy_read(argv[1], &policy) || !policy_check(&policy))
		return 1;
	if (argc == 2)
		return 0;
	return write_file(&policy, argv[2], write_filters) &&
	       write_file(&policy, argv[3], write_rules) &&
	       write_file(&policy, argv[4], write_json) ? 0 : 1;
}
