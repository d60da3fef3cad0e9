// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "health.h"

static struct world w;
static struct health *h;
static bool healthy;
static char *reports;

static bool is_healthy(void *data)
{
	(void)data;
	return healthy;
}

static void report(void *data, const char *ns, const char *name, const struct http_place *p,
		   int error)
{
	char buf[ENDPOINT_STRLEN];

	(void)data;
	reports = text("%s%s/%s %s %s;", reports, ns, name,
		       hostport_format(&p->addr, p->port, buf),
		       error ? strerrorname_np(error) : "ok");
}

static void begin(void)
{
	const struct health_calls calls = { .is_healthy = is_healthy, .report = report };

	world_begin(&w);
	expect(!health_new(&h, w.http, w.loop, &calls));
	healthy = true;
	reports = text("%s", "");
}

static void end(void)
{
	health_free(h);
	world_end(&w);
}

static void put(const char *name, uint16_t port, unsigned int n)
{
	expect(!health_put(h, K8S_V4, "ns", name, port, n));
}

/* "STATUS COUNT", or "closed". */
static const char *probe(const char *host, uint16_t port)
{
	struct reply r;

	turn(&w, 0);
	r = fetch(&w, "GET", host, port, "/any/path");
	return r.status ? text("%ld %s", r.status, header(&r, "X-Load-Balancing-Endpoint-Weight")) :
	       "closed";
}

static const char *at(uint16_t port)
{
	return probe("127.0.0.1", port);
}

static void expect_counts(unsigned int open, unsigned int failed)
{
	expect_number(health_counts(h).open, open);
	expect_number(health_counts(h).failed, failed);
}

/* H4 */
static void answer_exactly(void)
{
	struct reply r;

	begin();
	put("web", 30100, 3);
	turn(&w, 0);
	r = get(&w, 30100, "/");
	expect_number(r.status, 200);
	expect_text(header(&r, "Content-Type"), "application/json");
	expect_text(header(&r, "X-Content-Type-Options"), "nosniff");
	expect_text(header(&r, "X-Load-Balancing-Endpoint-Weight"), "3");
	expect_text(r.body, "{\"service\":{\"namespace\":\"ns\",\"name\":\"web\"},"
			    "\"localEndpoints\":3,\"serviceProxyHealthy\":true}");
	healthy = false;
	r = get(&w, 30100, "/");
	expect_number(r.status, 503);
	expect_text(header(&r, "X-Load-Balancing-Endpoint-Weight"), "3");
	expect_part(r.body, "\"localEndpoints\":3,\"serviceProxyHealthy\":false");
	expect_number(fetch(&w, "POST", "127.0.0.1", 30100, "/").status, 405);
	end();
}

/* H5 */
static void changes(void)
{
	begin();
	put("web", 30100, 1);
	expect_text(at(30100), "200 1");
	put("web", 30100, 0);
	expect_text(at(30100), "503 0");
	put("web", 30101, 5);
	expect_text(at(30100), "closed");
	expect_text(at(30101), "200 5");
	put("other", 30100, 2);
	expect_text(at(30100), "200 2");
	put("web", 0, 5);
	expect_text(at(30101), "closed");
	health_del(h, K8S_V4, "ns", "nothing");
	health_del(h, K8S_V6, "ns", "other");
	expect_text(at(30100), "200 2");
	health_del(h, K8S_V4, "ns", "other");
	expect_text(at(30100), "closed");
	expect_text(reports, "");
	expect_counts(0, 0);
	end();
}

/* A change that another change takes back before the loop turns. */
static void at_once(void)
{
	begin();
	put("web", 30100, 1);
	put("web", 30101, 1);
	put("web", 30100, 1);
	put("gone", 30102, 1);
	health_del(h, K8S_V4, "ns", "gone");
	put("last", 30103, 1);
	put("last", 0, 1);
	expect_text(at(30100), "200 1");
	expect_text(at(30101), "closed");
	expect_text(at(30102), "closed");
	expect_counts(1, 0);
	end();
}

static void swapped(void)
{
	begin();
	put("a", 30100, 1);
	put("b", 30101, 2);
	expect_text(at(30100), "200 1");
	put("a", 30101, 1);
	put("b", 30100, 2);
	expect_text(at(30100), "200 2");
	expect_text(at(30101), "200 1");
	expect_text(reports, "");
	end();
}

