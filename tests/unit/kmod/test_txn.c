// SPDX-License-Identifier: GPL-2.0
/* Transactions: what requests do, and that commits do it as a whole. */
#include "test.h"

#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

#define PUT	KSVC_MODE_PUT
#define CREATE	KSVC_MODE_CREATE
#define REPLACE	KSVC_MODE_REPLACE

#define A	"10.96.0.1:80/tcp"
#define B	"10.96.0.2:80/tcp"
#define C	"10.96.0.3:80/tcp"
#define ONE	"10.0.0.1:80"
#define TWO	"10.0.0.2:80"

static bool is(const struct ksvc_net *kn, const char *to, const char *wanted)
{
	const char *text = choices(kn, to);

	if (!strcmp(text, wanted))
		return true;
	diagnose("%s leads to \"%s\", not \"%s\"", to, text, wanted);
	return false;
}

static void single_requests(void)
{
	struct ksvc_net *kn = net_new();

	expect(kn->generation == 1 && !kn->active);
	expect(!put(kn, 0, PUT, "a", A, ONE));
	expect(is(kn, A, "a: " ONE) && kn->generation == 2 && kn->active);
	expect(!put(kn, 0, PUT, "a", A " " B, TWO));
	expect(is(kn, A, "a: " TWO) && is(kn, B, "a: " TWO));
	expect(!put(kn, 0, PUT, "a", B, TWO));
	expect(is(kn, A, "-") && is(kn, B, "a: " TWO));
	expect(!del(kn, 0, "a"));
	expect(is(kn, B, "-") && kn->generation == 5);
	expect(!kn->names.n && !kn->n_frontends && !kn->n_vips && !kn->n_endpoints);
	expect(del(kn, 0, "a") == -ENOENT && kn->generation == 5);
	net_free(kn);
}

static void modes(void)
{
	struct ksvc_net *kn = net_new();

	expect(put(kn, 0, REPLACE, "a", A, ONE) == -ENOENT);
	expect(!put(kn, 0, CREATE, "a", A, ONE));
	expect(put(kn, 0, CREATE, "a", B, ONE) == -EEXIST);
	expect(!put(kn, 0, REPLACE, "a", B, TWO));
	expect(is(kn, A, "-") && is(kn, B, "a: " TWO));

	/* within a transaction, of what it has done so far */
	begin(kn, 1, 0);
	expect(!del(kn, 1, "a"));
	expect(!put(kn, 1, CREATE, "a", A, ONE));
	expect(!put(kn, 1, CREATE, "b", C, ONE));
	expect(!put(kn, 1, REPLACE, "b", C, TWO));
	expect(!commit(kn, 1, NULL));
	expect(is(kn, A, "a: " ONE) && is(kn, C, "b: " TWO));

	/* what replaces all starts with nothing */
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(put(kn, 1, REPLACE, "a", A, ONE) == -ENOENT);
	end(kn, 1);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(del(kn, 1, "a") == -ENOENT);
	end(kn, 1);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(put_endpoints(kn, 1, PUT, "a", TWO) == -ENOENT);
	end(kn, 1);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(!put(kn, 1, CREATE, "a", A, ONE));
	expect(!put_endpoints(kn, 1, PUT, "a", TWO));
	expect(!commit(kn, 1, NULL));
	expect(is(kn, A, "a: " ONE " " TWO) && is(kn, C, "-"));
	net_free(kn);
}

static void delta(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_svc *untouched;
	u32 changes;

	put(kn, 0, PUT, "a", A, ONE);
	put(kn, 0, PUT, "b", B, ONE);
	untouched = lookup(kn, B);
	begin(kn, 1, 0);
	expect(!put(kn, 1, PUT, "a", A, TWO));
	expect(!put(kn, 1, PUT, "c", C, ONE));
	expect(is(kn, A, "a: " ONE) && is(kn, C, "-") && kn->generation == 3);
	expect(!commit(kn, 1, &changes) && changes == 2 && kn->generation == 4);
	expect(is(kn, A, "a: " TWO) && is(kn, C, "c: " ONE));
	expect(lookup(kn, B) == untouched);
	expect(kn->names.n == 3 && kn->n_frontends == 3 && kn->n_vips == 3);
	net_free(kn);
}

