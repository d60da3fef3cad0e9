// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/diff.h"

static bool delete_all(const struct service *actual, void *data)
{
	(void)actual;
	(void)data;
	return true;
}

static bool delete_a(const struct service *actual, void *data)
{
	(void)data;
	return *actual->name == 'a';
}

/* "put NAME", "del NAME", "put-endpoints NAME ENDPOINT@WEIGHT ...", ... */
static char *ops_text(const struct op_list *list)
{
	static const char *const types[] = {
		[OP_SERVICE_PUT] = "put", [OP_SERVICE_DEL] = "del",
		[OP_ENDPOINT_PUT] = "put-endpoints", [OP_ENDPOINT_DEL] = "del-endpoints",
	};
	char *s = text("%s", ""), buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < list->n; i++) {
		const struct op *op = &list->ops[i];

		s = text("%s%s%s %s", s, i ? "; " : "", types[op->type], op->service->name);
		for (uint32_t j = 0; j < op->n_endpoints; j++)
			s = text("%s %s@%u", s, endpoint_format(&op->endpoints[j], buf),
				 op->endpoints[j].weight);
	}
	return s;
}

static char *difference(const char *actual, const char *desired, diff_deletes_fn deletes)
{
	struct op_list list = {};
	struct model a, d;
	char *s, *before, *after;

	model_of(&a, actual);
	model_of(&d, desired);
	before = text("%s|%s", model_text(&a), model_text(&d));
	diff(&d, &a, deletes, NULL, &list);
	after = text("%s|%s", model_text(&a), model_text(&d));
	s = text("%s%s", ops_text(&list), list.sweep ? "; sweep" : "");
	/* It only looks. */
	expect_text(after, before);
	op_list_free(&list);
	model_free(&a);
	model_free(&d);
	return s;
}

static void services(void)
{
	expect_text(difference("", "", delete_all), "");
	expect_text(difference("", "a 10.0.0.1:80/tcp", delete_all), "put a");
	expect_text(difference("a 10.0.0.1:80/tcp", "", delete_all), "del a");
	expect_text(difference("a 10.0.0.1:80/tcp", "", NULL), "");
	expect_text(difference("a 10.0.0.1:80/tcp", "a 10.0.0.1:80/tcp", delete_all), "");
	expect_text(difference("a 10.0.0.1:80/tcp; c 10.0.0.3:80/tcp; d 10.0.0.4:80/tcp",
			       "b 10.0.0.2:80/tcp; c 10.0.0.3:80/tcp; e 10.0.0.5:80/tcp", delete_all),
		    "del a; put b; del d; put e");
	expect_text(difference("a 10.0.0.1:80/tcp; b 10.0.0.3:80/tcp", "c 10.0.0.1:81/tcp", delete_a),
		    "del a; put c");
}

static void frontends(void)
{
	expect_text(difference("a 10.0.0.1:80/tcp", "a 10.0.0.1:81/tcp", NULL), "put a");
	expect_text(difference("a 10.0.0.1:80/tcp", "a 10.0.0.1:80/udp", NULL), "put a");
	expect_text(difference("a 10.0.0.1:80/tcp [fd00::1]:80/tcp",
			       "a [fd00::1]:80/tcp 10.0.0.1:80/tcp", NULL), "");
}

#define FOUR "10.1.0.1:80 10.1.0.2:80 10.1.0.3:80 10.1.0.4:80"

static void endpoints(void)
{
	static const char *const four = "a 10.0.0.1:80/tcp -> " FOUR;

	expect_text(difference(four, "a 10.0.0.1:80/tcp -> " FOUR " 10.1.0.5:80", NULL),
		    "put-endpoints a 10.1.0.5:80@1");
	expect_text(difference(four, "a 10.0.0.1:80/tcp -> 10.1.0.1:80 10.1.0.2:80 10.1.0.3:80", NULL),
		    "del-endpoints a 10.1.0.4:80@1");
	expect_text(difference(four,
			       "a 10.0.0.1:80/tcp -> 10.1.0.1:80 10.1.0.2:80 10.1.0.3:80@7 10.1.0.4:80",
			       NULL), "put-endpoints a 10.1.0.3:80@7");
	expect_text(difference(four,
			       "a 10.0.0.1:80/tcp -> 10.1.0.1:80/cluster 10.1.0.2:80 10.1.0.3:80 10.1.0.4:80",
			       NULL), "put-endpoints a 10.1.0.1:80@1");
	expect_text(difference(four,
			       "a 10.0.0.1:80/tcp -> 10.1.0.1:80 10.1.0.2:80 10.1.0.3:80 10.1.0.4:81",
			       NULL), "del-endpoints a 10.1.0.4:80@1; put-endpoints a 10.1.0.4:81@1");
	/* Much at once: as a whole. */
	expect_text(difference(four, "a 10.0.0.1:80/tcp -> 10.1.0.1:80", NULL), "put a");
	expect_text(difference(four, "a 10.0.0.1:80/tcp", NULL), "put a");
	expect_text(difference("a 10.0.0.1:80/tcp", four, NULL), "put a");
}

