// SPDX-License-Identifier: GPL-2.0
/* Time limits of requests: one timer a kind, for whichever comes first. */
#include "api.h"
#include "log.h"

enum due_what {
	DUE_NOTHING,
	DUE_RESPONSE,
	DUE_LIST,
	DUE_STREAM,
	DUE_LINE,
	DUE_WATCH,
	DUE_SILENCE,
	DUE_RENEWAL,
	DUE_ALIVE,
};

struct due {
	uint64_t at;
	enum due_what what;
};

static void consider(struct due *d, enum due_what what, uint64_t from, uint64_t ms)
{
	if (from + ms * 1000 >= d->at)
		return;
	d->at = from + ms * 1000;
	d->what = what;
}

/* What will have to be done about the present request, and when. */
static struct due due(const struct api_kind *k)
{
	const struct source_api_config *c = &k->api->config;
	struct due d = { .at = UINT64_MAX };

	if (!k->request.status)
		consider(&d, DUE_RESPONSE, k->begun, c->response_ms);
	else if (k->request.status != 200)
		consider(&d, DUE_RESPONSE, k->started, c->response_ms);
	if (k->line_since)
		consider(&d, DUE_LINE, k->line_since, c->line_ms);
	if (k->phase == API_LISTING)
		consider(&d, DUE_LIST, k->begun, c->list_ms);
	if (k->phase == API_STREAMING && k->request.status == 200) {
		consider(&d, DUE_STREAM, k->begun, c->stream_ms);
		consider(&d, DUE_STREAM, k->last_byte, c->stream_silence_ms);
	}
	if (k->phase != API_WATCHING || k->request.status != 200)
		return d;
	consider(&d, DUE_WATCH, k->watch_until, 0);
	consider(&d, DUE_RENEWAL, k->renew_at, 0);
	if (k->bookmarks)
		consider(&d, DUE_SILENCE, k->last_byte, k->silence_ms);
	if (!k->alive)
		consider(&d, DUE_ALIVE, k->started, c->alive_ms);
	return d;
}

void api_arm_guard(struct api_kind *k)
{
	struct due d = due(k);

	if (d.at == k->guard_at)
		return;
	k->guard_at = d.at;
	sd_event_source_set_time(k->guard, d.at);
	sd_event_source_set_enabled(k->guard, d.what ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void api_disarm_guard(struct api_kind *k)
{
	k->guard_at = 0;
	sd_event_source_set_enabled(k->guard, SD_EVENT_OFF);
}

static void proved_alive(struct api_kind *k)
{
	k->alive = true;
	k->backoff_ms = 0;
	if (k->logged)
		log_line(LOG_NOTICE, "API watch works again",
			 F_TEXT("kind", kind_name(k->kind)));
	k->logged = API_ERROR_NONE;
	k->logged_status = 0;
	k->logged_code = CURLE_OK;
}

static void end_overdue(struct api_kind *k, enum due_what what)
{
	unsigned int most = k->api->config.watch_ms * 2 + k->api->config.watch_grace_ms;

	switch (what) {
	case DUE_RESPONSE:
		api_end(k, API_ERROR_TIMEOUT, "no answer in time");
		break;
	case DUE_LIST:
		api_end(k, API_ERROR_TIMEOUT, "the list does not arrive in time");
		break;
	case DUE_STREAM:
		api_end(k, API_ERROR_TIMEOUT, "the streamed list does not arrive in time");
		break;
	case DUE_LINE:
		api_end(k, API_ERROR_TIMEOUT, "an event does not arrive in time");
		break;
	case DUE_SILENCE:
		/* Perhaps it just has a slower rhythm. */
		k->silence_ms = k->silence_ms > most / 2 ? most : k->silence_ms * 2;
		api_end(k, API_ERROR_SILENCE, "the watch is silent");
		break;
	default:
		api_end(k, API_ERROR_TIMEOUT, "the watch lasts longer than was asked for");
		break;
	}
}

int api_on_guard(sd_event_source *source, uint64_t usec, void *data)
{
	struct api_kind *k = data;
	struct due d = due(k);

	(void)source;
	(void)usec;
	k->guard_at = 0;
	if (!d.what || api_now(k) < d.at) {
		api_arm_guard(k);
		return 0;
	}
	if (d.what == DUE_ALIVE) {
		proved_alive(k);
		api_arm_guard(k);
		return 0;
	}
	api_request_cancel(&k->request);
	api_request_ended(k);
	if (d.what == DUE_RENEWAL) {
		api_drop_list(k);
		api_start(k);
		return 0;
	}
	end_overdue(k, d.what);
	api_failed(k);
	return 0;
}
