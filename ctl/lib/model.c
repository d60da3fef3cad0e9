// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <stdlib.h>
#include <string.h>

struct service *model_add_service(struct model *m, const char *name)
{
	struct service *s;

	xgrow(&m->services, m->n_services, sizeof(*m->services));
	s = &m->services[m->n_services++];
	service_init(s, name);
	return s;
}

static int service_cmp(const void *a, const void *b)
{
	const struct service *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Needs a sorted model. */
struct service *model_find(struct model *m, const char *name)
{
	struct service key = { .name = (char *)name };

	if (!m->n_services)
		return NULL;
	return bsearch(&key, m->services, m->n_services, sizeof(key),
		       service_cmp);
}

/* The canonical order: diff and every output rely on it. */
void model_sort(struct model *m)
{
	for (size_t i = 0; i < m->n_services; i++) {
		struct service *s = &m->services[i];

		if (s->n_frontends)
			qsort(s->frontends, s->n_frontends,
			      sizeof(*s->frontends), frontend_cmp);
		if (s->n_endpoints)
			qsort(s->endpoints, s->n_endpoints,
			      sizeof(*s->endpoints), endpoint_cmp);
	}
	if (m->n_services)
		qsort(m->services, m->n_services, sizeof(*m->services),
		      service_cmp);
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		service_free(&m->services[i]);
	free(m->services);
	settings_free(&m->settings);
	memset(m, 0, sizeof(*m));
}

void service_init(struct service *s, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->name = xstrdup(name);
}

void service_free(struct service *s)
{
	free(s->name);
	free(s->frontends);
	free(s->endpoints);
	memset(s, 0, sizeof(*s));
}

void service_add_frontend(struct service *s, const struct frontend *f)
{
	xgrow(&s->frontends, s->n_frontends, sizeof(*f));
	s->frontends[s->n_frontends++] = *f;
}

void service_add_endpoint(struct service *s, const struct endpoint *ep)
{
	xgrow(&s->endpoints, s->n_endpoints, sizeof(*ep));
	s->endpoints[s->n_endpoints++] = *ep;
}

struct endpoint *service_find_endpoint(struct service *s,
				       const struct endpoint *key)
{
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (!endpoint_cmp(&s->endpoints[i], key))
			return &s->endpoints[i];
	return NULL;
}

int service_check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (!len)
		return err_set(e, "the service name is empty");
	if (len > KSVC_NAME_MAX)
		return err_set(e, "the service name has %zu bytes; at most %d are allowed",
			       len, KSVC_NAME_MAX);
	if (!utf8_valid(name, len))
		return err_set(e, "the service name is not UTF-8");
	return 0;
}

int frontend_parse(const char *s, struct frontend *f, struct err *e)
{
	const char *slash = strrchr(s, '/');
	char host[ENDPOINT_STRLEN];

	memset(f, 0, sizeof(*f));
	if (!slash || (size_t)(slash - s) >= sizeof(host))
		goto bad;
	memcpy(host, s, slash - s);
	host[slash - s] = '\0';
	if (hostport_parse(host, &f->addr, &f->port))
		goto bad;
	if (protocol_parse(slash + 1, &f->protocol))
		return err_set(e, "\"%.60s\": the protocol must be tcp, udp or sctp", s);
	return 0;
bad:
	return err_set(e, "\"%.60s\" is not ADDR:PORT/PROTO or [ADDR6]:PORT/PROTO with a port of 1 to 65535",
		       s);
}

int endpoint_parse(const char *s, struct endpoint *ep, struct err *e)
{
	const char *at = strchr(s, '@');
	size_t len = at ? (size_t)(at - s) : strlen(s);
	char host[ENDPOINT_STRLEN];
	unsigned long weight = 1;

	memset(ep, 0, sizeof(*ep));
	if (len >= sizeof(host))
		goto bad;
	memcpy(host, s, len);
	host[len] = '\0';
	if (hostport_parse(host, &ep->addr, &ep->port))
		goto bad;
	if (at && parse_uint(at + 1, KSVC_WEIGHT_MAX, &weight))
		return err_set(e, "\"%.60s\": the weight must be 0 to %d", s,
			       KSVC_WEIGHT_MAX);
	ep->weight = weight;
	ep->flags = ENDPOINT_BOTH;
	return 0;
bad:
	return err_set(e, "\"%.60s\" is not ADDR:PORT[@WEIGHT] or [ADDR6]:PORT[@WEIGHT] with a port of 1 to 65535",
		       s);
}

