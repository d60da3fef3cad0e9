// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel answers: the first byte says to which request, and whether
 * its header is believed (answer_run()) or only its attributes are read; the
 * rest are messages.
 */
#include "fuzz.h"

#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/nl_answer.h"
#include "lib/nl_msg.h"
#include "lib/nl_spec.h"

enum what { SERVICE, SETTINGS, INFO, STATS, TXN, EXPLAIN, AFFINITY, EVENT, N_WHATS };

struct got {
	enum what what;
	struct model model;
	struct nl_info info;
	struct nl_stats stats;
	struct nl_commit commit;
	struct explanation x;
	struct affinity_list affinity;
	struct nl_event event;
};

static int parse(const struct nlmsghdr *nlh, void *data)
{
	struct got *g = data;

	switch (g->what) {
	case SERVICE:
		return msg_parse_service(nlh, &g->model);
	case SETTINGS:
		return msg_parse_settings(nlh, &g->model.settings);
	case INFO:
		return msg_parse_info(nlh, &g->info);
	case STATS:
		return msg_parse_stats(nlh, &g->stats);
	case TXN:
		return msg_parse_txn(nlh, &g->commit);
	case EXPLAIN:
		return msg_parse_explain(nlh, &g->x);
	case AFFINITY:
		return msg_parse_affinity(nlh, &g->affinity);
	default:
		return msg_parse_event(nlh, &g->event);
	}
}

static void check_addr(const struct addr *a)
{
	char buf[ADDR_STRLEN];

	check(a->family == AF_INET || a->family == AF_INET6);
	check(*addr_format(a, buf));
}

/* As show, stats and explain use them. */
static void print(struct got *g)
{
	model_sort(&g->model);
	free(fuzz_model_text(&g->model));
	check(strlen(g->info.version) < sizeof(g->info.version));
	check(strlen(g->event.name) < sizeof(g->event.name));
	check(*event_name(g->event.event));
	check(g->stats.n_reasons <= NL_REASONS);
	for (uint32_t i = 0; i < g->stats.n_reasons; i++)
		check(*reason_name(i) && *reason_meaning(i));
	check(*verdict_name(g->x.verdict) && *reason_name(g->x.reason));
	rule_name(g->x.rule);
	for (size_t i = 0; i < g->x.n_choices; i++)
		check_addr(&g->x.choices[i].addr);
	for (size_t i = 0; i < g->affinity.n; i++) {
		check(g->affinity.list[i].service);
		check_addr(&g->affinity.list[i].client);
		check_addr(&g->affinity.list[i].addr);
	}
}

static void clean(struct got *g)
{
	model_free(&g->model);
	free(g->x.service);
	free(g->x.choices);
	for (size_t i = 0; i < g->affinity.n; i++)
		free(g->affinity.list[i].service);
	free(g->affinity.list);
}

/* The path to each place of a message that a refusal could name. */
static void check_paths(const struct nlmsghdr *nlh)
{
	const struct attr_set *inner;
	char path[24];

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct genlmsghdr)))
		return;
	for (size_t offset = 0; offset < nlh->nlmsg_len && offset < 256; offset += 4) {
		spec_path(nlh, offset, path, sizeof(path), &inner);
		check(strlen(path) < sizeof(path));
	}
}

/* To libmnl 1.0.4 such a length is negative; no kernel sends it. */
static bool has_endless(const void *buf, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	int left = size;

	for (; left >= NLMSG_HDRLEN; nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_len > INT32_MAX)
			return true;
		if (!mnl_nlmsg_ok(nlh, left))
			break;
	}
	return false;
}

static void read_messages(const void *buf, size_t size, struct got *g)
{
	const struct nlmsghdr *nlh = buf;
	int left = size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		check_paths(nlh);
		if (parse(nlh, g))
			return;
	}
	fuzz_accept();
}

static void read_answer(const void *buf, size_t size, struct got *g)
{
	struct err e = {};
	struct answer a = { .e = &e, .parse = parse, .data = g };

	if (answer_run(&a, buf, size, 0, 0) >= 0)
		fuzz_accept();
	check(strlen(a.service) < sizeof(a.service));
	check(strlen(e.text) < sizeof(e.text));
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct got g = {};
	void *buf;

	if (!size)
		return;
	g.what = *data % N_WHATS;
	/* Aligned as the socket's buffer is, and not longer than what came. */
	buf = xcalloc(1, size);
	memcpy(buf, data + 1, size - 1);
	buf = xrealloc(buf, size > 1 ? size - 1 : 1, 1);
	if (!has_endless(buf, size - 1))
		(*data & 0x80 ? read_answer : read_messages)(buf, size - 1, &g);
	free(buf);
	print(&g);
	clean(&g);
}
