// SPDX-License-Identifier: GPL-2.0
/* JSON to Services and EndpointSlices; everything that can be malformed. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "jread.h"
#include "k8s.h"

#define LABEL_PROXY_NAME	"service.kubernetes.io/service-proxy-name"
#define LABEL_HEADLESS		"service.kubernetes.io/headless"
#define LABEL_SERVICE_NAME	"kubernetes.io/service-name"
#define MAX_PORTS		4096

void k8s_note(struct k8s *k, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	xgrow(&k->notes, k->n_notes, sizeof(*k->notes));
	k->notes[k->n_notes++] = text;
}

void k8s_free(struct k8s *k)
{
	for (size_t i = 0; i < k->n_services; i++)
		free(k->services[i].ports);
	for (size_t i = 0; i < k->n_slices; i++) {
		free(k->slices[i].ports);
		free(k->slices[i].endpoints);
	}
	for (size_t i = 0; i < k->n_documents; i++)
		json_decref(k->documents[i]);
	for (size_t i = 0; i < k->n_notes; i++)
		free(k->notes[i]);
	free(k->services);
	free(k->slices);
	free(k->documents);
	free(k->notes);
	memset(k, 0, sizeof(*k));
}

static int read_port(struct jread *r, const json_t *o, bool slice, struct k8s_port *p)
{
	const char *protocol;
	long port = 0, node_port = 0;

	if (jread_string(r, o, "name", &p->name) ||
	    jread_int(r, o, "port", slice ? 0 : 1, 65535, &port) ||
	    jread_string(r, o, "protocol", &protocol) ||
	    (!slice && jread_int(r, o, "nodePort", 0, 65535, &node_port)))
		return -1;
	if (!slice && !port)
		return jread_fail(r, "port", "is missing");
	p->port = port;
	p->node_port = node_port;
	if (!protocol)
		p->protocol = IPPROTO_TCP;
	else if (strcmp(protocol, "TCP") && strcmp(protocol, "UDP") && strcmp(protocol, "SCTP"))
		return jread_fail(r, "protocol", "must be TCP, UDP or SCTP, not \"%.40s\"",
				  protocol);
	else
		protocol_parse(protocol, &p->protocol);
	return 0;
}

static int read_ports(struct jread *r, const json_t *o, bool slice,
		      struct k8s_port **ports, size_t *n)
{
	json_t *array, *item;

	if (jread_get(r, o, "ports", JSON_ARRAY, &array))
		return -1;
	if (json_array_size(array) > MAX_PORTS)
		return jread_fail(r, "ports", "has more than %d entries", MAX_PORTS);
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct k8s_port p = {};
		int err;

		jread_push(r, "ports", i);
		err = jread_element(r, array, i, JSON_OBJECT, &item);
		if (!err)
			err = read_port(r, item, slice, &p);
		jread_pop(r);
		if (err)
			return -1;
		/* E2, and the default of a Service's port. */
		if (slice && (!p.name || !p.port))
			continue;
		if (!p.name)
			p.name = "";
		xgrow(ports, *n, sizeof(p));
		(*ports)[(*n)++] = p;
	}
	return 0;
}

static bool is_headless(const char *ip)
{
	return !ip || !*ip || !strcmp(ip, "None");
}

static int read_cluster_ip(struct jread *r, const char *key, size_t index,
			   const char *text, struct k8s_service *s, uint16_t family)
{
	struct addr a;
	int err = 0;

	if (is_headless(text))
		return 0;
	jread_push(r, key, index);
	if (addr_parse_sloppy(text, &a))
		err = jread_fail(r, NULL, "\"%.60s\" is not an IP address", text);
	else if (family && a.family != family)
		err = jread_fail(r, NULL, "%s is not of the family that spec.ipFamilies gives",
				 text);
	else
		s->cluster_ip[a.family == AF_INET ? K8S_V4 : K8S_V6] = a;
	jread_pop(r);
	return err;
}

