// SPDX-License-Identifier: GPL-2.0
/* JSON to Services and EndpointSlices: documents, lists, and what both kinds have. */
#include "k8s_read.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PORTS		4096

static void add_text(struct k8s_texts *list, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	xgrow(&list->list, list->n, sizeof(*list->list));
	list->list[list->n++] = text;
}

void k8s_note(struct k8s *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(&k->notes, fmt, ap);
	va_end(ap);
}

void k8s_warn(struct k8s *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(&k->warnings, fmt, ap);
	va_end(ap);
}

void k8s_warn_field(struct k8s *k, const struct jread *r, const char *key,
		    const char *fmt, ...)
{
	struct jread copy = *r;
	char text[512];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	copy.e = &e;
	jread_fail(&copy, key, "%s", text);
	k8s_warn(k, "%s", e.text);
}

void k8s_texts_clear(struct k8s_texts *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->list[i]);
	free(list->list);
	memset(list, 0, sizeof(*list));
}

/* *name is not interned yet. */
static int read_port(struct jread *r, const json_t *o, bool slice, const char **name,
		     struct k8s_port *p)
{
	const char *protocol;
	long port = 0, node_port = 0;

	if (jread_string(r, o, "name", name) ||
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

int k8s_read_ports(struct jread *r, const json_t *o, bool slice,
		   struct k8s_port **ports, size_t *n)
{
	json_t *array, *item;

	if (jread_get(r, o, "ports", JSON_ARRAY, &array))
		return -1;
	if (json_array_size(array) > MAX_PORTS)
		return jread_fail(r, "ports", "has more than %d entries", MAX_PORTS);
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct k8s_port p = {};
		const char *name;
		int err;

		jread_push(r, "ports", i);
		err = jread_element(r, array, i, JSON_OBJECT, &item);
		if (!err)
			err = read_port(r, item, slice, &name, &p);
		jread_pop(r);
		if (err)
			return -1;
		/* E2, and the default of a Service's port. */
		if (slice && (!name || !p.port))
			continue;
		p.name = intern(name ? name : "");
		xgrow(ports, *n, sizeof(p));
		(*ports)[(*n)++] = p;
	}
	return 0;
}

int k8s_read_string(struct jread *r, const json_t *array, const char *key, size_t i,
		    const char **s)
{
	json_t *v;
	int err;

	jread_push(r, key, i);
	err = jread_element(r, array, i, JSON_STRING, &v);
	jread_pop(r);
	*s = err ? NULL : json_string_value(v);
	return err;
}

static int read_identity(struct jread *r, const json_t *o, struct k8s_meta *meta)
{
	const char *name, *ns;

	if (jread_string(r, o, "name", &name) || jread_string(r, o, "namespace", &ns))
		return -1;
	if (!name || !*name)
		return jread_fail(r, "name", "is missing");
	/* They part the names that services have here. */
	if (strpbrk(name, "/:"))
		return jread_fail(r, "name", "\"%.60s\" is no object's name", name);
	if (ns && strpbrk(ns, "/:"))
		return jread_fail(r, "namespace", "\"%.60s\" is no namespace's name", ns);
	meta->name = name;
	meta->ns = ns && *ns ? ns : "default";
	return 0;
}

int k8s_read_meta(struct jread *r, const json_t *root, const char *kind,
		  struct k8s_meta *meta)
{
	json_t *o;

	memset(meta, 0, sizeof(*meta));
	snprintf(r->object, sizeof(r->object), "%s: ", kind);
	if (jread_get(r, root, "metadata", JSON_OBJECT, &o))
		return -1;
	jread_push(r, "metadata", JREAD_NO_INDEX);
	if (read_identity(r, o, meta) ||
	    jread_string(r, o, "resourceVersion", &meta->version) ||
	    jread_get(r, o, "labels", JSON_OBJECT, &meta->labels) ||
	    jread_get(r, o, "annotations", JSON_OBJECT, &meta->annotations))
		return -1;
	jread_pop(r);
	/* The name says more than a place in a list. */
	r->hidden = r->depth;
	snprintf(r->object, sizeof(r->object), "%s %.253s/%.253s: ", kind, meta->ns,
		 meta->name);
	return 0;
}

const char *k8s_annotation(struct k8s *k, struct jread *r, const struct k8s_meta *meta,
			   const char *key)
{
	const json_t *v = json_object_get(meta->annotations, key);

	if (!v || json_is_string(v))
		return json_string_value(v);
	jread_push(r, "metadata.annotations", JREAD_NO_INDEX);
	k8s_warn_field(k, r, key, "must be a string; left out");
	jread_pop(r);
	return NULL;
}

/* What a list says of its items, which may leave it out then. */
struct list {
	const char *kind, *version;	/* NULL: they say themselves */
};

static int add_object(struct k8s *k, struct jread *r, const json_t *root,
		      const struct list *list);

static int add_items(struct k8s *k, struct jread *r, const json_t *root,
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
		if (err < 0)
			return -1;
		jread_pop(r);
	}
	return 0;
}

static int add_other(struct k8s *k, struct jread *r, const json_t *root,
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

static int add_new(struct k8s *k, enum k8s_kind kind, struct jread *r, const json_t *root)
{
	int new = k8s_put_read(k, kind, r, root);

	return new ? new : jread_fail(r, NULL, "is given twice");
}

static int add_object(struct k8s *k, struct jread *r, const json_t *root,
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
		return add_new(k, K8S_SERVICE, r, root);
	if (!strcmp(version, "discovery.k8s.io/v1") && !strcmp(kind, "EndpointSlice"))
		return add_new(k, K8S_SLICE, r, root);
	if (!list && !strcmp(version, "v1") && !strcmp(kind, "List"))
		return add_items(k, r, root, NULL, NULL);
	if (!list && !strcmp(version, "v1") && !strcmp(kind, "ServiceList"))
		return add_items(k, r, root, "Service", version);
	if (!list && !strcmp(version, "discovery.k8s.io/v1") &&
	    !strcmp(kind, "EndpointSliceList"))
		return add_items(k, r, root, "EndpointSlice", version);
	return add_other(k, r, root, kind, version);
}

int k8s_add(struct k8s *k, const json_t *root, struct err *e)
{
	struct jread r = { .e = e };

	if (!json_is_object(root))
		return err_set(e, "not a Kubernetes object");
	return add_object(k, &r, root, NULL) < 0 ? -1 : 0;
}
