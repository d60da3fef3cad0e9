// SPDX-License-Identifier: GPL-2.0
/*
 * Random requests of three writers, some of them without memory, against a
 * model that is as simple as can be: a configuration is an array of services,
 * a transaction is a copy of it. SEED and OPERATIONS in the environment ask
 * for another run.
 */
#include "model.h"

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

struct model model;
struct ksvc_key universe_keys[FRONTENDS];
struct ksvc_endpoint universe_endpoints[ENDPOINTS];
struct ksvc_prefix universe_ranges[RANGES];
char universe_names[SERVICES][KSVC_NAME_MAX + 1];
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
	static const char *const prefixes[] = {
		"192.0.0.0/8", "192.0.2.1/32", "10.0.0.0/8", "10.0.0.0/9", "fd00::/8", "c000::/16",
	};
	char text[64];
	u32 i;

	for (i = 0; i < NODE_PORTS; i++) {
		snprintf(text, sizeof(text), "%s:%u/%s", i & 1 ? "[::]" : "0.0.0.0",
			 i & 2 ? 30000 : 32767, i < 4 ? "tcp" : i < 8 ? "udp" : "sctp");
		universe_keys[FRONTENDS - NODE_PORTS + i] = key_of(text);
	}
	for (i = 0; i < RANGES; i++)
		universe_ranges[i] = prefix_of(prefixes[i]);
	for (i = 0; i < FRONTENDS - NODE_PORTS; i++) {
		const char *addr = addrs[i / 4];

		snprintf(text, sizeof(text), strchr(addr, ':') ? "[%s]:%u/%s" : "%s:%u/%s", addr,
			 i & 1 ? 80 : 53, i & 2 ? "tcp" : "udp");
		universe_keys[i] = key_of(text);
	}
	for (i = 0; i < ENDPOINTS; i++) {
		snprintf(text, sizeof(text), i < 16 ? "10.0.0.%u:%u" : "[fd00::%u]:%u", i / 2 + 1,
			 i & 1 ? 80 : 8080);
		universe_endpoints[i] = endpoint_of(text);
	}
	for (i = 0; i < SERVICES; i++)
		snprintf(universe_names[i], sizeof(universe_names[i]), i % 2 ? "%0255u" : "%u", i);
}

static bool has_family(const struct model_service *s, u8 family)
{
	u32 i;

	for (i = 0; i < FRONTENDS; i++)
		if (s->frontends[i] && universe_keys[i].family == family)
			return true;
	return false;
}

/* What a request says. */
struct request {
	u32 writer, service, mode;
	u8 frontends[FRONTENDS];
	bool ranges[RANGES];
	struct ksvc_features features;
	bool endpoints[ENDPOINTS];
	struct ksvc_endpoint ep[ENDPOINTS];	/* in any order */
	u32 index[ENDPOINTS];			/* in the universe */
	u32 n;
};

