// SPDX-License-Identifier: GPL-2.0
#include "nl_spec.h"

#include <linux/genetlink.h>
#include <linux/ksvc.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define SET(name) \
	const struct attr_set spec_##name = { name##_attrs, ARRAY_SIZE(name##_attrs) }
#define NEST(name, set)	{ name, MNL_TYPE_NESTED, &spec_##set }
#define U8(name)	{ name, MNL_TYPE_U8, NULL }
#define U16(name)	{ name, MNL_TYPE_U16, NULL }
#define U32(name)	{ name, MNL_TYPE_U32, NULL }
#define U64(name)	{ name, MNL_TYPE_U64, NULL }
#define STRING(name)	{ name, MNL_TYPE_NUL_STRING, NULL }
#define ADDR6(name)	{ name, MNL_TYPE_BINARY, NULL }
#define FLAG(name)	{ name, MNL_TYPE_FLAG, NULL }

static const struct attr_spec frontend_attrs[] = {
	[KSVC_A_FRONTEND_ADDR4] = U32("addr4"),
	[KSVC_A_FRONTEND_ADDR6] = ADDR6("addr6"),
	[KSVC_A_FRONTEND_PORT] = U16("port"),
	[KSVC_A_FRONTEND_PROTOCOL] = U8("protocol"),
	[KSVC_A_FRONTEND_CLASS] = U32("class"),
};
SET(frontend);

static const struct attr_spec endpoint_attrs[] = {
	[KSVC_A_ENDPOINT_ADDR4] = U32("addr4"),
	[KSVC_A_ENDPOINT_ADDR6] = ADDR6("addr6"),
	[KSVC_A_ENDPOINT_PORT] = U16("port"),
	[KSVC_A_ENDPOINT_WEIGHT] = U32("weight"),
	[KSVC_A_ENDPOINT_FLAGS] = U32("flags"),
	[KSVC_A_ENDPOINT_CONNECTIONS] = U64("connections"),
	[KSVC_A_ENDPOINT_ACTIVE] = U32("active"),
};
SET(endpoint);

static const struct attr_spec prefix_attrs[] = {
	[KSVC_A_PREFIX_ADDR4] = U32("addr4"),
	[KSVC_A_PREFIX_ADDR6] = ADDR6("addr6"),
	[KSVC_A_PREFIX_LENGTH] = U8("length"),
};
SET(prefix);

static const struct attr_spec prefixes_attrs[] = {
	[KSVC_A_PREFIXES_PREFIX] = NEST("prefix", prefix),
};
SET(prefixes);

static const struct attr_spec names_attrs[] = {
	[KSVC_A_NAMES_NAME] = STRING("name"),
};
SET(names);

static const struct attr_spec counter_attrs[] = {
	[KSVC_A_COUNTER_REASON] = U32("reason"),
	[KSVC_A_COUNTER_PACKETS] = U64("packets"),
};
SET(counter);

static const struct attr_spec info_attrs[] = {
	[KSVC_A_INFO_VERSION] = STRING("version"),
	[KSVC_A_INFO_GENERATION] = U64("generation"),
	[KSVC_A_INFO_SERVICES] = U32("services"),
	[KSVC_A_INFO_FRONTENDS] = U32("frontends"),
	[KSVC_A_INFO_ENDPOINTS] = U32("endpoints"),
	[KSVC_A_INFO_ACTIVE] = U8("active"),
	[KSVC_A_INFO_NAMESPACES] = U32("namespaces"),
};
SET(info);

static const struct attr_spec settings_attrs[] = {
	[KSVC_A_SETTINGS_CLUSTER_CIDRS] = NEST("cluster-cidrs", prefixes),
	[KSVC_A_SETTINGS_SERVICE_CIDRS] = NEST("service-cidrs", prefixes),
	[KSVC_A_SETTINGS_POD_INTERFACES] = NEST("pod-interfaces", names),
	[KSVC_A_SETTINGS_MASQUERADE_ALL] = U8("masquerade-all"),
	[KSVC_A_SETTINGS_NODEPORT_ADDRESSES] = NEST("nodeport-addresses", prefixes),
	[KSVC_A_SETTINGS_LOCALHOST_NODEPORTS] = U8("localhost-nodeports"),
	[KSVC_A_SETTINGS_DROP_INVALID] = U8("drop-invalid"),
	[KSVC_A_SETTINGS_PING] = U8("ping"),
	[KSVC_A_SETTINGS_AFFINITY_ENTRIES] = U32("affinity-entries"),
	[KSVC_A_SETTINGS_GENERATION] = U64("generation"),
};
SET(settings);

