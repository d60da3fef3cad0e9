// SPDX-License-Identifier: GPL-2.0
/* Compares a namespace with the model. */
#include "model.h"

#include <linux/bitmap.h>
#include <linux/percpu.h>

#define FIRST_NODE_PORT	(FRONTENDS - NODE_PORTS)

bool model_same(u64 is, u64 wanted, const char *what)
{
	if (is == wanted)
		return true;
	diagnose("%s: %llu, not %llu", what, (unsigned long long)is, (unsigned long long)wanted);
	return false;
}

/* From 192.0.2.1 or c000:201::, made on the node, which has no such address. */
struct ksvc_decision model_packet(const struct ksvc_net *kn, u32 frontend, __be16 port)
{
	const struct ksvc_key *key = &universe_keys[frontend];
	struct nf_conntrack_tuple tuple = {
		.src = { .u3.all = { htonl(0xc0000201) }, .l3num = key->family },
		.dst = { .u3 = key->addr, .u.all = key->port, .protonum = key->protocol },
	};
	struct ksvc_decision d = {};
	u8 family;

	tuple.src.u.all = port;
	if (frontend >= FIRST_NODE_PORT)
		tuple.dst.u3 = addr_of(key->family == NFPROTO_IPV6 ? "fd00:10::1" : "192.0.2.10",
				       &family);
	rcu_read_lock();
	if (kn->active)
		ksvc_decide(kn, &tuple, NULL, false, &d);
	rcu_read_unlock();
	return d;
}

static bool may_be_chosen(const struct model_endpoint *e, u32 index, u8 family, u32 set)
{
	return e->there && e->weight && universe_endpoints[index].family == family &&
	       e->flags & (set == KSVC_LOCAL ? KSVC_ENDPOINT_FLAGS_LOCAL :
					       KSVC_ENDPOINT_FLAGS_CLUSTER);
}

static u32 count_usable(const struct model_service *s, u8 family, u32 set)
{
	u32 i, n = 0;

	for (i = 0; i < ENDPOINTS; i++)
		n += may_be_chosen(&s->endpoints[i], i, family, set);
	return n;
}

static bool check_endpoints(const struct ksvc_svc *svc, const struct model_service *s)
{
	u32 i, j, set, n = 0;
	bool ok = true;

	for (i = 0; i < ENDPOINTS; i++) {
		const struct model_endpoint *e = &s->endpoints[i];
		u8 family = universe_endpoints[i].family;

		if (!e->there)
			continue;
		n++;
		for (j = 0; j < svc->n_endpoints; j++)
			if (!ksvc_endpoint_cmp(&svc->endpoints[j], &universe_endpoints[i]))
				break;
		if (j == svc->n_endpoints)
			return model_same(0, 1, "endpoint");
		ok &= model_same(svc->endpoints[j].weight, e->weight, "weight");
		ok &= model_same(svc->endpoints[j].flags, e->flags, "flags");
		ok &= model_same(ksvc_connections(svc->endpoints[j].connections) -
				 svc->slots[j].base, e->connections, "connections");
		for (set = 0; set < KSVC_SETS; set++) {
			const struct ksvc_set *is = &svc->sets[set][ksvc_family_index(family)];

			ok &= model_same(j >= is->first && j < is->first + is->n,
					 may_be_chosen(e, i, family, set), "in the set");
		}
	}
	return model_same(svc->n_endpoints, n, "endpoints") && ok;
}

static bool check_service(const struct ksvc_svc *svc, const struct model_service *s)
{
	static const u8 families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	bool ok = check_endpoints(svc, s);
	u32 i, set, n = 0;

	for (i = 0; i < RANGES; i++)
		n += s->ranges[i];
	ok &= model_same(svc->n_ranges, n, "ranges");
	ok &= !memcmp(&svc->features, &s->features, sizeof(s->features));
	ok &= model_same(!svc->affinity_owner, !s->features.affinity, "owner of records");
	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (set = 0; set < KSVC_SETS; set++)
			ok &= model_same(svc->sets[set][ksvc_family_index(families[i])].n,
					 count_usable(s, families[i], set), "set");
	return model_same(ksvc_connections(svc->connections), s->connections,
			  "service's connections") && ok;
}

static bool source_is_in_range(const struct model_service *s, u8 family)
{
	const union nf_inet_addr from = { .all = { htonl(0xc0000201) } };
	bool any = false;
	u32 i;

	for (i = 0; i < RANGES; i++) {
		if (!s->ranges[i] || universe_ranges[i].family != family)
			continue;
		if (ksvc_prefix_match(&universe_ranges[i], family, &from))
			return true;
		any = true;
	}
	return !any;
}

