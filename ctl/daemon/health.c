// SPDX-License-Identifier: GPL-2.0
#include "health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

#define CONNS	32			/* of one port at a time */

struct service_health {
	struct hnode node;
	struct health *health;
	enum k8s_family family;
	char *ns, *name;
	uint16_t port;			/* that it should have */
	unsigned int n_local_ready;
	struct http_listener **listeners;	/* of addresses and ports that it has */
	size_t n_listeners;
	struct health_counts counts;
	struct service_health *next, **link;	/* in the queue; link NULL: not there */
};

struct addresses {
	struct addr *list;
	size_t n;
};

struct health {
	struct http *http;
	struct health_calls calls;
	sd_event_source *defer;
	struct htable services;
	struct addresses addresses[K8S_FAMILIES];
	struct service_health *queue;
	struct health_counts counts;
	uint8_t freed[65536 / 8];	/* ports closed since the queue was worked off */
	bool any_freed;
};

static uint32_t hash_of(enum k8s_family family, const char *ns, const char *name)
{
	return hash_string(hash_string(family, ns), name);
}

static struct service_health *find(const struct health *h, enum k8s_family family,
				   const char *ns, const char *name)
{
	struct hnode *n = htable_first(&h->services, hash_of(family, ns, name));

	for (; n; n = htable_next(n)) {
		struct service_health *s = container_of(n, struct service_health, node);

		if (s->family == family && !strcmp(s->name, name) && !strcmp(s->ns, ns))
			return s;
	}
	return NULL;
}

static void wake(struct health *h)
{
	sd_event_source_set_enabled(h->defer, SD_EVENT_ONESHOT);
}

static void enqueue(struct service_health *s)
{
	struct health *h = s->health;

	if (s->link)
		return;
	s->next = h->queue;
	if (s->next)
		s->next->link = &s->next;
	s->link = &h->queue;
	h->queue = s;
	wake(h);
}

static void dequeue(struct service_health *s)
{
	if (!s->link)
		return;
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	s->link = NULL;
}

static void count(struct service_health *s, bool gone)
{
	struct health_counts *all = &s->health->counts, c = {};

	for (size_t i = 0; i < s->n_listeners && !gone; i++)
		(*(http_is_listening(s->listeners[i]) ? &c.open : &c.failed))++;
	all->open += c.open - s->counts.open;
	all->failed += c.failed - s->counts.failed;
	s->counts = c;
}

static void answer(void *data, const char *path, struct http_answer *a)
{
	struct service_health *s = data;
	bool healthy = s->health->calls.is_healthy(s->health->calls.data);
	json_t *body = json_pack("{s:{s:s, s:s}, s:I, s:b}", "service", "namespace", s->ns,
				 "name", s->name, "localEndpoints",
				 (json_int_t)s->n_local_ready, "serviceProxyHealthy", healthy);

	(void)path;
	http_header(a, "X-Load-Balancing-Endpoint-Weight", "%u", s->n_local_ready);
	http_json(a, s->n_local_ready && healthy ? 200 : 503, body);
}

static void report(void *data, const struct http_place *place, int error)
{
	struct service_health *s = data;
	const struct health_calls *calls = &s->health->calls;

	count(s, false);
	calls->report(calls->data, s->ns, s->name, place, error);
}

static void close_listener(struct service_health *s, size_t i)
{
	struct health *h = s->health;
	struct http_listener *l = s->listeners[i];

	if (http_is_listening(l)) {
		h->freed[http_place(l)->port / 8] |= 1 << http_place(l)->port % 8;
		h->any_freed = true;
	}
	http_close(l);
	s->listeners[i] = s->listeners[--s->n_listeners];
}

static bool wants(const struct service_health *s, const struct http_place *place)
{
	const struct addresses *a = &s->health->addresses[s->family];

	if (place->port != s->port)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!addr_cmp(&a->list[i], &place->addr))
			return true;
	return false;
}

static bool has(const struct service_health *s, const struct addr *a)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		if (!addr_cmp(a, &http_place(s->listeners[i])->addr))
			return true;
	return false;
}

static void close_unwanted(struct service_health *s)
{
	for (size_t i = s->n_listeners; i--;)
		if (!wants(s, http_place(s->listeners[i])))
			close_listener(s, i);
}

static void open_wanted(struct service_health *s)
{
	const struct addresses *a = &s->health->addresses[s->family];

	s->listeners = xrealloc(s->listeners, a->n, sizeof(*s->listeners));
	for (size_t i = 0; i < a->n; i++) {
		struct http_place place = { .addr = a->list[i], .port = s->port, .limit = CONNS };
		struct http_listener *l;

		if (has(s, &a->list[i]))
			continue;
		l = http_listen_retry(s->health->http, &place, answer, report, s);
		s->listeners[s->n_listeners++] = l;
	}
	count(s, false);
}

