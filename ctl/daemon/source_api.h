/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_SOURCE_API_H
#define _KSVCD_SOURCE_API_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "kubeconfig.h"
#include "source.h"

/*
 * The Kubernetes API as a source: lists and watches each kind and tells the
 * sink, from the event loop. What goes wrong is logged, counted and tried
 * again; nothing of it ends the source.
 */
struct source_api;

/* All times in ms. Those that servers share are spread by up to a quarter. */
struct source_api_config {
	const char *node_name;		/* NULL: KIND_NODE is not followed */
	unsigned int connect_ms;
	unsigned int response_ms;	/* from the request to the headers of its answer */
	unsigned int list_ms;		/* a page */
	unsigned int stream_ms;		/* a list as the beginning of a watch */
	unsigned int stream_silence_ms;
	unsigned int watch_ms;		/* asked of the server; up to twice as long */
	unsigned int watch_grace_ms;	/* by which it may exceed that */
	unsigned int silence_ms;	/* in a watch that had bookmarks */
	unsigned int line_ms;		/* from a line's beginning to its end */
	unsigned int renew_ms;		/* a list is made again at that age */
	unsigned int alive_ms;		/* a watch that lived that long was a success */
	unsigned int backoff_min_ms, backoff_max_ms;
	unsigned int retry_after_max_ms;
	unsigned int not_served_ms;	/* before a kind that is not served is tried again */
	unsigned int page_objects, max_pages;
	size_t max_page, max_line;	/* bytes */
	bool no_stream;			/* list and watch only */
};

/* Why requests fail. */
enum api_error {
	API_ERROR_NONE,
	API_ERROR_NAME,			/* not found in the DNS */
	API_ERROR_CONNECT,
	API_ERROR_TLS,
	API_ERROR_TIMEOUT,
	API_ERROR_SILENCE,		/* of a watch */
	API_ERROR_BROKEN,		/* the connection or the stream broke off */
	API_ERROR_UNAUTHORIZED,
	API_ERROR_FORBIDDEN,
	API_ERROR_GONE,			/* the version is too old, or of another store */
	API_ERROR_THROTTLED,		/* 429, 503 */
	API_ERROR_STATUS,		/* any other than 200 */
	API_ERROR_TOO_LARGE,
	API_ERROR_UNREADABLE,
	API_ERROR_TOKEN,		/* its file cannot be read */
	API_ERROR_LOCAL,		/* this side's memory or descriptors */
	N_API_ERRORS,
};

enum api_event {
	API_EVENT_ADDED,
	API_EVENT_MODIFIED,
	API_EVENT_DELETED,
	API_EVENT_BOOKMARK,
	API_EVENT_ERROR,
	N_API_EVENTS,
};

struct source_api_stats {
	/* By the hundreds of the status; 0 has those without an answer. */
	uint64_t requests[N_KINDS][6];
	uint64_t errors[N_KINDS][N_API_ERRORS];
	uint64_t events[N_KINDS][N_API_EVENTS];
	uint64_t lists[N_KINDS];	/* completed */
	uint64_t relists[N_KINDS];	/* begun, but for the first */
	uint64_t broken[N_KINDS];	/* objects and lines */
	bool connected[N_KINDS];	/* a watch is under way */
	bool listed[N_KINDS];		/* once, completely */
	uint64_t last_event[N_KINDS];	/* in us since 1970, or 0 */
};

void source_api_defaults(struct source_api_config *c);

/*
 * Calls the sink from the next turn of the event loop on. Takes access over,
 * even if it fails (the result is then NULL); config is copied, the sink is
 * not. The sink must not call into here. SIGPIPE must be ignored.
 */
struct source_api *source_api_new(sd_event *event, const struct source_api_config *config,
				  struct api_access *access, const struct sink *sink,
				  struct err *e);
void source_api_free(struct source_api *s);

/*
 * Every kind has been listed completely once, as of the last one's list_end();
 * kinds not followed count as listed.
 */
bool source_api_listed(const struct source_api *s);

/* How it reaches the server. */
const struct api_access *source_api_access(const struct source_api *s);

/* Writes an Event about a Service, as a warning. One that cannot be written is lost. */
struct api_note {
	const char *ns, *name;		/* the Service's */
	const char *reason, *action;	/* words in CamelCase */
	const char *text;		/* a sentence, at most 1,024 bytes */
};
void source_api_note(struct source_api *s, const struct api_note *note);

/* Lists all kinds anew, now. */
void source_api_relist(struct source_api *s);

const struct source_api_stats *source_api_stats(const struct source_api *s);

/* For metrics and logs: "unauthorized", "MODIFIED". */
const char *api_error_name(enum api_error error);
const char *api_event_name(enum api_event event);

#endif
