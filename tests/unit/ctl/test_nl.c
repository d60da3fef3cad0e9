// SPDX-License-Identifier: GPL-2.0
/* Messages as bytes: what is built is what is parsed; garbage is refused. */
#include "test.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nl_answer.h"
#include "lib/nl_msg.h"
#include "lib/nl_spec.h"

#define FAMILY	42

static void batch_init(struct batch *b)
{
	memset(b, 0, sizeof(*b));
	b->data = xcalloc(BATCH_SIZE, 1);
	b->family = FAMILY;
}

/* Parses the messages of a batch into m; returns how many there are. */
static int parse_batch(const struct batch *b, struct model *m)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)b->data;
	int left = b->used, n = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		expect(nlh->nlmsg_type == FAMILY && nlh->nlmsg_len < MSG_MAX);
		expect(!msg_parse_service(nlh, m));
		n++;
	}
	expect(!left);
	return n;
}

static int round_trip(const struct model *from, struct model *to)
{
	struct batch b;
	int n = 0;

	batch_init(&b);
	for (size_t i = 0; i < from->n_services; i++) {
		const struct op op = { .type = OP_SERVICE_PUT, .service = &from->services[i] };
		uint32_t next = 0;

		while (!batch_add_op(&b, &op, &next)) {
			n += parse_batch(&b, to);
			b.used = 0;
		}
	}
	n += parse_batch(&b, to);
	free(b.data);
	return n;
}

static void services(void)
{
	struct model m, got = {};

	model_of(&m, "default/web:http 10.0.0.1:80/tcp [fd00::1]:80/udp 10.0.0.2:9/sctp -> "
		 "10.1.0.1:8080 10.1.0.2:8080@0 10.1.0.3:8080@65535/cluster [fd01::1]:1/local "
		 "[fd01::2]:2/none [fd01::3]:3/local,draining; empty 1.2.3.4:5/tcp; "
		 "options internal-policy=local external-policy=local affinity=86400 scheduler=maglev "
		 "maglev-size=65537 on-remove=reset range=0.0.0.0/0 range=10.0.0.0/8 range=fd00::/64 "
		 "1.2.3.4:6/tcp=external-ip 1.2.3.5:6/tcp=load-balancer 0.0.0.0:6/udp=node-port "
		 "[::]:6/udp=node-port");
	expect(round_trip(&m, &got) == 3);
	expect_text(model_text(&got), model_text(&m));
	model_free(&m);
	model_free(&got);
}

static void large_service(void)
{
	struct model m = {}, got = {};
	struct service *s = model_add_service(&m, "large");
	struct frontend f = { .addr.family = AF_INET6, .port = 1, .protocol = IPPROTO_TCP };
	struct endpoint ep = { .addr.family = AF_INET6, .weight = 2, .flags = 1 };
	struct prefix range = { .addr.family = AF_INET6, .length = 128 };
	int n;

	for (uint32_t i = 0; i < KSVC_MAX_FRONTENDS; i++) {
		f.port = i + 1;
		service_add_frontend(s, &f);
	}
	for (uint32_t i = 0; i < KSVC_MAX_SOURCE_RANGES; i++) {
		range.addr.v6.s6_addr16[7] = i;
		prefix_list_add(&s->ranges, &range);
	}
	for (uint32_t i = 0; i < KSVC_MAX_ENDPOINTS; i++) {
		ep.port = i + 1;
		service_add_endpoint(s, &ep);
	}
	model_sort(&m);
	n = round_trip(&m, &got);
	expect(n > KSVC_MAX_ENDPOINTS * 44 / MSG_SPLIT && n < 2 * KSVC_MAX_ENDPOINTS * 44 / MSG_SPLIT);
	expect_text(model_text(&got), model_text(&m));
	model_free(&m);
	model_free(&got);
}

/* A service that changed while it was told is told again from its beginning. */
static void told_again(void)
{
	static const char *const texts[] = { "a 10.0.0.1:1/tcp -> 10.0.0.2:2 10.0.0.3:3",
					     "a 10.0.0.1:9/tcp -> 10.0.0.4:4" };
	struct model got = {};
	char buf[4096];

	for (uint64_t generation = 1; generation <= 2; generation++) {
		struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_SERVICE_GET, 0, 1);
		struct model m;
		struct batch b;

		mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, "a");
		mnl_attr_put_u64(nlh, KSVC_A_SERVICE_GENERATION, generation);
		expect(!msg_parse_service(nlh, &got));
		expect(got.n_services == 1 && !got.services->n_endpoints);
		expect(!got.services->n_frontends && got.generation == generation);
		model_of(&m, texts[generation - 1]);
		batch_init(&b);
		expect(batch_add_op(&b, &(struct op){ .type = OP_SERVICE_PUT,
						      .service = m.services }, &(uint32_t){ 0 }));
		parse_batch(&b, &got);
		expect_text(model_text(&got), model_text(&m));
		free(b.data);
		model_free(&m);
	}
	model_free(&got);
}

