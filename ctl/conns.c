// SPDX-License-Identifier: GPL-2.0
/* What conntrack knows of connections to services. */
#include "conns.h"

#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_sctp.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <stdlib.h>
#include <string.h>

struct known {
	struct frontend frontend;
	const char *service;
};

struct reader {
	struct known *known;		/* sorted */
	size_t n_known;
	const char *name;		/* of the only service wanted, or NULL */
	struct conns *conns;
};

static const char *const tcp_states[TCP_CONNTRACK_MAX] = {
	[TCP_CONNTRACK_NONE] = "NONE",
	[TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
	[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV",
	[TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
	[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT",
	[TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK",
	[TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
	[TCP_CONNTRACK_CLOSE] = "CLOSE",
	[TCP_CONNTRACK_SYN_SENT2] = "SYN_SENT2",
};

static const char *const sctp_states[SCTP_CONNTRACK_MAX] = {
	[SCTP_CONNTRACK_NONE] = "NONE",
	[SCTP_CONNTRACK_CLOSED] = "CLOSED",
	[SCTP_CONNTRACK_COOKIE_WAIT] = "COOKIE_WAIT",
	[SCTP_CONNTRACK_COOKIE_ECHOED] = "COOKIE_ECHOED",
	[SCTP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
	[SCTP_CONNTRACK_SHUTDOWN_SENT] = "SHUTDOWN_SENT",
	[SCTP_CONNTRACK_SHUTDOWN_RECD] = "SHUTDOWN_RECD",
	[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = "SHUTDOWN_ACK_SENT",
};

static const char *state_name(const struct nf_conntrack *ct, uint8_t protocol)
{
	const char *name = NULL;
	uint8_t state;

	if (protocol == IPPROTO_TCP && nfct_attr_is_set(ct, ATTR_TCP_STATE)) {
		state = nfct_get_attr_u8(ct, ATTR_TCP_STATE);
		name = state < ARRAY_SIZE(tcp_states) ? tcp_states[state] : NULL;
	} else if (protocol == IPPROTO_SCTP && nfct_attr_is_set(ct, ATTR_SCTP_STATE)) {
		state = nfct_get_attr_u8(ct, ATTR_SCTP_STATE);
		name = state < ARRAY_SIZE(sctp_states) ? sctp_states[state] : NULL;
	} else {
		name = nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_SEEN_REPLY ? "REPLIED" :
		       "UNREPLIED";
	}
	return name ? name : "?";
}

static int known_cmp(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return frontend_cmp(&x->frontend, &y->frontend);
}

static void get_addr(const struct nf_conntrack *ct, enum nf_conntrack_attr v4,
		     enum nf_conntrack_attr v6, uint8_t family, struct addr *a)
{
	const void *bytes = nfct_get_attr(ct, family == AF_INET ? v4 : v6);

	memset(a, 0, sizeof(*a));
	a->family = family;
	if (bytes)
		memcpy(&a->v4, bytes, addr_bits(a) / 8);
}

static uint16_t get_port(const struct nf_conntrack *ct, enum nf_conntrack_attr attr)
{
	return ntohs(nfct_get_attr_u16(ct, attr));
}

/* A frontend of its own comes before a node port, which is any address of the node. */
static const struct known *find_known(const struct reader *r, struct known key)
{
	const struct known *found;

	if (!r->n_known)
		return NULL;
	found = bsearch(&key, r->known, r->n_known, sizeof(key), known_cmp);
	if (found)
		return found;
	memset(&key.frontend.addr.v6, 0, sizeof(key.frontend.addr.v6));
	return bsearch(&key, r->known, r->n_known, sizeof(key), known_cmp);
}

static int on_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *data)
{
	struct reader *r = data;
	uint8_t family = nfct_get_attr_u8(ct, ATTR_L3PROTO);
	struct known key = {};
	const struct known *known;
	struct conn *c;

	(void)type;
	if (!(nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_DST_NAT))
		return NFCT_CB_CONTINUE;
	key.frontend.protocol = nfct_get_attr_u8(ct, ATTR_L4PROTO);
	key.frontend.port = get_port(ct, ATTR_ORIG_PORT_DST);
	get_addr(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, family, &key.frontend.addr);
	known = find_known(r, key);
	if (!known || (r->name && strcmp(known->service, r->name)))
		return NFCT_CB_CONTINUE;
	xgrow(&r->conns->list, r->conns->n, sizeof(*c));
	c = &r->conns->list[r->conns->n++];
	c->service = known->service;
	c->protocol = key.frontend.protocol;
	c->vip = key.frontend.addr;
	c->vip_port = key.frontend.port;
	get_addr(ct, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, family, &c->client);
	c->client_port = get_port(ct, ATTR_ORIG_PORT_SRC);
	get_addr(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, family, &c->endpoint);
	c->endpoint_port = get_port(ct, ATTR_REPL_PORT_SRC);
	get_addr(ct, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST, family, &c->seen);
	c->seen_port = get_port(ct, ATTR_REPL_PORT_DST);
	c->state = state_name(ct, c->protocol);
	c->timeout = nfct_get_attr_u32(ct, ATTR_TIMEOUT);
	return NFCT_CB_CONTINUE;
}

static int conn_cmp(const void *a, const void *b)
{
	const struct conn *x = a, *y = b;
	int r = strcmp(x->service, y->service);

	if (!r)
		r = addr_cmp(&x->client, &y->client);
	if (!r)
		r = (x->client_port > y->client_port) - (x->client_port < y->client_port);
	return r;
}

static void fill_known(struct reader *r, const struct model *m)
{
	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];

		for (uint32_t j = 0; j < s->n_frontends; j++) {
			xgrow(&r->known, r->n_known, sizeof(*r->known));
			r->known[r->n_known].frontend = s->frontends[j];
			r->known[r->n_known++].service = s->name;
		}
	}
	if (r->n_known)
		qsort(r->known, r->n_known, sizeof(*r->known), known_cmp);
}

int conns_get(const struct model *m, const char *name, struct conns *conns, struct err *e)
{
	struct reader r = { .name = name, .conns = conns };
	uint32_t family = AF_UNSPEC;
	struct nfct_handle *h;
	int err = 0;

	fill_known(&r, m);
	if (!r.n_known)
		return 0;
	h = nfct_open(CONNTRACK, 0);
	if (h) {
		nfct_callback_register(h, NFCT_T_ALL, on_entry, &r);
		err = nfct_query(h, NFCT_Q_DUMP, &family);
	}
	if (!h || err < 0)
		err = err_set(e, "conntrack: %s", strerror(errno));
	if (h)
		nfct_close(h);
	free(r.known);
	if (!err && conns->n)
		qsort(conns->list, conns->n, sizeof(*conns->list), conn_cmp);
	return err;
}
