/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_CTL_TEST_H
#define _KSVC_CTL_TEST_H

#include "lib/k8s.h"
#include "lib/model.h"

struct test {
	const char *name;
	void (*run)(void);
};

/* of each file, up to an entry without a name */
extern const struct test addr_tests[], yaml_tests[], json_tests[], k8s_tests[],
			 k8s_frontends_tests[], k8s_input_tests[], k8s_store_tests[], diff_tests[], model_tests[], nl_tests[];

/* Goes on after a failure. */
#define expect(cond)	expect_(cond, __FILE__, __LINE__, #cond)
bool expect_(bool ok, const char *file, int line, const char *cond);
bool expect_text(const char *got, const char *wanted);
bool expect_part(const char *got, const char *part);

/* printf() into memory of which the tests' runner takes care. */
char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * "NAME OPTION=VALUE... range=PREFIX... VIP[=CLASS]... -> ENDPOINT@WEIGHT/SETS ...; ...",
 * as the model has them; no option that has its default.
 */
char *model_text(const struct model *m);

/* The documents of an input, one a line; or "error: ...". */
char *documents(const char *input);
char *documents_of(const char *input, size_t len);

/* A model of such text; weight and sets may be left out. */
void model_of(struct model *m, const char *text);

#endif
