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
	u32 stage;
};

enum { NEW, COUNTED, OVER };

/* NULL if the kernel has called off the extensions of unconfirmed entries, as those
 * with nf_ct_ext_bump_genid() do at any time.
 */
static struct tracked *tracked_of(const struct nf_conn *ct)
{
	struct nf_conn_help *help = nfct_help(ct);

	return help ? (struct tracked *)help->data : NULL;
}

/* Under RCU. NULL if the endpoint is gone, or lc is. */
static struct ksvc_load *load_of(const struct nf_conn *ct, const struct tracked *t)
{
	struct ksvc_net *kn = ksvc_net(nf_ct_net(ct));
	const struct ksvc_endpoint *ep = NULL;
	const struct ksvc_ident *ident;
	const struct ksvc_svc *svc;

	if (READ_ONCE(kn->gone))
		return NULL;
	ident = xa_load(&kn->services, t->id);
	svc = ident ? READ_ONCE(ident->svc) : NULL;
	if (svc)
		ep = ksvc_svc_by_slot(svc, t->slot, t->born);
	return ep ? ksvc_slot(svc, ep)->load : NULL;
}

/* Conntrack tells nobody of an entry that it frees before it is in its table: of
 * a packet that was dropped on its way through the node, or that another one has
 * forestalled there. So a connection counts from its second packet on.
 */
static void track(const struct nf_conn *ct, struct tracked *t)
{
	struct ksvc_load *load;

	if (!nf_ct_is_confirmed(ct))
		return;
	load = load_of(ct, t);
	if (load)
		atomic_inc(&load->active);
	if (cmpxchg(&t->stage, NEW, load ? COUNTED : OVER) != NEW && load)
		atomic_dec_if_positive(&load->active);
}

static void untrack(struct nf_conn *ct)
{
	struct tracked *t = tracked_of(ct);
	struct ksvc_load *load;

	if (!t || xchg(&t->stage, OVER) != COUNTED)
		return;
	rcu_read_lock();
	load = load_of(ct, t);
	if (load)
		atomic_dec_if_positive(&load->active);	/* lc may have begun since */
	rcu_read_unlock();
}

/* A TCP connection that is being closed is no load any more, though conntrack
 * remembers it for minutes.
 */
static int see_packet(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
		      enum ip_conntrack_info ctinfo)
{
	struct tracked *t = tracked_of(ct);

	if (nf_ct_protonum(ct) == IPPROTO_TCP &&
	    READ_ONCE(ct->proto.tcp.state) >= TCP_CONNTRACK_FIN_WAIT &&
	    READ_ONCE(ct->proto.tcp.state) <= TCP_CONNTRACK_CLOSE)
		untrack(ct);
	else if (t && READ_ONCE(t->stage) == NEW)
		track(ct, t);
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
	t = (struct tracked *)help->data;
	t->id = svc->ident->id;
	t->slot = slot->slot;
	t->born = slot->born;
	t->stage = NEW;
	rcu_assign_pointer(help->helper, h);
}

int ksvc_load_init(void)
{
	ksvc_helper_init(&template, AF_INET, IPPROTO_TCP, "ksvc", &no_expectations, 0, see_packet,
			 NULL, THIS_MODULE);
	template.destroy = untrack;
	return ksvc_helper_register(&template, &helper);
}

static int ignore_packet(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
			 enum ip_conntrack_info ctinfo)
{
	return NF_ACCEPT;
}

/* Before the namespaces' instances go, to which no packet leads any more then. */
void ksvc_load_exit(void)
{
	struct nf_conntrack_helper *h = helper;

	WRITE_ONCE(helper, NULL);
	WRITE_ONCE(h->destroy, NULL);
	WRITE_ONCE(h->help, ignore_packet);
	synchronize_rcu();
	nf_conntrack_helper_unregister(h);
}

static int forget(struct nf_conn *ct, void *data)
{
	struct nf_conn_help *help = nfct_help(ct);

	if (help && rcu_access_pointer(help->helper) == &template)
		RCU_INIT_POINTER(help->helper, NULL);
	return 0;
}

/* After the hooks have gone: what was in a queue of userspace's while the helper was
 * unregistered may have come out of it since.
 */
void ksvc_load_forget(void)
{
	ksvc_helper_forget(forget);
}
