/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_SCRAPE_H
#define _KSVCD_SCRAPE_H

#include <systemd/sd-event.h>

#include "http.h"
#include "metrics.h"

/*
 * Answers scrapes without holding up the loop: the page is made piece by piece
 * whenever there is nothing else to do, one scrape after the other.
 */
struct scrape;

struct scrape_calls {
	/*
	 * Fills the parts in, whose contents stay as they are until release(). 1:
	 * it is not done and wants to be called again, when there is nothing else
	 * to do; 0: done; negative: there is no page now.
	 */
	int (*collect)(void *data, struct metrics_parts *parts);
	/* After each scrape that collect() was called for. */
	void (*release)(void *data);
	void *data;
};

/* 0 or a negative errno. */
int scrape_new(struct scrape **sp, sd_event *loop, const struct metrics *m,
	       const struct scrape_calls *calls);
void scrape_free(struct scrape *s);		/* after its listener, before its struct http */

/* An http_handler, of /metrics; data is the struct scrape. */
void scrape_handler(void *data, const char *path, struct http_answer *answer);

#endif
