/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_JREAD_H
#define _KSVC_JREAD_H

#include <jansson.h>

#include "util.h"

#define JREAD_DEPTH	16

/*
 * Reading fields out of JSON so that every complaint names the object and the
 * path of the field. null counts as absent, as in Kubernetes.
 */
struct jread {
	char object[640];		/* "Service ns/name: ", or "" */
	struct {
		const char *key;
		size_t index;
	} path[JREAD_DEPTH];
	int depth;
	int hidden;			/* of the path: leave it out of messages */
	struct err *e;
};

#define JREAD_NO_INDEX	((size_t)-1)

void jread_push(struct jread *r, const char *key, size_t index);
void jread_pop(struct jread *r);

/* Says "object: path.key: text"; key may be NULL. Always -1. */
int jread_fail(struct jread *r, const char *key, const char *fmt, ...) __printf(3, 4);

/* 0 with *v NULL if absent; -1 if the type is another. */
int jread_get(struct jread *r, const json_t *o, const char *key, json_type type,
	      json_t **v);
int jread_string(struct jread *r, const json_t *o, const char *key, const char **v);
int jread_bool(struct jread *r, const json_t *o, const char *key, bool *v);
int jread_int(struct jread *r, const json_t *o, const char *key, long min, long max,
	      long *v);

int jread_type(struct jread *r, const json_t *v, json_type type);

/* Element i of an array, whose type must be this one. */
int jread_element(struct jread *r, const json_t *array, size_t i, json_type type,
		  json_t **v);

#endif
