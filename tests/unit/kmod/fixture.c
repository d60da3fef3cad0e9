// SPDX-License-Identifier: GPL-2.0
/* A namespace for tests: doubles of what pure files call, requests, packets. */
#include "test.h"

#include <linux/bitmap.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/jhash.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <stdio.h>

struct netlink_ext_ack extack;
struct ksvc_features features;
struct ksvc_prefix ranges[16];
u32 n_ranges;
const char *local_addresses;
bool stray;
bool fixed_hash;
u32 flow_hash;
struct event events[64];
unsigned int n_events, n_sweeps;
int activate_error;

/* Doubles */

static bool is_assigned(u8 family, const union nf_inet_addr *addr)
{
	const char *word = local_addresses ?: "";

	while (*(word += strspn(word, " "))) {
		size_t len = strcspn(word, " ");
		char buf[INET6_ADDRSTRLEN] = "";
		union nf_inet_addr own;
		u8 own_family;

		memcpy(buf, word, len);
		own = addr_of(buf, &own_family);
		if (own_family == family && nf_inet_addr_cmp(&own, addr))
			return true;
		word += len;
	}
	return false;
}

bool ksvc_addr_is_on_lo(const struct ksvc_net *kn, __be32 addr)
{
	const union nf_inet_addr all = { .all = { addr } };

	return is_assigned(NFPROTO_IPV4, &all);
}

bool ksvc_addr_is_local(const struct ksvc_net *kn, u8 family, const union nf_inet_addr *addr)
{
	return is_assigned(family, addr) ||
	       (family == NFPROTO_IPV4 && ipv4_is_loopback(addr->ip));
}

u32 ksvc_client_hash(const struct nf_conntrack_tuple *tuple)
{
	return jhash(&tuple->src.u3, sizeof(tuple->src.u3), 1);
}

u32 ksvc_flow_hash(const struct nf_conntrack_tuple *tuple)
{
	return fixed_hash ? flow_hash : jhash(tuple, sizeof(*tuple), 1);
}

int ksvc_activate(struct ksvc_net *kn)
{
	lockdep_assert_held(&kn->mutex);
	if (activate_error)
		return activate_error;
	if (kn->active)
		return 0;
	kn->counters = __alloc_percpu_gfp(sizeof(*kn->counters), sizeof(u64), GFP_KERNEL);
	if (!kn->counters)
		return -ENOMEM;
	kn->table = ksvc_table_alloc(0, GFP_KERNEL);
	if (!kn->table) {
		free_percpu(kn->counters);
		kn->counters = NULL;
		return -ENOMEM;
	}
	kn->active = true;
	return 0;
}

static struct event *next_event(const struct ksvc_net *kn)
{
	static struct event overflow;
	struct event *e = n_events < ARRAY_SIZE(events) ? &events[n_events++] : &overflow;

	memset(e, 0, sizeof(*e));
	e->generation = kn->generation;
	return e;
}

void ksvc_nl_notify_service(struct ksvc_net *kn, const struct ksvc_ident *ident,
			    const struct ksvc_svc *svc, u32 event)
{
	struct event *e = next_event(kn);

	memcpy(e->name, ident->name, strlen(ident->name));
	e->event = event;
	expect(!svc == (event == KSVC_EVENT_DELETED));
}

void ksvc_nl_notify_commit(struct ksvc_net *kn, u32 changes)
{
	next_event(kn)->changes = changes;
}

void ksvc_sweep(struct ksvc_net *kn)
{
	n_sweeps++;
}

void ksvc_sweep_init(struct ksvc_net *kn)
{
}

/* Namespaces */

static unsigned long live_before;
static unsigned int namespaces;

struct ksvc_net *net_new(void)
{
	struct ksvc_net *kn;

	if (!namespaces++)
		live_before = shim_live;
	kn = kzalloc(sizeof(*kn), GFP_KERNEL);
	assert(kn);
	ksvc_config_init(kn);
	local_addresses = NULL;
	stray = false;
	fixed_hash = false;
	activate_error = 0;
	n_events = 0;
	n_sweeps = 0;
	n_ranges = 0;
	memset(&features, 0, sizeof(features));
	return kn;
}

