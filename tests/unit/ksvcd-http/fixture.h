/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HTTP_FIXTURE_H
#define _KSVCD_HTTP_FIXTURE_H

#include <systemd/sd-event.h>

#include "http.h"

/* A network of our own, if we may: ports are as in the cases. */
void own_network(void);

/* A loop and a server in it; clients are in the same thread. */
struct world {
	sd_event *loop;
	struct http *http;
};

void world_begin(struct world *w);
void world_end(struct world *w);

/* Turns the loop once; waits for no more than these milliseconds. */
void turn(struct world *w, unsigned int ms);

/* Turns it until cond() is true; false after some seconds. */
bool turn_until(struct world *w, bool (*cond)(void *data), void *data);

struct http_place place(const char *addr, uint16_t port);

/* Status 0: no connection, -1: no answer in time or none that is HTTP. */
struct reply {
	long status;
	char *headers, *body;		/* as of text() */
	size_t len;
};

struct reply fetch(struct world *w, const char *method, const char *host, uint16_t port,
		   const char *path);
struct reply get(struct world *w, uint16_t port, const char *path);	/* at 127.0.0.1 */

/* "" if there is none. */
const char *header(const struct reply *r, const char *name);

/* A client that says and hears just what the test wants. */
struct raw {
	int fd;
	char got[65536];
	size_t len;
	bool ended;
};

void raw_open(struct raw *c, uint16_t port);
void raw_say(struct raw *c, const char *s);
void raw_hear(struct raw *c);
bool raw_until_ended(struct world *w, struct raw *c);
void raw_close(struct raw *c);

#endif
