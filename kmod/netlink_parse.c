// SPDX-License-Identifier: GPL-2.0
/* Requests' attributes to plain structs: everything that can be said about a
 * request without looking at the configuration.
 */
#include "netlink.h"

#include <linux/mm.h>
#include <linux/netlink.h>
#include <linux/nls.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "netlink_gen.h"

/* Refuses attributes that stand twice, but for those in the mask. The parser
 * would take the last one.
 */
int ksvc_nl_once(const struct nlattr *head, int len, u64 repeatable,
		 struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u64 seen = 0;
	int rem;

	nla_for_each_attr(attr, head, len, rem) {
		u64 bit = BIT_ULL(nla_type(attr) & 63);

		if (seen & bit & ~repeatable) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "attribute is given twice");
			return -EINVAL;
		}
		seen |= bit;
	}
	return 0;
}

int ksvc_nl_once_top(const struct nlmsghdr *nlh, u64 repeatable,
		     struct netlink_ext_ack *extack)
{
	return ksvc_nl_once(nlmsg_attrdata(nlh, GENL_HDRLEN), nlmsg_attrlen(nlh, GENL_HDRLEN),
			    repeatable, extack);
}

/* The generator's operations without attributes do not look for any. */
int ksvc_nl_no_attributes(const struct genl_info *info)
{
	if (!nlmsg_attrlen(info->nlhdr, GENL_HDRLEN))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, nlmsg_attrdata(info->nlhdr, GENL_HDRLEN),
			    "the request takes no attributes");
	return -EINVAL;
}

/* What the policy leaves open: a name without surprises when it is printed. */
int ksvc_nl_parse_name(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	const u8 *name = nla_data(attr);
	int len = nla_len(attr) - 1;
	int i = 0;

	if (!len) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "the name is empty");
		return -EINVAL;
	}
	while (i < len) {
		unicode_t c = name[i];
		int used = c < 0x80 ? 1 : utf8_to_utf32(name + i, len - i, &c);

		if (used <= 0) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "the name is not UTF-8");
			return -EINVAL;
		}
		if (c < 0x20 || c == 0x7f) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "the name has a control character");
			return -EINVAL;
		}
		i += used;
	}
	return 0;
}

/* Exactly one of the two attributes, and an address that one host can have. */
int ksvc_nl_parse_addr(const struct nlattr *addr4, const struct nlattr *addr6,
		       union nf_inet_addr *addr, u8 *family,
		       struct netlink_ext_ack *extack)
{
	if (!addr4 == !addr6) {
		NL_SET_ERR_MSG_ATTR(extack, addr6, "give one address, addr4 or addr6");
		return -EINVAL;
	}
	memset(addr, 0, sizeof(*addr));
	if (addr4) {
		*family = NFPROTO_IPV4;
		addr->ip = nla_get_in_addr(addr4);
		if (!ipv4_is_zeronet(addr->ip) && !ipv4_is_multicast(addr->ip) &&
		    !ipv4_is_lbcast(addr->ip))
			return 0;
	} else {
		*family = NFPROTO_IPV6;
		addr->in6 = nla_get_in6_addr(addr6);
		if (!ipv6_addr_any(&addr->in6) && !ipv6_addr_is_multicast(&addr->in6) &&
		    !ipv6_addr_v4mapped(&addr->in6))
			return 0;
	}
	NL_SET_ERR_MSG_ATTR(extack, addr4 ?: addr6, "not an address that a host can have");
	return -EINVAL;
}

static int parse_port(const struct nlattr *nest, const struct nlattr *attr, __be16 *port,
		      struct netlink_ext_ack *extack)
{
	if (!attr) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the port is missing");
		return -EINVAL;
	}
	*port = nla_get_be16(attr);
	if (*port)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "the port is 0");
	return -EINVAL;
}

/* The attributes of a nest by type, up to max. The family's policy has seen them
 * already, but does not mind that one stands twice.
 */
static int sort_nest(const struct nlattr **tb, int max, const struct nlattr *nest,
		     struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	int rem;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	nla_for_each_nested(attr, nest, rem) {
		int type = nla_type(attr);

		if (type > max || tb[type]) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "attribute is given twice");
			return -EINVAL;
		}
		tb[type] = attr;
	}
	return 0;
}