static int read_element_string(struct jread *r, const json_t *array, const char *key,
			       size_t i, const char **s)
{
	json_t *v;
	int err;

	jread_push(r, key, i);
	err = jread_element(r, array, i, JSON_STRING, &v);
	jread_pop(r);
	*s = err ? NULL : json_string_value(v);
	return err;
}

/* S4: the address at the family's place in ipFamilies, or clusterIP's own. */
static int read_cluster_ips(struct jread *r, const json_t *spec, struct k8s_service *s)
{
	const char *ip, *family, *list_ip;
	json_t *families, *ips;

	if (jread_string(r, spec, "clusterIP", &ip) ||
	    jread_get(r, spec, "ipFamilies", JSON_ARRAY, &families) ||
	    jread_get(r, spec, "clusterIPs", JSON_ARRAY, &ips))
		return -1;
	if (is_headless(ip)) {
		s->skipped = "it is headless";		/* S1 */
		return 0;
	}
	if (!json_array_size(families))
		return read_cluster_ip(r, "clusterIP", JREAD_NO_INDEX, ip, s, 0);
	for (size_t i = 0; i < json_array_size(families); i++) {
		bool v4;

		if (read_element_string(r, families, "ipFamilies", i, &family))
			return -1;
		v4 = !strcmp(family, "IPv4");
		if (!v4 && strcmp(family, "IPv6"))
			return jread_fail(r, "ipFamilies", "\"%.40s\" is neither IPv4 nor IPv6",
					  family);
		if (i >= json_array_size(ips))
			continue;
		if (read_element_string(r, ips, "clusterIPs", i, &list_ip) ||
		    read_cluster_ip(r, "clusterIPs", i, list_ip, s, v4 ? AF_INET : AF_INET6))
			return -1;
	}
	return 0;
}

static int count_external_ips(struct jread *r, const json_t *spec, struct k8s_service *s)
{
	json_t *ips;
	const char *ip;
	struct addr a;

	if (jread_get(r, spec, "externalIPs", JSON_ARRAY, &ips))
		return -1;
	for (size_t i = 0; i < json_array_size(ips); i++) {
		if (read_element_string(r, ips, "externalIPs", i, &ip))
			return -1;
		s->external_ips += !addr_parse_sloppy(ip, &a);	/* S5 */
	}
	return 0;
}

/* S6 */
static int count_ingress_ips(struct jread *r, const json_t *root, struct k8s_service *s)
{
	json_t *status, *lb, *ingress, *item;
	const char *ip, *mode;
	struct addr a;
	int err = 0;

	if (jread_get(r, root, "status", JSON_OBJECT, &status))
		return -1;
	if (!status)
		return 0;
	jread_push(r, "status", JREAD_NO_INDEX);
	err = jread_get(r, status, "loadBalancer", JSON_OBJECT, &lb);
	if (!err && lb)
		err = jread_get(r, lb, "ingress", JSON_ARRAY, &ingress);
	for (size_t i = 0; !err && lb && i < json_array_size(ingress); i++) {
		jread_push(r, "loadBalancer.ingress", i);
		err = jread_element(r, ingress, i, JSON_OBJECT, &item);
		if (!err)
			err = jread_string(r, item, "ip", &ip);
		if (!err)
			err = jread_string(r, item, "ipMode", &mode);
		if (!err && ip && (!mode || !strcmp(mode, "VIP")))
			s->ingress_ips += !addr_parse_sloppy(ip, &a);
		jread_pop(r);
	}
	jread_pop(r);
	return err;
}

static int read_policies(struct jread *r, const json_t *spec, const char *type,
			 struct k8s_service *s)
{
	const char *internal, *external, *affinity;
	json_t *ranges;

