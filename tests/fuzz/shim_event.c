// SPDX-License-Identifier: GPL-2.0
#include "shim.h"

#include <stdlib.h>
#include <time.h>

#include "fuzz.h"

struct sd_event {
	unsigned int users;
};

struct sd_event_source {
	struct sd_event_source *next;
	uint64_t at;
	bool on;
	sd_event_time_handler_t fn;
	void *data;
};

static struct sd_event_source *timers;
static uint64_t now;

sd_event *shim_event_new(void)
{
	struct sd_event *e = xcalloc(1, sizeof(*e));

	now = 1000000;
	e->users = 1;
	return e;
}

sd_event *sd_event_ref(sd_event *e)
{
	e->users++;
	return e;
}

sd_event *sd_event_unref(sd_event *e)
{
	if (!--e->users)
		free(e);
	return NULL;
}

int sd_event_now(sd_event *e, clockid_t clock, uint64_t *usec)
{
	check(e->users && clock == CLOCK_MONOTONIC);
	*usec = now;
	return 0;
}

int sd_event_add_time_relative(sd_event *e, sd_event_source **source, clockid_t clock,
			       uint64_t usec, uint64_t accuracy, sd_event_time_handler_t fn,
			       void *data)
{
	struct sd_event_source *s = xcalloc(1, sizeof(*s));

	check(e->users && clock == CLOCK_MONOTONIC && accuracy);
	*s = (struct sd_event_source){
		.next = timers, .at = now + usec, .on = true, .fn = fn, .data = data };
	timers = s;
	*source = s;
	return 0;
}

int sd_event_source_set_time(sd_event_source *s, uint64_t usec)
{
	s->at = usec;
	return 0;
}

int sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec)
{
	s->at = now + usec;
	return 0;
}

int sd_event_source_set_enabled(sd_event_source *s, int on)
{
	check(on == SD_EVENT_OFF || on == SD_EVENT_ONESHOT);
	s->on = on == SD_EVENT_ONESHOT;
	return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s)
{
	struct sd_event_source **p = &timers;

	if (!s)
		return NULL;
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	free(s);
	return NULL;
}

static struct sd_event_source *next_timer(void)
{
	struct sd_event_source *first = NULL;

	for (struct sd_event_source *s = timers; s; s = s->next)
		if (s->on && (!first || s->at < first->at))
			first = s;
	return first;
}

static void fire(struct sd_event_source *s)
{
	if (s->at > now)
		now = s->at;
	s->on = false;
	s->fn(s, s->at, s->data);
}

bool shim_advance_to_timer(void)
{
	struct sd_event_source *s = next_timer();

	/* That far away is what stands for never. */
	if (!s || s->at > now + 1000000ull * 86400 * 365)
		return false;
	fire(s);
	return true;
}

void shim_advance(uint64_t us)
{
	uint64_t until = now + us;
	struct sd_event_source *s;

	for (int i = 0; i < 1000 && (s = next_timer()) && s->at <= until; i++)
		fire(s);
	now = now > until ? now : until;
}
