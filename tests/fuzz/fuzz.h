/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_FUZZ_H
#define _KSVC_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "lib/k8s.h"

/*
 * Defined by each harness: one input. It may fail in any way that the code
 * under test has for that, and must leave nothing: fuzz.c compares memory and
 * descriptors before and after, and calls it again if they differ. The same
 * input does the same each time.
 */
void fuzz_one(const uint8_t *data, size_t size);

/*
 * Says that the input was good. Seeds must be, but for those called bad-*: else
 * they would lead nowhere.
 */
void fuzz_accept(void);

#define check(cond)	((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond, NULL, NULL))
#define check_same(a, b)							\
	(!strcmp(a, b) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #a " is " #b, a, b))
void fuzz_fail(const char *file, int line, const char *what, const char *a, const char *b)
	__attribute__((noreturn));

/* Memory that the caller frees: */
char *fuzz_model_text(const struct model *m);		/* as save writes it */
char *fuzz_wanted(struct k8s *k);			/* after an update that settles */

/* How many values there are, at most limit. */
size_t fuzz_count(const json_t *v, size_t limit);

/* Line by line, without the newlines; len is of the text that is left. */
bool fuzz_line(const char **text, size_t *len, const char **line, size_t *line_len);

/*
 * confine.c: files of a directory that is made for this process. Between
 * begin and end there are no others for the code under test.
 */
const char *confine_dir(void);
void confine_write(const char *name, const void *data, size_t size);
void confine_begin(void);
void confine_end(void);

#endif
