/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_MODEL_H
#define _KSVC_MODEL_H

#include <linux/ksvc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "util.h"

#define IFNAME_PATTERN_MAX	16	/* 15 and a '*' */

/*
 * The one description of services and settings that parsers, printers and
 * netlink fill and read. A model owns all that it points to; services own
 * their name and arrays. Arrays grow by xgrow().
 */
struct frontend {
	struct addr addr;
	uint16_t port;			/* host byte order */
	uint8_t protocol;
};

struct endpoint {
	struct addr addr;
	uint16_t port;
	uint32_t weight;
	uint32_t flags;			/* KSVC_ENDPOINT_FLAGS_* */
	uint64_t connections;		/* from the kernel only */
};

#define ENDPOINT_BOTH (KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL)

struct service {
	char *name;
	struct frontend *frontends;
	struct endpoint *endpoints;
	uint32_t n_frontends;
	uint32_t n_endpoints;
	uint64_t connections;
};

enum {
	HAS_CLUSTER_CIDRS	= 1 << 0,
	HAS_SERVICE_CIDRS	= 1 << 1,
	HAS_POD_INTERFACES	= 1 << 2,
	HAS_MASQUERADE_ALL	= 1 << 3,
	HAS_ALL_SETTINGS	= (1 << 4) - 1,
};

struct prefix_list {
	struct prefix *prefixes;
	size_t n;
};

struct settings {
	unsigned int has;		/* which of the following count */
	struct prefix_list cluster_cidrs;
	struct prefix_list service_cidrs;
	char (*pod_interfaces)[IFNAME_PATTERN_MAX + 1];
	size_t n_pod_interfaces;
	bool masquerade_all;
};

struct model {
	struct service *services;
	size_t n_services;
	struct settings settings;
	uint64_t generation;
};

struct service *model_add_service(struct model *m, const char *name);
struct service *model_find(struct model *m, const char *name);
void model_sort(struct model *m);
void model_free(struct model *m);

void service_init(struct service *s, const char *name);
void service_free(struct service *s);
void service_add_frontend(struct service *s, const struct frontend *f);
void service_add_endpoint(struct service *s, const struct endpoint *ep);
struct endpoint *service_find_endpoint(struct service *s,
				       const struct endpoint *key);
int service_check_name(const char *name, struct err *e);

int frontend_parse(const char *s, struct frontend *f, struct err *e);
int endpoint_parse(const char *s, struct endpoint *ep, struct err *e);
int frontend_cmp(const void *a, const void *b);
int endpoint_cmp(const void *a, const void *b);
const char *frontend_format(const struct frontend *f, char *buf);
const char *endpoint_format(const struct endpoint *ep, char *buf);
const char *endpoint_sets(uint32_t flags);
int endpoint_sets_parse(const char *s, uint32_t *flags);

/* The settings by the names that set, get and saved files use. */
struct setting {
	const char *key;
	unsigned int has;
	const char *help;
};

extern const struct setting settings_table[];
extern const size_t n_settings;

const struct setting *setting_find(const char *key);
int setting_add(struct settings *s, const struct setting *key,
		const char *value, struct err *e);
void settings_free(struct settings *s);

#endif