/* H2: one that is taken is reported once, and opens as soon as it can. */
static void taken(void)
{
	begin();
	put("a", 30100, 1);
	expect_text(at(30100), "200 1");
	put("b", 30100, 2);
	put("c", 30102, 3);
	expect_text(at(30102), "200 3");
	expect_text(at(30100), "200 1");
	expect_text(reports, "ns/b 0.0.0.0:30100 EADDRINUSE;");
	expect_counts(2, 1);
	put("b", 30100, 4);
	turn(&w, 0);
	health_del(h, K8S_V4, "ns", "a");
	expect_text(at(30100), "200 4");
	expect_text(reports, "ns/b 0.0.0.0:30100 EADDRINUSE;ns/b 0.0.0.0:30100 ok;");
	expect_counts(2, 0);
	put("a", 30100, 1);
	turn(&w, 0);
	expect_counts(2, 1);
	health_del(h, K8S_V4, "ns", "a");
	expect_counts(2, 0);
	end();
}

static void both_families(void)
{
	begin();
	put("web", 30100, 1);
	expect(!health_put(h, K8S_V6, "ns", "web", 30100, 2));
	expect_text(at(30100), "200 1");
	expect_text(probe("::1", 30100), "200 2");
	health_del(h, K8S_V4, "ns", "web");
	expect_text(at(30100), "closed");
	expect_text(probe("::1", 30100), "200 2");
	end();
}

static void set_addresses(const char *one, const char *two)
{
	struct addr list[2] = { place(one, 0).addr, place(two, 0).addr };

	health_set_addresses(h, K8S_V4, list, 2);
}

static void addresses(void)
{
	begin();
	set_addresses("127.0.0.1", "127.0.0.1");
	put("web", 30100, 1);
	expect_text(at(30100), "200 1");
	expect_text(probe("127.0.0.2", 30100), "closed");
	expect_counts(1, 0);
	set_addresses("127.0.0.2", "192.0.2.1");
	expect_text(at(30100), "closed");
	expect_text(probe("127.0.0.2", 30100), "200 1");
	expect_text(reports, "ns/web 192.0.2.1:30100 EADDRNOTAVAIL;");
	expect_counts(1, 1);
	set_addresses("127.0.0.2", "::1");
	expect_text(probe("127.0.0.2", 30100), "200 1");
	expect_text(probe("::1", 30100), "closed");
	expect_counts(1, 0);
	health_set_addresses(h, K8S_V4, NULL, 0);
	expect_text(probe("127.0.0.2", 30100), "closed");
	expect_counts(0, 0);
	health_set_all(h, K8S_V4);
	expect_text(at(30100), "200 1");
	expect_text(probe("127.0.0.2", 30100), "200 1");
	end();
}

static void names(void)
{
	struct reply r;

	begin();
	expect_number(health_put(h, K8S_V4, "ns", "\xff", 30100, 1), -EINVAL);
	expect_number(health_put(h, K8S_V4, "\xc0\x80", "a", 30100, 1), -EINVAL);
	put("d\xc3\xa9j\"\\\n", 30101, 1);
	turn(&w, 0);
	expect_text(at(30100), "closed");
	r = get(&w, 30101, "/");
	expect_part(r.body, "\"name\":\"d\xc3\xa9j\\\"\\\\\\n\"");
	end();
}

static void many(void)
{
	enum { N = 500 };

	begin();
	for (int i = 0; i < N; i++)
		put(text("s%d", i), 20000 + i, i);
	expect_text(at(20000), "503 0");
	expect_text(at(20000 + N - 1), text("200 %d", N - 1));
	expect_counts(N, 0);
	for (int i = 0; i < N; i += 2)
		health_del(h, K8S_V4, "ns", text("s%d", i));
	expect_text(at(20000), "closed");
	expect_counts(N / 2, 0);
	end();
}

const struct test health_tests[] = {
	{ "health: H4 what is answered", answer_exactly },
	{ "health: H5 ports and counts change", changes },
	{ "health: several changes before the loop turns", at_once },
	{ "health: Services swap ports", swapped },
	{ "health: H2 a port that is taken", taken },
	{ "health: both families have the same port", both_families },
	{ "health: H2 addresses change", addresses },
	{ "health: names that are none, and strange ones", names },
	{ "health: many", many },
	{}
};