static void replace_all(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_svc *untouched;
	u32 changes;

	put(kn, 0, PUT, "a", A, ONE);
	put(kn, 0, PUT, "b", B, ONE);
	untouched = lookup(kn, B);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(!put(kn, 1, PUT, "b", B, ONE));
	expect(!put(kn, 1, PUT, "c", C, TWO));
	expect(!commit(kn, 1, &changes) && changes == 2);
	expect(is(kn, A, "-") && is(kn, C, "c: " TWO));
	expect(lookup(kn, B) == untouched);

	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(!commit(kn, 1, &changes) && changes == 2);
	expect(!kn->names.n && !kn->n_frontends && !kn->n_vips && !kn->n_endpoints);
	net_free(kn);
}

static void same_as_before(void)
{
	struct ksvc_net *kn = net_new();
	unsigned int announced;
	u32 changes;
	u64 before;

	put(kn, 0, PUT, "a", A " " B, TWO "@3 " ONE "/l");
	put(kn, 0, PUT, "b", C, "");
	announced = n_events;
	before = fingerprint(kn);
	expect(!put(kn, 0, PUT, "a", B " " A, ONE "/l " TWO "@3"));
	expect(!put(kn, 0, REPLACE, "b", C, ""));
	expect(!put_endpoints(kn, 0, PUT, "a", ONE " " TWO "@3"));
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	put(kn, 1, PUT, "b", C, "");
	put(kn, 1, PUT, "a", A " " B, TWO "@3 " ONE "/l");
	expect(!commit(kn, 1, &changes) && !changes);
	begin(kn, 1, 0);
	expect(!commit(kn, 1, &changes) && !changes);
	begin(kn, 1, 0);
	del(kn, 1, "a");
	put(kn, 1, PUT, "a", A " " B, TWO "@3 " ONE "/l");
	put(kn, 1, PUT, "new", "10.96.0.9:80/tcp", ONE);
	del(kn, 1, "new");
	expect(!commit(kn, 1, &changes) && !changes);
	expect(fingerprint(kn) == before && n_events == announced);

	/* the smallest differences */
	expect(!put(kn, 0, PUT, "a", A " " B, TWO "@3 " ONE "/cl"));
	expect(!put(kn, 0, PUT, "a", A " " B, TWO "@2 " ONE "/cl"));
	expect(!put(kn, 0, PUT, "a", A " 10.96.0.2:81/tcp", TWO "@2 " ONE "/cl"));
	expect(kn->generation == 6);
	net_free(kn);
}

/* The same entry all along: packets always find one of the two. */
static const struct ksvc_frontend *entry_of(const struct ksvc_net *kn, const char *frontend)
{
	const struct ksvc_key key = key_of(frontend);

	return ksvc_table_find(kn->table, &key);
}

static void moves(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_frontend *entry;
	u32 changes;

	put(kn, 0, PUT, "a", A " " B, ONE);
	put(kn, 0, PUT, "b", C, TWO);
	entry = entry_of(kn, A);
	begin(kn, 1, 0);
	expect(!put(kn, 1, PUT, "b", C " " A, TWO));
	expect(!put(kn, 1, PUT, "a", B, ONE));
	expect(!commit(kn, 1, &changes) && changes == 2);
	expect(is(kn, A, "b: " TWO) && is(kn, B, "a: " ONE) && is(kn, C, "b: " TWO));
	expect(entry_of(kn, A) == entry && kn->n_frontends == 3 && kn->n_vips == 3);

	/* from one that goes, in either order, also to one that comes */
	begin(kn, 1, 0);
	expect(!del(kn, 1, "b"));
	expect(!put(kn, 1, PUT, "c", A, ONE));
	expect(!put(kn, 1, PUT, "a", B " " C, ONE));
	expect(!commit(kn, 1, NULL));
	expect(is(kn, A, "c: " ONE) && is(kn, C, "a: " ONE) && entry_of(kn, A) == entry);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(!put(kn, 1, PUT, "d", A, TWO));
	expect(!commit(kn, 1, NULL));
	expect(is(kn, A, "d: " TWO) && is(kn, B, "-") && entry_of(kn, A) == entry);
	expect(kn->n_frontends == 1 && kn->n_vips == 1 && kn->names.n == 1);
	net_free(kn);
}