static u8 reason_of(const struct model_service *s, u8 class, u8 family)
{
	u32 local = class == KSVC_CLASS_CLUSTER_IP ? KSVC_SERVICE_FLAGS_INTERNAL_LOCAL :
						     KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL;

	if (class == KSVC_CLASS_LOAD_BALANCER && !source_is_in_range(s, family))
		return KSVC_REASON_SOURCE_RANGE;
	if (count_usable(s, family, s->features.flags & local ? KSVC_LOCAL : KSVC_CLUSTER))
		return KSVC_REASON_TRANSLATED;
	return count_usable(s, family, KSVC_CLUSTER) ? KSVC_REASON_NO_LOCAL_ENDPOINT :
						       KSVC_REASON_NO_ENDPOINT;
}

static u8 verdict_of(u8 reason)
{
	return reason == KSVC_REASON_TRANSLATED ? KSVC_VERDICT_DNAT :
	       reason == KSVC_REASON_NO_ENDPOINT ? KSVC_VERDICT_REJECT : KSVC_VERDICT_DROP;
}

/* The service that has a frontend, or NULL. */
static const struct model_service *owner(u32 frontend)
{
	u32 i;

	for (i = 0; i < SERVICES; i++)
		if (model.services[i].there && model.services[i].frontends[frontend])
			return &model.services[i];
	return NULL;
}

/* The address of a run of four frontends. *refuses: it answers F7. */
static bool check_vip(const struct ksvc_net *kn, u32 first, bool *refuses, u32 *n_vips)
{
	struct ksvc_key key = ksvc_key_vip(universe_keys[first].family, &universe_keys[first].addr);
	const struct ksvc_frontend *vip = kn->active ? ksvc_table_find(kn->table, &key) : NULL;
	u32 i, users = 0, cluster_ips = 0, usable = 0;

	for (i = first; i < first + 4; i++) {
		const struct model_service *s = owner(i);

		if (!s)
			continue;
		users++;
		cluster_ips += s->frontends[i] == 1 + KSVC_CLASS_CLUSTER_IP;
		usable += !!count_usable(s, universe_keys[first].family, KSVC_CLUSTER);
	}
	*refuses = cluster_ips;
	*n_vips += !!users;
	return model_same(!!vip, !!users, "VIP") &&
	       (!vip || (model_same(vip->users, users, "users of a VIP") &&
			 model_same(vip->cluster_ips, cluster_ips, "ClusterIPs of a VIP") &&
			 model_same(vip->usable, usable, "usable frontends of a VIP")));
}

static bool check_frontend(const struct ksvc_net *kn, u32 frontend, bool refused)
{
	const struct ksvc_decision d = model_packet(kn, frontend, htons(frontend));
	const struct model_service *s = owner(frontend);
	u8 family = universe_keys[frontend].family, reason;
	bool ok;

	if (!s)
		return model_same(!!d.svc, false, "service") &&
		       model_same(d.reason, refused ? KSVC_REASON_UNUSED_PORT :
						      KSVC_REASON_NO_SERVICE, "reason");
	if (!d.svc || strcmp(d.svc->ident->name, universe_names[s - model.services]))
		return model_same(0, 1, "owner");
	reason = reason_of(s, s->frontends[frontend] - 1, family);
	ok = check_service(d.svc, s);
	ok &= model_same(d.reason, reason, "reason");
	ok &= model_same(d.verdict, verdict_of(reason), "verdict");
	ok &= model_same(!!d.endpoint, reason == KSVC_REASON_TRANSLATED, "endpoint");
	return ok && (!d.endpoint || (d.endpoint->weight && d.endpoint->family == family));
}

static bool check_node_ports(const struct ksvc_net *kn)
{
	unsigned long wanted[BITS_TO_LONGS(65536)] = {};
	u32 i, n = 0;

	for (i = FIRST_NODE_PORT; i < FRONTENDS; i++)
		if (owner(i)) {
			__set_bit(ntohs(universe_keys[i].port), wanted);
			n++;
		}
	return model_same(kn->n_node_ports, n, "node ports") &&
	       (kn->node_ports ? !memcmp(kn->node_ports, wanted, sizeof(wanted)) : !n);
}

bool model_check(const struct ksvc_net *kn)
{
	u32 i, j, n_services = 0, n_frontends = 0, n_endpoints = 0, n_vips = 0;
	bool refused = false, ok = true;

	for (i = 0; i < SERVICES; i++) {
		n_services += model.services[i].there;
		for (j = 0; model.services[i].there && j < ENDPOINTS; j++)
			n_endpoints += model.services[i].endpoints[j].there;
	}
	for (i = 0; i < FRONTENDS && ok; i++) {
		if (i >= FIRST_NODE_PORT)
			refused = false;
		else if (i % 4 == 0)
			ok &= check_vip(kn, i, &refused, &n_vips);
		ok &= check_frontend(kn, i, refused);
		n_frontends += !!owner(i);
	}
	ok = ok && check_node_ports(kn);
	ok = ok && model_same(kn->n_vips, n_vips, "VIPs");
	ok &= model_same(kn->generation, model.generation, "generation");
	ok &= model_same(kn->names.n, n_services, "services");
	ok = ok && model_same(kn->n_frontends, n_frontends, "frontends");
	ok &= model_same(kn->n_endpoints, n_endpoints, "endpoints in all");
	return ok;
}
