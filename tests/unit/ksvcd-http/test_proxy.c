// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "proxy_health.h"

#define SEC	1000000ull

static struct instant now;

static struct instant clock_now(void)
{
	return now;
}

static void at(double seconds)
{
	now.mono = 5 * SEC + seconds * SEC;
	now.real = 1700000000 * SEC + seconds * SEC;
}

static const char *ask(struct proxy_health *p, const char *path)
{
	struct http_answer a = {};
	const char *s;

	proxy_health_handler(p, path, &a);
	s = text("%u %s", a.status, a.body ? a.body : "");
	free(a.body);
	return s;
}

static const char *formatted(uint64_t usec)
{
	char buf[INSTANT_STRLEN];

	return text("%s", instant_format(usec, buf));
}

static void times(void)
{
	expect_text(formatted(0), "1970-01-01T00:00:00Z");
	expect_text(formatted(951827696 * SEC + 1), "2000-02-29T12:34:56.000001Z");
	expect_text(formatted(951827696 * SEC + 120000), "2000-02-29T12:34:56.12Z");
	expect_text(formatted(951827696 * SEC + 999999), "2000-02-29T12:34:56.999999Z");
	expect(instant_now().real > 1600000000 * SEC && instant_now().mono);
}

/* H8, to the byte */
static void bodies(void)
{
	struct proxy_health p = { .timeout = 10 * SEC, .now = clock_now };

	at(0.5);
	expect_text(ask(&p, "/healthz"), "503 {\"lastUpdated\":\"0001-01-01T00:00:00Z\","
		    "\"currentTime\":\"2023-11-14T22:13:20.5Z\",\"nodeEligible\":false,"
		    "\"healthy\":true}");
	p.node_eligible = true;
	expect_text(ask(&p, "/livez"), "200 {\"lastUpdated\":\"2023-11-14T22:13:20.5Z\","
		    "\"currentTime\":\"2023-11-14T22:13:20.5Z\",\"healthy\":true}");
	proxy_updated(&p, K8S_V6, now);
	at(1);
	proxy_queued(&p, K8S_V6, now);
	at(11);
	expect_text(ask(&p, "/healthz"), "503 {\"lastUpdated\":\"2023-11-14T22:13:20.5Z\","
		    "\"currentTime\":\"2023-11-14T22:13:31Z\",\"nodeEligible\":true,"
		    "\"healthy\":false,\"status\":{\"IPv6\":{"
		    "\"lastUpdated\":\"2023-11-14T22:13:20.5Z\",\"healthy\":false}}}");
	expect_text(ask(&p, "/readyz"), "503 {\"lastUpdated\":\"2023-11-14T22:13:20.5Z\","
		    "\"currentTime\":\"2023-11-14T22:13:31Z\",\"healthy\":false,"
		    "\"status\":{\"IPv6\":{\"lastUpdated\":\"2023-11-14T22:13:20.5Z\","
		    "\"healthy\":false}}}");
	expect_text(ask(&p, "/"), "0 ");
	expect_text(ask(&p, "/healthz/"), "0 ");
	expect_number(p.healthz.ok, 0);
	expect_number(p.healthz.unavailable, 2);
	expect_number(p.livez.ok, 1);
	expect_number(p.livez.unavailable, 0);
}

static int answer(struct proxy_health *p)
{
	return strtol(ask(p, "/readyz"), NULL, 10);
}

/* From the first sync of each family on, unless it is late. */
static void readiness(void)
{
	struct proxy_health p = { .timeout = 10 * SEC, .now = clock_now };

	at(0);
	p.node_eligible = true;
	expect_number(answer(&p), 503);
	proxy_updated(&p, K8S_V4, now);
	expect_number(answer(&p), 503);
	proxy_updated(&p, K8S_V6, now);
	expect_number(answer(&p), 200);
	/* Also of a node that will go. */
	p.node_eligible = false;
	expect_number(answer(&p), 200);
	proxy_queued(&p, K8S_V6, now);
	at(10);
	expect_number(answer(&p), 503);
	expect_number(p.readyz.ok, 2);
	expect_number(p.readyz.unavailable, 3);
}

/* H6 */
static void lateness(void)
{
	struct proxy_health p = { .timeout = 10 * SEC };

	at(0);
	proxy_queued(&p, K8S_V4, now);
	at(1000);
	expect(proxy_is_healthy(&p, now));
	proxy_updated(&p, K8S_V4, now);
	at(2000);
	expect(proxy_is_healthy(&p, now));
	proxy_queued(&p, K8S_V4, now);
	at(2009.999999);
	proxy_queued(&p, K8S_V4, now);
	expect(proxy_is_healthy(&p, now));
	at(2010);
	expect(!proxy_is_healthy(&p, now));
	proxy_updated(&p, K8S_V6, now);
	expect(!proxy_is_healthy(&p, now));
	proxy_updated(&p, K8S_V4, now);
	expect(proxy_is_healthy(&p, now));
	/* a caller with an older idea of the time */
	proxy_queued(&p, K8S_V4, now);
	at(2009);
	expect(proxy_is_healthy(&p, now));
}

static bool eligible(const char *json)
{
	struct proxy_health p = { .node_eligible = !json };
	json_t *node = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;

	expect(!json || node);
	proxy_set_node(&p, node);
	json_decref(node);
	return p.node_eligible;
}

/* H7 */
static void nodes(void)
{
	static const char *const good[] = {
		"{}", "{\"metadata\": {\"name\": \"a\", \"deletionTimestamp\": null}}",
		"{\"spec\": {\"taints\": null}}", "{\"spec\": {\"taints\": []}}",
		"{\"spec\": {\"taints\": [{\"key\": \"other\", \"effect\": \"NoSchedule\"}]}}",
		"{\"spec\": {\"taints\": [{\"value\": \"ToBeDeletedByClusterAutoscaler\"}]}}",
		"{\"spec\": {\"taints\": {\"key\": \"ToBeDeletedByClusterAutoscaler\"}}}",
		"{\"spec\": {\"taints\": [7, null, {\"key\": 7}, []]}}", "{\"spec\": 7}",
		"{\"metadata\": []}",
	};
	static const char *const bad[] = {
		NULL, "7", "null", "[]",
		"{\"metadata\": {\"deletionTimestamp\": \"2024-01-01T00:00:00Z\"}}",
		"{\"spec\": {\"taints\": [{\"key\": \"a\"}, "
		"{\"key\": \"ToBeDeletedByClusterAutoscaler\"}]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!expect(eligible(good[i])))
			printf("# with %s\n", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!expect(!eligible(bad[i])))
			printf("# with %s\n", bad[i] ? bad[i] : "nothing");
}

static void node_matters(void)
{
	struct proxy_health p = { .timeout = 10 * SEC, .now = clock_now };

	at(0);
	proxy_set_node(&p, NULL);
	expect_part(ask(&p, "/healthz"), "503 ");
	expect_part(ask(&p, "/livez"), "200 ");
	expect(!strstr(ask(&p, "/livez"), "nodeEligible"));
	p.node_eligible = true;
	expect_part(ask(&p, "/healthz"), "200 ");
	expect(proxy_is_healthy(&p, now));
}

const struct test proxy_tests[] = {
	{ "proxy: H8 times", times },
	{ "proxy: H8 bodies", bodies },
	{ "proxy: H6 late", lateness },
	{ "proxy: ready once services are in force", readiness },
	{ "proxy: H7 nodes", nodes },
	{ "proxy: H7 /healthz wants the node, /livez does not", node_matters },
	{}
};
