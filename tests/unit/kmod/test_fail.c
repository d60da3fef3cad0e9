// SPDX-License-Identifier: GPL-2.0
/* Every allocation fails once: nothing changes, nothing leaks, and the same
 * succeeds afterwards.
 */
#include "test.h"

#include <linux/bitmap.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

#define PUT	KSVC_MODE_PUT
#define A	"10.96.0.1:80/tcp"
#define B	"10.96.0.2:80/tcp"
#define C	"10.96.0.3:80/tcp"
#define A6	"[fd00::1]:80/tcp"
#define ONE	"10.0.0.1:80"
#define TWO	"10.0.0.2:80"

/* Returns the first error of a request, or that of the commit. */
struct scenario {
	void (*prepare)(struct ksvc_net *kn);
	int (*run)(struct ksvc_net *kn);
	bool (*done)(const struct ksvc_net *kn);
};

static void fail_each(const struct scenario *s)
{
	unsigned int n, announced;
	struct ksvc_net *kn;
	u64 before;
	int err;

	for (n = 1; ; n++) {
		kn = net_new();
		if (s->prepare)
			s->prepare(kn);
		before = fingerprint(kn);
		announced = n_events;
		shim_failed = false;
		shim_fail_after = n;
		err = s->run(kn);
		shim_fail_after = 0;
		if (!shim_failed)
			break;
		end(kn, 1);
		if (!expect(err == -ENOMEM) || !expect(fingerprint(kn) == before) ||
		    !expect(n_events == announced && n_sweeps <= announced))
			diagnose("allocation %u: %d", n, err);
		expect(!s->run(kn));
		expect(s->done(kn));
		net_free(kn);
	}
	expect(!err && s->done(kn));
	net_free(kn);
	if (expect(n > 1))
		diagnose("%u allocations", n - 1);
}

static int end_of(struct ksvc_net *kn, int err)
{
	int last;

	if (err) {
		last = commit(kn, 1, NULL);
		expect(last == -ECANCELED);
		return err;
	}
	return commit(kn, 1, NULL);
}

static void prepare_some(struct ksvc_net *kn)
{
	put(kn, 0, PUT, "a", A " " A6, ONE " [fd00::a]:80");
	put(kn, 0, PUT, "b", B, ONE);
	put(kn, 0, PUT, "gone", C " 10.96.0.3:81/tcp", TWO);
	rcu_drain();
}

/* New and changed, weights, moved and new VIPs, larger names and tables. */
static int change_much(struct ksvc_net *kn, u32 flags)
{
	char name[16], frontends[128];
	int err;
	u32 i;

	err = begin(kn, 1, flags);
	if (err)
		return err;
	err = put(kn, 1, PUT, "a", A6 " 10.96.0.3:80/udp", "[fd00::a]:80@2 [fd00::b]:80@3 "
		  ONE "@4 " TWO "@5 10.0.0.3:80") ?:
	      put(kn, 1, PUT, "b", B " " A, ONE " " TWO);
	for (i = 0; i < 8 && !err; i++) {
		snprintf(name, sizeof(name), "new%u", i);
		snprintf(frontends, sizeof(frontends), "10.97.0.%u:80/tcp 10.97.0.%u:81/tcp", i, i);
		err = put(kn, 1, PUT, name, frontends, ONE "@2 " TWO);
	}
	if (!err && !flags)
		err = del(kn, 1, "gone");
	return end_of(kn, err);
}

static bool much_is_changed(const struct ksvc_net *kn)
{
	return !strcmp(choices(kn, A), "b: " ONE " " TWO) &&
	       !strcmp(choices(kn, A6), "a: [fd00::a]:80@2 [fd00::b]:80@3") &&
	       !strcmp(choices(kn, "10.97.0.7:81/tcp"), "new7: " ONE "@2 " TWO) &&
	       !lookup(kn, C) && kn->names.n == 10 && kn->n_frontends == 20;
}

static int run_delta(struct ksvc_net *kn)
{
	return change_much(kn, 0);
}

static int run_replace(struct ksvc_net *kn)
{
	return change_much(kn, KSVC_TXN_FLAGS_REPLACE);
}

static void transactions(void)
{
	fail_each(&(struct scenario){ prepare_some, run_delta, much_is_changed });
	fail_each(&(struct scenario){ prepare_some, run_replace, much_is_changed });
}

#define FEATURED	6

