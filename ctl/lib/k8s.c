// SPDX-License-Identifier: GPL-2.0
/* Services and EndpointSlices to services of this node. */
#include "k8s.h"

#include <stdlib.h>
#include <string.h>

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

static int service_cmp(const void *a, const void *b)
{
	const struct k8s_service *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->name, y->name);
}

static int slice_name_cmp(const void *a, const void *b)
{
	const struct k8s_slice *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->name, y->name);
}

/* By Service; those of none come first. */
static int slice_service_cmp(const void *a, const void *b)
{
	const struct k8s_slice *x = a, *y = b;
	int r;

	if (!x->service || !y->service)
		return !!x->service - !!y->service;
	r = strcmp(x->ns, y->ns);
	return r ? r : strcmp(x->service, y->service);
}

static int sort_objects(struct k8s *k, struct err *e)
{
	if (k->n_services)
		qsort(k->services, k->n_services, sizeof(*k->services), service_cmp);
	for (size_t i = 1; i < k->n_services; i++)
		if (!service_cmp(&k->services[i - 1], &k->services[i]))
			return err_set(e, "Service %.253s/%.253s is given twice",
				       k->services[i].ns, k->services[i].name);
	if (k->n_slices)
		qsort(k->slices, k->n_slices, sizeof(*k->slices), slice_name_cmp);
	for (size_t i = 1; i < k->n_slices; i++)
		if (!slice_name_cmp(&k->slices[i - 1], &k->slices[i]))
			return err_set(e, "EndpointSlice %.253s/%.253s is given twice",
				       k->slices[i].ns, k->slices[i].name);
	if (k->n_slices)
		qsort(k->slices, k->n_slices, sizeof(*k->slices), slice_service_cmp);
	return 0;
}

static const struct k8s_service *find_service(const struct k8s *k, const char *ns,
					      const char *name)
{
	const struct k8s_service key = { .ns = ns, .name = name };

	if (!k->n_services)
		return NULL;
	return bsearch(&key, k->services, k->n_services, sizeof(key), service_cmp);
}

/* The slices of a Service are in a row; returns the first. */
static size_t first_slice(const struct k8s *k, const struct k8s_service *s)
{
	const struct k8s_slice key = { .ns = s->ns, .service = s->name };
	size_t low = 0, high = k->n_slices;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_service_cmp(&k->slices[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool slice_is_of(const struct k8s_slice *slice, const struct k8s_service *s)
{
	return slice->service && !strcmp(slice->ns, s->ns) &&
	       !strcmp(slice->service, s->name);
}

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
		c->key.weight = 1;
		c->ep = ep;
		c->local = ep->node && node->name && !strcmp(ep->node, node->name);
	}
}

/* E4: of duplicates the one that does not terminate comes first. */
static int candidate_cmp(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int r = endpoint_cmp(&x->key, &y->key);

	return r ? r : x->ep->terminating - y->ep->terminating;
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
static void collect(struct candidates *list, const struct k8s *k,
		    const struct k8s_service *s, const struct k8s_port *port,
		    uint16_t family, const struct k8s_node *node)
{
	list->n = 0;
	for (size_t i = first_slice(k, s); i < k->n_slices &&
	     slice_is_of(&k->slices[i], s); i++) {
		const struct k8s_slice *slice = &k->slices[i];

		if (slice->family != family)
			continue;
		for (size_t j = 0; j < slice->n_ports; j++)
			if (!strcmp(slice->ports[j].name, port->name) &&
			    slice->ports[j].protocol == port->protocol)
				add_candidates(list, slice, slice->ports[j].port, node);
	}
	unify(list);
}

static bool is_draining(const struct k8s_endpoint *ep)
{
	return !ep->ready && ep->serving && ep->terminating;
}

static bool hints_name(const json_t *hints, const char *name)
{
	json_t *hint;
	size_t i;

	json_array_foreach((json_t *)hints, i, hint)
		if (!strcmp(json_string_value(json_object_get(hint, "name")), name))
			return true;
	return false;
}

static const json_t *node_hints(const struct k8s_endpoint *ep)
{
	return ep->node_hints;
}

static const json_t *zone_hints(const struct k8s_endpoint *ep)
{
	return ep->zone_hints;
}

typedef const json_t *(*hints_fn)(const struct k8s_endpoint *ep);

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
	hints_fn hints = NULL;
	const char *name = NULL;

	for (size_t i = 0; i < list->n; i++) {
		ready |= list->c[i].ep->ready;
		local_ready |= list->c[i].ep->ready && list->c[i].local;
	}
	if (hints_count(list, node_hints, node->name)) {
		hints = node_hints;
		name = node->name;
	} else if (hints_count(list, zone_hints, node->zone)) {
		hints = zone_hints;
		name = node->zone;
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

/*
 * An endpoint that is in the local set alone serves no one until policies
 * other than Cluster are applied.
 */
static void add_endpoints(struct service *to, const struct candidates *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct endpoint ep = list->c[i].key;

		if (!list->c[i].in_cluster)
			continue;
		ep.flags = KSVC_ENDPOINT_FLAGS_CLUSTER |
			   (list->c[i].in_local ? KSVC_ENDPOINT_FLAGS_LOCAL : 0);
		service_add_endpoint(to, &ep);
	}
}

static int compile_port(const struct k8s *k, const struct k8s_service *s,
			const struct k8s_port *port, const struct k8s_node *node,
			struct candidates *list, struct model *m, struct err *e)
{
	char *name = xasprintf(*port->name ? "%s/%s:%s" : "%s/%s", s->ns, s->name,
			       port->name);
	struct service *to;
	int err = service_check_name(name, e);

	if (err) {
		err_prefix(e, "Service %.253s/%.253s: port \"%.100s\": ", s->ns, s->name,
			   port->name);
		free(name);
		return err;
	}
	to = model_add_service(m, name);
	free(name);
	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct frontend f = {
			.addr = s->cluster_ip[i],
			.port = port->port,
			.protocol = port->protocol,
		};

		if (!f.addr.family)
			continue;
		service_add_frontend(to, &f);
		collect(list, k, s, port, f.addr.family, node);
		choose_sets(list, node);
		add_endpoints(to, list);
	}
	return 0;
}

static int check_ports(const struct k8s_service *s, struct err *e)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct k8s_port *a = &s->ports[i], *b = &s->ports[j];

			if (!strcmp(a->name, b->name))
				return err_set(e, "Service %.253s/%.253s: spec.ports[%zu].name: \"%.60s\" is spec.ports[%zu]'s, too",
					       s->ns, s->name, i, a->name, j);
			if (a->port == b->port && a->protocol == b->protocol)
				return err_set(e, "Service %.253s/%.253s: spec.ports[%zu].port: %u/%s is spec.ports[%zu]'s, too",
					       s->ns, s->name, i, a->port,
					       protocol_name(a->protocol), j);
		}
	}
	return 0;
}

