/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_API_H
#define _KSVCD_API_H

#include "api_http.h"
#include "source_api.h"

/* Between the files of the API source. */
#define API_MAX_VERSION		128
#define API_MAX_CONTINUE	8192
#define API_MAX_ERROR_TEXT	8192

struct api_buffer {
	char *data;
	size_t len, size;
};

enum api_phase {
	API_WAITING,
	API_LISTING,
	API_STREAMING,			/* a watch, still in its list */
	API_WATCHING,
};

/*
 * A kind is listed and then watched, by one request at a time. An empty
 * version asks for a list.
 */
struct api_kind {
	struct source_api *api;
	enum kind kind;
	enum api_phase phase;
	struct api_request request;
	sd_event_source *wait;		/* for the next request */
	sd_event_source *guard;		/* over the present one */
	uint64_t guard_at;

	struct api_buffer in;		/* a page, an unfinished line, or an error's text */
	uint64_t line_since;		/* the unfinished line's, or 0 */
	size_t skipped;			/* of a line that is too long */
	unsigned int bad_lines;

	char version[API_MAX_VERSION];
	char *next_page;		/* the token for it, or NULL */
	unsigned int pages;
	unsigned int page_objects;

	enum api_error error;		/* why the present request must end */
	char error_text[512];

	bool served;			/* it was not always refused */
	bool no_field;			/* the server does not select by cluster IP */
	bool no_stream;			/* the server does not offer it */
	bool no_stream_now;
	unsigned int stream_failures;	/* in a row */
	bool bookmarks;			/* the server sends them */
	bool alive;			/* the present watch has proved itself */
	bool expected;			/* the end is no failure */
	unsigned int silence_ms;
	uint64_t begun, started, last_byte, last_bookmark, watch_until, renew_at;
	unsigned int backoff_ms;

	/* What was logged last: repetitions are not. */
	enum api_error logged;
	long logged_status;
	CURLcode logged_code;
	CURLcode code;
};

struct api_events;

struct source_api {
	sd_event *event;
	struct source_api_config config;
	struct api_access access;
	struct api_http *http;
	struct api_events *events;
	const struct sink *sink;
	struct api_kind kinds[N_KINDS];
	bool used[N_KINDS];
	char token_error[512];		/* the one logged last */
	struct source_api_stats stats;
};

/* source_api.c */
uint64_t api_now(const struct api_kind *k);
uint32_t api_random(uint32_t range);
void api_start(struct api_kind *k);
void api_request_ended(struct api_kind *k);
void api_listed(struct api_kind *k);
void api_drop_list(struct api_kind *k);		/* what follows is a list from its beginning */

/* After api_end() and the request's end: has it tried again. */
void api_failed(struct api_kind *k);

/* Notes why the request must end; the first reason counts. Always -1. */
int api_end(struct api_kind *k, enum api_error error, const char *fmt, ...) __printf(3, 4);

/* api_guard.c */
void api_arm_guard(struct api_kind *k);
void api_disarm_guard(struct api_kind *k);
int api_on_guard(sd_event_source *source, uint64_t usec, void *data);

/* api_judge.c: calls api_end() if the request failed; reads the page if it was one. */
void api_judge(struct api_kind *k, CURLcode code);

/* api_paths.c: what to ask for; the caller frees. */
char *api_list_path(const struct api_kind *k);
char *api_watch_path(struct api_kind *k);

/* api_object.c */

/*
 * JSON of any sort. Bytes that are no UTF-8, NULs and numbers out of range do
 * not make all of it unreadable: *repaired says that there were some.
 */
json_t *api_parse(const char *text, size_t len, bool *repaired, struct err *e);

/* Puts or deletes; calls the sink's broken() if it is no object of the kind. */
void api_hand_over(struct api_kind *k, json_t *object, bool deleted, bool repaired);
void api_broken(struct api_kind *k, const json_t *object, const char *why);
void api_broken_text(struct api_kind *k, const char *text, size_t len, const char *why);
const char *api_text(const json_t *object, const char *outer, const char *key);

/* api_list.c: both return -1 after api_end(). */
int api_list_received(struct api_kind *k, const char *data, size_t len);
int api_list_page(struct api_kind *k);

/* api_watch.c: -1 after api_end(). */
int api_watch_received(struct api_kind *k, const char *data, size_t len);

/* api_events.c */
int api_events_init(struct source_api *s);
void api_events_free(struct source_api *s);

/* api_buffer: grows by doubling, up to what its callers check. */
void api_buffer_add(struct api_buffer *b, const char *data, size_t len);
void api_buffer_clear(struct api_buffer *b);

#endif
