// SPDX-License-Identifier: GPL-2.0
/*
 * A history of objects, a line each:
 *
 *	s{...} e{...}	put a Service, an EndpointSlice
 *	S NS/NAME, E	delete one
 *	(s )s (e )e	a list of them begins, ends
 *	n		the node moves to another zone
 *	r		the kernel was found empty; R: just as it should be
 *	u		compare now, and not only at the end
 *
 * Whatever the history, what is wanted is what a fresh collection makes of the
 * objects that are there.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "lib/nl_msg.h"

#define MAX_COMPARED	8

struct live {
	json_t *object;			/* NULL: gone */
	enum k8s_kind kind;
	unsigned int epoch;
};

struct world {
	struct k8s k;
	struct k8s_node node;
	struct live *live;
	size_t n_live;
	unsigned int epoch[K8S_KINDS];
	int compared;
	bool refused;
};

static const char *meta(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

static const char *ns_of(const json_t *object)
{
	const char *ns = meta(object, "namespace");

	return ns && *ns ? ns : "default";
}

static struct live *find(struct world *w, enum k8s_kind kind, const char *ns, const char *name)
{
	for (size_t i = 0; i < w->n_live; i++) {
		struct live *l = &w->live[i];

		if (l->object && l->kind == kind && !strcmp(ns_of(l->object), ns) &&
		    !strcmp(meta(l->object, "name"), name))
			return l;
	}
	return NULL;
}

/* One that is refused is known by its name, if it can be read. */
static struct live *find_refused(struct world *w, enum k8s_kind kind, const json_t *o)
{
	const json_t *ns = json_object_get(json_object_get(o, "metadata"), "namespace");
	const char *name = meta(o, "name");

	if (!name || (ns && !json_is_null(ns) && !json_is_string(ns)))
		return NULL;
	return find(w, kind, ns_of(o), name);
}

static void drop(struct live *l)
{
	json_decref(l->object);
	l->object = NULL;
}

static bool same_version(const json_t *a, const json_t *b)
{
	const char *x = meta(a, "resourceVersion"), *y = meta(b, "resourceVersion");

	return x && y && *x && !strcmp(x, y);
}

static void put(struct world *w, enum k8s_kind kind, const char *text, size_t len)
{
	json_t *object = json_loadb(text, len, 0, NULL);
	struct live *l;
	struct err e;
	int r;

	w->refused |= !object;
	if (!object)
		return;
	*e.text = '\0';
	r = k8s_put(&w->k, kind, object, &e);
	if (r < 0) {
		w->refused = true;
		check(*e.text);
		l = find_refused(w, kind, object);
		if (l)
			l->epoch = w->epoch[kind];
		json_decref(object);
		return;
	}
	l = find(w, kind, ns_of(object), meta(object, "name"));
	check(r == !l);
	if (!l) {
		xgrow(&w->live, w->n_live, sizeof(*w->live));
		l = &w->live[w->n_live++];
		*l = (struct live){ .object = object, .kind = kind };
	} else if (same_version(l->object, object)) {
		json_decref(object);
	} else {
		json_decref(l->object);
		l->object = object;
	}
	l->epoch = w->epoch[kind];
}

static void del(struct world *w, enum k8s_kind kind, const char *text, size_t len)
{
	char *name = xstrndup(text, len), *slash = strchr(name, '/');
	struct live *l;

	if (slash) {
		*slash++ = '\0';
		k8s_del(&w->k, kind, name, slash);
		l = find(w, kind, name, slash);
		if (l)
			drop(l);
	}
	free(name);
}

static void list_end(struct world *w, enum k8s_kind kind)
{
	k8s_list_end(&w->k, kind);
	for (size_t i = 0; i < w->n_live; i++)
		if (w->live[i].object && w->live[i].kind == kind &&
		    w->live[i].epoch != w->epoch[kind])
			drop(&w->live[i]);
}

/* What the kernel would be sent must fit where it is written. */
static void send_all(const struct model *m)
{
	struct batch b = { .data = xcalloc(BATCH_SIZE, 1) };

	for (size_t i = 0; i < m->n_services; i++) {
		const struct op op = { .type = OP_SERVICE_PUT, .service = &m->services[i] };
		uint32_t next = 0;

		b.used = 0;
		while (!batch_add_op(&b, &op, &next))
			b.used = 0;
	}
	free(b.data);
}

static int any_frontend_cmp(const void *a, const void *b)
{
	return frontend_cmp(a, b);
}

static void check_frontends(const struct model *m)
{
	struct frontend *all = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];

		check(s->n_frontends);
		for (uint32_t j = 0; j < s->n_frontends; j++) {
			xgrow(&all, n, sizeof(*all));
			all[n++] = s->frontends[j];
		}
	}
	if (n)
		qsort(all, n, sizeof(*all), any_frontend_cmp);
	for (size_t i = 1; i < n; i++)
		check(frontend_cmp(&all[i - 1], &all[i]));
	free(all);
}

