/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_ENGINE_H
#define _KSVCD_ENGINE_H

#include <systemd/sd-event.h>

#include "lib/k8s.h"
#include "lib/nl.h"

/*
 * Keeps the kernel equal to a collection of objects. Changes are written at
 * once, and those that come within 10 ms of that, together 10 ms later; or as
 * far apart as the owner wants. What the kernel has is read at start, after
 * failures, and when somebody else has changed it.
 */
struct engine_calls {
	/* An entry's frontends and endpoints are in force; it may go afterwards. */
	void (*settled)(void *data, const struct k8s_entry *entry);
	/* The kernel does not take what an entry wants, and keeps what it has. */
	void (*refused)(void *data, const struct k8s_entry *entry, const char *why);
	/* All that came is in force, but for what is refused. */
	void (*synced)(void *data, uint64_t microseconds, bool full);
	/* Neither the one nor the other, and why; once until it works again. */
	void (*failed)(void *data, const char *why);
	void *data;
};

struct engine_counts {
	uint64_t drift;			/* operations that others' changes made necessary */
	uint64_t failures;
};

struct engine {
	struct k8s objects;
	uint64_t min_period;		/* between syncs, in microseconds; 0: see above */
	struct engine_counts counts;

	sd_event *loop;
	sd_event_source *defer, *timer, *again, *check;
	struct engine_calls calls;
	struct nl *nl;
	struct settings settings;	/* to be in force */
	uint64_t generation;		/* of what the collection thinks is in force */
	uint64_t last;			/* end of the last sync, CLOCK_MONOTONIC */
	uint64_t backoff, check_period;
	bool enabled;			/* may write */
	bool known;			/* what is in force */
	bool ever;			/* there was a sync */
	bool set;			/* settings, that is, since the last sync */
	bool failing;
	bool retry_refused;
};

/* 0 or a negative errno. check: how often to look for others' changes. */
int engine_init(struct engine *e, sd_event *loop, const struct k8s_node *node,
		uint64_t check, const struct engine_calls *calls);
void engine_free(struct engine *e);

/* Nothing is written before this: all objects have been listed. */
void engine_enable(struct engine *e);

/* Something in the collection has changed. */
void engine_changed(struct engine *e);

/* Takes s over. */
void engine_set_settings(struct engine *e, struct settings *s);

/* Reads the kernel before the next sync, whether or not it seems necessary. */
void engine_distrust(struct engine *e);

/* The socket, for questions; NULL while there is none. */
struct nl *engine_nl(struct engine *e);

#endif
