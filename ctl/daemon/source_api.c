// SPDX-License-Identifier: GPL-2.0
#include "source_api.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api.h"
#include "log.h"

/* So many lists by stream fail in a row before none is tried any more. */
#define MAX_STREAM_FAILURES	3

void source_api_defaults(struct source_api_config *c)
{
	*c = (struct source_api_config){
		.connect_ms = 10000,
		.response_ms = 30000,
		.list_ms = 60000,
		.stream_ms = 300000,
		.stream_silence_ms = 15000,
		.watch_ms = 300000,
		.watch_grace_ms = 30000,
		.silence_ms = 150000,
		.line_ms = 30000,
		.renew_ms = 1800000,
		.alive_ms = 10000,
		.backoff_min_ms = 200,
		.backoff_max_ms = 30000,
		.retry_after_max_ms = 60000,
		.not_served_ms = 3600000,
		.page_objects = 250,
		.max_pages = 100000,
		.max_page = (size_t)32 << 20,
		.max_line = (size_t)32 << 20,
	};
}

uint64_t api_now(const struct api_kind *k)
{
	uint64_t now = 0;

	sd_event_now(k->api->event, CLOCK_MONOTONIC, &now);
	return now;
}

uint32_t api_random(uint32_t range)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = random();
	return range ? r % range : 0;
}

int api_end(struct api_kind *k, enum api_error error, const char *fmt, ...)
{
	va_list ap;

	if (k->error)
		return -1;
	k->error = error;
	va_start(ap, fmt);
	vsnprintf(k->error_text, sizeof(k->error_text), fmt, ap);
	va_end(ap);
	return -1;
}

static void schedule(struct api_kind *k, uint64_t ms)
{
	k->phase = API_WAITING;
	sd_event_source_set_time_relative(k->wait, ms * 1000);
	sd_event_source_set_enabled(k->wait, SD_EVENT_ONESHOT);
}

/* Up to a quarter less. */
static uint64_t spread(uint64_t ms)
{
	return ms - api_random(ms / 4 < UINT32_MAX ? ms / 4 : UINT32_MAX);
}

static uint64_t next_backoff(struct api_kind *k)
{
	const struct source_api_config *c = &k->api->config;

	k->backoff_ms = k->backoff_ms ? k->backoff_ms * 2 : c->backoff_min_ms;
	if (k->backoff_ms > c->backoff_max_ms)
		k->backoff_ms = c->backoff_max_ms;
	return k->backoff_ms - api_random(k->backoff_ms / 2);
}

static void update_token(struct source_api *s, struct api_kind *k, bool always)
{
	struct err e;

	if (!api_access_token(&s->access, api_now(k), always, &e)) {
		s->token_error[0] = '\0';
		return;
	}
	s->stats.errors[k->kind][API_ERROR_TOKEN]++;
	if (!strncmp(e.text, s->token_error, sizeof(s->token_error) - 1))
		return;
	snprintf(s->token_error, sizeof(s->token_error), "%.511s", e.text);
	log_line(LOG_ERR, "Token cannot be read, the old one stays", F_TEXT("reason", e.text));
}

/* A page, a list as a stream, or a watch. */
static char *next_path(struct api_kind *k)
{
	bool stream = !k->no_stream && !k->no_stream_now && !k->next_page;

	if (k->version[0])
		k->phase = API_WATCHING;
	else
		k->phase = stream ? API_STREAMING : API_LISTING;
	if (!k->version[0] && !k->next_page && k->api->stats.listed[k->kind])
		k->api->stats.relists[k->kind]++;
	return k->phase == API_LISTING ? api_list_path(k) : api_watch_path(k);
}

void api_start(struct api_kind *k)
{
	char *path;

	update_token(k->api, k, false);
	api_buffer_clear(&k->in);
	k->line_since = 0;
	k->skipped = 0;
	k->bad_lines = 0;
	k->error = API_ERROR_NONE;
	k->code = CURLE_OK;
	k->expected = false;
	k->alive = false;
	k->begun = api_now(k);
	path = next_path(k);
	if (api_request_start(&k->request, path, NULL)) {
		api_end(k, API_ERROR_LOCAL, "the request cannot be started");
		api_failed(k);
	} else {
		api_arm_guard(k);
	}
	free(path);
}

void api_drop_list(struct api_kind *k)
{
	k->version[0] = '\0';
	free(k->next_page);
	k->next_page = NULL;
	k->pages = 0;
}

