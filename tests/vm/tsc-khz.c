// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of the host's time stamp counter, which is the guest's. On a loaded host the guest cannot find it
 * out by itself: it gets it wrong by as much as a factor of six, and all its timeouts with it.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Both clocks at one moment: of many attempts the one that was interrupted least. */
static void sample(int64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t before = __rdtsc();
		int64_t t = now();
		uint64_t after = __rdtsc();

		if (after - before < best) {
			best = after - before;
			*ns = t;
			*ticks = before + best / 2;
		}
	}
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	uint64_t ticks1, ticks2;
	int64_t ns1, ns2;

	sample(&ns1, &ticks1);
	nanosleep(&pause, NULL);
	sample(&ns2, &ticks2);
	printf("%.0f\n", (double)(ticks2 - ticks1) / (ns2 - ns1) * 1e6);
	return 0;
}
