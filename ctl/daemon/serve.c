// SPDX-License-Identifier: GPL-2.0
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* A page of metrics may be large. */
#define MAX_CLIENTS	8
#define MAX_SWEEPS	1000
#define HEALTH_FAILURE	"FailedToStartServiceHealthcheck"

static void count_objects(struct daemon *d)
{
	d->metrics.objects[KIND_SERVICE] = d->engine.objects.n_services;
	d->metrics.objects[KIND_SLICE] = d->engine.objects.slices.n;
	d->metrics.objects[KIND_NODE] = d->has_node;
	d->metrics.objects[KIND_SERVICE_CIDR] = d->node.n_cidrs;
	d->metrics.drift = d->engine.counts.drift;
	d->metrics.sync_failures = d->engine.counts.failures;
}

/* What the source has counted, in the page's terms. */
static void count_api(struct daemon *d)
{
	const struct source_api_stats *stats = d->api ? source_api_stats(d->api) : NULL;

	memset(d->metrics.api_requests, 0, sizeof(d->metrics.api_requests));
	memset(d->metrics.api_errors, 0, sizeof(d->metrics.api_errors));
	for (int kind = 0; stats && kind < N_KINDS; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(stats->requests[kind]); i++)
			d->metrics.api_requests[i * 100] += stats->requests[kind][i];
		for (int i = API_ERROR_NONE + 1; i < N_API_ERRORS; i++) {
			d->metrics.api_errors[i].name = api_error_name(i);
			d->metrics.api_errors[i].n += stats->errors[kind][i];
		}
		d->metrics.events[kind][METRICS_BOOKMARK] = stats->events[kind][API_EVENT_BOOKMARK];
		d->metrics.events[kind][METRICS_ERROR] = stats->events[kind][API_EVENT_ERROR];
	}
}

/* Each pass since the last scrape as one of their mean; they are seconds apart, and few. */
static void count_sweeps(struct daemon *d, const struct nl_stats *stats)
{
	uint64_t n = stats->sweeps - d->seen.sweeps;
	double seconds = (stats->sweep_time - d->seen.sweep_time) / 1e9;

	/* The module was loaded anew. */
	if (stats->sweeps < d->seen.sweeps)
		n = 0;
	for (uint64_t i = 0; i < n && i < MAX_SWEEPS; i++) {
		histogram_observe(&d->metrics.family[K8S_V4].conntrack_sync, seconds / n);
		histogram_observe(&d->metrics.family[K8S_V6].conntrack_sync, seconds / n);
	}
	d->metrics.family[K8S_V4].conntrack_deleted = stats->swept_v4;
	d->metrics.family[K8S_V6].conntrack_deleted = stats->swept_v6;
	d->seen = *stats;
}

/* Those of before this daemon were counted by the one that was there then. */
static void skip_sweeps(struct daemon *d)
{
	struct nl *nl = engine_nl(&d->engine);
	struct err ignored;

	if (!nl || nl_stats(nl, &d->seen, &ignored))
		memset(&d->seen, 0, sizeof(d->seen));
}

/* What is asked for at once: little. */
static void collect_rest(struct daemon *d)
{
	struct scraped *from = &d->scraped;
	struct nl *nl = engine_nl(&d->engine);
	struct err ignored;

	from->has_info = nl && !nl_info(nl, &from->info, &ignored);
	from->has_stats = nl && !nl_stats(nl, &from->stats, &ignored);
	if (from->has_stats)
		count_sweeps(d, &from->stats);
	count_objects(d);
	count_api(d);
}

static void take_services(struct daemon *d, struct metrics_parts *parts)
{
	struct scraped *from = &d->scraped;

	from->services = metrics_services_of(collector_model(from->collector));
	parts->services = &from->services;
	for (int i = 0; i < K8S_FAMILIES; i++)
		for (int j = 0; j < N_POLICIES; j++)
			d->metrics.family[i].no_local[j] =
				collector_no_local(from->collector, i, j);
}

static int collect_services(struct scraped *from)
{
	if (from->collector)
		return collector_step(from->collector);
	from->collector = collector_new();
	return from->collector ? 1 : -1;
}

static int collect(void *data, struct metrics_parts *parts)
{
	struct daemon *d = data;
	struct scraped *from = &d->scraped;
	int r = collect_services(from);

	if (r > 0)
		return 1;
	collect_rest(d);
	parts->proxy = &d->proxy;
	parts->health = d->health;
	if (from->has_info) {
		parts->info = &from->info;
		parts->protocol = KSVC_FAMILY_VERSION;
	}
	if (from->has_stats)
		parts->stats = &from->stats;
	if (!r)
		take_services(d, parts);
	return 0;
}

static void release(void *data)
{
	struct daemon *d = data;

	collector_free(d->scraped.collector);
	d->scraped.collector = NULL;
}

static void report_bind(void *data, const struct http_place *place, int error)
{
	char buf[ENDPOINT_STRLEN];

	(void)data;
	hostport_format(&place->addr, place->port, buf);
	if (error)
		log_line(LOG_ERR, "Port not opened, tried again", F_TEXT("address", buf),
			 F_TEXT("reason", strerror(error)));
	else
		log_line(LOG_NOTICE, "Port opened", F_TEXT("address", buf));
}

