/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_HASH_H
#define _KSVC_HASH_H

#include <stddef.h>
#include <stdint.h>

#define container_of(p, type, member)	((type *)((char *)(p) - offsetof(type, member)))

/*
 * Hash tables of nodes that live in what they are for. The table grows by
 * itself; nodes are the caller's. All zero is an empty table.
 */
struct hnode {
	struct hnode *next;
	uint32_t hash;
};

struct htable {
	struct hnode **buckets;
	size_t size, n;
};

/* Keyed by a number drawn at start: names come from anybody. */
uint32_t hash_bytes(uint32_t seed, const void *p, size_t n);
uint32_t hash_string(uint32_t seed, const char *s);

void htable_add(struct htable *t, struct hnode *n, uint32_t hash);
void htable_del(struct htable *t, struct hnode *n);
void htable_free(struct htable *t);

/* The nodes with this very hash, whatever else their bucket has. */
struct hnode *htable_first(const struct htable *t, uint32_t hash);
struct hnode *htable_next(const struct hnode *n);

/* All nodes, in no order, for (n = htable_begin(); n; n = htable_after()). n may not leave meanwhile. */
struct hnode *htable_begin(const struct htable *t);
struct hnode *htable_after(const struct htable *t, const struct hnode *n);

/*
 * One copy of each text, counted. Freed by as many intern_put() as there were
 * intern(); NULL stays NULL.
 */
const char *intern(const char *s);
void intern_put(const char *s);

#endif
