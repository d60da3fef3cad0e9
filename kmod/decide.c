// SPDX-License-Identifier: GPL-2.0
/*
 * What the first packet of a connection gets: a function of the tables, its
 * original tuple, the interface it came from (NULL: made on the node) and the
 * node's addresses. The hooks and explain both ask here, and nothing else
 * decides. Rule numbers are those of docs/design.md.
 */
#include "ksvc.h"

#include <linux/if.h>
#include <linux/string.h>

/* What a tuple's destination is looked up by. */
void ksvc_key_fill(struct ksvc_key *key, const struct nf_conntrack_tuple *tuple)
{
	key->addr = tuple->dst.u3;
	key->port = tuple->dst.u.all;
	key->protocol = tuple->dst.protonum;
	key->family = tuple->src.l3num;
}

static void settle(struct ksvc_decision *d, u8 verdict, u8 reason)
{
	d->verdict = verdict;
	d->reason = reason;
}

/* F7 and F8 are for packets that are forwarded or made on the node, not for
 * those that arrive for an address of the node.
 */
static bool arrives_here(const struct ksvc_net *kn, const struct ksvc_key *key, const char *in)
{
	return in && ksvc_addr_is_local(kn, key->family, &key->addr);
}

static void match_no_frontend(const struct ksvc_net *kn, const struct ksvc_table *table,
			      struct ksvc_key *key, const char *in, struct ksvc_decision *d)
{
	const struct ksvc_settings *settings = rcu_dereference(kn->settings);

	settle(d, KSVC_VERDICT_NONE, KSVC_REASON_NO_SERVICE);
	key->port = 0;
	key->protocol = 0;
	if (ksvc_table_find(table, key)) {
		if (!arrives_here(kn, key, in))
			settle(d, KSVC_VERDICT_REJECT, KSVC_REASON_UNUSED_PORT);	/* F7 */
	} else if (ksvc_list_match(settings->service_cidrs, key->family, &key->addr)) {
		if (!arrives_here(kn, key, in))
			settle(d, KSVC_VERDICT_DROP, KSVC_REASON_UNUSED_ADDRESS);	/* F8 */
	}
}

/* The part of the decision that is the same for all endpoints. Under RCU;
 * d->svc and d->set are valid until its end.
 */
void ksvc_match(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		const char *in, struct ksvc_decision *d)
{
	const struct ksvc_table *table = rcu_dereference(kn->table);
	const struct ksvc_frontend *fe;
	struct ksvc_key key;

	d->svc = NULL;
	d->set = NULL;
	d->endpoint = NULL;
	d->masquerade = false;

	ksvc_key_fill(&key, tuple);
	fe = ksvc_table_find(table, &key);
	if (fe)
		d->svc = rcu_dereference(fe->svc);
	if (!d->svc) {
		match_no_frontend(kn, table, &key, in, d);
		return;
	}
	d->set = &d->svc->cluster[ksvc_family_index(key.family)];
	if (d->set->n)
		settle(d, KSVC_VERDICT_DNAT, KSVC_REASON_TRANSLATED);
	else
		settle(d, KSVC_VERDICT_REJECT, KSVC_REASON_NO_ENDPOINT);	/* F1 */
}

static bool from_pod_interface(const struct ksvc_settings *settings, const char *in)
{
	u64 name[2];
	u32 i;

	BUILD_BUG_ON(sizeof(name) != IFNAMSIZ);
	if (!in)
		return false;
	memcpy(name, in, sizeof(name));
	for (i = 0; i < settings->n_pod_interfaces; i++) {
		const struct ksvc_ifname *p = &settings->pod_interfaces[i];

		if (!((name[0] ^ p->value[0]) & p->mask[0]) &&
		    !((name[1] ^ p->value[1]) & p->mask[1]))
			return true;
	}
	return false;
}

/* Q1, with whichever detectors are set. */
static bool from_pod(const struct ksvc_settings *settings,
		     const struct nf_conntrack_tuple *tuple, const char *in)
{
	return ksvc_list_match(settings->cluster_cidrs, tuple->src.l3num, &tuple->src.u3) ||
	       from_pod_interface(settings, in);
}

/* Whether a flow that gets this endpoint also gets the node's address as its
 * source. in points to IFNAMSIZ bytes, or is NULL.
 */
bool ksvc_masquerade(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		     const char *in, const struct ksvc_endpoint *ep)
{
	const struct ksvc_settings *settings = rcu_dereference(kn->settings);
	bool wanted;

	if (ep->flags & KSVC_ENDPOINT_FLAGS_LOCAL &&
	    nf_inet_addr_cmp(&ep->addr, &tuple->src.u3))
		wanted = true;							/* Q6 */
	else if (settings->masquerade_all)
		wanted = true;							/* Q2 */
	else if (settings->detector[ksvc_family_index(ep->family)])
		wanted = !from_pod(settings, tuple, in);			/* Q1 */
	else
		wanted = false;							/* Q3 */

	/* Q9: delivered here, it never passes POSTROUTING. */
	return wanted && !(in && ksvc_addr_is_local(kn, ep->family, &ep->addr));
}

/* The endpoint of a dnat decision that this very flow gets. */
const struct ksvc_endpoint *ksvc_choose(const struct ksvc_decision *d,
					const struct nf_conntrack_tuple *tuple)
{
	return &d->svc->endpoints[ksvc_select(d->set, ksvc_flow_hash(tuple))];
}

void ksvc_decide(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		 const char *in, struct ksvc_decision *d)
{
	ksvc_match(kn, tuple, in, d);
	if (d->verdict != KSVC_VERDICT_DNAT)
		return;
	d->endpoint = ksvc_choose(d, tuple);
	d->masquerade = ksvc_masquerade(kn, tuple, in, d->endpoint);
}
