// SPDX-License-Identifier: GPL-2.0
/* Netlink requests, as include/uapi/ksvc.yaml describes them. */
#include "ksvc.h"

#include <linux/notifier.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "netlink.h"
#include "netlink_gen.h"

static struct ksvc_net *net_of(struct genl_info *info)
{
	return ksvc_net(genl_info_net(info));
}

static struct sk_buff *reply_start(struct genl_info *info, size_t size, u8 cmd,
				   void **head)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);

	if (!skb)
		return NULL;
	*head = genlmsg_put_reply(skb, info, &ksvc_nl_family, 0, cmd);
	if (*head)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static int reply_end(struct sk_buff *skb, void *head, struct genl_info *info, int err)
{
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

int ksvc_nl_info_get_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = net_of(info);
	struct sk_buff *skb;
	void *head;
	int err;

	err = ksvc_nl_no_attributes(info);
	if (err)
		return err;
	skb = reply_start(info, NLMSG_GOODSIZE, KSVC_CMD_INFO_GET, &head);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&kn->mutex);
	if (nla_put_string(skb, KSVC_A_INFO_VERSION, KSVC_VERSION) ||
	    nla_put_u64_64bit(skb, KSVC_A_INFO_GENERATION, kn->generation, KSVC_A_INFO_PAD) ||
	    nla_put_u32(skb, KSVC_A_INFO_SERVICES, kn->names.n) ||
	    nla_put_u32(skb, KSVC_A_INFO_FRONTENDS, kn->n_frontends) ||
	    nla_put_u32(skb, KSVC_A_INFO_ENDPOINTS, kn->n_endpoints) ||
	    nla_put_u8(skb, KSVC_A_INFO_ACTIVE, kn->active) ||
	    nla_put_u32(skb, KSVC_A_INFO_NAMESPACES, ksvc_namespaces()))
		err = -EMSGSIZE;
	mutex_unlock(&kn->mutex);
	return reply_end(skb, head, info, err);
}

static int put_counters(struct sk_buff *skb, const struct ksvc_net *kn)
{
	struct ksvc_counters sum = {};
	struct nlattr *nest;
	int cpu, i;

	if (kn->active)
		for_each_possible_cpu(cpu) {
			const struct ksvc_counters *c = per_cpu_ptr(kn->counters, cpu);

			for (i = 0; i < KSVC_REASONS; i++)
				sum.reason[i] += READ_ONCE(c->reason[i]);
			sum.masqueraded += READ_ONCE(c->masqueraded);
		}
	for (i = 0; i < KSVC_REASONS; i++) {
		nest = nla_nest_start(skb, KSVC_A_STATS_COUNTER);
		if (!nest || nla_put_u32(skb, KSVC_A_COUNTER_REASON, i) ||
		    nla_put_u64_64bit(skb, KSVC_A_COUNTER_PACKETS, sum.reason[i],
				      KSVC_A_COUNTER_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return nla_put_u64_64bit(skb, KSVC_A_STATS_MASQUERADED, sum.masqueraded,
				 KSVC_A_STATS_PAD);
}

static int put_swept(struct sk_buff *skb, const struct ksvc_swept *swept)
{
	if (nla_put_u64_64bit(skb, KSVC_A_STATS_SWEEPS, READ_ONCE(swept->passes),
			      KSVC_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, KSVC_A_STATS_SWEEP_TIME, READ_ONCE(swept->time),
			      KSVC_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, KSVC_A_STATS_SWEPT_IPV4, READ_ONCE(swept->v4),
			      KSVC_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, KSVC_A_STATS_SWEPT_IPV6, READ_ONCE(swept->v6),
			      KSVC_A_STATS_PAD))
		return -EMSGSIZE;
	return 0;
}

int ksvc_nl_stats_get_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = net_of(info);
	struct sk_buff *skb;
	void *head;
	int err;

	err = ksvc_nl_no_attributes(info);
	if (err)
		return err;
	skb = reply_start(info, NLMSG_GOODSIZE, KSVC_CMD_STATS_GET, &head);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&kn->mutex);
	err = put_counters(skb, kn) ?: put_swept(skb, &kn->swept);
	mutex_unlock(&kn->mutex);
	return reply_end(skb, head, info, err);
}

/* The transaction that a request is part of: its socket's, or one of its own.
 * Ends with change_end(). Error pointers: -ERESTART, -ENOMEM.
 */
static struct ksvc_txn *change_start(struct ksvc_net *kn, struct genl_info *info)
{
	struct ksvc_txn *txn;

	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, info->snd_portid);
	if (!txn) {
		txn = ksvc_txn_alloc(kn, 0, 0);
		if (!txn)
			goto unlock;
	} else if (txn->base != kn->generation) {
		NL_SET_ERR_MSG(info->extack,
			       "another writer changed the configuration meanwhile");
		txn->failed = true;
		mutex_unlock(&kn->mutex);
		return ERR_PTR(-ERESTART);
	}
	return txn;

unlock:
	mutex_unlock(&kn->mutex);
	return ERR_PTR(-ENOMEM);
}

