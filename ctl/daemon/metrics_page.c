// SPDX-License-Identifier: GPL-2.0
#include "metrics.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/nl_spec.h"

#define STEP_LINES	1000

static const char counter[] = "counter", gauge[] = "gauge", histogram[] = "histogram";
static const char *const family_names[K8S_FAMILIES] = { "IPv4", "IPv6" };
static const char *const policy_names[N_POLICIES] = { "internal", "external" };
static const char *const event_names[N_METRICS_EVENTS] = {
	"list", "put", "delete", "bookmark", "error",
};

static void one_count(struct page *p, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	page_family(p, name, type, help);
	page_count(p, NULL, value);
}

static void one_value(struct page *p, const char *name, const char *type, const char *help,
		      double value)
{
	page_family(p, name, type, help);
	page_value(p, NULL, value);
}

/* Each of these is of both IP families. */
enum member_type { HISTOGRAM, COUNT, TIMESTAMP };

static const struct member {
	const char *name, *type, *help;
	enum member_type kind;
	size_t offset;
} members[] = {
#define M(n, t, k, member, h)							\
	{ .name = (n), .type = (t), .help = (h), .kind = (k),			\
	  .offset = offsetof(struct metrics_per_family, member) }
	M("kubeproxy_sync_proxy_rules_duration_seconds", histogram, HISTOGRAM, sync,
	  "How long it took to bring the kernel up to date."),
	M("kubeproxy_sync_full_proxy_rules_duration_seconds", histogram, HISTOGRAM, sync_full,
	  "The same, where all that the kernel has was compared."),
	M("kubeproxy_sync_partial_proxy_rules_duration_seconds", histogram, HISTOGRAM,
	  sync_partial, "The same, where only what had changed was sent."),
	M("kubeproxy_network_programming_duration_seconds", histogram, HISTOGRAM, programming,
	  "From the change of a Service or Pod in the cluster to the kernel of this node."),
	M("kubeproxy_sync_proxy_rules_last_timestamp_seconds", gauge, TIMESTAMP, last_synced,
	  "When the kernel was brought up to date last."),
	M("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", gauge, TIMESTAMP,
	  last_queued, "When a change that matters to the kernel came last."),
	M("kubeproxy_conntrack_reconciler_sync_duration_seconds", histogram, HISTOGRAM,
	  conntrack_sync, "How long it took to end connections to endpoints that are gone."),
	M("kubeproxy_conntrack_reconciler_deleted_entries_total", counter, COUNT,
	  conntrack_deleted, "Connections to endpoints that are gone that were ended."),
#undef M
};

static void write_member(struct page *p, const struct member *member, const struct metrics *m)
{
	page_family(p, member->name, member->type, member->help);
	for (int i = 0; i < K8S_FAMILIES; i++) {
		const struct label *labels = LABELS({ "ip_family", family_names[i] });
		const void *value = (const char *)&m->family[i] + member->offset;

		switch (member->kind) {
		case HISTOGRAM:
			page_histogram(p, labels, value);
			break;
		case COUNT:
			page_count(p, labels, *(const uint64_t *)value);
			break;
		case TIMESTAMP:
			page_value(p, labels, *(const double *)value);
			break;
		}
	}
}

/* kube-proxy calls it a gauge and yet _total, which a check of the page would complain of. */
static void write_no_local(struct page *p, const struct metrics *m)
{
	page_family(p, "kubeproxy_sync_proxy_rules_no_local_endpoints_total", "untyped",
		    "Services with a Local traffic policy and no endpoint for it, now.");
	for (int i = 0; i < K8S_FAMILIES; i++)
		for (int j = 0; j < N_POLICIES; j++)
			page_count(p, LABELS({ "ip_family", family_names[i] },
					     { "traffic_policy", policy_names[j] }),
				   m->family[i].no_local[j]);
}

static void write_answers(struct page *p, const char *name, const char *help,
			  const struct proxy_answers *answers)
{
	page_family(p, name, counter, help);
	page_count(p, LABELS({ "code", "200" }), answers->ok);
	page_count(p, LABELS({ "code", "503" }), answers->unavailable);
}

static void write_proxy(struct page *p, const struct metrics *m,
			const struct proxy_health *proxy)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		write_member(p, &members[i], m);
	one_count(p, "kubeproxy_sync_proxy_rules_endpoint_changes_pending", gauge,
		  "Changes of endpoints that the kernel does not have yet.",
		  m->endpoint_changes_pending);
	one_count(p, "kubeproxy_sync_proxy_rules_endpoint_changes_total", counter,
		  "Changes of endpoints seen.", m->endpoint_changes);
	one_count(p, "kubeproxy_sync_proxy_rules_service_changes_pending", gauge,
		  "Changes of Services that the kernel does not have yet.",
		  m->service_changes_pending);
	one_count(p, "kubeproxy_sync_proxy_rules_service_changes_total", counter,
		  "Changes of Services seen.", m->service_changes);
	write_no_local(p, m);
	if (!proxy)
		return;
	write_answers(p, "kubeproxy_proxy_healthz_total", "Answers on /healthz, by HTTP status.",
		      &proxy->healthz);
	write_answers(p, "kubeproxy_proxy_livez_total", "Answers on /livez, by HTTP status.",
		      &proxy->livez);
}

