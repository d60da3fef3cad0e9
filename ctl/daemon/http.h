/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HTTP_H
#define _KSVCD_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "lib/addr.h"
#include "lib/util.h"

/*
 * Answers probes and scrapes out of the event loop: GET and HEAD, one request a
 * connection. Whoever is slow loses: a request has to be there 10 s after its
 * connection, the answer to be taken within a minute, and for a new connection
 * beyond the limits the oldest one ends. Handlers call nothing of this but what
 * fills in their answer.
 */
struct http;
struct http_listener;
struct http_request;

#define HTTP_HEADERS	4

/*
 * Zero, but for request, before a handler fills it in; status 0 says 404. A
 * handler that sets later keeps request, and its owner has to call http_reply()
 * with it some time before http_free(), whatever becomes of the client.
 */
struct http_answer {
	struct http_request *request;
	bool later;
	unsigned int status;
	const char *type;		/* Content-Type, a literal */
	char *body;			/* from malloc(), handed over; or NULL */
	size_t len;
	size_t n_headers;
	struct {
		const char *name;	/* a literal */
		char value[32];
	} headers[HTTP_HEADERS];
};

typedef void (*http_handler)(void *data, const char *path, struct http_answer *answer);

struct http_place {
	struct addr addr;
	uint16_t port;			/* 0: any */
	bool dual;			/* "::" stands for IPv4, too */
	unsigned int limit;		/* connections at a time; 0: as many as is usual */
};

/* 0 or a negative errno. */
int http_new(struct http **hp, sd_event *loop);
void http_free(struct http *h);		/* with all listeners */

/* 0 or a negative errno, and then no listener. */
int http_listen(struct http_listener **lp, struct http *h, const struct http_place *place,
		http_handler handler, void *data);

/*
 * A positive errno: the place cannot be had; said once until it is another.
 * 0: after all it could.
 */
typedef void (*http_report)(void *data, const struct http_place *place, int error);

/*
 * As http_listen(), but what cannot be had is tried again, after a second and
 * then after ever longer pauses of up to a minute. report may come from within
 * this call; it gets the handler's data and must not close the listener.
 */
struct http_listener *http_listen_retry(struct http *h, const struct http_place *place,
					http_handler handler, http_report report, void *data);

/* At once, if it does not listen. */
void http_retry_now(struct http_listener *l);
bool http_is_listening(const struct http_listener *l);
uint16_t http_port(const struct http_listener *l);	/* as bound */
const struct http_place *http_place(const struct http_listener *l);
void http_close(struct http_listener *l);		/* NULL: nothing */

/* Takes the answer's body over; status 0 just ends the connection. */
void http_reply(struct http_request *request, const struct http_answer *answer);

void http_header(struct http_answer *answer, const char *name, const char *fmt, ...)
	__printf(3, 4);

/* Takes text over. */
void http_body(struct http_answer *answer, unsigned int status, const char *type, char *text);

/* Takes json over. */
void http_json(struct http_answer *answer, unsigned int status, json_t *json);

#endif
