// SPDX-License-Identifier: GPL-2.0
/*
 * Random requests of three writers, some of them without memory, against a
 * model that is as simple as can be: a configuration is an array of services,
 * a transaction is a copy of it. SEED and OPERATIONS in the environment ask
 * for another run.
 */
#include "test.h"

#include <linux/percpu.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICES	10
#define FRONTENDS	56
#define ENDPOINTS	24
#define WRITERS		3	/* of which 0 has no transactions */

struct model_endpoint {
	bool there;
	u16 weight;
	u8 flags;
	u64 connections;
};

struct model_service {
	bool there;
	bool frontends[FRONTENDS];
	struct model_endpoint endpoints[ENDPOINTS];
	u64 connections;
};

struct model_txn {
	bool open, failed;
	u64 base;
	struct model_service services[SERVICES];
};

static struct {
	struct model_service services[SERVICES];	/* in force */
	u64 generation;
	struct model_txn txns[WRITERS];
} model;

static struct ksvc_key keys[FRONTENDS];
static struct ksvc_endpoint targets[ENDPOINTS];
static char names[SERVICES][KSVC_NAME_MAX + 1];
static u64 seed;
static u32 outcomes[8];

static u32 below(u32 n)
{
	return next_random(&seed) % n;
}

static void make_universe(void)
{
	static const char *const addrs[] = {
		"10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4", "10.96.0.5", "10.96.0.6",
		"10.96.0.7", "10.96.0.8",
		"a60:1::", "a60:2::", "fd00::1", "fd00::2", "fd00:0:0:1::", "fd00::1:0:0",
	};
	char text[64];
	u32 i;

	for (i = 0; i < FRONTENDS; i++) {
		const char *addr = addrs[i / 4];

		snprintf(text, sizeof(text), strchr(addr, ':') ? "[%s]:%u/%s" : "%s:%u/%s", addr,
			 i & 1 ? 80 : 53, i & 2 ? "tcp" : "udp");
		keys[i] = key_of(text);
	}
	for (i = 0; i < ENDPOINTS; i++) {
		snprintf(text, sizeof(text), i < 16 ? "10.0.0.%u:%u" : "[fd00::%u]:%u", i / 2 + 1,
			 i & 1 ? 80 : 8080);
		targets[i] = endpoint_of(text);
	}
	for (i = 0; i < SERVICES; i++)
		snprintf(names[i], sizeof(names[i]), i % 2 ? "%0255u" : "%u", i);
}

static bool has_family(const struct model_service *s, u8 family)
{
	u32 i;

	for (i = 0; i < FRONTENDS; i++)
		if (s->frontends[i] && keys[i].family == family)
			return true;
	return false;
}

/* What a request says. */
struct request {
	u32 writer, service, mode;
	bool frontends[FRONTENDS];
	bool endpoints[ENDPOINTS];
	struct ksvc_endpoint ep[ENDPOINTS];	/* in any order */
	u32 index[ENDPOINTS];			/* in targets */
	u32 n;
};

/* Mostly such as make sense for the service. */
static void random_endpoints(struct request *r, const struct model_service *s, u32 most,
			     bool that_are_there)
{
	u32 wanted = below(most + 1), i;

	while (wanted--) {
		i = below(ENDPOINTS);
		if (r->endpoints[i] || (below(100) && !has_family(s, targets[i].family)) ||
		    (that_are_there && below(100) && !s->endpoints[i].there))
			continue;
		r->endpoints[i] = true;
		r->index[r->n] = i;
		r->ep[r->n] = targets[i];
		if (below(3)) {
			r->ep[r->n].weight = below(4) ? below(4) : below(KSVC_WEIGHT_MAX + 1);
			r->ep[r->n].given |= KSVC_GIVEN_WEIGHT;
		}
		if (below(4) == 0) {
			r->ep[r->n].flags = below(4);
			r->ep[r->n].given |= KSVC_GIVEN_FLAGS;
		}
		r->n++;
	}
}

/* What the request finds, and changes. */
static struct model_service *service_of(const struct request *r)
{
	return r->writer ? &model.txns[r->writer].services[r->service] :
			   &model.services[r->service];
}

/* What a request of put answers; what it says is done if it is 0. */
static int model_put(const struct request *r, struct model_service *s)
{
	struct model_service new = { .there = true };
	u32 i;

	if (s->there && r->mode == KSVC_MODE_CREATE)
		return -EEXIST;
	if (!s->there && r->mode == KSVC_MODE_REPLACE)
		return -ENOENT;
	memcpy(new.frontends, r->frontends, sizeof(new.frontends));
	for (i = 0; i < r->n; i++) {
		if (!has_family(&new, r->ep[i].family))
			return -EINVAL;
		new.endpoints[r->index[i]] = (struct model_endpoint){
			true, r->ep[i].weight, r->ep[i].flags, 0
		};
	}
	*s = new;
	return 0;
}

