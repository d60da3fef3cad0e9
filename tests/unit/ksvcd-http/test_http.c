// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "http_private.h"

static int n_answers;

static void hello(void *data, const char *path, struct http_answer *a)
{
	n_answers++;
	if (strcmp(path, "/hello"))
		return;
	http_body(a, 200, "text/plain", xasprintf("%s\n", (const char *)data));
	http_header(a, "X-Number", "%d", 7);
}

static uint16_t begin(struct world *w, unsigned int limit)
{
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *l;

	p.limit = limit;
	world_begin(w);
	expect(!http_listen(&l, w->http, &p, hello, "hi"));
	expect(http_is_listening(l) && http_port(l));
	n_answers = 0;
	return http_port(l);
}

static bool nobody(void *data)
{
	return !((struct world *)data)->http->n_conns;
}

static void end(struct world *w)
{
	expect(turn_until(w, nobody, w));
	world_end(w);
}

static void answers(void)
{
	struct world w;
	uint16_t port = begin(&w, 0);
	struct reply r = get(&w, port, "/hello?a=b");

	expect_number(r.status, 200);
	expect_text(r.body, "hi\n");
	expect_text(header(&r, "Content-Type"), "text/plain");
	expect_text(header(&r, "Content-Length"), "3");
	expect_text(header(&r, "X-Number"), "7");
	expect_text(header(&r, "Connection"), "close");
	r = fetch(&w, "HEAD", "127.0.0.1", port, "/hello");
	expect_number(r.status, 200);
	expect_text(r.body, "");
	expect_text(header(&r, "Content-Length"), "3");
	expect_number(get(&w, port, "/other").status, 404);
	end(&w);
}

static void methods(void)
{
	static const char *const other[] = { "POST", "PUT", "DELETE", "OPTIONS", "NONSENSE" };
	struct world w;
	uint16_t port = begin(&w, 0);

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		struct reply r = fetch(&w, other[i], "127.0.0.1", port, "/hello");

		expect_number(r.status, 405);
		expect_text(header(&r, "Allow"), "GET, HEAD");
	}
	expect_number(n_answers, 0);
	expect_number(get(&w, port, "/hello").status, 200);
	end(&w);
}

/* What is no request ends its connection, and nothing else. */
static void nonsense(void)
{
	static const char *const said[] = {
		"\r\n\r\n\r\n\r\nnonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02\x01\xfc\x03\x03", "GET /hello HTTP/1.1\r\n\r\n",
		"GET /\xff\xfe%00%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n: c\r\n\r\n",
	};
	struct world w;
	uint16_t port = begin(&w, 0);
	struct raw *c = xcalloc(1, sizeof(*c));

	w.http->request_usec = 300000;
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		raw_open(c, port);
		raw_say(c, said[i]);
		shutdown(c->fd, SHUT_WR);
		if (!expect(raw_until_ended(&w, c)))
			printf("# of request %zu\n", i);
		raw_close(c);
	}
	expect_number(get(&w, port, "/hello").status, 200);
	free(c);
	end(&w);
}

