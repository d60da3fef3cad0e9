// SPDX-License-Identifier: GPL-2.0
/*
 * Conntrack entries that a new frontend has to clear: packets to it that came
 * before it left entries without a translation, and a client that tries again
 * from the same port would be stuck with its entry.
 */
#include "ksvc.h"

#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>

/* Somebody who answers may well own the address, so TCP and SCTP connections
 * with replies stay. UDP has no such notion of a connection.
 */
static int is_shadowing(struct nf_conn *ct, void *data)
{
	const struct nf_conntrack_tuple *tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	const struct ksvc_net *kn = data;
	struct ksvc_frontend *fe;
	struct ksvc_key key;
	int ret;

	if (ct->status & IPS_DST_NAT ||
	    (ct->status & IPS_SEEN_REPLY && tuple->dst.protonum != IPPROTO_UDP))
		return 0;
	ksvc_key_fill(&key, tuple);
	rcu_read_lock();
	fe = ksvc_table_find(rcu_dereference(kn->table), &key);
	ret = fe && rcu_access_pointer(fe->svc);
	rcu_read_unlock();
	return ret;
}

static void sweep(struct work_struct *work)
{
	struct ksvc_net *kn = container_of(work, struct ksvc_net, sweep);
	struct nf_ct_iter_data iter = { .net = kn->net, .data = kn };

	/* Packets that looked before the frontend was there have their entries
	 * after that.
	 */
	synchronize_rcu();
	nf_ct_iterate_cleanup_net(is_shadowing, &iter);
}

/* One pass in the background, soon, whatever is in force by then. Calls before
 * it starts are served by it, one while it runs by another.
 */
void ksvc_sweep(struct ksvc_net *kn)
{
	schedule_work(&kn->sweep);
}

void ksvc_sweep_init(struct ksvc_net *kn)
{
	INIT_WORK(&kn->sweep, sweep);
}

void ksvc_sweep_exit(struct ksvc_net *kn)
{
	cancel_work_sync(&kn->sweep);
}
