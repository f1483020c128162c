/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a policy though each of its lines can be read.
 */
#include <string.h>

#include "table.h"

unsigned int line_rules(const struct line *line)
{
	unsigned int rules = 1;

	for (unsigned int i = 0; i < line->cond_count; i++)
		rules *= line->cond[i].count;
	return rules;
}

/* The rules count as an odometer does, the first condition fastest. */
uint64_t line_value(const struct line *line, unsigned int rule, unsigned int cond)
{
	for (unsigned int i = 0; i < cond; i++)
		rule /= line->cond[i].count;
	return line->cond[cond].value[rule % line->cond[cond].count];
}

/* The two lines' rules are about the same bits of the same arguments. */
static bool rules_equal(const struct line *a, unsigned int a_rule, const struct line *b,
			unsigned int b_rule)
{
	if (a->cond_count != b->cond_count)
		return false;
	for (unsigned int i = 0; i < a->cond_count; i++) {
		unsigned int j = 0;

		while (j < b->cond_count && b->cond[j].arg != a->cond[i].arg)
			j++;
		if (j == b->cond_count || a->cond[i].mask != b->cond[j].mask ||
		    line_value(a, a_rule, i) != line_value(b, b_rule, j))
			return false;
	}
	return true;
}

static bool check_pair(const struct policy *policy, const struct line *first,
		       const struct line *second)
{
	if (!(first->roles & second->roles) || first->number != second->number)
		return true;
	if (first->cond_count == 0 && second->cond_count == 0)
		return policy_error(policy, second->at, "%s is allowed already, by line %u",
				    second->call, first->at);
	if (first->cond_count == 0 || second->cond_count == 0)
		return policy_error(policy, second->at, "%s has conditions here or in line %u,"
				    " and none in the other", second->call, first->at);
	for (unsigned int i = 0; i < line_rules(first); i++)
		for (unsigned int j = 0; j < line_rules(second); j++)
			if (rules_equal(first, i, second, j))
				return policy_error(policy, second->at,
						    "%s is allowed already, by line %u",
						    second->call, first->at);
	return true;
}

static bool check_alternatives(const struct policy *policy, const struct line *line)
{
	for (unsigned int i = 0; i < line_rules(line); i++)
		for (unsigned int j = 0; j < i; j++)
			if (rules_equal(line, i, line, j))
				return policy_error(policy, line->at, "a value is there twice");
	return true;
}

static bool check_baseline(const struct policy *policy, const struct line *line)
{
	if (baseline_has(line->call))
		return true;
	for (unsigned int i = 0; i < policy->beyond_count; i++)
		if (strcmp(policy->beyond[i].call, line->call) == 0)
			return true;
	return policy_error(policy, line->at, "%s is not in the baseline: say why, with"
			    " 'beyond %s'", line->call, line->call);
}

static bool check_beyond(const struct policy *policy, unsigned int index)
{
	const struct beyond *beyond = &policy->beyond[index];

	if (baseline_has(beyond->call))
		return policy_error(policy, beyond->at, "%s is in the baseline", beyond->call);
	for (unsigned int i = 0; i < index; i++)
		if (strcmp(policy->beyond[i].call, beyond->call) == 0)
			return policy_error(policy, beyond->at, "%s is justified already, by line"
					    " %u", beyond->call, policy->beyond[i].at);
	for (unsigned int i = 0; i < policy->line_count; i++)
		if (strcmp(policy->line[i].call, beyond->call) == 0)
			return true;
	return policy_error(policy, beyond->at, "no line allows %s", beyond->call);
}

bool policy_check(const struct policy *policy)
{
	for (unsigned int i = 0; i < policy->line_count; i++) {
		const struct line *line = &policy->line[i];

		if (!check_alternatives(policy, line) || !check_baseline(policy, line))
			return false;
		for (unsigned int j = 0; j < i; j++)
			if (!check_pair(policy, &policy->line[j], line))
				return false;
	}
	for (unsigned int i = 0; i < policy->beyond_count; i++)
		if (!check_beyond(policy, i))
			return false;
	return true;
}
