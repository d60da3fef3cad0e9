// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions: the changes that a writer collects before they are put in
 * force by commit.c. A transaction is bound to the generation that it began
 * with, so that what is in force cannot differ between a request and its
 * commit. A request that fails may leave its change half made, because it also
 * makes sure that the transaction can only end without effect.
 */
#include "ksvc.h"

#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

struct ksvc_ident *ksvc_find(const struct ksvc_net *kn, const char *name)
{
	struct ksvc_named *named = ksvc_names_find(&kn->names, name);

	return named ? container_of(named, struct ksvc_ident, named) : NULL;
}

struct ksvc_txn *ksvc_txn_find(struct ksvc_net *kn, u32 portid)
{
	struct ksvc_txn *txn;

	lockdep_assert_held(&kn->mutex);
	list_for_each_entry(txn, &kn->txns, list)
		if (txn->portid == portid)
			return txn;
	return NULL;
}

/* For the generation in force. NULL without memory; freed by ksvc_txn_free(). */
struct ksvc_txn *ksvc_txn_alloc(struct ksvc_net *kn, u32 portid, u32 flags)
{
	struct ksvc_txn *txn = kzalloc(sizeof(*txn), GFP_KERNEL_ACCOUNT);

	if (!txn)
		return NULL;
	INIT_LIST_HEAD(&txn->list);
	INIT_LIST_HEAD(&txn->changes);
	txn->portid = portid;
	txn->flags = flags;
	txn->base = kn->generation;
	return txn;
}

/* Leaves it empty. */
void ksvc_spec_free(struct ksvc_spec *spec)
{
	kvfree(spec->frontends);
	kvfree(spec->endpoints);
	kvfree(spec->ranges);
	memset(spec, 0, sizeof(*spec));
}

static void change_free(struct ksvc_txn *txn, struct ksvc_change *change)
{
	list_del(&change->list);
	ksvc_names_del(&txn->names, &change->named);
	ksvc_spec_free(&change->spec);
	ksvc_ident_put(change->ident);
	kfree(change);
}

void ksvc_txn_free(struct ksvc_txn *txn)
{
	struct ksvc_change *change, *next;

	list_del(&txn->list);
	list_for_each_entry_safe(change, next, &txn->changes, list) {
		change_free(txn, change);
		cond_resched();
	}
	ksvc_names_free(&txn->names);
	kfree(txn);
}

struct ksvc_change *ksvc_txn_change(struct ksvc_txn *txn, const char *name)
{
	struct ksvc_named *named = ksvc_names_find(&txn->names, name);

	return named ? container_of(named, struct ksvc_change, named) : NULL;
}

/* Takes over a reference to ident, also on failure. */
static struct ksvc_change *change_add(struct ksvc_txn *txn, struct ksvc_ident *ident)
{
	struct ksvc_change *change;

	if (ksvc_names_reserve(&txn->names, txn->names.n + 1))
		goto no_memory;
	change = kzalloc(sizeof(*change), GFP_KERNEL_ACCOUNT);
	if (!change)
		goto no_memory;
	change->ident = ident;
	list_add_tail(&change->list, &txn->changes);
	ksvc_names_add(&txn->names, &change->named, ident->name);
	return change;

no_memory:
	ksvc_ident_put(ident);
	return NULL;
}

static struct ksvc_change *change_of_live(struct ksvc_txn *txn, struct ksvc_ident *ident)
{
	refcount_inc(&ident->refs);
	return change_add(txn, ident);
}

/* NULL stands for no elements too. */
static int duplicate(void **to, const void *from, u32 n, size_t size)
{
	if (!n)
		return 0;
	*to = kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT);
	if (!*to)
		return -ENOMEM;
	memcpy(*to, from, n * size);
	return 0;
}

