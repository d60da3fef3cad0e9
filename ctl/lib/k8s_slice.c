// SPDX-License-Identifier: GPL-2.0
/* JSON to EndpointSlices; everything that can be malformed. */
#include <stdlib.h>
#include <string.h>

#include "k8s_read.h"

#define LABEL_HEADLESS		"service.kubernetes.io/headless"
#define LABEL_SERVICE_NAME	"kubernetes.io/service-name"
#define ANNOTATION_WEIGHT	"ksvc.io/weight"
#define MAX_HINTS		256
#define MAX_ENDPOINTS		65535	/* of a service in the kernel; the API server has 1,000 */

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

/* The names of one kind, each followed by a newline, or NULL. */
static int read_hint(struct jread *r, const json_t *hints, const char *key,
		     const char **list)
{
	char *names = NULL, *longer;
	json_t *array, *item;
	const char *name;
	int err = 0;

	if (jread_get(r, hints, key, JSON_ARRAY, &array))
		return -1;
	if (json_array_size(array) > MAX_HINTS)
		return jread_fail(r, key, "has more than %d entries", MAX_HINTS);
	for (size_t i = 0; i < json_array_size(array) && !err; i++) {
		jread_push(r, key, i);
		err = jread_element(r, array, i, JSON_OBJECT, &item) ||
		      jread_string(r, item, "name", &name);
		if (!err && !name)
			err = jread_fail(r, "name", "is missing");
		jread_pop(r);
		if (err)
			break;
		longer = xasprintf("%s%s\n", names ? names : "", name);
		free(names);
		names = longer;
	}
	if (!err)
		*list = intern(names);
	free(names);
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
	const char *text, *node;
	json_t *addresses;

	if (jread_get(r, o, "addresses", JSON_ARRAY, &addresses) ||
	    jread_string(r, o, "nodeName", &node) ||
	    read_conditions(r, o, ep) || read_hints(r, o, ep))
		return -1;
	ep->node = intern(node);
	if (!json_array_size(addresses))
		return 1;
	if (k8s_read_string(r, addresses, "addresses", 0, &text))	/* E2 */
		return -1;
	jread_push(r, "addresses", 0);
	if (addr_parse_sloppy(text, &ep->addr))
		return jread_fail(r, NULL, "\"%.60s\" is not an IP address", text);
	if (ep->addr.family != family)
		return jread_fail(r, NULL, "%s is not of the slice's addressType", text);
	if (!addr_is_host(&ep->addr))
		return jread_fail(r, NULL, "%s is not an address that a host can have", text);
	jread_pop(r);
	return 0;
}

static void free_endpoint(struct k8s_endpoint *ep)
{
	intern_put(ep->node);
	intern_put(ep->zone_hints);
	intern_put(ep->node_hints);
}

static int read_endpoints(struct jread *r, const json_t *root, struct k8s_slice *s)
{
	json_t *array, *item;

	if (jread_get(r, root, "endpoints", JSON_ARRAY, &array))
		return -1;
	if (json_array_size(array) > MAX_ENDPOINTS)
		return jread_fail(r, "endpoints", "has more than %d entries", MAX_ENDPOINTS);
	s->endpoints = xcalloc(json_array_size(array), sizeof(*s->endpoints));
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct k8s_endpoint ep = {};
		int err;

		jread_push(r, "endpoints", i);
		err = jread_element(r, array, i, JSON_OBJECT, &item);
		if (!err)
			err = read_endpoint(r, item, s->family, &ep);
		if (!err)
			s->endpoints[s->n_endpoints++] = ep;
		else
			free_endpoint(&ep);
		if (err < 0)
			return -1;
		jread_pop(r);
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
	if (k8s_read_ports(r, root, true, &s->ports, &s->n_ports) || read_endpoints(r, root, s))
		return -1;
	return 0;
}

static void read_weight(struct k8s *k, struct jread *r, const struct k8s_meta *meta,
			struct k8s_slice *s)
{
	const char *text = k8s_annotation(k, r, meta, ANNOTATION_WEIGHT);
	unsigned long weight = 1;

	if (text && parse_uint(text, KSVC_WEIGHT_MAX, &weight)) {
		weight = 1;
		jread_push(r, "metadata.annotations", JREAD_NO_INDEX);
		k8s_warn_field(k, r, ANNOTATION_WEIGHT, "must be 0 to %d, not \"%.40s\"; 1 is used",
			       KSVC_WEIGHT_MAX, text);
		jread_pop(r);
	}
	s->weight = weight;
}

int k8s_read_slice(struct k8s *k, struct jread *r, const json_t *root,
		   const struct k8s_meta *meta, struct k8s_slice *s,
		   const char **service)
{
	int err;

	jread_push(r, "metadata.labels", JREAD_NO_INDEX);
	if (jread_string(r, meta->labels, LABEL_SERVICE_NAME, service))
		return -1;
	jread_pop(r);
	read_weight(k, r, meta, s);
	err = read_slice(r, root, s);
	/* S3: it stays, so that a second one of its name is noticed. */
	s->skipped = err > 0 || !*service || json_object_get(meta->labels, LABEL_HEADLESS);
	return err < 0 ? -1 : 0;
}

void k8s_slice_free(struct k8s_slice *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_ports; i++)
		intern_put(s->ports[i].name);
	for (size_t i = 0; i < s->n_endpoints; i++)
		free_endpoint(&s->endpoints[i]);
	free(s->ports);
	free(s->endpoints);
	intern_put(s->version);
	free(s->ns);
	free(s->name);
	free(s);
}
