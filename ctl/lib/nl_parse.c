// SPDX-License-Identifier: GPL-2.0
/* Replies: attributes as the model. What the kernel sends is checked, too. */
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nl_msg.h"
#include "nl_spec.h"

static uint8_t command(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	return genl->cmd;
}

static bool long_enough(const struct nlmsghdr *nlh)
{
	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct genlmsghdr);
}

/* One loop for all sets: check an attribute, then hand it on. */
typedef int (*attr_fn)(const struct nlattr *attr, uint16_t type, void *data);

static int each_top(const struct nlmsghdr *nlh, const struct attr_set *set,
		    attr_fn fn, void *data)
{
	const struct nlattr *attr;

	if (!long_enough(nlh))
		return -1;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (!spec_valid(set, attr) || fn(attr, mnl_attr_get_type(attr), data))
			return -1;
	return 0;
}

static int each_nested(const struct nlattr *nest, const struct attr_set *set,
		       attr_fn fn, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		if (!spec_valid(set, attr) || fn(attr, mnl_attr_get_type(attr), data))
			return -1;
	return 0;
}

static void get_addr(const struct nlattr *attr, uint16_t family, struct addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = family;
	memcpy(&a->v4, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static int frontend_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct frontend *f = data;

	switch (type) {
	case KSVC_A_FRONTEND_ADDR4:
		get_addr(attr, AF_INET, &f->addr);
		break;
	case KSVC_A_FRONTEND_ADDR6:
		get_addr(attr, AF_INET6, &f->addr);
		break;
	case KSVC_A_FRONTEND_PORT:
		f->port = ntohs(mnl_attr_get_u16(attr));
		break;
	case KSVC_A_FRONTEND_PROTOCOL:
		f->protocol = mnl_attr_get_u8(attr);
		break;
	case KSVC_A_FRONTEND_CLASS:
		f->class = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

static int endpoint_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct endpoint *ep = data;

	switch (type) {
	case KSVC_A_ENDPOINT_ADDR4:
		get_addr(attr, AF_INET, &ep->addr);
		break;
	case KSVC_A_ENDPOINT_ADDR6:
		get_addr(attr, AF_INET6, &ep->addr);
		break;
	case KSVC_A_ENDPOINT_PORT:
		ep->port = ntohs(mnl_attr_get_u16(attr));
		break;
	case KSVC_A_ENDPOINT_WEIGHT:
		ep->weight = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_ENDPOINT_FLAGS:
		ep->flags = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_ENDPOINT_CONNECTIONS:
		ep->connections = mnl_attr_get_u64(attr);
		break;
	case KSVC_A_ENDPOINT_ACTIVE:
		ep->active = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

static int prefix_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct prefix *p = data;

	switch (type) {
	case KSVC_A_PREFIX_ADDR4:
		get_addr(attr, AF_INET, &p->addr);
		break;
	case KSVC_A_PREFIX_ADDR6:
		get_addr(attr, AF_INET6, &p->addr);
		break;
	case KSVC_A_PREFIX_LENGTH:
		p->length = mnl_attr_get_u8(attr);
		break;
	}
	return 0;
}

static int add_prefix(const struct nlattr *nest, struct prefix_list *list)
{
	struct prefix p = {};

	if (each_nested(nest, &spec_prefix, prefix_attr, &p) || !p.addr.family ||
	    p.length > addr_bits(&p.addr))
		return -1;
	prefix_list_add(list, &p);
	return 0;
}

static int prefixes_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	return type == KSVC_A_PREFIXES_PREFIX ? add_prefix(attr, data) : 0;
}

struct service_data {
	struct model *model;
	struct service *service;
	bool continues;			/* what an earlier message began */
};

static int start_service(struct service_data *d, const char *name)
{
	struct model *m = d->model;

	if (d->service)
		return -1;
	d->continues = m->n_services && !strcmp(m->services[m->n_services - 1].name, name);
	if (d->continues)
		d->service = &m->services[m->n_services - 1];
	else
		d->service = model_add_service(m, name);
	return 0;
}

/* Only a first message has it: the service changed while it was told. */
static void set_generation(struct service_data *d, uint64_t generation)
{
	struct service *s = d->service;

	d->model->generation = generation;
	if (!d->continues)
		return;
	s->n_frontends = s->n_endpoints = 0;
	s->ranges.n = 0;
}

static int service_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct service_data *d = data;
	struct endpoint ep = { .weight = 1, .flags = ENDPOINT_BOTH };
	struct frontend f = {};

	if (type == KSVC_A_SERVICE_NAME)
		return start_service(d, mnl_attr_get_str(attr));
	if (type == KSVC_A_SERVICE_GENERATION) {
		set_generation(d, mnl_attr_get_u64(attr));
		return 0;
	}
	if (!d->service)
		return -1;
	switch (type) {
	case KSVC_A_SERVICE_FRONTEND:
		if (each_nested(attr, &spec_frontend, frontend_attr, &f) || !f.addr.family)
			return -1;
		service_add_frontend(d->service, &f);
		break;
	case KSVC_A_SERVICE_ENDPOINT:
		if (each_nested(attr, &spec_endpoint, endpoint_attr, &ep) || !ep.addr.family)
			return -1;
		service_add_endpoint(d->service, &ep);
		break;
	case KSVC_A_SERVICE_SOURCE_RANGE:
		return add_prefix(attr, &d->service->ranges);
	case KSVC_A_SERVICE_FLAGS:
		d->service->flags = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_AFFINITY:
		d->service->affinity = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_SCHEDULER:
		d->service->scheduler = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_MAGLEV_SIZE:
		d->service->maglev_size = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_CONNECTIONS:
		d->service->connections = mnl_attr_get_u64(attr);
		break;
	}
	return 0;
}

int msg_parse_service(const struct nlmsghdr *nlh, struct model *m)
{
	struct service_data d = { .model = m };

	return each_top(nlh, &spec_service, service_attr, &d);
}

static int name_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct name_list *list = data;
	const char *name = mnl_attr_get_str(attr);

	if (type != KSVC_A_NAMES_NAME)
		return 0;
	if (strlen(name) > IFNAME_PATTERN_MAX)
		return -1;
	xgrow(&list->names, list->n, sizeof(*list->names));
	strcpy(list->names[list->n++], name);
	return 0;
}