void api_listed(struct api_kind *k)
{
	struct source_api *s = k->api;

	log_line(s->stats.listed[k->kind] ? LOG_DEBUG : LOG_INFO, "API list complete",
		 F_TEXT("kind", kind_name(k->kind)));
	s->stats.listed[k->kind] = true;
	s->sink->list_end(s->sink->data, k->kind);
	s->stats.lists[k->kind]++;
	k->no_stream_now = false;
	k->pages = 0;
	k->renew_at = api_now(k) + spread(s->config.renew_ms) * 1000;
	if (k->phase == API_WATCHING)
		s->stats.connected[k->kind] = true;
}

static void log_failure(struct api_kind *k, uint64_t ms)
{
	bool severe = k->error == API_ERROR_UNAUTHORIZED || k->error == API_ERROR_FORBIDDEN ||
		      k->error == API_ERROR_TLS;
	bool again = k->error == k->logged && k->request.status == k->logged_status &&
		     k->code == k->logged_code;

	k->logged = k->error;
	k->logged_status = k->request.status;
	k->logged_code = k->code;
	log_line(again ? LOG_DEBUG : severe ? LOG_ERR : LOG_WARNING, "API request failed",
		 F_TEXT("kind", kind_name(k->kind)), F_TEXT("error", api_error_name(k->error)),
		 F_TEXT("reason", k->error_text), F_INT("status", k->request.status),
		 F_INT("retry_ms", ms));
}

static uint64_t retry_delay(struct api_kind *k)
{
	uint64_t asked = api_request_retry_after(&k->request), ms = next_backoff(k);

	if (asked > k->api->config.retry_after_max_ms)
		asked = k->api->config.retry_after_max_ms;
	/* Not all of the nodes at the same moment. */
	asked += api_random(asked / 4);
	return asked > ms ? asked : ms;
}

/*
 * The request has ended, for the reason that api_end() was told. Only where
 * the server has just too much to do, or does not know us for the moment, is
 * its store taken to be the one it was.
 */
void api_failed(struct api_kind *k)
{
	uint64_t ms = 0;

	if (k->phase == API_STREAMING && k->request.status == 200) {
		k->no_stream_now = true;
		if (++k->stream_failures == MAX_STREAM_FAILURES)
			k->no_stream = true;
	}
	if (!k->expected) {
		k->api->stats.errors[k->kind][k->error]++;
		ms = retry_delay(k);
		log_failure(k, ms);
	}
	if (k->error == API_ERROR_UNAUTHORIZED)
		update_token(k->api, k, true);
	if (k->error != API_ERROR_UNAUTHORIZED && k->error != API_ERROR_THROTTLED)
		api_drop_list(k);
	schedule(k, ms);
}

/*
 * ServiceCIDRs are new: a cluster may be without them, and one that asks for
 * the right before it looks for the kind forbids them then.
 */
static bool is_not_served(const struct api_kind *k)
{
	return k->kind == KIND_SERVICE_CIDR &&
	       (k->request.status == 404 || (k->request.status == 403 && !k->served));
}

/* As an empty list: a cluster without the kind has no objects of it. */
static void not_served(struct api_kind *k)
{
	struct source_api *s = k->api;
	bool forbidden = k->request.status == 403;

	if (!s->stats.listed[k->kind])
		log_line(forbidden ? LOG_WARNING : LOG_INFO, forbidden ?
			 "API forbids a kind, goes on without" : "API does not serve a kind",
			 F_TEXT("kind", kind_name(k->kind)));
	api_drop_list(k);
	k->phase = API_WAITING;
	k->backoff_ms = 0;
	s->sink->list_begin(s->sink->data, k->kind);
	api_listed(k);
	schedule(k, spread(forbidden ? s->config.not_served_ms / 12 : s->config.not_served_ms));
}

static void count_request(struct api_kind *k)
{
	long class = k->request.status / 100;

	k->api->stats.requests[k->kind][class > 0 && class < 6 ? class : 0]++;
}

void api_request_ended(struct api_kind *k)
{
	api_disarm_guard(k);
	k->api->stats.connected[k->kind] = false;
	if (!k->request.status)
		count_request(k);
}

/* A watch that the server ends in order is gone on with where it was. */
static void next(struct api_kind *k)
{
	uint64_t ms = k->phase == API_WATCHING && !k->alive ? next_backoff(k) : 0;

	if (k->phase == API_WATCHING && api_now(k) >= k->renew_at)
		api_drop_list(k);
	if (ms)
		schedule(k, ms);
	else
		api_start(k);
}

static struct api_kind *kind_of(struct api_request *r)
{
	return (struct api_kind *)((char *)r - offsetof(struct api_kind, request));
}

