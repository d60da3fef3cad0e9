// SPDX-License-Identifier: GPL-2.0
/* Records of session affinity to netlink. */
#include "netlink.h"

#include <linux/jiffies.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "netlink_gen.h"

static int put_record(struct sk_buff *skb, struct netlink_callback *cb, const struct ksvc_record *r,
		      const struct ksvc_svc *svc, const struct ksvc_endpoint *ep)
{
	void *head;

	head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &ksvc_nl_family, NLM_F_MULTI, KSVC_CMD_AFFINITY_GET);
	if (!head)
		return -EMSGSIZE;
	if (nla_put_string(skb, KSVC_A_AFFINITY_NAME, svc->ident->name) ||
	    ksvc_nl_put_addr(skb, KSVC_A_AFFINITY_CLIENT_ADDR4, KSVC_A_AFFINITY_CLIENT_ADDR6,
			     r->family, &r->client) ||
	    ksvc_nl_put_addr(skb, KSVC_A_AFFINITY_ADDR4, KSVC_A_AFFINITY_ADDR6, ep->family,
			     &ep->addr) ||
	    nla_put_be16(skb, KSVC_A_AFFINITY_PORT, ep->port) ||
	    nla_put_u32(skb, KSVC_A_AFFINITY_EXPIRES,
			jiffies64_to_msecs(ksvc_affinity_left(r, svc)))) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static int put_bucket(struct sk_buff *skb, struct netlink_callback *cb, struct ksvc_net *kn,
		      const struct ksvc_record records[KSVC_AFFINITY_WAYS],
		      const struct ksvc_ident *only)
{
	u32 i;

	for (i = 0; i < KSVC_AFFINITY_WAYS; i++) {
		const struct ksvc_record *r = &records[i];
		const struct ksvc_endpoint *ep;
		const struct ksvc_ident *ident;
		int err;

		ident = r->owner ? xa_load(&kn->services, r->id) : NULL;
		if (!ident || (only && ident != only) ||
		    ident->svc->affinity_owner != r->owner ||
		    !ksvc_affinity_left(r, ident->svc))
			continue;
		ep = ksvc_svc_by_slot(ident->svc, r->slot, r->born);
		err = ep ? put_record(skb, cb, r, ident->svc, ep) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int find_only(const struct ksvc_net *kn, const struct nlattr *name,
		     const struct ksvc_ident **only, struct netlink_ext_ack *extack)
{
	*only = name ? ksvc_find(kn, nla_data(name)) : NULL;
	if (!name || *only)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, name, "no such service");
	return -ENOENT;
}

/* The cursor is the bucket, whose records stand in one message buffer or are
 * all left to the next.
 */
int ksvc_nl_affinity_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ksvc_net *kn = ksvc_net(sock_net(cb->skb->sk));
	const struct nlattr *name = ksvc_dump_attrs(cb)[KSVC_A_AFFINITY_NAME];
	struct ksvc_record records[KSVC_AFFINITY_WAYS];
	const struct ksvc_ident *only;
	int err;

	err = ksvc_nl_once_top(cb->nlh, 0, cb->extack);
	if (!err && name)
		err = ksvc_nl_parse_name(name, cb->extack);
	if (err)
		return err;
	mutex_lock(&kn->mutex);
	err = find_only(kn, name, &only, cb->extack);
	while (!err && ksvc_affinity_read(kn, cb->args[0], records)) {
		void *end = skb_tail_pointer(skb);

		err = put_bucket(skb, cb, kn, records, only);
		if (err)
			nlmsg_trim(skb, end);
		else if (!(++cb->args[0] % 1024))
			cond_resched();
	}
	mutex_unlock(&kn->mutex);
	return err && !skb->len ? err : skb->len;
}

int ksvc_nl_affinity_del_doit(struct sk_buff *request, struct genl_info *info)
{
	const struct nlattr *name = info->attrs[KSVC_A_AFFINITY_NAME];
	const struct nlattr *addr4 = info->attrs[KSVC_A_AFFINITY_CLIENT_ADDR4];
	const struct nlattr *addr6 = info->attrs[KSVC_A_AFFINITY_CLIENT_ADDR6];
	struct ksvc_net *kn = ksvc_net(genl_info_net(info));
	const struct ksvc_ident *ident;
	union nf_inet_addr client;
	u8 family = 0;
	int err;

	err = ksvc_nl_once_top(info->nlhdr, 0, info->extack);
	if (!err && !name) {
		NL_SET_ERR_MSG(info->extack, "the name is missing");
		err = -EINVAL;
	}
	if (!err)
		err = ksvc_nl_parse_name(name, info->extack);
	if (!err && (addr4 || addr6))
		err = ksvc_nl_parse_addr(addr4, addr6, &client, &family, info->extack);
	if (err)
		return err;
	mutex_lock(&kn->mutex);
	ident = ksvc_find(kn, nla_data(name));
	if (!ident) {
		NL_SET_ERR_MSG_ATTR(info->extack, name, "no such service");
		err = -ENOENT;
	} else if (ident->svc->affinity_owner) {
		ksvc_affinity_forget(kn, ident->svc->affinity_owner, family, &client);
	}
	mutex_unlock(&kn->mutex);
	return err;
}
