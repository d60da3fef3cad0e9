/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_JWALK_H
#define _KSVC_JWALK_H

#include <jansson.h>

#include "util.h"

/*
 * JSON text taken apart a value at a time, so that a long list is never in
 * memory as a tree: jansson's takes some ten times as much as the text.
 * Everything that fails says at which line and column.
 */
struct jwalk {
	const char *text;	/* borrowed */
	size_t len;
	size_t at;
	int depth;		/* of what the values are in */
	struct err *e;
};

bool jwalk_at_end(struct jwalk *w);
/* The next character that is not blank, 0 at the end. */
char jwalk_peek(struct jwalk *w);
/* Whether that is c, which is then behind us. */
bool jwalk_accept(struct jwalk *w, char c);
int jwalk_expect(struct jwalk *w, char c);
/* A new reference, NULL on error. Not within anything: a list or an object. */
json_t *jwalk_value(struct jwalk *w);

#endif
