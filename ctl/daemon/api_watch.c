// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define MAX_BAD_LINES		16
#define NAME_WITHIN		4096

/* A line too long is passed over, but not for ever. */
#define MAX_SKIPPED(limit)	((limit) * 8)

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/*
 * Versions only grow, also from one object to another; servers whose versions
 * are no numbers are taken at their word.
 */
static bool is_older(const char *version, const char *than)
{
	size_t len = strlen(version), than_len = strlen(than);

	if (!is_number(version) || !is_number(than))
		return false;
	return len == than_len ? strcmp(version, than) < 0 : len < than_len;
}

static int take_version(struct api_kind *k, const json_t *object)
{
	const char *version = api_text(object, "metadata", "resourceVersion");

	if (!version || !*version || strlen(version) >= sizeof(k->version))
		return 0;
	if (is_older(version, k->version))
		return api_end(k, API_ERROR_GONE,
			       "version %s follows %s: the store is another one", version,
			       k->version);
	strcpy(k->version, version);
	return 0;
}

static int on_error(struct api_kind *k, const json_t *status)
{
	const char *message = api_text(status, NULL, "message");
	const char *reason = api_text(status, NULL, "reason");
	const json_t *code = json_object_get(status, "code");
	bool gone = json_integer_value(code) == 410 ||
		    (reason && (!strcmp(reason, "Expired") || !strcmp(reason, "Gone")));

	return api_end(k, gone ? API_ERROR_GONE : API_ERROR_STATUS,
		       "an error in the watch: %.100s%s%.200s", reason ? reason : "",
		       reason ? ": " : "", message ? message : "");
}

/* Silence is only strange where bookmarks were seen to come. */
static void take_rhythm(struct api_kind *k)
{
	uint64_t now = api_now(k);

	if (now - k->last_bookmark < k->api->config.silence_ms * 1000ULL)
		k->silence_ms = k->api->config.silence_ms;
	k->last_bookmark = now;
	k->bookmarks = true;
	api_arm_guard(k);
}

static int on_bookmark(struct api_kind *k, const json_t *object)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"),
						    "annotations");
	const char *end = api_text(annotations, NULL, "k8s.io/initial-events-end");

	if (k->phase == API_WATCHING) {
		take_rhythm(k);
		return take_version(k, object);
	}
	if (!end || strcmp(end, "true")) {
		/* It took this for a common watch. */
		k->no_stream = true;
		k->expected = true;
		return api_end(k, API_ERROR_BROKEN, "the server does not stream lists");
	}
	take_version(k, object);
	if (!k->version[0])
		return api_end(k, API_ERROR_UNREADABLE, "the list's last bookmark has no version");
	k->phase = API_WATCHING;
	k->stream_failures = 0;
	api_listed(k);
	api_arm_guard(k);
	return 0;
}

static int event_type(const json_t *root)
{
	const char *type = api_text(root, NULL, "type");

	for (int i = 0; type && i < N_API_EVENTS; i++)
		if (!strcmp(type, api_event_name(i)))
			return i;
	return -1;
}

static int bad_line(struct api_kind *k, const char *text, size_t len, const char *why)
{
	api_broken_text(k, text, len, why);
	if (++k->bad_lines < MAX_BAD_LINES)
		return 0;
	return api_end(k, API_ERROR_UNREADABLE, "%d unreadable lines in a watch, the last: %s",
		       MAX_BAD_LINES, why);
}

static int on_event(struct api_kind *k, json_t *root, int type, bool repaired)
{
	json_t *object = json_object_get(root, "object");

	k->api->stats.events[k->kind][type]++;
	if (type == API_EVENT_ERROR)
		return on_error(k, object);
	if (type == API_EVENT_BOOKMARK)
		return on_bookmark(k, object);
	k->api->stats.last_event[k->kind] = clock_usec(CLOCK_REALTIME);
	/* The objects of a list come in any order. */
	if (k->phase == API_WATCHING && take_version(k, object))
		return -1;
	api_hand_over(k, object, type == API_EVENT_DELETED, repaired);
	return 0;
}

static int on_line(struct api_kind *k, const char *line, size_t len)
{
	int type, err = 0;
	bool repaired;
	struct err e;
	json_t *root;

	if (len && line[len - 1] == '\r')
		len--;
	if (!len)
		return 0;
	root = api_parse(line, len, &repaired, &e);
	if (!root)
		return bad_line(k, line, len, e.text);
	type = event_type(root);
	if (type < 0)
		err = bad_line(k, line, len, "is no event of a watch");
	else
		err = on_event(k, root, type, repaired);
	json_decref(root);
	return err;
}

static int skip(struct api_kind *k, size_t len)
{
	k->skipped += len;
	if (k->skipped <= MAX_SKIPPED(k->api->config.max_line))
		return 0;
	return api_end(k, API_ERROR_TOO_LARGE, "a line of a watch exceeds %zu bytes",
		       MAX_SKIPPED(k->api->config.max_line));
}

/* A part of a line without its end. */
static int keep(struct api_kind *k, const char *data, size_t len)
{
	size_t limit = k->api->config.max_line;

	if (!len)
		return 0;
	if (!k->line_since) {
		k->line_since = api_now(k);
		api_arm_guard(k);
	}
	if (k->skipped)
		return skip(k, len);
	if (k->in.len + len <= limit) {
		api_buffer_add(&k->in, data, len);
		return 0;
	}
	/* Enough for its name. */
	if (k->in.len < NAME_WITHIN)
		api_buffer_add(&k->in, data, len < NAME_WITHIN ? len : NAME_WITHIN);
	k->api->stats.errors[k->kind][API_ERROR_TOO_LARGE]++;
	api_broken_text(k, k->in.data, k->in.len, "is too large");
	api_buffer_clear(&k->in);
	return skip(k, limit + 1);
}

/* Whole lines are read where they are; only what goes over several reads is copied. */
static int finish_line(struct api_kind *k, const char *data, size_t len)
{
	int err;

	if (!k->line_since && len <= k->api->config.max_line)
		return on_line(k, data, len);
	err = keep(k, data, len);
	k->line_since = 0;
	if (!err && !k->skipped)
		err = on_line(k, k->in.data, k->in.len);
	k->skipped = 0;
	api_buffer_clear(&k->in);
	return err;
}

int api_watch_received(struct api_kind *k, const char *data, size_t len)
{
	const char *end;

	k->last_byte = api_now(k);
	while ((end = memchr(data, '\n', len))) {
		if (finish_line(k, data, end - data))
			return -1;
		len -= end + 1 - data;
		data = end + 1;
	}
	return keep(k, data, len);
}
