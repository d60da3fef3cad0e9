// SPDX-License-Identifier: GPL-2.0
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "lib/jread.h"
#include "lib/rtnl.h"
#include "log.h"

#define LABEL_ZONE	"topology.kubernetes.io/zone"

static void add_address(struct k8s_addresses *list, const struct addr *a)
{
	xgrow(&list->list, list->n, sizeof(*a));
	list->list[list->n++] = *a;
}

static bool same_addresses(const struct k8s_addresses *a, const struct k8s_addresses *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (addr_cmp(&a->list[i], &b->list[i]))
			return false;
	return true;
}

static bool replace_addresses(struct k8s_addresses *to, struct k8s_addresses *from)
{
	bool same = same_addresses(to, from);

	free(to->list);
	*to = *from;
	return !same;
}

/* The primary addresses, one or none of a family. */
static void find_ips(const struct node *n, struct k8s_addresses *list)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };
	const struct k8s_addresses configured = { n->config->node_ips, n->config->n_node_ips };
	const struct k8s_addresses *known = configured.n ? &configured : &n->node_ips;
	struct addr a;

	for (size_t i = 0; i < known->n; i++)
		add_address(list, &known->list[i]);
	for (size_t i = 0; !known->n && i < ARRAY_SIZE(families); i++)
		if (!primary_address(families[i], &a))
			add_address(list, &a);
}

bool node_addresses_changed(struct node *n)
{
	struct k8s_addresses ips = {};

	find_ips(n, &ips);
	return replace_addresses(&n->facts.ips, &ips);
}

bool node_configure(struct node *n, const struct config *config)
{
	bool changed = n->facts.scheduler != config->scheduler ||
		       n->facts.no_external_ips != config->no_external_ips;

	n->config = config;
	n->facts.name = config->node_name;
	n->facts.scheduler = config->scheduler;
	n->facts.no_external_ips = config->no_external_ips;
	n->facts.zone = config->zone ? config->zone : n->zone;
	return node_addresses_changed(n) || changed;
}

void node_init(struct node *n, const struct config *config)
{
	memset(n, 0, sizeof(*n));
	/* Files need not tell of them. */
	n->has_pod_cidrs = config->manifests;
	n->has_cidrs = config->manifests;
	node_configure(n, config);
}

static void free_cidrs(struct node *n)
{
	for (size_t i = 0; i < n->n_cidrs; i++) {
		free(n->cidrs[i].name);
		prefix_list_free(&n->cidrs[i].prefixes);
	}
	free(n->cidrs);
}

void node_free(struct node *n)
{
	free(n->zone);
	free(n->facts.ips.list);
	free(n->node_ips.list);
	prefix_list_free(&n->pod_cidrs);
	free_cidrs(n);
	memset(n, 0, sizeof(*n));
}

static bool take_zone(struct node *n, const json_t *object)
{
	const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
	const char *zone = json_string_value(json_object_get(labels, LABEL_ZONE));
	bool same = n->zone && zone ? !strcmp(n->zone, zone) : !n->zone && !zone;

	if (same)
		return false;
	free(n->zone);
	n->zone = zone ? xstrdup(zone) : NULL;
	n->facts.zone = n->config->zone ? n->config->zone : n->zone;
	return true;
}

static bool has_family(const struct k8s_addresses *list, uint16_t family)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->list[i].family == family)
			return true;
	return false;
}

/* The first InternalIP of each family, as kubelet puts the primary one first. */
static bool take_addresses(struct node *n, const json_t *object)
{
	const json_t *array = json_object_get(json_object_get(object, "status"), "addresses");
	struct k8s_addresses ips = {};
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)array, i, item) {
		const char *type = json_string_value(json_object_get(item, "type"));
		const char *text = json_string_value(json_object_get(item, "address"));
		struct addr a;

		if (type && text && !strcmp(type, "InternalIP") && !addr_parse_sloppy(text, &a) &&
		    addr_is_host(&a) && !has_family(&ips, a.family))
			add_address(&ips, &a);
	}
	return replace_addresses(&n->node_ips, &ips) && node_addresses_changed(n);
}

/* Q7: the first of each family. */
static void add_prefix(struct prefix_list *list, const json_t *text)
{
	struct prefix p;

	if (!json_is_string(text))
		return;
	if (prefix_parse_sloppy(json_string_value(text), &p)) {
		log_line(LOG_WARNING, "Pod CIDR of the Node is none",
			 F_TEXT("cidr", json_string_value(text)));
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		if (list->prefixes[i].addr.family == p.addr.family)
			return;
	prefix_list_add(list, &p);
}

static bool same_prefixes(const struct prefix_list *a, const struct prefix_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (prefix_cmp(&a->prefixes[i], &b->prefixes[i]))
			return false;
	return true;
}

static bool take_pod_cidrs(struct node *n, const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec");
	const json_t *array = json_object_get(spec, "podCIDRs"), *item;
	struct prefix_list list = {};
	bool news;
	size_t i;

	json_array_foreach((json_t *)array, i, item)
		add_prefix(&list, item);
	if (!json_array_size(array))
		add_prefix(&list, json_object_get(spec, "podCIDR"));
	prefix_list_unify(&list);
	news = !n->has_pod_cidrs || !same_prefixes(&n->pod_cidrs, &list);
	prefix_list_free(&n->pod_cidrs);
	n->pod_cidrs = list;
	n->has_pod_cidrs = true;
	return news && n->config->detect_local == DETECT_NODE_CIDR;
}

/* A Node that is gone for a moment takes nothing with it. */
bool node_put(struct node *n, const json_t *object)
{
	bool changed = false;

	if (!object)
		return false;
	changed |= take_zone(n, object);
	changed |= take_addresses(n, object);
	changed |= take_pod_cidrs(n, object);
	return changed;
}

void node_cidrs_begin(struct node *n)
{
	for (size_t i = 0; i < n->n_cidrs; i++)
		n->cidrs[i].stale = true;
}

static void remove_cidr(struct node *n, size_t i)
{
	free(n->cidrs[i].name);
	prefix_list_free(&n->cidrs[i].prefixes);
	n->cidrs[i] = n->cidrs[--n->n_cidrs];
}

void node_cidrs_end(struct node *n)
{
	for (size_t i = n->n_cidrs; i-- > 0;)
		if (n->cidrs[i].stale)
			remove_cidr(n, i);
	n->has_cidrs = true;
}

void node_del_cidr(struct node *n, const char *name)
{
	for (size_t i = n->n_cidrs; i-- > 0;)
		if (!strcmp(n->cidrs[i].name, name))
			remove_cidr(n, i);
}

void node_keep_cidr(struct node *n, const char *name)
{
	for (size_t i = 0; i < n->n_cidrs; i++)
		if (!strcmp(n->cidrs[i].name, name))
			n->cidrs[i].stale = false;
}

/* The kernel's limit is for all of them together. */
static size_t count_others(const struct node *n, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < n->n_cidrs; i++)
		if (strcmp(n->cidrs[i].name, name))
			count += n->cidrs[i].prefixes.n;
	return count;
}

