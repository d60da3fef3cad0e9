/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_PROXY_HEALTH_H
#define _KSVCD_PROXY_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "lib/k8s.h"

/*
 * H6: a family is late if a change has waited for a sync for the timeout or
 * longer; before its first sync it is not. H7: /healthz also wants a node that
 * is there to stay. H8: what both paths answer. /readyz, which kube-proxy does not have,
 * is for whoever waits until services are in force: each family has had a sync.
 */
struct instant {
	uint64_t mono;			/* microseconds of CLOCK_MONOTONIC */
	uint64_t real;			/* and of CLOCK_REALTIME */
};

struct instant instant_now(void);

/* "2006-01-02T15:04:05.123456Z", without the zeros at its end. */
#define INSTANT_STRLEN	40
const char *instant_format(uint64_t real, char *buf);

struct proxy_answers {
	uint64_t ok, unavailable;	/* 200, 503 */
};

/* All zero but for the timeout is a proxy before its first sync and node. */
struct proxy_health {
	uint64_t timeout;		/* microseconds */
	struct instant (*now)(void);	/* of the handler; NULL: instant_now() */
	bool node_eligible;
	struct proxy_family {
		bool synced, pending;
		struct instant updated;
		uint64_t oldest;	/* since when a change is pending */
	} families[K8S_FAMILIES];
	struct proxy_answers healthz, livez, readyz;
};

void proxy_queued(struct proxy_health *p, enum k8s_family family, struct instant now);
void proxy_updated(struct proxy_health *p, enum k8s_family family, struct instant now);
bool proxy_is_healthy(const struct proxy_health *p, struct instant now);

/* Without a Node object, as of files only, the caller sets node_eligible. */
void proxy_set_node(struct proxy_health *p, const json_t *node);	/* NULL: unknown */

/* An http_handler; data is the struct proxy_health. */
void proxy_health_handler(void *data, const char *path, struct http_answer *answer);

#endif
