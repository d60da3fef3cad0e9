/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HTTP_TEST_H
#define _KSVCD_HTTP_TEST_H

#include <stdbool.h>
#include <stddef.h>

struct test {
	const char *name;
	void (*run)(void);
};

/* of each file, up to an entry without a name */
extern const struct test http_tests[], listener_tests[], health_tests[], proxy_tests[],
			 conformance_tests[], page_tests[], metrics_tests[], scrape_tests[];

/* Goes on after a failure. */
#define expect(cond)	expect_(cond, __FILE__, __LINE__, #cond)
bool expect_(bool ok, const char *file, int line, const char *cond);
bool expect_number(long long got, long long wanted);
bool expect_text(const char *got, const char *wanted);
bool expect_part(const char *got, const char *part);
void skip(const char *why);

/* printf() into memory of which the tests' runner takes care. */
char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