static int read_cidrs(struct jread *r, const json_t *object, struct prefix_list *list)
{
	json_t *spec, *array, *item;
	struct prefix p;

	if (jread_get(r, object, "spec", JSON_OBJECT, &spec))
		return -1;
	jread_push(r, "spec", JREAD_NO_INDEX);
	if (jread_get(r, spec, "cidrs", JSON_ARRAY, &array))
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		jread_push(r, "cidrs", i);
		if (jread_element(r, array, i, JSON_STRING, &item))
			return -1;
		if (prefix_parse_sloppy(json_string_value(item), &p))
			return jread_fail(r, NULL, "\"%.60s\" is not ADDR/LENGTH",
					  json_string_value(item));
		prefix_list_add(list, &p);
		jread_pop(r);
	}
	jread_pop(r);
	return 0;
}

int node_put_cidr(struct node *n, const json_t *object, struct err *e)
{
	const char *name = json_string_value(json_object_get(json_object_get(object, "metadata"),
							     "name"));
	struct prefix_list list = {};
	struct jread r = { .e = e };
	struct service_cidr *cidr;
	int err;

	if (!name)
		return err_set(e, "ServiceCIDR: metadata.name: is missing");
	snprintf(r.object, sizeof(r.object), "ServiceCIDR %.253s: ", name);
	err = read_cidrs(&r, object, &list);
	if (!err && count_others(n, name) + list.n > KSVC_MAX_PREFIXES)
		err = jread_fail(&r, "spec.cidrs", "more than %d of all ServiceCIDRs",
				 KSVC_MAX_PREFIXES);
	if (err) {
		node_keep_cidr(n, name);
		prefix_list_free(&list);
		return -1;
	}
	node_del_cidr(n, name);
	/* Removal may have left more room than the count says. */
	n->cidrs = xrealloc(n->cidrs, n->n_cidrs + 1, sizeof(*n->cidrs));
	cidr = &n->cidrs[n->n_cidrs++];
	*cidr = (struct service_cidr){ .name = xstrdup(name), .prefixes = list };
	return 0;
}

static void add_hosts(struct prefix_list *list, const struct k8s_addresses *ips)
{
	for (size_t i = 0; i < ips->n; i++) {
		const struct prefix p = { ips->list[i], addr_bits(&ips->list[i]) };

		prefix_list_add(list, &p);
	}
}

static void copy_names(struct name_list *to, const struct name_list *from)
{
	to->names = xcalloc(from->n, sizeof(*from->names));
	memcpy(to->names, from->names, from->n * sizeof(*from->names));
	to->n = from->n;
}

void node_settings(const struct node *n, struct settings *s)
{
	const struct settings *from = &n->config->settings;

	*s = *from;
	memset(&s->cluster_cidrs, 0, sizeof(s->cluster_cidrs));
	memset(&s->service_cidrs, 0, sizeof(s->service_cidrs));
	memset(&s->nodeport_addresses, 0, sizeof(s->nodeport_addresses));
	memset(&s->pod_interfaces, 0, sizeof(s->pod_interfaces));
	s->has = HAS_ALL_SETTINGS & ~HAS_AFFINITY_ENTRIES;
	/* What nobody has told yet, stays as it is in the kernel. */
	if (n->config->detect_local == DETECT_NODE_CIDR && !n->has_pod_cidrs)
		s->has &= ~HAS_CLUSTER_CIDRS;
	if (!n->has_cidrs)
		s->has &= ~HAS_SERVICE_CIDRS;
	prefix_list_copy(&s->cluster_cidrs, n->config->detect_local == DETECT_NODE_CIDR ?
			 &n->pod_cidrs : &from->cluster_cidrs);
	prefix_list_copy(&s->nodeport_addresses, &from->nodeport_addresses);
	if (from->pod_interfaces.n)
		copy_names(&s->pod_interfaces, &from->pod_interfaces);
	if (n->config->nodeport_primary)
		add_hosts(&s->nodeport_addresses, &n->facts.ips);
	for (size_t i = 0; i < n->n_cidrs; i++)
		for (size_t j = 0; j < n->cidrs[i].prefixes.n; j++)
			prefix_list_add(&s->service_cidrs, &n->cidrs[i].prefixes.prefixes[j]);
	prefix_list_unify(&s->service_cidrs);
}
