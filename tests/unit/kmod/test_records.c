// SPDX-License-Identifier: GPL-2.0
/* The table of session affinity's records. */
#include "affinity.h"

#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <stdio.h>

#define PUT	KSVC_MODE_PUT

static void peek(void)
{
	static struct ksvc_record before[1024], after[1024];
	struct ksvc_net *kn = service_new();
	char client[16];
	u32 i, one;

	for (i = 0; i < 50; i++) {
		snprintf(client, sizeof(client), "192.0.2.%u", i % 25);
		buckets(kn, before, ARRAY_SIZE(before) / KSVC_AFFINITY_WAYS);
		shim_jiffies++;
		one = peeked(kn, client, VIP);
		expect(peeked(kn, client, VIP) == one);
		expect(buckets(kn, after, 1000) == ARRAY_SIZE(after) / KSVC_AFFINITY_WAYS);
		expect(!memcmp(before, after, sizeof(after)));
		expect(connected(kn, client, VIP) == one);
	}
	net_free(kn);
}

static const struct ksvc_record *find(const struct ksvc_record *r, const struct ksvc_record *bucket)
{
	u32 i;

	for (i = 0; i < KSVC_AFFINITY_WAYS; i++)
		if (bucket[i].owner == r->owner && nf_inet_addr_cmp(&bucket[i].client, &r->client))
			return &bucket[i];
	return NULL;
}

/* Whether a bucket lost at most its oldest record, and that for want of room. */
static bool check_bucket(const struct ksvc_record *before, const struct ksvc_record *after,
			 u32 *evicted)
{
	const struct ksvc_record *lost = NULL;
	bool full = true, ok = true;
	u32 i;

	for (i = 0; i < KSVC_AFFINITY_WAYS; i++) {
		full &= !!before[i].owner;
		if (!before[i].owner || find(&before[i], after))
			continue;
		ok &= !lost;
		lost = &before[i];
	}
	for (i = 0; lost && i < KSVC_AFFINITY_WAYS; i++)
		ok &= before[i].used >= lost->used;
	*evicted += !!lost;
	return ok && (full || !lost);
}

static void eviction(void)
{
	static struct ksvc_record before[4 * KSVC_AFFINITY_WAYS], after[4 * KSVC_AFFINITY_WAYS];
	static const char *const vips[] = { VIP, "10.96.0.2:80/tcp" };
	struct ksvc_net *kn = sticky_new(32);
	u32 i, j, evicted = 0;
	u64 seed = 1;

	features.affinity = KSVC_MAX_AFFINITY;
	put(kn, 0, PUT, "a", vips[0], ALL);
	put(kn, 0, PUT, "b", vips[1], ALL);
	expect(buckets(kn, before, 1000) == 4);
	for (i = 0; i < 3000; i++) {
		const struct ksvc_svc *svc = lookup(kn, vips[i % 3 == 0]);
		struct ksvc_record wanted = { .owner = svc->affinity_owner };
		u32 next = 1 + atomic_read(&svc->ident->turn) % 4, chosen;
		const struct ksvc_record *there = NULL;
		bool known = false;
		char text[16];

		snprintf(text, sizeof(text), "192.0.2.%u", next_random(&seed) % 40);
		wanted.client = addr_of(text, &wanted.family);
		chosen = connected(kn, text, vips[i % 3 == 0]);
		buckets(kn, after, 4);
		for (j = 0; j < 4; j++) {
			u32 at = j * KSVC_AFFINITY_WAYS;

			known |= !!find(&wanted, before + at);
			there = there ?: find(&wanted, after + at);
			expect(check_bucket(before + at, after + at, &evicted));
		}
		expect(there && there->used == shim_jiffies && there->id == svc->ident->id);
		/* nobody takes over what was evicted */
		expect(known || chosen == next);
		memcpy(before, after, sizeof(before));
		shim_jiffies++;
	}
	expect(evicted > 500);
	net_free(kn);
}

/* Records of one client do not crowd one bucket. */
static void many_services(void)
{
	enum { SERVICES = 64 };
	struct ksvc_net *kn = sticky_new(4096);
	char name[8], vip[32];
	u32 i;

	for (i = 0; i < SERVICES; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(vip, sizeof(vip), "10.96.1.%u:80/tcp", i);
		put(kn, 0, PUT, name, vip, ALL);
		connected(kn, CLIENT, vip);
	}
	for (i = 0; i < SERVICES; i++) {
		snprintf(vip, sizeof(vip), "10.96.1.%u:80/tcp", i);
		expect(count_records(kn, lookup(kn, vip)->affinity_owner) == 1);
	}
	net_free(kn);
}

