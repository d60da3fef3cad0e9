/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_METRICS_H
#define _KSVCD_METRICS_H

#include "health.h"
#include "http.h"
#include "lib/k8s.h"
#include "lib/nl.h"
#include "page.h"
#include "proxy_health.h"
#include "source.h"

enum traffic_policy { POLICY_INTERNAL, POLICY_EXTERNAL, N_POLICIES };

enum metrics_event {
	METRICS_LISTED,			/* a list that is complete */
	METRICS_PUT,
	METRICS_DELETED,
	METRICS_BOOKMARK,
	METRICS_ERROR,			/* an ERROR event, or what could not be read */
	N_METRICS_EVENTS,
};

#define METRICS_CODES	600
#define METRICS_ERRORS	32

struct metrics_per_family {
	struct histogram sync;			/* seconds; each of those that follow, too */
	struct histogram sync_full;		/* with a dump of the kernel */
	struct histogram sync_partial;
	struct histogram programming;		/* from the cluster's change on */
	struct histogram conntrack_sync;
	uint64_t conntrack_deleted;
	double last_synced, last_queued;	/* seconds since 1970 */
	uint64_t no_local[N_POLICIES];		/* Services now, without a local endpoint */
};

/*
 * What ksvcd counts, incremented by whoever sees it. All is from the event
 * loop's thread.
 */
struct metrics {
	struct metrics_per_family family[K8S_FAMILIES];
	struct histogram reaction;		/* an event's arrival to the kernel's change */
	uint64_t endpoint_changes, endpoint_changes_pending;
	uint64_t service_changes, service_changes_pending;
	uint64_t sync_failures;
	uint64_t drift;				/* kernel objects that were not as they should be */
	uint64_t events[N_KINDS][N_METRICS_EVENTS];
	uint64_t objects[N_KINDS];		/* now */
	uint64_t refused[N_KINDS], broken;	/* broken: not even of a kind */
	uint64_t relists;
	uint64_t reloads, reload_failures;
	bool ready;				/* the first lists were complete */
	bool from_saved;			/* what is in force is last time's good state */
	double started;
	uint64_t api_requests[METRICS_CODES];	/* by HTTP status; 0: none came */
	struct {
		const char *name;
		uint64_t n;
	} api_errors[METRICS_ERRORS];
};

void metrics_init(struct metrics *m);

void metrics_api_request(struct metrics *m, long code);
/* A short word, as "timeout": a literal. */
void metrics_api_error(struct metrics *m, const char *error);

/* A sync of one family that took so many seconds and ended now. */
void metrics_synced(struct metrics *m, enum k8s_family family, bool full, double seconds,
		    struct instant now);

struct metrics_service {
	const char *name;			/* valid until the next call */
	uint64_t connections;
	size_t n_endpoints;
	bool knows_active;			/* the scheduler counts living connections */
};

struct metrics_endpoint {
	char name[ENDPOINT_STRLEN];
	uint64_t connections;
	uint32_t active;
};

/* The Services in the kernel; each is asked for several times. */
struct metrics_services {
	size_t n;
	void (*service)(const void *data, size_t i, struct metrics_service *s);
	void (*endpoint)(const void *data, size_t i, size_t j, struct metrics_endpoint *e);
	const void *data;
};

/* Borrows the model. */
struct metrics_services metrics_services_of(const struct model *m);

/* What a page is made of; NULL: that part is left out. */
struct metrics_parts {
	const struct proxy_health *proxy;
	const struct health *health;
	const struct nl_info *info;
	unsigned int protocol;			/* that the module speaks, with info */
	const struct nl_stats *stats;
	const struct metrics_services *services;
};

/* The page in pieces, since that of many endpoints takes longer than others can wait. */
struct metrics_job {
	struct page page;
	unsigned int part;			/* that is being written */
	size_t service, endpoint;		/* and how far it is */
};

/*
 * Writes some 1000 lines more; true: that was the last. All zero is a new job.
 * What parts point to stays the same meanwhile, but for what is counted.
 */
bool metrics_step(struct metrics_job *job, const struct metrics *m,
		  const struct metrics_parts *parts);

/* The page as an answer, 503 if it could not be made; the job is new again. */
void metrics_finish(struct metrics_job *job, struct http_answer *answer);

/* The whole page at once. */
void metrics_answer(const struct metrics *m, const struct metrics_parts *parts,
		    struct http_answer *answer);

#endif
