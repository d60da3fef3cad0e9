// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define SETTING(key, name, member, type, help) \
	{ key, HAS_##name, type, KSVC_A_SETTINGS_##name, offsetof(struct settings, member), help }

const struct setting settings_table[] = {
	SETTING("cluster-cidr", CLUSTER_CIDRS, cluster_cidrs, SETTING_PREFIXES,
		"PREFIX... whose sources are pods"),
	SETTING("service-cidr", SERVICE_CIDRS, service_cidrs, SETTING_PREFIXES,
		"PREFIX... in which addresses without a service are dropped"),
	SETTING("masquerade-all", MASQUERADE_ALL, masquerade_all, SETTING_SWITCH,
		"on|off: rewrite the source of all connections to cluster IPs"),
	SETTING("pod-interface", POD_INTERFACES, pod_interfaces, SETTING_NAMES,
		"NAME... of interfaces that lead to pods; a trailing * matches any rest"),
	SETTING("nodeport-addresses", NODEPORT_ADDRESSES, nodeport_addresses, SETTING_PREFIXES,
		"PREFIX... of the node's addresses with node ports, or \"primary\""),
	SETTING("localhost-nodeports", LOCALHOST_NODEPORTS, localhost_nodeports, SETTING_SWITCH,
		"on|off: node ports on 127.0.0.0/8, too"),
	SETTING("drop-invalid", DROP_INVALID, drop_invalid, SETTING_SWITCH,
		"on|off: drop all forwarded packets that are invalid to conntrack"),
	SETTING("ping", PING, ping, SETTING_SWITCH,
		"on|off: answer echo requests to VIPs that have endpoints"),
	SETTING("affinity-entries", AFFINITY_ENTRIES, affinity_entries, SETTING_NUMBER,
		"N: most records of session affinity"),
};

const size_t n_settings = ARRAY_SIZE(settings_table);

const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < n_settings; i++)
		if (!strcmp(settings_table[i].key, key))
			return &settings_table[i];
	return NULL;
}

static int add_interface(struct name_list *list, const char *value, struct err *e)
{
	size_t len = strlen(value), name = len;

	if (len && value[len - 1] == '*')
		name--;
	if (!len || name > IFNAME_PATTERN_MAX - 1 || strchr(value, '/') ||
	    memchr(value, '*', name))
		return err_set(e, "\"%.60s\" is not an interface name of at most %d bytes, nor the start of one and a *",
			       value, IFNAME_PATTERN_MAX - 1);
	xgrow(&list->names, list->n, sizeof(*list->names));
	memcpy(list->names[list->n++], value, len + 1);
	return 0;
}

static int set_number(uint32_t *to, const char *value, struct err *e)
{
	unsigned long n;

	if (parse_uint(value, KSVC_MAX_AFFINITY_ENTRIES, &n) || !n)
		return err_set(e, "\"%.60s\" is not a number of 1 to %d", value,
			       KSVC_MAX_AFFINITY_ENTRIES);
	*to = n;
	return 0;
}

/* Adds one value to a list, or sets what has one; marks the setting as given. */
int setting_add(struct settings *s, const struct setting *key,
		const char *value, struct err *e)
{
	void *to = setting_value(s, key);

	s->has |= key->has;
	switch (key->type) {
	case SETTING_PREFIXES:
		return prefix_list_parse(to, value, e);
	case SETTING_NAMES:
		return add_interface(to, value, e);
	case SETTING_NUMBER:
		return set_number(to, value, e);
	case SETTING_SWITCH:
		if (strcmp(value, "on") && strcmp(value, "off"))
			return err_set(e, "\"%.60s\" is neither on nor off", value);
		*(bool *)to = !strcmp(value, "on");
		return 0;
	}
	return -1;
}

bool settings_are_default(const struct settings *s)
{
	return !s->cluster_cidrs.n && !s->service_cidrs.n && !s->nodeport_addresses.n &&
	       !s->pod_interfaces.n && !s->masquerade_all && !s->localhost_nodeports &&
	       !s->drop_invalid && !s->ping &&
	       (!(s->has & HAS_AFFINITY_ENTRIES) ||
		s->affinity_entries == DEFAULT_AFFINITY_ENTRIES);
}

static bool prefixes_differ(const struct prefix_list *a, const struct prefix_list *b)
{
	if (a->n != b->n)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (prefix_cmp(&a->prefixes[i], &b->prefixes[i]))
			return true;
	return false;
}

static bool names_differ(const struct name_list *a, const struct name_list *b)
{
	if (a->n != b->n)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->names[i], b->names[i]))
			return true;
	return false;
}

static bool setting_differs(const void *a, const void *b, enum setting_type type)
{
	switch (type) {
	case SETTING_PREFIXES:
		return prefixes_differ(a, b);
	case SETTING_NAMES:
		return names_differ(a, b);
	case SETTING_NUMBER:
		return *(const uint32_t *)a != *(const uint32_t *)b;
	case SETTING_SWITCH:
		return *(const bool *)a != *(const bool *)b;
	}
	return true;
}

bool settings_differ(const struct settings *wanted, const struct settings *s)
{
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *key = &settings_table[i];

		if ((wanted->has & key->has) &&
		    setting_differs(setting_value(wanted, key), setting_value(s, key), key->type))
			return true;
	}
	return false;
}

void settings_free(struct settings *s)
{
	prefix_list_free(&s->cluster_cidrs);
	prefix_list_free(&s->service_cidrs);
	prefix_list_free(&s->nodeport_addresses);
	free(s->pod_interfaces.names);
	memset(s, 0, sizeof(*s));
}
