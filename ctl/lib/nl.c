// SPDX-License-Identifier: GPL-2.0
/* The socket: requests, answers, transactions. */
#include "nl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nl_answer.h"
#include "nl_socket.h"

#define SOCKET_BUFFER	(4 << 20)
#define DUMP_TRIES	10

int nl_transport_error(struct err *e)
{
	int error = errno;

	if (error == ENOBUFS)
		err_set(e, "the kernel's answer was lost: the socket buffer is too small");
	else if (error == EBADMSG)
		err_set(e, "the kernel's answer breaks the protocol");
	else if (error == EINTR)
		err_set(e, "interrupted, or the configuration kept changing while it was read");
	else
		err_set(e, "netlink: %s", strerror(error));
	return -error;
}

/* Receives until the request with this number is answered. */
static int receive(struct nl *nl, uint32_t seq, struct answer *a)
{
	while (!a->done) {
		ssize_t n = mnl_socket_recvfrom(nl->sock, nl->recv_buf, RECV_SIZE);

		if (n < 0)
			return nl_transport_error(a->e);
		if (answer_run(a, nl->recv_buf, n, seq, nl->portid) < 0)
			return nl_transport_error(a->e);
	}
	return -a->error;
}

static int request(struct nl *nl, const struct nlmsghdr *nlh, struct answer *a)
{
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return nl_transport_error(a->e);
	return receive(nl, nlh->nlmsg_seq, a);
}

static struct nlmsghdr *start(struct nl *nl, uint8_t cmd, uint16_t flags)
{
	return msg_start(nl->batch.data, nl->family, cmd, flags | NLM_F_ACK,
			 ++nl->batch.seq);
}

static int open_socket(struct nl *nl, struct err *e)
{
	int one = 1, size = SOCKET_BUFFER, fd;

	nl->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->sock)
		return nl_transport_error(e);
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return nl_transport_error(e);
	nl->portid = mnl_socket_get_portid(nl->sock);
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	/* Only the privileged get more; reading does not need it. */
	fd = mnl_socket_get_fd(nl->sock);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return 0;
}

static int group_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) <= CTRL_ATTR_MCAST_GRP_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static void parse_groups(struct nl *nl, const struct nlattr *groups)
{
	const struct nlattr *group;

	mnl_attr_for_each_nested(group, groups) {
		const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1] = {};

		mnl_attr_parse_nested(group, group_attr, tb);
		if (tb[CTRL_ATTR_MCAST_GRP_NAME] && tb[CTRL_ATTR_MCAST_GRP_ID] &&
		    !strcmp(mnl_attr_get_str(tb[CTRL_ATTR_MCAST_GRP_NAME]),
			    KSVC_MCGRP_CHANGES))
			nl->group = mnl_attr_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static int family_attr(const struct nlattr *attr, void *data)
{
	struct nl *nl = data;

	switch (mnl_attr_get_type(attr)) {
	case CTRL_ATTR_FAMILY_ID:
		nl->family = mnl_attr_get_u16(attr);
		break;
	case CTRL_ATTR_VERSION:
		nl->protocol = mnl_attr_get_u32(attr);
		break;
	case CTRL_ATTR_MCAST_GROUPS:
		parse_groups(nl, attr);
		break;
	}
	return MNL_CB_OK;
}

static int parse_family(const struct nlmsghdr *nlh, void *data)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), family_attr, data) < 0 ? -1 : 0;
}

static int find_family(struct nl *nl, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_family, .data = nl };
	struct nlmsghdr *nlh;
	int err;

	nlh = msg_start(nl->batch.data, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK,
			++nl->batch.seq);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, KSVC_FAMILY_NAME);
	err = request(nl, nlh, &a);
	if (err == -ENOENT)
		err_set(e, "module not loaded: modprobe ksvc");
	return err;
}

static struct nl *nl_alloc(void)
{
	struct nl *nl = xcalloc(1, sizeof(*nl));

	nl->recv_buf = xrealloc(NULL, RECV_SIZE, 1);
	nl->batch.data = xrealloc(NULL, BATCH_SIZE, 1);
	nl->batch.seq = time(NULL);
	return nl;
}