void net_free(struct ksvc_net *kn)
{
	rcu_drain();
	ksvc_config_exit(kn);
	free_percpu(kn->counters);
	kfree(kn);
	rcu_drain();
	if (!--namespaces)
		expect(shim_live == live_before);
}

/* Requests */

static int answer(int err)
{
	if (err && err != -ENOMEM && !expect(extack._msg && !extack.truncated))
		diagnose("%d: %s", err, extack._msg ?: "no message");
	return err;
}

static struct ksvc_txn *change_start(struct ksvc_net *kn, u32 portid, int *err)
{
	struct ksvc_txn *txn;

	memset(&extack, 0, sizeof(extack));
	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, portid);
	if (!txn) {
		txn = ksvc_txn_alloc(kn, 0, 0);
		*err = -ENOMEM;
	} else if (txn->base != kn->generation) {
		NL_SET_ERR_MSG(&extack, "another writer");
		txn->failed = true;
		txn = NULL;
		*err = -ERESTART;
	}
	if (!txn)
		mutex_unlock(&kn->mutex);
	return txn;
}

static int change_end(struct ksvc_net *kn, struct ksvc_txn *txn, int err)
{
	u32 changes;

	txn->failed |= err;
	txn->requests++;
	if (list_empty(&txn->list)) {
		if (!err)
			err = ksvc_commit(kn, txn, &changes, &extack);
		ksvc_txn_free(txn);
	}
	mutex_unlock(&kn->mutex);
	return answer(err);
}

int begin(struct ksvc_net *kn, u32 portid, u32 flags)
{
	struct ksvc_txn *txn;

	mutex_lock(&kn->mutex);
	txn = ksvc_txn_alloc(kn, portid, flags);
	if (txn)
		list_add(&txn->list, &kn->txns);
	mutex_unlock(&kn->mutex);
	return txn ? 0 : -ENOMEM;
}

/* A request that cannot be read spoils its transaction too. */
static int spoil(struct ksvc_net *kn, u32 portid)
{
	struct ksvc_txn *txn;

	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, portid);
	if (txn)
		txn->failed = true;
	mutex_unlock(&kn->mutex);
	return -ENOMEM;
}

static void *duplicate(const void *from, u32 n, size_t size)
{
	void *to = kvmalloc_array(n, size, GFP_KERNEL);

	return to ? memcpy(to, from, n * size) : NULL;
}

int put_arrays(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
	       const struct ksvc_front *frontends, u32 n_frontends,
	       const struct ksvc_endpoint *endpoints, u32 n_endpoints)
{
	struct ksvc_spec spec = {
		.features = features,
		.n_frontends = n_frontends,
		.n_endpoints = n_endpoints,
		.n_ranges = n_ranges,
	};
	struct ksvc_txn *txn;
	int err = -ENOMEM;

	spec.frontends = duplicate(frontends, n_frontends, sizeof(*frontends));
	if (n_endpoints)
		spec.endpoints = duplicate(endpoints, n_endpoints, sizeof(*endpoints));
	if (n_ranges)
		spec.ranges = duplicate(ranges, n_ranges, sizeof(*ranges));
	if (!spec.frontends || !spec.endpoints != !n_endpoints || !spec.ranges != !n_ranges) {
		ksvc_spec_free(&spec);
		return spoil(kn, portid);
	}
	txn = change_start(kn, portid, &err);
	if (!txn) {
		ksvc_spec_free(&spec);
		return answer(err);
	}
	err = ksvc_txn_put(kn, txn, name, mode, &spec, &extack);
	return change_end(kn, txn, err);
}

int del(struct ksvc_net *kn, u32 portid, const char *name)
{
	struct ksvc_txn *txn;
	int err;

	txn = change_start(kn, portid, &err);
	return txn ? change_end(kn, txn, ksvc_txn_del(kn, txn, name, &extack)) : answer(err);
}

