// SPDX-License-Identifier: GPL-2.0
/* The sockets that listen, and those that would. */
#include "http_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_MAX	16		/* at a time; others have their turn, too */
#define RETRY_MIN_USEC	1000000u
#define RETRY_MAX_USEC	60000000u

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage any;
};

static socklen_t to_sockaddr(const struct http_place *p, union any_address *a)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = p->addr.family;
	if (p->addr.family == AF_INET) {
		a->v4.sin_addr = p->addr.v4;
		a->v4.sin_port = htons(p->port);
		return sizeof(a->v4);
	}
	a->v6.sin6_addr = p->addr.v6;
	a->v6.sin6_port = htons(p->port);
	return sizeof(a->v6);
}

static int bind_socket(int fd, const struct http_place *p, uint16_t *port)
{
	int yes = 1, v6only = !p->dual;
	union any_address a;
	socklen_t len = to_sockaddr(p, &a);

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    (p->addr.family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only))) ||
	    bind(fd, &a.sa, len) || listen(fd, SOMAXCONN) || getsockname(fd, &a.sa, &len))
		return -errno;
	*port = ntohs(p->addr.family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return 0;
}

static int open_socket(const struct http_place *p, uint16_t *port)
{
	int fd = socket(p->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = bind_socket(fd, p, port);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/* Without descriptors or room it would be called again and again at once. */
static void pause_listener(struct http_listener *l)
{
	if (l->paused)
		return;
	l->paused = true;
	l->http->n_paused++;
	sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
}

static void resume_listener(struct http_listener *l)
{
	if (!l->paused)
		return;
	l->paused = false;
	l->http->n_paused--;
	sd_event_source_set_enabled(l->io, SD_EVENT_ON);
}

void http_resume(struct http *h)
{
	for (struct http_listener *l = h->listeners; l && h->n_paused; l = l->next)
		resume_listener(l);
}

static bool is_lasting(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False: there is nothing more to accept now. */
static bool accept_one(struct http_listener *l)
{
	union any_address from;
	socklen_t len = sizeof(from);
	int fd = accept4(l->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		if (http_take(l, fd, &from.sa, len))
			return true;
		pause_listener(l);
		return false;
	}
	if (is_lasting(errno))
		pause_listener(l);
	return errno != EAGAIN && !l->paused;
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct http_listener *l = data;

	(void)s, (void)fd, (void)events;
	for (int i = 0; i < ACCEPT_MAX && accept_one(l); i++)
		;
	http_arm(l->http);
	return 0;
}

static int start(struct http_listener *l)
{
	int fd = open_socket(&l->place, &l->port), r;

	if (fd < 0)
		return fd;
	r = sd_event_add_io(l->http->loop, &l->io, fd, EPOLLIN, on_accept, l);
	if (r < 0) {
		l->io = sd_event_source_disable_unref(l->io);
		close(fd);
		return r;
	}
	l->fd = fd;
	return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *data);

static void schedule_retry(struct http_listener *l)
{
	int r;

	l->delay = l->delay ? 2 * l->delay : RETRY_MIN_USEC;
	if (l->delay > RETRY_MAX_USEC)
		l->delay = RETRY_MAX_USEC;
	if (!l->retry)
		r = sd_event_add_time_relative(l->http->loop, &l->retry, CLOCK_MONOTONIC,
					       l->delay, 0, on_retry, l);
	else
		r = sd_event_source_set_time_relative(l->retry, l->delay);
	if (r >= 0)
		sd_event_source_set_enabled(l->retry, SD_EVENT_ONESHOT);
}

static void attempt(struct http_listener *l)
{
	int error = -start(l), reported = l->error;

	l->error = error;
	if (error) {
		schedule_retry(l);
	} else {
		l->retry = sd_event_source_disable_unref(l->retry);
		l->delay = 0;
	}
	if (error != reported)
		l->report(l->data, &l->place, error);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *data)
{
	(void)s, (void)usec;
	attempt(data);
	return 0;
}

static struct http_listener *listener_new(struct http *h, const struct http_place *place,
					  http_handler handler, void *data)
{
	struct http_listener *l = xcalloc(1, sizeof(*l));

	l->http = h;
	l->place = *place;
	l->handler = handler;
	l->data = data;
	l->fd = -1;
	l->next = h->listeners;
	if (l->next)
		l->next->prev = l;
	h->listeners = l;
	return l;
}

int http_listen(struct http_listener **lp, struct http *h, const struct http_place *place,
		http_handler handler, void *data)
{
	struct http_listener *l = listener_new(h, place, handler, data);
	int r = start(l);

	if (r) {
		http_close(l);
		l = NULL;
	}
	*lp = l;
	return r;
}

struct http_listener *http_listen_retry(struct http *h, const struct http_place *place,
					http_handler handler, http_report report, void *data)
{
	struct http_listener *l = listener_new(h, place, handler, data);

	l->report = report;
	attempt(l);
	return l;
}

void http_retry_now(struct http_listener *l)
{
	if (l->fd < 0 && l->report)
		attempt(l);
}

bool http_is_listening(const struct http_listener *l)
{
	return l->fd >= 0;
}

uint16_t http_port(const struct http_listener *l)
{
	return l->port;
}

const struct http_place *http_place(const struct http_listener *l)
{
	return &l->place;
}

void http_close(struct http_listener *l)
{
	if (!l)
		return;
	http_end_all(l);
	resume_listener(l);
	sd_event_source_disable_unref(l->io);
	sd_event_source_disable_unref(l->retry);
	if (l->fd >= 0)
		close(l->fd);
	*(l->prev ? &l->prev->next : &l->http->listeners) = l->next;
	if (l->next)
		l->next->prev = l->prev;
	free(l);
}
