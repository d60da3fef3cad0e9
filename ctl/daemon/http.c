// SPDX-License-Identifier: GPL-2.0
/* The connections: what libmicrohttpd does, driven from the event loop. */
#include "http_private.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS		512
#define MAX_LISTENER_CONNS	64
#define CONN_MEMORY		((size_t)8192)
#define IDLE_SECONDS		10u
#define REQUEST_USEC		10000000u
#define ANSWER_USEC		60000000u
#define SWEEP_USEC		1000000u

#if MHD_VERSION >= 0x00097707
#define SINGLE_THREAD	MHD_USE_NO_THREAD_SAFETY
#else
#define SINGLE_THREAD	0
#endif
#define DAEMON_FLAGS	(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | \
			 SINGLE_THREAD)

/* Belongs to libmicrohttpd from on_connection() on, which also ends it. */
struct conn {
	struct http *http;
	struct http_listener *listener;	/* NULL: closed meanwhile */
	struct conn *prev, *next;
	int fd;
	uint64_t since;			/* when it came, then when it was answered */
	bool started, answered, ended;
	bool waits;			/* for http_reply() */
	struct MHD_Connection *mhd;	/* if it does, or did */
	struct http_answer answer;	/* that came then */
};

static uint64_t now(const struct http *h)
{
	uint64_t t = 0;

	sd_event_now(h->loop, CLOCK_MONOTONIC, &t);
	return t;
}

static struct conn *conn_new(struct http_listener *l, int fd)
{
	struct http *h = l->http;
	struct conn *c = xcalloc(1, sizeof(*c));

	c->http = h;
	c->listener = l;
	c->fd = fd;
	c->since = now(h);
	c->prev = h->newest;
	*(h->newest ? &h->newest->next : &h->oldest) = c;
	h->newest = c;
	h->n_conns++;
	l->n_conns++;
	return c;
}

static void conn_free(struct conn *c)
{
	struct http *h = c->http;

	*(c->prev ? &c->prev->next : &h->oldest) = c->next;
	*(c->next ? &c->next->prev : &h->newest) = c->prev;
	h->n_conns--;
	if (c->listener)
		c->listener->n_conns--;
	free(c->answer.body);
	free(c);
}

/* libmicrohttpd sees the end of the stream when it runs next, and lets go. */
static void conn_end(struct conn *c)
{
	if (!c->ended)
		shutdown(c->fd, SHUT_RDWR);
	c->ended = true;
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http *h = data;
	struct conn *c = *context;
	int fd;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c)
			conn_free(c);
		return;
	}
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	for (c = h->newest; c && (c->started || c->fd != fd); c = c->prev)
		;
	*context = c;
	if (c)
		c->started = true;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct http_answer *a)
{
	struct MHD_Response *r;
	enum MHD_Result result;

	r = MHD_create_response_from_buffer(a->body ? a->len : 0, a->body, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(a->body);
		return MHD_NO;
	}
	if (a->type)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	for (size_t i = 0; i < a->n_headers; i++)
		MHD_add_response_header(r, a->headers[i].name, a->headers[i].value);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, a->status, r);
	MHD_destroy_response(r);
	return result;
}

static void make_answer(struct conn *c, const char *path, const char *method,
			struct http_answer *a)
{
	static const char text[] = "text/plain; charset=utf-8";

	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD)) {
		http_body(a, MHD_HTTP_METHOD_NOT_ALLOWED, text, xstrdup("only GET and HEAD\n"));
		http_header(a, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
		return;
	}
	c->listener->handler(c->listener->data, path, a);
	if (!a->status && !a->later)
		http_body(a, MHD_HTTP_NOT_FOUND, text, xstrdup("nothing here\n"));
}

/* It was suspended; if the request has a body, that comes first. */
static enum MHD_Result continue_request(struct conn *c, size_t *upload_size)
{
	struct http_answer a = c->answer;

	if (*upload_size || c->waits) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (!a.status)
		return MHD_NO;
	memset(&c->answer, 0, sizeof(c->answer));
	return send_answer(c->mhd, &a);
}

