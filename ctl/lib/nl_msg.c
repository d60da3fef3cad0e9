// SPDX-License-Identifier: GPL-2.0
/* Requests: the model as attributes. */
#include "nl_msg.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <string.h>

struct nlmsghdr *msg_start(void *buf, uint16_t family, uint8_t cmd,
			   uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = KSVC_FAMILY_VERSION;
	return nlh;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t addr4, uint16_t addr6,
		     const struct addr *a)
{
	if (a->family == AF_INET)
		mnl_attr_put(nlh, addr4, sizeof(a->v4), &a->v4);
	else
		mnl_attr_put(nlh, addr6, sizeof(a->v6), &a->v6);
}

static void put_frontend(struct nlmsghdr *nlh, const struct frontend *f)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, KSVC_A_SERVICE_FRONTEND);

	put_addr(nlh, KSVC_A_FRONTEND_ADDR4, KSVC_A_FRONTEND_ADDR6, &f->addr);
	mnl_attr_put_u16(nlh, KSVC_A_FRONTEND_PORT, htons(f->port));
	mnl_attr_put_u8(nlh, KSVC_A_FRONTEND_PROTOCOL, f->protocol);
	if (f->class != KSVC_CLASS_CLUSTER_IP)
		mnl_attr_put_u32(nlh, KSVC_A_FRONTEND_CLASS, f->class);
	mnl_attr_nest_end(nlh, nest);
}

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	put_addr(nlh, KSVC_A_PREFIX_ADDR4, KSVC_A_PREFIX_ADDR6, &p->addr);
	mnl_attr_put_u8(nlh, KSVC_A_PREFIX_LENGTH, p->length);
	mnl_attr_nest_end(nlh, nest);
}

enum endpoint_parts {
	PART_KEY,		/* address and port */
	PART_GIVEN,		/* and what differs from the defaults */
	PART_ALL,
};

static void put_endpoint(struct nlmsghdr *nlh, const struct endpoint *ep,
			 enum endpoint_parts parts)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, KSVC_A_SERVICE_ENDPOINT);

	put_addr(nlh, KSVC_A_ENDPOINT_ADDR4, KSVC_A_ENDPOINT_ADDR6, &ep->addr);
	mnl_attr_put_u16(nlh, KSVC_A_ENDPOINT_PORT, htons(ep->port));
	if (parts == PART_ALL || (parts == PART_GIVEN && ep->weight != 1))
		mnl_attr_put_u32(nlh, KSVC_A_ENDPOINT_WEIGHT, ep->weight);
	if (parts == PART_ALL || (parts == PART_GIVEN && ep->flags != ENDPOINT_BOTH))
		mnl_attr_put_u32(nlh, KSVC_A_ENDPOINT_FLAGS, ep->flags);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *batch_message(struct batch *b, uint8_t cmd, enum ksvc_mode mode,
				      const char *name)
{
	struct nlmsghdr *nlh = msg_start(b->data + b->used, b->family, cmd, 0, ++b->seq);

	mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, name);
	if (mode != KSVC_MODE_PUT)
		mnl_attr_put_u32(nlh, KSVC_A_SERVICE_MODE, mode);
	return nlh;
}

/* At least one, however long the message is: the caller goes on behind it. */
static uint32_t put_endpoints(struct nlmsghdr *nlh, const struct endpoint *ep,
			      uint32_t from, uint32_t n, enum endpoint_parts parts)
{
	uint32_t i = from;

	while (i < n && (i == from || nlh->nlmsg_len < MSG_SPLIT))
		put_endpoint(nlh, &ep[i++], parts);
	return i;
}

static void put_given(struct nlmsghdr *nlh, uint16_t type, uint32_t value)
{
	if (value)
		mnl_attr_put_u32(nlh, type, value);
}

static uint32_t put_service(struct batch *b, const struct op *op)
{
	const struct service *s = op->service;
	struct nlmsghdr *nlh = batch_message(b, KSVC_CMD_SERVICE_PUT, op->mode, s->name);
	uint32_t next;

	put_given(nlh, KSVC_A_SERVICE_FLAGS, s->flags);
	put_given(nlh, KSVC_A_SERVICE_AFFINITY, s->affinity);
	put_given(nlh, KSVC_A_SERVICE_SCHEDULER, s->scheduler);
	put_given(nlh, KSVC_A_SERVICE_MAGLEV_SIZE, s->maglev_size);
	for (size_t i = 0; i < s->ranges.n; i++)
		put_prefix(nlh, KSVC_A_SERVICE_SOURCE_RANGE, &s->ranges.prefixes[i]);
	for (uint32_t i = 0; i < s->n_frontends; i++)
		put_frontend(nlh, &s->frontends[i]);
	next = put_endpoints(nlh, s->endpoints, 0, s->n_endpoints, PART_GIVEN);
	b->used += MNL_ALIGN(nlh->nlmsg_len);
	return next;
}

