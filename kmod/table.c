// SPDX-License-Identifier: GPL-2.0
/* The hash of frontends and VIPs, and prefix lists. */
#include "ksvc.h"

#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

static u32 bucket(const struct ksvc_table *table, const struct ksvc_key *key)
{
	u32 hash;

	if ((key->family & ~KSVC_KEY_VIP) == NFPROTO_IPV4)
		hash = jhash_2words(key->addr.all[0], key->tail, table->seed);
	else
		hash = jhash2((const u32 *)key, sizeof(*key) / sizeof(u32), table->seed);
	return hash & table->mask;
}

/* Under RCU or ksvc_net::mutex. */
struct ksvc_frontend *ksvc_table_find(const struct ksvc_table *table,
				      const struct ksvc_key *key)
{
	struct ksvc_frontend *fe = rcu_dereference_raw(table->buckets[bucket(table, key)]);

	while (fe && !ksvc_key_equal(&fe->key, key))
		fe = rcu_dereference_raw(fe->next[table->node]);
	return fe;
}

/* A table for so many entries, at one entry a bucket. Freed by kvfree_rcu(). */
struct ksvc_table *ksvc_table_alloc(u32 entries, gfp_t gfp)
{
	u32 size = roundup_pow_of_two(max(entries, 16U));
	struct ksvc_table *table;

	table = kvzalloc(struct_size(table, buckets, size), gfp);
	if (!table)
		return NULL;
	table->mask = size - 1;
	table->seed = get_random_u32();
	return table;
}

u32 ksvc_table_size(const struct ksvc_table *table)
{
	return table->mask + 1;
}

void ksvc_table_insert(struct ksvc_table *table, struct ksvc_frontend *fe)
{
	struct ksvc_frontend __rcu **head = &table->buckets[bucket(table, &fe->key)];

	rcu_assign_pointer(fe->next[table->node], rcu_dereference_raw(*head));
	rcu_assign_pointer(*head, fe);
}

/* Readers may be on fe, and go on from it, until a grace period has passed. */
void ksvc_table_remove(struct ksvc_table *table, struct ksvc_frontend *fe)
{
	struct ksvc_frontend __rcu **link = &table->buckets[bucket(table, &fe->key)];
	struct ksvc_frontend *at;

	while ((at = rcu_dereference_raw(*link)) != fe)
		link = &at->next[table->node];
	rcu_assign_pointer(*link, rcu_dereference_raw(fe->next[table->node]));
}

/* Links all entries into another table too, by their other pointer. Packets go
 * on using the old one until the caller publishes the new one; the pointers of
 * the old one must not be written again before a grace period after that.
 */
void ksvc_table_move(struct ksvc_table *from, struct ksvc_table *to)
{
	u32 i;

	to->node = !from->node;
	for (i = 0; i <= from->mask; i++) {
		struct ksvc_frontend *fe = rcu_dereference_raw(from->buckets[i]);

		for (; fe; fe = rcu_dereference_raw(fe->next[from->node]))
			ksvc_table_insert(to, fe);
		if (!(i % 1024))
			cond_resched();
	}
}

bool ksvc_prefix_match(const struct ksvc_prefix *p, u8 family, const union nf_inet_addr *addr)
{
	u32 differ = (addr->all[0] ^ p->addr.all[0]) & p->mask.all[0];

	differ |= (addr->all[1] ^ p->addr.all[1]) & p->mask.all[1];
	differ |= (addr->all[2] ^ p->addr.all[2]) & p->mask.all[2];
	differ |= (addr->all[3] ^ p->addr.all[3]) & p->mask.all[3];
	return !differ && p->family == family;
}

bool ksvc_list_match(const struct ksvc_list *list, u8 family, const union nf_inet_addr *addr)
{
	u32 i;

	if (!list)
		return false;
	for (i = 0; i < list->n; i++)
		if (ksvc_prefix_match(&list->prefixes[i], family, addr))
			return true;
	return false;
}