static int change_end(struct ksvc_net *kn, struct ksvc_txn *txn, struct genl_info *info,
		      int err)
{
	u32 changes;

	if (err)
		txn->failed = true;
	txn->requests++;
	if (list_empty(&txn->list)) {
		if (!err)
			err = ksvc_commit(kn, txn, &changes, info->extack);
		ksvc_txn_free(txn);
	}
	mutex_unlock(&kn->mutex);
	return err;
}

/* A request that fails before it found its transaction spoils it all the same. */
static int spoil(struct genl_info *info, int err)
{
	struct ksvc_net *kn = net_of(info);
	struct ksvc_txn *txn;

	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, info->snd_portid);
	if (txn)
		txn->failed = true;
	mutex_unlock(&kn->mutex);
	return err;
}

/* Of operations that take a mode: the others' attributes end before it. */
static u32 mode_of(const struct genl_info *info)
{
	const struct nlattr *mode = info->attrs[KSVC_A_SERVICE_MODE];

	return mode ? nla_get_u32(mode) : KSVC_MODE_PUT;
}

int ksvc_nl_service_put_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = net_of(info);
	struct ksvc_nl_service service;
	struct ksvc_txn *txn;
	int err;

	err = ksvc_nl_parse_service(info, &service, true);
	if (err)
		return spoil(info, err);
	txn = change_start(kn, info);
	if (IS_ERR(txn)) {
		ksvc_spec_free(&service.spec);
		return PTR_ERR(txn);
	}
	err = ksvc_txn_put(kn, txn, service.name, mode_of(info), &service.spec, info->extack);
	return change_end(kn, txn, info, err);
}

int ksvc_nl_service_del_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = net_of(info);
	struct ksvc_nl_service service;
	struct ksvc_txn *txn;
	int err;

	err = ksvc_nl_parse_service(info, &service, false);
	if (err)
		return spoil(info, err);
	txn = change_start(kn, info);
	if (IS_ERR(txn))
		return PTR_ERR(txn);
	err = ksvc_txn_del(kn, txn, service.name, info->extack);
	return change_end(kn, txn, info, err);
}

static int change_endpoints(struct genl_info *info, bool del)
{
	struct ksvc_net *kn = net_of(info);
	struct ksvc_nl_service service;
	struct ksvc_txn *txn;
	int err;

	err = ksvc_nl_parse_service(info, &service, false);
	if (err)
		return spoil(info, err);
	if (!service.spec.n_endpoints) {
		NL_SET_ERR_MSG(info->extack, "no endpoint is given");
		return spoil(info, -EINVAL);
	}
	txn = change_start(kn, info);
	if (IS_ERR(txn)) {
		err = PTR_ERR(txn);
		goto free_service;
	}
	if (del)
		err = ksvc_txn_del_endpoints(kn, txn, service.name, service.spec.endpoints,
					     service.spec.n_endpoints, info->extack);
	else
		err = ksvc_txn_put_endpoints(kn, txn, service.name,
					     mode_of(info), service.spec.endpoints,
					     service.spec.n_endpoints, info->extack);
	err = change_end(kn, txn, info, err);
free_service:
	ksvc_spec_free(&service.spec);
	return err;
}

