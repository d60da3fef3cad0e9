/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_DAEMON_H
#define _KSVCD_DAEMON_H

#include "addresses.h"
#include "collect.h"
#include "config.h"
#include "engine.h"
#include "health.h"
#include "http.h"
#include "metrics.h"
#include "node.h"
#include "proxy_health.h"
#include "scrape.h"
#include "source_api.h"
#include "source_dir.h"

#define MAX_TRIGGERS	4096

/* What the page of metrics that is being made is made of. */
struct scraped {
	struct collector *collector;	/* NULL: not begun */
	struct metrics_services services;
	struct nl_info info;
	struct nl_stats stats;
	bool has_info, has_stats;
};

/* Everything, and what its parts need of each other. */
struct daemon {
	sd_event *loop;
	int argc;
	char **argv;
	struct config config;
	struct node node;
	struct engine engine;
	struct addresses *addresses;

	struct sink sink;
	struct source_api *api;		/* one of these */
	struct source_dir *dir;
	bool listed[N_KINDS];
	bool conntrack_is_set;
	size_t told_services, told_slices;	/* systemd, as being in force */
	bool has_node;			/* its object, as far as this list got */
	sd_event_source *grace;		/* for the kinds that can be done without */

	struct http *http;
	struct health *health;
	struct http_listener *healthz, *scraper;
	struct scrape *scrape;
	struct scraped scraped;
	struct nl_stats seen;		/* by the last scrape */
	struct proxy_health proxy;
	struct metrics metrics;

	/* Of changes that are not in force yet: */
	uint64_t arrived;		/* the first one's time, CLOCK_MONOTONIC; 0: none */
	struct {
		enum k8s_family family;
		double time;		/* seconds since 1970 */
	} triggers[MAX_TRIGGERS];
	size_t n_triggers;

	sd_event_source *save, *saver;	/* when, and the process that does */
	bool unsaved;
	sd_event_source *serve;		/* the saved state, after a while */
	bool serve_waits;		/* that was told */
};

/* objects.c: the sink. Objects go into the collection; complete lists let the engine begin. */
void objects_init(struct daemon *d);
void objects_free(struct daemon *d);
/* The node has changed: what follows from it follows. */
void objects_node_changed(struct daemon *d);

/* report.c: what the engine says, for people, load balancers and Prometheus. */
extern const struct engine_calls report_calls;
void report_change(struct daemon *d, enum kind kind);
/* H6: something waits for a sync. */
void report_waiting(struct daemon *d, struct instant since);

/* serve.c: the health and metrics ports. */
int serve_init(struct daemon *d, struct err *e);
void serve_free(struct daemon *d);
/* H2: which addresses have health ports. */
void serve_addresses(struct daemon *d);

/* saved.c: the last good state, to disk and back. */
int saved_init(struct daemon *d);
void saved_free(struct daemon *d);
void saved_soon(struct daemon *d);
void saved_last(struct daemon *d);	/* when it ends */

#endif
