// SPDX-License-Identifier: GPL-2.0
#include "daemon.h"

#include <malloc.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "conntrack.h"
#include "log.h"

void report_waiting(struct daemon *d, struct instant since)
{
	for (int i = 0; i < K8S_FAMILIES; i++) {
		proxy_queued(&d->proxy, i, since);
		d->metrics.family[i].last_queued = since.real / 1e6;
	}
}

void report_change(struct daemon *d, enum kind kind)
{
	struct instant now = instant_now();
	uint64_t woken = now.mono;

	if (kind == KIND_SERVICE) {
		d->metrics.service_changes++;
		d->metrics.service_changes_pending++;
	} else {
		d->metrics.endpoint_changes++;
		d->metrics.endpoint_changes_pending++;
	}
	/* Since the event loop saw that there is something to read. */
	sd_event_now(d->loop, CLOCK_MONOTONIC, &woken);
	if (!d->arrived)
		d->arrived = woken;
	report_waiting(d, now);
}

static void settled(void *data, const struct k8s_entry *entry)
{
	struct daemon *d = data;
	uint16_t port = entry->service ? entry->service->health_port : 0;

	for (int i = 0; i < K8S_FAMILIES; i++)
		if (port && entry->service->cluster_ip[i].family)
			health_put(d->health, i, entry->ns, entry->name, port,
				   entry->local_ready[i]);
		else
			health_del(d->health, i, entry->ns, entry->name);
	for (size_t i = 0; i < entry->n_wanted; i++)
		log_line(LOG_DEBUG, "Service in force", F_TEXT("service", entry->wanted[i].name),
			 F_INT("frontends", entry->wanted[i].n_frontends),
			 F_INT("endpoints", entry->wanted[i].n_endpoints));
}

static void refused(void *data, const struct k8s_entry *entry, const char *why)
{
	struct daemon *d = data;

	d->metrics.refused[KIND_SERVICE]++;
	log_line(LOG_ERR, "Service refused by the kernel, stays as it was",
		 F_TEXT("namespace", entry->ns), F_TEXT("name", entry->name),
		 F_TEXT("reason", why));
}

static void observe_changes(struct daemon *d, struct instant now)
{
	for (size_t i = 0; i < d->n_triggers; i++) {
		double seconds = now.real / 1e6 - d->triggers[i].time;

		histogram_observe(&d->metrics.family[d->triggers[i].family].programming,
				  seconds > 0 ? seconds : 0);
	}
	d->n_triggers = 0;
	if (d->arrived)
		histogram_observe(&d->metrics.reaction, (now.mono - d->arrived) / 1e6);
	d->arrived = 0;
	d->metrics.service_changes_pending = 0;
	d->metrics.endpoint_changes_pending = 0;
}

static void log_warnings(struct daemon *d)
{
	struct k8s_texts *list = &d->engine.objects.warnings;

	for (size_t i = 0; i < list->n; i++)
		log_line(LOG_WARNING, "Object not applied as it is",
			 F_TEXT("reason", list->list[i]));
	k8s_texts_clear(list);
	k8s_texts_clear(&d->engine.objects.notes);
}

static void say_ready(struct daemon *d)
{
	d->told_services = d->engine.objects.n_services;
	d->told_slices = d->engine.objects.slices.n;
	sd_notifyf(0, "READY=1\nSTATUS=%zu Services, %zu EndpointSlices in force",
		   d->told_services, d->told_slices);
}

static void synced(void *data, uint64_t microseconds, bool full)
{
	struct instant now = instant_now();
	struct daemon *d = data;

	for (int i = 0; i < K8S_FAMILIES; i++) {
		proxy_updated(&d->proxy, i, now);
		metrics_synced(&d->metrics, i, full, microseconds / 1e6, now);
	}
	observe_changes(d, now);
	log_warnings(d);
	d->metrics.from_saved = false;
	saved_soon(d);
	if (full || d->told_services != d->engine.objects.n_services ||
	    d->told_slices != d->engine.objects.slices.n)
		say_ready(d);
	if (!full)
		return;
	log_line(LOG_NOTICE, "In force", F_INT("services", d->engine.objects.n_services),
		 F_INT("slices", d->engine.objects.slices.n),
		 F_INT("microseconds", microseconds), F_INT("drift", d->engine.counts.drift));
	/* It comes with the module at the latest. */
	if (!d->conntrack_is_set)
		d->conntrack_is_set = conntrack_apply(&d->config.conntrack);
	/* What the lists needed meanwhile lies between what stays. */
	malloc_trim(0);
}

static void failed(void *data, const char *why)
{
	struct daemon *d = data;

	/* What is to be written again may be all that the module had before it went. */
	report_waiting(d, instant_now());
	log_line(LOG_ERR, "Kernel not reached, stays as it was", F_TEXT("reason", why));
	sd_notifyf(0, "STATUS=Kernel not reached: %s", why);
}

const struct engine_calls report_calls = {
	.settled = settled,
	.refused = refused,
	.synced = synced,
	.failed = failed,
};
