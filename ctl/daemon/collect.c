// SPDX-License-Identifier: GPL-2.0
#include "collect.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

struct seen {
	struct hnode node;
	struct seen *next;
	char name[];
};

struct collector {
	struct nl *nl;
	struct model model;
	size_t checked;			/* services of the model that are complete, and there once */
	struct htable seen;		/* their names */
	struct seen *last_seen;
	uint64_t no_local[K8S_FAMILIES][N_POLICIES];
};

static bool is_seen(const struct htable *t, uint32_t hash, const char *name)
{
	struct hnode *n = htable_first(t, hash);

	while (n && strcmp(container_of(n, struct seen, node)->name, name))
		n = htable_next(n);
	return n;
}

/* Whether it is the first time. */
static bool see(struct collector *c, const char *name)
{
	uint32_t hash = hash_string(0, name);
	size_t size = strlen(name) + 1;
	struct seen *s;

	if (is_seen(&c->seen, hash, name))
		return false;
	s = xcalloc(1, sizeof(*s) + size);
	memcpy(s->name, name, size);
	s->next = c->last_seen;
	c->last_seen = s;
	htable_add(&c->seen, &s->node, hash);
	return true;
}

static bool lacks_local(const struct service *s, uint32_t policy, uint16_t family)
{
	if (!(s->flags & policy) || !service_has_family(s, family))
		return false;
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (s->endpoints[i].addr.family == family &&
		    s->endpoints[i].flags & KSVC_ENDPOINT_FLAGS_LOCAL)
			return false;
	return s->n_endpoints;
}

static void count_no_local(struct collector *c, const struct service *s)
{
	static const uint16_t families[K8S_FAMILIES] = { AF_INET, AF_INET6 };
	static const uint32_t policies[N_POLICIES] = {
		[POLICY_INTERNAL] = KSVC_SERVICE_FLAGS_INTERNAL_LOCAL,
		[POLICY_EXTERNAL] = KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL,
	};

	for (int i = 0; i < K8S_FAMILIES; i++)
		for (int j = 0; j < N_POLICIES; j++)
			c->no_local[i][j] += lacks_local(s, policies[j], families[i]);
}

/* Of the services that came last, up to the one with this number. */
static void check(struct collector *c, size_t end)
{
	struct service *list = c->model.services;
	size_t kept = c->checked;

	for (size_t i = c->checked; i < end; i++) {
		if (!see(c, list[i].name)) {
			service_free(&list[i]);
			continue;
		}
		count_no_local(c, &list[i]);
		list[kept++] = list[i];
	}
	memmove(list + kept, list + end, (c->model.n_services - end) * sizeof(*list));
	c->model.n_services -= end - kept;
	c->checked = kept;
}

int collector_step(struct collector *c)
{
	struct err ignored;
	int r = nl_services_more(c->nl, &c->model, &ignored);
	size_t n = c->model.n_services;

	/* The last one may go on. */
	if (n)
		check(c, n - (r == 1));
	return r;
}

const struct model *collector_model(const struct collector *c)
{
	return &c->model;
}

uint64_t collector_no_local(const struct collector *c, enum k8s_family family,
			    enum traffic_policy policy)
{
	return c->no_local[family][policy];
}

struct collector *collector_new(void)
{
	struct collector *c = xcalloc(1, sizeof(*c));
	struct err ignored;

	if (nl_open(&c->nl, &ignored)) {
		free(c);
		return NULL;
	}
	if (nl_services_begin(c->nl, &ignored)) {
		collector_free(c);
		return NULL;
	}
	return c;
}

void collector_free(struct collector *c)
{
	struct seen *next;

	if (!c)
		return;
	for (struct seen *s = c->last_seen; s; s = next) {
		next = s->next;
		free(s);
	}
	htable_free(&c->seen);
	model_free(&c->model);
	nl_close(c->nl);
	free(c);
}
