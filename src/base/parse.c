/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/checked.h"
#include "base/parse.h"
#include "base/util.h"

#define DISTANCE_WORD_MAX 63

/* Reads the digits at *text and moves *text past them. */
static int parse_digits(const char **text, uint64_t *ret)
{
	const char *pos = *text;
	uint64_t value = 0;

	if (*pos < '0' || *pos > '9')
		return -EINVAL;
	for (; *pos >= '0' && *pos <= '9'; pos++) {
		if (!u64_mul(value, 10, &value) || !u64_add(value, (uint64_t)(*pos - '0'), &value))
			return -ERANGE;
	}
	*text = pos;
	*ret = value;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGT";
	uint64_t value, scale = 1;
	const char *found;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text != '\0') {
		found = strchr(suffixes, *text & ~0x20);
		if (!found || *found == '\0' || text[1] != '\0')
			return -EINVAL;
		scale = UINT64_C(1) << (10 * (unsigned int)(found - suffixes + 1));
	}
	return u64_mul(value, scale, ret) ? 0 : -ERANGE;
}

unsigned int parse_distance(const char *a, const char *b)
{
	unsigned int row[3][DISTANCE_WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > DISTANCE_WORD_MAX || lb > DISTANCE_WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = up[j - 1] + (a[i - 1] != b[j - 1]);

			best = up[j] + 1 < best ? up[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = up2[j - 2] + 1 < best ? up2[j - 2] + 1 : best;
			now[j] = best;
		}
	}
	return row[la % 3][lb];
}
