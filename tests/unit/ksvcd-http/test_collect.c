// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"

/*
 * What the kernel says, a text for each piece: "NAME=LOCAL+OTHER ...", so many
 * endpoints that are for the Local policy and others, or "!", an error.
 */
static const char *const *pieces;
static int n_open;
static bool no_module, no_answer;

int __wrap_nl_open(struct nl **nlp, struct err *e);
void __wrap_nl_close(struct nl *nl);
int __wrap_nl_services_begin(struct nl *nl, struct err *e);
int __wrap_nl_services_more(struct nl *nl, struct model *m, struct err *e);

int __wrap_nl_open(struct nl **nlp, struct err *e)
{
	if (no_module)
		return err_set(e, "no module");
	*nlp = xcalloc(1, 1);
	n_open++;
	return 0;
}

void __wrap_nl_close(struct nl *nl)
{
	n_open--;
	free(nl);
}

int __wrap_nl_services_begin(struct nl *nl, struct err *e)
{
	(void)nl;
	return no_answer ? err_set(e, "no answer") : 0;
}

static void add(struct service *s, int n, uint32_t flags)
{
	struct endpoint ep = { .addr.family = AF_INET, .flags = flags };

	for (; n; n--) {
		ep.port = s->n_endpoints;
		service_add_endpoint(s, &ep);
	}
}

static void say(struct model *m, const char *word)
{
	struct service *s = m->n_services ? &m->services[m->n_services - 1] : NULL;
	struct frontend f = { .addr.family = AF_INET };
	int local, other;
	char name[16];

	expect(sscanf(word, "%15[^=]=%d+%d", name, &local, &other) == 3);
	if (!s || strcmp(s->name, name)) {
		s = model_add_service(m, name);
		s->flags = KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL;
		service_add_frontend(s, &f);
	}
	add(s, local, KSVC_ENDPOINT_FLAGS_LOCAL);
	add(s, other, KSVC_ENDPOINT_FLAGS_CLUSTER);
}

int __wrap_nl_services_more(struct nl *nl, struct model *m, struct err *e)
{
	char *words = text("%s", *pieces), *save;

	(void)nl;
	if (!strcmp(*pieces++, "!")) {
		err_set(e, "broken");
		return -EIO;
	}
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		say(m, w);
	return !!*pieces;
}

/* The services with their endpoints, then how many lack local ones: external, internal, IPv6. */
static const char *collected(const char *const *said, int *result)
{
	struct collector *c;
	const char *s = "";
	const struct model *m;

	pieces = said;
	c = collector_new();
	m = collector_model(c);
	do {
		const char *const *before = pieces;

		*result = collector_step(c);
		expect(pieces == before + 1);
	} while (*result == 1);
	for (size_t i = 0; i < m->n_services; i++)
		s = text("%s%s=%u ", s, m->services[i].name, m->services[i].n_endpoints);
	s = text("%s: %d %d %d", s, (int)collector_no_local(c, K8S_V4, POLICY_EXTERNAL),
		 (int)collector_no_local(c, K8S_V4, POLICY_INTERNAL),
		 (int)collector_no_local(c, K8S_V6, POLICY_EXTERNAL));
	collector_free(c);
	expect_number(n_open, 0);
	return s;
}

#define COLLECTED(result, ...)	collected((const char *const []){ __VA_ARGS__, NULL }, result)

static void piece_by_piece(void)
{
	int r;

	expect_text(COLLECTED(&r, ""), ": 0 0 0");
	expect_number(r, 0);
	expect_text(COLLECTED(&r, "a=1+0 b=0+2", "b=0+3 c=0+0", "d=0+1"),
		    "a=1 b=5 c=0 d=1 : 2 0 0");
	/* The only local endpoint is in the last piece. */
	expect_text(COLLECTED(&r, "a=0+2", "a=0+2", "a=1+0"), "a=5 : 0 0 0");
}

static void twice(void)
{
	int r;

	expect_text(COLLECTED(&r, "a=0+1 b=0+1", "c=0+1 a=0+3", "b=0+4 d=0+1"),
		    "a=1 b=1 c=1 d=1 : 4 0 0");
	expect_text(COLLECTED(&r, "a=0+1 b=0+1", "a=0+1", "a=0+1"), "a=1 b=1 : 2 0 0");
	expect_number(r, 0);
}

static void failures(void)
{
	int r;

	expect_text(COLLECTED(&r, "a=0+1", "!"), "a=1 : 1 0 0");
	expect_number(r, -EIO);
	no_answer = true;
	expect(!collector_new());
	no_module = true;
	expect(!collector_new());
	no_answer = no_module = false;
	expect_number(n_open, 0);
	collector_free(NULL);
}

const struct test collect_tests[] = {
	{ "collect: services, piece by piece", piece_by_piece },
	{ "collect: services that come twice", twice },
	{ "collect: a kernel that does not answer", failures },
	{}
};