/* A service of each scheduler, with all that a service can have. */
static int put_featured(struct ksvc_net *kn, u32 portid, const char *endpoints)
{
	char name[16], frontends[128];
	int err = 0;
	u32 i;

	set_ranges("10.0.0.0/8 10.1.0.0/16 fd00::/8");
	for (i = 0; i < FEATURED && !err; i++) {
		features = (struct ksvc_features){
			.flags = KSVC_SERVICE_FLAGS_INTERNAL_LOCAL,
			.affinity = i % 2 ? 10 : 0,
			.scheduler = i,
			.maglev_size = i == KSVC_SCHEDULER_MAGLEV ? 101 : 0,
		};
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(frontends, sizeof(frontends), "10.98.0.%u:80/tcp 10.98.1.%u:80/tcp=lb "
			 "0.0.0.0:%u/tcp=np [::]:%u/udp=np", i, i, 30000 + i, 30000 + i);
		err = put(kn, portid, PUT, name, frontends, endpoints);
	}
	n_ranges = 0;
	memset(&features, 0, sizeof(features));
	return err;
}

static void prepare_small(struct ksvc_net *kn)
{
	set(kn, (struct setting){ .affinity_entries = 64 });
}

static void prepare_featured(struct ksvc_net *kn)
{
	u32 i, j;

	prepare_small(kn);
	put_featured(kn, 0, ONE " " TWO "@2");
	rcu_drain();
	local_addresses = "192.0.2.10 fd00:10::1";
	for (i = 0; i < FEATURED; i++) {
		char to[32];
		const struct ksvc_svc *svc;

		snprintf(to, sizeof(to), "192.0.2.10:%u/tcp", 30000 + i);
		svc = lookup(kn, to);
		for (j = 0; j < svc->n_endpoints && svc->slots[j].load; j++)
			atomic_set(&svc->slots[j].load->active, 7);
	}
}

static int run_featured(struct ksvc_net *kn)
{
	int err = begin(kn, 1, 0);

	if (err)
		return err;
	return end_of(kn, put_featured(kn, 1, ONE "@3 " TWO "@5/c 10.0.0.3:80@2 10.0.0.4:80/l "
				       "10.0.0.5:80/l [fd00::a]:80@7 [fd00::b]:80"));
}

static bool has_features(const struct ksvc_net *kn)
{
	const struct ksvc_svc *svc;
	char to[32];
	bool ok = kn->n_node_ports == 2 * FEATURED && kn->affinity;
	u32 i, j, set;

	local_addresses = "192.0.2.10 fd00:10::1";
	for (i = 0; i < FEATURED; i++) {
		snprintf(to, sizeof(to), "192.0.2.10:%u/tcp", 30000 + i);
		svc = lookup(kn, to);
		ok &= test_bit(30000 + i, kn->node_ports);
		ok = ok && svc && svc->features.scheduler == i && svc->n_endpoints == 7;
		for (j = 0; ok && j < 2 * KSVC_FAMILIES; j++) {
			set = j / 2;
			ok &= svc->sets[set][j % 2].n == (j % 2 ? 2 : set ? 4 : 3);
			ok &= !svc->sets[set][j % 2].data == (i == KSVC_SCHEDULER_RR ||
							      i == KSVC_SCHEDULER_LC);
		}
		for (j = 0; ok && j < svc->n_endpoints; j++)
			ok &= !svc->slots[j].load == (i != KSVC_SCHEDULER_LC);
		ok = ok && svc->open_ranges[KSVC_V4] == 1 && svc->open_ranges[KSVC_V6] == 1 &&
		     !svc->affinity_owner == !(i % 2) &&
		     !svc->by_slot == !(i % 2 || i == KSVC_SCHEDULER_LC);
	}
	return ok;
}

static void with_features(void)
{
	fail_each(&(struct scenario){ prepare_featured, run_featured, has_features });
	fail_each(&(struct scenario){ prepare_small, run_featured, has_features });
}

static int run_first(struct ksvc_net *kn)
{
	return put(kn, 0, PUT, "a", A, ONE "@2 " TWO);
}

static bool first_is_there(const struct ksvc_net *kn)
{
	return kn->active && !strcmp(choices(kn, A), "a: " ONE "@2 " TWO);
}

static void first(void)
{
	fail_each(&(struct scenario){ NULL, run_first, first_is_there });
}

static int run_endpoints(struct ksvc_net *kn)
{
	int err = begin(kn, 1, 0);

	if (err)
		return err;
	return end_of(kn, put_endpoints(kn, 1, PUT, "a", TWO "@7 10.0.0.3:80") ?:
			  del_endpoints(kn, 1, "a", ONE) ?:
			  put_endpoints(kn, 1, KSVC_MODE_CREATE, "b", "10.0.0.4:80") ?:
			  del_endpoints(kn, 1, "gone", TWO));
}

static bool endpoints_are_changed(const struct ksvc_net *kn)
{
	return !strcmp(choices(kn, A), "a: " TWO "@7 10.0.0.3:80") &&
	       !strcmp(choices(kn, B), "b: " ONE " 10.0.0.4:80") &&
	       !strcmp(choices(kn, C), "gone:");
}

static void endpoints(void)
{
	fail_each(&(struct scenario){ prepare_some, run_endpoints, endpoints_are_changed });
}

static int run_delete(struct ksvc_net *kn)
{
	return del(kn, 0, "gone");
}

