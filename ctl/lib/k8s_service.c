// SPDX-License-Identifier: GPL-2.0
/* JSON to Services; everything that can be malformed. */
#include <stdlib.h>
#include <string.h>

#include "k8s_read.h"

#define LABEL_PROXY_NAME	"service.kubernetes.io/service-proxy-name"
#define ANNOTATION_SCHEDULER	"ksvc.io/scheduler"
#define ANNOTATION_MAGLEV_SIZE	"ksvc.io/maglev-size"
#define ANNOTATION_ON_REMOVE	"ksvc.io/on-remove"
#define DEFAULT_TIMEOUT		10800

static bool is_headless(const char *ip)
{
	return !ip || !*ip || !strcmp(ip, "None");
}

static int read_cluster_ip(struct jread *r, const char *key, size_t index,
			   const char *text, struct k8s_service *s, uint16_t family)
{
	struct addr a;
	int err = 0;

	if (is_headless(text))
		return 0;
	jread_push(r, key, index);
	if (addr_parse_sloppy(text, &a))
		err = jread_fail(r, NULL, "\"%.60s\" is not an IP address", text);
	else if (family && a.family != family)
		err = jread_fail(r, NULL, "%s is not of the family that spec.ipFamilies gives",
				 text);
	else if (!addr_is_host(&a))
		err = jread_fail(r, NULL, "%s is not an address that a host can have", text);
	else
		s->cluster_ip[a.family == AF_INET ? K8S_V4 : K8S_V6] = a;
	jread_pop(r);
	return err;
}

/* S4: the address at the family's place in ipFamilies, or clusterIP's own. */
static int read_cluster_ips(struct jread *r, const json_t *spec, struct k8s_service *s)
{
	const char *ip, *family, *list_ip;
	json_t *families, *ips;

	if (jread_string(r, spec, "clusterIP", &ip) ||
	    jread_get(r, spec, "ipFamilies", JSON_ARRAY, &families) ||
	    jread_get(r, spec, "clusterIPs", JSON_ARRAY, &ips))
		return -1;
	if (is_headless(ip)) {
		s->skipped = "it is headless";		/* S1 */
		return 0;
	}
	if (!json_array_size(families))
		return read_cluster_ip(r, "clusterIP", JREAD_NO_INDEX, ip, s, 0);
	for (size_t i = 0; i < json_array_size(families); i++) {
		bool v4;

		if (k8s_read_string(r, families, "ipFamilies", i, &family))
			return -1;
		v4 = !strcmp(family, "IPv4");
		if (!v4 && strcmp(family, "IPv6"))
			return jread_fail(r, "ipFamilies", "\"%.40s\" is neither IPv4 nor IPv6",
					  family);
		if (i >= json_array_size(ips))
			continue;
		if (k8s_read_string(r, ips, "clusterIPs", i, &list_ip) ||
		    read_cluster_ip(r, "clusterIPs", i, list_ip, s, v4 ? AF_INET : AF_INET6))
			return -1;
	}
	return 0;
}

/* S5: what is no address of a host is left out. */
static void add_address(struct k8s *k, const struct jread *r, const char *key,
			const char *text, struct k8s_addresses *list)
{
	struct addr a;

	if (addr_parse_sloppy(text, &a)) {
		k8s_warn_field(k, r, key, "\"%.60s\" is not an IP address; left out", text);
	} else if (!addr_is_host(&a)) {
		k8s_warn_field(k, r, key, "%s is not an address that a host can have; left out",
			       text);
	} else {
		xgrow(&list->list, list->n, sizeof(a));
		list->list[list->n++] = a;
	}
}

static int read_external_ips(struct k8s *k, struct jread *r, const json_t *spec,
			     struct k8s_service *s)
{
	json_t *ips;
	const char *ip;

	if (jread_get(r, spec, "externalIPs", JSON_ARRAY, &ips))
		return -1;
	for (size_t i = 0; i < json_array_size(ips); i++) {
		if (k8s_read_string(r, ips, "externalIPs", i, &ip))
			return -1;
		add_address(k, r, "externalIPs", ip, &s->external_ips);
	}
	return 0;
}

