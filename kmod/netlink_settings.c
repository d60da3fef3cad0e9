// SPDX-License-Identifier: GPL-2.0
/* Settings to netlink and back. */
#include "netlink.h"

#include <linux/if.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "netlink_gen.h"

static void fill_mask(struct ksvc_prefix *p)
{
	u32 w;

	for (w = 0; w < ARRAY_SIZE(p->mask.all); w++) {
		int bits = clamp_t(int, p->length - 32 * w, 0, 32);

		p->mask.all[w] = bits ? (__force u32)cpu_to_be32(~0U << (32 - bits)) : 0;
	}
}

int ksvc_nl_parse_prefix(const struct nlattr *attr, struct ksvc_prefix *p,
			 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[ARRAY_SIZE(ksvc_prefix_nl_policy)];
	const struct nlattr *length;
	int err;
	u32 w;

	err = ksvc_nl_once(nla_data(attr), nla_len(attr), 0, extack);
	if (!err)
		err = nla_parse_nested(tb, ARRAY_SIZE(tb) - 1, attr, ksvc_prefix_nl_policy,
				       extack);
	if (err)
		return err;
	if (!tb[KSVC_A_PREFIX_ADDR4] == !tb[KSVC_A_PREFIX_ADDR6]) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "give one address, addr4 or addr6");
		return -EINVAL;
	}
	memset(p, 0, sizeof(*p));
	p->family = tb[KSVC_A_PREFIX_ADDR4] ? NFPROTO_IPV4 : NFPROTO_IPV6;
	if (p->family == NFPROTO_IPV4)
		p->addr.ip = nla_get_in_addr(tb[KSVC_A_PREFIX_ADDR4]);
	else
		p->addr.in6 = nla_get_in6_addr(tb[KSVC_A_PREFIX_ADDR6]);
	length = tb[KSVC_A_PREFIX_LENGTH];
	if (!length || nla_get_u8(length) > (p->family == NFPROTO_IPV4 ? 32 : 128)) {
		NL_SET_ERR_MSG_ATTR(extack, length ?: attr,
				    "the length is at most 32 (IPv4) or 128 (IPv6)");
		return -EINVAL;
	}
	p->length = nla_get_u8(length);
	fill_mask(p);
	for (w = 0; w < ARRAY_SIZE(p->addr.all); w++)
		if (p->addr.all[w] & ~p->mask.all[w]) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "the address has bits beyond the length");
			return -EINVAL;
		}
	return 0;
}

static int count_nested(const struct nlattr *nest, u32 *n, struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	int rem;

	*n = 0;
	nla_for_each_nested(attr, nest, rem)
		++*n;
	if (*n <= KSVC_MAX_PREFIXES)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, nest, "a list takes at most 256 entries");
	return -E2BIG;
}

/* Replaces *list by what the nest says: NULL if it is empty. */
static int parse_prefixes(const struct nlattr *nest, struct ksvc_list **list,
			  struct netlink_ext_ack *extack)
{
	struct ksvc_list *new = NULL;
	const struct nlattr *attr;
	u32 n, i = 0;
	int rem, err;

	if (!nest)
		return 0;
	err = nla_validate_nested(nest, ARRAY_SIZE(ksvc_prefixes_nl_policy) - 1,
				  ksvc_prefixes_nl_policy, extack) ?:
	      count_nested(nest, &n, extack);
	if (err)
		return err;
	if (n) {
		new = kzalloc(struct_size(new, prefixes, n), GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
		new->n = n;
	}
	nla_for_each_nested(attr, nest, rem) {
		err = ksvc_nl_parse_prefix(attr, &new->prefixes[i++], extack);
		if (err) {
			kfree(new);
			return err;
		}
	}
	kfree(*list);
	*list = new;
	return 0;
}

/* "cni0" matches with its terminator, "veth*" without. */
static int parse_ifname(const struct nlattr *attr, struct ksvc_ifname *p,
			struct netlink_ext_ack *extack)
{
	char name[IFNAMSIZ + 1] = {}, mask[IFNAMSIZ] = {};
	ssize_t len = nla_strscpy(name, attr, sizeof(name));
	bool prefix;