static void write_api(struct page *p, const struct metrics *m)
{
	char code[16];

	page_family(p, "ksvc_api_requests_total", counter,
		    "Requests to the API server, by HTTP status; \"none\" got no answer.");
	for (int i = 0; i < METRICS_CODES; i++) {
		snprintf(code, sizeof(code), "%d", i);
		if (m->api_requests[i])
			page_count(p, LABELS({ "code", i ? code : "none" }), m->api_requests[i]);
	}
	page_family(p, "ksvc_api_errors_total", counter,
		    "What went wrong between ksvcd and the API server.");
	for (int i = 0; i < METRICS_ERRORS; i++)
		if (m->api_errors[i].name)
			page_count(p, LABELS({ "error", m->api_errors[i].name }),
				   m->api_errors[i].n);
	one_count(p, "ksvc_relists_total", counter,
		  "Lists after the first: for a lost connection, or as every half an hour.",
		  m->relists);
}

static void write_kinds(struct page *p, const char *name, const char *type, const char *help,
			const uint64_t *values)
{
	page_family(p, name, type, help);
	for (int i = 0; i < N_KINDS; i++)
		page_count(p, LABELS({ "kind", kind_name(i) }), values[i]);
}

static void write_objects(struct page *p, const struct metrics *m)
{
	page_family(p, "ksvc_events_total", counter, "What the sources said, by kind of object.");
	for (int i = 0; i < N_KINDS; i++)
		for (int j = 0; j < N_METRICS_EVENTS; j++)
			page_count(p, LABELS({ "kind", kind_name(i) }, { "type", event_names[j] }),
				   m->events[i][j]);
	write_kinds(p, "ksvc_objects", gauge, "Objects known now.", m->objects);
	write_kinds(p, "ksvc_objects_refused_total", counter,
		    "Objects that could not be used, each time they came.", m->refused);
	one_count(p, "ksvc_unreadable_total", counter,
		  "What came from a source and could not be read at all.", m->broken);
}

static void write_daemon(struct page *p, const struct metrics *m)
{
	page_family(p, "ksvc_build_info", gauge, "The version of ksvcd; always 1.");
	page_count(p, LABELS({ "version", KSVC_VERSION }), 1);
	one_count(p, "ksvc_ready", gauge, "1 once all objects were listed completely.", m->ready);
	one_count(p, "ksvc_saved_state", gauge,
		  "1 while the state saved by an earlier run is in force.", m->from_saved);
	page_family(p, "ksvc_reaction_seconds", histogram,
		    "From the arrival of an event to its change in the kernel.");
	page_histogram(p, NULL, &m->reaction);
	one_count(p, "ksvc_sync_failures_total", counter,
		  "Changes that the kernel refused as a whole.", m->sync_failures);
	one_count(p, "ksvc_drift_total", counter,
		  "Services in the kernel that somebody else had changed, and were set right.",
		  m->drift);
	page_family(p, "ksvc_reloads_total", counter, "Configurations read again, by result.");
	page_count(p, LABELS({ "result", "ok" }), m->reloads);
	page_count(p, LABELS({ "result", "failed" }), m->reload_failures);
}

static void write_health(struct page *p, const struct health *health)
{
	struct health_counts c = health_counts(health);

	page_family(p, "ksvc_health_ports", gauge,
		    "Health check node ports by state, one for each address.");
	page_count(p, LABELS({ "state", "open" }), c.open);
	page_count(p, LABELS({ "state", "failed" }), c.failed);
}

static void write_module(struct page *p, const struct nl_info *info, unsigned int protocol)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%u", protocol);
	page_family(p, "ksvc_module_info", gauge, "The kernel module that is loaded; always 1.");
	page_count(p, LABELS({ "version", info->version }, { "protocol", buf }), 1);
	one_count(p, "ksvc_services", gauge, "Services in the kernel.", info->services);
	one_count(p, "ksvc_frontends", gauge, "Frontends in the kernel.", info->frontends);
	one_count(p, "ksvc_endpoints", gauge, "Endpoints in the kernel.", info->endpoints);
	one_count(p, "ksvc_generation", gauge, "Changes of the kernel's tables so far.",
		  info->generation);
}

static void write_stats(struct page *p, const struct nl_stats *stats)
{
	page_family(p, "ksvc_packets_total", counter,
		    "Packets that a decision was made about, by its reason.");
	for (uint32_t i = 0; i < stats->n_reasons && i < NL_REASONS; i++)
		page_count(p, LABELS({ "reason", reason_name(i) }), stats->packets[i]);
	one_count(p, "ksvc_masqueraded_packets_total", counter,
		  "Packets whose source became an address of the node.", stats->masqueraded);
}

/* What takes long; the rest is first and at once. */
enum part {
	PART_REST,
	PART_SERVICES,
	PART_CONNECTIONS,
	PART_ACTIVE,
	N_PARTS,
};