static int change_endpoints(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
			    const struct ksvc_endpoint *endpoints, u32 n, bool put)
{
	struct ksvc_endpoint *ep = duplicate(endpoints, n, sizeof(*ep));
	struct ksvc_txn *txn;
	int err;

	if (!ep)
		return spoil(kn, portid);
	txn = change_start(kn, portid, &err);
	if (txn) {
		if (put)
			err = ksvc_txn_put_endpoints(kn, txn, name, mode, ep, n, &extack);
		else
			err = ksvc_txn_del_endpoints(kn, txn, name, ep, n, &extack);
		err = change_end(kn, txn, err);
	}
	kvfree(ep);
	return err;
}

int put_endpoint_array(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
		       const struct ksvc_endpoint *endpoints, u32 n)
{
	return change_endpoints(kn, portid, mode, name, endpoints, n, true);
}

int del_endpoint_array(struct ksvc_net *kn, u32 portid, const char *name,
		       const struct ksvc_endpoint *endpoints, u32 n)
{
	return change_endpoints(kn, portid, 0, name, endpoints, n, false);
}

int commit(struct ksvc_net *kn, u32 portid, u32 *changes)
{
	struct ksvc_txn *txn;
	u32 n = 0;
	int err;

	memset(&extack, 0, sizeof(extack));
	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, portid);
	assert(txn);
	err = ksvc_commit(kn, txn, &n, &extack);
	ksvc_txn_free(txn);
	mutex_unlock(&kn->mutex);
	if (changes)
		*changes = n;
	return answer(err);
}

int end(struct ksvc_net *kn, u32 portid)
{
	struct ksvc_txn *txn;

	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, portid);
	if (txn)
		ksvc_txn_free(txn);
	mutex_unlock(&kn->mutex);
	return txn ? 0 : -EINVAL;
}

/* Packets */

struct nf_conntrack_tuple tuple_of(const char *from, const char *to)
{
	const struct ksvc_key dst = key_of(to);
	struct nf_conntrack_tuple tuple;
	u8 family;

	memset(&tuple, 0, sizeof(tuple));
	tuple.src.u3 = addr_of(from, &family);
	tuple.src.u.all = htons(1024);
	tuple.src.l3num = family;
	tuple.dst.u3 = dst.addr;
	tuple.dst.u.all = dst.port;
	tuple.dst.protonum = dst.protocol;
	assert(family == dst.family);
	return tuple;
}

/* The name of an interface is an array of which the rest is anything. */
struct ksvc_decision decide(const struct ksvc_net *kn, const char *from, const char *to,
			    const char *in)
{
	const struct nf_conntrack_tuple tuple = tuple_of(from, to);
	struct ksvc_decision d;
	char name[IFNAMSIZ];

	memset(&d, 0xa5, sizeof(d));
	memset(name, 0xa5, sizeof(name));
	if (in)
		snprintf(name, sizeof(name), "%s", in);
	rcu_read_lock();
	ksvc_decide(kn, &tuple, in ? name : NULL, stray, &d);
	rcu_read_unlock();
	return d;
}

const struct ksvc_svc *lookup(const struct ksvc_net *kn, const char *to)
{
	const char *from = strchr(to, '[') ? "2001:db8::1" : "192.0.2.1";
	const struct nf_conntrack_tuple tuple = tuple_of(from, to);
	struct ksvc_decision d;

	if (!kn->active)
		return NULL;
	rcu_read_lock();
	ksvc_match(kn, &tuple, NULL, &d);
	rcu_read_unlock();
	return d.svc;
}

static void append_endpoint(char **end, const char *limit, const struct ksvc_endpoint *ep)
{
	char buf[INET6_ADDRSTRLEN];

	inet_ntop(ep->family == NFPROTO_IPV6 ? AF_INET6 : AF_INET, &ep->addr, buf, sizeof(buf));
	*end += snprintf(*end, limit - *end, ep->family == NFPROTO_IPV6 ? " [%s]:%u" : " %s:%u",
			 buf, ntohs(ep->port));
	if (ep->weight != 1)
		*end += snprintf(*end, limit - *end, "@%u", ep->weight);
}

