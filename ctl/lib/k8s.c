// SPDX-License-Identifier: GPL-2.0
/* Services and EndpointSlices to services of this node. */
#include "k8s.h"

#include <stdlib.h>
#include <string.h>

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
	k8s_sort_slices(k);
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

static void add_addresses(struct service *to, const struct k8s_addresses *list,
			  struct frontend f, uint16_t family)
{
	for (size_t i = 0; i < list->n; i++) {
		f.addr = list->list[i];
		if (f.addr.family == family)
			service_add_frontend(to, &f);
	}
}

/* In the order in which one address counts as this or as that. */
static void add_frontends(struct service *to, const struct k8s_service *s,
			  const struct k8s_port *port, uint16_t family,
			  const struct addr *cluster_ip, const struct k8s_node *node)
{
	struct frontend f = { .addr = *cluster_ip, .port = port->port,
			      .protocol = port->protocol };

	service_add_frontend(to, &f);
	f.class = KSVC_CLASS_LOAD_BALANCER;
	add_addresses(to, &s->lb_ips, f, family);
	f.class = KSVC_CLASS_EXTERNAL_IP;
	if (!node->no_external_ips)
		add_addresses(to, &s->external_ips, f, family);
	if (!port->node_port)
		return;
	memset(&f.addr, 0, sizeof(f.addr));
	f.addr.family = family;
	f.port = port->node_port;
	f.class = KSVC_CLASS_NODE_PORT;
	service_add_frontend(to, &f);
}

static bool ranges_contain(const struct prefix_list *ranges,
			   const struct k8s_addresses *ips, uint16_t family)
{
	for (size_t i = 0; i < ips->n; i++)
		for (size_t j = 0; ips->list[i].family == family && j < ranges->n; j++)
			if (prefix_contains(&ranges->prefixes[j], &ips->list[i]))
				return true;
	return false;
}

/* F3, F5 */
static void add_ranges(struct service *to, const struct k8s_service *s,
		       const struct k8s_node *node)
{
	const struct prefix_list *ranges = &s->options.ranges;

	if (!s->lb_ips.n)
		return;
	prefix_list_copy(&to->ranges, ranges);
	for (size_t i = 0; i < s->lb_ips.n; i++) {
		const struct addr *ip = &s->lb_ips.list[i];
		const struct prefix host = { .addr = *ip, .length = addr_bits(ip) };

		if (ranges_contain(ranges, &node->ips, ip->family))
			prefix_list_add(&to->ranges, &host);
	}
	prefix_list_unify(&to->ranges);
}

static void compile_port(struct k8s *k, const struct k8s_service *s,
			 const struct k8s_port *port, const struct k8s_node *node,
			 struct model *m)
{
	char *name = xasprintf(*port->name ? "%s/%s:%s" : "%s/%s", s->ns, s->name,
			       port->name);
	struct service *to;
	struct err e;

	if (service_check_name(name, &e)) {
		k8s_warn(k, "Service %.253s/%.253s: port \"%.100s\": %s; left out", s->ns,
			 s->name, port->name, e.text);
		free(name);
		return;
	}
	to = model_add_service(m, name);
	free(name);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		option_set(to, i, option_get(&s->options, i));
	add_ranges(to, s, node);
	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct addr *ip = &s->cluster_ip[i];

		/* S4 */
		if (!ip->family)
			continue;
		add_frontends(to, s, port, ip->family, ip, node);
		k8s_add_endpoints(k, s, port, ip->family, node, to);
	}
}

/* What one port of a Service must not share with another. */
static bool check_port(struct k8s *k, const struct k8s_service *s, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		const struct k8s_port *a = &s->ports[i], *b = &s->ports[j];

		if (!strcmp(a->name, b->name)) {
			k8s_warn(k, "Service %.253s/%.253s: spec.ports[%zu].name: \"%.60s\" is spec.ports[%zu]'s, too; left out",
				 s->ns, s->name, i, a->name, j);
			return false;
		}
		if (a->port == b->port && a->protocol == b->protocol) {
			k8s_warn(k, "Service %.253s/%.253s: spec.ports[%zu].port: %u/%s is spec.ports[%zu]'s, too; left out",
				 s->ns, s->name, i, a->port, protocol_name(a->protocol), j);
			return false;
		}
	}
	return true;
}

