// SPDX-License-Identifier: GPL-2.0
/* Commits that fail: whoever comes second changes nothing. */
#include "test.h"

#include <linux/slab.h>
#include <stdio.h>

#define PUT	KSVC_MODE_PUT
#define A	"10.96.0.1:80/tcp"
#define B	"10.96.0.2:80/tcp"
#define C	"10.96.0.3:80/tcp"
#define ONE	"10.0.0.1:80"

/* A commit fails, says why, and leaves everything as it was. */
static void commit_fails(struct ksvc_net *kn, u32 portid, int wanted, const char *why)
{
	u64 before = fingerprint(kn);
	unsigned int announced = n_events;
	u32 changes;
	int err;

	err = commit(kn, portid, &changes);
	if (!expect(err == wanted))
		diagnose("%d instead of %d", err, wanted);
	expect(!changes && n_events == announced);
	expect(!why || (extack._msg && !strcmp(extack._msg, why)));
	expect(fingerprint(kn) == before);
	/* it has ended either way */
	expect(end(kn, portid) == -EINVAL);
}

static void twice_in_one(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, PUT, "z", C, ONE);
	begin(kn, 1, 0);
	put(kn, 1, PUT, "a", A " " B, ONE);
	put(kn, 1, PUT, "b", "10.96.0.1:80/udp " B, ONE);
	commit_fails(kn, 1, -EEXIST, "10.96.0.2:80/tcp is taken by a");
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	put(kn, 1, PUT, "z", A, ONE);
	put(kn, 1, PUT, "a", A, ONE);
	commit_fails(kn, 1, -EEXIST, "10.96.0.1:80/tcp is taken by z");
	net_free(kn);
}