int ksvc_nl_endpoint_put_doit(struct sk_buff *request, struct genl_info *info)
{
	return change_endpoints(info, false);
}

int ksvc_nl_endpoint_del_doit(struct sk_buff *request, struct genl_info *info)
{
	return change_endpoints(info, true);
}

/* What was done is done, whether or not the socket has room for the answer. */
static int reply_txn(struct genl_info *info, struct sk_buff *skb, void *head, u64 generation,
		     const u32 *changes)
{
	int err = 0;

	if (nla_put_u64_64bit(skb, KSVC_A_TXN_GENERATION, generation, KSVC_A_TXN_PAD) ||
	    (changes && nla_put_u32(skb, KSVC_A_TXN_CHANGES, *changes)))
		err = -EMSGSIZE;
	reply_end(skb, head, info, err);
	return 0;
}

static int txn_begin(struct ksvc_net *kn, struct genl_info *info)
{
	u32 flags = info->attrs[KSVC_A_TXN_FLAGS] ?
		    nla_get_u32(info->attrs[KSVC_A_TXN_FLAGS]) : 0;
	const struct nlattr *base = info->attrs[KSVC_A_TXN_GENERATION];
	struct ksvc_txn *txn;

	if (ksvc_txn_find(kn, info->snd_portid)) {
		NL_SET_ERR_MSG(info->extack, "this socket's transaction is open");
		return -EBUSY;
	}
	if (base && nla_get_u64(base) != kn->generation) {
		NL_SET_ERR_MSG_ATTR(info->extack, base, "not the generation in force");
		return -ERESTART;
	}
	txn = ksvc_txn_alloc(kn, info->snd_portid, flags);
	if (!txn)
		return -ENOMEM;
	list_add(&txn->list, &kn->txns);
	return 0;
}

int ksvc_nl_txn_begin_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = net_of(info);
	struct sk_buff *skb;
	u64 generation;
	void *head;
	int err;

	err = ksvc_nl_once_top(info->nlhdr, 0, info->extack);
	if (err)
		return err;
	skb = reply_start(info, NLMSG_GOODSIZE, KSVC_CMD_TXN_BEGIN, &head);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&kn->mutex);
	err = txn_begin(kn, info);
	generation = kn->generation;
	mutex_unlock(&kn->mutex);
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	return reply_txn(info, skb, head, generation, NULL);
}

static int txn_commit(struct ksvc_net *kn, struct ksvc_txn *txn, struct genl_info *info,
		      u32 *changes)
{
	const struct nlattr *sent = info->attrs[KSVC_A_TXN_REQUESTS];

	if (sent && nla_get_u32(sent) != txn->requests)
		txn->failed = true;
	return ksvc_commit(kn, txn, changes, info->extack);
}

static int txn_end(struct genl_info *info, bool commit)
{
	struct ksvc_net *kn = net_of(info);
	struct ksvc_txn *txn;
	struct sk_buff *skb;
	u32 changes = 0;
	u64 generation;
	void *head;
	int err;

	if (commit)
		err = ksvc_nl_once_top(info->nlhdr, 0, info->extack);
	else
		err = ksvc_nl_no_attributes(info);
	if (err)
		return spoil(info, err);
	/* Before the commit, so that it cannot be in force and yet fail. */
	skb = reply_start(info, NLMSG_GOODSIZE, info->genlhdr->cmd, &head);
	if (!skb)
		return spoil(info, -ENOMEM);
	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, info->snd_portid);
	if (!txn) {
		NL_SET_ERR_MSG(info->extack, "this socket has no transaction open");
		err = -EINVAL;
	} else {
		if (commit)
			err = txn_commit(kn, txn, info, &changes);
		ksvc_txn_free(txn);
	}
	generation = kn->generation;
	mutex_unlock(&kn->mutex);
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	return reply_txn(info, skb, head, generation, commit ? &changes : NULL);
}