/* H2 */
static void note_failure(struct daemon *d, const char *ns, const char *name, const char *where,
			 int error)
{
	char *text = xasprintf("node %s failed to start healthcheck \"%s/%s\" at %s: %s",
			       d->config.node_name, ns, name, where, strerror(error));
	const struct api_note note = {
		.ns = ns, .name = name, .reason = HEALTH_FAILURE, .action = "Listen", .text = text,
	};

	source_api_note(d->api, &note);
	free(text);
}

static void report_health_port(void *data, const char *ns, const char *name,
			       const struct http_place *place, int error)
{
	struct daemon *d = data;
	char buf[ENDPOINT_STRLEN];

	hostport_format(&place->addr, place->port, buf);
	if (error && d->api)
		note_failure(d, ns, name, buf, error);
	log_line(error ? LOG_ERR : LOG_NOTICE,
		 error ? HEALTH_FAILURE : "Health port opened",
		 F_TEXT("namespace", ns), F_TEXT("name", name), F_TEXT("address", buf),
		 F_TEXT("reason", error ? strerror(error) : ""));
}

static bool is_healthy(void *data)
{
	struct daemon *d = data;

	return proxy_is_healthy(&d->proxy, instant_now());
}

static int listen_on(struct daemon *d, const struct config_listen *at, http_handler handler,
		     void *data, struct http_listener **l, struct err *e)
{
	const struct http_place place = { .addr = at->addr, .port = at->port, .dual = true,
					  .limit = MAX_CLIENTS };
	char buf[ENDPOINT_STRLEN];
	int err;

	if (!at->port)
		return 0;
	if (!d->config.bind_hard_fail) {
		*l = http_listen_retry(d->http, &place, handler, report_bind, data);
		return 0;
	}
	err = http_listen(l, d->http, &place, handler, data);
	return err ? err_set(e, "%s: %s", hostport_format(&at->addr, at->port, buf),
			     strerror(-err)) : 0;
}

/* As long as is healthy without a sync: twice the time in which one has to come. */
static uint64_t health_timeout(const struct config *c)
{
	return 2 * c->sync_period;
}

int serve_init(struct daemon *d, struct err *e)
{
	const struct health_calls calls = { is_healthy, report_health_port, d };
	const struct scrape_calls scrape_calls = { collect, release, d };
	int err = http_new(&d->http, d->loop);

	if (!err)
		err = health_new(&d->health, d->http, d->loop, &calls);
	if (!err)
		err = scrape_new(&d->scrape, d->loop, &d->metrics, &scrape_calls);
	if (err)
		return err_set(e, "HTTP server: %s", strerror(-err));
	skip_sweeps(d);
	d->proxy.timeout = health_timeout(&d->config);
	/* Files name no Node. */
	d->proxy.node_eligible = d->config.manifests;
	serve_addresses(d);
	if (listen_on(d, &d->config.healthz, proxy_health_handler, &d->proxy, &d->healthz, e))
		return -1;
	return listen_on(d, &d->config.metrics, scrape_handler, d->scrape, &d->scraper, e);
}

static bool selects(const struct settings *s, const struct addr *a)
{
	for (size_t i = 0; i < s->nodeport_addresses.n; i++)
		if (prefix_contains(&s->nodeport_addresses.prefixes[i], a))
			return true;
	return false;
}

/* Those of the family that have node ports. */
static void select_addresses(const struct settings *s, const struct k8s_addresses *all,
			     uint16_t family, struct k8s_addresses *list)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i].family != family || !selects(s, &all->list[i]))
			continue;
		xgrow(&list->list, list->n, sizeof(*list->list));
		list->list[list->n++] = all->list[i];
	}
}

static bool restricts(const struct settings *s, uint16_t family)
{
	for (size_t i = 0; i < s->nodeport_addresses.n; i++)
		if (s->nodeport_addresses.prefixes[i].addr.family == family)
			return true;
	return false;
}

void serve_addresses(struct daemon *d)
{
	static const uint16_t families[K8S_FAMILIES] = { AF_INET, AF_INET6 };
	struct k8s_addresses all = {};
	struct settings s;

	node_settings(&d->node, &s);
	if (s.nodeport_addresses.n && addresses_list(&all) < 0) {
		log_line(LOG_WARNING, "Addresses not read, ports stay as they are",
			 F_TEXT("reason", strerror(errno)));
		addresses_again(d->addresses);
		goto free;
	}
	for (int i = 0; i < K8S_FAMILIES; i++) {
		struct k8s_addresses list = {};

		if (!restricts(&s, families[i])) {
			health_set_all(d->health, i);
			continue;
		}
		select_addresses(&s, &all, families[i], &list);
		health_set_addresses(d->health, i, list.list, list.n);
		free(list.list);
	}
free:
	free(all.list);
	settings_free(&s);
}

void serve_free(struct daemon *d)
{
	http_close(d->healthz);
	http_close(d->scraper);
	scrape_free(d->scrape);
	health_free(d->health);
	http_free(d->http);
}
