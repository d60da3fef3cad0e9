// SPDX-License-Identifier: GPL-2.0
#include "scrape.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WAITING	16

struct scrape {
	const struct metrics *metrics;
	struct scrape_calls calls;
	sd_event_source *idle;
	struct http_request *waiting[MAX_WAITING];	/* the first one is worked at */
	size_t n_waiting;
	struct metrics_parts parts;
	struct metrics_job job;
	bool collecting, writing;
};

static void release(struct scrape *s)
{
	if (s->collecting || s->writing)
		s->calls.release(s->calls.data);
	s->collecting = s->writing = false;
	memset(&s->parts, 0, sizeof(s->parts));
}

static void reply(struct scrape *s, const struct http_answer *answer)
{
	struct http_request *first = s->waiting[0];

	release(s);
	memmove(s->waiting, s->waiting + 1, --s->n_waiting * sizeof(*s->waiting));
	http_reply(first, answer);
}

static void finish(struct scrape *s)
{
	struct http_answer answer = {};

	metrics_finish(&s->job, &answer);
	reply(s, &answer);
}

static void collect(struct scrape *s)
{
	static const struct http_answer unavailable = { .status = 503 };
	int r;

	s->collecting = true;
	r = s->calls.collect(s->calls.data, &s->parts);
	if (r < 0)
		reply(s, &unavailable);
	s->writing = !r;
}

static int on_idle(sd_event_source *source, void *data)
{
	struct scrape *s = data;

	if (!s->writing)
		collect(s);
	else if (metrics_step(&s->job, s->metrics, &s->parts))
		finish(s);
	sd_event_source_set_enabled(source, s->n_waiting ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return 0;
}

void scrape_handler(void *data, const char *path, struct http_answer *answer)
{
	struct scrape *s = data;

	if (strcmp(path, "/metrics"))
		return;
	if (s->n_waiting == MAX_WAITING) {
		answer->status = 503;
		return;
	}
	answer->later = true;
	s->waiting[s->n_waiting++] = answer->request;
	sd_event_source_set_enabled(s->idle, SD_EVENT_ONESHOT);
}

int scrape_new(struct scrape **sp, sd_event *loop, const struct metrics *m,
	       const struct scrape_calls *calls)
{
	struct scrape *s = xcalloc(1, sizeof(*s));
	int r = sd_event_add_defer(loop, &s->idle, on_idle, s);

	s->metrics = m;
	s->calls = *calls;
	if (r >= 0)
		r = sd_event_source_set_priority(s->idle, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->idle, SD_EVENT_OFF);
	if (r < 0) {
		scrape_free(s);
		s = NULL;
	}
	*sp = s;
	return r < 0 ? r : 0;
}

void scrape_free(struct scrape *s)
{
	static const struct http_answer none = {};
	struct http_answer rest = {};

	if (!s)
		return;
	while (s->n_waiting)
		reply(s, &none);
	metrics_finish(&s->job, &rest);
	free(rest.body);
	sd_event_source_disable_unref(s->idle);
	free(s);
}