static const struct attr_spec service_attrs[] = {
	[KSVC_A_SERVICE_NAME] = STRING("name"),
	[KSVC_A_SERVICE_FRONTEND] = NEST("frontend", frontend),
	[KSVC_A_SERVICE_ENDPOINT] = NEST("endpoint", endpoint),
	[KSVC_A_SERVICE_MODE] = U32("mode"),
	[KSVC_A_SERVICE_CONNECTIONS] = U64("connections"),
	[KSVC_A_SERVICE_GENERATION] = U64("generation"),
	[KSVC_A_SERVICE_EVENT] = U32("event"),
	[KSVC_A_SERVICE_FRONTENDS] = U32("frontends"),
	[KSVC_A_SERVICE_ENDPOINTS] = U32("endpoints"),
	[KSVC_A_SERVICE_FLAGS] = U32("flags"),
	[KSVC_A_SERVICE_SOURCE_RANGE] = NEST("source-range", prefix),
	[KSVC_A_SERVICE_SOURCE_RANGES] = U32("source-ranges"),
	[KSVC_A_SERVICE_AFFINITY] = U32("affinity"),
	[KSVC_A_SERVICE_SCHEDULER] = U32("scheduler"),
	[KSVC_A_SERVICE_MAGLEV_SIZE] = U32("maglev-size"),
};
SET(service);

static const struct attr_spec txn_attrs[] = {
	[KSVC_A_TXN_GENERATION] = U64("generation"),
	[KSVC_A_TXN_FLAGS] = U32("flags"),
	[KSVC_A_TXN_CHANGES] = U32("changes"),
	[KSVC_A_TXN_REQUESTS] = U32("requests"),
};
SET(txn);

static const struct attr_spec choice_attrs[] = {
	[KSVC_A_CHOICE_ADDR4] = U32("addr4"),
	[KSVC_A_CHOICE_ADDR6] = ADDR6("addr6"),
	[KSVC_A_CHOICE_PORT] = U16("port"),
	[KSVC_A_CHOICE_WEIGHT] = U32("weight"),
	[KSVC_A_CHOICE_MASQUERADE] = FLAG("masquerade"),
	[KSVC_A_CHOICE_CHOSEN] = FLAG("chosen"),
};
SET(choice);

static const struct attr_spec explain_attrs[] = {
	[KSVC_A_EXPLAIN_FROM_ADDR4] = U32("from-addr4"),
	[KSVC_A_EXPLAIN_FROM_ADDR6] = ADDR6("from-addr6"),
	[KSVC_A_EXPLAIN_FROM_PORT] = U16("from-port"),
	[KSVC_A_EXPLAIN_TO_ADDR4] = U32("to-addr4"),
	[KSVC_A_EXPLAIN_TO_ADDR6] = ADDR6("to-addr6"),
	[KSVC_A_EXPLAIN_TO_PORT] = U16("to-port"),
	[KSVC_A_EXPLAIN_PROTOCOL] = U8("protocol"),
	[KSVC_A_EXPLAIN_IN_INTERFACE] = STRING("in-interface"),
	[KSVC_A_EXPLAIN_VERDICT] = U32("verdict"),
	[KSVC_A_EXPLAIN_REASON] = U32("reason"),
	[KSVC_A_EXPLAIN_SERVICE] = STRING("service"),
	[KSVC_A_EXPLAIN_ENDPOINT] = NEST("endpoint", choice),
	[KSVC_A_EXPLAIN_RULE] = U32("rule"),
};
SET(explain);

static const struct attr_spec affinity_attrs[] = {
	[KSVC_A_AFFINITY_NAME] = STRING("name"),
	[KSVC_A_AFFINITY_CLIENT_ADDR4] = U32("client-addr4"),
	[KSVC_A_AFFINITY_CLIENT_ADDR6] = ADDR6("client-addr6"),
	[KSVC_A_AFFINITY_ADDR4] = U32("addr4"),
	[KSVC_A_AFFINITY_ADDR6] = ADDR6("addr6"),
	[KSVC_A_AFFINITY_PORT] = U16("port"),
	[KSVC_A_AFFINITY_EXPIRES] = U32("expires"),
};
SET(affinity);

static const struct attr_spec stats_attrs[] = {
	[KSVC_A_STATS_COUNTER] = NEST("counter", counter),
	[KSVC_A_STATS_MASQUERADED] = U64("masqueraded"),
	[KSVC_A_STATS_SWEEPS] = U64("sweeps"),
	[KSVC_A_STATS_SWEEP_TIME] = U64("sweep-time"),
	[KSVC_A_STATS_SWEPT_IPV4] = U64("swept-ipv4"),
	[KSVC_A_STATS_SWEPT_IPV6] = U64("swept-ipv6"),
};
SET(stats);

const struct attr_set *spec_of_command(uint8_t cmd)
{
	switch (cmd) {
	case KSVC_CMD_INFO_GET:
		return &spec_info;
	case KSVC_CMD_SETTINGS_GET:
	case KSVC_CMD_SETTINGS_SET:
		return &spec_settings;
	case KSVC_CMD_TXN_BEGIN:
	case KSVC_CMD_TXN_COMMIT:
	case KSVC_CMD_TXN_ABORT:
	case KSVC_CMD_COMMIT_NTF:
		return &spec_txn;
	case KSVC_CMD_EXPLAIN:
		return &spec_explain;
	case KSVC_CMD_STATS_GET:
		return &spec_stats;
	case KSVC_CMD_AFFINITY_GET:
	case KSVC_CMD_AFFINITY_DEL:
		return &spec_affinity;
	default:
		return &spec_service;
	}
}

