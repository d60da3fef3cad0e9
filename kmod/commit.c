// SPDX-License-Identifier: GPL-2.0
/*
 * Puts a transaction in force. First everything that can fail: build the new
 * versions, check that no two services want one frontend, allocate table
 * entries and room. Then, below the line that says so, nothing fails: entries
 * are pointed to the new versions one by one, which is as good as all at once,
 * because a packet looks up one.
 */
#include "ksvc.h"

#include <linux/bsearch.h>
#include <linux/err.h>
#include <linux/in.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/netlink.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>

/* What a commit has prepared. */
struct plan {
	struct ksvc_net *kn;
	struct ksvc_txn *txn;
	struct ksvc_table *live;	/* before */
	struct ksvc_table *table;	/* its successor, or NULL if it stays */
	struct ksvc_table *claims;	/* frontends that change hands or are new */
	u64 n_services;			/* after; before the limits are checked, anything */
	u64 n_endpoints;
	u64 n_frontends;
	u32 changes;
	bool claimed;			/* a frontend is new, or another service's */
};

int ksvc_key_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ksvc_key));
}

bool ksvc_frontends_have(const struct ksvc_key *frontends, u32 n, const struct ksvc_key *key)
{
	return bsearch(key, frontends, n, sizeof(*key), ksvc_key_cmp);
}

static struct ksvc_table *live_table(const struct ksvc_net *kn)
{
	return rcu_dereference_protected(kn->table, lockdep_is_held(&kn->mutex));
}

static struct ksvc_svc *owner_of(const struct ksvc_net *kn, const struct ksvc_frontend *fe)
{
	return rcu_dereference_protected(fe->svc, lockdep_is_held(&kn->mutex));
}

static struct ksvc_key vip_of(const struct ksvc_key *key)
{
	struct ksvc_key vip = { .addr = key->addr, .family = key->family };

	return vip;
}

static const char *protocol_name(u8 protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp";
}

static int refuse_taken(struct netlink_ext_ack *extack, const struct ksvc_key *key,
			const struct ksvc_ident *by)
{
	if (key->family == NFPROTO_IPV6)
		NL_SET_ERR_MSG_FMT(extack, "[%pI6c]:%u/%s is taken by %.14s", &key->addr.in6,
				   ntohs(key->port), protocol_name(key->protocol), by->name);
	else
		NL_SET_ERR_MSG_FMT(extack, "%pI4:%u/%s is taken by %.30s", &key->addr.ip,
				   ntohs(key->port), protocol_name(key->protocol), by->name);
	return -EEXIST;
}

/* Whether a service lets go of a frontend that it has. */
static bool gives_up(struct ksvc_txn *txn, const struct ksvc_ident *ident,
		     const struct ksvc_key *key)
{
	const struct ksvc_change *change = ksvc_txn_change(txn, ident->name);

	if (!change || change->same)
		return false;
	return change->delete ||
	       !ksvc_frontends_have(change->frontends, change->n_frontends, key);
}

/* Allocates the entry of a frontend that the service does not have yet, and
 * one for its VIP if that may be new.
 */
static int claim(struct plan *plan, struct ksvc_change *change, u32 i,
		 struct netlink_ext_ack *extack)
{
	const struct ksvc_key *key = &change->frontends[i];
	const struct ksvc_key vip = vip_of(key);
	struct ksvc_frontend *fe;

	fe = plan->live ? ksvc_table_find(plan->live, key) : NULL;
	if (fe) {
		const struct ksvc_ident *owner = owner_of(plan->kn, fe)->ident;

		if (owner == change->ident)
			return 0;
		if (!gives_up(plan->txn, owner, key))
			return refuse_taken(extack, key, owner);
	}
	fe = ksvc_table_find(plan->claims, key);
	if (fe)
		return refuse_taken(extack, key, owner_of(plan->kn, fe)->ident);

	fe = kzalloc(sizeof(*fe), GFP_KERNEL_ACCOUNT);
	if (!fe)
		return -ENOMEM;
	fe->key = *key;
	RCU_INIT_POINTER(fe->svc, change->svc);
	change->entries[2 * i] = fe;
	ksvc_table_insert(plan->claims, fe);
	plan->claimed = true;