static int model_put_endpoints(const struct request *r, struct model_service *s)
{
	struct model_service new = *s;
	u32 i;

	if (!s->there)
		return -ENOENT;
	for (i = 0; i < r->n; i++)
		if (!has_family(s, r->ep[i].family))
			return -EINVAL;
	for (i = 0; i < r->n; i++) {
		struct model_endpoint *e = &new.endpoints[r->index[i]];

		if (e->there && r->mode == KSVC_MODE_CREATE)
			return -EEXIST;
		if (!e->there && r->mode == KSVC_MODE_REPLACE)
			return -ENOENT;
		if (!e->there || r->ep[i].given & KSVC_GIVEN_WEIGHT)
			e->weight = r->ep[i].weight;
		if (!e->there || r->ep[i].given & KSVC_GIVEN_FLAGS)
			e->flags = r->ep[i].flags;
		e->there = true;
	}
	*s = new;
	return 0;
}

static int model_del_endpoints(const struct request *r, struct model_service *s)
{
	struct model_service new = *s;
	u32 i;

	if (!s->there)
		return -ENOENT;
	for (i = 0; i < r->n; i++) {
		if (!new.endpoints[r->index[i]].there)
			return -ENOENT;
		new.endpoints[r->index[i]].there = false;
	}
	*s = new;
	return 0;
}

static bool is_different(const struct model_service *a, const struct model_service *b)
{
	u32 i;

	if (a->there != b->there)
		return true;
	if (!a->there)
		return false;
	for (i = 0; i < ENDPOINTS; i++) {
		const struct model_endpoint *x = &a->endpoints[i], *y = &b->endpoints[i];

		if (x->there != y->there ||
		    (x->there && (x->weight != y->weight || x->flags != y->flags)))
			return true;
	}
	return memcmp(a->frontends, b->frontends, sizeof(a->frontends));
}

/* Puts services in force; what stays keeps its counters. */
static int model_commit(struct model_service *services, u32 *changes)
{
	u32 i, j, owners;

	*changes = 0;
	for (j = 0; j < FRONTENDS; j++) {
		for (owners = 0, i = 0; i < SERVICES; i++)
			owners += services[i].there && services[i].frontends[j];
		if (owners > 1)
			return -EEXIST;
	}
	for (i = 0; i < SERVICES; i++) {
		struct model_service *live = &model.services[i], *new = &services[i];

		*changes += is_different(live, new);
		new->connections = live->there ? live->connections : 0;
		for (j = 0; j < ENDPOINTS; j++)
			new->endpoints[j].connections =
				live->there && live->endpoints[j].there ?
				live->endpoints[j].connections : 0;
		*live = *new;
	}
	model.generation += !!*changes;
	return 0;
}

/* A request by itself, or as part of its writer's transaction. */
static int model_request(const struct request *r,
			 int (*change)(const struct request *r, struct model_service *s))
{
	struct model_txn *txn = &model.txns[r->writer];
	u32 changes;
	int err;

	if (!r->writer)
		memcpy(txn->services, model.services, sizeof(txn->services));
	else if (txn->base != model.generation)
		return -ERESTART;
	err = change(r, &txn->services[r->service]);
	if (!err && !r->writer)
		err = model_commit(txn->services, &changes);
	return err;
}

static int model_del(const struct request *r, struct model_service *s)
{
	bool was_there = s->there;

	s->there = false;
	return was_there ? 0 : -ENOENT;
}

static bool same(u64 is, u64 wanted, const char *what)
{
	if (is == wanted)
		return true;
	diagnose("%s: %llu, not %llu", what, (unsigned long long)is, (unsigned long long)wanted);
	return false;
}

static bool check_service(const struct ksvc_svc *svc, const struct model_service *s, u8 family)
{
	const struct ksvc_set *set = &svc->cluster[ksvc_family_index(family)];
	u32 i, j, n = 0, usable = 0;
	bool ok = true;

	for (i = 0; i < ENDPOINTS; i++) {
		const struct model_endpoint *e = &s->endpoints[i];

		n += e->there;
		if (!e->there)
			continue;
		for (j = 0; j < svc->n_endpoints; j++)
			if (!ksvc_endpoint_cmp(&svc->endpoints[j], &targets[i]))
				break;
		if (j == svc->n_endpoints)
			return same(0, 1, "endpoint");
		ok &= same(svc->endpoints[j].weight, e->weight, "weight");
		ok &= same(svc->endpoints[j].flags, e->flags, "flags");
		ok &= same(ksvc_connections(svc->endpoints[j].connections) -
			   svc->endpoints[j].base, e->connections, "connections");
		if (targets[i].family != family)
			continue;
		usable += e->weight && e->flags & KSVC_ENDPOINT_FLAGS_CLUSTER;
		ok &= same(j >= set->first && j < set->first + set->n,
			   e->weight && e->flags & KSVC_ENDPOINT_FLAGS_CLUSTER, "in the set");
	}
	ok &= same(ksvc_connections(svc->connections), s->connections, "service's connections");
	ok &= same(svc->n_endpoints, n, "endpoints");
	ok &= same(set->n, usable, "set");
	return ok;
}

