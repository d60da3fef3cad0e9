// SPDX-License-Identifier: GPL-2.0
/* Service versions: counters that outlive them, and what readers still see. */
#include "test.h"

#include <linux/percpu.h>
#include <linux/slab.h>
#include <stdlib.h>

#define VIP	"10.96.0.1:80/tcp"
#define ONE	"10.0.0.1:80"
#define TWO	"10.0.0.2:80"
#define THREE	"10.0.0.3:80"

static void connect_n(const struct ksvc_net *kn, const char *endpoint, u32 n)
{
	while (n--)
		connect_to(kn, VIP, endpoint);
}

static void endpoints_keep_counters(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE " " TWO);
	connect_n(kn, ONE, 5);
	connect_n(kn, TWO, 7);

	put_endpoints(kn, 0, KSVC_MODE_PUT, "a", THREE " 10.0.0.0:80");
	expect(connections(kn, VIP, ONE) == 5 && connections(kn, VIP, TWO) == 7);
	expect(!connections(kn, VIP, THREE) && !connections(kn, VIP, "10.0.0.0:80"));
	connect_n(kn, THREE, 2);

	/* a new definition with the same endpoints, other weights and flags */
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE "@9 " TWO "@0 " THREE "/l");
	expect(connections(kn, VIP, ONE) == 5 && connections(kn, VIP, TWO) == 7);
	expect(connections(kn, VIP, THREE) == 2);
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE "@0 " TWO "@1 " THREE "/c");
	expect(connections(kn, VIP, ONE) == 5 && connections(kn, VIP, TWO) == 7);
	expect(connections(kn, VIP, THREE) == 2);

	/* another frontend */
	put(kn, 0, KSVC_MODE_PUT, "a", "10.96.0.2:80/tcp", ONE " " TWO);
	expect(connections(kn, "10.96.0.2:80/tcp", ONE) == 5);
	expect(connections(kn, "10.96.0.2:80/tcp", NULL) == 14);
	net_free(kn);
}

static void new_endpoints_start_at_zero(void)
{
	struct ksvc_net *kn = net_new();
	u32 i;

	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE " " TWO);
	connect_n(kn, ONE, 5);
	connect_n(kn, TWO, 3);
	/* again and again, with cells that are used again */
	for (i = 0; i < 10; i++) {
		del_endpoints(kn, 0, "a", ONE);
		put_endpoints(kn, 0, KSVC_MODE_PUT, "a", ONE);
		expect(!connections(kn, VIP, ONE));
		connect_n(kn, ONE, 5);
		expect(connections(kn, VIP, ONE) == 5 && connections(kn, VIP, TWO) == 3);
	}
	expect(connections(kn, VIP, NULL) == 58);
	expect(lookup(kn, VIP)->ident->n_cells < 16);

	/* within one transaction it did not leave */
	begin(kn, 1, 0);
	del_endpoints(kn, 1, "a", ONE);
	put_endpoints(kn, 1, KSVC_MODE_PUT, "a", ONE "@2");
	expect(!commit(kn, 1, NULL));
	expect(connections(kn, VIP, ONE) == 5);

	del(kn, 0, "a");
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE);
	expect(!connections(kn, VIP, ONE) && !connections(kn, VIP, NULL));
	net_free(kn);
}

/* No two endpoints of a version share a cell, nor does one with the service. */
static bool cells_are_distinct(const struct ksvc_svc *svc)
{
	bool ok = true;
	u32 i;

	for (i = 0; i < svc->n_endpoints; i++)
		++*per_cpu_ptr(svc->endpoints[i].connections, 1);
	for (i = 0; i < svc->n_endpoints; i++)
		ok &= ksvc_connections(svc->endpoints[i].connections) -
		      svc->slots[i].base == 1;
	ok &= !ksvc_connections(svc->connections);
	for (i = 0; i < svc->n_endpoints; i++)
		--*per_cpu_ptr(svc->endpoints[i].connections, 1);
	return ok;
}

/* Endpoints from first on, in a range that is its own. */
static struct ksvc_endpoint *numbered_endpoints(u32 first, u32 n)
{
	struct ksvc_endpoint *ep = calloc(n, sizeof(*ep));
	u32 i;

	for (i = 0; i < n; i++) {
		ep[i] = endpoint_of(ONE);
		ep[i].addr.ip = htonl(0x0b000000 + first + i);
	}
	return ep;
}

static int put_numbered(struct ksvc_net *kn, u32 first, u32 n)
{
	const struct ksvc_front front = front_of(VIP);
	struct ksvc_endpoint *ep = numbered_endpoints(first, n);
	int err = put_arrays(kn, 0, KSVC_MODE_PUT, "a", &front, 1, ep, n);

	free(ep);
	return err;
}

static void cells(void)
{
	static const u32 steps[][2] = {
		{ 0, 1 }, { 0, 511 }, { 0, 512 }, { 500, 600 }, { 0, 2000 }, { 1999, 3 },
		{ 3000, 5000 }, { 1, 1 }, { 0, 5000 },
	};
	struct ksvc_net *kn = net_new();
	u32 i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		expect(!put_numbered(kn, steps[i][0], steps[i][1]));
		expect(cells_are_distinct(lookup(kn, VIP)));
	}
	net_free(kn);
}

/* All endpoints replaced, then some: cells beyond 65535 are in use. */
static void cells_of_the_largest(void)
{
	struct ksvc_net *kn = net_new();

	expect(!put_numbered(kn, 0, KSVC_MAX_ENDPOINTS));
	expect(cells_are_distinct(lookup(kn, VIP)));
	expect(!put_numbered(kn, 100000, KSVC_MAX_ENDPOINTS));
	expect(cells_are_distinct(lookup(kn, VIP)));
	expect(!put_numbered(kn, 67233, KSVC_MAX_ENDPOINTS));
	expect(cells_are_distinct(lookup(kn, VIP)));
	expect(!put_numbered(kn, 150000, KSVC_MAX_ENDPOINTS));
	expect(cells_are_distinct(lookup(kn, VIP)));
	net_free(kn);
}

