/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_JWALK_H
#define _KSVC_JWALK_H

#include <jansson.h>
#include <sys/types.h>

#include "util.h"

/*
 * A file that is read as the walk gets on: no more of it is kept than a window,
 * or the longest value in it.
 */
struct jwalk_file {
	const char *path;	/* borrowed */
	int fd;
	off_t begin;		/* -1: there is no way back to it */
	char *buf;
	size_t size;		/* of buf */
	size_t total;		/* bytes read */
	int line;		/* how many lines, and bytes of a line, were before buf */
	int column;
	bool ended;
	bool failed;		/* and e says why; what the walk says does not count then */
	struct err e;
};

/*
 * JSON text taken apart a value at a time, so that a long list is never in
 * memory as a tree: jansson's takes some ten times as much as the text.
 * Everything that fails says at which line and column.
 */
struct jwalk {
	const char *text;	/* borrowed; of a file, what is in buf */
	size_t len;
	size_t at;
	int depth;		/* of what the values are in */
	struct err *e;
	struct jwalk_file *file; /* NULL: text is all there is */
};

/* The walk begins where path does, "-" is stdin. Nothing is to be closed on error. */
int jwalk_open(struct jwalk *w, struct jwalk_file *file, const char *path, size_t window,
	       struct err *e);
void jwalk_close(struct jwalk_file *file);
/*
 * Begins again. What can be read only once is copied to memory for that, the first
 * time, which must be before anything is read.
 */
int jwalk_rewind(struct jwalk *w);
/* err, or an error if the file could not be read; the message names the file. */
int jwalk_blame(const struct jwalk *w, int err);

bool jwalk_at_end(struct jwalk *w);
/* The next character that is not blank, 0 at the end. */
char jwalk_peek(struct jwalk *w);
/* Whether that is c, which is then behind us. */
bool jwalk_accept(struct jwalk *w, char c);
int jwalk_expect(struct jwalk *w, char c);
/* A new reference, NULL on error. Not within anything: a list or an object. */
json_t *jwalk_value(struct jwalk *w);

#endif