int nl_open(struct nl **nlp, struct err *e)
{
	struct nl *nl = nl_alloc();
	int err;

	err = open_socket(nl, e);
	if (!err)
		err = find_family(nl, e);
	if (!err && nl->protocol != KSVC_FAMILY_VERSION) {
		err_set(e, "module speaks protocol %u, this tool %u: install matching versions",
			nl->protocol, KSVC_FAMILY_VERSION);
		err = -EPROTO;
	}
	if (err) {
		nl_close(nl);
		return err;
	}
	nl->batch.family = nl->family;
	*nlp = nl;
	return 0;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl->recv_buf);
	free(nl->batch.data);
	free(nl);
}

unsigned int nl_protocol(void)
{
	struct nl *nl = nl_alloc();
	unsigned int protocol = 0;
	struct err e;

	if (!open_socket(nl, &e) && !find_family(nl, &e))
		protocol = nl->protocol;
	nl_close(nl);
	return protocol;
}

static int parse_info(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_info(nlh, data);
}

int nl_info(struct nl *nl, struct nl_info *info, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_info, .data = info };

	memset(info, 0, sizeof(*info));
	return request(nl, start(nl, KSVC_CMD_INFO_GET, 0), &a);
}

static int parse_stats(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_stats(nlh, data);
}

int nl_stats(struct nl *nl, struct nl_stats *stats, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_stats, .data = stats };

	memset(stats, 0, sizeof(*stats));
	return request(nl, start(nl, KSVC_CMD_STATS_GET, 0), &a);
}

static int parse_settings(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_settings(nlh, data);
}

int nl_settings_get(struct nl *nl, struct settings *s, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_settings, .data = s };

	settings_free(s);
	return request(nl, start(nl, KSVC_CMD_SETTINGS_GET, 0), &a);
}

int nl_settings_set(struct nl *nl, const struct settings *s, struct err *e)
{
	struct answer a = { .e = e };
	struct nlmsghdr *nlh;

	if (s->cluster_cidrs.n > KSVC_MAX_PREFIXES || s->service_cidrs.n > KSVC_MAX_PREFIXES ||
	    s->nodeport_addresses.n > KSVC_MAX_PREFIXES ||
	    s->pod_interfaces.n > KSVC_MAX_PREFIXES) {
		err_set(e, "a setting takes at most %d values", KSVC_MAX_PREFIXES);
		return -E2BIG;
	}
	nlh = start(nl, KSVC_CMD_SETTINGS_SET, 0);
	msg_put_settings(nlh, s);
	return request(nl, nlh, &a);
}

/* The rest of an interrupted dump is left to a socket that goes. */
static int renew_socket(struct nl *nl, struct err *e)
{
	mnl_socket_close(nl->sock);
	return open_socket(nl, e);
}

struct dump {
	uint8_t cmd;
	void (*put)(struct nlmsghdr *nlh, const void *what);
	const void *what;
	int (*parse)(const struct nlmsghdr *nlh, void *data);
	void (*reset)(void *data);	/* to what it is before the first try */
	void *data;
};

/* Reads in one generation, if need be in several tries. */
static int dump(struct nl *nl, const struct dump *d, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct nlmsghdr *nlh;
	int err;

	for (int i = 0; i < DUMP_TRIES; i++) {
		struct answer a = { .e = e, .parse = d->parse, .data = d->data };

		d->reset(d->data);
		nlh = start(nl, d->cmd, NLM_F_DUMP);
		d->put(nlh, d->what);
		err = request(nl, nlh, &a);
		if (err != -EINTR)
			return err;
		nanosleep(&pause, NULL);
		err = renew_socket(nl, e);
		if (err)
			return err;
	}
	err_set(e, "the configuration kept changing while it was read");
	return -EINTR;
}

static void put_service_name(struct nlmsghdr *nlh, const void *name)
{
	if (name)
		mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, name);
}

static int parse_service(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_service(nlh, data);
}