/* S6 */
static int read_lb_ips(struct k8s *k, struct jread *r, const json_t *root,
		       struct k8s_service *s)
{
	json_t *status, *lb, *ingress, *item;
	const char *ip, *mode;
	int err = 0;

	if (jread_get(r, root, "status", JSON_OBJECT, &status))
		return -1;
	if (!status)
		return 0;
	jread_push(r, "status", JREAD_NO_INDEX);
	err = jread_get(r, status, "loadBalancer", JSON_OBJECT, &lb);
	if (!err && lb)
		err = jread_get(r, lb, "ingress", JSON_ARRAY, &ingress);
	for (size_t i = 0; !err && lb && i < json_array_size(ingress); i++) {
		jread_push(r, "loadBalancer.ingress", i);
		err = jread_element(r, ingress, i, JSON_OBJECT, &item);
		if (!err)
			err = jread_string(r, item, "ip", &ip);
		if (!err)
			err = jread_string(r, item, "ipMode", &mode);
		if (!err && ip && *ip && (!mode || !strcmp(mode, "VIP")))
			add_address(k, r, "ip", ip, &s->lb_ips);
		jread_pop(r);
	}
	jread_pop(r);
	return err;
}

static int read_source_ranges(struct k8s *k, struct jread *r, const json_t *spec,
			      struct k8s_service *s)
{
	json_t *ranges;
	const char *text;
	struct prefix p;

	if (jread_get(r, spec, "loadBalancerSourceRanges", JSON_ARRAY, &ranges))
		return -1;
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		if (k8s_read_string(r, ranges, "loadBalancerSourceRanges", i, &text))
			return -1;
		if (prefix_parse_sloppy(text, &p))
			k8s_warn_field(k, r, "loadBalancerSourceRanges",
				       "\"%.60s\" is not ADDR/LENGTH; left out", text);
		else
			prefix_list_add(&s->options.ranges, &p);
	}
	return 0;
}

static int read_affinity(struct jread *r, const json_t *spec, struct k8s_service *s)
{
	json_t *config, *client = NULL;
	const char *affinity;
	long timeout = DEFAULT_TIMEOUT;
	int err;

	if (jread_string(r, spec, "sessionAffinity", &affinity) ||
	    jread_get(r, spec, "sessionAffinityConfig", JSON_OBJECT, &config))
		return -1;
	if (!affinity || strcmp(affinity, "ClientIP"))
		return 0;
	jread_push(r, "sessionAffinityConfig", JREAD_NO_INDEX);
	err = jread_get(r, config, "clientIP", JSON_OBJECT, &client);
	jread_push(r, "clientIP", JREAD_NO_INDEX);
	if (!err)
		err = jread_int(r, client, "timeoutSeconds", 1, KSVC_MAX_AFFINITY, &timeout);
	jread_pop(r);
	jread_pop(r);
	s->options.affinity = timeout;
	return err;
}

/* S7: Local counts only where something is external. */
static bool is_external(const json_t *spec, const char *type)
{
	if (type && (!strcmp(type, "NodePort") || !strcmp(type, "LoadBalancer")))
		return true;
	return json_array_size(json_object_get(spec, "externalIPs")) > 0;
}

static int read_policies(struct jread *r, const json_t *spec, const char *type,
			 struct k8s_service *s)
{
	const char *internal, *external;

	if (jread_string(r, spec, "internalTrafficPolicy", &internal) ||
	    jread_string(r, spec, "externalTrafficPolicy", &external))
		return -1;
	option_set(&s->options, OPTION_INTERNAL_POLICY,
		   internal && !strcmp(internal, "Local"));
	option_set(&s->options, OPTION_EXTERNAL_POLICY,
		   external && !strcmp(external, "Local") && is_external(spec, type));
	return 0;
}

static int read_spec(struct k8s *k, struct jread *r, const json_t *root, const json_t *spec,
		     struct k8s_service *s)
{
	const char *type;

