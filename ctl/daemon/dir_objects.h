/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_DIR_OBJECTS_H
#define _KSVCD_DIR_OBJECTS_H

#include "lib/util.h"
#include "source.h"

/*
 * Which objects the files of a directory have, by key only, so that reading a
 * file again tells the sink of what differs in it. Of an object in several
 * files the first by name counts.
 */
struct dir_objects;
struct dir_object;

struct dir_file {
	char *name;			/* by which files are sorted */
	char *path;			/* for messages */
	struct dir_object **objects;	/* by kind and key */
	size_t n;
};

/*
 * again is called when a file has to be read anew although it is the same: one
 * of its objects counts now. Of Nodes only node_name is told; NULL: all.
 */
struct dir_objects *dir_objects_new(const struct sink *sink, const char *node_name,
				    void (*again)(void *data, struct dir_file *f), void *data);
void dir_objects_free(struct dir_objects *t);

/* -1 if the text is not JSON or YAML; then nothing has changed. */
int dir_objects_read(struct dir_objects *t, struct dir_file *f, const char *text, size_t len,
		     struct err *e);
void dir_objects_forget(struct dir_objects *t, struct dir_file *f);

/*
 * An object that left its file is deleted here only: it may have moved to
 * another file that is still to be read.
 */
void dir_objects_settle(struct dir_objects *t);

#endif