static void reset_services(void *data)
{
	struct model *m = data;
	struct settings keep = m->settings;

	memset(&m->settings, 0, sizeof(m->settings));
	model_free(m);
	m->settings = keep;
}

int nl_services(struct nl *nl, const char *name, struct model *m, struct err *e)
{
	const struct dump d = { KSVC_CMD_SERVICE_GET, put_service_name, name,
				parse_service, reset_services, m };
	int err = dump(nl, &d, e);

	model_sort(m);
	return err;
}

int nl_services_begin(struct nl *nl, struct err *e)
{
	const struct nlmsghdr *nlh = start(nl, KSVC_CMD_SERVICE_GET, NLM_F_DUMP);

	return mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0 ? nl_transport_error(e) : 0;
}

/* libmnl would end a dump that is not of one generation. */
static void forgive_changes(void *buf, int n)
{
	for (struct nlmsghdr *nlh = buf; mnl_nlmsg_ok(nlh, n); nlh = mnl_nlmsg_next(nlh, &n))
		nlh->nlmsg_flags &= ~NLM_F_DUMP_INTR;
}

int nl_services_more(struct nl *nl, struct model *m, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_service, .data = m };
	ssize_t n = mnl_socket_recvfrom(nl->sock, nl->recv_buf, RECV_SIZE);

	if (n < 0)
		return nl_transport_error(e);
	forgive_changes(nl->recv_buf, n);
	if (answer_run(&a, nl->recv_buf, n, nl->batch.seq, nl->portid) < 0)
		return nl_transport_error(e);
	return a.error ? -a.error : !a.done;
}

static void put_flow(struct nlmsghdr *nlh, const void *flow)
{
	msg_put_flow(nlh, flow);
}

static int parse_explain(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_explain(nlh, data);
}

static void reset_explanation(void *data)
{
	explanation_free(data);
}

int nl_explain(struct nl *nl, const struct flow *flow, struct explanation *x,
	       struct err *e)
{
	const struct dump d = { KSVC_CMD_EXPLAIN, put_flow, flow,
				parse_explain, reset_explanation, x };

	return dump(nl, &d, e);
}

void explanation_free(struct explanation *x)
{
	free(x->service);
	free(x->choices);
	memset(x, 0, sizeof(*x));
}

static void put_affinity_name(struct nlmsghdr *nlh, const void *name)
{
	msg_put_affinity(nlh, name, NULL);
}

static int parse_affinity(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_affinity(nlh, data);
}

static void reset_affinity(void *data)
{
	affinity_free(data);
}

static int affinity_cmp(const void *a, const void *b)
{
	const struct affinity *x = a, *y = b;
	int r = strcmp(x->service, y->service);

	return r ? r : addr_cmp(&x->client, &y->client);
}

int nl_affinity(struct nl *nl, const char *name, struct affinity_list *list, struct err *e)
{
	const struct dump d = { KSVC_CMD_AFFINITY_GET, put_affinity_name, name,
				parse_affinity, reset_affinity, list };
	int err = dump(nl, &d, e);

	if (list->n)
		qsort(list->list, list->n, sizeof(*list->list), affinity_cmp);
	return err;
}

void affinity_free(struct affinity_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->list[i].service);
	free(list->list);
	memset(list, 0, sizeof(*list));
}

int nl_affinity_del(struct nl *nl, const char *name, const struct addr *client,
		    struct err *e)
{
	struct answer a = { .e = e };
	struct nlmsghdr *nlh = start(nl, KSVC_CMD_AFFINITY_DEL, 0);

	msg_put_affinity(nlh, name, client);
	return request(nl, nlh, &a);
}

/* For more than the kernel would take, the batch has no room. */
static int check_size(struct nl *nl, const struct op *op, struct err *e)
{
	const struct service *s = op->service;

	if (op->type != OP_SERVICE_PUT ||
	    (s->n_frontends <= KSVC_MAX_FRONTENDS && s->ranges.n <= KSVC_MAX_SOURCE_RANGES))
		return 0;
	snprintf(nl->refused, sizeof(nl->refused), "%s", s->name);
	err_set(e, "a service takes at most %d frontends and %d source ranges", KSVC_MAX_FRONTENDS,
		KSVC_MAX_SOURCE_RANGES);
	return -E2BIG;
}