	if (jread_string(r, spec, "type", &type))
		return -1;
	if (type && !strcmp(type, "ExternalName")) {
		s->skipped = "its type is ExternalName";	/* S1 */
		return 0;
	}
	if (read_cluster_ips(r, spec, s))
		return -1;
	if (!s->skipped && !s->cluster_ip[K8S_V4].family && !s->cluster_ip[K8S_V6].family)
		s->skipped = "it has no cluster IP in any family";	/* S4 */
	if (s->skipped)
		return 0;
	if (k8s_read_ports(r, spec, false, &s->ports, &s->n_ports) ||
	    read_external_ips(k, r, spec, s) || read_source_ranges(k, r, spec, s) ||
	    read_policies(r, spec, type, s) || read_affinity(r, spec, s))
		return -1;
	jread_pop(r);
	if (read_lb_ips(k, r, root, s))
		return -1;
	jread_push(r, "spec", JREAD_NO_INDEX);
	return 0;
}

/* As the kernel wants it: every stride must reach every slot. */
static bool is_prime(uint32_t n)
{
	for (uint32_t i = 2; i * i <= n; i++)
		if (!(n % i))
			return false;
	return n > 1;
}

static int parse_annotation(struct k8s_service *s, enum service_option o, const char *text,
			    struct err *e)
{
	if (option_parse(&s->options, o, text, e))
		return -1;
	if (o != OPTION_MAGLEV_SIZE || !s->options.maglev_size ||
	    is_prime(s->options.maglev_size))
		return 0;
	s->options.maglev_size = 0;
	return err_set(e, "must be a prime number, not %.40s", text);
}

static bool read_option(struct k8s *k, struct jread *r, const struct k8s_meta *meta,
			const char *key, enum service_option o, struct k8s_service *s)
{
	const char *text = k8s_annotation(k, r, meta, key);
	struct err e;

	if (!text)
		return false;
	if (!parse_annotation(s, o, text, &e))
		return true;
	jread_push(r, "metadata.annotations", JREAD_NO_INDEX);
	k8s_warn_field(k, r, key, "%s; left out", e.text);
	jread_pop(r);
	return false;
}

/* H1 */
static int read_health_port(struct jread *r, const json_t *spec, struct k8s_service *s)
{
	const char *type;
	long port = 0;

	if (jread_string(r, spec, "type", &type) ||
	    jread_int(r, spec, "healthCheckNodePort", 0, 65535, &port))
		return -1;
	if (type && !strcmp(type, "LoadBalancer") &&
	    option_get(&s->options, OPTION_EXTERNAL_POLICY))
		s->health_port = port;
	return 0;
}

int k8s_read_service(struct k8s *k, struct jread *r, const json_t *root,
		     const struct k8s_meta *meta, struct k8s_service *s)
{
	json_t *spec;

	if (jread_get(r, root, "spec", JSON_OBJECT, &spec))
		return -1;
	if (!spec)
		return jread_fail(r, "spec", "is missing");
	if (json_object_get(meta->labels, LABEL_PROXY_NAME)) {
		s->skipped = "another proxy serves it";		/* S2 */
		return 0;
	}
	s->has_scheduler = read_option(k, r, meta, ANNOTATION_SCHEDULER, OPTION_SCHEDULER, s);
	read_option(k, r, meta, ANNOTATION_MAGLEV_SIZE, OPTION_MAGLEV_SIZE, s);
	read_option(k, r, meta, ANNOTATION_ON_REMOVE, OPTION_ON_REMOVE, s);
	jread_push(r, "spec", JREAD_NO_INDEX);
	if (read_spec(k, r, root, spec, s) || read_health_port(r, spec, s))
		return -1;
	jread_pop(r);
	return 0;
}

void k8s_service_free(struct k8s_service *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_ports; i++)
		intern_put(s->ports[i].name);
	free(s->ports);
	free(s->external_ips.list);
	free(s->lb_ips.list);
	service_free(&s->options);
	intern_put(s->version);
	free(s);
}
