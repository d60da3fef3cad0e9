// SPDX-License-Identifier: GPL-2.0
/* Netlink's explain: the decision for a flow that somebody describes. */
#include "netlink.h"

#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/genetlink.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>

#include "netlink_gen.h"

struct flow {
	struct nf_conntrack_tuple tuple;
	const char *in;			/* IFNAMSIZ bytes, or NULL: made here */
	char name[IFNAMSIZ];
};

static int parse_tuple(struct nlattr **tb, struct nf_conntrack_tuple *tuple,
		       struct netlink_ext_ack *extack)
{
	u8 family, family_to;
	int err;

	memset(tuple, 0, sizeof(*tuple));
	err = ksvc_nl_parse_addr(tb[KSVC_A_EXPLAIN_FROM_ADDR4], tb[KSVC_A_EXPLAIN_FROM_ADDR6],
				 &tuple->src.u3, &family, extack) ?:
	      ksvc_nl_parse_addr(tb[KSVC_A_EXPLAIN_TO_ADDR4], tb[KSVC_A_EXPLAIN_TO_ADDR6],
				 &tuple->dst.u3, &family_to, extack);
	if (err)
		return err;
	if (family != family_to) {
		NL_SET_ERR_MSG(extack, "from and to are of different families");
		return -EINVAL;
	}
	if (!tb[KSVC_A_EXPLAIN_TO_PORT] || !tb[KSVC_A_EXPLAIN_PROTOCOL]) {
		NL_SET_ERR_MSG(extack, "port and protocol are needed");
		return -EINVAL;
	}
	tuple->src.l3num = family;
	tuple->dst.u.all = nla_get_be16(tb[KSVC_A_EXPLAIN_TO_PORT]);
	tuple->dst.protonum = nla_get_u8(tb[KSVC_A_EXPLAIN_PROTOCOL]);
	if (tb[KSVC_A_EXPLAIN_FROM_PORT])
		tuple->src.u.all = nla_get_be16(tb[KSVC_A_EXPLAIN_FROM_PORT]);
	return 0;
}

static struct dst_entry *route_to(struct net *net, u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6) {
		struct flowi6 fl6 = { .daddr = addr->in6 };

		if (!ipv6_mod_enabled())
			return ERR_PTR(-EAFNOSUPPORT);
		return ip6_route_output(net, NULL, &fl6);
	} else {
		struct flowi4 fl4 = { .daddr = addr->ip };
		struct rtable *rt = ip_route_output_key(net, &fl4);

		return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
	}
}

/* Where packets from an address would come from: where those to it go. */
static void guess_interface(const struct ksvc_net *kn, struct flow *flow)
{
	struct dst_entry *dst;

	if (ksvc_addr_is_local(kn, flow->tuple.src.l3num, &flow->tuple.src.u3))
		return;
	flow->in = flow->name;
	dst = route_to(kn->net, flow->tuple.src.l3num, &flow->tuple.src.u3);
	if (IS_ERR(dst))
		return;
	if (!dst->error)
		strscpy(flow->name, dst->dev->name, sizeof(flow->name));
	dst_release(dst);
}

static int parse_interface(const struct ksvc_net *kn, const struct nlattr *attr,
			   struct flow *flow, struct netlink_ext_ack *extack)
{
	memset(flow->name, 0, sizeof(flow->name));
	flow->in = NULL;
	if (!attr) {
		guess_interface(kn, flow);
		return 0;
	}
	flow->in = flow->name;
	nla_strscpy(flow->name, attr, sizeof(flow->name));
	if (strlen(flow->name) + 1 == nla_len(attr) &&
	    dev_get_by_name_rcu(kn->net, flow->name))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "no such interface");
	return -ENODEV;
}

