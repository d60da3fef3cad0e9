// SPDX-License-Identifier: GPL-2.0
/* A hash by name, for the configuration: under ksvc_net::mutex throughout. */
#include "ksvc.h"

#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

static u32 hash_of(const char *name)
{
	return jhash(name, strlen(name), 0);
}

/* Room for so many names at one a bucket. 0 or -ENOMEM, which changes nothing. */
int ksvc_names_reserve(struct ksvc_names *names, u32 n)
{
	u32 size = roundup_pow_of_two(max(n, 8U));
	struct hlist_head *heads;
	struct hlist_node *next;
	struct ksvc_named *pos;
	u32 i;

	if (size <= names->size)
		return 0;
	heads = kvcalloc(size, sizeof(*heads), GFP_KERNEL_ACCOUNT);
	if (!heads)
		return -ENOMEM;
	for (i = 0; i < names->size; i++)
		hlist_for_each_entry_safe(pos, next, &names->heads[i], node)
			hlist_add_head(&pos->node, &heads[pos->hash & (size - 1)]);
	kvfree(names->heads);
	names->heads = heads;
	names->size = size;
	return 0;
}

struct ksvc_named *ksvc_names_find(const struct ksvc_names *names, const char *name)
{
	u32 hash = hash_of(name);
	struct ksvc_named *pos;

	if (!names->size)
		return NULL;
	hlist_for_each_entry(pos, &names->heads[hash & (names->size - 1)], node)
		if (pos->hash == hash && !strcmp(pos->name, name))
			return pos;
	return NULL;
}

/* After ksvc_names_reserve(). name must live as long as the entry. */
void ksvc_names_add(struct ksvc_names *names, struct ksvc_named *named, const char *name)
{
	named->name = name;
	named->hash = hash_of(name);
	hlist_add_head(&named->node, &names->heads[named->hash & (names->size - 1)]);
	names->n++;
}

void ksvc_names_del(struct ksvc_names *names, struct ksvc_named *named)
{
	hlist_del(&named->node);
	names->n--;
}

/* The table alone; entries are their owners'. */
void ksvc_names_free(struct ksvc_names *names)
{
	kvfree(names->heads);
	names->heads = NULL;
	names->size = 0;
	names->n = 0;
}
