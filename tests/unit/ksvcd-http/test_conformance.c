// SPDX-License-Identifier: GPL-2.0
/* Every entry of the file of cases, with real requests. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "health.h"
#include "proxy_health.h"

#define SEC	1000000ull
#define PORT	10256

static struct world w;
static struct health *h;
static struct proxy_health proxy;
static struct instant now;
static bool forced_healthy;
static unsigned int n_reports;

static struct instant clock_now(void)
{
	return now;
}

static bool is_healthy(void *data)
{
	(void)data;
	return forced_healthy;
}

static void report(void *data, const char *ns, const char *name, const struct http_place *p,
		   int error)
{
	(void)data, (void)p;
	printf("# %s/%s: %s\n", ns, name, strerror(error));
	n_reports++;
}

static json_t *cases(const char *key)
{
	json_error_t e;
	json_t *root = json_load_file(CASES, 0, &e), *part;

	if (!expect(root))
		return NULL;
	part = json_incref(json_object_get(root, key));
	json_decref(root);
	expect(json_is_array(part) ? json_array_size(part) : json_object_size(part));
	return part;
}

static const char *string(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum k8s_family family_named(const char *name)
{
	expect(!strcmp(name, "IPv4") || !strcmp(name, "IPv6"));
	return strcmp(name, "IPv4") ? K8S_V6 : K8S_V4;
}

static void begin(void)
{
	const struct health_calls calls = { .is_healthy = is_healthy, .report = report };

	world_begin(&w);
	expect(!health_new(&h, w.http, w.loop, &calls));
	forced_healthy = true;
	n_reports = 0;
}

static void end(void)
{
	expect_number(n_reports, 0);
	health_free(h);
	world_end(&w);
}

static void put_objects(struct k8s *k, enum k8s_kind kind, const json_t *list)
{
	struct err e;
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!expect(k8s_put(k, kind, o, &e) >= 0))
			printf("# %s\n", e.text);
}

/* H1 and H3 are the library's. */
static void put_case(struct k8s *k, const json_t *c)
{
	enum k8s_family family = family_named(string(c, "family"));
	struct hnode *n;

	put_objects(k, K8S_SERVICE, json_object_get(c, "services"));
	put_objects(k, K8S_SLICE, json_object_get(c, "endpointslices"));
	k8s_update(k);
	for (n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n)) {
		struct k8s_entry *e = container_of(n, struct k8s_entry, node);

		if (e->service)
			expect(!health_put(h, family, e->ns, e->name, e->service->health_port,
					   e->local_ready[family]));
	}
}

static long health_port(const json_t *c, const char *service)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(c, "services"), i, s) {
		const json_t *meta = json_object_get(s, "metadata");
		const char *name = text("%s/%s", string(meta, "namespace"), string(meta, "name"));

		if (!strcmp(service, name))
			return json_integer_value(json_object_get(json_object_get(s, "spec"),
								  "healthCheckNodePort"));
	}
	return 0;
}

static void expect_json(const char *got, const json_t *wanted)
{
	json_t *g = json_loads(got, 0, NULL);

	if (!expect(g && json_equal(g, wanted)))
		printf("# got %s\n", got);
	json_decref(g);
}

static void check_probe(const json_t *c, const json_t *p)
{
	const char *host = strcmp(string(c, "family"), "IPv4") ? "::1" : "127.0.0.1", *key;
	long port = health_port(c, string(p, "service"));
	struct reply r = fetch(&w, "GET", host, port, "/");
	json_t *v;

	if (!json_is_true(json_object_get(p, "listening"))) {
		expect(!port || r.status == 0);
		return;
	}
	expect_number(r.status, json_integer_value(json_object_get(p, "status")));
	json_object_foreach(json_object_get(p, "headers"), key, v)
		expect_text(header(&r, key), json_string_value(v));
	expect_json(r.body, json_object_get(p, "body"));
}

static void services(void)
{
	json_t *list = cases("serviceHealth"), *c, *p;
	size_t i, j;

	json_array_foreach(list, i, c) {
		struct k8s_node node = { .name = string(c, "node") };
		struct k8s k = { .node = &node };

		printf("# %s\n", string(c, "name"));
		begin();
		forced_healthy = json_is_true(json_object_get(c, "proxyHealthy"));
		put_case(&k, c);
		turn(&w, 0);
		expect(json_array_size(json_object_get(c, "probes")));
		json_array_foreach(json_object_get(c, "probes"), j, p)
			check_probe(c, p);
		end();
		k8s_free(&k);
	}
	json_decref(list);
}

/* Of the node's addresses, those that nodePortAddresses has. */
static void select_addresses(const json_t *c, enum k8s_family family)
{
	static const char *const own[] = { "127.0.0.1", "::1" };
	struct addr list[ARRAY_SIZE(own)];
	struct prefix prefix;
	json_t *v;
	size_t n = 0, i;

	if (json_is_null(json_object_get(c, "nodePortAddresses"))) {
		health_set_all(h, family);
		return;
	}
	json_array_foreach(json_object_get(c, "nodePortAddresses"), i, v) {
		expect(!prefix_parse_sloppy(json_string_value(v), &prefix));
		for (size_t j = 0; j < ARRAY_SIZE(own); j++) {
			struct addr a = place(own[j], 0).addr;

			if (prefix_contains(&prefix, &a))
				list[n++] = a;
		}
	}
	health_set_addresses(h, family, list, n);
}

