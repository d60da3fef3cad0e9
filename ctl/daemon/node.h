/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_NODE_H
#define _KSVCD_NODE_H

#include <jansson.h>

#include "config.h"
#include "lib/k8s.h"

struct service_cidr {
	char *name;
	struct prefix_list prefixes;
	bool stale;
};

/*
 * What is known of this node and its cluster: by configuration, by the Node
 * and ServiceCIDR objects, by the kernel's addresses; in this order.
 */
struct node {
	struct k8s_node facts;		/* what the collection compiles with */
	const struct config *config;	/* the caller's */
	char *zone;
	struct k8s_addresses node_ips;	/* the Node's */
	struct prefix_list pod_cidrs;
	bool has_pod_cidrs;		/* the Node has been seen */
	bool has_cidrs;			/* and all ServiceCIDRs */
	struct service_cidr *cidrs;
	size_t n_cidrs;
};

void node_init(struct node *n, const struct config *config);
void node_free(struct node *n);

/* All return whether something that matters has changed. object NULL: the Node is gone. */
bool node_put(struct node *n, const json_t *object);
bool node_configure(struct node *n, const struct config *config);
bool node_addresses_changed(struct node *n);

/* U5. Between the two, cidrs that are neither put again nor kept become stale, and go. */
void node_cidrs_begin(struct node *n);
void node_cidrs_end(struct node *n);
int node_put_cidr(struct node *n, const json_t *object, struct err *e);
void node_del_cidr(struct node *n, const char *name);
void node_keep_cidr(struct node *n, const char *name);

/* What shall be in force; the caller frees it. */
void node_settings(const struct node *n, struct settings *s);

#endif
