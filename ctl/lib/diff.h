/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_DIFF_H
#define _KSVC_DIFF_H

#include <stdio.h>

#include "model.h"

enum op_type {
	OP_SERVICE_PUT,
	OP_SERVICE_DEL,
	OP_ENDPOINT_PUT,
	OP_ENDPOINT_DEL,
};

/*
 * One change. service and before belong to the models that were compared and
 * must outlive the list; endpoints belongs to the list.
 */
struct op {
	enum op_type type;
	enum ksvc_mode mode;		/* of puts */
	const struct service *service;	/* as it shall be; as it is for a del */
	const struct service *before;	/* NULL for a new one */
	struct endpoint *endpoints;	/* of endpoint operations */
	uint32_t n_endpoints;
};

struct op_list {
	struct op *ops;
	size_t n;
	bool sweep;			/* of a Service with endpoints on UDP, in whatever port (C1) */
};

typedef bool (*diff_deletes_fn)(const struct service *actual, void *data);

/*
 * The operations that turn actual into desired, both sorted. A service that
 * only actual has is deleted if deletes() says so. "ns/name:port" and
 * "ns/name:other" are taken as ports of one Service.
 */
void diff(const struct model *desired, const struct model *actual,
	  diff_deletes_fn deletes, void *data, struct op_list *list);

struct op *op_add(struct op_list *list, enum op_type type, enum ksvc_mode mode,
		  const struct service *service);
void op_add_endpoint(struct op *op, const struct endpoint *ep);
void op_list_free(struct op_list *list);
void op_list_print(FILE *f, const struct op_list *list);

#endif
