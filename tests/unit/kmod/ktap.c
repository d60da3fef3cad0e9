// SPDX-License-Identifier: GPL-2.0
/* Runs the tests and prints KTAP. Arguments: parts of names, to run only those. */
#include "test.h"

#include <linux/string.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const struct test *const suites[] = {
	table_tests, select_tests, decide_tests, external_tests, untranslated_tests,
	cross_tests, ranges_tests, schedule_tests, maglev_tests, affinity_tests, record_tests,
	service_tests, txn_tests, conflict_tests, fail_tests, model_tests,
};

static bool failed;

void diagnose(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

bool expect_(bool ok, const char *file, int line, const char *cond, const char *what)
{
	if (!ok) {
		failed = true;
		diagnose("%s:%d: %s%s%s", file, line, what ?: "", what ? ": " : "", cond);
	}
	return ok;
}

u32 next_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x >> 32;
}

static bool is_wanted(const struct test *test, char **words)
{
	if (!*words)
		return true;
	for (; *words; words++)
		if (strstr(test->name, *words))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned int n = 0, bad = 0, i;
	const struct test *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(600);	/* a list without an end is a failure, too */
	for (i = 0; i < ARRAY_SIZE(suites); i++)
		for (test = suites[i]; test->name; test++)
			n += is_wanted(test, argv + 1);
	printf("KTAP version 1\n1..%u\n", n);
	n = 0;
	for (i = 0; i < ARRAY_SIZE(suites); i++)
		for (test = suites[i]; test->name; test++) {
			if (!is_wanted(test, argv + 1))
				continue;
			failed = false;
			test->run();
			bad += failed;
			printf("%sok %u %s\n", failed ? "not " : "", ++n, test->name);
		}
	printf("# Totals: pass:%u fail:%u\n", n - bad, bad);
	return bad || !n;
}