static bool is_deleted(const struct ksvc_net *kn)
{
	return !lookup(kn, C) && kn->names.n == 2 && kn->n_vips == 3;
}

static void deletion(void)
{
	fail_each(&(struct scenario){ prepare_some, run_delete, is_deleted });
}

/* Endpoints that need more cells, and a table that shrinks. */
static int many_endpoints(struct ksvc_net *kn, u32 first, u32 n)
{
	struct ksvc_endpoint *ep = calloc(n, sizeof(*ep));
	const struct ksvc_front front = front_of(A);
	int err;
	u32 i;

	for (i = 0; i < n; i++) {
		ep[i] = endpoint_of(ONE);
		ep[i].addr.ip = htonl(0x0b000000 + first + i);
		ep[i].weight = 1 + i % 3;
	}
	err = put_arrays(kn, 0, PUT, "a", &front, 1, ep, n);
	free(ep);
	return err;
}

static void prepare_large(struct ksvc_net *kn)
{
	struct ksvc_front fronts[KSVC_MAX_FRONTENDS];
	u32 i;

	many_endpoints(kn, 0, 100);
	for (i = 0; i < ARRAY_SIZE(fronts); i++) {
		fronts[i] = front_of(B);
		fronts[i].key.port = htons(1 + i);
	}
	put_arrays(kn, 0, PUT, "b", fronts, ARRAY_SIZE(fronts), NULL, 0);
	rcu_drain();
}

static int run_large(struct ksvc_net *kn)
{
	return many_endpoints(kn, 50, 2000);
}

static bool large_is_there(const struct ksvc_net *kn)
{
	return lookup(kn, A)->n_endpoints == 2000 && endpoint_in(lookup(kn, A), "11.0.8.1:80");
}

static void prepare_emptied(struct ksvc_net *kn)
{
	prepare_large(kn);
	put(kn, 0, PUT, "b", B, "");
	rcu_drain();
}

static int run_shrink(struct ksvc_net *kn)
{
	return del(kn, 0, "b");
}

static bool is_smaller(const struct ksvc_net *kn)
{
	return ksvc_table_size(kn->table) == 16 && !ksvc_find(kn, "b") && lookup(kn, A);
}

static void large(void)
{
	fail_each(&(struct scenario){ prepare_large, run_large, large_is_there });
	fail_each(&(struct scenario){ prepare_emptied, run_shrink, is_smaller });
}

/* Counters are what they were, although some cells were added in vain. */
static void counters(void)
{
	struct ksvc_net *kn = net_new();
	u32 n;

	put(kn, 0, PUT, "a", A, ONE);
	connect_to(kn, A, ONE);
	for (n = 1; ; n++) {
		shim_failed = false;
		shim_fail_after = n;
		if (!many_endpoints(kn, 0, 1000) && !shim_failed)
			break;
		expect(connections(kn, A, ONE) == 1 && connections(kn, A, NULL) == 1);
	}
	shim_fail_after = 0;
	put_endpoints(kn, 0, PUT, "a", ONE);
	expect(!connections(kn, A, ONE) && connections(kn, A, NULL) == 1);
	net_free(kn);
}

static void settings(void)
{
	struct ksvc_net *kn = net_new();
	struct ksvc_settings *copy;
	unsigned long live;
	u32 n;

	set(kn, (struct setting){ "10.0.0.0/8 fd00::/8", "10.96.0.0/16", "cni0 veth*", true,
				  "192.168.0.0/16" });
	live = shim_live;
	for (n = 1; n <= 5; n++) {
		shim_fail_after = n;
		mutex_lock(&kn->mutex);
		expect(!ksvc_settings_dup(ksvc_settings_get(kn)));
		mutex_unlock(&kn->mutex);
		expect(shim_live == live);
	}
	mutex_lock(&kn->mutex);
	copy = ksvc_settings_dup(ksvc_settings_get(kn));
	mutex_unlock(&kn->mutex);
	expect(copy && copy->n_pod_interfaces == 2 && copy->masquerade_all);
	expect(!memcmp(copy->cluster_cidrs, kn->settings->cluster_cidrs,
		       struct_size(copy->cluster_cidrs, prefixes, 2)));
	ksvc_settings_free(copy);
	net_free(kn);
}

const struct test fail_tests[] = {
	{ "ENOMEM at each allocation of a transaction, delta and replace", transactions },
	{ "ENOMEM at each allocation of services with all features", with_features },
	{ "ENOMEM at each allocation of a namespace's first commit", first },
	{ "ENOMEM at each allocation of requests about endpoints", endpoints },
	{ "ENOMEM at each allocation of a deletion", deletion },
	{ "ENOMEM at each allocation of a large service, of a table that shrinks", large },
	{ "ENOMEM: counters are what they were", counters },
	{ "ENOMEM at each allocation of a copy of the settings", settings },
	{}
};
