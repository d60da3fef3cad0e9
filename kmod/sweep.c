// SPDX-License-Identifier: GPL-2.0
/*
 * Conntrack entries that a change of services leaves behind: passes in the
 * background over the namespace's entries, C1 to C6 of docs/design.md and what
 * goes beyond them. Each judges by what is in force when it comes to an entry.
 */
#include "ksvc.h"

#include <linux/workqueue.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>

/* What kernels from 6.3 on give an SCTP association without packets; before, it
 * is five days.
 */
#define SCTP_TIMEOUT	(210 * HZ)
#define SCTP_AGAIN	(60 * HZ)

/* Unbound, as a pass over a large table would keep other work off its CPU. */
static struct workqueue_struct *sweeps;

struct pass {
	struct ksvc_net *kn;
	bool again;
};

static bool serves(const struct ksvc_endpoint *ep)
{
	return !(ep->flags & KSVC_ENDPOINT_FLAGS_NOT_SERVING);
}

/* The service that an entry's first packet was for. A node port of UDP is one at
 * whatever address (C3, C4), also at one whose own service has no endpoint (M4);
 * other connections to elsewhere are somebody else's.
 */
static const struct ksvc_svc *service_of(const struct ksvc_net *kn,
					 const struct nf_conntrack_tuple *tuple)
{
	const struct ksvc_table *table = rcu_dereference(kn->table);
	const struct ksvc_svc *svc = NULL;
	const struct ksvc_frontend *fe;
	struct ksvc_key key;

	ksvc_key_fill(&key, tuple);
	fe = ksvc_table_find(table, &key);
	if (fe) {
		svc = rcu_dereference(fe->svc);
		if (key.protocol != IPPROTO_UDP || svc->serves[ksvc_family_index(key.family)])
			return svc;
	}
	memset(&key.addr, 0, sizeof(key.addr));
	fe = ksvc_table_find(table, &key);
	if (!fe)
		return svc;
	if (key.protocol != IPPROTO_UDP && !ksvc_addr_is_local(kn, key.family, &tuple->dst.u3))
		return NULL;
	return rcu_dereference(fe->svc);
}

static bool goes_to_endpoint(const struct ksvc_svc *svc, const struct nf_conn *ct)
{
	const struct nf_conntrack_tuple *reply = &ct->tuplehash[IP_CT_DIR_REPLY].tuple;
	const struct ksvc_endpoint key = {
		.addr = reply->src.u3,
		.port = reply->src.u.all,
		.family = reply->src.l3num,
	};
	const struct ksvc_endpoint *ep = ksvc_svc_find(svc, &key);

	return ep && (serves(ep) || nf_ct_protonum(ct) != IPPROTO_UDP);
}

static void shorten(struct nf_conn *ct, struct pass *pass)
{
	u32 limit = nfct_time_stamp + SCTP_TIMEOUT;

	if ((s32)(READ_ONCE(ct->timeout) - limit) > 0)
		WRITE_ONCE(ct->timeout, limit);
	pass->again = true;
}

/* Without a translation it was there before its VIP, and a client that tries
 * again from the same port would be stuck with it. Somebody who answers may
 * well own the address, so TCP and SCTP connections with replies stay. UDP has
 * no such notion of a connection.
 */
static bool is_shadowing(const struct nf_conn *ct, const struct ksvc_svc *svc)
{
	if (nf_ct_protonum(ct) == IPPROTO_UDP)
		return svc->serves[ksvc_family_index(nf_ct_l3num(ct))];	/* C5 */
	return !(ct->status & IPS_SEEN_REPLY);
}

static bool is_obsolete(struct nf_conn *ct, const struct ksvc_svc *svc, struct pass *pass)
{
	if (!(ct->status & IPS_DST_NAT))
		return is_shadowing(ct, svc);
	if (goes_to_endpoint(svc, ct))
		return false;
	switch (nf_ct_protonum(ct)) {
	case IPPROTO_UDP:
		return svc->serves[ksvc_family_index(nf_ct_l3num(ct))];	/* C5 */
	case IPPROTO_SCTP:
		shorten(ct, pass);
		return false;
	default:
		return svc->features.flags & KSVC_SERVICE_FLAGS_RESET;
	}
}

static void count(struct ksvc_swept *swept, u8 family)
{
	if (family == NFPROTO_IPV4)
		WRITE_ONCE(swept->v4, swept->v4 + 1);
	else
		WRITE_ONCE(swept->v6, swept->v6 + 1);
}

static int judge(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;
	const struct ksvc_svc *svc;
	int ret;

	rcu_read_lock();
	svc = service_of(pass->kn, &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple);
	ret = svc && is_obsolete(ct, svc, pass);
	rcu_read_unlock();
	if (ret)
		count(&pass->kn->swept, nf_ct_l3num(ct));
	return ret;
}

static void sweep(struct work_struct *work)
{
	struct ksvc_net *kn = container_of(to_delayed_work(work), struct ksvc_net, sweep);
	struct pass pass = { .kn = kn };
	struct nf_ct_iter_data iter = { .net = kn->net, .data = &pass };
	u64 start;

	/* Packets that looked before the frontend was there have their entries
	 * after that.
	 */
	synchronize_rcu();
	start = ktime_get_ns();
	nf_ct_iterate_cleanup_net(judge, &iter);
	WRITE_ONCE(kn->swept.time, kn->swept.time + ktime_get_ns() - start);
	WRITE_ONCE(kn->swept.passes, kn->swept.passes + 1);
	if (pass.again)
		queue_delayed_work(sweeps, &kn->sweep, SCTP_AGAIN);
}

/* One pass in the background, soon, whatever is in force by then. Calls before
 * it starts are served by it, one while it runs by another.
 */
void ksvc_sweep(struct ksvc_net *kn)
{
	mod_delayed_work(sweeps, &kn->sweep, 0);
}

void ksvc_sweep_init(struct ksvc_net *kn)
{
	INIT_DELAYED_WORK(&kn->sweep, sweep);
}

void ksvc_sweep_exit(struct ksvc_net *kn)
{
	cancel_delayed_work_sync(&kn->sweep);
}

/* For all namespaces. */
int __init ksvc_sweeps_alloc(void)
{
	sweeps = alloc_workqueue("ksvc", WQ_UNBOUND, 0);
	return sweeps ? 0 : -ENOMEM;
}

void ksvc_sweeps_free(void)
{
	destroy_workqueue(sweeps);
}