static void settings(void)
{
	char buf[65536];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_SETTINGS_SET, 0, 1);
	struct settings s = {}, got = {};
	struct err e;

	expect(!setting_add(&s, setting_find("cluster-cidr"), "10.0.0.0/8", &e));
	expect(!setting_add(&s, setting_find("cluster-cidr"), "fd00::/64", &e));
	expect(!setting_add(&s, setting_find("pod-interface"), "123456789012345*", &e));
	expect(!setting_add(&s, setting_find("masquerade-all"), "on", &e));
	expect(!setting_add(&s, setting_find("nodeport-addresses"), "192.0.2.0/24", &e));
	expect(!setting_add(&s, setting_find("localhost-nodeports"), "on", &e));
	expect(!setting_add(&s, setting_find("drop-invalid"), "off", &e));
	expect(!setting_add(&s, setting_find("affinity-entries"), "1024", &e));
	msg_put_settings(nlh, &s);
	expect(!msg_parse_settings(nlh, &got));
	expect(got.has == s.has && got.has == (HAS_ALL_SETTINGS & ~(HAS_SERVICE_CIDRS | HAS_PING)));
	expect(got.cluster_cidrs.n == 2 && !got.service_cidrs.n && got.masquerade_all);
	expect(got.nodeport_addresses.n == 1 && got.nodeport_addresses.prefixes[0].length == 24);
	expect(got.localhost_nodeports && !got.drop_invalid && got.affinity_entries == 1024);
	expect(!addr_cmp(&got.cluster_cidrs.prefixes[1].addr, &s.cluster_cidrs.prefixes[1].addr));
	expect(got.cluster_cidrs.prefixes[0].length == 8);
	expect(got.pod_interfaces.n == 1 && !strcmp(got.pod_interfaces.names[0], "123456789012345*"));
	settings_free(&s);
	settings_free(&got);
}

static void explain_reply(void)
{
	char buf[1024];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_EXPLAIN, 0, 1);
	struct explanation x = {};
	struct nlattr *nest;

	mnl_attr_put_u32(nlh, KSVC_A_EXPLAIN_VERDICT, KSVC_VERDICT_DNAT);
	mnl_attr_put_u32(nlh, KSVC_A_EXPLAIN_REASON, KSVC_REASON_TRANSLATED);
	mnl_attr_put_u32(nlh, KSVC_A_EXPLAIN_RULE, KSVC_RULE_X4);
	mnl_attr_put_strz(nlh, KSVC_A_EXPLAIN_SERVICE, "web");
	nest = mnl_attr_nest_start(nlh, KSVC_A_EXPLAIN_ENDPOINT);
	mnl_attr_put_u32(nlh, KSVC_A_CHOICE_ADDR4, htonl(0x0a000001));
	mnl_attr_put_u16(nlh, KSVC_A_CHOICE_PORT, htons(80));
	mnl_attr_put(nlh, KSVC_A_CHOICE_MASQUERADE, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
	expect(!msg_parse_explain(nlh, &x));
	expect(x.verdict == KSVC_VERDICT_DNAT && !strcmp(x.service, "web"));
	expect_text(rule_name(x.rule), "X4");
	expect(x.n_choices == 1 && x.choices[0].masquerade && !x.choices[0].chosen);
	expect(x.choices[0].port == 80 && x.choices[0].addr.v4.s_addr == htonl(0x0a000001));
	explanation_free(&x);
}

static void affinity(void)
{
	char buf[1024];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_AFFINITY_GET, 0, 1);
	struct affinity_list list = {};
	struct addr client;

	expect(!addr_parse("10.0.0.1", &client));
	msg_put_affinity(nlh, "web", &client);
	expect(msg_parse_affinity(nlh, &list) && !list.n);
	mnl_attr_put_u32(nlh, KSVC_A_AFFINITY_ADDR4, htonl(0x0a010002));
	mnl_attr_put_u16(nlh, KSVC_A_AFFINITY_PORT, htons(80));
	mnl_attr_put_u32(nlh, KSVC_A_AFFINITY_EXPIRES, 61000);
	expect(!msg_parse_affinity(nlh, &list) && list.n == 1);
	expect_text(list.list[0].service, "web");
	expect(!addr_cmp(&list.list[0].client, &client) && list.list[0].port == 80);
	expect(list.list[0].addr.v4.s_addr == htonl(0x0a010002) && list.list[0].expires == 61000);
	affinity_free(&list);
}

