/* SPDX-License-Identifier: GPL-2.0 */
/* What the netlink files share among themselves. */
#ifndef _KSVC_NETLINK_H
#define _KSVC_NETLINK_H

#include "ksvc.h"

struct genl_info;
struct nlattr;
struct nlmsghdr;

/* A request about a service, in memory of its own. */
struct ksvc_nl_service {
	const char *name;		/* in the request */
	struct ksvc_spec spec;
};

/* netlink_parse.c */
int ksvc_nl_once(const struct nlattr *head, int len, u64 repeatable,
		 struct netlink_ext_ack *extack);
int ksvc_nl_once_top(const struct nlmsghdr *nlh, u64 repeatable,
		     struct netlink_ext_ack *extack);
int ksvc_nl_no_attributes(const struct genl_info *info);
int ksvc_nl_parse_name(const struct nlattr *attr, struct netlink_ext_ack *extack);
int ksvc_nl_parse_service(struct genl_info *info, struct ksvc_nl_service *service, bool put);
int ksvc_nl_parse_prefix(const struct nlattr *attr, struct ksvc_prefix *p,
			 struct netlink_ext_ack *extack);
int ksvc_nl_parse_addr(const struct nlattr *addr4, const struct nlattr *addr6,
		       union nf_inet_addr *addr, u8 *family,
		       struct netlink_ext_ack *extack);

/* netlink_dump.c */
int ksvc_nl_put_addr(struct sk_buff *skb, int addr4, int addr6, u8 family,
		     const union nf_inet_addr *addr);
int ksvc_nl_put_prefix(struct sk_buff *skb, int type, const struct ksvc_prefix *p);

#endif /* _KSVC_NETLINK_H */
