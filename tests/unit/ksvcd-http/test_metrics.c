// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "fixture.h"
#include "metrics.h"

const char *kind_name(enum kind kind)
{
	static const char *const names[N_KINDS] = { "Service", "EndpointSlice", "Node",
						    "ServiceCIDR" };

	return names[kind];
}

#define SYNC		"kubeproxy_sync_proxy_rules_"
#define FULL		"kubeproxy_sync_full_proxy_rules_"
#define PARTIAL		"kubeproxy_sync_partial_proxy_rules_"
#define CONNTRACK	"kubeproxy_conntrack_reconciler_"
#define PROGRAMMING	"kubeproxy_network_programming_duration_seconds_bucket{ip_family=\"IPv4\","

static struct metrics m;
static struct metrics_parts parts;

static const char *page(void)
{
	struct http_answer a = {};
	const char *s;

	metrics_answer(&m, &parts, &a);
	expect_number(a.status, 200);
	expect_text(a.type, "text/plain; version=0.0.4; charset=utf-8");
	s = text("%.*s", (int)a.len, a.body);
	free(a.body);
	return s;
}

static void begin(void)
{
	metrics_init(&m);
	parts = (struct metrics_parts){};
}

static void expect_line(const char *s, const char *line)
{
	expect_part(s, text("\n%s\n", line));
}

static void of_kube_proxy(void)
{
	struct proxy_health proxy = { .healthz = { 3, 4 }, .livez = { 5, 6 } };
	struct instant now = { .real = 1700000000500000 };
	const char *s;

	begin();
	parts.proxy = &proxy;
	metrics_synced(&m, K8S_V6, true, 0.003, now);
	metrics_synced(&m, K8S_V6, false, 100, now);
	m.family[K8S_V4].last_queued = 12.25;
	m.family[K8S_V4].no_local[POLICY_EXTERNAL] = 9;
	m.family[K8S_V4].conntrack_deleted = 11;
	histogram_observe(&m.family[K8S_V4].programming, 61);
	m.endpoint_changes_pending = 1;
	m.endpoint_changes = 2;
	m.service_changes_pending = 3;
	m.service_changes = 4;
	s = page();
	expect_line(s, SYNC "duration_seconds_bucket{ip_family=\"IPv6\",le=\"0.002\"} 0");
	expect_line(s, SYNC "duration_seconds_bucket{ip_family=\"IPv6\",le=\"0.004\"} 1");
	expect_line(s, SYNC "duration_seconds_bucket{ip_family=\"IPv6\",le=\"16.384\"} 1");
	expect_line(s, SYNC "duration_seconds_count{ip_family=\"IPv6\"} 2");
	expect_line(s, FULL "duration_seconds_sum{ip_family=\"IPv6\"} 0.003");
	expect_line(s, PARTIAL "duration_seconds_sum{ip_family=\"IPv6\"} 100");
	expect_line(s, SYNC "duration_seconds_count{ip_family=\"IPv4\"} 0");
	expect_line(s, SYNC "last_timestamp_seconds{ip_family=\"IPv6\"} 1700000000.5");
	expect_line(s, SYNC "last_queued_timestamp_seconds{ip_family=\"IPv4\"} 12.25");
	expect_line(s, PROGRAMMING "le=\"60\"} 0");
	expect_line(s, PROGRAMMING "le=\"65\"} 1");
	expect_line(s, PROGRAMMING "le=\"300\"} 1");
	expect_line(s, SYNC "no_local_endpoints_total{ip_family=\"IPv4\","
		    "traffic_policy=\"external\"} 9");
	expect_line(s, SYNC "no_local_endpoints_total{ip_family=\"IPv4\","
		    "traffic_policy=\"internal\"} 0");
	expect_line(s, CONNTRACK "deleted_entries_total{ip_family=\"IPv4\"} 11");
	expect_line(s, CONNTRACK "sync_duration_seconds_count{ip_family=\"IPv4\"} 0");
	expect_line(s, SYNC "endpoint_changes_pending 1");
	expect_line(s, SYNC "endpoint_changes_total 2");
	expect_line(s, SYNC "service_changes_pending 3");
	expect_line(s, SYNC "service_changes_total 4");
	expect_line(s, "kubeproxy_proxy_healthz_total{code=\"200\"} 3");
	expect_line(s, "kubeproxy_proxy_healthz_total{code=\"503\"} 4");
	expect_line(s, "kubeproxy_proxy_livez_total{code=\"200\"} 5");
	expect_line(s, "kubeproxy_proxy_livez_total{code=\"503\"} 6");
}

