// SPDX-License-Identifier: GPL-2.0
/* Addresses, endpoints and settings from text. The texts are the tests' own. */
#include "test.h"

#include <linux/if.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

union nf_inet_addr addr_of(const char *text, u8 *family)
{
	union nf_inet_addr addr = {};
	int ok;

	*family = strchr(text, ':') ? NFPROTO_IPV6 : NFPROTO_IPV4;
	ok = inet_pton(*family == NFPROTO_IPV6 ? AF_INET6 : AF_INET, text, &addr);
	assert(ok == 1);
	return addr;
}

/* "ADDR:PORT" or "[ADDR]:PORT" and what follows it. */
static const char *addr_and_port(const char *text, union nf_inet_addr *addr, u8 *family,
				 __be16 *port)
{
	bool brackets = *text == '[';
	const char *end = strchr(text, brackets ? ']' : ':');
	char buf[INET6_ADDRSTRLEN] = "", *rest;

	assert(end && end - text < (ptrdiff_t)sizeof(buf));
	memcpy(buf, text + brackets, end - text - brackets);
	*addr = addr_of(buf, family);
	end += brackets;
	assert(*end == ':');
	*port = htons(strtoul(end + 1, &rest, 10));
	return rest;
}

struct ksvc_key key_of(const char *text)
{
	struct ksvc_key key = {};
	const char *rest = addr_and_port(text, &key.addr, &key.family, &key.port);

	key.protocol = !strncmp(rest, "/tcp", 4) ? IPPROTO_TCP :
		       !strncmp(rest, "/udp", 4) ? IPPROTO_UDP :
		       !strncmp(rest, "/sctp", 5) ? IPPROTO_SCTP : atoi(rest + 1);
	return key;
}

struct ksvc_front front_of(const char *text)
{
	static const char *const names[] = { "", "=ext", "=lb", "=np" };
	struct ksvc_front front = { .key = key_of(text) };
	size_t len = strcspn(text, " ");
	const char *class = memchr(text, '=', len);

	if (!class)
		return front;
	len -= class - text;
	while (strlen(names[front.class]) != len || memcmp(class, names[front.class], len))
		assert(++front.class < ARRAY_SIZE(names));
	return front;
}

struct ksvc_endpoint endpoint_of(const char *text)
{
	struct ksvc_endpoint ep = {
		.weight = 1,
		.flags = KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL,
	};
	const char *rest = addr_and_port(text, &ep.addr, &ep.family, &ep.port);

	if (*rest == '@') {
		ep.weight = strtoul(rest + 1, (char **)&rest, 10);
		ep.given |= KSVC_GIVEN_WEIGHT;
	}
	if (*rest == '/') {
		ep.flags = 0;
		ep.given |= KSVC_GIVEN_FLAGS;
		while (*++rest && *rest != ' ')
			ep.flags |= *rest == 'c' ? KSVC_ENDPOINT_FLAGS_CLUSTER :
				    *rest == 'l' ? KSVC_ENDPOINT_FLAGS_LOCAL : 0;
	}
	return ep;
}

struct ksvc_prefix prefix_of(const char *text)
{
	const char *slash = strchr(text, '/');
	char buf[INET6_ADDRSTRLEN] = "";
	struct ksvc_prefix p = {};
	u8 *mask = (u8 *)&p.mask;
	u32 i;

	assert(slash && slash - text < (ptrdiff_t)sizeof(buf));
	memcpy(buf, text, slash - text);
	p.addr = addr_of(buf, &p.family);
	p.length = atoi(slash + 1);
	for (i = 0; i < p.length; i++)
		mask[i / 8] |= 0x80 >> i % 8;
	return p;
}

/* "cni0" matches with its terminator, "veth*" without, as netlink has it. */
struct ksvc_ifname ifname_of(const char *text)
{
	size_t len = strcspn(text, " ");
	struct ksvc_ifname p = {};
	bool prefix = text[len - 1] == '*';

	assert(len < IFNAMSIZ + prefix);
	memcpy(p.value, text, len - prefix);
	memset(p.mask, 0xff, prefix ? len - 1 : len + 1);
	return p;
}