/* Every value of the kernel's enumerations has its own name. */
static void names(void)
{
	for (uint32_t i = 0; i <= KSVC_REASON_ECHO; i++) {
		expect(strcmp(reason_name(i), "unknown") && *reason_meaning(i));
		for (uint32_t j = 0; j < i; j++)
			expect(strcmp(reason_name(i), reason_name(j)));
	}
	expect_text(reason_name(KSVC_REASON_NO_LOCAL_ENDPOINT), "no-local-endpoint");
	expect_text(reason_name(KSVC_REASON_ECHO + 1), "unknown");
	expect_text(verdict_name(KSVC_VERDICT_LOCAL), "local");
	expect_text(verdict_name(KSVC_VERDICT_LOCAL + 1), "unknown");
	expect(!rule_name(KSVC_RULE_NONE));
	for (uint32_t i = KSVC_RULE_M1; i <= KSVC_RULE_F13; i++)
		expect(strcmp(rule_name(i), "unknown") && strspn(rule_name(i), "MXF") == 1);
	expect_text(rule_name(KSVC_RULE_F13), "F13");
	expect_text(rule_name(KSVC_RULE_F13 + 1), "unknown");
}

/* Names of attributes, for messages. */
static void paths(void)
{
	char buf[1024], path[128];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_SERVICE_PUT, 0, 1);
	const struct attr_set *set;
	struct nlattr *nest;
	size_t offset;

	mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, "web");
	nest = mnl_attr_nest_start(nlh, KSVC_A_SERVICE_FRONTEND);
	mnl_attr_put_u32(nlh, KSVC_A_FRONTEND_ADDR4, 1);
	offset = nlh->nlmsg_len;
	mnl_attr_put_u16(nlh, KSVC_A_FRONTEND_PORT, 0);
	mnl_attr_nest_end(nlh, nest);

	spec_path(nlh, offset, path, sizeof(path), &set);
	expect_text(path, "frontend/port");
	spec_path(nlh, (char *)nest - buf, path, sizeof(path), &set);
	expect_text(path, "frontend");
	expect(set == &spec_frontend);
	spec_path(nlh, NLMSG_LENGTH(sizeof(struct genlmsghdr)), path, sizeof(path), &set);
	expect_text(path, "name");
	spec_path(nlh, 5, path, sizeof(path), &set);
	spec_path(nlh, 100000, path, sizeof(path), &set);
	expect_text(path, "");
}

struct reply {
	char buf[4096];
	struct nlmsghdr *nlh;
	struct err e;
	struct answer a;
};

/* The kernel's refusal of a request, with these extack attributes. */
static void refuse(struct reply *r, struct nlmsghdr *request, int error, const char *msg,
		   int offset, int missing)
{
	struct nlmsgerr *ne;

	memset(r, 0, sizeof(*r));
	r->nlh = mnl_nlmsg_put_header(r->buf);
	r->nlh->nlmsg_type = NLMSG_ERROR;
	r->nlh->nlmsg_flags = NLM_F_ACK_TLVS;
	r->nlh->nlmsg_seq = request->nlmsg_seq;
	ne = mnl_nlmsg_put_extra_header(r->nlh, sizeof(*ne) + request->nlmsg_len - NLMSG_HDRLEN);
	ne->error = -error;
	memcpy(&ne->msg, request, request->nlmsg_len);
	if (msg)
		mnl_attr_put_strz(r->nlh, NLMSGERR_ATTR_MSG, msg);
	if (offset >= 0)
		mnl_attr_put_u32(r->nlh, NLMSGERR_ATTR_OFFS, offset);
	if (missing >= 0)
		mnl_attr_put_u32(r->nlh, NLMSGERR_ATTR_MISS_TYPE, missing);
	r->a.e = &r->e;
}

static char *refusal(struct nlmsghdr *request, int error, const char *msg, int offset,
		     int missing)
{
	struct reply r;

	refuse(&r, request, error, msg, offset, missing);
	expect(answer_run(&r.a, r.buf, r.nlh->nlmsg_len, request->nlmsg_seq, 0) >= 0);
	expect(r.a.done && r.a.error == error);
	return text("%s", r.e.text);
}