/* Whether the value has the type's size. Attributes of newer kernels pass. */
bool spec_valid(const struct attr_set *set, const struct nlattr *attr)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type >= set->n || !set->attrs[type].name)
		return true;
	if (set->attrs[type].type == MNL_TYPE_BINARY)
		return mnl_attr_get_payload_len(attr) == 16;
	return mnl_attr_validate(attr, set->attrs[type].type) >= 0;
}

const char *spec_name(const struct attr_set *set, uint16_t type)
{
	if (!set || type >= set->n || !set->attrs[type].name)
		return NULL;
	return set->attrs[type].name;
}

void spec_path(const struct nlmsghdr *nlh, size_t offset, char *buf,
	       size_t size, const struct attr_set **inner)
{
	const struct attr_set *set;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const char *base = (const char *)nlh, *at = (const char *)(genl + 1);
	const char *end = base + nlh->nlmsg_len;
	size_t used = 0;

	*buf = '\0';
	*inner = set = spec_of_command(genl->cmd);
	while (set && mnl_attr_ok((const struct nlattr *)at, end - at)) {
		const struct nlattr *attr = (const struct nlattr *)at;
		const char *next = at + MNL_ALIGN(attr->nla_len), *name;
		uint16_t type = mnl_attr_get_type(attr);

		if (base + offset >= next) {
			at = next;
			continue;
		}
		name = spec_name(set, type);
		if (!name)
			return;
		used += snprintf(buf + used, size - used, "%s%s", used ? "/" : "", name);
		if (used >= size)
			return;
		*inner = set = set->attrs[type].nested;
		if (at == base + offset)
			return;
		end = at + attr->nla_len;
		at = mnl_attr_get_payload(attr);
	}
}

static const char *const verdicts[] = {
	[KSVC_VERDICT_NONE] = "none",
	[KSVC_VERDICT_DNAT] = "dnat",
	[KSVC_VERDICT_DROP] = "drop",
	[KSVC_VERDICT_REJECT] = "reject",
	[KSVC_VERDICT_RESET] = "reset",
	[KSVC_VERDICT_LOCAL] = "local",
};

static const struct {
	const char *name, *meaning;
} reasons[] = {
	[KSVC_REASON_NO_SERVICE] = {
		"no-service", "passed: the destination is no service" },
	[KSVC_REASON_TRANSLATED] = {
		"translated", "sent to an endpoint" },
	[KSVC_REASON_NO_ENDPOINT] = {
		"no-endpoint", "rejected: the service has no endpoint for new connections" },
	[KSVC_REASON_UNUSED_PORT] = {
		"unused-port", "rejected: a VIP, but not with this port or protocol" },
	[KSVC_REASON_UNUSED_ADDRESS] = {
		"unused-address", "dropped: inside a service CIDR, but no VIP" },
	[KSVC_REASON_NO_CONNECTION] = {
		"no-connection", "reset: a TCP segment to a VIP that belongs to no connection" },
	[KSVC_REASON_NAT_FAILED] = {
		"nat-failed", "dropped: conntrack could not take the translation" },
	[KSVC_REASON_INVALID] = {
		"invalid", "dropped: of a connection to a VIP, but invalid to conntrack" },
	[KSVC_REASON_NO_LOCAL_ENDPOINT] = {
		"no-local-endpoint", "dropped: the policy is local, but no endpoint is" },
	[KSVC_REASON_SOURCE_RANGE] = {
		"source-range", "dropped: the source is in none of the service's source ranges" },
	[KSVC_REASON_LOCALHOST] = {
		"localhost", "dropped: for a loopback address, but not from one" },
	[KSVC_REASON_ECHO] = {
		"echo", "answered by the node: an echo request to a VIP" },
};

static const char *const rules[] = {
	[KSVC_RULE_M1] = "M1",
	[KSVC_RULE_X1] = "X1",
	[KSVC_RULE_X2] = "X2",
	[KSVC_RULE_X3] = "X3",
	[KSVC_RULE_X4] = "X4",
	[KSVC_RULE_F1] = "F1",
	[KSVC_RULE_F2] = "F2",
	[KSVC_RULE_F3] = "F3",
	[KSVC_RULE_F7] = "F7",
	[KSVC_RULE_F8] = "F8",
	[KSVC_RULE_F13] = "F13",
};

static const char *const events[] = {
	[KSVC_EVENT_ADDED] = "added",
	[KSVC_EVENT_CHANGED] = "changed",
	[KSVC_EVENT_DELETED] = "deleted",
};

const char *verdict_name(uint32_t verdict)
{
	return verdict < ARRAY_SIZE(verdicts) ? verdicts[verdict] : "unknown";
}

const char *reason_name(uint32_t reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].name : "unknown";
}

const char *reason_meaning(uint32_t reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].meaning :
	       "a reason that this tool does not know";
}

const char *rule_name(uint32_t rule)
{
	return rule < ARRAY_SIZE(rules) ? rules[rule] : "unknown";
}

const char *event_name(uint32_t event)
{
	return event < ARRAY_SIZE(events) ? events[event] : "unknown";
}