struct claim {
	struct frontend frontend;
	const char *service;
};

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return frontend_cmp(&x->frontend, &y->frontend);
}

/* Two services of the input must not want one address and port. */
static int check_claims(const struct model *m, struct err *e)
{
	struct claim *claims = NULL;
	char buf[ENDPOINT_STRLEN];
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];

		for (uint32_t j = 0; j < s->n_frontends; j++) {
			xgrow(&claims, n, sizeof(*claims));
			claims[n].frontend = s->frontends[j];
			claims[n++].service = s->name;
		}
	}
	if (n)
		qsort(claims, n, sizeof(*claims), claim_cmp);
	for (size_t i = 1; i < n && !err; i++)
		if (!claim_cmp(&claims[i - 1], &claims[i]))
			err = err_set(e, "%s is the clusterIP and port of both %s and %s",
				      frontend_format(&claims[i].frontend, buf),
				      claims[i - 1].service, claims[i].service);
	free(claims);
	return err;
}

static void say(char *buf, size_t size, const char *text)
{
	size_t n = strlen(buf);

	snprintf(buf + n, size - n, "%s%s", n ? ", " : "", text);
}

static bool warn_service(const struct k8s_service *s, void (*warn)(const char *text))
{
	char what[512] = "", part[80], *text;

	if (s->external_ips) {
		snprintf(part, sizeof(part), "externalIPs (%zu)", s->external_ips);
		say(what, sizeof(what), part);
	}
	if (s->ingress_ips) {
		snprintf(part, sizeof(part), "load balancer IPs (%zu)", s->ingress_ips);
		say(what, sizeof(what), part);
	}
	if (s->node_ports)
		say(what, sizeof(what), "nodePorts");
	if (s->internal_local)
		say(what, sizeof(what), "internalTrafficPolicy Local");
	if (s->external_local)
		say(what, sizeof(what), "externalTrafficPolicy Local");
	if (s->affinity)
		say(what, sizeof(what), "sessionAffinity ClientIP");
	if (s->source_ranges)
		say(what, sizeof(what), "loadBalancerSourceRanges");
	if (!*what)
		return false;
	text = xasprintf("Service %s/%s: not applied: %s", s->ns, s->name, what);
	warn(text);
	free(text);
	return true;
}

static void warn_rest(struct k8s *k, size_t partly, void (*warn)(const char *text))
{
	size_t orphans = 0;
	char *text;

	for (size_t i = 0; i < k->n_slices; i++)
		if (k->slices[i].service &&
		    !find_service(k, k->slices[i].ns, k->slices[i].service))
			orphans++;
	if (partly > 1) {
		text = xasprintf("%zu of %zu Services are applied in part", partly,
				 k->n_services);
		warn(text);
		free(text);
	}
	if (orphans) {
		text = xasprintf("%zu EndpointSlices are of Services that the input lacks: not applied",
				 orphans);
		warn(text);
		free(text);
	}
}

int k8s_compile(struct k8s *k, const struct k8s_node *node, struct model *m,
		void (*warn)(const char *text), struct err *e)
{
	struct candidates list = {};
	size_t partly = 0;
	int err;

	err = sort_objects(k, e);
	for (size_t i = 0; i < k->n_services && !err; i++) {
		const struct k8s_service *s = &k->services[i];

		if (s->skipped) {
			k8s_note(k, "Service %s/%s: ignored, %s", s->ns, s->name, s->skipped);
			continue;
		}
		err = check_ports(s, e);
		for (size_t j = 0; j < s->n_ports && !err; j++)
			err = compile_port(k, s, &s->ports[j], node, &list, m, e);
		partly += !err && warn_service(s, warn);
	}
	free(list.c);
	if (err)
		return err;
	model_sort(m);
	err = check_claims(m, e);
	if (!err)
		warn_rest(k, partly, warn);
	return err;
}

bool k8s_owns(const struct k8s *k, const char *name)
{
	const char *slash = strchr(name, '/');
	const char *colon = slash ? strchr(slash, ':') : NULL;
	char *ns, *service;
	bool found;

	if (!slash)
		return false;
	ns = xstrndup(name, slash - name);
	service = colon ? xstrndup(slash + 1, colon - slash - 1) : xstrdup(slash + 1);
	found = find_service(k, ns, service);
	free(ns);
	free(service);
	return found;
}