static void on_started(struct api_request *r)
{
	struct api_kind *k = kind_of(r);
	const struct sink *sink = k->api->sink;

	k->started = k->last_byte = api_now(k);
	count_request(k);
	k->served |= r->status == 200;
	if (r->status == 200 && k->phase == API_STREAMING)
		sink->list_begin(sink->data, k->kind);
	if (r->status == 200 && k->phase == API_WATCHING)
		k->api->stats.connected[k->kind] = true;
	api_arm_guard(k);
}

static int on_received(struct api_request *r, const char *data, size_t len)
{
	struct api_kind *k = kind_of(r);

	if (k->error)
		return -1;
	if (r->status == 200)
		return k->phase == API_LISTING ? api_list_received(k, data, len) :
		       api_watch_received(k, data, len);
	if (k->in.len + len > API_MAX_ERROR_TEXT)
		return -1;
	api_buffer_add(&k->in, data, len);
	return 0;
}

static void on_done(struct api_request *r, CURLcode code)
{
	struct api_kind *k = kind_of(r);

	api_request_ended(k);
	if (is_not_served(k)) {
		not_served(k);
		return;
	}
	api_judge(k, code);
	if (k->error)
		api_failed(k);
	else
		next(k);
}

static const struct api_request_ops request_ops = {
	.started = on_started,
	.received = on_received,
	.done = on_done,
};

static int on_wait(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	api_start(data);
	return 0;
}

static int kind_init(struct source_api *s, struct api_kind *k)
{
	if (api_request_init(&k->request, s->http, &request_ops) ||
	    sd_event_add_time_relative(s->event, &k->wait, CLOCK_MONOTONIC, 0, 1000, on_wait,
				       k) < 0 ||
	    sd_event_add_time_relative(s->event, &k->guard, CLOCK_MONOTONIC, 0, 1000, api_on_guard,
				       k) < 0)
		return -1;
	sd_event_source_set_enabled(k->guard, SD_EVENT_OFF);
	k->page_objects = s->config.page_objects;
	k->silence_ms = s->config.silence_ms;
	k->no_stream = s->config.no_stream;
	return 0;
}

struct source_api *source_api_new(sd_event *event, const struct source_api_config *config,
				  struct api_access *access, const struct sink *sink,
				  struct err *e)
{
	struct source_api *s = xcalloc(1, sizeof(*s));

	s->event = sd_event_ref(event);
	s->config = *config;
	s->config.node_name = config->node_name ? xstrdup(config->node_name) : NULL;
	s->access = *access;
	memset(access, 0, sizeof(*access));
	s->sink = sink;
	s->http = api_http_new(event, &s->access, config->connect_ms, e);
	if (!s->http)
		goto free;
	if (api_events_init(s)) {
		err_set(e, "the API source could not be set up");
		goto free;
	}
	for (int i = 0; i < N_KINDS; i++) {
		s->kinds[i].api = s;
		s->kinds[i].kind = i;
		s->used[i] = i != KIND_NODE || config->node_name;
		s->stats.listed[i] = !s->used[i];
		if (s->used[i] && kind_init(s, &s->kinds[i])) {
			err_set(e, "the API source could not be set up");
			goto free;
		}
	}
	return s;
free:
	source_api_free(s);
	return NULL;
}

void source_api_free(struct source_api *s)
{
	if (!s)
		return;
	for (int i = 0; i < N_KINDS; i++) {
		struct api_kind *k = &s->kinds[i];

		sd_event_source_disable_unref(k->wait);
		sd_event_source_disable_unref(k->guard);
		if (k->request.easy)
			api_request_clean(&k->request);
		free(k->next_page);
		free(k->in.data);
	}
	api_events_free(s);
	api_http_free(s->http);
	api_access_clean(&s->access);
	free((char *)s->config.node_name);
	sd_event_unref(s->event);
	free(s);
}

bool source_api_listed(const struct source_api *s)
{
	for (int i = 0; i < N_KINDS; i++)
		if (!s->stats.listed[i])
			return false;
	return true;
}

const struct api_access *source_api_access(const struct source_api *s)
{
	return &s->access;
}

void source_api_relist(struct source_api *s)
{
	for (int i = 0; i < N_KINDS; i++) {
		struct api_kind *k = &s->kinds[i];

		if (!s->used[i])
			continue;
		if (k->request.running) {
			api_request_cancel(&k->request);
			api_request_ended(k);
		}
		api_drop_list(k);
		k->backoff_ms = 0;
		schedule(k, 0);
	}
}

const struct source_api_stats *source_api_stats(const struct source_api *s)
{
	return &s->stats;
}