int frontend_cmp(const void *a, const void *b)
{
	const struct frontend *x = a, *y = b;
	int r = addr_cmp(&x->addr, &y->addr);

	if (r)
		return r;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return (x->protocol > y->protocol) - (x->protocol < y->protocol);
}

/* Identity only: weight and flags are properties. */
int endpoint_cmp(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int r = addr_cmp(&x->addr, &y->addr);

	if (r)
		return r;
	return (x->port > y->port) - (x->port < y->port);
}

const char *frontend_format(const struct frontend *f, char *buf)
{
	return vip_format(&f->addr, f->port, f->protocol, buf);
}

const char *endpoint_format(const struct endpoint *ep, char *buf)
{
	return hostport_format(&ep->addr, ep->port, buf);
}

static const char *const sets_names[] = { "none", "cluster", "local",
					  "cluster,local" };

const char *endpoint_sets(uint32_t flags)
{
	return sets_names[flags & ENDPOINT_BOTH];
}

int endpoint_sets_parse(const char *s, uint32_t *flags)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(sets_names); i++) {
		if (!strcmp(s, sets_names[i])) {
			*flags = i;
			return 0;
		}
	}
	return -1;
}

const struct setting settings_table[] = {
	{ "cluster-cidr", HAS_CLUSTER_CIDRS,
	  "PREFIX... whose sources are pods" },
	{ "service-cidr", HAS_SERVICE_CIDRS,
	  "PREFIX... in which addresses without a service are dropped" },
	{ "masquerade-all", HAS_MASQUERADE_ALL,
	  "on|off: rewrite the source of all connections to services" },
	{ "pod-interface", HAS_POD_INTERFACES,
	  "NAME... of interfaces that lead to pods; a trailing * matches any rest" },
};

const size_t n_settings = ARRAY_SIZE(settings_table);

const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < n_settings; i++)
		if (!strcmp(settings_table[i].key, key))
			return &settings_table[i];
	return NULL;
}

static int add_prefix(struct prefix_list *list, const char *value,
		      struct err *e)
{
	struct prefix p;

	if (prefix_parse(value, &p))
		return err_set(e, "\"%.60s\" is not ADDR/LENGTH without bits beyond the length",
			       value);
	xgrow(&list->prefixes, list->n, sizeof(p));
	list->prefixes[list->n++] = p;
	return 0;
}

static int add_interface(struct settings *s, const char *value, struct err *e)
{
	size_t len = strlen(value), name = len;

	if (len && value[len - 1] == '*')
		name--;
	if (!len || name > IFNAME_PATTERN_MAX - 1 || strchr(value, '/') ||
	    memchr(value, '*', name))
		return err_set(e, "\"%.60s\" is not an interface name of at most %d bytes, nor the start of one and a *",
			       value, IFNAME_PATTERN_MAX - 1);
	xgrow(&s->pod_interfaces, s->n_pod_interfaces,
	      sizeof(*s->pod_interfaces));
	memcpy(s->pod_interfaces[s->n_pod_interfaces++], value, len + 1);
	return 0;
}

/* Adds one value to a list, or sets a switch; marks the setting as given. */
int setting_add(struct settings *s, const struct setting *key,
		const char *value, struct err *e)
{
	s->has |= key->has;
	switch (key->has) {
	case HAS_CLUSTER_CIDRS:
		return add_prefix(&s->cluster_cidrs, value, e);
	case HAS_SERVICE_CIDRS:
		return add_prefix(&s->service_cidrs, value, e);
	case HAS_POD_INTERFACES:
		return add_interface(s, value, e);
	case HAS_MASQUERADE_ALL:
		if (strcmp(value, "on") && strcmp(value, "off"))
			return err_set(e, "\"%.60s\" is neither on nor off", value);
		s->masquerade_all = !strcmp(value, "on");
		return 0;
	}
	return -1;
}

void settings_free(struct settings *s)
{
	free(s->cluster_cidrs.prefixes);
	free(s->service_cidrs.prefixes);
	free(s->pod_interfaces);
	memset(s, 0, sizeof(*s));
}
