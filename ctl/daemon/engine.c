// SPDX-License-Identifier: GPL-2.0
/* When to write, and what to do if that fails. */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "engine_sync.h"

#define COALESCE	(10 * 1000ull)
#define FIRST_BACKOFF	(100 * 1000ull)
#define MAX_BACKOFF	(30 * 1000 * 1000ull)
#define REFUSED_AGAIN	(30 * 1000 * 1000ull)

static void arm(sd_event_source *timer, uint64_t when)
{
	sd_event_source_set_time(timer, when);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static bool is_armed(sd_event_source *source)
{
	int enabled;

	return sd_event_source_get_enabled(source, &enabled) > 0 && enabled != SD_EVENT_OFF;
}

static void schedule(struct engine *e)
{
	uint64_t gap = e->min_period ? e->min_period : COALESCE;
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	/* After a failure, its timer decides. */
	if (!e->enabled || is_armed(e->defer) || is_armed(e->timer))
		return;
	if (!e->last || now >= e->last + gap)
		sd_event_source_set_enabled(e->defer, SD_EVENT_ONESHOT);
	else
		arm(e->timer, e->last + gap);
}

static void fail(struct engine *e, const char *why)
{
	e->counts.failures++;
	if (!e->failing)
		e->calls.failed(e->calls.data, why);
	e->failing = true;
	e->backoff = e->backoff ? 2 * e->backoff : FIRST_BACKOFF;
	if (e->backoff > MAX_BACKOFF)
		e->backoff = MAX_BACKOFF;
	arm(e->timer, e->last + e->backoff);
}

static void succeed(struct engine *e, uint64_t took, bool full)
{
	e->backoff = 0;
	e->failing = false;
	e->ever = true;
	/* What is still there, was refused; other changes do not put it off. */
	if (e->objects.changed.n && !is_armed(e->again))
		arm(e->again, e->last + REFUSED_AGAIN);
	e->calls.synced(e->calls.data, took, full);
}

static void run(struct engine *e)
{
	uint64_t start = clock_usec(CLOCK_MONOTONIC);
	bool full = !e->known;
	struct err why;
	int err;

	sd_event_source_set_enabled(e->defer, SD_EVENT_OFF);
	sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
	err = engine_sync(e, &why);
	e->last = clock_usec(CLOCK_MONOTONIC);
	if (err)
		fail(e, why.text);
	else
		succeed(e, e->last - start, full);
}

static int on_defer(sd_event_source *source, void *data)
{
	(void)source;
	run(data);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	run(data);
	return 0;
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	struct engine *e = data;

	(void)source;
	(void)usec;
	e->retry_refused = true;
	schedule(e);
	return 0;
}

/* By the generation, which is cheap to ask for. */
static int on_check(sd_event_source *source, uint64_t usec, void *data)
{
	struct engine *e = data;

	if (!engine_is_current(e))
		engine_distrust(e);
	arm(source, usec + e->check_period);
	return 0;
}

static int add_timer(struct engine *e, sd_event_source **timer, sd_event_time_handler_t fn)
{
	int err = sd_event_add_time(e->loop, timer, CLOCK_MONOTONIC, 0, 1, fn, e);

	return err < 0 ? err : sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
}

int engine_init(struct engine *e, sd_event *loop, const struct k8s_node *node,
		uint64_t check, const struct engine_calls *calls)
{
	int err;

	memset(e, 0, sizeof(*e));
	e->loop = sd_event_ref(loop);
	e->objects.node = node;
	e->calls = *calls;
	e->check_period = check;
	err = sd_event_add_defer(loop, &e->defer, on_defer, e);
	if (err >= 0)
		err = sd_event_source_set_enabled(e->defer, SD_EVENT_OFF);
	if (err >= 0)
		err = add_timer(e, &e->timer, on_timer);
	if (err >= 0)
		err = add_timer(e, &e->again, on_again);
	if (err >= 0)
		err = add_timer(e, &e->check, on_check);
	if (err < 0)
		engine_free(e);
	return err < 0 ? err : 0;
}

void engine_free(struct engine *e)
{
	sd_event_source_unref(e->defer);
	sd_event_source_unref(e->timer);
	sd_event_source_unref(e->again);
	sd_event_source_unref(e->check);
	sd_event_unref(e->loop);
	nl_close(e->nl);
	settings_free(&e->settings);
	k8s_free(&e->objects);
	memset(e, 0, sizeof(*e));
}

void engine_enable(struct engine *e)
{
	if (e->enabled)
		return;
	e->enabled = true;
	arm(e->check, clock_usec(CLOCK_MONOTONIC) + e->check_period);
	schedule(e);
}

void engine_changed(struct engine *e)
{
	schedule(e);
}

void engine_set_settings(struct engine *e, struct settings *s)
{
	settings_free(&e->settings);
	e->settings = *s;
	memset(s, 0, sizeof(*s));
	e->set = true;
	engine_distrust(e);
}

void engine_distrust(struct engine *e)
{
	e->known = false;
	schedule(e);
}