/* Whether an address of this machine is one that the case says is listened on. */
static bool should_listen(const json_t *c, const char *host)
{
	const char *any = strchr(host, ':') ? "::" : "0.0.0.0";
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(c, "listen"), i, v)
		if (!strcmp(json_string_value(v), any) || !strcmp(json_string_value(v), host))
			return true;
	return false;
}

static void listen_addresses(void)
{
	static const char *const hosts[] = { "127.0.0.1", "127.0.0.2", "::1" };
	json_t *list = cases("listenAddresses"), *c;
	size_t i;

	json_array_foreach(list, i, c) {
		enum k8s_family family = family_named(string(c, "family"));

		expect_text(string(c, "network"), family == K8S_V4 ? "tcp4" : "tcp6");
		begin();
		select_addresses(c, family);
		expect(!health_put(h, family, "ns", "web", 30000, 1));
		turn(&w, 0);
		for (size_t j = 0; j < ARRAY_SIZE(hosts); j++)
			expect_number(fetch(&w, "GET", hosts[j], 30000, "/").status,
				      should_listen(c, hosts[j]) ? 200 : 0);
		end();
	}
	json_decref(list);
}

static const char *time_text(const json_t *v)
{
	char buf[INSTANT_STRLEN];
	uint64_t at = json_is_string(v) ? now.real :
		      1700000000 * SEC + json_integer_value(v) * SEC;

	expect(!json_is_string(v) || !strcmp(json_string_value(v), "now"));
	return text("%s", instant_format(at, buf));
}

static void check_families(const json_t *step, const json_t *status)
{
	const json_t *families = json_object_get(step, "families");
	const char *key;
	json_t *v;

	if (!families)
		return;
	expect_number(json_object_size(status), json_object_size(families));
	json_object_foreach((json_t *)families, key, v)
		expect(json_equal(json_object_get(json_object_get(status, key), "healthy"), v));
}

static void check_health(const json_t *step, const char *path)
{
	struct reply r = get(&w, PORT, path);
	json_t *body = json_loads(r.body, 0, NULL);
	char buf[INSTANT_STRLEN];

	expect_number(r.status, json_integer_value(json_object_get(step, "status")));
	expect_text(header(&r, "Content-Type"), "application/json");
	expect_text(header(&r, "X-Content-Type-Options"), "nosniff");
	expect(json_equal(json_object_get(body, "healthy"), json_object_get(step, "healthy")));
	expect_text(string(body, "lastUpdated"), time_text(json_object_get(step, "lastUpdated")));
	expect_text(string(body, "currentTime"), instant_format(now.real, buf));
	if (!strcmp(path, "/healthz"))
		expect(json_equal(json_object_get(body, "nodeEligible"),
				  json_object_get(step, "nodeEligible")));
	else
		expect(!json_object_get(body, "nodeEligible"));
	check_families(step, json_object_get(body, "status"));
	json_decref(body);
}

static void do_step(const json_t *step)
{
	const json_t *node = json_object_get(step, "node");
	unsigned int known = !!node + !!*string(step, "queued") + !!*string(step, "updated") +
			     !!*string(step, "probe");

	now.mono = 5 * SEC + json_integer_value(json_object_get(step, "at")) * SEC;
	now.real = 1700000000 * SEC + json_integer_value(json_object_get(step, "at")) * SEC;
	expect_number(known, 1);
	if (node)
		proxy_set_node(&proxy, node);
	else if (*string(step, "queued"))
		proxy_queued(&proxy, family_named(string(step, "queued")), now);
	else if (*string(step, "updated"))
		proxy_updated(&proxy, family_named(string(step, "updated")), now);
	else
		check_health(step, string(step, "probe"));
}

static void timeline(void)
{
	json_t *c = cases("proxyHealth"), *step;
	struct http_place p = place("127.0.0.1", PORT);
	struct http_listener *l;
	size_t i;

	world_begin(&w);
	proxy = (struct proxy_health){ .now = clock_now };
	proxy.timeout = json_integer_value(json_object_get(c, "timeoutSeconds")) * SEC;
	expect(!http_listen(&l, w.http, &p, proxy_health_handler, &proxy));
	json_array_foreach(json_object_get(c, "timeline"), i, step)
		do_step(step);
	expect(i > 20 && proxy.healthz.ok && proxy.healthz.unavailable && proxy.livez.ok &&
	       proxy.livez.unavailable);
	world_end(&w);
	json_decref(c);
}

const struct test conformance_tests[] = {
	{ "conformance: H1, H3, H4 health of Services", services },
	{ "conformance: H2 where health ports listen", listen_addresses },
	{ "conformance: H6, H8 health of the proxy", timeline },
	{}
};
