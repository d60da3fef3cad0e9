/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	include/uapi/ksvc.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_KSVC_GEN_H
#define _LINUX_KSVC_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/ksvc.h>

/* Common nested types */
extern const struct nla_policy ksvc_endpoint_nl_policy[KSVC_A_ENDPOINT_PAD + 1];
extern const struct nla_policy ksvc_frontend_nl_policy[KSVC_A_FRONTEND_CLASS + 1];
extern const struct nla_policy ksvc_names_nl_policy[KSVC_A_NAMES_NAME + 1];
extern const struct nla_policy ksvc_prefix_nl_policy[KSVC_A_PREFIX_LENGTH + 1];
extern const struct nla_policy ksvc_prefixes_nl_policy[KSVC_A_PREFIXES_PREFIX + 1];

int ksvc_nl_info_get_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_settings_get_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_settings_set_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_service_put_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_endpoint_put_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_endpoint_del_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_service_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int ksvc_nl_txn_begin_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_txn_commit_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_txn_abort_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_explain_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ksvc_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int ksvc_nl_affinity_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int ksvc_nl_affinity_del_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	KSVC_NLGRP_CHANGES,
};

extern struct genl_family ksvc_nl_family;

#endif /* _LINUX_KSVC_GEN_H */