int nl_op(struct nl *nl, const struct op *op, struct err *e)
{
	struct answer a = { .e = e };
	struct nlmsghdr *nlh;
	uint32_t next = 0;
	int err = check_size(nl, op, e);
	bool all;

	if (err)
		return err;
	nl->batch.used = 0;
	all = batch_add_op(&nl->batch, op, &next);
	nlh = (struct nlmsghdr *)nl->batch.data;
	if (!all || nl->batch.used != MNL_ALIGN(nlh->nlmsg_len)) {
		nl->batch.used = 0;
		return -EMSGSIZE;
	}
	nl->batch.used = 0;
	nlh->nlmsg_flags |= NLM_F_ACK;
	return request(nl, nlh, &a);
}

static int parse_txn(const struct nlmsghdr *nlh, void *data)
{
	return msg_parse_txn(nlh, data);
}

int nl_txn_begin(struct nl *nl, uint64_t base, uint32_t flags, struct err *e)
{
	struct answer a = { .e = e };
	struct nlmsghdr *nlh = start(nl, KSVC_CMD_TXN_BEGIN, 0);
	int err;

	if (base)
		mnl_attr_put_u64(nlh, KSVC_A_TXN_GENERATION, base);
	if (flags)
		mnl_attr_put_u32(nlh, KSVC_A_TXN_FLAGS, flags);
	err = request(nl, nlh, &a);
	nl->batch.used = 0;
	nl->txn_seq = nlh->nlmsg_seq;
	*nl->refused = '\0';
	return err;
}

/*
 * Requests of a batch are answered before the send returns, and only if they
 * fail: no answer is success.
 */
int nl_txn_flush(struct nl *nl, struct err *e)
{
	struct answer a = { .e = e };
	int fd = mnl_socket_get_fd(nl->sock);
	ssize_t n;

	if (!nl->batch.used)
		return 0;
	n = mnl_socket_sendto(nl->sock, nl->batch.data, nl->batch.used);
	nl->batch.used = 0;
	if (n < 0)
		return nl_transport_error(e);
	while ((n = recv(fd, nl->recv_buf, RECV_SIZE, MSG_DONTWAIT)) >= 0)
		if (answer_run(&a, nl->recv_buf, n, 0, nl->portid) < 0)
			return nl_transport_error(e);
	if (a.error) {
		memcpy(nl->refused, a.service, sizeof(nl->refused));
		return -a.error;
	}
	return errno == EAGAIN ? 0 : nl_transport_error(e);
}

int nl_txn_op(struct nl *nl, const struct op *op, struct err *e)
{
	uint32_t next = 0;
	int err = check_size(nl, op, e);

	if (err)
		return err;
	while (!batch_add_op(&nl->batch, op, &next)) {
		err = nl_txn_flush(nl, e);
		if (err)
			return err;
	}
	return 0;
}

int nl_txn_commit(struct nl *nl, struct nl_commit *commit, struct err *e)
{
	struct answer a = { .e = e, .parse = parse_txn, .data = commit };
	uint32_t requests = nl->batch.seq - nl->txn_seq;
	int err = nl_txn_flush(nl, e);
	struct nlmsghdr *nlh;

	memset(commit, 0, sizeof(*commit));
	if (err)
		return err;
	nlh = start(nl, KSVC_CMD_TXN_COMMIT, 0);
	mnl_attr_put_u32(nlh, KSVC_A_TXN_REQUESTS, requests);
	return request(nl, nlh, &a);
}

const char *nl_txn_refused(const struct nl *nl)
{
	return nl->refused;
}

void nl_txn_abort(struct nl *nl)
{
	struct err e;
	struct answer a = { .e = &e };

	request(nl, start(nl, KSVC_CMD_TXN_ABORT, 0), &a);
	nl->batch.used = 0;
}
