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
	bool sweep;			/* conntrack has entries to lose, perhaps */
	u32 affinity;			/* services that want records */
};

int ksvc_key_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ksvc_key));
}

bool ksvc_frontends_have(const struct ksvc_front *frontends, u32 n, const struct ksvc_key *key)
{
	return bsearch(key, frontends, n, sizeof(*frontends), ksvc_key_cmp);
}

static struct ksvc_table *live_table(const struct ksvc_net *kn)
{
	return rcu_dereference_protected(kn->table, lockdep_is_held(&kn->mutex));
}

static struct ksvc_svc *owner_of(const struct ksvc_net *kn, const struct ksvc_frontend *fe)
{
	return rcu_dereference_protected(fe->svc, lockdep_is_held(&kn->mutex));
}

static bool is_node_port(const struct ksvc_front *front)
{
	return front->class == KSVC_CLASS_NODE_PORT;
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
	       !ksvc_frontends_have(change->spec.frontends, change->spec.n_frontends, key);
}

/* Allocates the entry of a frontend that the service does not have yet, or not
 * with that class, and one for its VIP if that may be new.
 */
static int claim(struct plan *plan, struct ksvc_change *change, u32 i,
		 struct netlink_ext_ack *extack)
{
	const struct ksvc_front *front = &change->spec.frontends[i];
	const struct ksvc_key *key = &front->key;
	const struct ksvc_key vip = ksvc_key_vip(key->family, &key->addr);
	struct ksvc_frontend *fe;

	fe = plan->live ? ksvc_table_find(plan->live, key) : NULL;
	if (fe) {
		const struct ksvc_ident *owner = owner_of(plan->kn, fe)->ident;

		if (owner == change->ident && fe->class == front->class)
			return 0;
		if (owner != change->ident && !gives_up(plan->txn, owner, key))
			return refuse_taken(extack, key, owner);
	}
	fe = ksvc_table_find(plan->claims, key);
	if (fe)
		return refuse_taken(extack, key, owner_of(plan->kn, fe)->ident);

	fe = kzalloc(sizeof(*fe), GFP_KERNEL_ACCOUNT);
	if (!fe)
		return -ENOMEM;
	fe->key = *key;
	fe->class = front->class;
	RCU_INIT_POINTER(fe->svc, change->svc);
	change->entries[2 * i] = fe;
	ksvc_table_insert(plan->claims, fe);
	plan->sweep = true;

	if (is_node_port(front))
		return ksvc_ports_reserve(plan->kn);
	if (plan->live && ksvc_table_find(plan->live, &vip))
		return 0;
	fe = kzalloc(sizeof(*fe), GFP_KERNEL_ACCOUNT);
	if (!fe)
		return -ENOMEM;
	fe->key = vip;
	change->entries[2 * i + 1] = fe;
	return 0;
}

