/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_CTL_TEST_H
#define _KSVC_CTL_TEST_H

#include "ktap.h"

#include "lib/k8s.h"
#include "lib/model.h"

/* of each file, up to an entry without a name */
extern const struct test addr_tests[], yaml_tests[], json_tests[], k8s_tests[],
			 k8s_frontends_tests[], k8s_input_tests[], k8s_store_tests[], diff_tests[], model_tests[], nl_tests[];

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