	if (plan->live && ksvc_table_find(plan->live, &vip))
		return 0;
	fe = kzalloc(sizeof(*fe), GFP_KERNEL_ACCOUNT);
	if (!fe)
		return -ENOMEM;
	fe->key = vip;
	change->entries[2 * i + 1] = fe;
	return 0;
}

static int build(struct plan *plan, struct ksvc_change *change)
{
	const struct ksvc_svc *old = change->ident->svc;

	if (old) {
		plan->n_frontends -= old->n_frontends;
		plan->n_endpoints -= old->n_endpoints;
		plan->n_services--;
	}
	if (change->delete)
		return 0;

	change->svc = ksvc_svc_build(change->ident, change->frontends, change->n_frontends,
				     change->endpoints, change->n_endpoints);
	if (IS_ERR(change->svc)) {
		int err = PTR_ERR(change->svc);

		change->svc = NULL;
		return err;
	}
	plan->n_frontends += change->n_frontends;
	plan->n_endpoints += change->n_endpoints;
	plan->n_services++;
	if (old && ksvc_svc_equal(old, change->svc)) {
		change->same = true;
		ksvc_svc_free(change->svc);
		change->svc = NULL;
		return 0;
	}
	change->entries = kvcalloc(change->n_frontends, 2 * sizeof(*change->entries),
				   GFP_KERNEL);
	return change->entries ? 0 : -ENOMEM;
}

/* Reserves what publishing a new service needs. */
static int reserve_id(struct plan *plan, struct ksvc_change *change)
{
	if (change->ident->svc || change->delete)
		return 0;
	/* Those that the same commit deletes still have theirs. */
	return xa_alloc(&plan->kn->services, &change->ident->id, NULL,
			XA_LIMIT(1, 2 * KSVC_MAX_SERVICES), GFP_KERNEL_ACCOUNT);
}

static int reserve_table(struct plan *plan)
{
	struct ksvc_net *kn = plan->kn;
	u32 wanted = 2 * plan->n_frontends;
	u32 size = plan->live ? ksvc_table_size(plan->live) : 0;

	if (size >= wanted && size / 16 <= max(wanted, 1U) + 16)
		return 0;
	/* The entries' other nodes are those of the table before this one. */
	if (plan->live)
		cond_synchronize_rcu(kn->resize_cookie);
	plan->table = ksvc_table_alloc(wanted, GFP_KERNEL_ACCOUNT);
	return plan->table ? 0 : -ENOMEM;
}

static u32 count_frontends(const struct ksvc_txn *txn)
{
	const struct ksvc_change *change;
	u32 n = 0;

	list_for_each_entry(change, &txn->changes, list)
		if (!change->delete)
			n += change->n_frontends;
	return n;
}

static int check_limits(const struct plan *plan, struct netlink_ext_ack *extack)
{
	if (plan->n_services > KSVC_MAX_SERVICES)
		NL_SET_ERR_MSG(extack, "a namespace takes at most 1048576 services");
	else if (plan->n_endpoints > KSVC_MAX_TOTAL_ENDPOINTS)
		NL_SET_ERR_MSG(extack, "a namespace takes at most 16777216 endpoints");
	else if (plan->n_frontends > KSVC_MAX_TOTAL_FRONTENDS)
		NL_SET_ERR_MSG(extack, "a namespace takes at most 4194304 frontends");
	else
		return 0;
	return -E2BIG;
}

static int prepare(struct plan *plan, struct netlink_ext_ack *extack)
{
	struct ksvc_change *change;
	u32 i;
	int err;

	list_for_each_entry(change, &plan->txn->changes, list) {
		err = build(plan, change);
		if (err)
			return err;
		plan->changes += !change->same;
		cond_resched();
	}
	err = check_limits(plan, extack);
	if (err)
		return err;
	plan->claims = ksvc_table_alloc(count_frontends(plan->txn), GFP_KERNEL);
	if (!plan->claims)
		return -ENOMEM;
	list_for_each_entry(change, &plan->txn->changes, list) {
		for (i = 0; change->svc && i < change->n_frontends; i++) {
			err = claim(plan, change, i, extack);
			if (err)
				return err;
		}
		err = reserve_id(plan, change);
		if (err)
			return err;
		cond_resched();
	}
	err = ksvc_names_reserve(&plan->kn->names, plan->n_services);
	return err ?: reserve_table(plan);
}