/* Node ports have the address 0. */
static int parse_any(const struct nlattr **tb, struct ksvc_key *key, struct netlink_ext_ack *extack)
{
	const struct nlattr *addr4 = tb[KSVC_A_FRONTEND_ADDR4];
	const struct nlattr *addr6 = tb[KSVC_A_FRONTEND_ADDR6];

	if (!addr4 != !addr6 && (addr4 ? !nla_get_in_addr(addr4) :
				 !memchr_inv(nla_data(addr6), 0, nla_len(addr6)))) {
		key->family = addr4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
		return 0;
	}
	NL_SET_ERR_MSG_ATTR(extack, addr4 ?: addr6, "a node port's address is 0.0.0.0 or ::");
	return -EINVAL;
}

static int parse_frontend(const struct nlattr *attr, struct ksvc_front *front,
			  struct netlink_ext_ack *extack)
{
	const struct nlattr *tb[ARRAY_SIZE(ksvc_frontend_nl_policy)];
	struct ksvc_key *key = &front->key;
	const struct nlattr *protocol;
	int err;

	err = sort_nest(tb, ARRAY_SIZE(tb) - 1, attr, extack);
	if (err)
		return err;
	if (tb[KSVC_A_FRONTEND_CLASS])
		front->class = nla_get_u32(tb[KSVC_A_FRONTEND_CLASS]);
	if (front->class == KSVC_CLASS_NODE_PORT)
		err = parse_any(tb, key, extack);
	else
		err = ksvc_nl_parse_addr(tb[KSVC_A_FRONTEND_ADDR4], tb[KSVC_A_FRONTEND_ADDR6],
					 &key->addr, &key->family, extack);
	if (!err)
		err = parse_port(attr, tb[KSVC_A_FRONTEND_PORT], &key->port, extack);
	if (err)
		return err;

	protocol = tb[KSVC_A_FRONTEND_PROTOCOL];
	key->protocol = protocol ? nla_get_u8(protocol) : 0;
	if (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP ||
	    key->protocol == IPPROTO_SCTP)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, protocol ?: attr, "the protocol is not TCP, UDP or SCTP");
	return -EINVAL;
}

static int parse_endpoint(const struct nlattr *attr, struct ksvc_endpoint *ep,
			  struct netlink_ext_ack *extack)
{
	const struct nlattr *tb[ARRAY_SIZE(ksvc_endpoint_nl_policy)];
	int err;

	err = sort_nest(tb, ARRAY_SIZE(tb) - 1, attr, extack);
	if (!err)
		err = ksvc_nl_parse_addr(tb[KSVC_A_ENDPOINT_ADDR4], tb[KSVC_A_ENDPOINT_ADDR6],
					 &ep->addr, &ep->family, extack);
	if (!err)
		err = parse_port(attr, tb[KSVC_A_ENDPOINT_PORT], &ep->port, extack);
	if (err)
		return err;

	if (tb[KSVC_A_ENDPOINT_CONNECTIONS] || tb[KSVC_A_ENDPOINT_ACTIVE]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[KSVC_A_ENDPOINT_CONNECTIONS] ?:
				    tb[KSVC_A_ENDPOINT_ACTIVE], "the counter cannot be set");
		return -EINVAL;
	}
	ep->weight = 1;
	ep->flags = KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL;
	ep->given = 0;
	if (tb[KSVC_A_ENDPOINT_WEIGHT]) {
		if (nla_get_u32(tb[KSVC_A_ENDPOINT_WEIGHT]) > KSVC_WEIGHT_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, tb[KSVC_A_ENDPOINT_WEIGHT],
					    "the weight is at most 65535");
			return -EINVAL;
		}
		ep->weight = nla_get_u32(tb[KSVC_A_ENDPOINT_WEIGHT]);
		ep->given |= KSVC_GIVEN_WEIGHT;
	}
	if (tb[KSVC_A_ENDPOINT_FLAGS]) {
		ep->flags = nla_get_u32(tb[KSVC_A_ENDPOINT_FLAGS]);
		ep->given |= KSVC_GIVEN_FLAGS;
	}
	return 0;
}