	if (jread_string(r, spec, "internalTrafficPolicy", &internal) ||
	    jread_string(r, spec, "externalTrafficPolicy", &external) ||
	    jread_string(r, spec, "sessionAffinity", &affinity) ||
	    jread_get(r, spec, "loadBalancerSourceRanges", JSON_ARRAY, &ranges))
		return -1;
	s->internal_local = internal && !strcmp(internal, "Local");
	s->node_ports = type && (!strcmp(type, "NodePort") || !strcmp(type, "LoadBalancer"));
	/* S7 */
	s->external_local = external && !strcmp(external, "Local") &&
			    (s->node_ports || s->external_ips);
	s->affinity = affinity && !strcmp(affinity, "ClientIP");
	s->source_ranges = json_array_size(ranges) && s->ingress_ips;
	return 0;
}

static bool has_node_port(const struct k8s_service *s)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (s->ports[i].node_port)
			return true;
	return false;
}

static int read_spec(struct jread *r, const json_t *root, const json_t *spec,
		     struct k8s_service *s)
{
	const char *type;

	if (jread_string(r, spec, "type", &type))
		return -1;
	if (type && !strcmp(type, "ExternalName")) {
		s->skipped = "its type is ExternalName";	/* S1 */
		return 0;
	}
	if (read_cluster_ips(r, spec, s))
		return -1;
	if (!s->skipped && !s->cluster_ip[K8S_V4].family && !s->cluster_ip[K8S_V6].family)
		s->skipped = "it has no cluster IP in any family";	/* S4 */
	if (read_ports(r, spec, false, &s->ports, &s->n_ports) ||
	    count_external_ips(r, spec, s))
		return -1;
	jread_pop(r);
	if (count_ingress_ips(r, root, s))
		return -1;
	jread_push(r, "spec", JREAD_NO_INDEX);
	if (read_policies(r, spec, type, s))
		return -1;
	s->node_ports = s->node_ports && has_node_port(s);
	return 0;
}

struct meta {
	const char *ns, *name;
	json_t *labels;
};

static int read_meta(struct jread *r, const json_t *root, const char *kind,
		     struct meta *meta)
{
	json_t *o;

	snprintf(r->object, sizeof(r->object), "%s: ", kind);
	if (jread_get(r, root, "metadata", JSON_OBJECT, &o))
		return -1;
	jread_push(r, "metadata", JREAD_NO_INDEX);
	if (jread_string(r, o, "name", &meta->name) ||
	    jread_string(r, o, "namespace", &meta->ns) ||
	    jread_get(r, o, "labels", JSON_OBJECT, &meta->labels))
		return -1;
	if (!meta->name || !*meta->name)
		return jread_fail(r, "name", "is missing");
	jread_pop(r);
	if (!meta->ns || !*meta->ns)
		meta->ns = "default";
	/* The name says more than a place in a list. */
	r->hidden = r->depth;
	snprintf(r->object, sizeof(r->object), "%s %.253s/%.253s: ", kind, meta->ns,
		 meta->name);
	return 0;
}

static int add_service(struct k8s *k, struct jread *r, const json_t *root)
{
	struct k8s_service *s;
	struct meta meta;
	json_t *spec;

	if (read_meta(r, root, "Service", &meta) ||
	    jread_get(r, root, "spec", JSON_OBJECT, &spec))
		return -1;
	if (!spec)
		return jread_fail(r, "spec", "is missing");
	xgrow(&k->services, k->n_services, sizeof(*s));
	s = &k->services[k->n_services++];
	memset(s, 0, sizeof(*s));
	s->ns = meta.ns;
	s->name = meta.name;
	if (json_object_get(meta.labels, LABEL_PROXY_NAME)) {
		s->skipped = "another proxy serves it";		/* S2 */
		return 0;
	}
	jread_push(r, "spec", JREAD_NO_INDEX);
	if (read_spec(r, root, spec, s))
		return -1;
	jread_pop(r);
	return 0;
}

static int read_conditions(struct jread *r, const json_t *o, struct k8s_endpoint *ep)
{
	json_t *c;
	int err;

	/* E3 */
	ep->ready = true;
	ep->serving = true;
	if (jread_get(r, o, "conditions", JSON_OBJECT, &c))
		return -1;
	jread_push(r, "conditions", JREAD_NO_INDEX);
	err = jread_bool(r, c, "ready", &ep->ready) ||
	      jread_bool(r, c, "serving", &ep->serving) ||
	      jread_bool(r, c, "terminating", &ep->terminating);
	jread_pop(r);
	return err ? -1 : 0;
}