static void begin_part(struct page *p, enum part part)
{
	switch (part) {
	case PART_SERVICES:
		page_family(p, "ksvc_service_connections_total", counter,
			    "Connections that a service has taken.");
		break;
	case PART_CONNECTIONS:
		page_family(p, "ksvc_endpoint_connections_total", counter,
			    "Connections that went to an endpoint of a service.");
		break;
	case PART_ACTIVE:
		page_family(p, "ksvc_endpoint_active_connections", gauge,
			    "Connections to an endpoint of a service now, with the scheduler lc.");
		break;
	default:
		break;
	}
}

static void write_endpoint(struct metrics_job *job, const struct metrics_services *all,
			   const char *service)
{
	struct metrics_endpoint e;

	all->endpoint(all->data, job->service, job->endpoint, &e);
	page_count(&job->page, LABELS({ "service", service }, { "endpoint", e.name }),
		   job->part == PART_ACTIVE ? e.active : e.connections);
}

/* Returns how many lines it wrote of the service that is next. */
static unsigned int write_service(struct metrics_job *job, const struct metrics_services *all,
				  unsigned int max)
{
	struct metrics_service s;
	unsigned int n = 0;

	all->service(all->data, job->service, &s);
	if (job->part == PART_SERVICES) {
		page_count(&job->page, LABELS({ "service", s.name }), s.connections);
		job->service++;
		return 1;
	}
	if (job->part == PART_ACTIVE && !s.knows_active) {
		job->service++;
		return 1;
	}
	for (; job->endpoint < s.n_endpoints && n < max; n++, job->endpoint++)
		write_endpoint(job, all, s.name);
	if (job->endpoint == s.n_endpoints) {
		job->endpoint = 0;
		job->service++;
	}
	return n + 1;
}

static void write_services(struct metrics_job *job, const struct metrics_services *all)
{
	unsigned int n = 0;

	while (n < STEP_LINES && job->service < all->n)
		n += write_service(job, all, STEP_LINES - n);
	if (job->service < all->n)
		return;
	job->service = 0;
	job->part++;
	begin_part(&job->page, job->part);
}

/* -1: unknown. The one that is open for looking does not count. */
static long count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	long n = -1;

	if (!dir)
		return -1;
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void write_memory(struct page *p)
{
	unsigned long size, resident;
	FILE *f = fopen("/proc/self/statm", "re");
	long page = sysconf(_SC_PAGESIZE);

	if (!f)
		return;
	if (fscanf(f, "%lu %lu", &size, &resident) == 2) {
		one_count(p, "process_virtual_memory_bytes", gauge, "Address space in use.",
			  (uint64_t)size * page);
		one_count(p, "process_resident_memory_bytes", gauge, "Memory in use.",
			  (uint64_t)resident * page);
	}
	fclose(f);
}

static double seconds(const struct timeval *tv)
{
	return tv->tv_sec + tv->tv_usec / 1e6;
}

static void write_process(struct page *p, const struct metrics *m)
{
	struct rlimit limit;
	struct rusage usage;
	long fds = count_fds();

	if (!getrusage(RUSAGE_SELF, &usage))
		one_value(p, "process_cpu_seconds_total", counter, "CPU time used.",
			  seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
	write_memory(p);
	if (fds >= 0)
		one_count(p, "process_open_fds", gauge, "File descriptors in use.", fds);
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		one_count(p, "process_max_fds", gauge, "File descriptors that may be in use.",
			  limit.rlim_cur);
	one_value(p, "process_start_time_seconds", gauge, "When ksvcd started, since 1970.",
		  m->started);
}

static void write_rest(struct page *p, const struct metrics *m, const struct metrics_parts *parts)
{
	write_proxy(p, m, parts->proxy);
	write_daemon(p, m);
	write_api(p, m);
	write_objects(p, m);
	if (parts->health)
		write_health(p, parts->health);
	if (parts->info)
		write_module(p, parts->info, parts->protocol);
	if (parts->stats)
		write_stats(p, parts->stats);
	write_process(p, m);
}

bool metrics_step(struct metrics_job *job, const struct metrics *m,
		  const struct metrics_parts *parts)
{
	if (job->part == PART_REST) {
		write_rest(&job->page, m, parts);
		job->part = parts->services ? PART_SERVICES : N_PARTS;
		begin_part(&job->page, job->part);
	} else if (job->part < N_PARTS) {
		write_services(job, parts->services);
	}
	return job->part == N_PARTS;
}

void metrics_finish(struct metrics_job *job, struct http_answer *answer)
{
	answer->body = page_take(&job->page, &answer->len);
	answer->type = PAGE_TYPE;
	answer->status = answer->body ? 200 : 503;
	memset(job, 0, sizeof(*job));
}

void metrics_answer(const struct metrics *m, const struct metrics_parts *parts,
		    struct http_answer *answer)
{
	struct metrics_job job = {};

	while (!metrics_step(&job, m, parts))
		;
	metrics_finish(&job, answer);
}
