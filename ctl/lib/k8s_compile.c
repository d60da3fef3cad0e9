// SPDX-License-Identifier: GPL-2.0
/* Services and EndpointSlices to services of this node. */
#include <stdlib.h>
#include <string.h>

#include "k8s.h"

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

/* More than a message has room for, and the kernel would take. */
static bool is_too_large(const struct service *s)
{
	return s->n_frontends > KSVC_MAX_FRONTENDS || s->ranges.n > KSVC_MAX_SOURCE_RANGES;
}

static void compile_port(struct k8s *k, struct k8s_entry *entry, const struct k8s_port *port)
{
	char *name = xasprintf(*port->name ? "%s/%s:%s" : "%s/%s", entry->ns, entry->name,
			       port->name);
	const struct k8s_service *s = entry->service;
	struct service *to;
	struct err e;

	if (service_check_name(name, &e)) {
		k8s_warn(k, "Service %.253s/%.253s: port \"%.100s\": %s; left out", entry->ns,
			 entry->name, port->name, e.text);
		free(name);
		return;
	}
	xgrow(&entry->wanted, entry->n_wanted, sizeof(*to));
	to = &entry->wanted[entry->n_wanted++];
	service_init(to, name);
	free(name);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		option_set(to, i, option_get(&s->options, i));
	if (!s->has_scheduler)
		to->scheduler = k->node->scheduler;
	add_ranges(to, s, k->node);
	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct addr *ip = &s->cluster_ip[i];

		/* S4 */
		if (!ip->family)
			continue;
		add_frontends(to, s, port, ip->family, ip, k->node);
		k8s_add_endpoints(entry, port, ip->family, k->node, to);
	}
	if (!is_too_large(to))
		return;
	k8s_warn(k, "Service %.253s/%.253s: port \"%.100s\": more than %d addresses or %d source ranges; left out",
		 entry->ns, entry->name, port->name, KSVC_MAX_FRONTENDS, KSVC_MAX_SOURCE_RANGES);
	service_free(to);
	entry->n_wanted--;
}

/* What one port of a Service must not share with another. */
static bool check_port(struct k8s *k, const struct k8s_entry *entry, size_t i)
{
	const struct k8s_service *s = entry->service;

	for (size_t j = 0; j < i; j++) {
		const struct k8s_port *a = &s->ports[i], *b = &s->ports[j];

		if (!strcmp(a->name, b->name)) {
			k8s_warn(k, "Service %.253s/%.253s: spec.ports[%zu].name: \"%.60s\" is spec.ports[%zu]'s, too; left out",
				 entry->ns, entry->name, i, a->name, j);
			return false;
		}
		if (a->port == b->port && a->protocol == b->protocol) {
			k8s_warn(k, "Service %.253s/%.253s: spec.ports[%zu].port: %u/%s is spec.ports[%zu]'s, too; left out",
				 entry->ns, entry->name, i, a->port, protocol_name(a->protocol), j);
			return false;
		}
	}
	return true;
}

static void free_wanted(struct k8s_entry *entry)
{
	for (size_t i = 0; i < entry->n_wanted; i++)
		service_free(&entry->wanted[i]);
	free(entry->wanted);
	entry->wanted = NULL;
	entry->n_wanted = 0;
}

static void compile_entry(struct k8s *k, struct k8s_entry *entry)
{
	const struct k8s_service *s = entry->service;

	free_wanted(entry);
	for (int i = 0; i < K8S_FAMILIES; i++)
		entry->local_ready[i] = k8s_local_ready(entry, i == K8S_V4 ? AF_INET : AF_INET6,
							k->node);
	if (s && s->skipped)
		k8s_note(k, "Service %s/%s: ignored, %s", entry->ns, entry->name, s->skipped);
	for (size_t i = 0; s && !s->skipped && i < s->n_ports; i++)
		if (check_port(k, entry, i))
			compile_port(k, entry, &s->ports[i]);
	k8s_claim(k, entry);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct k8s_entry *const *x = a, *const *y = b;
	int r = strcmp((*x)->ns, (*y)->ns);

	return r ? r : strcmp((*x)->name, (*y)->name);
}

static void finish_entry(struct k8s *k, struct k8s_entry *entry)
{
	struct model m;

	k8s_settle_claims(k, entry);
	m = (struct model){ .services = entry->wanted, .n_services = entry->n_wanted };
	model_sort(&m);
	entry->dirty = false;
	entry->refused = false;
	k8s_mark_changed(k, entry);
}

/* What was said of the entry the time before: each event of its slices would say it again. */
static void drop_repeated(struct k8s *k, size_t first, uint32_t *said)
{
	struct k8s_texts *list = &k->warnings;
	uint32_t hash = 0;

	for (size_t i = first; i < list->n; i++)
		hash = hash_string(hash, list->list[i]);
	while (hash == *said && list->n > first)
		free(list->list[--list->n]);
	*said = hash;
}

/* Claims may make more entries dirty; they are compiled last. */
void k8s_update(struct k8s *k)
{
	struct k8s_entries *dirty = &k->dirty;
	size_t warnings;

	if (dirty->n)
		qsort(dirty->list, dirty->n, sizeof(*dirty->list), entry_cmp);
	for (size_t i = 0; i < dirty->n; i++) {
		warnings = k->warnings.n;
		compile_entry(k, dirty->list[i]);
		drop_repeated(k, warnings, &dirty->list[i]->said[0]);
	}
	for (size_t i = 0; i < dirty->n; i++) {
		warnings = k->warnings.n;
		finish_entry(k, dirty->list[i]);
		drop_repeated(k, warnings, &dirty->list[i]->said[1]);
	}
	dirty->n = 0;
}

void k8s_warn_of_orphans(struct k8s *k)
{
	size_t orphans = 0;

	for (struct hnode *n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n)) {
		const struct k8s_entry *entry = container_of(n, struct k8s_entry, node);

		if (!entry->service)
			orphans += entry->n_slices;
	}
	if (orphans)
		k8s_warn(k, "%zu EndpointSlices are of Services that the input lacks: not applied",
			 orphans);
}

static void add_borrowed(struct model *m, const struct service *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		xgrow(&m->services, m->n_services, sizeof(*m->services));
		m->services[m->n_services++] = list[i];
	}
}

static int service_name_cmp(const void *a, const void *b)
{
	const struct service *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void k8s_wanted(const struct k8s *k, struct model *m)
{
	for (struct hnode *n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n)) {
		const struct k8s_entry *entry = container_of(n, struct k8s_entry, node);

		if (entry->changed)
			add_borrowed(m, entry->wanted, entry->n_wanted);
		else
			add_borrowed(m, entry->in_force, entry->n_in_force);
	}
	if (m->n_services)
		qsort(m->services, m->n_services, sizeof(*m->services), service_name_cmp);
}

struct k8s_entry *k8s_owner(const struct k8s *k, const char *name)
{
	const char *slash = strchr(name, '/');
	const char *colon = slash ? strchr(slash, ':') : NULL;
	struct k8s_entry *entry;
	char *ns, *service;

	if (!slash)
		return NULL;
	ns = xstrndup(name, slash - name);
	service = colon ? xstrndup(slash + 1, colon - slash - 1) : xstrdup(slash + 1);
	entry = k8s_find(k, ns, service);
	free(ns);
	free(service);
	return entry;
}

bool k8s_owns(const struct k8s *k, const char *name)
{
	const struct k8s_entry *entry = k8s_owner(k, name);

	return entry && entry->service;
}