static void of_the_daemon(void)
{
	const char *s;

	begin();
	m.drift = 5;
	m.events[KIND_SLICE][METRICS_BOOKMARK] = 6;
	m.objects[KIND_NODE] = 1;
	m.refused[KIND_SERVICE] = 7;
	m.broken = 8;
	m.ready = true;
	histogram_observe(&m.reaction, 0.0004);
	s = page();
	expect_line(s, "ksvc_build_info{version=\"test\"} 1");
	expect_line(s, "ksvc_drift_total 5");
	expect_line(s, "ksvc_events_total{kind=\"EndpointSlice\",type=\"bookmark\"} 6");
	expect_line(s, "ksvc_objects{kind=\"Node\"} 1");
	expect_line(s, "ksvc_objects_refused_total{kind=\"Service\"} 7");
	expect_line(s, "ksvc_unreadable_total 8");
	expect_line(s, "ksvc_ready 1");
	expect_line(s, "ksvc_saved_state 0");
	expect_line(s, "ksvc_reaction_seconds_bucket{le=\"0.00025\"} 0");
	expect_line(s, "ksvc_reaction_seconds_bucket{le=\"0.0005\"} 1");
	expect(!strstr(s, "ksvc_module_info") && !strstr(s, "ksvc_packets_total"));
	expect(!strstr(s, "kubeproxy_proxy_healthz_total"));
}

static void of_the_api(void)
{
	const char *s;

	begin();
	metrics_api_request(&m, 200);
	metrics_api_request(&m, 200);
	metrics_api_request(&m, 599);
	metrics_api_request(&m, 0);
	metrics_api_request(&m, -7);
	metrics_api_request(&m, 600);
	metrics_api_request(&m, 2147483648);
	metrics_api_error(&m, "timeout");
	metrics_api_error(&m, "timeout");
	for (int i = 0; i < 100; i++)
		metrics_api_error(&m, text("e%d", i));
	metrics_api_error(&m, "e3");
	s = page();
	expect_line(s, "ksvc_api_requests_total{code=\"200\"} 2");
	expect_line(s, "ksvc_api_requests_total{code=\"599\"} 1");
	expect_line(s, "ksvc_api_requests_total{code=\"none\"} 4");
	expect_line(s, "ksvc_api_errors_total{error=\"timeout\"} 2");
	expect_line(s, "ksvc_api_errors_total{error=\"e3\"} 2");
	expect_line(s, "ksvc_api_errors_total{error=\"e29\"} 1");
	expect_line(s, "ksvc_api_errors_total{error=\"other\"} 70");
}

static void of_the_process(void)
{
	const char *s, *line;

	begin();
	s = page();
	line = strstr(s, "\nprocess_open_fds ");
	expect(line && atoi(line + 18) > 2 && atoi(line + 18) < 1000);
	line = strstr(s, "\nprocess_resident_memory_bytes ");
	expect(line && atoll(line + 31) > 1000000);
	line = strstr(s, "\nprocess_cpu_seconds_total ");
	expect(line && atof(line + 27) > 0);
	line = strstr(s, "\nprocess_start_time_seconds ");
	expect(line && atof(line + 28) > time(NULL) - 60.0);
	line = strstr(s, "\nprocess_max_fds ");
	expect(line && atof(line + 17) > 10);
}

static const char *const hostile[] = {
	"default/web:http", "quote\"", "back\\slash\\", "new\nline", "cr\rtab\t\x01\x7f",
	"\xff\xfe bytes", "d\xc3\xa9j\xc3\xa0 vu \xf0\x9f\x98\x80", "}{,=#",
	" # TYPE x counter\n# HELP y z", "", "\\n\\\"",
	"e\xcc\x81 \xe2\x80\xae\xef\xbb\xbf",
};

static void hostile_model(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct service *s = model_add_service(model, hostile[i]);
		struct endpoint e = { .addr = place(i % 2 ? "fd00::1" : "10.0.0.1", 0).addr,
				      .port = 80, .connections = 1ull << 63, .active = ~0u };

		s->connections = ~0ull;
		s->scheduler = i ? KSVC_SCHEDULER_LC : KSVC_SCHEDULER_RANDOM;
		service_add_endpoint(s, &e);
	}
}

static void of_services(void)
{
	struct metrics_services services;
	struct model model;
	const char *s;

	begin();
	hostile_model(&model);
	services = metrics_services_of(&model);
	parts.services = &services;
	s = page();
	expect_line(s, "ksvc_service_connections_total{service=\"default/web:http\"} "
		    "18446744073709551615");
	expect_line(s, "ksvc_service_connections_total{service=\"new\\nline\"} "
		    "18446744073709551615");
	expect_line(s, "ksvc_endpoint_connections_total{service=\"default/web:http\","
		    "endpoint=\"10.0.0.1:80\"} 9223372036854775808");
	expect_line(s, "ksvc_endpoint_active_connections{service=\"quote\\\"\","
		    "endpoint=\"[fd00::1]:80\"} 4294967295");
	/* No other scheduler knows how many live. */
	expect(!strstr(s, "ksvc_endpoint_active_connections{service=\"default/web:http\""));
	model_free(&model);
}