static void swaps(void)
{
	struct ksvc_net *kn = net_new();
	u32 round, changes;

	put(kn, 0, PUT, "a", A, ONE);
	put(kn, 0, PUT, "b", B, TWO);
	put(kn, 0, PUT, "c", C " 10.96.0.1:81/tcp", "");
	for (round = 0; round < 4; round++) {
		/* and a ring of three */
		begin(kn, 1, round % 2 ? KSVC_TXN_FLAGS_REPLACE : 0);
		put(kn, 1, PUT, "a", round % 2 ? A : B, ONE);
		put(kn, 1, PUT, "b", round % 2 ? B : C, TWO);
		put(kn, 1, PUT, "c", round % 2 ? C " 10.96.0.1:81/tcp" : A " 10.96.0.1:81/tcp", "");
		expect(!commit(kn, 1, &changes) && changes == 3);
		expect(is(kn, A, round % 2 ? "a: " ONE : "c:"));
		expect(is(kn, B, round % 2 ? "b: " TWO : "a: " ONE));
		expect(is(kn, C, round % 2 ? "c:" : "b: " TWO));
		expect(kn->n_frontends == 4 && kn->n_vips == 3);
	}
	net_free(kn);
}

static void put_del_put(void)
{
	struct ksvc_net *kn = net_new();
	u32 changes;

	begin(kn, 1, 0);
	expect(!put(kn, 1, PUT, "a", A, ONE));
	expect(!del(kn, 1, "a"));
	expect(del(kn, 1, "a") == -ENOENT);
	end(kn, 1);
	begin(kn, 1, 0);
	expect(!put(kn, 1, PUT, "a", A, ONE));
	expect(!del(kn, 1, "a"));
	expect(!put(kn, 1, PUT, "a", B, TWO));
	expect(!commit(kn, 1, &changes) && changes == 1);
	expect(is(kn, A, "-") && is(kn, B, "a: " TWO));

	begin(kn, 1, 0);
	expect(!del(kn, 1, "a"));
	expect(!put(kn, 1, PUT, "a", A, ONE));
	expect(!del(kn, 1, "a"));
	expect(!put(kn, 1, PUT, "b", B, ONE));
	expect(!commit(kn, 1, &changes) && changes == 2);
	expect(is(kn, A, "-") && is(kn, B, "b: " ONE));

	begin(kn, 1, 0);
	expect(!put(kn, 1, PUT, "c", C, ONE));
	expect(!del(kn, 1, "c"));
	expect(!commit(kn, 1, &changes) && !changes);
	net_free(kn);
}

static void endpoints(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, PUT, "a", A " [fd00::1]:80/tcp", TWO "@2/c");
	expect(!put_endpoints(kn, 0, PUT, "a", "10.0.0.3:80 " ONE "@5 [fd00::a]:80"));
	expect(is(kn, A, "a: " TWO "@2 " ONE "@5 10.0.0.3:80"));
	expect(is(kn, "[fd00::1]:80/tcp", "a: [fd00::a]:80"));

	/* what is not given stays */
	expect(!put_endpoints(kn, 0, REPLACE, "a", TWO " " ONE "/c 10.0.0.3:80@7"));
	expect(is(kn, A, "a: " ONE "@5 " TWO "@2 10.0.0.3:80@7"));
	expect(endpoint_in(lookup(kn, A), ONE)->flags == KSVC_ENDPOINT_FLAGS_CLUSTER);
	expect(endpoint_in(lookup(kn, A), TWO)->flags == KSVC_ENDPOINT_FLAGS_CLUSTER);
	expect(endpoint_in(lookup(kn, A), "10.0.0.3:80")->flags ==
	       (KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL));
	/* also of what the same transaction gave */
	begin(kn, 1, 0);
	expect(!put_endpoints(kn, 1, PUT, "a", "10.0.0.4:80@4/c"));
	expect(!put_endpoints(kn, 1, REPLACE, "a", "10.0.0.4:80"));
	expect(!commit(kn, 1, NULL));
	expect(endpoint_in(lookup(kn, A), "10.0.0.4:80")->weight == 4);
	expect(endpoint_in(lookup(kn, A), "10.0.0.4:80")->flags == KSVC_ENDPOINT_FLAGS_CLUSTER);

	expect(!del_endpoints(kn, 0, "a", "10.0.0.4:80 " TWO));
	expect(is(kn, A, "a: " ONE "@5 10.0.0.3:80@7"));
	expect(!del_endpoints(kn, 0, "a", "10.0.0.3:80 [fd00::a]:80 " ONE));
	expect(is(kn, A, "a:") && is(kn, "[fd00::1]:80/tcp", "a:"));
	expect(!put_endpoints(kn, 0, CREATE, "a", ONE));
	expect(is(kn, A, "a: " ONE) && kn->n_endpoints == 1);
	net_free(kn);
}

