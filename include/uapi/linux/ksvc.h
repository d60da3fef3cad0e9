/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	include/uapi/ksvc.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_KSVC_H
#define _UAPI_LINUX_KSVC_H

#define KSVC_FAMILY_NAME	"ksvc"
#define KSVC_FAMILY_VERSION	1

#define KSVC_NAME_MAX			255
#define KSVC_WEIGHT_MAX			65535
#define KSVC_MAX_ENDPOINTS		65535
#define KSVC_MAX_FRONTENDS		1024
#define KSVC_MAX_SERVICES		1048576
#define KSVC_MAX_TOTAL_FRONTENDS	4194304
#define KSVC_MAX_TOTAL_ENDPOINTS	16777216
#define KSVC_MAX_PREFIXES		256
#define KSVC_MAX_SOURCE_RANGES		16384
#define KSVC_MAX_AFFINITY		86400
#define KSVC_MAX_MAGLEV_SIZE		1048573
#define KSVC_MAX_AFFINITY_ENTRIES	16777216

/**
 * enum ksvc_class - What kind of address a frontend has. The first is internal
 *   traffic, the others are external, whoever sends it.
 * @KSVC_CLASS_CLUSTER_IP: A ClusterIP; its other ports are refused (F7).
 * @KSVC_CLASS_LOAD_BALANCER: Guarded by the service's source ranges (F3).
 * @KSVC_CLASS_NODE_PORT: Any address of the node (M4, M6); the address is
 *   0.0.0.0 or ::.
 */
enum ksvc_class {
	KSVC_CLASS_CLUSTER_IP,
	KSVC_CLASS_EXTERNAL_IP,
	KSVC_CLASS_LOAD_BALANCER,
	KSVC_CLASS_NODE_PORT,
};

/**
 * enum ksvc_scheduler - How a connection's endpoint is chosen from its set.
 * @KSVC_SCHEDULER_RANDOM: Evenly, or by weight.
 * @KSVC_SCHEDULER_RR: One after the other; of weights only 0 counts.
 * @KSVC_SCHEDULER_WRR: In turn, as often as the weights say.
 * @KSVC_SCHEDULER_LC: The fewest live connections relative to the weight.
 * @KSVC_SCHEDULER_SH: By the client's address and the weights.
 * @KSVC_SCHEDULER_MAGLEV: By the flow, the same on all nodes with the same
 *   endpoints, and with little change when endpoints change.
 */
enum ksvc_scheduler {
	KSVC_SCHEDULER_RANDOM,
	KSVC_SCHEDULER_RR,
	KSVC_SCHEDULER_WRR,
	KSVC_SCHEDULER_LC,
	KSVC_SCHEDULER_SH,
	KSVC_SCHEDULER_MAGLEV,
};

/**
 * enum ksvc_service_flags
 * @KSVC_SERVICE_FLAGS_INTERNAL_LOCAL: ClusterIP traffic uses local endpoints
 *   (internalTrafficPolicy).
 * @KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL: Other traffic does
 *   (externalTrafficPolicy).
 * @KSVC_SERVICE_FLAGS_RESET: TCP connections to an endpoint that is removed
 *   are reset at their next packet. Else they go on.
 */
enum ksvc_service_flags {
	KSVC_SERVICE_FLAGS_INTERNAL_LOCAL = 1,
	KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL = 2,
	KSVC_SERVICE_FLAGS_RESET = 4,
};

/**
 * enum ksvc_endpoint_flags - The sets an endpoint is a member of. One of none
 *   gets no new connections and keeps those it has.
 * @KSVC_ENDPOINT_FLAGS_CLUSTER: Used by traffic whose policy is Cluster.
 * @KSVC_ENDPOINT_FLAGS_LOCAL: Runs on this node; used by traffic whose policy
 *   is Local, and masqueraded when it reaches itself through the service.
 * @KSVC_ENDPOINT_FLAGS_DRAINING: Terminating; without consequence, shown to
 *   people.
 * @KSVC_ENDPOINT_FLAGS_NOT_SERVING: Said not to serve, though it may be
 *   chosen; UDP flows do not stay with it (C3).
 */
enum ksvc_endpoint_flags {
	KSVC_ENDPOINT_FLAGS_CLUSTER = 1,
	KSVC_ENDPOINT_FLAGS_LOCAL = 2,
	KSVC_ENDPOINT_FLAGS_DRAINING = 4,
	KSVC_ENDPOINT_FLAGS_NOT_SERVING = 8,
};