/* C1: of a Service with endpoints on UDP, though others of its ports change. */
static void sweeps(void)
{
#define DNS	"n/a:dns 10.0.0.1:53/udp -> 10.1.0.1:53"
#define WEB	"n/a:web 10.0.0.1:80/tcp"
#define X	" -> 10.1.0.1:80"
#define Y	" -> 10.1.0.2:80"

	expect_text(difference(DNS "; " WEB X, DNS "; " WEB Y, delete_all), "put n/a:web; sweep");
	expect_text(difference(WEB X, WEB Y, delete_all), "put n/a:web");
	expect_text(difference(DNS "; " WEB X, DNS "; " WEB X, delete_all), "");
	/* not of endpoints */
	expect_text(difference(DNS "; " WEB X, DNS "; n/a:web scheduler=rr 10.0.0.1:80/tcp" X, delete_all),
		    "put n/a:web");
	/* a port that comes or goes does, all of them do not */
	expect_text(difference(DNS "; " WEB X, DNS, delete_all), "del n/a:web; sweep");
	expect_text(difference(DNS, DNS "; " WEB X, delete_all), "put n/a:web; sweep");
	expect_text(difference(DNS "; " WEB X, "", delete_all), "del n/a:dns; del n/a:web");
	expect_text(difference(DNS "; " WEB X, DNS, NULL), "");
	/* there have been endpoints on UDP, or there is only the port */
	expect_text(difference(DNS "; " WEB X, "n/a:dns 10.0.0.1:53/udp; " WEB X, delete_all), "put n/a:dns; sweep");
	expect_text(difference("n/a:dns 10.0.0.1:53/udp; " WEB X, "n/a:dns 10.0.0.1:53/udp; " WEB Y, delete_all),
		    "put n/a:web");
	/* of others */
	expect_text(difference("n/_:dns 10.0.0.2:53/udp" X "; " WEB X "; n/ab:dns 10.0.0.3:53/udp" X,
			       "n/_:dns 10.0.0.2:53/udp" X "; " WEB Y "; n/ab:dns 10.0.0.3:53/udp" X, delete_all),
		    "put n/a:web");
}

/* Whatever differs but endpoints is a new definition, with all of them. */
static void options(void)
{
	static const char *const others[] = {
		"a internal-policy=local 10.0.0.1:80/tcp -> " FOUR,
		"a external-policy=local 10.0.0.1:80/tcp -> " FOUR,
		"a affinity=10 10.0.0.1:80/tcp -> " FOUR,
		"a scheduler=wrr 10.0.0.1:80/tcp -> " FOUR,
		"a maglev-size=4093 10.0.0.1:80/tcp -> " FOUR,
		"a on-remove=reset 10.0.0.1:80/tcp -> " FOUR,
		"a range=10.0.0.0/8 10.0.0.1:80/tcp -> " FOUR,
		"a range=10.0.0.0/9 10.0.0.1:80/tcp -> " FOUR,
		"a 10.0.0.1:80/tcp=load-balancer -> " FOUR,
		"a 10.0.0.1:80/tcp -> " FOUR,
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		for (size_t j = 0; j < ARRAY_SIZE(others); j++)
			expect_text(difference(others[i], others[j], NULL), i == j ? "" : "put a");
	/* The order of what is given does not matter. */
	expect_text(difference("a range=10.0.0.0/8 range=fd00::/8 10.0.0.1:80/tcp",
			       "a range=fd00::/8 range=10.0.0.0/8 10.0.0.1:80/tcp", NULL), "");
	expect_text(difference("a 10.0.0.1:80/tcp -> " FOUR " 10.1.0.5:80/local",
			       "a 10.0.0.1:80/tcp -> " FOUR " 10.1.0.5:80/local,draining", NULL),
		    "put-endpoints a 10.1.0.5:80@1");
}

static void printed(void)
{
	struct op_list list = {};
	struct model a, d;
	char *s, *kept;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	model_of(&a, "a 10.0.0.1:80/tcp; b scheduler=lc affinity=5 range=10.0.0.0/8 10.0.0.2:80/tcp "
		 "10.0.0.3:80/tcp 10.0.0.6:80/tcp=external-ip -> " FOUR);
	model_of(&d, "b scheduler=rr affinity=5 range=10.1.0.0/16 10.0.0.2:80/tcp 10.0.0.4:80/tcp "
		 "10.0.0.6:80/tcp=load-balancer -> 10.1.0.1:80 10.1.0.2:80@2/local,draining 10.1.0.9:80; "
		 "c on-remove=reset 10.0.0.5:53/udp");
	diff(&d, &a, delete_all, NULL, &list);
	op_list_print(f, &list);
	fclose(f);
	kept = text("%s", s);
	free(s);
	expect_text(kept,
		    "- a\n"
		    "    - cluster-ip 10.0.0.1:80/tcp\n"
		    "~ b\n"
		    "    ~ scheduler rr\n"
		    "    - cluster-ip 10.0.0.3:80/tcp\n"
		    "    - external-ip 10.0.0.6:80/tcp\n"
		    "    + cluster-ip 10.0.0.4:80/tcp\n"
		    "    + load-balancer 10.0.0.6:80/tcp\n"
		    "    - source-range 10.0.0.0/8\n"
		    "    + source-range 10.1.0.0/16\n"
		    "    ~ endpoint 10.1.0.2:80 weight 2 sets local,draining\n"
		    "    - endpoint 10.1.0.3:80 weight 1 sets cluster,local\n"
		    "    - endpoint 10.1.0.4:80 weight 1 sets cluster,local\n"
		    "    + endpoint 10.1.0.9:80 weight 1 sets cluster,local\n"
		    "+ c\n"
		    "    ~ on-remove reset\n"
		    "    + cluster-ip 10.0.0.5:53/udp\n");
	op_list_free(&list);
	model_free(&a);
	model_free(&d);
}

const struct test diff_tests[] = {
	{ "diff: services come, go and stay", services },
	{ "diff: other frontends", frontends },
	{ "diff: endpoints, as few as there are", endpoints },
	{ "diff: C1 what another port's endpoints on UDP make necessary", sweeps },
	{ "diff: options, classes and ranges", options },
	{ "diff: as apply --dry-run prints it", printed },
	{}
};