/* Makes a change that starts from what is in force. */
static int change_copy(struct ksvc_change *change)
{
	const struct ksvc_svc *svc = change->ident->svc;
	struct ksvc_spec *spec = &change->spec;
	int err;

	err = duplicate((void **)&spec->frontends, svc->frontends, svc->n_frontends,
			sizeof(*svc->frontends)) ?:
	      duplicate((void **)&spec->endpoints, svc->endpoints, svc->n_endpoints,
			sizeof(*svc->endpoints)) ?:
	      duplicate((void **)&spec->ranges, svc->ranges, svc->n_ranges,
			sizeof(*svc->ranges));
	if (err)
		return err;
	spec->n_frontends = svc->n_frontends;
	spec->n_endpoints = svc->n_endpoints;
	spec->n_ranges = svc->n_ranges;
	memcpy(spec->open_ranges, svc->open_ranges, sizeof(spec->open_ranges));
	spec->features = svc->features;
	ksvc_endpoints_sort(spec->endpoints, spec->n_endpoints, ksvc_endpoint_cmp);
	return 0;
}

/* What the transaction does not put is deleted: for those, adds the changes. */
int ksvc_txn_delete_rest(struct ksvc_net *kn, struct ksvc_txn *txn)
{
	struct ksvc_ident *ident;
	unsigned long id;

	lockdep_assert_held(&kn->mutex);
	xa_for_each(&kn->services, id, ident) {
		struct ksvc_change *change;

		cond_resched();
		if (ksvc_txn_change(txn, ident->name))
			continue;
		change = change_of_live(txn, ident);
		if (!change)
			return -ENOMEM;
		change->delete = true;
	}
	return 0;
}

static bool is_present(const struct ksvc_txn *txn, const struct ksvc_change *change,
		       const struct ksvc_ident *live)
{
	if (change)
		return !change->delete;
	return live && !(txn->flags & KSVC_TXN_FLAGS_REPLACE);
}

static int refuse_endpoint(struct netlink_ext_ack *extack, const struct ksvc_endpoint *ep,
			   const char *why, int err)
{
	if (ep->family == NFPROTO_IPV6)
		NL_SET_ERR_MSG_FMT(extack, "endpoint [%pI6c]:%u %s", &ep->addr.in6,
				   ntohs(ep->port), why);
	else
		NL_SET_ERR_MSG_FMT(extack, "endpoint %pI4:%u %s", &ep->addr.ip,
				   ntohs(ep->port), why);
	return err;
}

static int refuse_frontend(struct netlink_ext_ack *extack, const struct ksvc_key *key,
			   const char *why, int err)
{
	if (key->family == NFPROTO_IPV6)
		NL_SET_ERR_MSG_FMT(extack, "frontend [%pI6c]:%u %s", &key->addr.in6,
				   ntohs(key->port), why);
	else
		NL_SET_ERR_MSG_FMT(extack, "frontend %pI4:%u %s", &key->addr.ip,
				   ntohs(key->port), why);
	return err;
}

static int check_families(const struct ksvc_change *change, const struct ksvc_endpoint *ep,
			  u32 n, struct netlink_ext_ack *extack)
{
	bool have[KSVC_FAMILIES] = {};
	u32 i;

	for (i = 0; i < change->spec.n_frontends; i++)
		have[ksvc_family_index(change->spec.frontends[i].key.family)] = true;
	for (i = 0; i < n; i++)
		if (!have[ksvc_family_index(ep[i].family)])
			return refuse_endpoint(extack, &ep[i],
					       ep[i].family == NFPROTO_IPV6 ?
					       "has no IPv6 frontend" :
					       "has no IPv4 frontend", -EINVAL);
	return 0;
}

static int sort_frontends(struct ksvc_front *front, u32 n, struct netlink_ext_ack *extack)
{
	u32 i;

	sort(front, n, sizeof(*front), ksvc_key_cmp, NULL);
	for (i = 1; i < n; i++)
		if (ksvc_key_equal(&front[i - 1].key, &front[i].key))
			return refuse_frontend(extack, &front[i].key, "is given twice",
					       -EINVAL);
	return 0;
}

