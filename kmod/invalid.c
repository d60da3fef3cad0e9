// SPDX-License-Identifier: GPL-2.0
/*
 * Packets without a connection never reach NAT. Those that conntrack calls
 * invalid would go on with an address in them that nobody else knows: they are
 * dropped when they belong to a connection through a frontend, which they cannot
 * reset that way, and answered when they belong to none. Those that rules take
 * out of conntrack (notrack) are not for services, but F13 holds for them, too.
 */
#include "ksvc.h"

#include <linux/netfilter_ipv4.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/route.h>

#include "trace.h"

static bool is_frontend(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple)
{
	const struct ksvc_table *table = rcu_dereference(kn->table);
	struct ksvc_key key;

	ksvc_key_fill(&key, tuple);
	if (ksvc_table_find(table, &key))
		return true;
	if (!ksvc_addr_is_local(kn, key.family, &tuple->dst.u3))
		return false;
	memset(&key.addr, 0, sizeof(key.addr));
	return ksvc_table_find(table, &key);
}

/* Whether the tuple, of either direction, is that of a connection; *ours, of
 * one to a frontend whose destination was translated.
 */
static bool find_connection(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
			    bool *ours)
{
	struct nf_conntrack_tuple_hash *h;
	struct nf_conn *ct;

	*ours = false;
	h = nf_conntrack_find_get(kn->net, &nf_ct_zone_dflt, tuple);
	if (!h)
		return false;
	ct = nf_ct_tuplehash_to_ctrack(h);
	*ours = test_bit(IPS_DST_NAT_BIT, &ct->status) &&
		is_frontend(kn, &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple);
	nf_ct_put(ct);
	return true;
}

static bool is_forwarded(const struct ksvc_net *kn, const struct nf_hook_state *state,
			 const union nf_inet_addr *to)
{
	if (!state->in)
		return false;
	if (state->pf == NFPROTO_IPV6)
		return !ipv6_addr_is_multicast(&to->in6) && !ksvc_addr_is_local(kn, state->pf, to);
	return inet_addr_type(kn->net, to->ip) == RTN_UNICAST;
}

/* F14 */
static bool drops_all(const struct ksvc_net *kn, const struct nf_hook_state *state,
		      const struct nf_conntrack_tuple *tuple)
{
	return rcu_dereference(kn->settings)->drop_invalid &&
	       !nf_tcp_pernet(kn->net)->tcp_be_liberal && is_forwarded(kn, state, &tuple->dst.u3);
}

static bool is_reset(const struct sk_buff *skb, u8 family)
{
	struct tcphdr buf;
	const struct tcphdr *th = ksvc_tcp_header(skb, family, &buf);

	return !th || th->rst;
}

/* What conntrack finds no connection for, and nobody told it not to look. */
static void decide_invalid(const struct ksvc_net *kn, const struct sk_buff *skb,
			   const struct nf_hook_state *state,
			   const struct nf_conntrack_tuple *tuple, struct ksvc_decision *d)
{
	const char *in = state->in ? state->in->name : NULL;
	bool ours;

	if (!find_connection(kn, tuple, &ours) && tuple->dst.protonum == IPPROTO_TCP &&
	    !is_reset(skb, state->pf))
		ksvc_decide(kn, tuple, in, true, d);
	if (d->verdict == KSVC_VERDICT_DNAT) {
		/* Maglev knows where to, but without conntrack nothing goes there. */
		d->verdict = KSVC_VERDICT_RESET;
		d->reason = KSVC_REASON_NO_CONNECTION;
	} else if (d->verdict != KSVC_VERDICT_RESET && d->reason != KSVC_REASON_SOURCE_RANGE) {
		d->verdict = KSVC_VERDICT_NONE;
		if (ours || drops_all(kn, state, tuple)) {
			d->verdict = KSVC_VERDICT_DROP;
			d->reason = KSVC_REASON_INVALID;
		}
	}
}

static noinline unsigned int refuse_untracked(const struct ksvc_net *kn, struct sk_buff *skb,
					      const struct nf_hook_state *state)
{
	struct nf_conntrack_tuple tuple;
	struct ksvc_decision d = {};

	if (skb->_nfct && !rcu_dereference(kn->settings)->localhost_nodeports)
		return NF_ACCEPT;
	if (!nf_ct_get_tuplepr(skb, skb_network_offset(skb), state->pf, state->net, &tuple))
		return NF_ACCEPT;
	if (!skb->_nfct)
		decide_invalid(kn, skb, state, &tuple, &d);
	if (d.verdict == KSVC_VERDICT_NONE && ksvc_enters_loopback(kn, &tuple)) {
		d.verdict = KSVC_VERDICT_DROP;
		d.reason = KSVC_REASON_LOCALHOST;
		d.rule = KSVC_RULE_F13;
	}
	if (d.verdict == KSVC_VERDICT_NONE)
		return NF_ACCEPT;
	this_cpu_inc(kn->counters->reason[d.reason]);
	trace_ksvc_verdict(state->net, &tuple, &d);
	return ksvc_refuse(skb, state, d.verdict);
}

static unsigned int ksvc_invalid(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (likely(skb_nfct(skb)))
		return NF_ACCEPT;
	return refuse_untracked(ksvc_net(state->net), skb, state);
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
