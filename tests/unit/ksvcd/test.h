/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_TEST_H
#define _KSVCD_TEST_H

#include "ktap.h"

/* of each file, up to an entry without a name */
extern const struct test config_tests[], config_file_tests[], check_tests[],
			 engine_tests[], log_tests[], node_tests[], saved_tests[], source_dir_tests[];

/* A directory of the running test, which goes with it. */
const char *temp_dir(void);
void put_file(const char *path, const void *content, size_t len);
void remove_tree(const char *path);

#endif
