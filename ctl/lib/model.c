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

static void service_sort(struct service *s)
{
	if (s->n_frontends)
		qsort(s->frontends, s->n_frontends, sizeof(*s->frontends), frontend_cmp);
	if (s->n_endpoints)
		qsort(s->endpoints, s->n_endpoints, sizeof(*s->endpoints), endpoint_cmp);
	if (s->ranges.n)
		qsort(s->ranges.prefixes, s->ranges.n, sizeof(*s->ranges.prefixes), prefix_cmp);
}

/* The canonical order: diff and every output rely on it. */
void model_sort(struct model *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		service_sort(&m->services[i]);
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
	prefix_list_free(&s->ranges);
	memset(s, 0, sizeof(*s));
}

void service_add_frontend(struct service *s, const struct frontend *f)
{
	xgrow(&s->frontends, s->n_frontends, sizeof(*f));
	s->frontends[s->n_frontends++] = *f;
}

void service_reserve_endpoints(struct service *s, size_t n)
{
	if (n <= s->endpoints_room - s->n_endpoints)
		return;
	s->endpoints_room = s->n_endpoints + n;
	s->endpoints = xrealloc(s->endpoints, s->endpoints_room, sizeof(*s->endpoints));
}

void service_add_endpoint(struct service *s, const struct endpoint *ep)
{
	if (s->n_endpoints == s->endpoints_room)
		service_reserve_endpoints(s, s->n_endpoints ? s->n_endpoints : 1);
	s->endpoints[s->n_endpoints++] = *ep;
}

/* Adds to the lists of to, and gives it the options of from. */
void service_copy(struct service *to, const struct service *from)
{
	for (uint32_t i = 0; i < from->n_frontends; i++)
		service_add_frontend(to, &from->frontends[i]);
	service_reserve_endpoints(to, from->n_endpoints);
	for (uint32_t i = 0; i < from->n_endpoints; i++)
		service_add_endpoint(to, &from->endpoints[i]);
	prefix_list_copy(&to->ranges, &from->ranges);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		option_set(to, i, option_get(from, i));
}

bool service_has_family(const struct service *s, uint16_t family)
{
	for (uint32_t i = 0; i < s->n_frontends; i++)
		if (s->frontends[i].addr.family == family)
			return true;
	for (uint32_t i = 0; !s->n_frontends && i < s->n_endpoints; i++)
		if (s->endpoints[i].addr.family == family)
			return true;
	return false;
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

int node_port_parse(const char *s, struct frontend *f, struct err *e)
{
	size_t len = strcspn(s, "/");
	unsigned long port;
	char number[8];

	memset(f, 0, sizeof(*f));
	f->class = KSVC_CLASS_NODE_PORT;
	if (!s[len] || len >= sizeof(number))
		goto bad;
	memcpy(number, s, len);
	number[len] = '\0';
	if (parse_uint(number, 65535, &port) || !port)
		goto bad;
	f->port = port;
	if (protocol_parse(s + len + 1, &f->protocol))
		return err_set(e, "\"%.60s\": the protocol must be tcp, udp or sctp", s);
	return 0;
bad:
	return err_set(e, "\"%.60s\" is not PORT/PROTO with a port of 1 to 65535", s);
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

/* Words of a list by their bits; none of them is "none". */
static const char *const sets_names[] = {
	"none", "cluster", "local", "cluster,local",
	"draining", "cluster,draining", "local,draining", "cluster,local,draining",
	"not-serving", "cluster,not-serving", "local,not-serving", "cluster,local,not-serving",
	"draining,not-serving", "cluster,draining,not-serving", "local,draining,not-serving",
	"cluster,local,draining,not-serving",
};

const char *endpoint_sets(uint32_t flags)
{
	return sets_names[flags & (ARRAY_SIZE(sets_names) - 1)];
}

int endpoint_sets_parse(const char *s, uint32_t *flags)
{
	uint32_t got = 0;

	*flags = 0;
	if (!strcmp(s, sets_names[0]))
		return 0;
	while (1) {
		size_t len = strcspn(s, ",");
		uint32_t bit = 1;

		while (bit < ARRAY_SIZE(sets_names) &&
		       (strlen(sets_names[bit]) != len || memcmp(sets_names[bit], s, len)))
			bit <<= 1;
		if (bit >= ARRAY_SIZE(sets_names))
			return -1;
		got |= bit;
		if (!s[len])
			break;
		s += len + 1;
	}
	*flags = got;
	return 0;
}

static const char *const class_names[] = {
	[KSVC_CLASS_CLUSTER_IP] = "cluster-ip",
	[KSVC_CLASS_EXTERNAL_IP] = "external-ip",
	[KSVC_CLASS_LOAD_BALANCER] = "load-balancer",
	[KSVC_CLASS_NODE_PORT] = "node-port",
};

const char *class_name(uint32_t class)
{
	return class < ARRAY_SIZE(class_names) ? class_names[class] : "unknown";
}

int class_parse(const char *s, uint8_t *class)
{
	for (size_t i = 0; i < ARRAY_SIZE(class_names); i++) {
		if (!strcmp(s, class_names[i])) {
			*class = i;
			return 0;
		}
	}
	return -1;
}

void prefix_list_add(struct prefix_list *list, const struct prefix *p)
{
	xgrow(&list->prefixes, list->n, sizeof(*p));
	list->prefixes[list->n++] = *p;
}

int prefix_list_parse(struct prefix_list *list, const char *s, struct err *e)
{
	struct prefix p;

	if (prefix_parse(s, &p))
		return err_set(e, "\"%.60s\" is not ADDR/LENGTH without bits beyond the length", s);
	prefix_list_add(list, &p);
	return 0;
}

void prefix_list_copy(struct prefix_list *to, const struct prefix_list *from)
{
	for (size_t i = 0; i < from->n; i++)
		prefix_list_add(to, &from->prefixes[i]);
}

void prefix_list_unify(struct prefix_list *list)
{
	size_t n = 0;

	if (!list->n)
		return;
	qsort(list->prefixes, list->n, sizeof(*list->prefixes), prefix_cmp);
	for (size_t i = 1; i < list->n; i++)
		if (prefix_cmp(&list->prefixes[n], &list->prefixes[i]))
			list->prefixes[++n] = list->prefixes[i];
	list->n = n + 1;
}

void prefix_list_free(struct prefix_list *list)
{
	free(list->prefixes);
	memset(list, 0, sizeof(*list));
}
