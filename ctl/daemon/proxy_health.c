// SPDX-License-Identifier: GPL-2.0
#include "proxy_health.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USEC_PER_SEC	1000000u

static const char taint[] = "ToBeDeletedByClusterAutoscaler";
static const char *const family_names[K8S_FAMILIES] = { "IPv4", "IPv6" };

struct instant instant_now(void)
{
	return (struct instant){ .mono = clock_usec(CLOCK_MONOTONIC),
				 .real = clock_usec(CLOCK_REALTIME) };
}

const char *instant_format(uint64_t real, char *buf)
{
	time_t seconds = real / USEC_PER_SEC;
	unsigned int usec = real % USEC_PER_SEC;
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, INSTANT_STRLEN, "%Y-%m-%dT%H:%M:%S", &tm);
	if (usec) {
		n += snprintf(buf + n, INSTANT_STRLEN - n, ".%06u", usec);
		while (buf[n - 1] == '0')
			n--;
	}
	snprintf(buf + n, INSTANT_STRLEN - n, "Z");
	return buf;
}

void proxy_queued(struct proxy_health *p, enum k8s_family family, struct instant now)
{
	struct proxy_family *f = &p->families[family];

	if (f->pending)
		return;
	f->pending = true;
	f->oldest = now.mono;
}

void proxy_updated(struct proxy_health *p, enum k8s_family family, struct instant now)
{
	struct proxy_family *f = &p->families[family];

	f->pending = false;
	f->synced = true;
	f->updated = now;
}

static bool is_late(const struct proxy_health *p, enum k8s_family family, struct instant now)
{
	const struct proxy_family *f = &p->families[family];

	return f->synced && f->pending && now.mono >= f->oldest &&
	       now.mono - f->oldest >= p->timeout;
}

bool proxy_is_healthy(const struct proxy_health *p, struct instant now)
{
	for (int i = 0; i < K8S_FAMILIES; i++)
		if (is_late(p, i, now))
			return false;
	return true;
}

static bool is_ready(const struct proxy_health *p)
{
	for (int i = 0; i < K8S_FAMILIES; i++)
		if (!p->families[i].synced)
			return false;
	return true;
}

static bool has_taint(const json_t *node)
{
	const json_t *taints = json_object_get(json_object_get(node, "spec"), "taints");
	const json_t *t;
	size_t i;

	json_array_foreach(taints, i, t) {
		const char *key = json_string_value(json_object_get(t, "key"));

		if (key && !strcmp(key, taint))
			return true;
	}
	return false;
}

void proxy_set_node(struct proxy_health *p, const json_t *node)
{
	const json_t *deleted = json_object_get(json_object_get(node, "metadata"),
						"deletionTimestamp");

	p->node_eligible = json_is_object(node) && (!deleted || json_is_null(deleted)) &&
			   !has_taint(node);
}

/* Of no family it is the zero of Go's time.Time, as clients of kube-proxy expect. */
static json_t *updated_json(const struct proxy_health *p)
{
	const struct proxy_family *newest = NULL;
	char buf[INSTANT_STRLEN];

	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct proxy_family *f = &p->families[i];

		if (f->synced && (!newest || f->updated.mono > newest->updated.mono))
			newest = f;
	}
	return json_string(newest ? instant_format(newest->updated.real, buf) :
			   "0001-01-01T00:00:00Z");
}

static json_t *status_json(const struct proxy_health *p, struct instant now)
{
	json_t *status = json_object();
	char buf[INSTANT_STRLEN];

	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct proxy_family *f = &p->families[i];

		if (f->synced)
			json_object_set_new(status, family_names[i],
					    json_pack("{s:s, s:b}", "lastUpdated",
						      instant_format(f->updated.real, buf),
						      "healthy", !is_late(p, i, now)));
	}
	return status;
}

enum question { LIVE, READY, HEALTHY };

static void answer_health(struct proxy_health *p, enum question question, struct http_answer *a)
{
	struct proxy_answers *count = question == HEALTHY ? &p->healthz :
				      question == READY ? &p->readyz : &p->livez;
	struct instant now = p->now ? p->now() : instant_now();
	bool healthy = proxy_is_healthy(p, now);
	bool ok = healthy && (question != HEALTHY || p->node_eligible) &&
		  (question != READY || is_ready(p));
	char buf[INSTANT_STRLEN];
	json_t *body = json_object(), *status = status_json(p, now);

	instant_format(now.real, buf);
	json_object_set_new(body, "lastUpdated", ok ? json_string(buf) : updated_json(p));
	json_object_set_new(body, "currentTime", json_string(buf));
	if (question == HEALTHY)
		json_object_set_new(body, "nodeEligible", json_boolean(p->node_eligible));
	json_object_set_new(body, "healthy", json_boolean(healthy));
	if (json_object_size(status))
		json_object_set(body, "status", status);
	json_decref(status);
	http_json(a, ok ? 200 : 503, body);
	(*(ok ? &count->ok : &count->unavailable))++;
}

void proxy_health_handler(void *data, const char *path, struct http_answer *answer)
{
	if (!strcmp(path, "/healthz"))
		answer_health(data, HEALTHY, answer);
	else if (!strcmp(path, "/livez"))
		answer_health(data, LIVE, answer);
	else if (!strcmp(path, "/readyz"))
		answer_health(data, READY, answer);
}
