// SPDX-License-Identifier: GPL-2.0
/*
 * Session affinity (A1 to A6): which endpoint a client of a service got last.
 * A table of a fixed size for all services of the namespace, in buckets of
 * eight records with a lock each. A record that finds its bucket full takes the
 * place of the one that was not used for the longest time.
 */
#include "ksvc.h"

#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/once.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

struct bucket {
	spinlock_t lock;
	struct ksvc_record records[KSVC_AFFINITY_WAYS];
};

struct ksvc_affinity {
	struct rcu_head rcu;
	u32 mask;
	struct bucket buckets[];
};

static hsiphash_key_t hash_key __read_mostly;
static atomic64_t owners = ATOMIC64_INIT(0);

/* Records of an owner are those of one service, until it does without. */
u64 ksvc_affinity_new_owner(void)
{
	return atomic64_inc_return(&owners);
}

static struct ksvc_affinity *table_of(const struct ksvc_net *kn)
{
	return rcu_dereference_protected(kn->affinity, lockdep_is_held(&kn->mutex));
}

/* Makes the table, or another one of that many entries without records in it.
 * Under ksvc_net::mutex. Returns 0 or -ENOMEM.
 */
int ksvc_affinity_reserve(struct ksvc_net *kn, u32 entries)
{
	u32 n = roundup_pow_of_two(max(entries, 16U)) / KSVC_AFFINITY_WAYS, i;
	struct ksvc_affinity *table, *old = table_of(kn);

	lockdep_assert_held(&kn->mutex);
	if (old && old->mask == n - 1)
		return 0;
	/* As large as somebody says: rather none than others killed for it. */
	table = kvzalloc(struct_size(table, buckets, n),
			 GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!table)
		return -ENOMEM;
	get_random_once(&hash_key, sizeof(hash_key));
	table->mask = n - 1;
	for (i = 0; i < n; i++)
		spin_lock_init(&table->buckets[i].lock);
	rcu_assign_pointer(kn->affinity, table);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/* Under ksvc_net::mutex; no packet comes any more. */
void ksvc_affinity_exit(struct ksvc_net *kn)
{
	kvfree(table_of(kn));
}

static struct bucket *bucket_of(struct ksvc_affinity *table, u64 owner,
				const union nf_inet_addr *client)
{
	const struct {
		union nf_inet_addr client;
		u64 owner;
	} what = { *client, owner };

	return &table->buckets[hsiphash(&what, sizeof(what), &hash_key) & table->mask];
}

static bool is_of(const struct ksvc_record *r, u64 owner, u8 family,
		  const union nf_inet_addr *client)
{
	return r->owner == owner && r->family == family && nf_inet_addr_cmp(&r->client, client);
}

/* The client's record, or the one to make room; that is *found. */
static struct ksvc_record *find(struct bucket *b, u64 owner, u8 family,
			   const union nf_inet_addr *client, bool *found)
{
	struct ksvc_record *oldest = &b->records[0];
	u32 i;

	*found = true;
	for (i = 0; i < KSVC_AFFINITY_WAYS; i++) {
		struct ksvc_record *r = &b->records[i];

		if (is_of(r, owner, family, client))
			return r;
		if (!r->owner ? oldest->owner : oldest->owner && r->used < oldest->used)
			oldest = r;
	}
	*found = false;
	return oldest;
}

/* How long a record of the service is still good for, in jiffies; 0: no longer. */
u64 ksvc_affinity_left(const struct ksvc_record *r, const struct ksvc_svc *svc)
{
	u64 age = get_jiffies_64() - r->used, life = (u64)svc->features.affinity * HZ;

	return age < life ? life - age : 0;
}

/* The index of the endpoint for a client of a service with affinity; the set is
 * not empty. With peek, nothing is recorded.
 */
u32 ksvc_affinity_choose(const struct ksvc_net *kn, const struct ksvc_svc *svc,
			 const struct ksvc_set *set, const struct nf_conntrack_tuple *tuple,
			 bool peek)
{
	struct ksvc_affinity *table = rcu_dereference(kn->affinity);
	const union nf_inet_addr *client = &tuple->src.u3;
	const struct ksvc_endpoint *ep = NULL;
	u8 family = tuple->src.l3num;
	struct bucket *b;
	struct ksvc_record *r;
	bool found;
	u32 index;

	/* Nothing orders the reads of the service and of its namespace's table. */
	if (unlikely(!table))
		return ksvc_schedule(svc, set, tuple, peek);
	b = bucket_of(table, svc->affinity_owner, client);
	spin_lock_bh(&b->lock);
	r = find(b, svc->affinity_owner, family, client, &found);
	if (found && ksvc_affinity_left(r, svc))
		ep = ksvc_svc_by_slot(svc, r->slot, r->born);
	index = ep ? ep - svc->endpoints : 0;
	if (!ep || index - set->first >= set->n)
		index = ksvc_schedule(svc, set, tuple, peek);
	if (!peek) {
		r->client = *client;
		r->family = family;
		r->owner = svc->affinity_owner;
		r->used = get_jiffies_64();
		r->slot = svc->slots[index].slot;
		r->born = svc->slots[index].born;
		r->id = svc->ident->id;
	}
	spin_unlock_bh(&b->lock);
	return index;
}

/* Copies the records of one bucket, free ones included. Returns false if there
 * is no such bucket. Under ksvc_net::mutex.
 */
bool ksvc_affinity_read(const struct ksvc_net *kn, u32 index,
			struct ksvc_record copy[KSVC_AFFINITY_WAYS])
{
	struct ksvc_affinity *table = table_of(kn);
	struct bucket *b;

	if (!table || index > table->mask)
		return false;
	b = &table->buckets[index];
	spin_lock_bh(&b->lock);
	memcpy(copy, b->records, sizeof(b->records));
	spin_unlock_bh(&b->lock);
	return true;
}

/* Frees an owner's records, all or (family not 0) those of one client. Under
 * ksvc_net::mutex.
 */
void ksvc_affinity_forget(struct ksvc_net *kn, u64 owner, u8 family,
			  const union nf_inet_addr *client)
{
	struct ksvc_affinity *table = table_of(kn);
	u32 i, j;

	for (i = 0; i <= table->mask; i++) {
		struct bucket *b = &table->buckets[i];

		spin_lock_bh(&b->lock);
		for (j = 0; j < KSVC_AFFINITY_WAYS; j++)
			if (b->records[j].owner == owner &&
			    (!family || is_of(&b->records[j], owner, family, client)))
				memset(&b->records[j], 0, sizeof(b->records[j]));
		spin_unlock_bh(&b->lock);
		if (!(i % 1024))
			cond_resched();
	}
}
