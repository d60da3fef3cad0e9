// SPDX-License-Identifier: GPL-2.0
/* What is counted. metrics_page.c says it. */
#include "metrics.h"

#include <string.h>

#define USEC	1e6

static double sync_bounds[15];
static double programming_bounds[81];
static const double reaction_bounds[] = {
	0.00001, 0.000025, 0.00005, 0.000075, 0.0001, 0.00015, 0.0002, 0.00025, 0.0003, 0.0004,
	0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10,
};

_Static_assert(ARRAY_SIZE(programming_bounds) <= HISTOGRAM_MAX, "histograms are too small");

static unsigned int linear(unsigned int n, double from, double step, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		programming_bounds[n++] = from + i * step;
	return n;
}

/* As kube-proxy has them, so that its dashboards and alerts go on. */
static void set_bounds(void)
{
	unsigned int n;

	for (size_t i = 0; i < ARRAY_SIZE(sync_bounds); i++)
		sync_bounds[i] = 0.001 * (1u << i);
	n = linear(0, 0, 1, 1);
	n = linear(n, 0.25, 0.25, 2);
	n = linear(n, 1, 1, 59);
	n = linear(n, 60, 5, 12);
	linear(n, 120, 30, 7);
}

static void set_histogram(struct histogram *h, const double *bounds, unsigned int n)
{
	h->bounds = bounds;
	h->n_bounds = n;
}

void metrics_init(struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	set_bounds();
	for (int i = 0; i < K8S_FAMILIES; i++) {
		struct metrics_per_family *f = &m->family[i];

		set_histogram(&f->sync, sync_bounds, ARRAY_SIZE(sync_bounds));
		set_histogram(&f->sync_full, sync_bounds, ARRAY_SIZE(sync_bounds));
		set_histogram(&f->sync_partial, sync_bounds, ARRAY_SIZE(sync_bounds));
		set_histogram(&f->conntrack_sync, sync_bounds, ARRAY_SIZE(sync_bounds));
		set_histogram(&f->programming, programming_bounds,
			      ARRAY_SIZE(programming_bounds));
	}
	set_histogram(&m->reaction, reaction_bounds, ARRAY_SIZE(reaction_bounds));
	m->started = instant_now().real / USEC;
}

void metrics_api_request(struct metrics *m, long code)
{
	m->api_requests[code > 0 && code < METRICS_CODES ? code : 0]++;
}

void metrics_api_error(struct metrics *m, const char *error)
{
	size_t i = 0;

	while (i < METRICS_ERRORS - 1 && m->api_errors[i].name &&
	       strcmp(m->api_errors[i].name, error))
		i++;
	if (!m->api_errors[i].name)
		m->api_errors[i].name = i < METRICS_ERRORS - 1 ? error : "other";
	m->api_errors[i].n++;
}

void metrics_synced(struct metrics *m, enum k8s_family family, bool full, double seconds,
		    struct instant now)
{
	struct metrics_per_family *f = &m->family[family];

	histogram_observe(&f->sync, seconds);
	histogram_observe(full ? &f->sync_full : &f->sync_partial, seconds);
	f->last_synced = now.real / USEC;
}

static void model_service(const void *data, size_t i, struct metrics_service *s)
{
	const struct service *from = &((const struct model *)data)->services[i];

	s->name = from->name;
	s->connections = from->connections;
	s->n_endpoints = from->n_endpoints;
	s->knows_active = from->scheduler == KSVC_SCHEDULER_LC;
}

static void model_endpoint(const void *data, size_t i, size_t j, struct metrics_endpoint *e)
{
	const struct endpoint *from = &((const struct model *)data)->services[i].endpoints[j];

	hostport_format(&from->addr, from->port, e->name);
	e->connections = from->connections;
	e->active = from->active;
}

struct metrics_services metrics_services_of(const struct model *m)
{
	return (struct metrics_services){ .n = m->n_services, .service = model_service,
					  .endpoint = model_endpoint, .data = m };
}
