// SPDX-License-Identifier: GPL-2.0
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include "lib/jread.h"
#include "log.h"

#define GRACE		(10 * 1000 * 1000ull)
#define TRIGGER		"endpoints.kubernetes.io/last-change-trigger-time"

const char *kind_name(enum kind kind)
{
	static const char *const names[] = {
		[KIND_SERVICE] = "Service",
		[KIND_SLICE] = "EndpointSlice",
		[KIND_NODE] = "Node",
		[KIND_SERVICE_CIDR] = "ServiceCIDR",
	};

	return names[kind];
}

static enum k8s_kind k8s_kind(enum kind kind)
{
	return kind == KIND_SERVICE ? K8S_SERVICE : K8S_SLICE;
}

static bool in_collection(enum kind kind)
{
	return kind == KIND_SERVICE || kind == KIND_SLICE;
}

static void log_texts(struct k8s_texts *list, int level)
{
	for (size_t i = 0; i < list->n; i++)
		log_line(level, "Object not applied as it is", F_TEXT("reason", list->list[i]));
	k8s_texts_clear(list);
}

static void refuse(struct daemon *d, enum kind kind, const char *why)
{
	d->metrics.refused[kind]++;
	log_line(LOG_WARNING, "Object refused", F_TEXT("kind", kind_name(kind)),
		 F_TEXT("reason", why));
}

/* What needs settings or all of the collection. */
void objects_node_changed(struct daemon *d)
{
	struct settings s;

	node_settings(&d->node, &s);
	engine_set_settings(&d->engine, &s);
	k8s_dirty_all(&d->engine.objects);
	report_waiting(d, instant_now());
	serve_addresses(d);
	engine_changed(&d->engine);
}

/* Without a Node, or without ServiceCIDRs, there is less, but nothing wrong. */
static bool all_listed(const struct daemon *d, bool patient)
{
	if (!d->listed[KIND_SERVICE] || !d->listed[KIND_SLICE])
		return false;
	if (d->dir || !patient)
		return true;
	return d->listed[KIND_NODE] && d->listed[KIND_SERVICE_CIDR];
}

static void enable(struct daemon *d)
{
	if (d->engine.enabled)
		return;
	log_line(LOG_NOTICE, "All objects listed",
		 F_INT("services", d->engine.objects.n_services),
		 F_INT("slices", d->engine.objects.slices.n));
	d->metrics.ready = true;
	engine_enable(&d->engine);
}

static int on_grace(sd_event_source *source, uint64_t usec, void *data)
{
	struct daemon *d = data;

	(void)source;
	(void)usec;
	if (d->engine.enabled)
		return 0;
	log_line(LOG_WARNING, "Goes on without Node or ServiceCIDRs",
		 F_TEXT("node", d->listed[KIND_NODE] ? "listed" : "not listed"),
		 F_TEXT("service_cidrs", d->listed[KIND_SERVICE_CIDR] ? "listed" : "not listed"));
	enable(d);
	return 0;
}

static void begin_if_listed(struct daemon *d)
{
	if (d->engine.enabled)
		return;
	if (all_listed(d, true)) {
		enable(d);
	} else if (all_listed(d, false) && !d->grace) {
		sd_event_add_time_relative(d->loop, &d->grace, CLOCK_MONOTONIC, GRACE, 0,
					   on_grace, d);
	}
}

static void list_begin(void *data, enum kind kind)
{
	struct daemon *d = data;

	if (in_collection(kind))
		k8s_list_begin(&d->engine.objects, k8s_kind(kind));
	else if (kind == KIND_SERVICE_CIDR)
		node_cidrs_begin(&d->node);
	else
		d->has_node = false;
}

static void list_end(void *data, enum kind kind)
{
	struct daemon *d = data;
	bool again = d->listed[kind];

	if (in_collection(kind)) {
		k8s_list_end(&d->engine.objects, k8s_kind(kind));
		/* Connections break when more than a server does. */
		if (again)
			engine_distrust(&d->engine);
		report_waiting(d, instant_now());
		engine_changed(&d->engine);
	} else if (kind == KIND_SERVICE_CIDR) {
		node_cidrs_end(&d->node);
		objects_node_changed(d);
	} else if (!d->has_node) {
		/* Perhaps it went while nobody watched. */
		proxy_set_node(&d->proxy, NULL);
		log_line(LOG_ERR, "No Node of this name: no endpoint is local, see --hostname-override",
			 F_TEXT("node", d->config.node_name));
	}
	d->metrics.events[kind][METRICS_LISTED]++;
	d->metrics.relists += again;
	d->listed[kind] = true;
	begin_if_listed(d);
}

