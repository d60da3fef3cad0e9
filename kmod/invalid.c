// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that conntrack calls invalid never reach NAT, so they would go on
 * with an address in them that nobody else knows. Here they are dropped when
 * they belong to a connection through a frontend, which they cannot reset that
 * way, and answered when they belong to none.
 */
#include "ksvc.h"

#include <linux/netfilter_ipv4.h>
#include <linux/skbuff.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "trace.h"

static const struct ksvc_svc *find_service(const struct ksvc_net *kn,
					   const struct nf_conntrack_tuple *tuple)
{
	const struct ksvc_frontend *fe;
	struct ksvc_key key;

	ksvc_key_fill(&key, tuple);
	fe = ksvc_table_find(rcu_dereference(kn->table), &key);
	return fe ? rcu_dereference(fe->svc) : NULL;
}

/* Whether the tuple, of either direction, is that of a connection that a
 * frontend's address was translated for. *svc is that frontend's service, or
 * if there is no connection the one that the tuple itself is for.
 */
static bool find_connection(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
			    const struct ksvc_svc **svc)
{
	struct nf_conntrack_tuple_hash *h;
	struct nf_conn *ct;
	bool translated;

	h = nf_conntrack_find_get(kn->net, &nf_ct_zone_dflt, tuple);
	if (!h) {
		*svc = find_service(kn, tuple);
		return false;
	}
	ct = nf_ct_tuplehash_to_ctrack(h);
	*svc = find_service(kn, &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple);
	translated = *svc && test_bit(IPS_DST_NAT_BIT, &ct->status);
	if (!translated)
		*svc = NULL;
	nf_ct_put(ct);
	return translated;
}

static noinline unsigned int refuse_invalid(const struct ksvc_net *kn, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	struct ksvc_decision d = { .verdict = KSVC_VERDICT_DROP, .reason = KSVC_REASON_INVALID };
	struct nf_conntrack_tuple tuple;
	struct tcphdr buf;
	const struct tcphdr *th;

	if (!nf_ct_get_tuplepr(skb, skb_network_offset(skb), state->pf, state->net, &tuple))
		return NF_ACCEPT;
	if (!find_connection(kn, &tuple, &d.svc)) {
		if (!d.svc || tuple.dst.protonum != IPPROTO_TCP)
			return NF_ACCEPT;
		th = ksvc_tcp_header(skb, state->pf, &buf);
		if (!th || th->rst)
			return NF_ACCEPT;
		d.verdict = KSVC_VERDICT_RESET;
		d.reason = KSVC_REASON_NO_CONNECTION;
	}
	this_cpu_inc(kn->counters->reason[d.reason]);
	trace_ksvc_verdict(state->net, &tuple, &d);
	return ksvc_refuse(skb, state, d.verdict);
}

static unsigned int ksvc_invalid(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (likely(skb->_nfct))
		return NF_ACCEPT;
	return refuse_invalid(ksvc_net(state->net), skb, state);
}

static const struct nf_hook_ops ksvc_invalid_hooks[] = {
	{
		.hook		= ksvc_invalid,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP_PRI_CONNTRACK + 1,
	}, {
		.hook		= ksvc_invalid,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_LOCAL_OUT,
		.priority	= NF_IP_PRI_CONNTRACK + 1,
	},
};

int ksvc_invalid_register(struct ksvc_net *kn)
{
	return nf_register_net_hooks(kn->net, ksvc_invalid_hooks, ARRAY_SIZE(ksvc_invalid_hooks));
}

void ksvc_invalid_unregister(struct ksvc_net *kn)
{
	nf_unregister_net_hooks(kn->net, ksvc_invalid_hooks, ARRAY_SIZE(ksvc_invalid_hooks));
}