/* What the kernel wants of a configuration. */
static void check_model(const struct k8s *k)
{
	struct model m = {};
	struct err e;

	k8s_wanted(k, &m);
	for (size_t i = 0; i < m.n_services; i++) {
		const struct service *s = &m.services[i];

		check(!service_check_name(s->name, &e));
		check(s->n_frontends <= KSVC_MAX_FRONTENDS);
		check(s->ranges.n <= KSVC_MAX_SOURCE_RANGES);
		check(!i || strcmp(m.services[i - 1].name, s->name));
		check(k8s_owns(k, s->name));
		for (uint32_t j = 1; j < s->n_endpoints; j++)
			check(endpoint_cmp(&s->endpoints[j - 1], &s->endpoints[j]) < 0);
	}
	check_frontends(&m);
	send_all(&m);
	free(m.services);
}

static void check_health(const struct world *w, const struct k8s *fresh)
{
	for (size_t i = 0; i < w->n_live; i++) {
		const json_t *o = w->live[i].object;
		const struct k8s_entry *a, *b;

		if (!o || w->live[i].kind != K8S_SERVICE)
			continue;
		a = k8s_find(&w->k, ns_of(o), meta(o, "name"));
		b = k8s_find(fresh, ns_of(o), meta(o, "name"));
		check(a && a->service && b && b->service);
		check(a->service->health_port == b->service->health_port);
		check(!memcmp(a->local_ready, b->local_ready, sizeof(a->local_ready)));
	}
}

static void compare(struct world *w)
{
	struct k8s fresh = { .node = &w->node };
	size_t services = 0, slices = 0;
	char *got, *wanted;
	struct err e;

	if (w->compared++ > MAX_COMPARED)
		return;
	/* Backwards: the order must not matter either. */
	for (size_t i = w->n_live; i--;) {
		const struct live *l = &w->live[i];

		if (!l->object)
			continue;
		check(k8s_put(&fresh, l->kind, l->object, &e) == 1);
		services += l->kind == K8S_SERVICE;
		slices += l->kind == K8S_SLICE;
	}
	got = fuzz_wanted(&w->k);
	wanted = fuzz_wanted(&fresh);
	check_same(got, wanted);
	check(w->k.n_services == services && w->k.slices.n == slices);
	check_model(&w->k);
	check_health(w, &fresh);
	free(got);
	free(wanted);
	k8s_free(&fresh);
}

/* As a dump of the kernel has it. */
static void reload(struct world *w, bool as_wanted)
{
	struct model m = {}, found = {};

	if (as_wanted) {
		free(fuzz_wanted(&w->k));
		k8s_wanted(&w->k, &m);
		for (size_t i = 0; i < m.n_services; i++)
			service_copy(model_add_service(&found, m.services[i].name), &m.services[i]);
		free(m.services);
	}
	k8s_reload(&w->k, &found);
	check(!found.n_services);
	model_free(&found);
}

static void move(struct world *w)
{
	w->node.zone = w->node.zone ? NULL : "a";
	w->node.no_external_ips = !w->node.zone;
	k8s_dirty_all(&w->k);
}

static void run(struct world *w, const char *line, size_t len)
{
	enum k8s_kind kind = len > 1 && line[1] == 'e' ? K8S_SLICE : K8S_SERVICE;

	switch (*line) {
	case 's':
	case 'e':
		put(w, *line == 's' ? K8S_SERVICE : K8S_SLICE, line + 1, len - 1);
		break;
	case 'S':
	case 'E':
		if (len > 2)
			del(w, *line == 'S' ? K8S_SERVICE : K8S_SLICE, line + 2, len - 2);
		break;
	case '(':
		k8s_list_begin(&w->k, kind);
		w->epoch[kind]++;
		break;
	case ')':
		list_end(w, kind);
		break;
	case 'n':
		move(w);
		break;
	case 'r':
	case 'R':
		reload(w, *line == 'R');
		break;
	case 'u':
		compare(w);
		break;
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct addr ips[2] = {};
	struct world w = { .node = { .name = "here", .zone = "a", .ips = { ips, 2 } } };
	const char *text = (const char *)data, *line;
	size_t len;

	addr_parse("192.0.2.1", &ips[0]);
	addr_parse("2001:db8::1", &ips[1]);
	w.k.node = &w.node;
	while (fuzz_line(&text, &size, &line, &len))
		if (len)
			run(&w, line, len);
	w.compared = 0;
	compare(&w);
	if (!w.refused)
		fuzz_accept();
	for (size_t i = 0; i < w.n_live; i++)
		json_decref(w.live[i].object);
	free(w.live);
	k8s_free(&w.k);
	check(!w.k.entries.n && !w.k.slices.n && !w.k.claims.n);
}