/**
 * enum ksvc_txn_flags
 * @KSVC_TXN_FLAGS_REPLACE: What the transaction does not put is deleted by its
 *   commit.
 * @KSVC_TXN_FLAGS_SWEEP: If the commit changes anything, conntrack's entries
 *   are looked through for those that have become obsolete, also where the
 *   changes alone are no reason for that. For a Service one of whose ports is
 *   on UDP, while another one's endpoints change (C1).
 */
enum ksvc_txn_flags {
	KSVC_TXN_FLAGS_REPLACE = 1,
	KSVC_TXN_FLAGS_SWEEP = 2,
};

/**
 * enum ksvc_mode - What may be there before a put. (Generic netlink leaves no
 *   room for NLM_F_CREATE and the like.)
 * @KSVC_MODE_PUT: Adds or replaces.
 * @KSVC_MODE_CREATE: Adds; fails with EEXIST if it is there.
 * @KSVC_MODE_REPLACE: Replaces; fails with ENOENT if it is not there.
 */
enum ksvc_mode {
	KSVC_MODE_PUT,
	KSVC_MODE_CREATE,
	KSVC_MODE_REPLACE,
};

/**
 * enum ksvc_verdict
 * @KSVC_VERDICT_NONE: Not a service's packet; left alone.
 * @KSVC_VERDICT_DNAT: Sent to an endpoint.
 * @KSVC_VERDICT_DROP: Dropped without an answer.
 * @KSVC_VERDICT_REJECT: Dropped and answered with ICMP port unreachable.
 * @KSVC_VERDICT_RESET: Dropped and answered with a TCP RST.
 * @KSVC_VERDICT_LOCAL: Answered by the node itself.
 */
enum ksvc_verdict {
	KSVC_VERDICT_NONE,
	KSVC_VERDICT_DNAT,
	KSVC_VERDICT_DROP,
	KSVC_VERDICT_REJECT,
	KSVC_VERDICT_RESET,
	KSVC_VERDICT_LOCAL,
};

/**
 * enum ksvc_reason - Why a packet got its verdict; also the index of its
 *   counter.
 * @KSVC_REASON_NO_SERVICE: none; the destination is no frontend.
 * @KSVC_REASON_TRANSLATED: dnat.
 * @KSVC_REASON_NO_ENDPOINT: reject; the frontend's service has no endpoint
 *   that takes new connections (F1).
 * @KSVC_REASON_UNUSED_PORT: reject; a VIP, but not with this port or protocol
 *   (F7).
 * @KSVC_REASON_UNUSED_ADDRESS: drop; inside a service CIDR, but no VIP (F8).
 * @KSVC_REASON_NO_CONNECTION: reset; a TCP segment to a frontend that opens no
 *   connection and belongs to none.
 * @KSVC_REASON_NAT_FAILED: drop; conntrack could not take the translation.
 * @KSVC_REASON_INVALID: drop; of a connection to a frontend, in either
 *   direction, but conntrack finds it invalid (outside the window, a wrong
 *   checksum) and does not translate it. With drop-invalid also any forwarded
 *   packet that is (F14).
 * @KSVC_REASON_NO_LOCAL_ENDPOINT: drop; there are endpoints, but not on this
 *   node, and the policy is Local (F2).
 * @KSVC_REASON_SOURCE_RANGE: drop; a load-balancer address, and a source in
 *   none of the service's source ranges (F3).
 * @KSVC_REASON_LOCALHOST: drop; for a loopback address but not from one, while
 *   localhost-nodeports is on (F13).
 * @KSVC_REASON_ECHO: local; an echo request to a VIP with an endpoint, while
 *   ping is on.
 */
enum ksvc_reason {
	KSVC_REASON_NO_SERVICE,
	KSVC_REASON_TRANSLATED,
	KSVC_REASON_NO_ENDPOINT,
	KSVC_REASON_UNUSED_PORT,
	KSVC_REASON_UNUSED_ADDRESS,
	KSVC_REASON_NO_CONNECTION,
	KSVC_REASON_NAT_FAILED,
	KSVC_REASON_INVALID,
	KSVC_REASON_NO_LOCAL_ENDPOINT,
	KSVC_REASON_SOURCE_RANGE,
	KSVC_REASON_LOCALHOST,
	KSVC_REASON_ECHO,
};

/**
 * enum ksvc_rule - The rule of docs/design.md that decided.
 */
enum ksvc_rule {
	KSVC_RULE_NONE,
	KSVC_RULE_M1,
	KSVC_RULE_X1,
	KSVC_RULE_X2,
	KSVC_RULE_X3,
	KSVC_RULE_X4,
	KSVC_RULE_F1,
	KSVC_RULE_F2,
	KSVC_RULE_F3,
	KSVC_RULE_F7,
	KSVC_RULE_F8,
	KSVC_RULE_F13,
};

