// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks: clients of the kernel's NAT dispatcher, which calls them for the
 * first packet of a connection only, until one has translated it: before the
 * other clients to translate, after them to refuse what nobody wanted, and once
 * after routing. The decision falls before routing. That the source is to be
 * rewritten as well is left in the connection's NAT extension for the hook after
 * routing, in the field where nf_nat_masquerade_*() keeps the interface: no
 * second lookup, and a change of the tables between the two hooks cannot tear a
 * decision apart.
 */
#include "ksvc.h"

#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter_ipv4.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_helper.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_nat.h>
#include <net/netfilter/nf_nat_masquerade.h>
#include <net/route.h>

#include "trace.h"

/* No interface has this index. */
#define KSVC_MASQUERADE_WANTED	INT_MIN

static hsiphash_key_t flow_key __read_mostly;	/* set with the first hooks */

/* A keyed hash of the original tuple instead of a random number: as even, as
 * unpredictable, and two first packets of one UDP flow on two CPUs agree, so
 * that conntrack can merge their entries (nf_ct_resolve_clash()).
 */
u32 ksvc_flow_hash(const struct nf_conntrack_tuple *tuple)
{
	u32 ports = (__force u32)tuple->src.u.all << 16 | (__force u32)tuple->dst.u.all;

	if (tuple->src.l3num == NFPROTO_IPV4)
		return hsiphash_4u32((__force u32)tuple->src.u3.ip, (__force u32)tuple->dst.u3.ip,
				     ports, tuple->dst.protonum, &flow_key);
	return hsiphash(tuple, sizeof(*tuple), &flow_key);
}

/* Of the client alone. */
u32 ksvc_client_hash(const struct nf_conntrack_tuple *tuple)
{
	return hsiphash(&tuple->src.u3, sizeof(tuple->src.u3), &flow_key);
}

/* Whether the loopback interface has the address, and not only a prefix around it,
 * which is enough for the kernel to take it for its own.
 */
bool ksvc_addr_is_on_lo(const struct ksvc_net *kn, __be32 addr)
{
	const struct in_device *in_dev = __in_dev_get_rcu(kn->net->loopback_dev);
	const struct in_ifaddr *ifa;

	if (!in_dev)
		return false;
	in_dev_for_each_ifa_rcu(ifa, in_dev)
		if (ifa->ifa_local == addr)
			return true;
	return false;
}

bool ksvc_addr_is_local(const struct ksvc_net *kn, u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return ipv6_mod_enabled() && ipv6_chk_addr(kn->net, &addr->in6, NULL, 0);
	return inet_addr_type(kn->net, addr->ip) == RTN_LOCAL;
}

/* The header of a TCP packet, in buf if it is not linear; NULL if truncated. */
const struct tcphdr *ksvc_tcp_header(const struct sk_buff *skb, u8 family, struct tcphdr *buf)
{
	int offset;

	if (family == NFPROTO_IPV6) {
		u8 nexthdr = ipv6_hdr(skb)->nexthdr;
		__be16 frag;

		offset = ipv6_skip_exthdr(skb, skb_network_offset(skb) + sizeof(struct ipv6hdr),
					  &nexthdr, &frag);
	} else {
		offset = skb_network_offset(skb) + ip_hdrlen(skb);
	}
	return offset < 0 ? NULL : skb_header_pointer(skb, offset, sizeof(*buf), buf);
}

/* Whether a TCP segment of no known connection is one that opens one. */
static bool opens_connection(const struct sk_buff *skb, u8 family)
{
	struct tcphdr buf;
	const struct tcphdr *th = ksvc_tcp_header(skb, family, &buf);

	return th && th->syn && !th->ack && !th->rst && !th->fin;
}

/* What nf_nat_setup_info() comes to for one address with one port: nothing has
 * to be searched, and of the reply's tuple only the source changes. Going
 * through a range takes 700 instructions more.
 */
static unsigned int translate(struct nf_conn *ct, const struct ksvc_decision *d)
{
	struct nf_conntrack_tuple reply = ct->tuplehash[IP_CT_DIR_REPLY].tuple;

	if (d->masquerade) {
		struct nf_conn_nat *nat = nf_ct_nat_ext_add(ct);

		if (!nat)
			return NF_DROP;
		nat->masq_index = KSVC_MASQUERADE_WANTED;
	}
	if (nfct_help(ct) && !nfct_seqadj(ct) && !nfct_seqadj_ext_add(ct))
		return NF_DROP;

	reply.src.u3 = d->endpoint->addr;
	reply.src.u.all = d->endpoint->port;
	nf_conntrack_alter_reply(ct, &reply);
	/* Not atomic: nobody else has seen the connection yet. */
	ct->status |= IPS_DST_NAT | IPS_DST_NAT_DONE;

	this_cpu_inc(*d->svc->connections);
	this_cpu_inc(*d->endpoint->connections);
	if (d->svc->features.scheduler == KSVC_SCHEDULER_LC)
		ksvc_load_track(ct, d->svc, d->endpoint);
	return NF_ACCEPT;
}

static void record(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		   const struct ksvc_decision *d)
{
	this_cpu_inc(kn->counters->reason[d->reason]);
	trace_ksvc_verdict(kn->net, tuple, d);
}

/* Of the first packet of a connection. What is refused for another reason than its
 * source (F3) may be somebody else's: only the last of all clients says no (F12).
 */
