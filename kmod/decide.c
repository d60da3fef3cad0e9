// SPDX-License-Identifier: GPL-2.0
/*
 * What the first packet of a connection gets: a function of the tables, its
 * original tuple, the interface it came from (NULL: made on the node) and the
 * node's addresses. (What schedulers and affinity remember is theirs.) The
 * hooks and explain both ask here, and nothing else decides. Rule numbers are
 * those of docs/design.md.
 */
#include "ksvc.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/string.h>
#include <net/ipv6.h>

/* What a tuple's destination is looked up by. */
void ksvc_key_fill(struct ksvc_key *key, const struct nf_conntrack_tuple *tuple)
{
	key->addr = tuple->dst.u3;
	key->port = tuple->dst.u.all;
	key->protocol = tuple->dst.protonum;
	key->family = tuple->src.l3num;
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

static void settle(struct ksvc_decision *d, u8 verdict, u8 reason, u8 rule)
{
	d->verdict = verdict;
	d->reason = reason;
	d->rule = rule;
}

/* F7 and F8 are for packets that are forwarded or made on the node, not for
 * those that arrive for an address of the node.
 */
static bool arrives_here(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
			 const char *in)
{
	return in && ksvc_addr_is_local(kn, tuple->src.l3num, &tuple->dst.u3);
}

/* F13: what route_localnet, which M7 needs, would let in from elsewhere. */
bool ksvc_enters_loopback(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple)
{
	return rcu_dereference(kn->settings)->localhost_nodeports &&
	       tuple->src.l3num == NFPROTO_IPV4 && ipv4_is_loopback(tuple->dst.u3.ip) &&
	       !ipv4_is_loopback(tuple->src.u3.ip);
}

static bool is_echo_request(const struct nf_conntrack_tuple *tuple)
{
	if (tuple->src.l3num == NFPROTO_IPV6)
		return tuple->dst.protonum == IPPROTO_ICMPV6 &&
		       tuple->dst.u.icmp.type == ICMPV6_ECHO_REQUEST;
	return tuple->dst.protonum == IPPROTO_ICMP && tuple->dst.u.icmp.type == ICMP_ECHO;
}

static void match_no_frontend(const struct ksvc_net *kn, const struct ksvc_table *table,
			      const struct nf_conntrack_tuple *tuple, const char *in,
			      struct ksvc_decision *d)
{
	const struct ksvc_settings *settings = rcu_dereference(kn->settings);
	const struct ksvc_key key = ksvc_key_vip(tuple->src.l3num, &tuple->dst.u3);
	const struct ksvc_frontend *vip = ksvc_table_find(table, &key);

	settle(d, KSVC_VERDICT_NONE, KSVC_REASON_NO_SERVICE, KSVC_RULE_NONE);
	if (vip && settings->ping && READ_ONCE(vip->usable) && is_echo_request(tuple)) {
		settle(d, KSVC_VERDICT_LOCAL, KSVC_REASON_ECHO, KSVC_RULE_NONE);
	} else if (vip && READ_ONCE(vip->cluster_ips)) {
		if (!arrives_here(kn, tuple, in))
			settle(d, KSVC_VERDICT_REJECT, KSVC_REASON_UNUSED_PORT, KSVC_RULE_F7);
	} else if (ksvc_list_match(settings->service_cidrs, tuple->src.l3num, &tuple->dst.u3)) {
		if (!arrives_here(kn, tuple, in))
			settle(d, KSVC_VERDICT_DROP, KSVC_REASON_UNUSED_ADDRESS, KSVC_RULE_F8);
	} else if (ksvc_enters_loopback(kn, tuple)) {
		settle(d, KSVC_VERDICT_DROP, KSVC_REASON_LOCALHOST, KSVC_RULE_F13);
	}
}

/* M6 and M7. */
static bool is_node_port_address(const struct ksvc_net *kn, u8 family,
				 const union nf_inet_addr *addr)
{
	const struct ksvc_settings *settings = rcu_dereference(kn->settings);
	bool listed = settings->nodeport_list[ksvc_family_index(family)];

	if (listed && !ksvc_list_match(settings->nodeport_addresses, family, addr))
		return false;
	if (family == NFPROTO_IPV6 && ipv6_addr_loopback(&addr->in6))
		return false;
	if (family == NFPROTO_IPV4 && ipv4_is_loopback(addr->ip))
		return settings->localhost_nodeports &&
		       (!listed || ksvc_addr_is_on_lo(kn, addr->ip));
	return ksvc_addr_is_local(kn, family, addr);
}

static const struct ksvc_svc *find_node_port(const struct ksvc_net *kn,
					     const struct ksvc_table *table,
					     const struct nf_conntrack_tuple *tuple)
{
	const struct ksvc_key key = {
		.port = tuple->dst.u.all,
		.protocol = tuple->dst.protonum,
		.family = tuple->src.l3num,
	};
	const struct ksvc_frontend *fe;

	if (!READ_ONCE(kn->n_node_ports))
		return NULL;
	fe = ksvc_table_find(table, &key);
	if (!fe || !is_node_port_address(kn, key.family, &tuple->dst.u3))
		return NULL;
	return rcu_dereference(fe->svc);
}

/* X1 to X4, and what internal traffic gets. Returns KSVC_CLUSTER or KSVC_LOCAL. */
static unsigned int choose_set(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
			       const char *in, u32 class, struct ksvc_decision *d)
{
	u32 flags = d->svc->features.flags;

	if (class == KSVC_CLASS_CLUSTER_IP) {
		d->rule = KSVC_RULE_M1;
		return flags & KSVC_SERVICE_FLAGS_INTERNAL_LOCAL ? KSVC_LOCAL : KSVC_CLUSTER;
	}
	d->rule = KSVC_RULE_X1;
	if (!(flags & KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL))
		return KSVC_CLUSTER;
	if (from_pod(rcu_dereference(kn->settings), tuple, in))
		d->rule = KSVC_RULE_X3;
	else if (ksvc_addr_is_local(kn, tuple->src.l3num, &tuple->src.u3))
		d->rule = KSVC_RULE_X4;
	else
		d->rule = KSVC_RULE_X2;
	return d->rule == KSVC_RULE_X2 ? KSVC_LOCAL : KSVC_CLUSTER;
}

/* The part of the decision that is the same for all endpoints. Under RCU;
 * d->svc and d->set are valid until its end.
 */
void ksvc_match(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		const char *in, struct ksvc_decision *d)
{
	const struct ksvc_table *table = rcu_dereference(kn->table);
	unsigned int family = ksvc_family_index(tuple->src.l3num);
	u32 class = KSVC_CLASS_CLUSTER_IP;
	const struct ksvc_svc *node_port;
	const struct ksvc_frontend *fe;
	struct ksvc_key key;

	d->svc = NULL;
	d->set = NULL;
	d->endpoint = NULL;
	d->masquerade = false;

	ksvc_key_fill(&key, tuple);
	fe = ksvc_table_find(table, &key);
	/* A node port by its number alone, in a packet to 0.0.0.0 or ::, is none. */
	if (fe && fe->class != KSVC_CLASS_NODE_PORT)
		d->svc = rcu_dereference(fe->svc);
	if (d->svc) {
		class = fe->class;
		if (class == KSVC_CLASS_LOAD_BALANCER &&
		    !ksvc_ranges_match(d->svc, key.family, &tuple->src.u3)) {
			settle(d, KSVC_VERDICT_DROP, KSVC_REASON_SOURCE_RANGE, KSVC_RULE_F3);
			return;
		}
	}
	if (unlikely(!d->svc || !d->svc->sets[KSVC_CLUSTER][family].n)) {
		node_port = find_node_port(kn, table, tuple);
		if (node_port) {
			d->svc = node_port;
			class = KSVC_CLASS_NODE_PORT;
		}
	}
	if (!d->svc) {
		match_no_frontend(kn, table, tuple, in, d);
		return;
	}
	d->set = &d->svc->sets[choose_set(kn, tuple, in, class, d)][family];
	if (d->set->n)
		settle(d, KSVC_VERDICT_DNAT, KSVC_REASON_TRANSLATED, d->rule);
	else if (d->svc->sets[KSVC_CLUSTER][family].n)
		settle(d, KSVC_VERDICT_DROP, KSVC_REASON_NO_LOCAL_ENDPOINT, KSVC_RULE_F2);
	else
		settle(d, KSVC_VERDICT_REJECT, KSVC_REASON_NO_ENDPOINT, KSVC_RULE_F1);
}

/* Whether a flow that gets this endpoint also gets the node's address as its
 * source. d is what ksvc_match() says; in points to IFNAMSIZ bytes, or is NULL.
 */
bool ksvc_masquerade(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		     const char *in, const struct ksvc_decision *d,
		     const struct ksvc_endpoint *ep)
{
	const struct ksvc_settings *settings = rcu_dereference(kn->settings);
	bool wanted;

	if (ep->flags & KSVC_ENDPOINT_FLAGS_LOCAL &&
	    nf_inet_addr_cmp(&ep->addr, &tuple->src.u3))
		wanted = true;							/* Q6 */
	else if (d->rule != KSVC_RULE_M1)
		wanted = d->rule == KSVC_RULE_X1 || d->rule == KSVC_RULE_X4;	/* Q4, Q5 */
	else if (settings->masquerade_all)
		wanted = true;							/* Q2 */
	else if (settings->detector[ksvc_family_index(ep->family)])
		wanted = !from_pod(settings, tuple, in);			/* Q1 */
	else
		wanted = false;							/* Q3 */

	/* Q9: delivered here, it never passes POSTROUTING. */
	return wanted && !(in && ksvc_addr_is_local(kn, ep->family, &ep->addr));
}

/* The endpoint of a dnat decision that this very flow gets. With peek, nothing
 * is remembered of it.
 */
const struct ksvc_endpoint *ksvc_choose(const struct ksvc_net *kn,
					const struct ksvc_decision *d,
					const struct nf_conntrack_tuple *tuple, bool peek)
{
	if (d->svc->features.affinity)
		return &d->svc->endpoints[ksvc_affinity_choose(kn, d->svc, d->set, tuple, peek)];
	return &d->svc->endpoints[ksvc_schedule(d->svc, d->set, tuple, peek)];
}

static void choose(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		   const char *in, bool peek, struct ksvc_decision *d)
{
	d->endpoint = ksvc_choose(kn, d, tuple, peek);
	d->masquerade = ksvc_masquerade(kn, tuple, in, d, d->endpoint);
}

/* A TCP segment that opens no connection and belongs to none. No endpoint can
 * know it, but the one that Maglev names on the node that it used to go by.
 */
static void decide_stray(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
			 const char *in, struct ksvc_decision *d)
{
	if (!d->svc || d->reason == KSVC_REASON_SOURCE_RANGE)
		return;
	if (d->verdict == KSVC_VERDICT_DNAT &&
	    d->svc->features.scheduler == KSVC_SCHEDULER_MAGLEV) {
		choose(kn, tuple, in, true, d);		/* A4: no new connection */
		if (!d->masquerade)
			return;
	}
	settle(d, KSVC_VERDICT_RESET, KSVC_REASON_NO_CONNECTION, KSVC_RULE_NONE);
	d->endpoint = NULL;
	d->masquerade = false;
}

void ksvc_decide(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		 const char *in, bool stray, struct ksvc_decision *d)
{
	ksvc_match(kn, tuple, in, d);
	if (unlikely(stray))
		decide_stray(kn, tuple, in, d);
	else if (d->verdict == KSVC_VERDICT_DNAT)
		choose(kn, tuple, in, false, d);
}