static struct ksvc_decision decide_key(const struct ksvc_net *kn, const struct ksvc_key *key)
{
	struct nf_conntrack_tuple tuple = {
		.src = { .u3.ip = htonl(0xc0000201), .l3num = key->family },
		.dst = { .u3 = key->addr, .u.all = key->port, .protonum = key->protocol },
	};
	struct ksvc_decision d = {};

	tuple.src.u.all = below(65536);
	rcu_read_lock();
	if (kn->active)
		ksvc_decide(kn, &tuple, NULL, &d);
	rcu_read_unlock();
	return d;
}

/* Everything that packets and dumps can see. */
static bool check(const struct ksvc_net *kn)
{
	u32 i, j, n_services = 0, n_frontends = 0, n_endpoints = 0, n_vips = 0;
	bool vip = false, ok = true;

	for (i = 0; i < SERVICES; i++) {
		n_services += model.services[i].there;
		for (j = 0; model.services[i].there && j < ENDPOINTS; j++)
			n_endpoints += model.services[i].endpoints[j].there;
	}
	for (i = 0; i < FRONTENDS; i++) {
		const struct ksvc_decision d = decide_key(kn, &keys[i]);

		if (i % 4 == 0)
			for (vip = false, j = 0; j < 4 * SERVICES; j++)
				vip |= model.services[j / 4].there &&
				       model.services[j / 4].frontends[i + j % 4];
		n_vips += i % 4 == 0 && vip;
		for (j = 0; j < SERVICES; j++)
			if (model.services[j].there && model.services[j].frontends[i])
				break;
		if (j == SERVICES) {
			ok &= same(!!d.svc, false, "service");
			ok &= same(d.reason, vip ? KSVC_REASON_UNUSED_PORT :
						   KSVC_REASON_NO_SERVICE, "reason");
			continue;
		}
		n_frontends++;
		if (!d.svc || strcmp(d.svc->ident->name, names[j]))
			return same(0, 1, "owner");
		ok &= check_service(d.svc, &model.services[j], keys[i].family);
		ok &= same(d.verdict, d.set->n ? KSVC_VERDICT_DNAT : KSVC_VERDICT_REJECT,
			   "verdict");
		ok &= !d.endpoint || (d.endpoint->weight && d.endpoint->family == keys[i].family);
	}
	ok &= same(kn->generation, model.generation, "generation");
	ok &= same(kn->names.n, n_services, "services");
	ok &= same(kn->n_frontends, n_frontends, "frontends");
	ok &= same(kn->n_endpoints, n_endpoints, "endpoints in all");
	ok &= same(kn->n_vips, n_vips, "VIPs");
	return ok;
}

static int send_put(struct ksvc_net *kn, const struct request *r)
{
	struct ksvc_key given[FRONTENDS];
	u32 i, n = 0;

	for (i = FRONTENDS; i--; )
		if (r->frontends[i])
			given[n++] = keys[i];
	return put_arrays(kn, r->writer, r->mode, names[r->service], given, n, r->ep, r->n);
}

static bool judge(const struct request *r, int err, int wanted)
{
	struct model_txn *txn = &model.txns[r->writer];

	txn->failed |= wanted;
	outcomes[0] += !wanted;
	return same(-err, -wanted, "errno of a request");
}

/* Any request of a writer whose transaction, if it has one, is open. */
static bool do_request(struct ksvc_net *kn, u32 writer)
{
	struct request r = { .writer = writer, .mode = below(10) ? 0 : below(3) };
	int (*change)(const struct request *, struct model_service *) = model_del;
	u32 what = below(10), tries = 5, i;
	struct model_service *s, wanted;
	int err;

	do {
		r.service = below(SERVICES);
		s = service_of(&r);
	} while (!s->there && what >= 5 && tries--);
	wanted = *s;

	if (what < 5) {
		change = model_put;
		if (!s->there || below(2)) {
			memset(wanted.frontends, 0, sizeof(wanted.frontends));
			for (i = below(4); i < 4; i++)
				wanted.frontends[below(FRONTENDS)] = true;
		}
		memcpy(r.frontends, wanted.frontends, sizeof(r.frontends));
		random_endpoints(&r, &wanted, 8, false);
		err = send_put(kn, &r);
	} else if (what < 9) {
		random_endpoints(&r, s, 5, what == 8);
		if (!r.n)
			return true;
		change = what < 8 ? model_put_endpoints : model_del_endpoints;
		err = what < 8 ? put_endpoint_array(kn, writer, r.mode, names[r.service], r.ep, r.n)
			       : del_endpoint_array(kn, writer, names[r.service], r.ep, r.n);
	} else {
		err = del(kn, writer, names[r.service]);
	}
	return judge(&r, err, shim_failed ? -ENOMEM : model_request(&r, change));
}

