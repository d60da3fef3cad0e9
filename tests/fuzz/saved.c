// SPDX-License-Identifier: GPL-2.0
/*
 * A saved state. What was read of it is the same once it was written and read
 * again, or sent to the kernel and back; nothing of it is a change to itself.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/nl_msg.h"

static char *with_counters(const struct model *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	check(f);
	check(!json_write_model(f, m, true));
	fclose(f);
	return text;
}

static void check_read(const char *text, const char *wanted)
{
	struct model m = {};
	struct err e = {};
	char *got;

	if (json_read_saved(text, strlen(text), &m, &e))
		fuzz_fail(__FILE__, __LINE__, "what was written is read", text, e.text);
	got = fuzz_model_text(&m);
	check_same(got, wanted);
	free(got);
	model_free(&m);
}

static void parse_batch(const struct batch *b, struct model *m)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)b->data;
	int left = b->used;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		check(nlh->nlmsg_len < MSG_MAX);
		check(!msg_parse_service(nlh, m));
	}
	check(!left);
}

static void send_service(const struct service *s, struct batch *b, struct model *to)
{
	const struct op op = { .type = OP_SERVICE_PUT, .service = s };
	uint32_t next = 0;
	bool all;

	do {
		b->used = 0;
		all = batch_add_op(b, &op, &next);
		parse_batch(b, to);
	} while (!all);
}

static void send_settings(const struct settings *s, char *buf, struct settings *to)
{
	struct nlmsghdr *nlh = msg_start(buf, 1, KSVC_CMD_SETTINGS_SET, 0, 1);

	/* The kernel has no more of each. */
	if (s->cluster_cidrs.n + s->service_cidrs.n + s->nodeport_addresses.n +
	    s->pod_interfaces.n > KSVC_MAX_PREFIXES)
		return;
	msg_put_settings(nlh, s);
	check(!msg_parse_settings(nlh, to));
}

static void check_messages(struct model *m, const char *wanted)
{
	struct batch b = { .data = xcalloc(BATCH_SIZE, 1) };
	struct model got = {};
	char *text;

	for (size_t i = 0; i < m->n_services; i++)
		send_service(&m->services[i], &b, &got);
	send_settings(&m->settings, b.data, &got.settings);
	if (got.settings.has == m->settings.has) {
		text = fuzz_model_text(&got);
		check_same(text, wanted);
		free(text);
	}
	model_free(&got);
	free(b.data);
}

static void check_differences(struct model *m)
{
	struct op_list list = {};
	struct model empty = {};
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	diff(m, m, NULL, NULL, &list);
	check(!list.n);
	diff(m, &empty, NULL, NULL, &list);
	check(list.n >= m->n_services);
	f = open_memstream(&text, &len);
	op_list_print(f, &list);
	fclose(f);
	free(text);
	op_list_free(&list);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct model m = {};
	struct err e = {};
	char *text, *more;
	int err;

	err = json_read_saved((const char *)data, size, &m, &e);
	check(!err == !*e.text);
	if (!err) {
		text = fuzz_model_text(&m);
		more = with_counters(&m);
		check_read(text, text);
		check_read(more, text);
		check_messages(&m, text);
		check_differences(&m);
		for (size_t i = 0; i < m.n_services; i++)
			check(model_find(&m, m.services[i].name) == &m.services[i]);
		free(text);
		free(more);
		fuzz_accept();
	}
	model_free(&m);
}