struct claim {
	struct frontend *frontend;
	size_t service;			/* its place in the model */
};

/* In the model's order, which is that of frontends within a service, too. */
static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = frontend_cmp(x->frontend, y->frontend);

	if (!r)
		r = (x->service > y->service) - (x->service < y->service);
	if (!r)
		r = (x->frontend > y->frontend) - (x->frontend < y->frontend);
	return r;
}

static size_t collect_claims(struct model *m, struct claim **claims)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_services; i++) {
		for (uint32_t j = 0; j < m->services[i].n_frontends; j++) {
			xgrow(claims, n, sizeof(**claims));
			(*claims)[n].frontend = &m->services[i].frontends[j];
			(*claims)[n++].service = i;
		}
	}
	if (n)
		qsort(*claims, n, sizeof(**claims), claim_cmp);
	return n;
}

/* Frontends that are lost, and endpoints of a family that has no other. */
static void remove_lost(struct service *s)
{
	bool v4 = false, v6 = false;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_frontends; i++) {
		if (!s->frontends[i].port)
			continue;
		v4 |= s->frontends[i].addr.family == AF_INET;
		v6 |= s->frontends[i].addr.family == AF_INET6;
		s->frontends[n++] = s->frontends[i];
	}
	s->n_frontends = n;
	n = 0;
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (s->endpoints[i].addr.family == AF_INET ? v4 : v6)
			s->endpoints[n++] = s->endpoints[i];
	s->n_endpoints = n;
}

/* An address and port is of the first that claims it; a port of 0 marks a loss. */
static void settle_claims(struct k8s *k, struct model *m)
{
	struct claim *claims = NULL;
	size_t n = collect_claims(m, &claims), first = 0, kept = 0;
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 1; i < n; i++) {
		const struct claim *a = &claims[first], *b = &claims[i];

		if (frontend_cmp(a->frontend, b->frontend)) {
			first = i;
			continue;
		}
		if (a->service != b->service)
			k8s_warn(k, "%s is claimed by both %s and %s; the first has it",
				 frontend_format(a->frontend, buf), m->services[a->service].name,
				 m->services[b->service].name);
	}
	for (size_t i = n; i-- > 1;)
		if (!frontend_cmp(claims[i - 1].frontend, claims[i].frontend))
			claims[i].frontend->port = 0;
	free(claims);
	for (size_t i = 0; i < m->n_services; i++) {
		struct service *s = &m->services[i];

		remove_lost(s);
		if (s->n_frontends) {
			m->services[kept++] = *s;
			continue;
		}
		k8s_warn(k, "%s has nothing left to answer for; left out", s->name);
		service_free(s);
	}
	m->n_services = kept;
}

static void warn_of_orphans(struct k8s *k)
{
	size_t orphans = 0;

	for (size_t i = 0; i < k->n_slices; i++)
		if (k->slices[i].service &&
		    !find_service(k, k->slices[i].ns, k->slices[i].service))
			orphans++;
	if (orphans)
		k8s_warn(k, "%zu EndpointSlices are of Services that the input lacks: not applied",
			 orphans);
}

int k8s_compile(struct k8s *k, const struct k8s_node *node, struct model *m, struct err *e)
{
	if (sort_objects(k, e))
		return -1;
	for (size_t i = 0; i < k->n_services; i++) {
		const struct k8s_service *s = &k->services[i];

		if (s->skipped) {
			k8s_note(k, "Service %s/%s: ignored, %s", s->ns, s->name, s->skipped);
			continue;
		}
		for (size_t j = 0; j < s->n_ports; j++)
			if (check_port(k, s, j))
				compile_port(k, s, &s->ports[j], node, m);
	}
	settle_claims(k, m);
	model_sort(m);
	warn_of_orphans(k);
	return 0;
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