	if (len < 1 || strlen(name) < len)
		goto not_a_name;
	prefix = name[len - 1] == '*';
	if (prefix)
		name[--len] = '\0';
	if (len == IFNAMSIZ) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "names have at most 15 characters");
		return -EINVAL;
	}
	if (len && !dev_valid_name(name))
		goto not_a_name;
	memset(mask, 0xff, len + !prefix);
	memcpy(p->value, name, sizeof(p->value));
	memcpy(p->mask, mask, sizeof(p->mask));
	return 0;

not_a_name:
	NL_SET_ERR_MSG_ATTR(extack, attr, "not the name of an interface");
	return -EINVAL;
}

static int parse_interfaces(const struct nlattr *nest, struct ksvc_settings *settings,
			    struct netlink_ext_ack *extack)
{
	struct ksvc_ifname *new = NULL;
	const struct nlattr *attr;
	u32 n, i = 0;
	int rem, err;

	if (!nest)
		return 0;
	err = nla_validate_nested(nest, ARRAY_SIZE(ksvc_names_nl_policy) - 1,
				  ksvc_names_nl_policy, extack) ?:
	      count_nested(nest, &n, extack);
	if (err)
		return err;
	if (n) {
		new = kcalloc(n, sizeof(*new), GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
	}
	nla_for_each_nested(attr, nest, rem) {
		err = parse_ifname(attr, &new[i++], extack);
		if (err) {
			kfree(new);
			return err;
		}
	}
	kfree(settings->pod_interfaces);
	settings->pod_interfaces = new;
	settings->n_pod_interfaces = n;
	return 0;
}

static void parse_flag(const struct nlattr *attr, bool *flag)
{
	if (attr)
		*flag = nla_get_u8(attr);
}

/* Last of what may fail: a table that is there gets its new size. */
static int parse_affinity_entries(struct ksvc_net *kn, const struct nlattr *attr,
				  struct ksvc_settings *settings,
				  struct netlink_ext_ack *extack)
{
	if (!attr)
		return 0;
	settings->affinity_entries = nla_get_u32(attr);
	if (!settings->affinity_entries ||
	    settings->affinity_entries > KSVC_MAX_AFFINITY_ENTRIES) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "between 1 and 16777216 records");
		return -EINVAL;
	}
	if (!rcu_access_pointer(kn->affinity))
		return 0;
	return ksvc_affinity_reserve(kn, settings->affinity_entries);
}

int ksvc_nl_settings_set_doit(struct sk_buff *request, struct genl_info *info)
{
	struct ksvc_net *kn = ksvc_net(genl_info_net(info));
	struct nlattr **tb = info->attrs;
	struct ksvc_settings *settings;
	int err;

	err = ksvc_nl_once_top(info->nlhdr, 0, info->extack);
	if (err)
		return err;
	mutex_lock(&kn->mutex);
	settings = ksvc_settings_dup(ksvc_settings_get(kn));
	if (!settings) {
		err = -ENOMEM;
		goto unlock;
	}
	err = parse_prefixes(tb[KSVC_A_SETTINGS_CLUSTER_CIDRS], &settings->cluster_cidrs,
			     info->extack) ?:
	      parse_prefixes(tb[KSVC_A_SETTINGS_SERVICE_CIDRS], &settings->service_cidrs,
			     info->extack) ?:
	      parse_prefixes(tb[KSVC_A_SETTINGS_NODEPORT_ADDRESSES],
			     &settings->nodeport_addresses, info->extack) ?:
	      parse_interfaces(tb[KSVC_A_SETTINGS_POD_INTERFACES], settings, info->extack) ?:
	      parse_affinity_entries(kn, tb[KSVC_A_SETTINGS_AFFINITY_ENTRIES], settings,
				     info->extack);
	if (err) {
		ksvc_settings_free(settings);
		goto unlock;
	}
	parse_flag(tb[KSVC_A_SETTINGS_MASQUERADE_ALL], &settings->masquerade_all);
	parse_flag(tb[KSVC_A_SETTINGS_LOCALHOST_NODEPORTS], &settings->localhost_nodeports);
	parse_flag(tb[KSVC_A_SETTINGS_DROP_INVALID], &settings->drop_invalid);
	parse_flag(tb[KSVC_A_SETTINGS_PING], &settings->ping);
	ksvc_settings_publish(kn, settings);
unlock:
	mutex_unlock(&kn->mutex);
	return err;
}