/* Requests that are refused, with nothing changed. */
static void refused(void)
{
	struct ksvc_net *kn = net_new();
	u64 before;

	put(kn, 0, PUT, "a", A " " B, ONE " " TWO);
	before = fingerprint(kn);
	expect(put(kn, 0, PUT, "b", C " " C, ONE) == -EINVAL);
	expect(put(kn, 0, PUT, "b", C, ONE " " TWO " " ONE "@2") == -EINVAL);
	expect(put(kn, 0, PUT, "b", C, ONE " [fd00::a]:80") == -EINVAL);
	expect(put(kn, 0, PUT, "b", "[fd00::1]:80/tcp", ONE) == -EINVAL);
	expect(put_endpoints(kn, 0, PUT, "a", "10.0.0.3:80 [fd00::a]:80") == -EINVAL);
	expect(put_endpoints(kn, 0, PUT, "a", "10.0.0.3:80 10.0.0.3:80") == -EINVAL);
	expect(put_endpoints(kn, 0, CREATE, "a", "10.0.0.3:80 " ONE) == -EEXIST);
	expect(put_endpoints(kn, 0, REPLACE, "a", "10.0.0.3:80 " ONE) == -ENOENT);
	expect(put_endpoints(kn, 0, PUT, "b", ONE) == -ENOENT);
	expect(del_endpoints(kn, 0, "a", ONE " 10.0.0.3:80") == -ENOENT);
	expect(del_endpoints(kn, 0, "a", "10.0.0.0:80 " ONE) == -ENOENT);
	expect(del_endpoints(kn, 0, "a", ONE " " ONE) == -EINVAL);
	expect(del_endpoints(kn, 0, "b", ONE) == -ENOENT);
	expect(del_endpoints(kn, 0, "a", "10.0.0.1:81") == -ENOENT);
	expect(del(kn, 0, "") == -ENOENT);
	expect(fingerprint(kn) == before);
	net_free(kn);
}

static void too_many_endpoints(void)
{
	struct ksvc_endpoint *ep = calloc(KSVC_MAX_ENDPOINTS + 1, sizeof(*ep));
	struct ksvc_net *kn = net_new();
	u64 before;
	u32 i;

	for (i = 0; i <= KSVC_MAX_ENDPOINTS; i++) {
		ep[i] = endpoint_of(ONE);
		ep[i].addr.ip = htonl(0x0b000000 + i);
	}
	put(kn, 0, PUT, "a", A, "11.0.0.0:80");
	expect(!put_endpoint_array(kn, 0, PUT, "a", ep, KSVC_MAX_ENDPOINTS));
	expect(kn->n_endpoints == KSVC_MAX_ENDPOINTS);
	before = fingerprint(kn);
	expect(put_endpoint_array(kn, 0, PUT, "a", ep + KSVC_MAX_ENDPOINTS, 1) == -E2BIG);
	expect(fingerprint(kn) == before);
	expect(!put_endpoint_array(kn, 0, REPLACE, "a", ep, KSVC_MAX_ENDPOINTS));
	expect(!del_endpoint_array(kn, 0, "a", ep + 1, KSVC_MAX_ENDPOINTS - 1));
	expect(is(kn, A, "a: 11.0.0.0:80") && kn->n_endpoints == 1);
	net_free(kn);
	free(ep);
}