static int count_lists(const struct genl_info *info, struct ksvc_spec *spec)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		spec->n_frontends += nla_type(attr) == KSVC_A_SERVICE_FRONTEND;
		spec->n_endpoints += nla_type(attr) == KSVC_A_SERVICE_ENDPOINT;
		spec->n_ranges += nla_type(attr) == KSVC_A_SERVICE_SOURCE_RANGE;
	}
	if (spec->n_frontends > KSVC_MAX_FRONTENDS)
		NL_SET_ERR_MSG(info->extack, "a service takes at most 1024 frontends");
	else if (spec->n_endpoints > KSVC_MAX_ENDPOINTS)
		NL_SET_ERR_MSG(info->extack, "a service takes at most 65535 endpoints");
	else if (spec->n_ranges > KSVC_MAX_SOURCE_RANGES)
		NL_SET_ERR_MSG(info->extack, "a service takes at most 16384 source ranges");
	else
		return 0;
	return -E2BIG;
}

static int parse_lists(struct genl_info *info, struct ksvc_spec *spec)
{
	u32 f = 0, e = 0, r = 0;
	const struct nlattr *attr;
	int rem, err = 0;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == KSVC_A_SERVICE_FRONTEND)
			err = parse_frontend(attr, &spec->frontends[f++], info->extack);
		else if (nla_type(attr) == KSVC_A_SERVICE_ENDPOINT)
			err = parse_endpoint(attr, &spec->endpoints[e++], info->extack);
		else if (nla_type(attr) == KSVC_A_SERVICE_SOURCE_RANGE)
			err = ksvc_nl_parse_prefix(attr, &spec->ranges[r++], info->extack);
		if (err)
			return err;
	}
	return 0;
}

static int alloc_list(void **list, u32 n, size_t size)
{
	if (n)
		*list = kvcalloc(n, size, GFP_KERNEL_ACCOUNT);
	return !n || *list ? 0 : -ENOMEM;
}

static u32 number(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

/* Of requests that define a service: the others' attributes end before. */
static int parse_features(struct genl_info *info, struct ksvc_features *features)
{
	struct nlattr **tb = info->attrs;

	features->flags = number(tb[KSVC_A_SERVICE_FLAGS]);
	features->affinity = number(tb[KSVC_A_SERVICE_AFFINITY]);
	features->scheduler = number(tb[KSVC_A_SERVICE_SCHEDULER]);
	features->maglev_size = number(tb[KSVC_A_SERVICE_MAGLEV_SIZE]);
	if (features->affinity > KSVC_MAX_AFFINITY) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[KSVC_A_SERVICE_AFFINITY],
				    "affinity lasts at most 86400 s");
		return -EINVAL;
	}
	if (!features->maglev_size || ksvc_maglev_valid(features->maglev_size))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, tb[KSVC_A_SERVICE_MAGLEV_SIZE],
			    "the size is no prime number up to 1048573");
	return -EINVAL;
}

/* Fills service, whose spec the caller hands on or frees. put: a whole
 * definition, which has frontends. Errors: -EINVAL, -E2BIG, -ENOMEM.
 */
int ksvc_nl_parse_service(struct genl_info *info, struct ksvc_nl_service *service, bool put)
{
	struct ksvc_spec *spec = &service->spec;
	int err;

	memset(service, 0, sizeof(*service));
	err = ksvc_nl_once_top(info->nlhdr, BIT_ULL(KSVC_A_SERVICE_FRONTEND) |
			       BIT_ULL(KSVC_A_SERVICE_ENDPOINT) |
			       BIT_ULL(KSVC_A_SERVICE_SOURCE_RANGE), info->extack);
	if (err)
		return err;
	if (!info->attrs[KSVC_A_SERVICE_NAME]) {
		NL_SET_ERR_MSG(info->extack, "the name is missing");
		return -EINVAL;
	}
	err = ksvc_nl_parse_name(info->attrs[KSVC_A_SERVICE_NAME], info->extack) ?:
	      count_lists(info, spec);
	if (err)
		return err;
	if (put && !spec->n_frontends) {
		NL_SET_ERR_MSG(info->extack, "a service needs a frontend");
		return -EINVAL;
	}
	service->name = nla_data(info->attrs[KSVC_A_SERVICE_NAME]);
	if (put)
		err = parse_features(info, &spec->features);
	if (!err)
		err = alloc_list((void **)&spec->frontends, spec->n_frontends,
				 sizeof(*spec->frontends)) ?:
		      alloc_list((void **)&spec->endpoints, spec->n_endpoints,
				 sizeof(*spec->endpoints)) ?:
		      alloc_list((void **)&spec->ranges, spec->n_ranges,
				 sizeof(*spec->ranges)) ?:
		      parse_lists(info, spec);
	if (err)
		ksvc_spec_free(spec);
	return err;
}
