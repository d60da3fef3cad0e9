// SPDX-License-Identifier: GPL-2.0
/* When the engine writes: with a kernel that only notes the time. */
#include "test.h"

#include <string.h>

#include "daemon/engine.h"
#include "daemon/engine_sync.h"

#define MS		1000ull
#define FOREVER		(60 * 1000 * MS)

static struct {
	sd_event *loop;
	struct engine engine;
	int syncs, full, answer;	/* of engine_sync() */
	uint64_t began, ended;		/* the last one */
	int failed, synced;
	bool current;
} on;

int engine_sync(struct engine *e, struct err *why)
{
	on.syncs++;
	on.full += !e->known;
	on.began = clock_usec(CLOCK_MONOTONIC);
	e->known = !on.answer;
	return on.answer ? err_set(why, "no") : 0;
}

bool engine_is_current(struct engine *e)
{
	(void)e;
	return on.current;
}

static void nothing(void *data, const struct k8s_entry *entry)
{
	(void)data;
	(void)entry;
}

static void refused(void *data, const struct k8s_entry *entry, const char *why)
{
	(void)why;
	nothing(data, entry);
}

static void synced(void *data, uint64_t microseconds, bool full)
{
	(void)data;
	(void)microseconds;
	(void)full;
	on.synced++;
	on.ended = on.engine.last;
}

static void failed(void *data, const char *why)
{
	(void)data;
	expect_text(why, "no");
	on.failed++;
	on.ended = on.engine.last;
}

static void begin(uint64_t min_period, uint64_t check)
{
	static const struct engine_calls calls = {
		.settled = nothing, .refused = refused, .synced = synced, .failed = failed,
	};
	static const struct k8s_node node;

	memset(&on, 0, sizeof(on));
	on.current = true;
	expect(sd_event_new(&on.loop) >= 0);
	expect(!engine_init(&on.engine, on.loop, &node, check, &calls));
	on.engine.min_period = min_period;
}

static void end(void)
{
	engine_free(&on.engine);
	sd_event_unref(on.loop);
}

/* The loop's turns until one has synced. */
static void wait_sync(void)
{
	int before = on.syncs;

	while (on.syncs == before)
		expect(sd_event_run(on.loop, FOREVER) > 0);
}

/* Whether the loop has nothing to do at once. */
static bool is_idle(void)
{
	return !sd_event_run(on.loop, 0);
}

static void nothing_before_enabled(void)
{
	begin(0, FOREVER);
	engine_changed(&on.engine);
	expect(is_idle() && !on.syncs);
	engine_enable(&on.engine);
	wait_sync();
	expect(on.full == 1 && on.synced == 1);
	expect(is_idle() && on.syncs == 1);
	end();
}

/* Idle for 10 ms: at once. Then together, and not more than 10 ms after the last. */
static void coalesces(void)
{
	uint64_t before;

	begin(0, FOREVER);
	engine_enable(&on.engine);
	wait_sync();
	for (int i = 0; i < 20; i++) {
		before = on.ended;
		for (int j = 0; j < 1000; j++)
			engine_changed(&on.engine);
		wait_sync();
		expect(on.began >= before + 10 * MS);
	}
	expect(on.syncs == 21 && on.full == 1);
	while (clock_usec(CLOCK_MONOTONIC) < on.ended + 10 * MS)
		;
	engine_changed(&on.engine);
	expect(!is_idle() && on.syncs == 22);
	end();
}

/* The timer is armed for just then: what comes meanwhile puts nothing off. */
static void is_not_put_off(void)
{
	uint64_t due, armed;

	begin(0, FOREVER);
	engine_enable(&on.engine);
	wait_sync();
	due = on.ended + 10 * MS;
	engine_changed(&on.engine);
	if (clock_usec(CLOCK_MONOTONIC) < due) {
		expect(sd_event_source_get_time(on.engine.timer, &armed) >= 0);
		expect(armed == due);
		engine_changed(&on.engine);
		expect(sd_event_source_get_time(on.engine.timer, &armed) >= 0);
		expect(armed == due);
	}
	end();
}

static void least_period(void)
{
	uint64_t before;

	begin(50 * MS, FOREVER);
	engine_enable(&on.engine);
	wait_sync();
	before = on.ended;
	engine_changed(&on.engine);
	wait_sync();
	expect(on.began >= before + 50 * MS);
	end();
}

/* 100 ms, 200 ms; changes do not hurry it, and the first success ends it. */
static void backs_off(void)
{
	uint64_t before;

	begin(0, FOREVER);
	on.answer = -1;
	engine_enable(&on.engine);
	wait_sync();
	for (int i = 0; i < 2; i++) {
		before = on.ended;
		engine_changed(&on.engine);
		wait_sync();
		expect(on.began >= before + (100 * MS << i));
	}
	expect(on.failed == 1 && on.engine.counts.failures == 3);
	on.answer = 0;
	wait_sync();
	expect(on.synced == 1 && on.full == 4);
	on.answer = -1;
	engine_changed(&on.engine);
	wait_sync();
	expect(on.failed == 2 && on.engine.backoff == 100 * MS);
	end();
}

/* After 30 s, whatever else is written meanwhile. */
static void tries_refused_again(void)
{
	uint64_t first, later;

	begin(0, FOREVER);
	engine_enable(&on.engine);
	on.engine.objects.changed.n = 1;
	wait_sync();
	expect(sd_event_source_get_time(on.engine.again, &first) >= 0);
	expect(first == on.ended + 30 * 1000 * MS && !on.engine.retry_refused);
	for (int i = 0; i < 3; i++) {
		engine_changed(&on.engine);
		wait_sync();
	}
	expect(sd_event_source_get_time(on.engine.again, &later) >= 0 && later == first);
	sd_event_source_set_time(on.engine.again, 0);
	wait_sync();
	expect(on.engine.retry_refused);
	on.engine.objects.changed.n = 0;
	end();
}

static void distrusts(void)
{
	struct settings s = {};

	begin(0, 50 * MS);
	engine_enable(&on.engine);
	wait_sync();
	engine_changed(&on.engine);
	wait_sync();
	expect(on.full == 1);
	engine_distrust(&on.engine);
	wait_sync();
	expect(on.full == 2);
	engine_set_settings(&on.engine, &s);
	wait_sync();
	expect(on.full == 3);
	/* Nothing comes, but somebody else writes. */
	on.current = false;
	wait_sync();
	expect(on.full == 4);
	end();
}

const struct test engine_tests[] = {
	{ "engine: nothing is written before all was listed", nothing_before_enabled },
	{ "engine: at once, and what comes within 10 ms together", coalesces },
	{ "engine: not later than 10 ms after the last, whatever comes", is_not_put_off },
	{ "engine: as far apart as is wanted", least_period },
	{ "engine: backs off from a kernel that fails", backs_off },
	{ "engine: tries again what was refused", tries_refused_again },
	{ "engine: reads the kernel when it has reason to", distrusts },
	{}
};