/* Last, because it cannot be taken back. */
static int activate(struct plan *plan, struct netlink_ext_ack *extack)
{
	int err = ksvc_activate(plan->kn);

	if (err)
		NL_SET_ERR_MSG(extack, "cannot register the namespace's hooks");
	plan->live = live_table(plan->kn);
	return err;
}

static void take_back(struct plan *plan)
{
	struct ksvc_change *change;
	u32 i;

	list_for_each_entry(change, &plan->txn->changes, list) {
		for (i = 0; change->entries && i < 2 * change->n_frontends; i++)
			kfree(change->entries[i]);
		kvfree(change->entries);
		change->entries = NULL;
		if (!change->ident->svc && change->ident->id)
			xa_erase(&plan->kn->services, change->ident->id);
		if (change->svc)
			ksvc_svc_free(change->svc);
		change->svc = NULL;
		cond_resched();
	}
	kvfree(plan->claims);
	kvfree(plan->table);
}

static void add_frontend(struct ksvc_net *kn, struct ksvc_table *table,
			 struct ksvc_change *change, u32 i)
{
	struct ksvc_frontend **entry = &change->entries[2 * i];
	struct ksvc_key vip = vip_of(&change->frontends[i]);
	struct ksvc_frontend *fe;

	fe = ksvc_table_find(table, &change->frontends[i]);
	if (fe) {
		rcu_assign_pointer(fe->svc, change->svc);
		return;
	}
	fe = ksvc_table_find(table, &vip);
	if (!fe) {
		fe = entry[1];
		entry[1] = NULL;
		ksvc_table_insert(table, fe);
		kn->n_vips++;
	}
	fe->users++;
	fe = entry[0];
	entry[0] = NULL;
	memset(fe->node, 0, sizeof(fe->node));	/* was among the claims */
	ksvc_table_insert(table, fe);
	kn->n_frontends++;
}

static void drop_frontend(struct ksvc_net *kn, struct ksvc_table *table,
			  const struct ksvc_svc *old, const struct ksvc_key *key)
{
	struct ksvc_frontend *fe = ksvc_table_find(table, key);
	struct ksvc_key vip = vip_of(key);

	if (owner_of(kn, fe) != old)
		return;		/* another service took it over */
	ksvc_table_remove(table, fe);
	kfree_rcu(fe, rcu);
	kn->n_frontends--;

	fe = ksvc_table_find(table, &vip);
	if (--fe->users)
		return;
	ksvc_table_remove(table, fe);
	kfree_rcu(fe, rcu);
	kn->n_vips--;
}

/* The old version and its frontends go, now that the new ones are there. */
static void retire(struct ksvc_net *kn, struct ksvc_table *table, struct ksvc_change *change)
{
	struct ksvc_ident *ident = change->ident;
	struct ksvc_svc *old = ident->svc;
	u32 i;

	for (i = 0; old && i < old->n_frontends; i++)
		drop_frontend(kn, table, old, &old->frontends[i]);
	if (!old) {
		refcount_inc(&ident->refs);
		ksvc_names_add(&kn->names, &ident->named, ident->name);
		xa_store(&kn->services, ident->id, ident, GFP_KERNEL);
	} else if (change->delete) {
		ksvc_names_del(&kn->names, &ident->named);
		xa_erase(&kn->services, ident->id);
		ident->id = 0;
	}
	ksvc_nl_notify_service(kn, ident, change->svc, !old ? KSVC_EVENT_ADDED :
			       change->delete ? KSVC_EVENT_DELETED : KSVC_EVENT_CHANGED);
	ident->svc = change->svc;
	change->svc = NULL;
	if (old)
		ksvc_svc_free_rcu(old);
	ksvc_plant(kn, ident, old);
	if (change->delete)
		ksvc_ident_put(ident);
}