static u32 words(const char *text)
{
	u32 n = 0;

	while (text && *(text += strspn(text, " "))) {
		text += strcspn(text, " ");
		n++;
	}
	return n;
}

static const char *next_word(const char *text)
{
	text += strcspn(text, " ");
	return text + strspn(text, " ");
}

static struct ksvc_list *list_of(const char *text)
{
	u32 n = words(text), i;
	struct ksvc_list *list = NULL;

	if (!n)
		return NULL;
	list = kzalloc(struct_size(list, prefixes, n), GFP_KERNEL);
	assert(list);
	list->n = n;
	for (i = 0; i < n; i++, text = next_word(text))
		list->prefixes[i] = prefix_of(text);
	return list;
}

int set(struct ksvc_net *kn, struct setting setting)
{
	const char *name = setting.pod_interfaces;
	struct ksvc_settings *to;
	u32 i;

	mutex_lock(&kn->mutex);
	to = ksvc_settings_dup(ksvc_settings_get(kn));
	if (!to) {
		mutex_unlock(&kn->mutex);
		return -ENOMEM;
	}
	kfree(to->cluster_cidrs);
	kfree(to->service_cidrs);
	kfree(to->nodeport_addresses);
	kfree(to->pod_interfaces);
	to->cluster_cidrs = list_of(setting.cluster_cidrs);
	to->service_cidrs = list_of(setting.service_cidrs);
	to->nodeport_addresses = list_of(setting.nodeport_addresses);
	to->n_pod_interfaces = words(name);
	to->pod_interfaces = name ? kcalloc(to->n_pod_interfaces, sizeof(*to->pod_interfaces),
					    GFP_KERNEL) : NULL;
	for (i = 0; i < to->n_pod_interfaces; i++, name = next_word(name))
		to->pod_interfaces[i] = ifname_of(name);
	to->masquerade_all = setting.masquerade_all;
	to->localhost_nodeports = setting.localhost_nodeports;
	to->ping = setting.ping;
	to->affinity_entries = setting.affinity_entries ?: to->affinity_entries;
	ksvc_settings_publish(kn, to);
	mutex_unlock(&kn->mutex);
	return 0;
}

void set_ranges(const char *text)
{
	u32 i;

	n_ranges = words(text);
	assert(n_ranges <= ARRAY_SIZE(ranges));
	for (i = 0; i < n_ranges; i++, text = next_word(text))
		ranges[i] = prefix_of(text);
}

static struct ksvc_front *parse_fronts(const char *text, u32 *n)
{
	struct ksvc_front *fronts;
	u32 i;

	*n = words(text);
	fronts = calloc(*n, sizeof(*fronts));
	for (i = 0; i < *n; i++, text = next_word(text))
		fronts[i] = front_of(text);
	return fronts;
}

static struct ksvc_endpoint *parse_endpoints(const char *text, u32 *n)
{
	struct ksvc_endpoint *endpoints;
	u32 i;

	*n = words(text);
	endpoints = calloc(*n, sizeof(*endpoints));
	for (i = 0; i < *n; i++, text = next_word(text))
		endpoints[i] = endpoint_of(text);
	return endpoints;
}

int put(struct ksvc_net *kn, u32 portid, u32 mode, const char *name, const char *frontends,
	const char *endpoints)
{
	u32 n_fronts, n;
	struct ksvc_front *fronts = parse_fronts(frontends, &n_fronts);
	struct ksvc_endpoint *ep = parse_endpoints(endpoints, &n);
	int err = put_arrays(kn, portid, mode, name, fronts, n_fronts, ep, n);

	free(fronts);
	free(ep);
	return err;
}

int put_endpoints(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
		  const char *endpoints)
{
	u32 n;
	struct ksvc_endpoint *ep = parse_endpoints(endpoints, &n);
	int err = put_endpoint_array(kn, portid, mode, name, ep, n);

	free(ep);
	return err;
}

int del_endpoints(struct ksvc_net *kn, u32 portid, const char *name, const char *endpoints)
{
	u32 n;
	struct ksvc_endpoint *ep = parse_endpoints(endpoints, &n);
	int err = del_endpoint_array(kn, portid, name, ep, n);

	free(ep);
	return err;
}