static int sort_endpoints(struct ksvc_endpoint *ep, u32 n, struct netlink_ext_ack *extack)
{
	u32 i;

	ksvc_endpoints_sort(ep, n, ksvc_endpoint_cmp);
	for (i = 1; i < n; i++)
		if (!ksvc_endpoint_cmp(&ep[i - 1], &ep[i]))
			return refuse_endpoint(extack, &ep[i], "is given twice", -EINVAL);
	return 0;
}

/* Finds or adds the change that a put is for; an error pointer if the flags of
 * the request do not allow it.
 */
static struct ksvc_change *change_for_put(struct ksvc_net *kn, struct ksvc_txn *txn,
					  const char *name, u32 mode,
					  struct netlink_ext_ack *extack)
{
	struct ksvc_change *change = ksvc_txn_change(txn, name);
	struct ksvc_ident *live = ksvc_find(kn, name);
	bool present = is_present(txn, change, live);

	if (present && mode == KSVC_MODE_CREATE) {
		if (change)
			NL_SET_ERR_MSG(extack, "service is given twice");
		else
			NL_SET_ERR_MSG(extack, "service exists");
		return ERR_PTR(-EEXIST);
	}
	if (!present && mode == KSVC_MODE_REPLACE) {
		NL_SET_ERR_MSG(extack, "no such service");
		return ERR_PTR(-ENOENT);
	}
	if (!change) {
		if (live)
			change = change_of_live(txn, live);
		else if ((live = ksvc_ident_alloc(name, strlen(name))))
			change = change_add(txn, live);
	}
	return change ?: ERR_PTR(-ENOMEM);
}

/* Takes over the arrays (kvmalloc), also on failure. */
int ksvc_txn_put(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name, u32 mode,
		 const struct ksvc_spec *spec, struct netlink_ext_ack *extack)
{
	struct ksvc_spec taken = *spec;
	struct ksvc_change *change;

	lockdep_assert_held(&kn->mutex);
	change = change_for_put(kn, txn, name, mode, extack);
	if (IS_ERR(change)) {
		ksvc_spec_free(&taken);
		return PTR_ERR(change);
	}
	ksvc_spec_free(&change->spec);
	change->delete = false;
	change->spec = taken;
	ksvc_ranges_arrange(&change->spec);
	return sort_frontends(taken.frontends, taken.n_frontends, extack) ?:
	       sort_endpoints(taken.endpoints, taken.n_endpoints, extack) ?:
	       check_families(change, taken.endpoints, taken.n_endpoints, extack);
}

int ksvc_txn_del(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
		 struct netlink_ext_ack *extack)
{
	struct ksvc_change *change = ksvc_txn_change(txn, name);
	struct ksvc_ident *live = ksvc_find(kn, name);

	lockdep_assert_held(&kn->mutex);
	if (!is_present(txn, change, live)) {
		NL_SET_ERR_MSG(extack, "no such service");
		return -ENOENT;
	}
	if (change && !live) {
		change_free(txn, change);
		return 0;
	}
	if (!change) {
		change = change_of_live(txn, live);
		if (!change)
			return -ENOMEM;
	}
	change->delete = true;
	return 0;
}

/* The change of a service that is there, holding all of it. */
static struct ksvc_change *change_for_endpoints(struct ksvc_net *kn, struct ksvc_txn *txn,
						const char *name,
						struct netlink_ext_ack *extack)
{
	struct ksvc_change *change = ksvc_txn_change(txn, name);
	struct ksvc_ident *live = ksvc_find(kn, name);
	int err;

	if (!is_present(txn, change, live)) {
		NL_SET_ERR_MSG(extack, "no such service");
		return ERR_PTR(-ENOENT);
	}
	if (change)
		return change;
	change = change_of_live(txn, live);
	if (!change)
		return ERR_PTR(-ENOMEM);
	err = change_copy(change);
	return err ? ERR_PTR(err) : change;
}