enum ksvc_event {
	KSVC_EVENT_ADDED,
	KSVC_EVENT_CHANGED,
	KSVC_EVENT_DELETED,
};

enum {
	KSVC_A_FRONTEND_ADDR4 = 1,
	KSVC_A_FRONTEND_ADDR6,
	KSVC_A_FRONTEND_PORT,
	KSVC_A_FRONTEND_PROTOCOL,
	KSVC_A_FRONTEND_CLASS,

	__KSVC_A_FRONTEND_MAX,
	KSVC_A_FRONTEND_MAX = (__KSVC_A_FRONTEND_MAX - 1)
};

enum {
	KSVC_A_ENDPOINT_ADDR4 = 1,
	KSVC_A_ENDPOINT_ADDR6,
	KSVC_A_ENDPOINT_PORT,
	KSVC_A_ENDPOINT_WEIGHT,
	KSVC_A_ENDPOINT_FLAGS,
	KSVC_A_ENDPOINT_CONNECTIONS,
	KSVC_A_ENDPOINT_ACTIVE,
	KSVC_A_ENDPOINT_PAD,

	__KSVC_A_ENDPOINT_MAX,
	KSVC_A_ENDPOINT_MAX = (__KSVC_A_ENDPOINT_MAX - 1)
};

enum {
	KSVC_A_PREFIX_ADDR4 = 1,
	KSVC_A_PREFIX_ADDR6,
	KSVC_A_PREFIX_LENGTH,

	__KSVC_A_PREFIX_MAX,
	KSVC_A_PREFIX_MAX = (__KSVC_A_PREFIX_MAX - 1)
};

enum {
	KSVC_A_PREFIXES_PREFIX = 1,

	__KSVC_A_PREFIXES_MAX,
	KSVC_A_PREFIXES_MAX = (__KSVC_A_PREFIXES_MAX - 1)
};

enum {
	KSVC_A_NAMES_NAME = 1,

	__KSVC_A_NAMES_MAX,
	KSVC_A_NAMES_MAX = (__KSVC_A_NAMES_MAX - 1)
};

enum {
	KSVC_A_COUNTER_REASON = 1,
	KSVC_A_COUNTER_PACKETS,
	KSVC_A_COUNTER_PAD,

	__KSVC_A_COUNTER_MAX,
	KSVC_A_COUNTER_MAX = (__KSVC_A_COUNTER_MAX - 1)
};

enum {
	KSVC_A_INFO_VERSION = 1,
	KSVC_A_INFO_GENERATION,
	KSVC_A_INFO_SERVICES,
	KSVC_A_INFO_FRONTENDS,
	KSVC_A_INFO_ENDPOINTS,
	KSVC_A_INFO_ACTIVE,
	KSVC_A_INFO_NAMESPACES,
	KSVC_A_INFO_PAD,

	__KSVC_A_INFO_MAX,
	KSVC_A_INFO_MAX = (__KSVC_A_INFO_MAX - 1)
};

enum {
	KSVC_A_SETTINGS_CLUSTER_CIDRS = 1,
	KSVC_A_SETTINGS_SERVICE_CIDRS,
	KSVC_A_SETTINGS_POD_INTERFACES,
	KSVC_A_SETTINGS_MASQUERADE_ALL,
	KSVC_A_SETTINGS_NODEPORT_ADDRESSES,
	KSVC_A_SETTINGS_LOCALHOST_NODEPORTS,
	KSVC_A_SETTINGS_DROP_INVALID,
	KSVC_A_SETTINGS_PING,
	KSVC_A_SETTINGS_AFFINITY_ENTRIES,
	KSVC_A_SETTINGS_GENERATION,
	KSVC_A_SETTINGS_PAD,

	__KSVC_A_SETTINGS_MAX,
	KSVC_A_SETTINGS_MAX = (__KSVC_A_SETTINGS_MAX - 1)
};

enum {
	KSVC_A_SERVICE_NAME = 1,
	KSVC_A_SERVICE_FRONTEND,
	KSVC_A_SERVICE_ENDPOINT,
	KSVC_A_SERVICE_MODE,
	KSVC_A_SERVICE_CONNECTIONS,
	KSVC_A_SERVICE_GENERATION,
	KSVC_A_SERVICE_EVENT,
	KSVC_A_SERVICE_FRONTENDS,
	KSVC_A_SERVICE_ENDPOINTS,
	KSVC_A_SERVICE_PAD,
	KSVC_A_SERVICE_FLAGS,
	KSVC_A_SERVICE_SOURCE_RANGE,
	KSVC_A_SERVICE_SOURCE_RANGES,
	KSVC_A_SERVICE_AFFINITY,
	KSVC_A_SERVICE_SCHEDULER,
	KSVC_A_SERVICE_MAGLEV_SIZE,

