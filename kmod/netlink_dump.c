// SPDX-License-Identifier: GPL-2.0
/* Dumps of services. */
#include "netlink.h"

#include <net/genetlink.h>
#include <net/sock.h>

#include "netlink_gen.h"

int ksvc_nl_put_addr(struct sk_buff *skb, int addr4, int addr6, u8 family,
		     const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return nla_put_in6_addr(skb, addr6, &addr->in6);
	return nla_put_in_addr(skb, addr4, addr->ip);
}

int ksvc_nl_put_prefix(struct sk_buff *skb, int type, const struct ksvc_prefix *p)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest)
		return -EMSGSIZE;
	if (ksvc_nl_put_addr(skb, KSVC_A_PREFIX_ADDR4, KSVC_A_PREFIX_ADDR6, p->family,
			     &p->addr) ||
	    nla_put_u8(skb, KSVC_A_PREFIX_LENGTH, p->length)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_frontend(struct sk_buff *skb, const struct ksvc_front *front)
{
	const struct ksvc_key *key = &front->key;
	struct nlattr *nest = nla_nest_start(skb, KSVC_A_SERVICE_FRONTEND);

	if (!nest)
		return -EMSGSIZE;
	if (ksvc_nl_put_addr(skb, KSVC_A_FRONTEND_ADDR4, KSVC_A_FRONTEND_ADDR6, key->family,
			     &key->addr) ||
	    nla_put_be16(skb, KSVC_A_FRONTEND_PORT, key->port) ||
	    nla_put_u8(skb, KSVC_A_FRONTEND_PROTOCOL, key->protocol) ||
	    nla_put_u32(skb, KSVC_A_FRONTEND_CLASS, front->class)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_endpoint(struct sk_buff *skb, const struct ksvc_endpoint *ep,
			const struct ksvc_slot *slot)
{
	struct nlattr *nest = nla_nest_start(skb, KSVC_A_SERVICE_ENDPOINT);

	if (!nest)
		return -EMSGSIZE;
	if (ksvc_nl_put_addr(skb, KSVC_A_ENDPOINT_ADDR4, KSVC_A_ENDPOINT_ADDR6, ep->family,
			     &ep->addr) ||
	    nla_put_be16(skb, KSVC_A_ENDPOINT_PORT, ep->port) ||
	    nla_put_u32(skb, KSVC_A_ENDPOINT_WEIGHT, ep->weight) ||
	    nla_put_u32(skb, KSVC_A_ENDPOINT_FLAGS, ep->flags) ||
	    nla_put_u64_64bit(skb, KSVC_A_ENDPOINT_CONNECTIONS,
			      ksvc_connections(ep->connections) - slot->base,
			      KSVC_A_ENDPOINT_PAD) ||
	    (slot->load && nla_put_u32(skb, KSVC_A_ENDPOINT_ACTIVE,
				       atomic_read(&slot->load->active)))) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_part(struct sk_buff *skb, const struct ksvc_svc *svc, unsigned long part)
{
	if (part < svc->n_frontends)
		return put_frontend(skb, &svc->frontends[part]);
	part -= svc->n_frontends;
	if (part < svc->n_endpoints)
		return put_endpoint(skb, &svc->endpoints[part], &svc->slots[part]);
	part -= svc->n_endpoints;
	return ksvc_nl_put_prefix(skb, KSVC_A_SERVICE_SOURCE_RANGE, &svc->ranges[part]);
}

/* What the first message of a service says besides. */
static int put_once(struct sk_buff *skb, const struct ksvc_net *kn, const struct ksvc_svc *svc)
{
	const struct ksvc_features *features = &svc->features;

	return nla_put_u64_64bit(skb, KSVC_A_SERVICE_CONNECTIONS,
				 ksvc_connections(svc->connections), KSVC_A_SERVICE_PAD) ?:
	       nla_put_u64_64bit(skb, KSVC_A_SERVICE_GENERATION, kn->generation,
				 KSVC_A_SERVICE_PAD) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_FRONTENDS, svc->n_frontends) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_ENDPOINTS, svc->n_endpoints) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_SOURCE_RANGES, svc->n_ranges) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_FLAGS, features->flags) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_AFFINITY, features->affinity) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_SCHEDULER, features->scheduler) ?:
	       nla_put_u32(skb, KSVC_A_SERVICE_MAGLEV_SIZE, features->maglev_size);
}

/* One message, from part number *part on: frontends, endpoints, then ranges. Returns 1
 * if the service is complete with it, 0 if not, or -EMSGSIZE if nothing fit.
 */
static int put_service(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct ksvc_net *kn, const struct ksvc_ident *ident,
		       unsigned long *part)
{
	const struct ksvc_svc *svc = ident->svc;
	unsigned long first = *part;
	unsigned long last = svc->n_frontends + svc->n_endpoints + svc->n_ranges;
	void *head;
	int err = 0;

	head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &ksvc_nl_family, NLM_F_MULTI, KSVC_CMD_SERVICE_GET);
	if (!head)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, head);
	if (nla_put_string(skb, KSVC_A_SERVICE_NAME, ident->name) ||
	    (!first && put_once(skb, kn, svc)))
		goto cancel;
	for (; *part < last && !err; *part += !err)
		err = put_part(skb, svc, *part);
	if (*part == first && last)
		goto cancel;
	genlmsg_end(skb, head);
	return *part == last;

cancel:
	genlmsg_cancel(skb, head);
	return -EMSGSIZE;
}

/* The cursor is (id, part) in cb->args[0] and [1]; cb->args[2] is set once the
 * one service asked for was found.
 */
int ksvc_nl_service_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ksvc_net *kn = ksvc_net(sock_net(cb->skb->sk));
	const struct nlattr *name = ksvc_dump_attrs(cb)[KSVC_A_SERVICE_NAME];
	unsigned long *part = (unsigned long *)&cb->args[1];
	unsigned long id = cb->args[0];
	struct ksvc_ident *ident;
	int ret;

	ret = ksvc_nl_once_top(cb->nlh, 0, cb->extack);
	if (!ret && name)
		ret = ksvc_nl_parse_name(name, cb->extack);
	if (ret)
		return ret;
	ret = 1;
	mutex_lock(&kn->mutex);
	cb->seq = (u32)kn->generation ?: 1;
	/* Perhaps another version of the service, or another one with its id.
	 * The reader sees NLM_F_DUMP_INTR.
	 */
	if (cb->prev_seq && cb->prev_seq != cb->seq)
		*part = 0;
	if (name && !cb->args[2]) {
		ident = ksvc_find(kn, nla_data(name));
		if (!ident) {
			mutex_unlock(&kn->mutex);
			NL_SET_ERR_MSG_ATTR(cb->extack, name, "no such service");
			return -ENOENT;
		}
		id = ident->id;
		cb->args[2] = 1;
	}
	while (ret == 1 && (ident = xa_find(&kn->services, &id, ULONG_MAX, XA_PRESENT))) {
		if (name && strcmp(ident->name, nla_data(name)))
			break;
		if (id != cb->args[0])
			*part = 0;
		do
			ret = put_service(skb, cb, kn, ident, part);
		while (!ret);
		if (ret == 1) {
			*part = 0;
			id = name ? ULONG_MAX : id + 1;
		}
		cb->args[0] = id;
	}
	mutex_unlock(&kn->mutex);
	return ret < 0 && !skb->len ? ret : skb->len;
}
