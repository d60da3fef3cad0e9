/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_TEST_H
#define _KSVCD_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/util.h"

struct test {
	const char *name;
	void (*run)(void);
};

/* of each file, up to an entry without a name */
extern const struct test config_tests[], config_file_tests[], log_tests[], source_dir_tests[];

/* Goes on after a failure. */
#define expect(cond)	expect_(cond, __FILE__, __LINE__, #cond)
bool expect_(bool ok, const char *file, int line, const char *cond);
bool expect_text(const char *got, const char *wanted);
bool expect_part(const char *got, const char *part);

/* printf() into memory of which the tests' runner takes care. */
char *text(const char *fmt, ...) __printf(1, 2);

/* A directory of the running test, which goes with it. */
const char *temp_dir(void);
void put_file(const char *path, const void *content, size_t len);
void remove_tree(const char *path);

#endif
