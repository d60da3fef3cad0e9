// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "http_private.h"
#include "scrape.h"

/* Requests that are answered when the test says so. */
static struct http_request *kept[8];
static size_t n_kept;

static void keep(void *data, const char *path, struct http_answer *a)
{
	(void)data, (void)path;
	a->later = true;
	kept[n_kept++] = a->request;
}

static void answer_kept(size_t i, unsigned int status, const char *body)
{
	struct http_answer a = {};

	http_body(&a, status, "text/plain", xstrdup(body));
	http_header(&a, "X-Late", "yes");
	http_reply(kept[i], &a);
}

static uint16_t begin(struct world *w, struct http_listener **l)
{
	struct http_place p = place("127.0.0.1", 0);

	world_begin(w);
	expect(!http_listen(l, w->http, &p, keep, NULL));
	n_kept = 0;
	return http_port(*l);
}

static bool enough_kept(void *data)
{
	return n_kept >= *(size_t *)data;
}

static void ask(struct world *w, struct raw *c, uint16_t port, const char *request)
{
	size_t n = n_kept + 1;

	raw_open(c, port);
	raw_say(c, request);
	expect(turn_until(w, enough_kept, &n));
}

static void later(void)
{
	struct http_listener *l;
	struct world w;
	uint16_t port = begin(&w, &l);
	struct raw *c = xcalloc(3, sizeof(*c));

	ask(&w, &c[0], port, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	ask(&w, &c[1], port, "HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n");
	ask(&w, &c[2], port, "GET /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345");
	answer_kept(1, 200, "two");
	answer_kept(0, 503, "one");
	answer_kept(2, 200, "three");
	for (int i = 0; i < 3; i++) {
		expect(raw_until_ended(&w, &c[i]));
		expect_part(c[i].got, "X-Late: yes");
		raw_close(&c[i]);
	}
	expect_part(c[0].got, "HTTP/1.1 503 ");
	expect_part(c[0].got, "\r\n\r\none");
	expect_part(c[1].got, "Content-Length: 3");
	expect(!strstr(c[1].got, "two"));
	expect_part(c[2].got, "\r\n\r\nthree");
	free(c);
	world_end(&w);
}

/* Whatever happens before, the reply is safe, and nothing is left. */
static void later_than_that(void)
{
	struct http_listener *l;
	struct world w;
	uint16_t port = begin(&w, &l);
	struct raw *c = xcalloc(4, sizeof(*c));

	w.http->request_usec = w.http->answer_usec = 100000;
	for (int i = 0; i < 4; i++)
		ask(&w, &c[i], port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	raw_close(&c[0]);
	for (int i = 0; i < 150; i++)
		turn(&w, 10);
	expect_number(w.http->n_conns, 4);
	answer_kept(0, 200, "gone");
	answer_kept(1, 200, "patient");
	expect(raw_until_ended(&w, &c[1]));
	expect_part(c[1].got, "patient");
	http_close(l);
	answer_kept(2, 200, "closed");
	expect(raw_until_ended(&w, &c[2]));
	expect(!c[2].len);
	answer_kept(3, 200, "freed");
	world_end(&w);
	for (int i = 1; i < 4; i++)
		raw_close(&c[i]);
	free(c);
}

static struct metrics m;
static size_t n_services, n_endpoints;

static void service(const void *data, size_t i, struct metrics_service *s)
{
	static char name[64];

	(void)data;
	snprintf(name, sizeof(name), "ns/s%zu", i);
	*s = (struct metrics_service){ .name = name, .connections = i,
				       .n_endpoints = i % 3 ? n_endpoints : 0,
				       .knows_active = true };
}

static void endpoint(const void *data, size_t i, size_t j, struct metrics_endpoint *e)
{
	(void)data;
	snprintf(e->name, sizeof(e->name), "10.0.0.1:%zu", j);
	e->connections = i + j;
	e->active = j;
}

static const struct metrics_services services_template = {
	.service = service, .endpoint = endpoint,
};

/* Lines that begin so. */
static size_t count(const struct http_answer *a, const char *start)
{
	size_t n = 0, len = strlen(start);

	for (size_t i = 0; i + len <= a->len; i++)
		if ((!i || a->body[i - 1] == '\n') && !memcmp(a->body + i, start, len))
			n++;
	return n;
}

/* Every line once, however the pieces fall; each of them is small. */
static void pieces(void)
{
	static const size_t sizes[][2] = { { 0, 0 }, { 1, 0 }, { 3, 1 }, { 3, 3001 }, { 1000, 0 },
					   { 999, 1 }, { 3000, 2 }, { 30, 999 } };

	metrics_init(&m);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct metrics_services all = services_template;
		struct metrics_parts parts = { .services = &all };
		size_t wanted = sizes[i][0] * 2 / 3 * sizes[i][1], before = 0;
		struct http_answer a = {};
		struct metrics_job job = {};

		all.n = n_services = sizes[i][0];
		n_endpoints = sizes[i][1];
		while (!metrics_step(&job, &m, &parts)) {
			expect(!before || job.page.len - before < 200000);
			before = job.page.len;
		}
		metrics_finish(&job, &a);
		expect_number(a.status, 200);
		expect_number(count(&a, "ksvc_endpoint_connections_total{"), wanted);
		expect_number(count(&a, "ksvc_endpoint_active_connections{"), wanted);
		expect_number(count(&a, "ksvc_service_connections_total{"), sizes[i][0]);
		expect_number(count(&a, "# TYPE ksvc_endpoint"), 2);
		free(a.body);
	}
}

static struct metrics_services all;
static int not_yet, collected, released;
static int collect_error;

static int collect(void *data, struct metrics_parts *parts)
{
	(void)data;
	collected++;
	if (not_yet-- > 0)
		return 1;
	all = services_template;
	all.n = n_services;
	parts->services = &all;
	return collect_error;
}

static void release(void *data)
{
	(void)data;
	released++;
	memset(&all, 0, sizeof(all));
}

static void hello(void *data, const char *path, struct http_answer *a)
{
	(void)data, (void)path;
	http_body(a, 200, "text/plain", xstrdup("hi"));
}

static struct scrape *begin_scrapes(struct world *w, uint16_t *port, uint16_t *other)
{
	static const struct scrape_calls calls = { .collect = collect, .release = release };
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *l;
	struct scrape *s;

	metrics_init(&m);
	world_begin(w);
	expect(!scrape_new(&s, w->loop, &m, &calls));
	expect(!http_listen(&l, w->http, &p, scrape_handler, s));
	*port = http_port(l);
	expect(!http_listen(&l, w->http, &p, hello, NULL));
	*other = http_port(l);
	n_services = 3;
	n_endpoints = 2;
	not_yet = collected = released = collect_error = 0;
	return s;
}

static void scrapes(void)
{
	struct world w;
	uint16_t port, other;
	struct scrape *s = begin_scrapes(&w, &port, &other);
	struct reply r = get(&w, port, "/metrics");

	expect_number(r.status, 200);
	expect_text(header(&r, "Content-Type"), PAGE_TYPE);
	expect_part(r.body, "\nksvc_endpoint_active_connections{service=\"ns/s2\","
			    "endpoint=\"10.0.0.1:1\"} 1\n");
	expect_number(get(&w, port, "/").status, 404);
	expect_number(collected, 1);
	expect_number(released, 1);
	not_yet = 3;
	expect_number(get(&w, port, "/metrics").status, 200);
	expect_number(collected, 5);
	expect_number(released, 2);
	collect_error = -EIO;
	expect_number(get(&w, port, "/metrics").status, 503);
	expect_number(released, 3);
	collect_error = 0;
	expect_number(get(&w, port, "/metrics").status, 200);
	expect_number(released, 4);
	scrape_free(s);
	world_end(&w);
}

/* While a large page is made, and when several want it. */
static void others_go_on(void)
{
	enum { N = 20 };
	struct world w;
	uint16_t port, other;
	struct scrape *s = begin_scrapes(&w, &port, &other);
	struct raw *c = xcalloc(N, sizeof(*c));
	int refused = 0;

	n_services = 100000;
	raw_open(&c[0], port);
	raw_say(&c[0], "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	while (!collected)
		turn(&w, 10);
	for (int i = 0; i < 3; i++)
		expect_number(get(&w, other, "/").status, 200);
	expect_number(released, 0);
	for (int i = 1; i < N; i++) {
		raw_open(&c[i], port);
		raw_say(&c[i], "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	n_services = 10;
	for (int i = 1; i < N; i++) {
		expect(raw_until_ended(&w, &c[i]));
		refused += !strncmp(c[i].got, "HTTP/1.1 503", 12);
		raw_close(&c[i]);
	}
	expect_number(refused, N - 16);
	expect_number(released, 16);
	raw_close(&c[0]);
	free(c);
	scrape_free(s);
	world_end(&w);
}

static void freed_meanwhile(void)
{
	struct world w;
	uint16_t port, other;
	struct scrape *s = begin_scrapes(&w, &port, &other);
	struct raw *c = xcalloc(2, sizeof(*c));

	n_services = 100000;
	for (int i = 0; i < 2; i++) {
		raw_open(&c[i], port);
		raw_say(&c[i], "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	while (!collected)
		turn(&w, 10);
	turn(&w, 0);
	scrape_free(s);
	scrape_free(NULL);
	expect_number(released, 1);
	world_end(&w);
	raw_close(&c[0]);
	raw_close(&c[1]);
	free(c);
}

const struct test scrape_tests[] = {
	{ "scrape: answers that come later", later },
	{ "scrape: answers that come too late", later_than_that },
	{ "scrape: pages in pieces", pieces },
	{ "scrape: pages", scrapes },
	{ "scrape: others go on meanwhile", others_go_on },
	{ "scrape: freed meanwhile", freed_meanwhile },
	{}
};