static int put_prefixes(struct sk_buff *skb, int type, const struct ksvc_list *list)
{
	struct nlattr *nest = nla_nest_start(skb, type);
	u32 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; list && i < list->n; i++)
		if (ksvc_nl_put_prefix(skb, KSVC_A_PREFIXES_PREFIX, &list->prefixes[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_interfaces(struct sk_buff *skb, const struct ksvc_settings *settings)
{
	struct nlattr *nest = nla_nest_start(skb, KSVC_A_SETTINGS_POD_INTERFACES);
	u32 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < settings->n_pod_interfaces; i++) {
		const struct ksvc_ifname *p = &settings->pod_interfaces[i];
		char name[IFNAMSIZ + 2] = {};
		size_t len = 0;

		memcpy(name, p->value, IFNAMSIZ);
		while (len < IFNAMSIZ && ((const u8 *)p->mask)[len])
			len++;
		if (!len || name[len - 1])
			name[len] = '*';
		if (nla_put_string(skb, KSVC_A_NAMES_NAME, name))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

int ksvc_nl_settings_get_doit(struct sk_buff *request, struct genl_info *info)
{
	/* four full lists, at most 40 bytes an entry */
	const size_t size = NLMSG_GOODSIZE + 4 * 40 * KSVC_MAX_PREFIXES;
	struct ksvc_net *kn = ksvc_net(genl_info_net(info));
	const struct ksvc_settings *settings;
	struct sk_buff *skb;
	void *head;
	int err;

	err = ksvc_nl_no_attributes(info);
	if (err)
		return err;
	skb = genlmsg_new(size, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &ksvc_nl_family, 0, KSVC_CMD_SETTINGS_GET);
	mutex_lock(&kn->mutex);
	settings = ksvc_settings_get(kn);
	if (!head ||
	    put_prefixes(skb, KSVC_A_SETTINGS_CLUSTER_CIDRS, settings->cluster_cidrs) ||
	    put_prefixes(skb, KSVC_A_SETTINGS_SERVICE_CIDRS, settings->service_cidrs) ||
	    put_interfaces(skb, settings) ||
	    put_prefixes(skb, KSVC_A_SETTINGS_NODEPORT_ADDRESSES,
			 settings->nodeport_addresses) ||
	    nla_put_u8(skb, KSVC_A_SETTINGS_MASQUERADE_ALL, settings->masquerade_all) ||
	    nla_put_u8(skb, KSVC_A_SETTINGS_LOCALHOST_NODEPORTS,
		       settings->localhost_nodeports) ||
	    nla_put_u8(skb, KSVC_A_SETTINGS_DROP_INVALID, settings->drop_invalid) ||
	    nla_put_u8(skb, KSVC_A_SETTINGS_PING, settings->ping) ||
	    nla_put_u32(skb, KSVC_A_SETTINGS_AFFINITY_ENTRIES, settings->affinity_entries) ||
	    nla_put_u64_64bit(skb, KSVC_A_SETTINGS_GENERATION, kn->generation,
			      KSVC_A_SETTINGS_PAD))
		err = -EMSGSIZE;
	mutex_unlock(&kn->mutex);
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}