static void refusals(void)
{
	char buf[1024];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_SERVICE_PUT, 0, 7);
	struct nlattr *nest;
	int port;

	mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, "web");
	nest = mnl_attr_nest_start(nlh, KSVC_A_SERVICE_FRONTEND);
	port = nlh->nlmsg_len;
	mnl_attr_put_u16(nlh, KSVC_A_FRONTEND_PORT, 0);
	mnl_attr_nest_end(nlh, nest);

	expect_text(refusal(nlh, EINVAL, "not 1 to 65535", port, -1),
		    "not 1 to 65535 (attribute frontend/port)");
	expect_text(refusal(nlh, EINVAL, "port is 0", port, -1), "port is 0");
	expect_text(refusal(nlh, EEXIST, "taken by web", -1, -1), "taken by web");
	expect_text(refusal(nlh, ENOMEM, NULL, -1, -1), "Cannot allocate memory");
	expect_text(refusal(nlh, EINVAL, NULL, -1, KSVC_A_SERVICE_NAME),
		    "attribute name is missing");
	expect_part(refusal(nlh, EPERM, NULL, -1, -1), "CAP_NET_ADMIN");
}

/* Every answer cut short, and with each byte changed: no crash, no overrun. */
static void damaged_answers(void)
{
	char buf[256];
	struct nlmsghdr *nlh = msg_start(buf, FAMILY, KSVC_CMD_SERVICE_PUT, 0, 7);
	struct reply r, copy;

	mnl_attr_put_strz(nlh, KSVC_A_SERVICE_NAME, "web");
	refuse(&r, nlh, EINVAL, "words", 20, 2);
	for (uint32_t len = NLMSG_HDRLEN; len < r.nlh->nlmsg_len; len++) {
		char *exact = xcalloc(1, MNL_ALIGN(len));

		memcpy(exact, r.buf, len);
		((struct nlmsghdr *)exact)->nlmsg_len = len;
		memset(&r.a, 0, sizeof(r.a));
		r.a.e = &r.e;
		answer_run(&r.a, exact, len, 7, 0);
		free(exact);
	}
	for (uint32_t i = NLMSG_HDRLEN; i < r.nlh->nlmsg_len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			copy = r;
			copy.buf[i] ^= 1 << bit;
			memset(&copy.a, 0, sizeof(copy.a));
			copy.a.e = &copy.e;
			answer_run(&copy.a, copy.buf, r.nlh->nlmsg_len, 7, 0);
		}
	}
}

static void parse_all(const struct nlmsghdr *nlh)
{
	struct affinity_list affinity = {};
	struct explanation x = {};
	struct settings s = {};
	struct nl_commit commit;
	struct nl_event event;
	struct model m = {};
	struct nl_stats stats = {};
	struct nl_info info = {};

	msg_parse_service(nlh, &m);
	msg_parse_settings(nlh, &s);
	msg_parse_info(nlh, &info);
	msg_parse_stats(nlh, &stats);
	msg_parse_txn(nlh, &commit);
	msg_parse_explain(nlh, &x);
	msg_parse_event(nlh, &event);
	msg_parse_affinity(nlh, &affinity);
	affinity_free(&affinity);
	model_free(&m);
	settings_free(&s);
	explanation_free(&x);
}

static void damaged_messages(void)
{
	struct model m;
	struct batch b;
	struct op op = { .type = OP_SERVICE_PUT };
	struct nlmsghdr *nlh;
	uint32_t next = 0, len;
	unsigned int seed = 1;

	model_of(&m, "web scheduler=lc affinity=5 range=10.0.0.0/8 10.0.0.1:80/tcp "
		 "[fd00::1]:80/tcp=external-ip -> 10.1.0.1:1@5 [fd01::1]:2/cluster");
	op.service = m.services;
	batch_init(&b);
	batch_add_op(&b, &op, &next);
	len = b.used;
	for (uint32_t i = NLMSG_HDRLEN; i <= len; i++) {
		nlh = xcalloc(1, MNL_ALIGN(i));
		memcpy(nlh, b.data, i);
		nlh->nlmsg_len = i;
		parse_all(nlh);
		free(nlh);
	}
	for (int round = 0; round < 20000; round++) {
		nlh = xcalloc(1, len);
		memcpy(nlh, b.data, len);
		for (int i = 0; i < 3; i++)
			((char *)nlh)[NLMSG_HDRLEN + rand_r(&seed) % (len - NLMSG_HDRLEN)] =
				rand_r(&seed) % 40;
		parse_all(nlh);
		free(nlh);
	}
	free(b.data);
	model_free(&m);
}

const struct test nl_tests[] = {
	{ "nl: services there and back", services },
	{ "nl: the largest service, in parts", large_service },
	{ "nl: a service told again", told_again },
	{ "nl: settings there and back", settings },
	{ "nl: explain's reply", explain_reply },
	{ "nl: session affinity", affinity },
	{ "nl: names of what the kernel says", names },
	{ "nl: paths of attributes", paths },
	{ "nl: the kernel's words", refusals },
	{ "nl: damaged answers", damaged_answers },
	{ "nl: damaged messages", damaged_messages },
	{}
};
