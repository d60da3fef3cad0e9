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
 * their name and arrays. Arrays grow by xgrow(), but endpoints.
 */
struct frontend {
	struct addr addr;		/* of a node port 0.0.0.0 or :: */
	uint16_t port;			/* host byte order */
	uint8_t protocol;
	uint8_t class;			/* enum ksvc_class */
};

struct endpoint {
	struct addr addr;
	uint16_t port;
	uint32_t weight;
	uint32_t flags;			/* KSVC_ENDPOINT_FLAGS_* */
	uint64_t connections;		/* from the kernel only */
	uint32_t active;
};

#define ENDPOINT_BOTH (KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL)

struct prefix_list {
	struct prefix *prefixes;
	size_t n;
};

struct name_list {
	char (*names)[IFNAME_PATTERN_MAX + 1];
	size_t n;
};

struct service {
	char *name;
	struct frontend *frontends;
	struct endpoint *endpoints;
	uint32_t n_frontends;
	uint32_t n_endpoints;
	uint32_t endpoints_room;	/* of how many there is memory */
	struct prefix_list ranges;	/* sources that load balancer IPs are open to */
	uint32_t flags;			/* KSVC_SERVICE_FLAGS_* */
	uint32_t affinity;		/* seconds */
	uint32_t scheduler;		/* enum ksvc_scheduler */
	uint32_t maglev_size;		/* 0: by the number of endpoints */
	uint64_t connections;
};

enum {
	HAS_CLUSTER_CIDRS	= 1 << 0,
	HAS_SERVICE_CIDRS	= 1 << 1,
	HAS_POD_INTERFACES	= 1 << 2,
	HAS_MASQUERADE_ALL	= 1 << 3,
	HAS_NODEPORT_ADDRESSES	= 1 << 4,
	HAS_LOCALHOST_NODEPORTS	= 1 << 5,
	HAS_DROP_INVALID	= 1 << 6,
	HAS_PING		= 1 << 7,
	HAS_AFFINITY_ENTRIES	= 1 << 8,
	HAS_ALL_SETTINGS	= (1 << 9) - 1,
};

#define DEFAULT_AFFINITY_ENTRIES	131072

struct settings {
	unsigned int has;		/* which of the following count */
	struct prefix_list cluster_cidrs;
	struct prefix_list service_cidrs;
	struct prefix_list nodeport_addresses;
	struct name_list pod_interfaces;
	bool masquerade_all;
	bool localhost_nodeports;
	bool drop_invalid;
	bool ping;
	uint32_t affinity_entries;
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
void service_copy(struct service *to, const struct service *from);
void service_add_frontend(struct service *s, const struct frontend *f);
/* Makes room for so many more, and no memory is lost if it is exact. */
void service_reserve_endpoints(struct service *s, size_t n);
void service_add_endpoint(struct service *s, const struct endpoint *ep);
struct endpoint *service_find_endpoint(struct service *s,
				       const struct endpoint *key);
/* Of its frontends; if it has none, of its endpoints. */
bool service_has_family(const struct service *s, uint16_t family);
int service_check_name(const char *name, struct err *e);

int frontend_parse(const char *s, struct frontend *f, struct err *e);
/* Its family is left to the caller. */
int node_port_parse(const char *s, struct frontend *f, struct err *e);
int endpoint_parse(const char *s, struct endpoint *ep, struct err *e);
int frontend_cmp(const void *a, const void *b);
int endpoint_cmp(const void *a, const void *b);
const char *frontend_format(const struct frontend *f, char *buf);
const char *endpoint_format(const struct endpoint *ep, char *buf);
const char *endpoint_sets(uint32_t flags);
int endpoint_sets_parse(const char *s, uint32_t *flags);
const char *class_name(uint32_t class);
int class_parse(const char *s, uint8_t *class);

void prefix_list_add(struct prefix_list *list, const struct prefix *p);
int prefix_list_parse(struct prefix_list *list, const char *s, struct err *e);
void prefix_list_copy(struct prefix_list *to, const struct prefix_list *from);
void prefix_list_unify(struct prefix_list *list);	/* sorts, too */
void prefix_list_free(struct prefix_list *list);

/*
 * options.c: what a service has besides lists, by the names that the command
 * line, saved files and output use. Of an option with words the value is the
 * place of its word; the default of all is 0.
 */
enum service_option {
	OPTION_INTERNAL_POLICY,
	OPTION_EXTERNAL_POLICY,
	OPTION_AFFINITY,
	OPTION_SCHEDULER,
	OPTION_MAGLEV_SIZE,
	OPTION_ON_REMOVE,
	N_SERVICE_OPTIONS,
};

#define OPTION_STRLEN	16

const char *option_name(enum service_option o);
bool option_has_words(enum service_option o);
uint32_t option_get(const struct service *s, enum service_option o);
void option_set(struct service *s, enum service_option o, uint32_t value);
const char *option_format(const struct service *s, enum service_option o, char *buf);
int option_parse(struct service *s, enum service_option o, const char *text, struct err *e);

/* settings.c: the settings by the names that set, get and saved files use. */
enum setting_type { SETTING_PREFIXES, SETTING_NAMES, SETTING_SWITCH, SETTING_NUMBER };

struct setting {
	const char *key;
	unsigned int has;
	enum setting_type type;
	uint16_t attr;			/* KSVC_A_SETTINGS_* */
	size_t offset;			/* of the value in struct settings */
	const char *help;
};

extern const struct setting settings_table[];
extern const size_t n_settings;

const struct setting *setting_find(const char *key);
int setting_add(struct settings *s, const struct setting *key,
		const char *value, struct err *e);
bool settings_are_default(const struct settings *s);
/* In any of those that wanted has; the order in lists counts, too. */
bool settings_differ(const struct settings *wanted, const struct settings *s);
void settings_free(struct settings *s);

static inline void *setting_value(const struct settings *s, const struct setting *key)
{
	return (char *)s + key->offset;
}

#endif
