// SPDX-License-Identifier: GPL-2.0
#include "fixture.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define PATIENCE	20.0		/* seconds; the machine may be busy */

void own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		puts("# in the network of the machine");
		return;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		perror("# lo");
	close(fd);
}

void world_begin(struct world *w)
{
	expect(sd_event_new(&w->loop) >= 0);
	expect(!http_new(&w->http, w->loop));
}

void world_end(struct world *w)
{
	http_free(w->http);
	sd_event_unref(w->loop);
}

void turn(struct world *w, unsigned int ms)
{
	expect(sd_event_run(w->loop, ms * 1000) >= 0);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

bool turn_until(struct world *w, bool (*cond)(void *data), void *data)
{
	double until = seconds() + PATIENCE;

	while (!cond(data)) {
		if (seconds() > until)
			return false;
		turn(w, 10);
	}
	return true;
}

struct http_place place(const char *addr, uint16_t port)
{
	struct http_place p = { .port = port };

	expect(!addr_parse(addr, &p.addr));
	return p;
}

struct buffer {
	char *s;
	size_t n, size;
};

static size_t take(char *data, size_t size, size_t n, void *to)
{
	struct buffer *b = to;

	if (b->n + n >= b->size) {
		b->size = 2 * (b->n + n + 1);
		b->s = xrealloc(b->s, b->size, 1);
	}
	memcpy(b->s + b->n, data, n);
	b->n += n;
	b->s[b->n] = '\0';
	return size * n;
}

static CURL *request(const char *method, const char *url, struct buffer *headers,
		     struct buffer *body)
{
	CURL *c = curl_easy_init();

	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)PATIENCE);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, headers);
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else if (!strcmp(method, "POST"))
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "x=1");
	else
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	return c;
}

static CURLcode perform(struct world *w, CURL *c)
{
	CURLM *multi = curl_multi_init();
	CURLcode result = CURLE_OPERATION_TIMEDOUT;
	int running = 1, left;
	CURLMsg *m;

	curl_multi_add_handle(multi, c);
	while (running) {
		curl_multi_perform(multi, &running);
		turn(w, 0);
		if (running)
			curl_multi_poll(multi, NULL, 0, 1, NULL);
	}
	while ((m = curl_multi_info_read(multi, &left)))
		if (m->msg == CURLMSG_DONE)
			result = m->data.result;
	curl_multi_remove_handle(multi, c);
	curl_multi_cleanup(multi);
	return result;
}

struct reply fetch(struct world *w, const char *method, const char *host, uint16_t port,
		   const char *path)
{
	const char *url = text(strchr(host, ':') ? "http://[%s]:%u%s" : "http://%s:%u%s", host,
			       port, path);
	struct buffer headers = {}, body = {};
	struct reply r = {};
	CURL *c = request(method, url, &headers, &body);
	CURLcode result = perform(w, c);

	if (result == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
	else
		r.status = result == CURLE_COULDNT_CONNECT ? 0 : -1;
	r.headers = text("%s", headers.s ? headers.s : "");
	r.body = text("%s", body.s ? body.s : "");
	r.len = body.n;
	curl_easy_cleanup(c);
	free(headers.s);
	free(body.s);
	return r;
}

struct reply get(struct world *w, uint16_t port, const char *path)
{
	return fetch(w, "GET", "127.0.0.1", port, path);
}

const char *header(const struct reply *r, const char *name)
{
	const char *line = r->headers;
	size_t n = strlen(name);

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncasecmp(line, name, n) && !strncmp(line + n, ": ", 2))
			return text("%.*s", (int)strcspn(line + n + 2, "\r\n"), line + n + 2);
	}
	return "";
}

void raw_open(struct raw *c, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	expect(!connect(c->fd, (struct sockaddr *)&a, sizeof(a)) || errno == EINPROGRESS);
}

void raw_say(struct raw *c, const char *s)
{
	if (send(c->fd, s, strlen(s), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		c->ended = true;
}

void raw_hear(struct raw *c)
{
	ssize_t n = recv(c->fd, c->got + c->len, sizeof(c->got) - 1 - c->len, 0);

	if (n > 0)
		c->len += n;
	else if (n == 0 || errno != EAGAIN)
		c->ended = true;
}

static bool has_ended(void *data)
{
	raw_hear(data);
	return ((struct raw *)data)->ended;
}

bool raw_until_ended(struct world *w, struct raw *c)
{
	return turn_until(w, has_ended, c);
}

void raw_close(struct raw *c)
{
	close(c->fd);
}
