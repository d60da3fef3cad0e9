/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HTTP_PRIVATE_H
#define _KSVCD_HTTP_PRIVATE_H

#include "http.h"

struct conn;

struct http {
	sd_event *loop;
	struct MHD_Daemon *mhd;
	sd_event_source *io, *timer;
	struct conn *oldest, *newest;
	unsigned int n_conns;
	struct http_listener *listeners;
	unsigned int n_paused;
	uint64_t request_usec, answer_usec;	/* that a client may take */
	uint64_t sweep;			/* when to look for those that took longer */
};

struct http_listener {
	struct http *http;
	struct http_listener *prev, *next;
	struct http_place place;
	http_handler handler;
	http_report report;		/* NULL: not tried again */
	void *data;
	int fd;				/* -1: does not listen */
	uint16_t port;
	int error;			/* as reported last */
	uint64_t delay;			/* until the next attempt */
	sd_event_source *io, *retry;
	unsigned int n_conns;
	bool paused;			/* accepts nothing for a moment */
};

/* http.c. The connection is taken over, or closed where there is no room: false. */
bool http_take(struct http_listener *l, int fd, const struct sockaddr *from, socklen_t len);
void http_end_all(struct http_listener *l);
void http_arm(struct http *h);

/* http_listener.c */
void http_resume(struct http *h);

#endif
