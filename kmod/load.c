// SPDX-License-Identifier: GPL-2.0
/*
 * How many connections of a service with the scheduler lc are alive. Conntrack
 * tells its helpers about each packet of their connections and about the end,
 * so ksvc is the helper of those that have no other.
 */
#include "ksvc.h"

#include <linux/module.h>
#include <linux/xarray.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_helper.h>

/* What a connection knows of its endpoint, which may be gone before it. */
struct tracked {
	u32 id;			/* the service's */
	u32 slot, born;		/* the endpoint's */
	u32 counted;
};

static void untrack(struct nf_conn *ct)
{
	struct tracked *t = nfct_help_data(ct);
	struct ksvc_net *kn = ksvc_net(nf_ct_net(ct));
	const struct ksvc_endpoint *ep = NULL;
	const struct ksvc_ident *ident;
	const struct ksvc_svc *svc;
	struct ksvc_load *load;

	if (!xchg(&t->counted, 0))
		return;
	rcu_read_lock();
	if (READ_ONCE(kn->gone))
		goto unlock;
	ident = xa_load(&kn->services, t->id);
	svc = ident ? READ_ONCE(ident->svc) : NULL;
	if (svc)
		ep = ksvc_svc_by_slot(svc, t->slot, t->born);
	load = ep ? ksvc_slot(svc, ep)->load : NULL;
	if (load)
		atomic_dec_if_positive(&load->active);	/* lc may have begun since */
unlock:
	rcu_read_unlock();
}

/* A TCP connection that is being closed is no load any more, though conntrack
 * remembers it for minutes.
 */
static int see_packet(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
		      enum ip_conntrack_info ctinfo)
{
	if (nf_ct_protonum(ct) == IPPROTO_TCP &&
	    READ_ONCE(ct->proto.tcp.state) >= TCP_CONNTRACK_FIN_WAIT &&
	    READ_ONCE(ct->proto.tcp.state) <= TCP_CONNTRACK_CLOSE)
		untrack(ct);
	return NF_ACCEPT;
}

static const struct nf_conntrack_expect_policy no_expectations = {
	.max_expected = 0,
};

static struct nf_conntrack_helper template;
static struct nf_conntrack_helper *helper __read_mostly;	/* NULL while unloading */

/* A connection that nobody else has seen yet goes to ep. */
void ksvc_load_track(struct nf_conn *ct, const struct ksvc_svc *svc,
		     const struct ksvc_endpoint *ep)
{
	struct nf_conntrack_helper *h = READ_ONCE(helper);
	const struct ksvc_slot *slot = ksvc_slot(svc, ep);
	struct nf_conn_help *help;
	struct tracked *t;

	if (!h || nfct_help(ct))
		return;
	help = nf_ct_helper_ext_add(ct, GFP_ATOMIC);
	if (!help || !ksvc_helper_get(h))
		return;
	t = nfct_help_data(ct);
	t->id = svc->ident->id;
	t->slot = slot->slot;
	t->born = slot->born;
	t->counted = 1;
	atomic_inc(&slot->load->active);
	rcu_assign_pointer(help->helper, h);
}

int ksvc_load_init(void)
{
	ksvc_helper_init(&template, AF_INET, IPPROTO_TCP, "ksvc", &no_expectations, 0, see_packet,
			 NULL, THIS_MODULE);
	template.destroy = untrack;
	return ksvc_helper_register(&template, &helper);
}

/* Before the namespaces' instances go. Connections may hold on to the helper,
 * but will not call it any more.
 */
void ksvc_load_exit(void)
{
	struct nf_conntrack_helper *h = helper;

	WRITE_ONCE(helper, NULL);
	WRITE_ONCE(h->destroy, NULL);
	synchronize_rcu();
	nf_conntrack_helper_unregister(h);
}