static bool do_commit(struct ksvc_net *kn, u32 writer)
{
	struct model_txn *txn = &model.txns[writer];
	u32 changes, wanted_changes = 0;
	int err, wanted;

	err = commit(kn, writer, &changes);
	if (shim_failed)
		wanted = -ENOMEM;
	else if (txn->failed)
		wanted = -ECANCELED;
	else if (txn->base != model.generation)
		wanted = -ERESTART;
	else
		wanted = model_commit(txn->services, &wanted_changes);
	txn->open = false;
	outcomes[wanted == -ENOMEM ? 1 : wanted == -ECANCELED ? 2 : wanted == -ERESTART ? 3 :
		 wanted == -EEXIST ? 4 : wanted_changes ? 5 : 6]++;
	return same(-err, -wanted, "errno of a commit") &&
	       same(changes, wanted_changes, "changes");
}

static void do_begin(struct ksvc_net *kn, u32 writer)
{
	struct model_txn *txn = &model.txns[writer];
	u32 flags = below(4) ? 0 : KSVC_TXN_FLAGS_REPLACE;

	if (begin(kn, writer, flags))
		return;
	txn->open = true;
	txn->failed = false;
	txn->base = model.generation;
	memcpy(txn->services, model.services, sizeof(txn->services));
	if (flags)
		memset(txn->services, 0, sizeof(txn->services));
}

static void do_packet(struct ksvc_net *kn)
{
	u32 f = below(FRONTENDS), i, j;
	struct ksvc_decision d = decide_key(kn, &keys[f]);

	if (!d.endpoint)
		return;
	++*per_cpu_ptr(d.svc->connections, below(SHIM_CPUS));
	++*per_cpu_ptr(d.endpoint->connections, below(SHIM_CPUS));
	for (i = 0; i < SERVICES; i++)
		if (model.services[i].there && model.services[i].frontends[f])
			break;
	for (j = 0; j < ENDPOINTS; j++)
		if (!ksvc_endpoint_cmp(d.endpoint, &targets[j]))
			break;
	assert(i < SERVICES && j < ENDPOINTS);
	model.services[i].connections++;
	model.services[i].endpoints[j].connections++;
}

static bool do_something(struct ksvc_net *kn)
{
	static u32 writer = 1;
	u32 what = below(100);
	bool ok = true;

	if (below(30) == 0)
		writer = below(WRITERS * 3) % WRITERS;
	shim_failed = false;
	if (what < 15) {
		do_packet(kn);
	} else if (what < 17) {
		rcu_drain();
	} else if (what < 18) {
		ok = !set(kn, (struct setting){ .masquerade_all = below(2) });
		model.generation++;
	} else if (what < 20 && model.txns[writer].open) {
		end(kn, writer);
		model.txns[writer].open = false;
	} else {
		shim_fail_after = below(25) ? 0 : 1 + below(40);
		if (writer && !model.txns[writer].open)
			do_begin(kn, writer);
		else if (writer && (what < 30 || model.txns[writer].failed))
			ok = do_commit(kn, writer);
		else
			ok = do_request(kn, writer);
		shim_fail_after = 0;
	}
	return check(kn) && ok;
}

static void run(void)
{
	u32 operations = getenv("OPERATIONS") ? atoi(getenv("OPERATIONS")) : 20000, i;
	u64 start = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
	struct ksvc_net *kn = net_new();

	diagnose("SEED=%llu OPERATIONS=%u", (unsigned long long)start, operations);
	seed = start;
	make_universe();
	memset(&model, 0, sizeof(model));
	model.generation = 1;
	for (i = 0; i < operations; i++)
		if (!expect(do_something(kn))) {
			diagnose("operation %u", i);
			break;
		}
	diagnose("requests: %u; commits: %u, without change %u; ENOMEM %u, ECANCELED %u, "
		 "ERESTART %u, EEXIST %u", outcomes[0], outcomes[5], outcomes[6], outcomes[1],
		 outcomes[2], outcomes[3], outcomes[4]);
	net_free(kn);
}

const struct test model_tests[] = {
	{ "20000 random operations do what a simple model says", run },
	{}
};