static void longest_names(void)
{
	char one[KSVC_NAME_MAX + 1], two[KSVC_NAME_MAX + 1];
	struct ksvc_net *kn = net_new();

	snprintf(one, sizeof(one), "%0255u", 1);
	snprintf(two, sizeof(two), "%0255u", 2);
	expect(!put(kn, 0, CREATE, one, A, ONE));
	expect(!put(kn, 0, CREATE, two, B, TWO));
	expect(!strcmp(lookup(kn, A)->ident->name, one));
	expect(!strcmp(lookup(kn, B)->ident->name, two));
	expect(put(kn, 0, PUT, two, A, TWO) == -EEXIST);
	expect(!del(kn, 0, two) && !strcmp(lookup(kn, A)->ident->name, one));
	net_free(kn);
}

static void many_services(void)
{
	enum { SERVICES = 3000 };
	struct ksvc_net *kn = net_new();
	char name[32], frontend[32];
	u32 i, changes;

	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	for (i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(frontend, sizeof(frontend), "10.96.%u.%u:80/tcp", i / 250, i % 250);
		put(kn, 1, CREATE, name, frontend, ONE);
	}
	expect(!commit(kn, 1, &changes) && changes == SERVICES);
	expect(kn->names.n == SERVICES && kn->n_vips == SERVICES);
	for (i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "s%u: " ONE, i);
		snprintf(frontend, sizeof(frontend), "10.96.%u.%u:80/tcp", i / 250, i % 250);
		expect(is(kn, frontend, name));
	}
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	put(kn, 1, PUT, "s7", "10.96.0.7:80/tcp", ONE);
	expect(!commit(kn, 1, &changes) && changes == SERVICES - 1);
	/* what goes is found at once as long as it is there; room goes with the next commit */
	expect(ksvc_table_size(kn->table) >= 2 * SERVICES);
	expect(is(kn, "10.96.0.7:80/tcp", "s7: " ONE));
	put(kn, 0, PUT, "s7", "10.96.0.7:80/tcp", TWO);
	expect(ksvc_table_size(kn->table) == 16 && is(kn, "10.96.0.7:80/tcp", "s7: " TWO));
	net_free(kn);
}

static bool event_is(u32 i, const char *name, u32 event)
{
	return i < n_events && !strcmp(events[i].name, name) && events[i].event == event;
}

static void announcements(void)
{
	struct ksvc_net *kn = net_new();
	u32 i;

	put(kn, 0, PUT, "a", A, ONE);
	put(kn, 0, PUT, "b", B, ONE);
	n_events = 0;
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	put(kn, 1, PUT, "c", C, ONE);
	put(kn, 1, PUT, "a", A, TWO);
	expect(!n_events);
	expect(!commit(kn, 1, NULL));
	expect(n_events == 4);
	expect(event_is(0, "c", KSVC_EVENT_ADDED) && event_is(1, "a", KSVC_EVENT_CHANGED));
	expect(event_is(2, "b", KSVC_EVENT_DELETED) && event_is(3, "", 0));
	expect(events[3].changes == 3);
	for (i = 0; i < n_events; i++)
		expect(events[i].generation == kn->generation);

	n_events = 0;
	expect(put(kn, 0, PUT, "d", A, ONE) == -EEXIST && !n_events);
	set(kn, (struct setting){ .masquerade_all = true });
	expect(n_events == 1 && event_is(0, "", 0) && events[0].generation == kn->generation);
	net_free(kn);
}

