/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_INPUT_H
#define _KSVC_INPUT_H

#include <jansson.h>

#include "util.h"

#define INPUT_MAX_SIZE	((size_t)256 << 20)
#define INPUT_MAX_DEPTH	64

/* Gets every document of a file in turn; nonzero stops. root is borrowed. */
typedef int (*document_fn)(json_t *root, void *data, struct err *e);

/*
 * Reads JSON, several values in a row included, or YAML; path may be "-".
 * Errors name the file.
 */
int input_read(const char *path, document_fn fn, void *data, struct err *e);
int input_parse(const char *text, size_t len, document_fn fn, void *data,
		struct err *e);

/* yaml.c */
int yaml_parse(const char *text, size_t len, document_fn fn, void *data,
	       struct err *e);

#endif