static int setting_attr(const struct nlattr *attr, const struct setting *key,
			struct settings *s)
{
	void *value = setting_value(s, key);

	s->has |= key->has;
	switch (key->type) {
	case SETTING_PREFIXES:
		return each_nested(attr, &spec_prefixes, prefixes_attr, value);
	case SETTING_NAMES:
		return each_nested(attr, &spec_names, name_attr, value);
	case SETTING_SWITCH:
		*(bool *)value = mnl_attr_get_u8(attr);
		break;
	case SETTING_NUMBER:
		*(uint32_t *)value = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

static int settings_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	for (size_t i = 0; i < n_settings; i++)
		if (settings_table[i].attr == type)
			return setting_attr(attr, &settings_table[i], data);
	return 0;
}

/* An older module does not know all: what it does not tell is not set either. */
int msg_parse_settings(const struct nlmsghdr *nlh, struct settings *s)
{
	return each_top(nlh, &spec_settings, settings_attr, s);
}

static int info_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct nl_info *info = data;

	switch (type) {
	case KSVC_A_INFO_VERSION:
		snprintf(info->version, sizeof(info->version), "%s", mnl_attr_get_str(attr));
		break;
	case KSVC_A_INFO_GENERATION:
		info->generation = mnl_attr_get_u64(attr);
		break;
	case KSVC_A_INFO_SERVICES:
		info->services = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_INFO_FRONTENDS:
		info->frontends = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_INFO_ENDPOINTS:
		info->endpoints = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_INFO_ACTIVE:
		info->active = mnl_attr_get_u8(attr);
		break;
	case KSVC_A_INFO_NAMESPACES:
		info->namespaces = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

int msg_parse_info(const struct nlmsghdr *nlh, struct nl_info *info)
{
	return each_top(nlh, &spec_info, info_attr, info);
}

struct counter {
	uint32_t reason;
	uint64_t packets;
};

static int counter_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct counter *c = data;

	if (type == KSVC_A_COUNTER_REASON)
		c->reason = mnl_attr_get_u32(attr);
	else if (type == KSVC_A_COUNTER_PACKETS)
		c->packets = mnl_attr_get_u64(attr);
	return 0;
}

static int stats_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct nl_stats *stats = data;
	struct counter c = { .reason = NL_REASONS };

	switch (type) {
	case KSVC_A_STATS_MASQUERADED:
		stats->masqueraded = mnl_attr_get_u64(attr);
		return 0;
	case KSVC_A_STATS_SWEEPS:
		stats->sweeps = mnl_attr_get_u64(attr);
		return 0;
	case KSVC_A_STATS_SWEEP_TIME:
		stats->sweep_time = mnl_attr_get_u64(attr);
		return 0;
	case KSVC_A_STATS_SWEPT_IPV4:
		stats->swept_v4 = mnl_attr_get_u64(attr);
		return 0;
	case KSVC_A_STATS_SWEPT_IPV6:
		stats->swept_v6 = mnl_attr_get_u64(attr);
		return 0;
	case KSVC_A_STATS_COUNTER:
		break;
	default:
		return 0;
	}
	if (each_nested(attr, &spec_counter, counter_attr, &c))
		return -1;
	if (c.reason >= NL_REASONS)
		return 0;
	stats->packets[c.reason] = c.packets;
	if (c.reason >= stats->n_reasons)
		stats->n_reasons = c.reason + 1;
	return 0;
}

