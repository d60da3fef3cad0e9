/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCCTL_CONNS_H
#define _KSVCCTL_CONNS_H

#include "lib/model.h"

struct conn {
	struct addr client, vip, endpoint, seen;	/* seen: source at the endpoint */
	uint16_t client_port, vip_port, endpoint_port, seen_port;
	uint8_t protocol;
	const char *state;
	uint32_t timeout;
	const char *service;				/* the model's */
};

struct conns {
	struct conn *list;
	size_t n;
};

/*
 * Translated connections to the frontends of m, sorted; of the service called
 * name only, if that is not NULL. Caller frees the list.
 */
int conns_get(const struct model *m, const char *name, struct conns *conns, struct err *e);

#endif