	__KSVC_A_SERVICE_MAX,
	KSVC_A_SERVICE_MAX = (__KSVC_A_SERVICE_MAX - 1)
};

enum {
	KSVC_A_TXN_GENERATION = 1,
	KSVC_A_TXN_FLAGS,
	KSVC_A_TXN_CHANGES,
	KSVC_A_TXN_REQUESTS,
	KSVC_A_TXN_PAD,

	__KSVC_A_TXN_MAX,
	KSVC_A_TXN_MAX = (__KSVC_A_TXN_MAX - 1)
};

enum {
	KSVC_A_EXPLAIN_FROM_ADDR4 = 1,
	KSVC_A_EXPLAIN_FROM_ADDR6,
	KSVC_A_EXPLAIN_FROM_PORT,
	KSVC_A_EXPLAIN_TO_ADDR4,
	KSVC_A_EXPLAIN_TO_ADDR6,
	KSVC_A_EXPLAIN_TO_PORT,
	KSVC_A_EXPLAIN_PROTOCOL,
	KSVC_A_EXPLAIN_IN_INTERFACE,
	KSVC_A_EXPLAIN_VERDICT,
	KSVC_A_EXPLAIN_REASON,
	KSVC_A_EXPLAIN_SERVICE,
	KSVC_A_EXPLAIN_ENDPOINT,
	KSVC_A_EXPLAIN_RULE,

	__KSVC_A_EXPLAIN_MAX,
	KSVC_A_EXPLAIN_MAX = (__KSVC_A_EXPLAIN_MAX - 1)
};

enum {
	KSVC_A_AFFINITY_NAME = 1,
	KSVC_A_AFFINITY_CLIENT_ADDR4,
	KSVC_A_AFFINITY_CLIENT_ADDR6,
	KSVC_A_AFFINITY_ADDR4,
	KSVC_A_AFFINITY_ADDR6,
	KSVC_A_AFFINITY_PORT,
	KSVC_A_AFFINITY_EXPIRES,

	__KSVC_A_AFFINITY_MAX,
	KSVC_A_AFFINITY_MAX = (__KSVC_A_AFFINITY_MAX - 1)
};

enum {
	KSVC_A_CHOICE_ADDR4 = 1,
	KSVC_A_CHOICE_ADDR6,
	KSVC_A_CHOICE_PORT,
	KSVC_A_CHOICE_WEIGHT,
	KSVC_A_CHOICE_MASQUERADE,
	KSVC_A_CHOICE_CHOSEN,

	__KSVC_A_CHOICE_MAX,
	KSVC_A_CHOICE_MAX = (__KSVC_A_CHOICE_MAX - 1)
};

enum {
	KSVC_A_STATS_COUNTER = 1,
	KSVC_A_STATS_MASQUERADED,
	KSVC_A_STATS_PAD,
	KSVC_A_STATS_SWEEPS,
	KSVC_A_STATS_SWEEP_TIME,
	KSVC_A_STATS_SWEPT_IPV4,
	KSVC_A_STATS_SWEPT_IPV6,

	__KSVC_A_STATS_MAX,
	KSVC_A_STATS_MAX = (__KSVC_A_STATS_MAX - 1)
};

enum {
	KSVC_CMD_INFO_GET = 1,
	KSVC_CMD_SETTINGS_GET,
	KSVC_CMD_SETTINGS_SET,
	KSVC_CMD_SERVICE_PUT,
	KSVC_CMD_SERVICE_DEL,
	KSVC_CMD_ENDPOINT_PUT,
	KSVC_CMD_ENDPOINT_DEL,
	KSVC_CMD_SERVICE_GET,
	KSVC_CMD_TXN_BEGIN,
	KSVC_CMD_TXN_COMMIT,
	KSVC_CMD_TXN_ABORT,
	KSVC_CMD_EXPLAIN,
	KSVC_CMD_STATS_GET,
	KSVC_CMD_AFFINITY_GET,
	KSVC_CMD_AFFINITY_DEL,
	KSVC_CMD_SERVICE_NTF,
	KSVC_CMD_COMMIT_NTF,

	__KSVC_CMD_MAX,
	KSVC_CMD_MAX = (__KSVC_CMD_MAX - 1)
};

#define KSVC_MCGRP_CHANGES	"changes"

#endif /* _UAPI_LINUX_KSVC_H */