/* What another Service had can be had now. */
static void retry_freed(struct health *h, struct service_health *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		uint16_t port = http_place(s->listeners[i])->port;

		if (h->freed[port / 8] & 1 << port % 8)
			http_retry_now(s->listeners[i]);
	}
}

static void retry_all_freed(struct health *h)
{
	struct hnode *n;

	for (n = htable_begin(&h->services); n && h->counts.failed;
	     n = htable_after(&h->services, n))
		retry_freed(h, container_of(n, struct service_health, node));
	memset(h->freed, 0, sizeof(h->freed));
	h->any_freed = false;
}

static int on_turn(sd_event_source *source, void *data)
{
	struct health *h = data;

	(void)source;
	for (struct service_health *s = h->queue; s; s = s->next)
		close_unwanted(s);
	while (h->queue) {
		struct service_health *s = h->queue;

		dequeue(s);
		open_wanted(s);
	}
	if (h->any_freed)
		retry_all_freed(h);
	return 0;
}

static void enqueue_family(struct health *h, enum k8s_family family)
{
	struct hnode *n;

	for (n = htable_begin(&h->services); n; n = htable_after(&h->services, n)) {
		struct service_health *s = container_of(n, struct service_health, node);

		if (s->family == family)
			enqueue(s);
	}
}

void health_set_addresses(struct health *h, enum k8s_family family, const struct addr *list,
			  size_t n)
{
	struct addresses *a = &h->addresses[family];

	a->list = xrealloc(a->list, n, sizeof(*list));
	a->n = 0;
	for (size_t i = 0; i < n; i++)
		if (list[i].family == (family == K8S_V4 ? AF_INET : AF_INET6))
			a->list[a->n++] = list[i];
	enqueue_family(h, family);
}

void health_set_all(struct health *h, enum k8s_family family)
{
	struct addr any = { .family = family == K8S_V4 ? AF_INET : AF_INET6 };

	health_set_addresses(h, family, &any, 1);
}

static struct service_health *add(struct health *h, enum k8s_family family, const char *ns,
				  const char *name)
{
	struct service_health *s = xcalloc(1, sizeof(*s));

	s->health = h;
	s->family = family;
	s->ns = xstrdup(ns);
	s->name = xstrdup(name);
	htable_add(&h->services, &s->node, hash_of(family, ns, name));
	return s;
}

/* Leaves the table alone. */
static void destroy(struct service_health *s)
{
	dequeue(s);
	count(s, true);
	while (s->n_listeners)
		close_listener(s, s->n_listeners - 1);
	free(s->listeners);
	free(s->ns);
	free(s->name);
	free(s);
}

void health_del(struct health *h, enum k8s_family family, const char *ns, const char *name)
{
	struct service_health *s = find(h, family, ns, name);

	if (!s)
		return;
	htable_del(&h->services, &s->node);
	destroy(s);
	if (h->any_freed)
		wake(h);
}

int health_put(struct health *h, enum k8s_family family, const char *ns, const char *name,
	       uint16_t port, unsigned int n_local_ready)
{
	struct service_health *s;

	if (!utf8_valid(ns, strlen(ns)) || !utf8_valid(name, strlen(name)))
		return -EINVAL;
	if (!port) {
		health_del(h, family, ns, name);
		return 0;
	}
	s = find(h, family, ns, name);
	if (!s)
		s = add(h, family, ns, name);
	s->n_local_ready = n_local_ready;
	if (s->port != port) {
		s->port = port;
		enqueue(s);
	}
	return 0;
}

struct health_counts health_counts(const struct health *h)
{
	return h->counts;
}

int health_new(struct health **hp, struct http *http, sd_event *loop,
	       const struct health_calls *calls)
{
	struct health *h = xcalloc(1, sizeof(*h));
	int r = sd_event_add_defer(loop, &h->defer, on_turn, h);

	if (r < 0) {
		free(h);
		*hp = NULL;
		return r;
	}
	h->http = http;
	h->calls = *calls;
	health_set_all(h, K8S_V4);
	health_set_all(h, K8S_V6);
	*hp = h;
	return 0;
}

void health_free(struct health *h)
{
	struct hnode *n, *next;

	if (!h)
		return;
	for (n = htable_begin(&h->services); n; n = next) {
		next = htable_after(&h->services, n);
		destroy(container_of(n, struct service_health, node));
	}
	htable_free(&h->services);
	sd_event_source_disable_unref(h->defer);
	for (int i = 0; i < K8S_FAMILIES; i++)
		free(h->addresses[i].list);
	free(h);
}