static uint32_t put_more(struct batch *b, const struct op *op, uint32_t from)
{
	const struct service *s = op->service;
	struct nlmsghdr *nlh;
	uint32_t next;

	if (op->type == OP_SERVICE_PUT) {
		/* The rest of what one message put: nothing may be there twice. */
		nlh = batch_message(b, KSVC_CMD_ENDPOINT_PUT, KSVC_MODE_CREATE, s->name);
		next = put_endpoints(nlh, s->endpoints, from, s->n_endpoints, PART_ALL);
	} else if (op->type == OP_ENDPOINT_PUT) {
		nlh = batch_message(b, KSVC_CMD_ENDPOINT_PUT, op->mode, s->name);
		next = put_endpoints(nlh, op->endpoints, from, op->n_endpoints, PART_ALL);
	} else {
		nlh = batch_message(b, KSVC_CMD_ENDPOINT_DEL, KSVC_MODE_PUT, s->name);
		next = put_endpoints(nlh, op->endpoints, from, op->n_endpoints, PART_KEY);
	}
	b->used += MNL_ALIGN(nlh->nlmsg_len);
	return next;
}

bool batch_add_op(struct batch *b, const struct op *op, uint32_t *next)
{
	uint32_t n = op->type == OP_SERVICE_PUT ? op->service->n_endpoints : op->n_endpoints;
	struct nlmsghdr *nlh;

	if (b->used > BATCH_SPLIT)
		return false;
	if (op->type == OP_SERVICE_DEL) {
		nlh = batch_message(b, KSVC_CMD_SERVICE_DEL, KSVC_MODE_PUT, op->service->name);
		b->used += MNL_ALIGN(nlh->nlmsg_len);
		return true;
	}
	if (op->type == OP_SERVICE_PUT && !*next)
		*next = put_service(b, op);
	while (*next < n) {
		if (b->used > BATCH_SPLIT)
			return false;
		*next = put_more(b, op, *next);
	}
	return true;
}

static void put_prefixes(struct nlmsghdr *nlh, uint16_t type, const struct prefix_list *list)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	for (size_t i = 0; i < list->n; i++)
		put_prefix(nlh, KSVC_A_PREFIXES_PREFIX, &list->prefixes[i]);
	mnl_attr_nest_end(nlh, nest);
}

static void put_names(struct nlmsghdr *nlh, uint16_t type, const struct name_list *list)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	for (size_t i = 0; i < list->n; i++)
		mnl_attr_put_strz(nlh, KSVC_A_NAMES_NAME, list->names[i]);
	mnl_attr_nest_end(nlh, nest);
}

static void put_setting(struct nlmsghdr *nlh, const struct settings *s,
			const struct setting *key)
{
	const void *value = setting_value(s, key);

	switch (key->type) {
	case SETTING_PREFIXES:
		put_prefixes(nlh, key->attr, value);
		break;
	case SETTING_NAMES:
		put_names(nlh, key->attr, value);
		break;
	case SETTING_SWITCH:
		mnl_attr_put_u8(nlh, key->attr, *(const bool *)value);
		break;
	case SETTING_NUMBER:
		mnl_attr_put_u32(nlh, key->attr, *(const uint32_t *)value);
		break;
	}
}

void msg_put_settings(struct nlmsghdr *nlh, const struct settings *s)
{
	for (size_t i = 0; i < n_settings; i++)
		if (s->has & settings_table[i].has)
			put_setting(nlh, s, &settings_table[i]);
}

void msg_put_affinity(struct nlmsghdr *nlh, const char *name, const struct addr *client)
{
	if (name)
		mnl_attr_put_strz(nlh, KSVC_A_AFFINITY_NAME, name);
	if (client)
		put_addr(nlh, KSVC_A_AFFINITY_CLIENT_ADDR4, KSVC_A_AFFINITY_CLIENT_ADDR6, client);
}

void msg_put_flow(struct nlmsghdr *nlh, const struct flow *flow)
{
	put_addr(nlh, KSVC_A_EXPLAIN_FROM_ADDR4, KSVC_A_EXPLAIN_FROM_ADDR6, &flow->from);
	if (flow->from_port)
		mnl_attr_put_u16(nlh, KSVC_A_EXPLAIN_FROM_PORT, htons(flow->from_port));
	put_addr(nlh, KSVC_A_EXPLAIN_TO_ADDR4, KSVC_A_EXPLAIN_TO_ADDR6, &flow->to);
	mnl_attr_put_u16(nlh, KSVC_A_EXPLAIN_TO_PORT, htons(flow->to_port));
	mnl_attr_put_u8(nlh, KSVC_A_EXPLAIN_PROTOCOL, flow->protocol);
	if (flow->in)
		mnl_attr_put_strz(nlh, KSVC_A_EXPLAIN_IN_INTERFACE, flow->in);
}
