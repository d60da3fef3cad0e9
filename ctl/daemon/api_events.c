// SPDX-License-Identifier: GPL-2.0
/* Events about Services, which the cluster shows to their owners. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "log.h"

/* Who is told of so many at once, has the log. */
#define MAX_WAITING	32

struct waiting {
	char *path, *body;
};

struct api_events {
	struct api_request request;
	struct source_api *api;
	struct waiting list[MAX_WAITING];	/* the first is being sent */
	size_t n;
	bool failed;				/* and that was told */
};

static void send_first(struct api_events *events);

static void drop_first(struct api_events *events)
{
	free(events->list[0].path);
	free(events->list[0].body);
	memmove(events->list, events->list + 1, --events->n * sizeof(*events->list));
}

static void on_started(struct api_request *r)
{
	(void)r;
}

static int on_received(struct api_request *r, const char *data, size_t len)
{
	(void)r;
	(void)data;
	(void)len;
	return 0;
}

/* Not tried again: what it says is in the log as well. */
static void on_done(struct api_request *r, CURLcode code)
{
	struct api_events *events = (struct api_events *)r;
	bool failed = code || r->status / 100 != 2;

	if (failed && !events->failed)
		log_line(LOG_WARNING, "API event not written", F_INT("status", r->status),
			 F_TEXT("reason", code ? curl_easy_strerror(code) : ""));
	events->failed = failed;
	drop_first(events);
	if (events->n)
		send_first(events);
}

static const struct api_request_ops event_ops = {
	.started = on_started,
	.received = on_received,
	.done = on_done,
};

static void send_first(struct api_events *events)
{
	struct source_api *s = events->api;
	uint64_t now = 0;
	struct err e;

	/* A token that cannot be read is the lists' to tell of. */
	sd_event_now(s->event, CLOCK_MONOTONIC, &now);
	api_access_token(&s->access, now, false, &e);
	while (events->n && api_request_start(&events->request, events->list[0].path,
					      events->list[0].body))
		drop_first(events);
}

int api_events_init(struct source_api *s)
{
	s->events = xcalloc(1, sizeof(*s->events));
	s->events->api = s;
	return api_request_init(&s->events->request, s->http, &event_ops);
}

void api_events_free(struct source_api *s)
{
	if (!s->events)
		return;
	if (s->events->request.easy)
		api_request_clean(&s->events->request);
	while (s->events->n)
		drop_first(s->events);
	free(s->events);
}

/* metav1.MicroTime */
static void format_time(uint64_t usec, char *buf, size_t size)
{
	time_t seconds = usec / 1000000;
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%06uZ", (unsigned int)(usec % 1000000));
}

/* As kube-proxy's own are: their uid is the Service's name. */
static json_t *event_of(const struct source_api *s, const struct api_note *note)
{
	const char *node = s->config.node_name ? s->config.node_name : "";
	char *name, *instance, *uid, at[64];
	uint64_t now = clock_usec(CLOCK_REALTIME);
	json_t *o;

	format_time(now, at, sizeof(at));
	name = xasprintf("%s.%llx", note->name, (unsigned long long)now);
	instance = xasprintf("ksvcd-%.100s", node);
	uid = xasprintf("%s/%s", note->ns, note->name);
	o = json_pack("{ss ss s{ss ss} ss ss ss ss ss ss s{ss ss ss ss ss} ss}",
		      "apiVersion", "events.k8s.io/v1", "kind", "Event",
		      "metadata", "name", name, "namespace", note->ns,
		      "eventTime", at, "type", "Warning", "reason", note->reason,
		      "action", note->action, "reportingController", "ksvcd",
		      "reportingInstance", instance,
		      "regarding", "apiVersion", "v1", "kind", "Service", "namespace", note->ns,
		      "name", note->name, "uid", uid, "note", note->text);
	free(name);
	free(instance);
	free(uid);
	return o;
}

void source_api_note(struct source_api *s, const struct api_note *note)
{
	struct api_events *events = s->events;
	json_t *o = event_of(s, note);
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char *ns = api_escape(note->ns);

	json_decref(o);
	if (body && events->n < MAX_WAITING) {
		events->list[events->n++] = (struct waiting){
			.path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events", ns),
			.body = body,
		};
		body = NULL;
		if (events->n == 1)
			send_first(events);
	}
	free(body);
	free(ns);
}
