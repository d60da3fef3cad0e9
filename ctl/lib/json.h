/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_JSON_H
#define _KSVC_JSON_H

#include <jansson.h>

#include "jwalk.h"
#include "model.h"

/* The format of save and restore. */
#define SAVE_VERSION	1

#define JSON_READ_WINDOW	65536	/* for jwalk_open() */

/* New references; all: with the numbers of connections, and what is so unless it is said. */
json_t *json_of_service(const struct service *s, bool all);
json_t *json_of_settings(const struct settings *s);

/* Writes {"generation", "settings", "services"}, one service at a time. */
int json_write_model(FILE *f, const struct model *m, bool all);

/* Only the member "services" of an object that the caller writes. */
void json_write_services(FILE *f, const struct model *m, bool all);

/* Reads what was saved; checks all of it. Path may be "-"; errors name the file. */
int json_read_saved(const char *text, size_t len, struct model *m, struct err *e);
int json_read_walk(struct jwalk *w, struct model *m);
/*
 * The same without a model: fn has each service for the time of its call, or takes
 * it and leaves zeroes; what it returns but 0 ends the reading and is returned. It
 * is called before the rest of the file is known to be good, and nothing tells it
 * of a name that is there twice.
 */
typedef int (*json_service_fn)(struct service *s, void *data, struct err *e);
int json_read_each(struct jwalk *w, struct settings *s, json_service_fn fn, void *data);
int json_read_file(const char *path, struct model *m, struct err *e);

#endif