static int put_choice(struct sk_buff *skb, const struct ksvc_net *kn, const struct flow *flow,
		      const struct ksvc_decision *d, const struct ksvc_endpoint *ep, bool chosen)
{
	bool masquerade = ksvc_masquerade(kn, &flow->tuple, flow->in, d, ep);
	struct nlattr *nest = nla_nest_start(skb, KSVC_A_EXPLAIN_ENDPOINT);

	if (!nest)
		return -EMSGSIZE;
	if (ksvc_nl_put_addr(skb, KSVC_A_CHOICE_ADDR4, KSVC_A_CHOICE_ADDR6, ep->family,
			     &ep->addr) ||
	    nla_put_be16(skb, KSVC_A_CHOICE_PORT, ep->port) ||
	    nla_put_u32(skb, KSVC_A_CHOICE_WEIGHT, ep->weight) ||
	    (masquerade && nla_put_flag(skb, KSVC_A_CHOICE_MASQUERADE)) ||
	    (chosen && nla_put_flag(skb, KSVC_A_CHOICE_CHOSEN))) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/* One message, from choice *pos on. Returns 0, or -EMSGSIZE if nothing fit. */
static int put_answer(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct ksvc_net *kn, const struct flow *flow,
		      const struct ksvc_decision *d, long *pos)
{
	const struct ksvc_endpoint *chosen = NULL;
	long first = *pos;
	void *head;
	int err = 0;

	head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &ksvc_nl_family, NLM_F_MULTI, KSVC_CMD_EXPLAIN);
	if (!head)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, head);
	if (!first &&
	    (nla_put_u32(skb, KSVC_A_EXPLAIN_VERDICT, d->verdict) ||
	     nla_put_u32(skb, KSVC_A_EXPLAIN_REASON, d->reason) ||
	     nla_put_u32(skb, KSVC_A_EXPLAIN_RULE, d->rule) ||
	     (d->svc && nla_put_string(skb, KSVC_A_EXPLAIN_SERVICE, d->svc->ident->name))))
		goto cancel;
	/* What the node's secret says, or remembers of a client, is its administrator's. */
	if (flow->tuple.src.u.all && d->verdict == KSVC_VERDICT_DNAT &&
	    netlink_capable(cb->skb, CAP_NET_ADMIN))
		chosen = ksvc_choose(kn, d, &flow->tuple, true);
	for (; d->verdict == KSVC_VERDICT_DNAT && *pos < d->set->n && !err; *pos += !err) {
		const struct ksvc_endpoint *ep = &d->svc->endpoints[d->set->first + *pos];

		err = put_choice(skb, kn, flow, d, ep, ep == chosen);
	}
	if (err && *pos == first)
		goto cancel;
	genlmsg_end(skb, head);
	return 0;

cancel:
	genlmsg_cancel(skb, head);
	return -EMSGSIZE;
}

static bool finished(const struct ksvc_decision *d, long pos)
{
	return d->verdict != KSVC_VERDICT_DNAT || pos >= d->set->n;
}

/* The cursor is the number of endpoints sent in cb->args[0]; cb->args[1] is
 * set when all were.
 */
int ksvc_nl_explain_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ksvc_net *kn = ksvc_net(sock_net(cb->skb->sk));
	struct nlattr **tb = ksvc_dump_attrs(cb);
	struct ksvc_decision d = {};
	struct flow flow;
	int err;

	if (cb->args[1])
		return 0;
	err = ksvc_nl_once_top(cb->nlh, 0, cb->extack) ?:
	      parse_tuple(tb, &flow.tuple, cb->extack);
	if (err)
		return err;
	mutex_lock(&kn->mutex);
	cb->seq = (u32)kn->generation ?: 1;
	rcu_read_lock();
	err = parse_interface(kn, tb[KSVC_A_EXPLAIN_IN_INTERFACE], &flow, cb->extack);
	if (err)
		goto unlock;
	if (kn->active)
		ksvc_match(kn, &flow.tuple, flow.in, &d);
	do
		err = put_answer(skb, cb, kn, &flow, &d, &cb->args[0]);
	while (!err && !finished(&d, cb->args[0]));
	cb->args[1] = !err;
	if (skb->len)
		err = skb->len;
unlock:
	rcu_read_unlock();
	mutex_unlock(&kn->mutex);
	return err;
}
