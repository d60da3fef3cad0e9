/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HEALTH_H
#define _KSVCD_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "lib/k8s.h"

/*
 * What a load balancer asks the health ports of Services with (H1-H5). Ports
 * open and close once the event loop turns after a change: first those that
 * are gone, then those that came, so that Services can swap theirs.
 */
struct health;

struct health_calls {
	/* H6 */
	bool (*is_healthy)(void *data);
	/*
	 * A port of a Service cannot be opened and why, as an errno; once until it
	 * is another. 0: now it is open. Must not call health_*().
	 */
	void (*report)(void *data, const char *ns, const char *name,
		       const struct http_place *place, int error);
	void *data;
};

struct health_counts {
	unsigned int open, failed;	/* ports, by address */
};

/* 0 or a negative errno. */
int health_new(struct health **hp, struct http *http, sd_event *loop,
	       const struct health_calls *calls);
void health_free(struct health *h);		/* before its struct http */

/* H2: on all addresses of a family, as at first, or on these; n may be 0. */
void health_set_all(struct health *h, enum k8s_family family);
void health_set_addresses(struct health *h, enum k8s_family family, const struct addr *list,
			  size_t n);

/*
 * That a Service has this health port (0: none) and so many local ready
 * endpoints, H3. -EINVAL if a name could not be said in JSON; then it has none.
 */
int health_put(struct health *h, enum k8s_family family, const char *ns, const char *name,
	       uint16_t port, unsigned int n_local_ready);
void health_del(struct health *h, enum k8s_family family, const char *ns, const char *name);

struct health_counts health_counts(const struct health *h);

#endif