static unsigned int before_routing(const struct ksvc_net *kn, struct sk_buff *skb,
				   const struct nf_hook_state *state, const char *in, bool last)
{
	const struct nf_conntrack_tuple *tuple;
	enum ip_conntrack_info ctinfo;
	unsigned int ret = NF_ACCEPT;
	struct ksvc_decision d;
	struct nf_conn *ct;

	/* Not the RST that refuses a packet, nor what an expectation foresaw. */
	ct = nf_ct_get(skb, &ctinfo);
	if (ctinfo != IP_CT_NEW)
		return NF_ACCEPT;

	tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	ksvc_decide(kn, tuple, in, tuple->dst.protonum == IPPROTO_TCP &&
		    !opens_connection(skb, state->pf), &d);
	switch (d.verdict) {
	case KSVC_VERDICT_NONE:
		if (last)
			return NF_ACCEPT;
		break;
	case KSVC_VERDICT_DNAT:
		/* Older than the hooks, and too late: left to the sweep. */
		if (unlikely(nf_ct_is_confirmed(ct)))
			return NF_ACCEPT;
		ret = translate(ct, &d);
		if (ret != NF_ACCEPT) {
			d.verdict = KSVC_VERDICT_DROP;
			d.reason = KSVC_REASON_NAT_FAILED;
		}
		break;
	case KSVC_VERDICT_LOCAL:
		ret = ksvc_echo(ct, skb, state);
		break;
	default:
		if (!last && d.reason != KSVC_REASON_SOURCE_RANGE)
			return NF_ACCEPT;
		record(kn, tuple, &d);
		return ksvc_refuse(skb, state, d.verdict);
	}
	record(kn, tuple, &d);
	return ret;
}

static unsigned int ksvc_prerouting(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	return before_routing(priv, skb, state, state->in->name, false);
}

static unsigned int ksvc_prerouting_last(void *priv, struct sk_buff *skb,
					 const struct nf_hook_state *state)
{
	return before_routing(priv, skb, state, state->in->name, true);
}

static unsigned int ksvc_output(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	return before_routing(priv, skb, state, NULL, false);
}

static unsigned int ksvc_output_last(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	return before_routing(priv, skb, state, NULL, true);
}

static unsigned int ksvc_postrouting(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY };
	struct ksvc_net *kn = priv;
	enum ip_conntrack_info ctinfo;
	struct nf_conn_nat *nat;
	struct nf_conn *ct;
	unsigned int ret;

	ct = nf_ct_get(skb, &ctinfo);
	nat = nfct_nat(ct);
	if (likely(!nat || nat->masq_index != KSVC_MASQUERADE_WANTED))
		return NF_ACCEPT;

	nat->masq_index = 0;
	/* Not by the hash that has chosen the endpoint: each would have a part of the ports. */
	if (ksvc_ports_avoid(kn, get_random_u32(), &range.min_proto.all, &range.max_proto.all))
		range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	if (state->pf == NFPROTO_IPV6)
		ret = nf_nat_masquerade_ipv6(skb, &range, state->out);
	else
		ret = nf_nat_masquerade_ipv4(skb, state->hook, &range, state->out);
	if (ret == NF_ACCEPT)
		this_cpu_inc(kn->counters->masqueraded);
	else
		this_cpu_inc(kn->counters->reason[KSVC_REASON_NAT_FAILED]);
	return ret;
}

static const struct nf_hook_ops ksvc_hooks[KSVC_HOOKS] = {
	{
		/* Before all others, and there for longer than those before routing: what
		 * they leave in a connection must not stay there.
		 */
		.hook		= ksvc_postrouting,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_POST_ROUTING,
		.priority	= INT_MIN,
	}, {
		.hook		= ksvc_prerouting,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP_PRI_NAT_DST - 1,
	}, {
		.hook		= ksvc_prerouting_last,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= INT_MAX,
	}, {
		.hook		= ksvc_output,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_LOCAL_OUT,
		.priority	= NF_IP_PRI_NAT_DST - 1,
	}, {
		.hook		= ksvc_output_last,
		.pf		= NFPROTO_INET,
		.hooknum	= NF_INET_LOCAL_OUT,
		.priority	= INT_MAX,
	},
};

/* Packets may run through the hooks before this returns. Undone by
 * ksvc_nat_unregister(), after which a grace period must pass before kn goes.
 */
int ksvc_nat_register(struct ksvc_net *kn)
{
	int err, i;

	get_random_once(&flow_key, sizeof(flow_key));

	err = nf_ct_netns_get(kn->net, NFPROTO_INET);
	if (err)
		return err;
	for (i = 0; i < KSVC_HOOKS; i++) {
		kn->hooks[i] = ksvc_hooks[i];
		kn->hooks[i].priv = kn;
		err = nf_nat_inet_register_fn(kn->net, &kn->hooks[i]);
		if (err)
			goto unregister;
	}
	err = ksvc_invalid_register(kn);
	if (err)
		goto unregister;
	return 0;

unregister:
	while (i--)
		nf_nat_inet_unregister_fn(kn->net, &kn->hooks[i]);
	nf_ct_netns_put(kn->net, NFPROTO_INET);
	return err;
}

void ksvc_nat_unregister(struct ksvc_net *kn)
{
	int i;

	ksvc_invalid_unregister(kn);
	for (i = KSVC_HOOKS; i--; )
		nf_nat_inet_unregister_fn(kn->net, &kn->hooks[i]);
	nf_ct_netns_put(kn->net, NFPROTO_INET);
}