static void readers_keep_their_version(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_endpoint *ep;
	const struct ksvc_svc *svc;

	put(kn, 0, KSVC_MODE_PUT, "a", VIP, ONE "@1 " TWO "@2");
	svc = lookup(kn, VIP);
	ep = endpoint_in(svc, TWO);
	rcu_read_lock();
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, THREE);
	del(kn, 0, "a");
	expect(!lookup(kn, VIP));
	/* as a packet does that began before */
	expect(svc->n_endpoints == 2 && svc->sets[KSVC_CLUSTER][KSVC_V4].alias[1].other < 2);
	expect(!strcmp(svc->ident->name, "a"));
	++*per_cpu_ptr(ep->connections, 0);
	++*per_cpu_ptr(svc->connections, 0);
	rcu_read_unlock();
	net_free(kn);
}

static void numbered_frontends(struct ksvc_front *fronts, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		fronts[i] = front_of(VIP);
		fronts[i].key.addr.ip = htonl(0x0a600000 + i);
	}
}

#define FRONTENDS	KSVC_MAX_FRONTENDS

static bool finds(const struct ksvc_table *table, const struct ksvc_front *fronts, u32 n)
{
	bool ok = true;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct ksvc_frontend *fe = ksvc_table_find(table, &fronts[i].key);

		ok &= fe && fe->svc->n_frontends == n;
	}
	return ok;
}

/* The table grows and shrinks while a packet is still in the former one. */
static void readers_keep_their_table(void)
{
	struct ksvc_front *fronts = calloc(FRONTENDS, sizeof(*fronts));
	struct ksvc_endpoint ep = endpoint_of(ONE);
	struct ksvc_net *kn = net_new();
	const struct ksvc_table *old;
	unsigned long periods;

	numbered_frontends(fronts, FRONTENDS);
	put_arrays(kn, 0, KSVC_MODE_PUT, "a", fronts, 4, &ep, 1);
	rcu_drain();
	rcu_read_lock();
	old = kn->table;
	put_arrays(kn, 0, KSVC_MODE_PUT, "b", fronts + 4, FRONTENDS - 4, &ep, 1);
	expect(kn->table != old);
	expect(finds(old, fronts, 4));
	expect(finds(kn->table, fronts, 4) && finds(kn->table, fronts + 4, FRONTENDS - 4));
	del(kn, 0, "a");
	expect(finds(old, fronts, 4));
	expect(!ksvc_table_find(kn->table, &fronts[0].key));
	rcu_read_unlock();
	rcu_drain();

	rcu_read_lock();
	old = kn->table;
	put_arrays(kn, 0, KSVC_MODE_PUT, "c", fronts, 3, &ep, 1);
	del(kn, 0, "b");
	expect(finds(old, fronts, 3));
	put_arrays(kn, 0, KSVC_MODE_PUT, "c", fronts, 2, &ep, 1);
	expect(kn->table != old && ksvc_table_size(kn->table) < ksvc_table_size(old));
	expect(finds(kn->table, fronts, 2));
	expect(finds(old, fronts, 2) && ksvc_table_find(old, &fronts[2].key));
	rcu_read_unlock();

	/* the nodes of the table before are those of the one to come */
	periods = rcu_grace_periods;
	put_arrays(kn, 0, KSVC_MODE_PUT, "b", fronts + 4, FRONTENDS - 4, &ep, 1);
	expect(rcu_grace_periods > periods);
	expect(finds(kn->table, fronts, 2) && finds(kn->table, fronts + 4, FRONTENDS - 4));
	net_free(kn);
	free(fronts);
}

static void order(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_svc *svc;
	u32 i;

	put(kn, 0, KSVC_MODE_PUT, "a", VIP " [fd00::1]:80/tcp",
	    "[fd00::b]:80@0 10.0.0.9:80 [fd00::c]:80 10.0.0.3:80@0 10.0.0.3:443 10.0.0.20:80 "
	    "[fd00::a]:80/l [fd00::b]:79");
	svc = lookup(kn, VIP);
	expect(!strcmp(choices(kn, VIP), "a: 10.0.0.3:443 10.0.0.9:80 10.0.0.20:80"));
	expect(!strcmp(choices(kn, "[fd00::1]:80/tcp"), "a: [fd00::b]:79 [fd00::c]:80"));
	expect(svc->n_endpoints == 8 && svc->n_frontends == 2);
	for (i = 0; i < svc->n_endpoints; i++)
		expect(svc->endpoints[i].family == (i < 4 ? NFPROTO_IPV4 : NFPROTO_IPV6));
	expect(kn->n_endpoints == 8 && kn->n_frontends == 2 && kn->n_vips == 2);
	net_free(kn);
}

const struct test service_tests[] = {
	{ "service: in each family those that may be chosen stand first", order },
	{ "counters: endpoints that stay keep theirs, services too", endpoints_keep_counters },
	{ "counters: endpoints that come, or come back, start at zero",
	  new_endpoints_start_at_zero },
	{ "counters: every endpoint has a cell of its own", cells },
	{ "counters: also of 65535 endpoints that are all replaced", cells_of_the_largest },
	{ "RCU: a version lasts as long as packets use it", readers_keep_their_version },
	{ "RCU: so does a table, when it grows and when it shrinks", readers_keep_their_table },
	{}
};
