// SPDX-License-Identifier: GPL-2.0
/* EndpointSlices to endpoints and their sets: rules E, P and T. */
#include <stdlib.h>
#include <string.h>

#include "k8s.h"

struct candidate {
	struct endpoint key;		/* address and port */
	const struct k8s_endpoint *ep;
	bool local;			/* E5 */
	bool in_cluster, in_local;
};

struct candidates {
	struct candidate *c;
	size_t n;
};

static void add_candidates(struct candidates *list, const struct k8s_slice *slice,
			   uint16_t port, const struct k8s_node *node)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const struct k8s_endpoint *ep = &slice->endpoints[i];
		struct candidate *c;

		xgrow(&list->c, list->n, sizeof(*c));
		c = &list->c[list->n++];
		memset(c, 0, sizeof(*c));
		c->key.addr = ep->addr;
		c->key.port = port;
		c->key.weight = slice->weight;
		c->ep = ep;
		c->local = ep->node && node->name && !strcmp(ep->node, node->name);
	}
}

static int text_cmp(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/*
 * E4: of duplicates the one that does not terminate comes first. The rest makes
 * the same input give the same result.
 */
static int candidate_cmp(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int r = endpoint_cmp(&x->key, &y->key);

	if (!r)
		r = x->ep->terminating - y->ep->terminating;
	if (!r)
		r = y->ep->ready - x->ep->ready;
	if (!r)
		r = (x->key.weight < y->key.weight) - (x->key.weight > y->key.weight);
	if (!r)
		r = y->local - x->local;
	if (!r)
		r = y->ep->serving - x->ep->serving;
	if (!r)
		r = text_cmp(x->ep->node_hints, y->ep->node_hints);
	return r ? r : text_cmp(x->ep->zone_hints, y->ep->zone_hints);
}

static void unify(struct candidates *list)
{
	size_t n = 0;

	if (!list->n)
		return;
	qsort(list->c, list->n, sizeof(*list->c), candidate_cmp);
	for (size_t i = 1; i < list->n; i++)
		if (endpoint_cmp(&list->c[n].key, &list->c[i].key))
			list->c[++n] = list->c[i];
	list->n = n + 1;
}

/* S3, S4, E1, E2: the union of the slices of one family. */
static void collect(struct candidates *list, const struct k8s_entry *entry,
		    const struct k8s_port *port, uint16_t family,
		    const struct k8s_node *node)
{
	for (size_t i = 0; i < entry->n_slices; i++) {
		const struct k8s_slice *slice = entry->slices[i];

		if (slice->family != family)
			continue;
		for (size_t j = 0; j < slice->n_ports; j++)
			if (slice->ports[j].name == port->name &&
			    slice->ports[j].protocol == port->protocol)
				add_candidates(list, slice, slice->ports[j].port, node);
	}
	unify(list);
}

static bool is_draining(const struct k8s_endpoint *ep)
{
	return !ep->ready && ep->serving && ep->terminating;
}

static bool hints_name(const char *hints, const char *name)
{
	size_t n = strlen(name);

	for (; *hints; hints = strchr(hints, '\n') + 1)
		if (!strncmp(hints, name, n) && hints[n] == '\n')
			return true;
	return false;
}

static const char *node_hints(const struct k8s_endpoint *ep)
{
	return ep->node_hints;
}

static const char *zone_hints(const struct k8s_endpoint *ep)
{
	return ep->zone_hints;
}

typedef const char *(*hints_fn)(const struct k8s_endpoint *ep);

/* T1 to T4 for one kind: every ready endpoint has hints, and one names name. */
static bool hints_count(const struct candidates *list, hints_fn hints, const char *name)
{
	bool named = false;

	if (!name)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct k8s_endpoint *ep = list->c[i].ep;

		if (!ep->ready)
			continue;
		if (!hints(ep))
			return false;
		named |= hints_name(hints(ep), name);
	}
	return named;
}

static void choose_sets(struct candidates *list, const struct k8s_node *node)
{
	bool ready = false, local_ready = false;
	/* A node without the label is in the zone "". */
	const char *zone = node->zone ? node->zone : "";
	hints_fn hints = NULL;
	const char *name = NULL;

	for (size_t i = 0; i < list->n; i++) {
		ready |= list->c[i].ep->ready;
		local_ready |= list->c[i].ep->ready && list->c[i].local;
	}
	if (hints_count(list, node_hints, node->name)) {
		hints = node_hints;
		name = node->name;
	} else if (hints_count(list, zone_hints, zone)) {
		hints = zone_hints;
		name = zone;
	}
	for (size_t i = 0; i < list->n; i++) {
		struct candidate *c = &list->c[i];

		/* P1, P2 */
		c->in_cluster = ready ? c->ep->ready &&
				(!hints || hints_name(hints(c->ep), name)) :
				is_draining(c->ep);
		/* P3, P4 */
		c->in_local = c->local &&
			      (local_ready ? c->ep->ready : is_draining(c->ep));
	}
}

static uint32_t candidate_flags(const struct candidate *c)
{
	return (c->in_cluster ? KSVC_ENDPOINT_FLAGS_CLUSTER : 0) |
	       (c->in_local ? KSVC_ENDPOINT_FLAGS_LOCAL : 0) |
	       (is_draining(c->ep) ? KSVC_ENDPOINT_FLAGS_DRAINING : 0) |
	       (c->ep->serving ? 0 : KSVC_ENDPOINT_FLAGS_NOT_SERVING);
}

void k8s_add_endpoints(const struct k8s_entry *entry, const struct k8s_port *port,
		       uint16_t family, const struct k8s_node *node, struct service *to)
{
	struct candidates list = {};

	collect(&list, entry, port, family, node);
	choose_sets(&list, node);
	for (size_t i = 0; i < list.n; i++) {
		struct endpoint ep = list.c[i].key;

		/* C3 */
		if (!list.c[i].ep->ready && !list.c[i].ep->serving)
			continue;
		ep.flags = candidate_flags(&list.c[i]);
		service_add_endpoint(to, &ep);
	}
	free(list.c);
}

/* H3: over all ports, and each address once. */
unsigned int k8s_local_ready(const struct k8s_entry *entry, uint16_t family,
			     const struct k8s_node *node)
{
	const struct addr *last = NULL;
	struct candidates list = {};
	unsigned int n = 0;

	if (!entry->service || !entry->service->health_port)
		return 0;
	for (size_t i = 0; i < entry->n_slices; i++) {
		const struct k8s_slice *slice = entry->slices[i];

		for (size_t j = 0; slice->family == family && j < slice->n_ports; j++)
			add_candidates(&list, slice, slice->ports[j].port, node);
	}
	unify(&list);
	for (size_t i = 0; i < list.n; i++) {
		const struct candidate *c = &list.c[i];

		if (!c->local || !c->ep->ready || (last && !addr_cmp(last, &c->key.addr)))
			continue;
		last = &c->key.addr;
		n++;
	}
	free(list.c);
	return n;
}