static int read_hint(struct jread *r, const json_t *hints, const char *key,
		     const json_t **list)
{
	const char *name;
	json_t *array, *item;
	int err = 0;

	if (jread_get(r, hints, key, JSON_ARRAY, &array))
		return -1;
	for (size_t i = 0; i < json_array_size(array) && !err; i++) {
		jread_push(r, key, i);
		err = jread_element(r, array, i, JSON_OBJECT, &item) ||
		      jread_string(r, item, "name", &name);
		if (!err && !name)
			err = jread_fail(r, "name", "is missing");
		jread_pop(r);
	}
	*list = json_array_size(array) ? array : NULL;
	return err ? -1 : 0;
}

static int read_hints(struct jread *r, const json_t *o, struct k8s_endpoint *ep)
{
	json_t *hints;
	int err;

	if (jread_get(r, o, "hints", JSON_OBJECT, &hints))
		return -1;
	jread_push(r, "hints", JREAD_NO_INDEX);
	err = read_hint(r, hints, "forZones", &ep->zone_hints) ||
	      read_hint(r, hints, "forNodes", &ep->node_hints);
	jread_pop(r);
	return err ? -1 : 0;
}

/* 1 for an endpoint without address. */
static int read_endpoint(struct jread *r, const json_t *o, uint16_t family,
			 struct k8s_endpoint *ep)
{
	json_t *addresses;
	const char *text;

	memset(ep, 0, sizeof(*ep));
	if (jread_get(r, o, "addresses", JSON_ARRAY, &addresses) ||
	    jread_string(r, o, "nodeName", &ep->node) ||
	    read_conditions(r, o, ep) || read_hints(r, o, ep))
		return -1;
	if (!json_array_size(addresses))
		return 1;
	if (read_element_string(r, addresses, "addresses", 0, &text))	/* E2 */
		return -1;
	jread_push(r, "addresses", 0);
	if (addr_parse_sloppy(text, &ep->addr))
		return jread_fail(r, NULL, "\"%.60s\" is not an IP address", text);
	if (ep->addr.family != family)
		return jread_fail(r, NULL, "%s is not of the slice's addressType", text);
	jread_pop(r);
	return 0;
}

static int read_endpoints(struct jread *r, const json_t *root, struct k8s_slice *s)
{
	json_t *array, *item;

	if (jread_get(r, root, "endpoints", JSON_ARRAY, &array))
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct k8s_endpoint ep;
		int err;

		jread_push(r, "endpoints", i);
		err = jread_element(r, array, i, JSON_OBJECT, &item);
		if (!err)
			err = read_endpoint(r, item, s->family, &ep);
		if (err < 0)
			return -1;
		jread_pop(r);
		if (err)
			continue;
		xgrow(&s->endpoints, s->n_endpoints, sizeof(ep));
		s->endpoints[s->n_endpoints++] = ep;
	}
	return 0;
}

static int read_slice(struct jread *r, const json_t *root, struct k8s_slice *s)
{
	const char *type;

	if (jread_string(r, root, "addressType", &type))
		return -1;
	if (!type)
		return jread_fail(r, "addressType", "is missing");
	if (!strcmp(type, "IPv4"))
		s->family = AF_INET;
	else if (!strcmp(type, "IPv6"))
		s->family = AF_INET6;
	else if (!strcmp(type, "FQDN"))
		return 1;
	else
		return jread_fail(r, "addressType", "\"%.40s\" is none of IPv4, IPv6, FQDN", type);
	if (read_ports(r, root, true, &s->ports, &s->n_ports) || read_endpoints(r, root, s))
		return -1;
	return 0;
}

