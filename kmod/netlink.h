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
	struct ksvc_key *frontends;
	u32 n_frontends;
	struct ksvc_endpoint *endpoints;
	u32 n_endpoints;
};

/* netlink_parse.c */
int ksvc_nl_once(const struct nlattr *head, int len, u64 repeatable,
		 struct netlink_ext_ack *extack);
int ksvc_nl_once_top(const struct nlmsghdr *nlh, u64 repeatable,
		     struct netlink_ext_ack *extack);
int ksvc_nl_no_attributes(const struct genl_info *info);
int ksvc_nl_parse_name(const struct nlattr *attr, struct netlink_ext_ack *extack);
int ksvc_nl_parse_service(struct genl_info *info, struct ksvc_nl_service *service, bool put);
void ksvc_nl_service_free(struct ksvc_nl_service *service);
int ksvc_nl_parse_addr(const struct nlattr *addr4, const struct nlattr *addr6,
		       union nf_inet_addr *addr, u8 *family,
		       struct netlink_ext_ack *extack);

/* netlink_dump.c */
int ksvc_nl_put_addr(struct sk_buff *skb, int addr4, int addr6, u8 family,
		     const union nf_inet_addr *addr);

#endif /* _KSVC_NETLINK_H */