static void publish(struct plan *plan)
{
	struct ksvc_net *kn = plan->kn;
	struct ksvc_table *table = plan->live;
	struct ksvc_change *change;
	u32 i;

	if (plan->table) {
		table = plan->table;
		ksvc_table_move(plan->live, table);
		rcu_assign_pointer(kn->table, table);
		kn->resize_cookie = get_state_synchronize_rcu();
		kvfree_rcu(plan->live, rcu);
		plan->table = NULL;
	}
	list_for_each_entry(change, &plan->txn->changes, list) {
		for (i = 0; change->svc && i < change->n_frontends; i++)
			add_frontend(kn, table, change, i);
		cond_resched();
	}
	kn->generation++;
	list_for_each_entry(change, &plan->txn->changes, list) {
		if (!change->same)
			retire(kn, table, change);
		cond_resched();
	}
	kn->n_endpoints = plan->n_endpoints;
	if (plan->claimed)
		ksvc_sweep(kn);
	ksvc_nl_notify_commit(kn, plan->changes);
}

/* Puts the transaction in force, or leaves everything as it was. changes gets
 * the number of services that are now different. What is the same as before
 * is not touched, and a commit without any difference keeps the generation.
 *
 * Errors: -ERESTART if another commit came first, -ECANCELED if one of the
 * transaction's requests failed, -EEXIST if two services want one frontend,
 * -E2BIG at a limit, -ENOMEM, and what registering the hooks may return.
 */
int ksvc_commit(struct ksvc_net *kn, struct ksvc_txn *txn, u32 *changes,
		struct netlink_ext_ack *extack)
{
	struct plan plan = {
		.kn = kn,
		.txn = txn,
		.n_services = kn->names.n,
		.n_endpoints = kn->n_endpoints,
		.n_frontends = kn->n_frontends,
	};
	int err;

	lockdep_assert_held(&kn->mutex);
	if (txn->failed) {
		NL_SET_ERR_MSG(extack, "an earlier request of this transaction failed");
		return -ECANCELED;
	}
	if (txn->base != kn->generation) {
		NL_SET_ERR_MSG(extack, "another writer changed the configuration meanwhile");
		return -ERESTART;
	}
	if (txn->flags & KSVC_TXN_FLAGS_REPLACE) {
		err = ksvc_txn_delete_rest(kn, txn);
		if (err)
			return err;
	}
	plan.live = live_table(kn);
	err = prepare(&plan, extack);
	if (!err && plan.changes)
		err = activate(&plan, extack);

	/* Nothing below can fail. */

	if (!err && plan.changes)
		publish(&plan);
	*changes = err ? 0 : plan.changes;
	take_back(&plan);
	return err;
}

void ksvc_config_init(struct ksvc_net *kn)
{
	mutex_init(&kn->mutex);
	xa_init_flags(&kn->services, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&kn->txns);
	kn->generation = 1;
	kn->resize_cookie = get_state_synchronize_rcu();
	ksvc_settings_init(kn);
	ksvc_sweep_init(kn);
}

static void free_table(struct ksvc_table *table)
{
	u32 i;

	for (i = 0; i <= table->mask; i++) {
		struct hlist_node *pos = table->buckets[i].first;

		while (pos) {
			struct ksvc_frontend *fe;

			fe = container_of(pos - table->node, struct ksvc_frontend, node[0]);
			pos = pos->next;
			kfree(fe);
		}
		cond_resched();
	}
	kvfree(table);
}

/* After a grace period since the hooks went; nobody holds the namespace. */
void ksvc_config_exit(struct ksvc_net *kn)
{
	struct ksvc_txn *txn, *next;
	struct ksvc_ident *ident;
	unsigned long id;

	mutex_lock(&kn->mutex);
	list_for_each_entry_safe(txn, next, &kn->txns, list)
		ksvc_txn_free(txn);
	if (live_table(kn))
		free_table(live_table(kn));
	xa_for_each(&kn->services, id, ident) {
		ksvc_svc_free(ident->svc);
		ksvc_ident_put(ident);
		cond_resched();
	}
	xa_destroy(&kn->services);
	ksvc_names_free(&kn->names);
	ksvc_settings_free(rcu_dereference_protected(kn->settings,
						     lockdep_is_held(&kn->mutex)));
	mutex_unlock(&kn->mutex);
	mutex_destroy(&kn->mutex);
}