static bool say_more(void *data)
{
	struct raw *c = data;

	raw_say(c, "X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
	raw_hear(c);
	return c->ended || c->len;
}

static void endless_header(void)
{
	struct world w;
	uint16_t port = begin(&w, 0);
	struct raw *c = xcalloc(1, sizeof(*c));

	raw_open(c, port);
	raw_say(c, "GET /hello HTTP/1.1\r\nHost: a\r\n");
	expect(turn_until(&w, say_more, c));
	expect(raw_until_ended(&w, c));
	expect(!c->len || !strncmp(c->got, "HTTP/1.1 4", 10));
	expect_number(n_answers, 0);
	raw_close(c);
	free(c);
	end(&w);
}

/* One byte now and then: it is the whole request that has a time. */
struct slow {
	struct raw raw;
	size_t said;
};

static bool trickle(void *data)
{
	struct slow *s = data;

	if (s->said++ % 16 == 0)
		raw_say(&s->raw, "G");
	raw_hear(&s->raw);
	return s->raw.ended;
}

static void slow_request(void)
{
	struct world w;
	uint16_t port = begin(&w, 0);
	struct slow *s = xcalloc(1, sizeof(*s));

	w.http->request_usec = 300000;
	raw_open(&s->raw, port);
	expect(turn_until(&w, trickle, s));
	expect(!s->raw.len && s->said > 5);
	expect_number(get(&w, port, "/hello").status, 200);
	raw_close(&s->raw);
	free(s);
	end(&w);
}

static void not_the_newest(void)
{
	enum { N = 30, LIMIT = 4 };
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *other;
	struct world w;
	uint16_t port = begin(&w, LIMIT);
	struct raw *c = xcalloc(N, sizeof(*c)), *elsewhere = xcalloc(1, sizeof(*c));

	expect(!http_listen(&other, w.http, &p, hello, "hi"));
	raw_open(elsewhere, http_port(other));
	raw_say(elsewhere, "GET /hel");
	turn(&w, 20);
	for (int i = 0; i < N; i++) {
		raw_open(&c[i], port);
		raw_say(&c[i], "GET /hel");
		turn(&w, 20);
		expect(w.http->n_conns <= LIMIT + 1);
	}
	raw_hear(elsewhere);
	expect(!elsewhere->ended);
	raw_close(elsewhere);
	free(elsewhere);
	expect_number(get(&w, port, "/hello").status, 200);
	raw_hear(&c[0]);
	expect(c[0].ended);
	raw_hear(&c[N - 1]);
	expect(!c[N - 1].ended);
	raw_say(&c[N - 1], "lo HTTP/1.0\r\n\r\n");
	expect(raw_until_ended(&w, &c[N - 1]));
	expect_part(c[N - 1].got, "HTTP/1.1 200 ");
	for (int i = 0; i < N; i++)
		raw_close(&c[i]);
	free(c);
	end(&w);
}

/* All listeners together have a limit, too. */
static void too_many(void)
{
	enum { N = 560, PORTS = 14 };
	struct rlimit limit;
	struct world w;
	uint16_t ports[PORTS];
	struct raw *c = xcalloc(1, sizeof(*c));
	int fds[N];

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	ports[0] = begin(&w, 0);
	for (int i = 1; i < PORTS; i++) {
		struct http_place p = place("127.0.0.1", 0);
		struct http_listener *l;

		expect(!http_listen(&l, w.http, &p, hello, "hi"));
		ports[i] = http_port(l);
	}
	for (int i = 0; i < N; i++) {
		raw_open(c, ports[i % PORTS]);
		fds[i] = c->fd;
		turn(&w, 1);
		expect(w.http->n_conns <= 512);
	}
	expect_number(get(&w, ports[0], "/hello").status, 200);
	expect(w.http->n_conns > 400);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	free(c);
	end(&w);
}

static void large(void *data, const char *path, struct http_answer *a)
{
	(void)path;
	a->status = 200;
	a->type = "text/plain";
	a->len = *(size_t *)data;
	a->body = malloc(a->len);
	memset(a->body, 'x', a->len);
}

static void large_body(void)
{
	size_t size = 50 << 20;
	struct world w;
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *l;
	struct reply r;

	world_begin(&w);
	expect(!http_listen(&l, w.http, &p, large, &size));
	r = get(&w, http_port(l), "/");
	expect_number(r.status, 200);
	expect(r.len == size && strspn(r.body, "x") == size);
	end(&w);
}

struct sipper {
	struct raw raw;
	struct world *world;
};

static bool sip_until_nobody(void *data)
{
	struct sipper *s = data;

	recv(s->raw.fd, s->raw.got, 4096, 0);
	return nobody(s->world);
}

/* Never idle, and yet too slow. */
static void sipping_reader(void)
{
	size_t size = 32 << 20;
	struct world w;
	struct http_place p = place("127.0.0.1", 0);
	struct sipper *s = xcalloc(1, sizeof(*s));
	struct http_listener *l;

	world_begin(&w);
	s->world = &w;
	expect(!http_listen(&l, w.http, &p, large, &size));
	w.http->answer_usec = 300000;
	raw_open(&s->raw, http_port(l));
	raw_say(&s->raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	turn(&w, 20);
	expect_number(w.http->n_conns, 1);
	expect(turn_until(&w, sip_until_nobody, s));
	raw_close(&s->raw);
	free(s);
	end(&w);
}

/* An answer that is not taken: others go on, and it ends. */
static void slow_reader(void)
{
	size_t size = 32 << 20;
	struct world w;
	uint16_t port = begin(&w, 0);
	struct http_place p = place("127.0.0.1", 0);
	struct raw *c = xcalloc(1, sizeof(*c));
	struct http_listener *l;
	uint64_t before, after;

	expect(!http_listen(&l, w.http, &p, large, &size));
	w.http->answer_usec = 300000;
	raw_open(c, http_port(l));
	raw_say(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 5; i++)
		expect_number(get(&w, port, "/hello").status, 200);
	expect_number(w.http->n_conns, 1);
	sd_event_get_iteration(w.loop, &before);
	for (int i = 0; i < 5; i++)
		turn(&w, 20);
	sd_event_get_iteration(w.loop, &after);
	expect(after - before <= 10);
	expect(turn_until(&w, nobody, &w));
	raw_close(c);
	free(c);
	end(&w);
}

static void closed_meanwhile(void)
{
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *l;
	struct world w;
	uint16_t port = begin(&w, 0);
	struct raw *c = xcalloc(2, sizeof(*c));

	expect(!http_listen(&l, w.http, &p, hello, "bye"));
	raw_open(&c[0], http_port(l));
	raw_say(&c[0], "GET /hello HT");
	raw_open(&c[1], port);
	raw_say(&c[1], "GET /hello HT");
	while (w.http->n_conns < 2)
		turn(&w, 10);
	http_close(l);
	http_close(NULL);
	raw_say(&c[0], "TP/1.0\r\n\r\n");
	expect(raw_until_ended(&w, &c[0]));
	expect(!c[0].len && !n_answers);
	/* with one connection left */
	world_end(&w);
	raw_close(&c[0]);
	raw_close(&c[1]);
	free(c);
}

const struct test http_tests[] = {
	{ "http: answers", answers },
	{ "http: GET and HEAD only", methods },
	{ "http: what is no request", nonsense },
	{ "http: a header without end", endless_header },
	{ "http: a request byte by byte", slow_request },
	{ "http: the oldest makes room", not_the_newest },
	{ "http: the oldest of all listeners does", too_many },
	{ "http: 50 MB", large_body },
	{ "http: an answer that nobody takes", slow_reader },
	{ "http: an answer taken in small sips", sipping_reader },
	{ "http: a listener closes with its connections", closed_meanwhile },
	{}
};