static int put_endpoint(struct ksvc_endpoint *to, const struct ksvc_endpoint *old,
			const struct ksvc_endpoint *new, u32 mode,
			struct netlink_ext_ack *extack)
{
	if (old && mode == KSVC_MODE_CREATE)
		return refuse_endpoint(extack, new, "exists", -EEXIST);
	if (!old && mode == KSVC_MODE_REPLACE)
		return refuse_endpoint(extack, new, "does not exist", -ENOENT);
	*to = *new;
	if (old && !(new->given & KSVC_GIVEN_WEIGHT))
		to->weight = old->weight;
	if (old && !(new->given & KSVC_GIVEN_FLAGS))
		to->flags = old->flags;
	return 0;
}

/* Sorts endpoints, which stay the caller's. */
int ksvc_txn_put_endpoints(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
			   u32 mode, struct ksvc_endpoint *endpoints, u32 n,
			   struct netlink_ext_ack *extack)
{
	struct ksvc_change *change;
	struct ksvc_endpoint *merged;
	u32 i = 0, j = 0, k = 0;
	int err;

	lockdep_assert_held(&kn->mutex);
	change = change_for_endpoints(kn, txn, name, extack);
	if (IS_ERR(change))
		return PTR_ERR(change);
	err = sort_endpoints(endpoints, n, extack) ?:
	      check_families(change, endpoints, n, extack);
	if (err)
		return err;
	merged = kvmalloc_array(change->spec.n_endpoints + n, sizeof(*merged), GFP_KERNEL_ACCOUNT);
	if (!merged)
		return -ENOMEM;
	while (j < n) {
		const struct ksvc_endpoint *old = NULL;
		int differ = -1;

		if (i < change->spec.n_endpoints)
			differ = ksvc_endpoint_cmp(&endpoints[j], old = &change->spec.endpoints[i]);
		if (differ > 0) {
			merged[k++] = change->spec.endpoints[i++];
			continue;
		}
		err = put_endpoint(&merged[k++], differ ? NULL : old, &endpoints[j++],
				   mode, extack);
		if (err)
			goto free_merged;
		if (!differ)
			i++;
	}
	memcpy(&merged[k], &change->spec.endpoints[i],
	       (change->spec.n_endpoints - i) * sizeof(*merged));
	k += change->spec.n_endpoints - i;
	if (k > KSVC_MAX_ENDPOINTS) {
		NL_SET_ERR_MSG(extack, "a service takes at most 65535 endpoints");
		err = -E2BIG;
		goto free_merged;
	}
	kvfree(change->spec.endpoints);
	change->spec.endpoints = merged;
	change->spec.n_endpoints = k;
	return 0;

free_merged:
	kvfree(merged);
	return err;
}

/* Sorts endpoints, which stay the caller's. */
int ksvc_txn_del_endpoints(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
			   struct ksvc_endpoint *endpoints, u32 n,
			   struct netlink_ext_ack *extack)
{
	struct ksvc_change *change;
	u32 i, j = 0, k = 0;
	int err;

	lockdep_assert_held(&kn->mutex);
	change = change_for_endpoints(kn, txn, name, extack);
	if (IS_ERR(change))
		return PTR_ERR(change);
	err = sort_endpoints(endpoints, n, extack);
	if (err)
		return err;
	for (i = 0; i < change->spec.n_endpoints; i++) {
		if (j < n && !ksvc_endpoint_cmp(&change->spec.endpoints[i], &endpoints[j]))
			j++;
		else
			change->spec.endpoints[k++] = change->spec.endpoints[i];
	}
	if (j < n)
		return refuse_endpoint(extack, &endpoints[j], "does not exist", -ENOENT);
	change->spec.n_endpoints = k;
	return 0;
}