/* "" if promtool has nothing to say. */
static const char *promtool(const char *page_text)
{
	char said[4096] = "", name[] = "/tmp/ksvcd-metrics-XXXXXX";
	int fd = mkstemp(name), status;
	FILE *f = fdopen(fd, "w");
	size_t n;

	fputs(page_text, f);
	fclose(f);
	f = popen(text("promtool check metrics < %s 2>&1", name), "r");
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	status = pclose(f);
	remove(name);
	return text("%s%s", said, status && !n ? "failed" : "");
}

static void everything(struct model *model, struct metrics_services *services,
		       struct nl_info *info, struct nl_stats *stats)
{
	hostile_model(model);
	*services = metrics_services_of(model);
	*info = (struct nl_info){ .version = "1\"\n\\\xff", .generation = ~0ull };
	*stats = (struct nl_stats){ .n_reasons = NL_REASONS, .packets = { 1, 2, 3 } };
	parts = (struct metrics_parts){ .services = services, .info = info, .stats = stats,
					.protocol = 3 };
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		metrics_api_error(&m, hostile[i]);
	metrics_api_request(&m, 410);
}

static void checked_by_promtool(void)
{
	static struct metrics_services services;
	static struct nl_info info;
	static struct nl_stats stats;
	struct proxy_health proxy = {};
	struct model model;
	const char *s;

	if (system("command -v promtool >/dev/null")) {
		skip("no promtool");
		return;
	}
	begin();
	everything(&model, &services, &info, &stats);
	parts.proxy = &proxy;
	s = page();
	expect_line(s, "ksvc_module_info{version=\"1\\\"\\n\\\\\xef\xbf\xbd\",protocol=\"3\"} 1");
	expect_line(s, "ksvc_packets_total{reason=\"translated\"} 2");
	expect_line(s, "ksvc_generation 18446744073709551615");
	expect_text(promtool(s), "");
	/* that it looks at all */
	expect_part(promtool(text("%sbroken{ 1\n", s)), "error");
	model_free(&model);
}

static void many_service(const void *data, size_t i, struct metrics_service *s)
{
	static char name[64];

	(void)data;
	snprintf(name, sizeof(name), "namespace-%zu/service-%zu:https", i % 100, i);
	*s = (struct metrics_service){ .name = name, .connections = i, .n_endpoints = 5,
				       .knows_active = true };
}

static void many_endpoint(const void *data, size_t i, size_t j, struct metrics_endpoint *e)
{
	(void)data;
	snprintf(e->name, sizeof(e->name), "10.%zu.%zu.%zu:8443", i / 250 % 250, i % 250, j);
	e->connections = i;
	e->active = j;
}

/* A page of some 90 MB, over HTTP. */
static void handler(void *data, const char *path, struct http_answer *a)
{
	(void)data, (void)path;
	metrics_answer(&m, &parts, a);
}

static void large(void)
{
	struct metrics_services services = { .n = 100000, .service = many_service,
					     .endpoint = many_endpoint };
	struct http_place p = place("127.0.0.1", 0);
	struct http_listener *l;
	clock_t before = clock();
	struct reply r;
	struct world w;

	begin();
	parts.services = &services;
	world_begin(&w);
	expect(!http_listen(&l, w.http, &p, handler, NULL));
	r = get(&w, http_port(l), "/metrics");
	expect_number(r.status, 200);
	expect_text(header(&r, "Content-Type"), PAGE_TYPE);
	expect(r.len > 80 << 20);
	expect_part(r.body + r.len - 200, "service=\"namespace-99/service-99999:https\","
		    "endpoint=\"10.149.249.4:8443\"} 4\n");
	expect((clock() - before) / CLOCKS_PER_SEC < 20);
	world_end(&w);
}

const struct test metrics_tests[] = {
	{ "metrics: kube-proxy's", of_kube_proxy },
	{ "metrics: the daemon's", of_the_daemon },
	{ "metrics: the API's", of_the_api },
	{ "metrics: the process's", of_the_process },
	{ "metrics: Services and endpoints", of_services },
	{ "metrics: promtool finds nothing", checked_by_promtool },
	{ "metrics: 100000 Services", large },
	{}
};