int msg_parse_stats(const struct nlmsghdr *nlh, struct nl_stats *stats)
{
	return each_top(nlh, &spec_stats, stats_attr, stats);
}

static int txn_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct nl_commit *commit = data;

	if (type == KSVC_A_TXN_GENERATION)
		commit->generation = mnl_attr_get_u64(attr);
	else if (type == KSVC_A_TXN_CHANGES)
		commit->changes = mnl_attr_get_u32(attr);
	return 0;
}

int msg_parse_txn(const struct nlmsghdr *nlh, struct nl_commit *commit)
{
	return each_top(nlh, &spec_txn, txn_attr, commit);
}

static int choice_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct choice *c = data;

	switch (type) {
	case KSVC_A_CHOICE_ADDR4:
		get_addr(attr, AF_INET, &c->addr);
		break;
	case KSVC_A_CHOICE_ADDR6:
		get_addr(attr, AF_INET6, &c->addr);
		break;
	case KSVC_A_CHOICE_PORT:
		c->port = ntohs(mnl_attr_get_u16(attr));
		break;
	case KSVC_A_CHOICE_WEIGHT:
		c->weight = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_CHOICE_MASQUERADE:
		c->masquerade = true;
		break;
	case KSVC_A_CHOICE_CHOSEN:
		c->chosen = true;
		break;
	}
	return 0;
}

static int explain_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct explanation *x = data;
	struct choice c = { .weight = 1 };

	switch (type) {
	case KSVC_A_EXPLAIN_VERDICT:
		x->verdict = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_EXPLAIN_REASON:
		x->reason = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_EXPLAIN_RULE:
		x->rule = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_EXPLAIN_SERVICE:
		if (!x->service)
			x->service = xstrdup(mnl_attr_get_str(attr));
		break;
	case KSVC_A_EXPLAIN_ENDPOINT:
		if (each_nested(attr, &spec_choice, choice_attr, &c) || !c.addr.family)
			return -1;
		xgrow(&x->choices, x->n_choices, sizeof(c));
		x->choices[x->n_choices++] = c;
		break;
	}
	return 0;
}

int msg_parse_explain(const struct nlmsghdr *nlh, struct explanation *x)
{
	return each_top(nlh, &spec_explain, explain_attr, x);
}

static int affinity_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct affinity *a = data;

	switch (type) {
	case KSVC_A_AFFINITY_NAME:
		free(a->service);
		a->service = xstrdup(mnl_attr_get_str(attr));
		break;
	case KSVC_A_AFFINITY_CLIENT_ADDR4:
		get_addr(attr, AF_INET, &a->client);
		break;
	case KSVC_A_AFFINITY_CLIENT_ADDR6:
		get_addr(attr, AF_INET6, &a->client);
		break;
	case KSVC_A_AFFINITY_ADDR4:
		get_addr(attr, AF_INET, &a->addr);
		break;
	case KSVC_A_AFFINITY_ADDR6:
		get_addr(attr, AF_INET6, &a->addr);
		break;
	case KSVC_A_AFFINITY_PORT:
		a->port = ntohs(mnl_attr_get_u16(attr));
		break;
	case KSVC_A_AFFINITY_EXPIRES:
		a->expires = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

int msg_parse_affinity(const struct nlmsghdr *nlh, struct affinity_list *list)
{
	struct affinity a = {};

	if (each_top(nlh, &spec_affinity, affinity_attr, &a) || !a.service ||
	    !a.client.family || !a.addr.family) {
		free(a.service);
		return -1;
	}
	xgrow(&list->list, list->n, sizeof(a));
	list->list[list->n++] = a;
	return 0;
}

static int event_attr(const struct nlattr *attr, uint16_t type, void *data)
{
	struct nl_event *ev = data;

	switch (type) {
	case KSVC_A_SERVICE_NAME:
		snprintf(ev->name, sizeof(ev->name), "%s", mnl_attr_get_str(attr));
		break;
	case KSVC_A_SERVICE_EVENT:
		ev->event = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_GENERATION:
		ev->generation = mnl_attr_get_u64(attr);
		break;
	case KSVC_A_SERVICE_FRONTENDS:
		ev->frontends = mnl_attr_get_u32(attr);
		break;
	case KSVC_A_SERVICE_ENDPOINTS:
		ev->endpoints = mnl_attr_get_u32(attr);
		break;
	}
	return 0;
}

int msg_parse_event(const struct nlmsghdr *nlh, struct nl_event *ev)
{
	struct nl_commit commit = {};

	memset(ev, 0, sizeof(*ev));
	if (!long_enough(nlh))
		return -1;
	if (command(nlh) == KSVC_CMD_SERVICE_NTF)
		return each_top(nlh, &spec_service, event_attr, ev);
	if (command(nlh) != KSVC_CMD_COMMIT_NTF || msg_parse_txn(nlh, &commit))
		return -1;
	ev->commit = true;
	ev->generation = commit.generation;
	ev->changes = commit.changes;
	return 0;
}