/* C1: endpoints changed in any way, and there is more than TCP that goes on. */
static bool needs_reconciliation(const struct ksvc_svc *old, const struct ksvc_svc *new)
{
	bool wanted = new->features.flags & KSVC_SERVICE_FLAGS_RESET;
	u32 i;

	for (i = 0; i < new->n_frontends; i++)
		wanted |= new->frontends[i].key.protocol != IPPROTO_TCP;
	return wanted && !ksvc_endpoints_equal(old, new);
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
	plan->n_frontends += change->spec.n_frontends;
	plan->n_endpoints += change->spec.n_endpoints;
	plan->n_services++;
	change->same = old && ksvc_svc_is(old, &change->spec);
	if (change->same)
		return 0;

	change->svc = ksvc_svc_build(change->ident, &change->spec);
	if (IS_ERR(change->svc)) {
		int err = PTR_ERR(change->svc);

		change->svc = NULL;
		return err;
	}
	plan->affinity += !!change->svc->affinity_owner;
	plan->sweep |= old && needs_reconciliation(old, change->svc);
	change->entries = kvcalloc(change->spec.n_frontends, 2 * sizeof(*change->entries),
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

/* Room for what is there before and after. What a commit deletes leaves its room
 * to the next one: in less, packets would search long chains until all is gone.
 */
static int reserve_table(struct plan *plan)
{
	struct ksvc_net *kn = plan->kn;
	u32 wanted = 2 * max_t(u32, plan->n_frontends, kn->n_frontends);
	u32 size = plan->live ? ksvc_table_size(plan->live) : 0;

	if (size >= wanted && size / 16 <= max(wanted, 1U) + 16)
		return 0;
	/* The entries' other pointers are those of the table before this one. */
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
			n += change->spec.n_frontends;
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
		for (i = 0; change->svc && i < change->spec.n_frontends; i++) {
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
	if (!err && plan->affinity && !rcu_access_pointer(plan->kn->affinity))
		err = ksvc_affinity_reserve(plan->kn,
					    ksvc_settings_get(plan->kn)->affinity_entries);
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
		for (i = 0; change->entries && i < 2 * change->spec.n_frontends; i++)
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

static void unlink(struct ksvc_table *table, struct ksvc_frontend *fe)
{
	ksvc_table_remove(table, fe);
	kfree_rcu(fe, rcu);
}

/* What a VIP knows of its frontends, when one of a version comes or goes. */
static void count_in_vip(struct ksvc_frontend *vip, const struct ksvc_front *front,
			 const struct ksvc_svc *svc, int by)
{
	u8 family = ksvc_family_index(front->key.family);

	vip->users += by;
	if (front->class == KSVC_CLASS_CLUSTER_IP)
		WRITE_ONCE(vip->cluster_ips, vip->cluster_ips + by);
	if (svc->sets[KSVC_CLUSTER][family].n)
		WRITE_ONCE(vip->usable, vip->usable + by);
}

static void add_to_vip(struct ksvc_net *kn, struct ksvc_table *table,
		       const struct ksvc_front *front, const struct ksvc_svc *svc,
		       struct ksvc_frontend **entry)
{
	struct ksvc_key key = ksvc_key_vip(front->key.family, &front->key.addr);
	struct ksvc_frontend *vip = ksvc_table_find(table, &key);

	if (!vip) {
		vip = *entry;
		*entry = NULL;
		ksvc_table_insert(table, vip);
		kn->n_vips++;
	}
	count_in_vip(vip, front, svc, 1);
}

/* Points the frontend's entry to the version. Its VIP counts it from now on,
 * besides the version before, which drop_frontend() takes off.
 */
static void add_frontend(struct ksvc_net *kn, struct ksvc_table *table,
			 struct ksvc_change *change, u32 i)
{
	const struct ksvc_front *front = &change->spec.frontends[i];
	struct ksvc_frontend **entry = &change->entries[2 * i];
	struct ksvc_frontend *fe = ksvc_table_find(table, &front->key), *new = entry[0];

	if (fe && fe->class == front->class) {
		rcu_assign_pointer(fe->svc, change->svc);
	} else {
		entry[0] = NULL;
		ksvc_table_insert(table, new);		/* before fe */
		if (fe)
			unlink(table, fe);
		else
			kn->n_frontends++;
	}
	if (is_node_port(front))
		ksvc_ports_add(kn, front->key.port);
	else
		add_to_vip(kn, table, front, change->svc, &entry[1]);
}

/* A frontend of a version that goes: its entry too, unless it is another's. */
static void drop_frontend(struct ksvc_net *kn, struct ksvc_table *table,
			  const struct ksvc_svc *old, const struct ksvc_front *front)
{
	struct ksvc_frontend *fe = ksvc_table_find(table, &front->key);
	struct ksvc_key key = ksvc_key_vip(front->key.family, &front->key.addr);

	if (owner_of(kn, fe) == old) {
		unlink(table, fe);
		kn->n_frontends--;
	}
	if (is_node_port(front)) {
		ksvc_ports_del(kn, table, front->key.port);
		return;
	}
	fe = ksvc_table_find(table, &key);
	count_in_vip(fe, front, old, -1);
	if (fe->users)
		return;
	unlink(table, fe);
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
	smp_store_release(&ident->svc, change->svc);
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
		for (i = 0; change->svc && i < change->spec.n_frontends; i++)
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
	if (plan->sweep)
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
		.sweep = txn->flags & KSVC_TXN_FLAGS_SWEEP,
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
		struct ksvc_frontend *fe = rcu_dereference_raw(table->buckets[i]), *next;

		for (; fe; fe = next) {
			next = rcu_dereference_raw(fe->next[table->node]);
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
	ksvc_affinity_exit(kn);
	kfree(kn->node_ports);
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