/* Mostly such as make sense for the service. */
static void random_endpoints(struct request *r, const struct model_service *s, u32 most,
			     bool that_are_there)
{
	u32 wanted = below(most + 1), i;

	while (wanted--) {
		i = below(ENDPOINTS);
		if (r->endpoints[i] ||
		    (below(100) && !has_family(s, universe_endpoints[i].family)) ||
		    (that_are_there && below(100) && !s->endpoints[i].there))
			continue;
		r->endpoints[i] = true;
		r->index[r->n] = i;
		r->ep[r->n] = universe_endpoints[i];
		if (below(3)) {
			r->ep[r->n].weight = below(4) ? below(4) : below(KSVC_WEIGHT_MAX + 1);
			r->ep[r->n].given |= KSVC_GIVEN_WEIGHT;
		}
		if (below(2)) {
			r->ep[r->n].flags = below(8);
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
	struct model_service new = { .there = true, .features = r->features };
	u32 i;

	if (s->there && r->mode == KSVC_MODE_CREATE)
		return -EEXIST;
	if (!s->there && r->mode == KSVC_MODE_REPLACE)
		return -ENOENT;
	memcpy(new.frontends, r->frontends, sizeof(new.frontends));
	memcpy(new.ranges, r->ranges, sizeof(new.ranges));
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
	return memcmp(a->frontends, b->frontends, sizeof(a->frontends)) ||
	       memcmp(a->ranges, b->ranges, sizeof(a->ranges)) ||
	       memcmp(&a->features, &b->features, sizeof(a->features));
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

static int send_put(struct ksvc_net *kn, const struct request *r)
{
	struct ksvc_front given[FRONTENDS] = {};
	u32 i, n = 0;

	for (i = FRONTENDS; i--; )
		if (r->frontends[i]) {
			given[n].key = universe_keys[i];
			given[n++].class = r->frontends[i] - 1;
		}
	features = r->features;
	for (n_ranges = 0, i = RANGES; i--; )
		if (r->ranges[i])
			ranges[n_ranges++] = universe_ranges[i];
	return put_arrays(kn, r->writer, r->mode, universe_names[r->service], given, n, r->ep,
			  r->n);
}

static bool judge(const struct request *r, int err, int wanted)
{
	struct model_txn *txn = &model.txns[r->writer];

	txn->failed |= wanted;
	outcomes[0] += !wanted;
	return model_same(-err, -wanted, "errno of a request");
}

static u8 random_class(u32 frontend)
{
	return frontend < FRONTENDS - NODE_PORTS ? below(KSVC_CLASS_NODE_PORT) :
						   KSVC_CLASS_NODE_PORT;
}

/* What the request puts, besides endpoints: little or much of it as it was. */
static void random_definition(struct request *r, struct model_service *s)
{
	u32 i;

	if (!s->there || below(2)) {
		memset(s->frontends, 0, sizeof(s->frontends));
		for (i = below(5); i < 5; i++) {
			u32 f = below(FRONTENDS);

			s->frontends[f] = 1 + random_class(f);
		}
	}
	for (i = 0; i < FRONTENDS; i++)
		if (s->frontends[i] && !below(8))
			s->frontends[i] = 1 + random_class(i);
	if (!s->there || !below(3)) {
		memset(&s->features, 0, sizeof(s->features));
		s->features.flags = below(8);
		s->features.scheduler = below(3) ? below(KSVC_SCHEDULER_MAGLEV + 1) : 0;
		s->features.affinity = below(3) ? 0 : 1 + below(2);
		if (s->features.scheduler == KSVC_SCHEDULER_MAGLEV)
			s->features.maglev_size = below(10) ? 13 : 0;
	}
	if (!s->there || !below(4))
		for (i = 0; i < RANGES; i++)
			s->ranges[i] = !below(5);
	memcpy(r->frontends, s->frontends, sizeof(r->frontends));
	memcpy(r->ranges, s->ranges, sizeof(r->ranges));
	r->features = s->features;
}

/* Any request of a writer whose transaction, if it has one, is open. */
static bool do_request(struct ksvc_net *kn, u32 writer)
{
	struct request r = { .writer = writer, .mode = below(10) ? 0 : below(3) };
	int (*change)(const struct request *, struct model_service *) = model_del;
	u32 what = below(10), tries = 5;
	struct model_service *s, wanted;
	const char *name;
	int err;

	do {
		r.service = below(SERVICES);
		s = service_of(&r);
	} while (!s->there && what >= 5 && tries--);
	wanted = *s;

	if (what < 5) {
		change = model_put;
		random_definition(&r, &wanted);
		random_endpoints(&r, &wanted, 8, false);
		err = send_put(kn, &r);
	} else if (what < 9) {
		random_endpoints(&r, s, 5, what == 8);
		if (!r.n)
			return true;
		change = what < 8 ? model_put_endpoints : model_del_endpoints;
		name = universe_names[r.service];
		err = what < 8 ? put_endpoint_array(kn, writer, r.mode, name, r.ep, r.n)
			       : del_endpoint_array(kn, writer, name, r.ep, r.n);
	} else {
		err = del(kn, writer, universe_names[r.service]);
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
	return model_same(-err, -wanted, "errno of a commit") &&
	       model_same(changes, wanted_changes, "changes");
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
	struct ksvc_decision d = model_packet(kn, f, below(65536));

	if (!d.endpoint)
		return;
	++*per_cpu_ptr(d.svc->connections, below(SHIM_CPUS));
	++*per_cpu_ptr(d.endpoint->connections, below(SHIM_CPUS));
	for (i = 0; i < SERVICES; i++)
		if (model.services[i].there && model.services[i].frontends[f])
			break;
	for (j = 0; j < ENDPOINTS; j++)
		if (!ksvc_endpoint_cmp(d.endpoint, &universe_endpoints[j]))
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
		shim_jiffies += below(HZ);
	} else if (what < 18) {
		ok = !set(kn, (struct setting){ .masquerade_all = below(2),
						.affinity_entries = 64 });
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
	return model_check(kn) && ok;
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
	model.generation = 2;
	local_addresses = "192.0.2.10 fd00:10::1";
	set(kn, (struct setting){ .affinity_entries = 64 });
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