const char *choices(const struct ksvc_net *kn, const char *to)
{
	static char text[1024];
	char *end = text, *limit = text + sizeof(text);
	const struct ksvc_svc *svc = lookup(kn, to);
	const struct ksvc_set *set;
	u32 i;

	if (!svc)
		return "-";
	set = &svc->sets[KSVC_CLUSTER][ksvc_family_index(key_of(to).family)];
	end += snprintf(end, limit - end, "%s:", svc->ident->name);
	for (i = 0; i < set->n; i++)
		append_endpoint(&end, limit, &svc->endpoints[set->first + i]);
	return text;
}

const struct ksvc_endpoint *endpoint_in(const struct ksvc_svc *svc, const char *text)
{
	const struct ksvc_endpoint wanted = endpoint_of(text);
	u32 i;

	for (i = 0; svc && i < svc->n_endpoints; i++)
		if (!ksvc_endpoint_cmp(&svc->endpoints[i], &wanted))
			return &svc->endpoints[i];
	return NULL;
}

/* On any CPU. */
void connect_to(const struct ksvc_net *kn, const char *to, const char *endpoint)
{
	static unsigned int turn;
	const struct ksvc_svc *svc = lookup(kn, to);
	const struct ksvc_endpoint *ep = endpoint_in(svc, endpoint);
	int cpu = turn++ % SHIM_CPUS;

	assert(ep);
	++*per_cpu_ptr(svc->connections, cpu);
	++*per_cpu_ptr(ep->connections, cpu);
}

/* As dumps have it; of the service as a whole without an endpoint. */
u64 connections(const struct ksvc_net *kn, const char *to, const char *endpoint)
{
	const struct ksvc_svc *svc = lookup(kn, to);
	const struct ksvc_endpoint *ep = endpoint ? endpoint_in(svc, endpoint) : NULL;

	assert(svc && (ep || !endpoint));
	return ep ? ksvc_connections(ep->connections) - ksvc_slot(svc, ep)->base :
		    ksvc_connections(svc->connections);
}

static u64 mix(u64 sum, u64 value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15;
	return sum ^ sum >> 29;
}

u64 fingerprint(const struct ksvc_net *kn)
{
	const struct ksvc_table *table = kn->table;
	struct ksvc_ident *ident;
	unsigned long id;
	u64 sum = 0;
	u32 i;

	sum = mix(sum, kn->generation);
	sum = mix(sum, kn->names.n);
	sum = mix(sum, kn->n_frontends);
	sum = mix(sum, kn->n_vips);
	sum = mix(sum, kn->n_endpoints);
	sum = mix(sum, kn->n_node_ports);
	for (i = 0; kn->n_node_ports && i < 65536 / BITS_PER_LONG; i++)
		sum = mix(sum, kn->node_ports[i]);
	sum = mix(sum, (unsigned long)kn->settings);
	sum = mix(sum, (unsigned long)table);
	for (i = 0; table && i <= table->mask; i++) {
		const struct ksvc_frontend *fe = table->buckets[i];

		for (; fe; fe = fe->next[table->node]) {
			sum = mix(mix(sum, (unsigned long)fe), fe->users);
			sum = mix(mix(sum, fe->cluster_ips), fe->usable);
		}
	}
	xa_for_each(&kn->services, id, ident) {
		sum = mix(mix(mix(sum, id), ident->id), (unsigned long)ident->svc);
		sum = mix(sum, ksvc_find(kn, ident->name) == ident);
		for (i = 0; i < ident->svc->n_endpoints; i++)
			if (ident->svc->slots[i].load)
				sum = mix(sum, ident->svc->slots[i].load->active.counter);
	}
	return sum;
}