/* "2006-01-02T15:04:05Z", perhaps with a fraction; 0 if it is none. */
static double parse_time(const char *text)
{
	struct tm tm = {};
	double fraction = 0;
	const char *end;
	char *rest;

	end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!end)
		return 0;
	if (*end == '.') {
		fraction = strtod(end, &rest);
		end = rest;
	}
	return strcmp(end, "Z") ? 0 : timegm(&tm) + fraction;
}

/* Only of what happens while it is watched: the list tells of days ago. */
static void note_trigger(struct daemon *d, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	const json_t *text = json_object_get(json_object_get(meta, "annotations"), TRIGGER);
	const char *type = json_string_value(json_object_get(object, "addressType"));
	double time = parse_time(json_string_value(text));

	if (!d->engine.ever || !time || !type || d->n_triggers == MAX_TRIGGERS)
		return;
	d->triggers[d->n_triggers].family = strcmp(type, "IPv6") ? K8S_V4 : K8S_V6;
	d->triggers[d->n_triggers++].time = time;
}

static void put_in_collection(struct daemon *d, enum kind kind, const json_t *object)
{
	struct k8s *k = &d->engine.objects;
	size_t dirty = k->dirty.n;
	struct err e;

	if (k8s_put(k, k8s_kind(kind), object, &e) < 0) {
		refuse(d, kind, e.text);
		return;
	}
	log_texts(&k->warnings, LOG_WARNING);
	if (k->dirty.n == dirty)
		return;
	if (kind == KIND_SLICE)
		note_trigger(d, object);
	report_change(d, kind);
	engine_changed(&d->engine);
}

static void put(void *data, enum kind kind, const json_t *object)
{
	struct daemon *d = data;
	struct err e;

	d->metrics.events[kind][METRICS_PUT]++;
	if (in_collection(kind)) {
		put_in_collection(d, kind, object);
	} else if (kind == KIND_NODE) {
		d->has_node = true;
		proxy_set_node(&d->proxy, object);
		if (node_put(&d->node, object))
			objects_node_changed(d);
	} else if (node_put_cidr(&d->node, object, &e)) {
		refuse(d, kind, e.text);
	} else if (d->listed[kind] || d->dir) {
		objects_node_changed(d);
	}
}

static void del(void *data, enum kind kind, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	const char *ns = json_string_value(json_object_get(meta, "namespace"));
	const char *name = json_string_value(json_object_get(meta, "name"));
	struct daemon *d = data;

	d->metrics.events[kind][METRICS_DELETED]++;
	if (!name) {
		refuse(d, kind, "a deleted object without metadata.name");
	} else if (in_collection(kind)) {
		k8s_del(&d->engine.objects, k8s_kind(kind), ns ? ns : "default", name);
		report_change(d, kind);
		engine_changed(&d->engine);
	} else if (kind == KIND_NODE) {
		d->has_node = false;
		proxy_set_node(&d->proxy, NULL);
	} else {
		node_del_cidr(&d->node, name);
		objects_node_changed(d);
	}
}

static void keep(void *data, enum kind kind, const char *ns, const char *name)
{
	struct daemon *d = data;

	if (in_collection(kind))
		k8s_keep(&d->engine.objects, k8s_kind(kind), *ns ? ns : "default", name);
	else if (kind == KIND_SERVICE_CIDR)
		node_keep_cidr(&d->node, name);
	else
		d->has_node = true;
}

static void broken(void *data, const char *where, const char *why)
{
	struct daemon *d = data;

	d->metrics.broken++;
	log_line(LOG_WARNING, "Input not readable", F_TEXT("where", where),
		 F_TEXT("reason", why));
}

void objects_init(struct daemon *d)
{
	d->sink = (struct sink){
		.list_begin = list_begin,
		.list_end = list_end,
		.put = put,
		.del = del,
		.keep = keep,
		.broken = broken,
		.data = d,
	};
}

void objects_free(struct daemon *d)
{
	sd_event_source_unref(d->grace);
}
