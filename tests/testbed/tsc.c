/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the frequency of this CPU's time stamp counter in kHz.
 *
 * QEMU's emulator hands the host's counter through to the machine. A kernel that has to measure it
 * there may fail when the host is busy; here it takes some milliseconds, and a preemption between
 * the two readings of a pair makes that pair a wide one, which another try replaces.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define TRIES		50
#define SPAN_NS		5000000

struct reading {
	uint64_t ticks;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The narrowest of some pairs. */
static struct reading read_both(void)
{
	struct reading best = { 0 };
	uint64_t width = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc(), ns = now_ns(), after = __rdtsc();

		if (after - before < width) {
			width = after - before;
			best = (struct reading){ .ticks = before + width / 2, .ns = ns };
		}
	}
	return best;
}

int main(void)
{
	struct timespec span = { .tv_nsec = SPAN_NS };
	struct reading from = read_both(), to;

	nanosleep(&span, NULL);
	to = read_both();
	printf("%llu\n", (unsigned long long)((to.ticks - from.ticks) * 1000000 /
					      (to.ns - from.ns)));
	return 0;
}