/* Called once the header is complete; what may follow it is not waited for. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info->socket_context;
	struct http_answer a = { .request = (struct http_request *)c };

	(void)data, (void)version, (void)upload, (void)state;
	if (!c || !c->listener || c->ended)
		return MHD_NO;
	if (c->mhd)
		return continue_request(c, upload_size);
	if (c->answered)
		return MHD_NO;
	make_answer(c, path, method, &a);
	c->answered = true;
	c->since = now(c->http);
	if (!a.later)
		return send_answer(connection, &a);
	c->waits = true;
	c->mhd = connection;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

void http_header(struct http_answer *a, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (a->n_headers == HTTP_HEADERS)
		return;
	a->headers[a->n_headers].name = name;
	va_start(ap, fmt);
	vsnprintf(a->headers[a->n_headers].value, sizeof(a->headers->value), fmt, ap);
	va_end(ap);
	a->n_headers++;
}

void http_body(struct http_answer *a, unsigned int status, const char *type, char *text)
{
	a->status = status;
	a->type = type;
	a->body = text;
	a->len = strlen(text);
}

void http_json(struct http_answer *a, unsigned int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(json);
	if (text) {
		http_body(a, status, "application/json", text);
		http_header(a, "X-Content-Type-Options", "nosniff");
	} else {
		a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

/* However much happens meanwhile, the sweep is not put off. */
void http_arm(struct http *h)
{
	uint64_t t = now(h), at = UINT64_MAX;
	unsigned long long ms;

	if (h->n_conns || h->n_paused) {
		if (h->sweep <= t)
			h->sweep = t + SWEEP_USEC;
		at = h->sweep;
	}
	if (MHD_get_timeout(h->mhd, &ms) == MHD_YES && ms < (at - t) / 1000)
		at = t + ms * 1000;
	if (at != UINT64_MAX)
		sd_event_source_set_time(h->timer, at);
	sd_event_source_set_enabled(h->timer, at == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void run(struct http *h)
{
	unsigned int before = h->n_conns;

	MHD_run(h->mhd);
	if (h->n_conns < before)
		http_resume(h);
}

/* libmicrohttpd would not say that it has something to do now. */
void http_reply(struct http_request *request, const struct http_answer *answer)
{
	struct conn *c = (struct conn *)request;
	struct http *h = c->http;

	c->answer = *answer;
	c->waits = false;
	c->since = now(h);
	MHD_resume_connection(c->mhd);
	run(h);
	http_arm(h);
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *data)
{
	(void)s, (void)fd, (void)events;
	run(data);
	http_arm(data);
	return 0;
}

static void sweep(struct http *h, uint64_t t)
{
	for (struct conn *c = h->oldest; c; c = c->next)
		if (!c->waits && t - c->since >= (c->answered ? h->answer_usec : h->request_usec))
			conn_end(c);
	http_resume(h);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *data)
{
	struct http *h = data;
	uint64_t t = now(h);

	(void)s, (void)usec;
	if (h->sweep <= t)
		sweep(h, t);
	run(h);
	http_arm(h);
	return 0;
}

/* Ends the one that has kept its listener, or all of them, waiting for longest. */
static void end_oldest(struct http *h, const struct http_listener *l)
{
	struct conn *oldest = NULL;

	for (struct conn *c = h->oldest; c; c = c->next) {
		if (c->ended || c->waits || (l && c->listener != l))
			continue;
		if (!oldest || (oldest->answered && !c->answered))
			oldest = c;
	}
	if (oldest)
		conn_end(oldest);
}

static bool make_room(struct http_listener *l)
{
	unsigned int limit = l->place.limit ? l->place.limit : MAX_LISTENER_CONNS;
	struct http *h = l->http;

	if (l->n_conns < limit && h->n_conns < MAX_CONNS)
		return true;
	end_oldest(h, l->n_conns < limit ? NULL : l);
	run(h);
	return l->n_conns < limit && h->n_conns < MAX_CONNS;
}

bool http_take(struct http_listener *l, int fd, const struct sockaddr *from, socklen_t len)
{
	struct conn *c;

	if (!make_room(l)) {
		close(fd);
		return false;
	}
	c = conn_new(l, fd);
	if (MHD_add_connection(l->http->mhd, fd, from, len) != MHD_YES) {
		/* It closed fd; and c is gone, too, if it had got as far as to start. */
		for (c = l->http->newest; c; c = c->prev)
			if (c->fd == fd && !c->started)
				break;
		if (c)
			conn_free(c);
		return false;
	}
	return true;
}

void http_end_all(struct http_listener *l)
{
	for (struct conn *c = l->http->oldest; c && l->n_conns; c = c->next) {
		if (c->listener != l)
			continue;
		conn_end(c);
		c->listener = NULL;
		l->n_conns--;
	}
}

static int add_sources(struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info)
		return -ENOTSUP;
	r = sd_event_add_io(h->loop, &h->io, info->epoll_fd, EPOLLIN, on_io, h);
	if (r >= 0)
		r = sd_event_add_time_relative(h->loop, &h->timer, CLOCK_MONOTONIC, 0, 1,
					       on_timer, h);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int http_new(struct http **hp, sd_event *loop)
{
	struct http *h = xcalloc(1, sizeof(*h));
	int r;

	h->loop = sd_event_ref(loop);
	h->request_usec = REQUEST_USEC;
	h->answer_usec = ANSWER_USEC;
	h->mhd = MHD_start_daemon(DAEMON_FLAGS, 0, NULL, NULL, on_request, h,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
				  MHD_OPTION_CONNECTION_LIMIT, MAX_CONNS + 1u,
				  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY,
				  MHD_OPTION_END);
	r = h->mhd ? add_sources(h) : -ENOMEM;
	if (r) {
		http_free(h);
		h = NULL;
	}
	*hp = h;
	return r;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->listeners)
		http_close(h->listeners);
	sd_event_source_disable_unref(h->io);
	sd_event_source_disable_unref(h->timer);
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	sd_event_unref(h->loop);
	free(h);
}
