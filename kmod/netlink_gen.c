// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	include/uapi/ksvc.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/ksvc.h>

/* Common nested types */
const struct nla_policy ksvc_endpoint_nl_policy[KSVC_A_ENDPOINT_PAD + 1] = {
	[KSVC_A_ENDPOINT_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_ENDPOINT_ADDR6] = NLA_POLICY_EXACT_LEN(16),
	[KSVC_A_ENDPOINT_PORT] = { .type = NLA_U16, },
	[KSVC_A_ENDPOINT_WEIGHT] = { .type = NLA_U32, },
	[KSVC_A_ENDPOINT_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[KSVC_A_ENDPOINT_CONNECTIONS] = { .type = NLA_U64, },
	[KSVC_A_ENDPOINT_ACTIVE] = { .type = NLA_U32, },
};

const struct nla_policy ksvc_frontend_nl_policy[KSVC_A_FRONTEND_CLASS + 1] = {
	[KSVC_A_FRONTEND_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_FRONTEND_ADDR6] = NLA_POLICY_EXACT_LEN(16),
	[KSVC_A_FRONTEND_PORT] = { .type = NLA_U16, },
	[KSVC_A_FRONTEND_PROTOCOL] = { .type = NLA_U8, },
	[KSVC_A_FRONTEND_CLASS] = NLA_POLICY_MAX(NLA_U32, 3),
};

const struct nla_policy ksvc_names_nl_policy[KSVC_A_NAMES_NAME + 1] = {
	[KSVC_A_NAMES_NAME] = { .type = NLA_STRING, .len = 16, },
};

const struct nla_policy ksvc_prefix_nl_policy[KSVC_A_PREFIX_LENGTH + 1] = {
	[KSVC_A_PREFIX_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_PREFIX_ADDR6] = NLA_POLICY_EXACT_LEN(16),
	[KSVC_A_PREFIX_LENGTH] = { .type = NLA_U8, },
};

const struct nla_policy ksvc_prefixes_nl_policy[KSVC_A_PREFIXES_PREFIX + 1] = {
	[KSVC_A_PREFIXES_PREFIX] = NLA_POLICY_NESTED(ksvc_prefix_nl_policy),
};

/* KSVC_CMD_SETTINGS_SET - do */
static const struct nla_policy ksvc_settings_set_nl_policy[KSVC_A_SETTINGS_AFFINITY_ENTRIES + 1] = {
	[KSVC_A_SETTINGS_CLUSTER_CIDRS] = NLA_POLICY_NESTED(ksvc_prefixes_nl_policy),
	[KSVC_A_SETTINGS_SERVICE_CIDRS] = NLA_POLICY_NESTED(ksvc_prefixes_nl_policy),
	[KSVC_A_SETTINGS_POD_INTERFACES] = NLA_POLICY_NESTED(ksvc_names_nl_policy),
	[KSVC_A_SETTINGS_MASQUERADE_ALL] = NLA_POLICY_MAX(NLA_U8, 1),
	[KSVC_A_SETTINGS_NODEPORT_ADDRESSES] = NLA_POLICY_NESTED(ksvc_prefixes_nl_policy),
	[KSVC_A_SETTINGS_LOCALHOST_NODEPORTS] = NLA_POLICY_MAX(NLA_U8, 1),
	[KSVC_A_SETTINGS_DROP_INVALID] = NLA_POLICY_MAX(NLA_U8, 1),
	[KSVC_A_SETTINGS_PING] = NLA_POLICY_MAX(NLA_U8, 1),
	[KSVC_A_SETTINGS_AFFINITY_ENTRIES] = { .type = NLA_U32, },
};

/* KSVC_CMD_SERVICE_PUT - do */
static const struct nla_policy ksvc_service_put_nl_policy[KSVC_A_SERVICE_MAGLEV_SIZE + 1] = {
	[KSVC_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
	[KSVC_A_SERVICE_FRONTEND] = NLA_POLICY_NESTED(ksvc_frontend_nl_policy),
	[KSVC_A_SERVICE_ENDPOINT] = NLA_POLICY_NESTED(ksvc_endpoint_nl_policy),
	[KSVC_A_SERVICE_MODE] = NLA_POLICY_MAX(NLA_U32, 2),
	[KSVC_A_SERVICE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x7),
	[KSVC_A_SERVICE_SOURCE_RANGE] = NLA_POLICY_NESTED(ksvc_prefix_nl_policy),
	[KSVC_A_SERVICE_AFFINITY] = { .type = NLA_U32, },
	[KSVC_A_SERVICE_SCHEDULER] = NLA_POLICY_MAX(NLA_U32, 5),
	[KSVC_A_SERVICE_MAGLEV_SIZE] = { .type = NLA_U32, },
};

/* KSVC_CMD_SERVICE_DEL - do */
static const struct nla_policy ksvc_service_del_nl_policy[KSVC_A_SERVICE_NAME + 1] = {
	[KSVC_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
};

/* KSVC_CMD_ENDPOINT_PUT - do */
static const struct nla_policy ksvc_endpoint_put_nl_policy[KSVC_A_SERVICE_MODE + 1] = {
	[KSVC_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
	[KSVC_A_SERVICE_ENDPOINT] = NLA_POLICY_NESTED(ksvc_endpoint_nl_policy),
	[KSVC_A_SERVICE_MODE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* KSVC_CMD_ENDPOINT_DEL - do */
static const struct nla_policy ksvc_endpoint_del_nl_policy[KSVC_A_SERVICE_ENDPOINT + 1] = {
	[KSVC_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
	[KSVC_A_SERVICE_ENDPOINT] = NLA_POLICY_NESTED(ksvc_endpoint_nl_policy),
};

/* KSVC_CMD_SERVICE_GET - dump */
static const struct nla_policy ksvc_service_get_nl_policy[KSVC_A_SERVICE_NAME + 1] = {
	[KSVC_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
};

/* KSVC_CMD_TXN_BEGIN - do */
static const struct nla_policy ksvc_txn_begin_nl_policy[KSVC_A_TXN_FLAGS + 1] = {
	[KSVC_A_TXN_GENERATION] = { .type = NLA_U64, },
	[KSVC_A_TXN_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x3),
};

/* KSVC_CMD_TXN_COMMIT - do */
static const struct nla_policy ksvc_txn_commit_nl_policy[KSVC_A_TXN_REQUESTS + 1] = {
	[KSVC_A_TXN_REQUESTS] = { .type = NLA_U32, },
};

/* KSVC_CMD_EXPLAIN - dump */
static const struct nla_policy ksvc_explain_nl_policy[KSVC_A_EXPLAIN_IN_INTERFACE + 1] = {
	[KSVC_A_EXPLAIN_FROM_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_EXPLAIN_FROM_ADDR6] = NLA_POLICY_EXACT_LEN(16),
	[KSVC_A_EXPLAIN_FROM_PORT] = { .type = NLA_U16, },
	[KSVC_A_EXPLAIN_TO_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_EXPLAIN_TO_ADDR6] = NLA_POLICY_EXACT_LEN(16),
	[KSVC_A_EXPLAIN_TO_PORT] = { .type = NLA_U16, },
	[KSVC_A_EXPLAIN_PROTOCOL] = { .type = NLA_U8, },
	[KSVC_A_EXPLAIN_IN_INTERFACE] = { .type = NLA_NUL_STRING, .len = 15, },
};

/* KSVC_CMD_AFFINITY_GET - dump */
static const struct nla_policy ksvc_affinity_get_nl_policy[KSVC_A_AFFINITY_NAME + 1] = {
	[KSVC_A_AFFINITY_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
};

/* KSVC_CMD_AFFINITY_DEL - do */
static const struct nla_policy ksvc_affinity_del_nl_policy[KSVC_A_AFFINITY_CLIENT_ADDR6 + 1] = {
	[KSVC_A_AFFINITY_NAME] = { .type = NLA_NUL_STRING, .len = KSVC_NAME_MAX, },
	[KSVC_A_AFFINITY_CLIENT_ADDR4] = { .type = NLA_U32, },
	[KSVC_A_AFFINITY_CLIENT_ADDR6] = NLA_POLICY_EXACT_LEN(16),
};

/* Ops table for ksvc */
static const struct genl_split_ops ksvc_nl_ops[] = {
	{
		.cmd	= KSVC_CMD_INFO_GET,
		.doit	= ksvc_nl_info_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= KSVC_CMD_SETTINGS_GET,
		.doit	= ksvc_nl_settings_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_SETTINGS_SET,
		.doit		= ksvc_nl_settings_set_doit,
		.policy		= ksvc_settings_set_nl_policy,
		.maxattr	= KSVC_A_SETTINGS_AFFINITY_ENTRIES,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_SERVICE_PUT,
		.doit		= ksvc_nl_service_put_doit,
		.policy		= ksvc_service_put_nl_policy,
		.maxattr	= KSVC_A_SERVICE_MAGLEV_SIZE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_SERVICE_DEL,
		.doit		= ksvc_nl_service_del_doit,
		.policy		= ksvc_service_del_nl_policy,
		.maxattr	= KSVC_A_SERVICE_NAME,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_ENDPOINT_PUT,
		.doit		= ksvc_nl_endpoint_put_doit,
		.policy		= ksvc_endpoint_put_nl_policy,
		.maxattr	= KSVC_A_SERVICE_MODE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_ENDPOINT_DEL,
		.doit		= ksvc_nl_endpoint_del_doit,
		.policy		= ksvc_endpoint_del_nl_policy,
		.maxattr	= KSVC_A_SERVICE_ENDPOINT,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_SERVICE_GET,
		.dumpit		= ksvc_nl_service_get_dumpit,
		.policy		= ksvc_service_get_nl_policy,
		.maxattr	= KSVC_A_SERVICE_NAME,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KSVC_CMD_TXN_BEGIN,
		.doit		= ksvc_nl_txn_begin_doit,
		.policy		= ksvc_txn_begin_nl_policy,
		.maxattr	= KSVC_A_TXN_FLAGS,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_TXN_COMMIT,
		.doit		= ksvc_nl_txn_commit_doit,
		.policy		= ksvc_txn_commit_nl_policy,
		.maxattr	= KSVC_A_TXN_REQUESTS,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= KSVC_CMD_TXN_ABORT,
		.doit	= ksvc_nl_txn_abort_doit,
		.flags	= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_EXPLAIN,
		.dumpit		= ksvc_nl_explain_dumpit,
		.policy		= ksvc_explain_nl_policy,
		.maxattr	= KSVC_A_EXPLAIN_IN_INTERFACE,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= KSVC_CMD_STATS_GET,
		.doit	= ksvc_nl_stats_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= KSVC_CMD_AFFINITY_GET,
		.dumpit		= ksvc_nl_affinity_get_dumpit,
		.policy		= ksvc_affinity_get_nl_policy,
		.maxattr	= KSVC_A_AFFINITY_NAME,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= KSVC_CMD_AFFINITY_DEL,
		.doit		= ksvc_nl_affinity_del_doit,
		.policy		= ksvc_affinity_del_nl_policy,
		.maxattr	= KSVC_A_AFFINITY_CLIENT_ADDR6,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group ksvc_nl_mcgrps[] = {
	[KSVC_NLGRP_CHANGES] = { "changes", },
};

struct genl_family ksvc_nl_family __ro_after_init = {
	.name		= KSVC_FAMILY_NAME,
	.version	= KSVC_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= ksvc_nl_ops,
	.n_split_ops	= ARRAY_SIZE(ksvc_nl_ops),
	.mcgrps		= ksvc_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(ksvc_nl_mcgrps),
};