int ksvc_nl_txn_commit_doit(struct sk_buff *request, struct genl_info *info)
{
	return txn_end(info, true);
}

int ksvc_nl_txn_abort_doit(struct sk_buff *request, struct genl_info *info)
{
	return txn_end(info, false);
}

/* A socket's transaction ends with it. */
static int socket_released(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct netlink_notify *n = ptr;
	struct ksvc_txn *txn;
	struct ksvc_net *kn;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	kn = ksvc_net(n->net);
	if (list_empty_careful(&kn->txns))
		return NOTIFY_DONE;
	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, n->portid);
	if (txn)
		ksvc_txn_free(txn);
	mutex_unlock(&kn->mutex);
	return NOTIFY_DONE;
}

static struct notifier_block socket_notifier = {
	.notifier_call = socket_released,
};

static struct sk_buff *event_start(struct ksvc_net *kn, u8 cmd, void **head)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&ksvc_nl_family, kn->net, KSVC_NLGRP_CHANGES))
		return NULL;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb) {
		genl_set_err(&ksvc_nl_family, kn->net, 0, KSVC_NLGRP_CHANGES, -ENOBUFS);
		return NULL;
	}
	*head = genlmsg_put(skb, 0, 0, &ksvc_nl_family, 0, cmd);
	return skb;
}

/* Listeners that miss an event are told so with ENOBUFS. svc is NULL for a
 * service that was deleted.
 */
void ksvc_nl_notify_service(struct ksvc_net *kn, const struct ksvc_ident *ident,
			    const struct ksvc_svc *svc, u32 event)
{
	struct sk_buff *skb;
	void *head;

	skb = event_start(kn, KSVC_CMD_SERVICE_NTF, &head);
	if (!skb)
		return;
	if (nla_put_string(skb, KSVC_A_SERVICE_NAME, ident->name) ||
	    nla_put_u32(skb, KSVC_A_SERVICE_EVENT, event) ||
	    nla_put_u64_64bit(skb, KSVC_A_SERVICE_GENERATION, kn->generation,
			      KSVC_A_SERVICE_PAD) ||
	    nla_put_u32(skb, KSVC_A_SERVICE_FRONTENDS, svc ? svc->n_frontends : 0) ||
	    nla_put_u32(skb, KSVC_A_SERVICE_ENDPOINTS, svc ? svc->n_endpoints : 0)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&ksvc_nl_family, kn->net, skb, 0, KSVC_NLGRP_CHANGES,
				GFP_KERNEL);
}

void ksvc_nl_notify_commit(struct ksvc_net *kn, u32 changes)
{
	struct sk_buff *skb;
	void *head;

	skb = event_start(kn, KSVC_CMD_COMMIT_NTF, &head);
	if (!skb)
		return;
	if (nla_put_u64_64bit(skb, KSVC_A_TXN_GENERATION, kn->generation, KSVC_A_TXN_PAD) ||
	    nla_put_u32(skb, KSVC_A_TXN_CHANGES, changes)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&ksvc_nl_family, kn->net, skb, 0, KSVC_NLGRP_CHANGES,
				GFP_KERNEL);
}

int ksvc_nl_init(void)
{
	int err;

	err = netlink_register_notifier(&socket_notifier);
	if (err)
		return err;
	err = genl_register_family(&ksvc_nl_family);
	if (err)
		netlink_unregister_notifier(&socket_notifier);
	return err;
}

void ksvc_nl_exit(void)
{
	genl_unregister_family(&ksvc_nl_family);
	netlink_unregister_notifier(&socket_notifier);
}
