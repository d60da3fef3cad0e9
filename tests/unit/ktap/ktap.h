/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_KTAP_H
#define _KSVC_KTAP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/util.h"

/* What runs the tests of a program and prints KTAP. */
struct test {
	const char *name;		/* NULL ends a suite */
	void (*run)(void);
};

/* The program's own. */
extern const struct test *const suites[];	/* up to NULL */
void before_all(void);
void after_each(void);

/* Goes on after a failure. */
#define expect(cond)	expect_(cond, __FILE__, __LINE__, #cond)
bool expect_(bool ok, const char *file, int line, const char *cond);
bool expect_number(long long got, long long wanted);
bool expect_text(const char *got, const char *wanted);
bool expect_part(const char *got, const char *part);

/* The running test cannot be run here. */
void skip(const char *why);

/* printf() into memory of which the runner takes care; keep_text() leaves s to it, too. */
char *text(const char *fmt, ...) __printf(1, 2);
char *keep_text(char *s);

#endif