static int add_slice(struct k8s *k, struct jread *r, const json_t *root)
{
	struct k8s_slice *s;
	struct meta meta;
	int err;

	if (read_meta(r, root, "EndpointSlice", &meta))
		return -1;
	xgrow(&k->slices, k->n_slices, sizeof(*s));
	s = &k->slices[k->n_slices++];
	memset(s, 0, sizeof(*s));
	s->ns = meta.ns;
	s->name = meta.name;
	jread_push(r, "metadata.labels", JREAD_NO_INDEX);
	if (jread_string(r, meta.labels, LABEL_SERVICE_NAME, &s->service))
		return -1;
	jread_pop(r);
	/* S3: it stays, so that a second one of its name is noticed. */
	if (json_object_get(meta.labels, LABEL_HEADLESS))
		s->service = NULL;
	err = read_slice(r, root, s);
	if (err > 0)
		s->service = NULL;
	return err < 0 ? -1 : 0;
}

/* What a list says of its items, which may leave it out then. */
struct list {
	const char *kind, *version;	/* NULL: they say themselves */
};

static int add_object(struct k8s *k, struct jread *r, json_t *root,
		      const struct list *list);

static int add_items(struct k8s *k, struct jread *r, json_t *root,
		     const char *kind, const char *version)
{
	const struct list list = { .kind = kind, .version = version };
	json_t *items, *item;

	if (jread_get(r, root, "items", JSON_ARRAY, &items))
		return -1;
	for (size_t i = 0; i < json_array_size(items); i++) {
		int err;

		*r->object = '\0';
		r->hidden = 0;
		jread_push(r, "items", i);
		err = jread_element(r, items, i, JSON_OBJECT, &item);
		if (!err)
			err = add_object(k, r, item, &list);
		if (err)
			return -1;
		jread_pop(r);
	}
	return 0;
}

static int add_other(struct k8s *k, struct jread *r, json_t *root,
		     const char *kind, const char *version)
{
	const json_t *name = json_object_get(json_object_get(root, "metadata"), "name");

	if (!strncmp(version, "discovery.k8s.io/", 17) && !strcmp(kind, "EndpointSlice"))
		return jread_fail(r, "apiVersion",
				  "\"%.60s\" is not supported, discovery.k8s.io/v1 is",
				  version);
	k8s_note(k, "%.100s %.100s %.253s: not a Service or EndpointSlice, ignored", version,
		 kind, json_is_string(name) ? json_string_value(name) : "without name");
	return 0;
}

static int add_object(struct k8s *k, struct jread *r, json_t *root,
		      const struct list *list)
{
	const char *kind, *version;

	if (jread_string(r, root, "kind", &kind) ||
	    jread_string(r, root, "apiVersion", &version))
		return -1;
	if (list && !kind)
		kind = list->kind;
	if (list && !version)
		version = list->version;
	if (!kind || !version)
		return jread_fail(r, kind ? "apiVersion" : "kind",
				  "is missing: not a Kubernetes object");
	if (!strcmp(version, "v1") && !strcmp(kind, "Service"))
		return add_service(k, r, root);
	if (!strcmp(version, "discovery.k8s.io/v1") && !strcmp(kind, "EndpointSlice"))
		return add_slice(k, r, root);
	if (!list && !strcmp(version, "v1") && !strcmp(kind, "List"))
		return add_items(k, r, root, NULL, NULL);
	if (!list && !strcmp(version, "v1") && !strcmp(kind, "ServiceList"))
		return add_items(k, r, root, "Service", version);
	if (!list && !strcmp(version, "discovery.k8s.io/v1") &&
	    !strcmp(kind, "EndpointSliceList"))
		return add_items(k, r, root, "EndpointSlice", version);
	return add_other(k, r, root, kind, version);
}

int k8s_add(struct k8s *k, json_t *root, struct err *e)
{
	struct jread r = { .e = e };

	if (!json_is_object(root))
		return err_set(e, "not a Kubernetes object");
	xgrow(&k->documents, k->n_documents, sizeof(*k->documents));
	k->documents[k->n_documents++] = json_incref(root);
	return add_object(k, &r, root, NULL);
}