static void sweeps(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, PUT, "a", A, ONE);
	expect(n_sweeps == 1);
	put(kn, 0, PUT, "a", A, TWO);
	put_endpoints(kn, 0, PUT, "a", ONE);
	del_endpoints(kn, 0, "a", ONE);
	expect(n_sweeps == 1);
	put(kn, 0, PUT, "a", A " " B, TWO);
	expect(n_sweeps == 2);
	put(kn, 0, PUT, "b", A " " C, TWO);
	expect(n_sweeps == 2);
	put(kn, 0, PUT, "a", B, TWO);
	del(kn, 0, "a");
	expect(n_sweeps == 2);
	net_free(kn);
}

/* C1: endpoints of a service on UDP, or one that resets connections. */
static void reconciliation(void)
{
	static const struct {
		const char *frontends;
		u32 flags;
	} services[] = {
		{ "10.96.0.1:80/udp", 0 },
		{ "10.96.0.1:80/tcp 10.96.0.1:80/sctp", 0 },
		{ "10.96.0.1:80/tcp", KSVC_SERVICE_FLAGS_RESET },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(services); i++) {
		struct ksvc_net *kn = net_new();

		features.flags = services[i].flags;
		put(kn, 0, PUT, "a", services[i].frontends, ONE " " TWO);
		expect(n_sweeps == 1);
		put(kn, 0, PUT, "a", services[i].frontends, ONE " " TWO);
		expect(n_sweeps == 1);
		/* what is not about endpoints */
		features.scheduler = KSVC_SCHEDULER_RR;
		put(kn, 0, PUT, "a", services[i].frontends, ONE " " TWO);
		expect(n_sweeps == 1);
		/* one goes; one takes the place of another; one comes */
		put(kn, 0, PUT, "a", services[i].frontends, ONE);
		expect(n_sweeps == 2);
		put(kn, 0, PUT, "a", services[i].frontends, TWO);
		expect(n_sweeps == 3);
		put_endpoints(kn, 0, PUT, "a", ONE);
		expect(n_sweeps == 4);
		del_endpoints(kn, 0, "a", ONE);
		expect(n_sweeps == 5);
		put_endpoints(kn, 0, PUT, "a", TWO "@0");
		expect(n_sweeps == 6);
		/* C6: not of services that go */
		del(kn, 0, "a");
		expect(n_sweeps == 6);
		net_free(kn);
	}
}

/* C1: of one port of a Service, as the other one is on UDP. */
static void asked_for(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, PUT, "a", A, ONE);
	expect(n_sweeps == 1);
	put(kn, 0, PUT, "a", A, TWO);
	expect(n_sweeps == 1);
	begin(kn, 1, KSVC_TXN_FLAGS_SWEEP);
	put(kn, 1, PUT, "a", A, ONE);
	expect(n_sweeps == 1);
	expect(!commit(kn, 1, NULL));
	expect(n_sweeps == 2);
	/* no change */
	begin(kn, 1, KSVC_TXN_FLAGS_SWEEP);
	put(kn, 1, PUT, "a", A, ONE);
	expect(!commit(kn, 1, NULL));
	expect(n_sweeps == 2);
	net_free(kn);
}

const struct test txn_tests[] = {
	{ "requests outside a transaction take effect at once", single_requests },
	{ "put, create and replace look at what the transaction has so far", modes },
	{ "delta: changes appear together, the rest is not touched", delta },
	{ "replace: what is not put goes, what is the same is not touched", replace_all },
	{ "what is the same as before is no change and keeps the generation", same_as_before },
	{ "a VIP moves between services and is never absent", moves },
	{ "services swap their VIPs", swaps },
	{ "put, delete and put again in one transaction", put_del_put },
	{ "endpoints: put, replace, delete; what is not given stays", endpoints },
	{ "refused requests change nothing and say why", refused },
	{ "65536 endpoints are too many", too_many_endpoints },
	{ "names of 255 bytes that differ in the last", longest_names },
	{ "thousands of services in one transaction, and all but one gone", many_services },
	{ "announcements: each service that changed, then the commit", announcements },
	{ "new frontends sweep conntrack, other changes do not", sweeps },
	{ "C1 endpoints that change do, on UDP and if connections are reset", reconciliation },
	{ "C1 other changes do if they are asked to", asked_for },
	{}
};
