/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_SOURCE_H
#define _KSVCD_SOURCE_H

#include <jansson.h>

/*
 * Where objects come from. A source tells its sink of lists and of changes;
 * it keeps no objects itself. Calls come from the event loop's thread.
 */
enum kind {
	KIND_SERVICE,
	KIND_SLICE,			/* EndpointSlice */
	KIND_NODE,			/* this one */
	KIND_SERVICE_CIDR,
	N_KINDS,
};

struct sink {
	/*
	 * A list of all objects of a kind begins. Those that have not been put
	 * again by its end are gone. A list that breaks off is begun anew.
	 */
	void (*list_begin)(void *data, enum kind kind);
	void (*list_end)(void *data, enum kind kind);

	/* A new or changed object, of the kind but otherwise unchecked; borrowed. */
	void (*put)(void *data, enum kind kind, const json_t *object);
	void (*del)(void *data, enum kind kind, const json_t *object);

	/*
	 * An object of a list, or a changed one, that cannot be read but for its
	 * name: the one that there is of it stays as it is. ns may be "".
	 */
	void (*keep)(void *data, enum kind kind, const char *ns, const char *name);

	/* What could not even be read; where says where it came from. */
	void (*broken)(void *data, const char *where, const char *why);
	void *data;
};

const char *kind_name(enum kind kind);		/* "EndpointSlice" */

#endif
