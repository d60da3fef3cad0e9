// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "http_private.h"

static int last_error = -1, n_reports;

static void nothing(void *data, const char *path, struct http_answer *a)
{
	(void)data, (void)path;
	http_body(a, 200, "text/plain", xstrdup("ok"));
}

static void report(void *data, const struct http_place *p, int error)
{
	(void)data, (void)p;
	last_error = error;
	n_reports++;
}

static struct http_listener *listen_on(struct world *w, const char *addr, uint16_t port, int error)
{
	struct http_place p = place(addr, port);
	struct http_listener *l;

	expect_number(http_listen(&l, w->http, &p, nothing, NULL), error);
	expect(!l == !!error);
	return l;
}

static void refusals(void)
{
	struct http_listener *l;
	struct world w;

	world_begin(&w);
	l = listen_on(&w, "127.0.0.1", 0, 0);
	listen_on(&w, "127.0.0.1", http_port(l), -EADDRINUSE);
	listen_on(&w, "0.0.0.0", http_port(l), -EADDRINUSE);
	listen_on(&w, "192.0.2.1", 0, -EADDRNOTAVAIL);
	listen_on(&w, "2001:db8::1", 0, -EADDRNOTAVAIL);
	listen_on(&w, "127.0.0.2", http_port(l), 0);
	expect_number(get(&w, http_port(l), "/").status, 200);
	world_end(&w);
}

static void families(void)
{
	struct http_place dual = place("::", 0);
	struct http_listener *l;
	struct world w;
	uint16_t port;

	world_begin(&w);
	l = listen_on(&w, "::", 0, 0);
	port = http_port(l);
	expect_number(fetch(&w, "GET", "::1", port, "/").status, 200);
	expect_number(get(&w, port, "/").status, 0);
	listen_on(&w, "0.0.0.0", port, 0);
	expect_number(get(&w, port, "/").status, 200);
	dual.dual = true;
	expect(!http_listen(&l, w.http, &dual, nothing, NULL));
	expect_number(get(&w, http_port(l), "/").status, 200);
	expect_number(fetch(&w, "GET", "::1", http_port(l), "/").status, 200);
	world_end(&w);
}

static bool listens(void *l)
{
	return http_is_listening(l);
}

static void retries(void)
{
	struct http_listener *first, *second;
	struct http_place p;
	struct world w;

	world_begin(&w);
	n_reports = 0;
	first = listen_on(&w, "127.0.0.1", 0, 0);
	p = place("127.0.0.1", http_port(first));
	second = http_listen_retry(w.http, &p, nothing, report, NULL);
	expect_number(last_error, EADDRINUSE);
	expect(!http_is_listening(second));
	http_retry_now(second);
	http_retry_now(second);
	expect_number(n_reports, 1);
	expect_number(second->delay, 4000000);
	for (int i = 0; i < 10; i++)
		http_retry_now(second);
	expect_number(second->delay, 60000000);
	second->delay = 0;
	http_retry_now(second);
	http_close(first);
	/* by its timer, a second from now */
	expect(turn_until(&w, listens, second));
	expect_number(n_reports, 2);
	expect_number(last_error, 0);
	expect_number(second->delay, 0);
	expect_number(get(&w, p.port, "/").status, 200);
	http_retry_now(second);
	expect_number(n_reports, 2);
	world_end(&w);
}

static void retry_forgotten(void)
{
	struct http_place p = place("192.0.2.1", 0);
	struct world w;

	world_begin(&w);
	http_close(http_listen_retry(w.http, &p, nothing, report, NULL));
	http_listen_retry(w.http, &p, nothing, report, NULL);
	world_end(&w);
}

static rlim_t next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static bool is_paused(void *l)
{
	return ((struct http_listener *)l)->paused;
}

/* Without descriptors the loop must not turn all the time. */
static void no_descriptors(void)
{
	struct http_listener *l;
	struct rlimit old, few;
	struct world w;
	struct raw *c = xcalloc(1, sizeof(*c));
	uint64_t before, after;

	world_begin(&w);
	l = listen_on(&w, "127.0.0.1", 0, 0);
	raw_open(c, http_port(l));
	raw_say(c, "GET / HTTP/1.0\r\n\r\n");
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = next_fd();
	setrlimit(RLIMIT_NOFILE, &few);
	expect(turn_until(&w, is_paused, l));
	sd_event_get_iteration(w.loop, &before);
	for (int i = 0; i < 5; i++)
		turn(&w, 50);
	sd_event_get_iteration(w.loop, &after);
	expect(after - before <= 6);
	setrlimit(RLIMIT_NOFILE, &old);
	expect(raw_until_ended(&w, c));
	expect_part(c->got, " 200 ");
	raw_close(c);
	free(c);
	world_end(&w);
}

const struct test listener_tests[] = {
	{ "listener: what cannot be had", refusals },
	{ "listener: families", families },
	{ "listener: tries again", retries },
	{ "listener: forgotten while it waits", retry_forgotten },
	{ "listener: no file descriptors", no_descriptors },
	{}
};