static void of_a_live_one(void)
{
	struct ksvc_net *kn = net_new();
	u64 before;

	put(kn, 0, PUT, "a", A " [fd00::1]:53/udp", ONE);
	put(kn, 0, PUT, "b", B, ONE);
	before = fingerprint(kn);
	expect(put(kn, 0, PUT, "c", C " " A, ONE) == -EEXIST);
	expect(!strcmp(extack._msg, "10.96.0.1:80/tcp is taken by a"));
	expect(put(kn, 0, PUT, "b", "[fd00::1]:53/udp", "") == -EEXIST);
	expect(!strcmp(extack._msg, "[fd00::1]:53/udp is taken by a"));
	expect(fingerprint(kn) == before);

	/* which the transaction changes, but not in that */
	begin(kn, 1, 0);
	put(kn, 1, PUT, "c", A, ONE);
	put(kn, 1, PUT, "a", A " " C, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	/* which it puts as it is */
	begin(kn, 1, 0);
	put(kn, 1, PUT, "a", A " [fd00::1]:53/udp", ONE);
	put(kn, 1, PUT, "c", A, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	/* whose endpoints it changes */
	begin(kn, 1, 0);
	put_endpoints(kn, 1, PUT, "a", "10.0.0.2:80");
	put(kn, 1, PUT, "c", A, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	/* that two want which it gives up */
	begin(kn, 1, 0);
	del(kn, 1, "a");
	put(kn, 1, PUT, "b", A, ONE);
	put(kn, 1, PUT, "c", A, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	/* which it gives up, and comes back to */
	begin(kn, 1, 0);
	del(kn, 1, "a");
	put(kn, 1, PUT, "b", A, ONE);
	put(kn, 1, PUT, "a", A, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	net_free(kn);
}

/* Frontends that differ in one thing alone are not the same. */
static void almost_the_same(void)
{
	struct ksvc_net *kn = net_new();

	expect(!put(kn, 0, PUT, "a", A, ONE));
	expect(!put(kn, 0, PUT, "b", "10.96.0.1:80/udp", ONE));
	expect(!put(kn, 0, PUT, "c", "10.96.0.1:80/sctp", ONE));
	expect(!put(kn, 0, PUT, "d", "10.96.0.1:81/tcp", ONE));
	expect(!put(kn, 0, PUT, "e", "[a60:1::]:80/tcp", ""));
	expect(kn->n_vips == 2 && kn->n_frontends == 5);
	net_free(kn);
}

static void another_writer(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, PUT, "a", A, ONE);
	begin(kn, 1, 0);
	begin(kn, 2, 0);
	put(kn, 1, PUT, "b", B, ONE);
	put(kn, 2, PUT, "c", C, ONE);
	expect(!commit(kn, 2, NULL));
	expect(put(kn, 1, PUT, "d", "10.96.0.4:80/tcp", ONE) == -ERESTART);
	end(kn, 1);
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", B, ONE);
	del(kn, 0, "c");
	commit_fails(kn, 1, -ERESTART, NULL);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	set(kn, (struct setting){ .masquerade_all = true });
	commit_fails(kn, 1, -ERESTART, NULL);

	/* a commit without a difference is in nobody's way, a refused one neither */
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", B, ONE);
	expect(!put(kn, 0, PUT, "a", A, ONE));
	expect(put(kn, 0, PUT, "x", A, ONE) == -EEXIST);
	expect(!commit(kn, 1, NULL));
	net_free(kn);
}

static void failed_request(void)
{
	struct ksvc_net *kn = net_new();
	struct ksvc_txn *txn;

	put(kn, 0, PUT, "a", A, ONE);
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", B, ONE);
	expect(del(kn, 1, "nobody") == -ENOENT);
	put(kn, 1, PUT, "c", C, ONE);
	commit_fails(kn, 1, -ECANCELED, NULL);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(put(kn, 1, PUT, "a", A " " A, ONE) == -EINVAL);
	expect(!put(kn, 1, PUT, "a", A, ONE));
	commit_fails(kn, 1, -ECANCELED, NULL);
	begin(kn, 1, 0);
	expect(del_endpoints(kn, 1, "a", ONE " 10.0.0.9:80") == -ENOENT);
	commit_fails(kn, 1, -ECANCELED, NULL);
	/* as when requests are missing */
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", B, ONE);
	mutex_lock(&kn->mutex);
	txn = ksvc_txn_find(kn, 1);
	expect(txn->requests == 1);
	txn->failed = true;
	mutex_unlock(&kn->mutex);
	commit_fails(kn, 1, -ECANCELED, NULL);
	net_free(kn);
}

static void abandoned(void)
{
	struct ksvc_net *kn = net_new();
	u64 before;

	put(kn, 0, PUT, "a", A, ONE);
	before = fingerprint(kn);
	begin(kn, 1, 0);
	del(kn, 1, "a");
	put(kn, 1, PUT, "b", A " " B, ONE);
	expect(!end(kn, 1) && end(kn, 1) == -EINVAL);
	expect(fingerprint(kn) == before);
	/* and two that are open when the namespace goes */
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	begin(kn, 2, 0);
	put(kn, 1, PUT, "a", B, ONE);
	put(kn, 1, PUT, "c", C, ONE);
	put_endpoints(kn, 2, PUT, "a", "10.0.0.2:80");
	net_free(kn);
}

static void hooks(void)
{
	struct ksvc_net *kn = net_new();
	u64 before = fingerprint(kn);

	/* a namespace without services has none, whatever was tried */
	expect(put(kn, 0, PUT, "a", A " " A, ONE) == -EINVAL);
	begin(kn, 1, 0);
	put(kn, 1, PUT, "a", A, ONE);
	put(kn, 1, PUT, "b", A, ONE);
	commit_fails(kn, 1, -EEXIST, NULL);
	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	expect(!commit(kn, 1, NULL));
	begin(kn, 1, 0);
	put(kn, 1, PUT, "a", A, ONE);
	del(kn, 1, "a");
	expect(!commit(kn, 1, NULL));
	expect(fingerprint(kn) == before && !kn->active);

	activate_error = -ENODEV;
	begin(kn, 1, 0);
	put(kn, 1, PUT, "a", A, ONE);
	commit_fails(kn, 1, -ENODEV, NULL);
	expect(!kn->active);
	activate_error = 0;
	expect(!put(kn, 0, PUT, "a", A, ONE) && kn->active);
	net_free(kn);
}

/* The longest that there is to say fits, or the kernel would log it. */
static void long_messages(void)
{
	static const char longest[] = "[2001:1111:2222:3333:4444:5555:6666:7777]:65535";
	struct ksvc_net *kn = net_new();
	char name[KSVC_NAME_MAX + 1], frontend[64], twice[128];

	snprintf(name, sizeof(name), "%0255u", 1);
	snprintf(frontend, sizeof(frontend), "%s/sctp", longest);
	snprintf(twice, sizeof(twice), "%s %s", frontend, frontend);
	expect(!put(kn, 0, PUT, name, frontend, longest));
	expect(put(kn, 0, PUT, "a", frontend, "") == -EEXIST);
	expect(put(kn, 0, PUT, "a", twice, "") == -EINVAL);
	expect(put(kn, 0, PUT, "a", A, longest) == -EINVAL);
	expect(put_endpoints(kn, 0, KSVC_MODE_CREATE, name, longest) == -EEXIST);
	snprintf(twice, sizeof(twice), "%s %s", longest, longest);
	expect(put_endpoints(kn, 0, PUT, name, twice) == -EINVAL);
	expect(!del_endpoints(kn, 0, name, longest));
	expect(del_endpoints(kn, 0, name, longest) == -ENOENT);
	expect(put_endpoints(kn, 0, KSVC_MODE_REPLACE, name, longest) == -ENOENT);
	expect(!put(kn, 0, PUT, name, "255.255.255.255:65535/sctp", ""));
	expect(put(kn, 0, PUT, "a", "255.255.255.255:65535/sctp", "") == -EEXIST);
	net_free(kn);
}

/* A namespace at its limits, without the memory that it would take. */
static void limits(void)
{
	struct ksvc_net *kn = net_new();
	static char other;
	u32 id, i;

	put(kn, 0, PUT, "a", A " " B, ONE);
	for (i = 1; i < KSVC_MAX_SERVICES; i++)
		expect(!xa_alloc(&kn->services, &id, &other,
				 XA_LIMIT(1, KSVC_MAX_SERVICES), GFP_KERNEL));
	kn->names.n = KSVC_MAX_SERVICES;
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", C, ONE);
	expect(commit(kn, 1, NULL) == -E2BIG);
	/* one for another, before the first has gone */
	begin(kn, 1, 0);
	put(kn, 1, PUT, "b", C, ONE);
	del(kn, 1, "a");
	expect(!commit(kn, 1, NULL));
	expect(kn->names.n == KSVC_MAX_SERVICES && lookup(kn, C));
	for (i = 1; i <= KSVC_MAX_SERVICES; i++)
		if (i < kn->services.n && kn->services.slots[i] == &other)
			xa_erase(&kn->services, i);
	kn->names.n = 1;

	kn->n_endpoints = KSVC_MAX_TOTAL_ENDPOINTS - 1;
	expect(put_endpoints(kn, 0, PUT, "b", "10.0.0.2:80 10.0.0.3:80") == -E2BIG);
	expect(!put_endpoints(kn, 0, PUT, "b", "10.0.0.2:80"));
	expect(kn->n_endpoints == KSVC_MAX_TOTAL_ENDPOINTS);
	kn->n_endpoints = 2;
	kn->n_frontends = KSVC_MAX_TOTAL_FRONTENDS;
	expect(put(kn, 0, PUT, "b", C " " A, ONE) == -E2BIG);
	kn->n_frontends = 1;
	expect(!del_endpoints(kn, 0, "b", "10.0.0.2:80"));
	expect(kn->n_endpoints == 1);
	net_free(kn);
}

const struct test conflict_tests[] = {
	{ "EEXIST: a frontend twice in one transaction", twice_in_one },
	{ "EEXIST: a frontend that another service keeps", of_a_live_one },
	{ "frontends that differ in one thing alone are not the same", almost_the_same },
	{ "ERESTART: another writer was first", another_writer },
	{ "ECANCELED: a request failed", failed_request },
	{ "an abandoned transaction leaves nothing", abandoned },
	{ "hooks come with the first service that is in force, or all fails", hooks },
	{ "messages fit with the longest address, port and name", long_messages },
	{ "E2BIG: a namespace at its limits; one service for another goes", limits },
	{}
};