static void forgetting(void)
{
	struct ksvc_net *kn = service_new();
	const char *other = "10.96.0.2:80/tcp";
	u64 owner = lookup(kn, VIP)->affinity_owner, others;
	u32 i, one, two;

	put(kn, 0, PUT, "b", other, ALL);
	others = lookup(kn, other)->affinity_owner;
	for (i = 0; i < 50; i++) {
		char client[16];

		snprintf(client, sizeof(client), "192.0.2.%u", i);
		connected(kn, client, VIP);
		connected(kn, client, other);
	}
	expect(count_records(kn, owner) == 50 && count_records(kn, others) == 50);
	one = connected(kn, CLIENT, VIP);
	two = connected(kn, "192.0.2.2", VIP);
	forget(kn, VIP, CLIENT);
	expect(count_records(kn, owner) == 49 && count_records(kn, others) == 50);
	expect(connected(kn, "192.0.2.2", VIP) == two);
	not_next(kn, one);
	expect(connected(kn, CLIENT, VIP) != one);
	forget(kn, VIP, "203.0.113.1");
	expect(count_records(kn, owner) == 50);
	forget(kn, VIP, NULL);
	expect(!count_records(kn, owner) && count_records(kn, others) == 50);
	net_free(kn);
}

/* The table: made with the first service that wants it, of the size wanted. */
static void table(void)
{
	static const u32 sizes[][2] = {
		{ 0, 2 }, { 16, 2 }, { 17, 4 }, { 1000, 128 }, { 1024, 128 }, { 1025, 256 },
	};
	static struct ksvc_record records[16384];
	struct ksvc_net *kn = sticky_new(64);
	u32 i, one;

	features.affinity = 0;
	put(kn, 0, PUT, "b", "10.96.0.2:80/tcp", ALL);
	expect(!kn->affinity && !buckets(kn, records, 10));
	features.affinity = 10;
	put(kn, 0, PUT, "a", VIP, ALL);
	expect(buckets(kn, records, 1000) == 8);
	one = connected(kn, CLIENT, VIP);
	mutex_lock(&kn->mutex);
	expect(!ksvc_affinity_reserve(kn, 33) && !ksvc_affinity_reserve(kn, 64));
	shim_fail_after = 1;
	expect(ksvc_affinity_reserve(kn, 65) == -ENOMEM);
	mutex_unlock(&kn->mutex);
	expect(connected(kn, CLIENT, VIP) == one);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct ksvc_affinity *old = kn->affinity;

		mutex_lock(&kn->mutex);
		expect(!ksvc_affinity_reserve(kn, sizes[i][0]));
		mutex_unlock(&kn->mutex);
		expect(buckets(kn, records, 2048) == sizes[i][1]);
		expect(count_records(kn, lookup(kn, VIP)->affinity_owner) == (kn->affinity == old));
		connected(kn, CLIENT, VIP);
	}
	net_free(kn);
}

/* A packet that still has the version before, with an endpoint that is gone. */
static void old_versions(void)
{
	struct ksvc_net *kn = service_new();
	struct nf_conntrack_tuple tuple = tuple_of(CLIENT, VIP);
	struct ksvc_decision d;
	u32 i;

	rcu_read_lock();
	ksvc_match(kn, &tuple, NULL, &d);
	del_endpoints(kn, 0, "a", "10.0.0.1:80");
	expect(lookup(kn, VIP) != d.svc);
	for (i = 0; i < 4 && ksvc_choose(kn, &d, &tuple, false)->addr.ip != htonl(0x0a000001); i++)
		forget(kn, VIP, CLIENT);
	expect(i < 4);
	rcu_read_unlock();
	expect(connected(kn, CLIENT, VIP) > 1);
	net_free(kn);
}

const struct test record_tests[] = {
	{ "affinity: explain changes nothing", peek },
	{ "affinity: in a full bucket the oldest makes room", eviction },
	{ "affinity: a client of many services", many_services },
	{ "affinity: one client is forgotten, or all", forgetting },
	{ "affinity: the table and its sizes", table },
	{ "affinity: records of a version that is gone", old_versions },
	{}
};
