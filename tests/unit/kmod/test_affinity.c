// SPDX-License-Identifier: GPL-2.0
/* Session affinity: rules A1 to A6. */
#include "affinity.h"

#include <linux/jiffies.h>
#include <linux/string.h>
#include <stdio.h>

#define PUT	KSVC_MODE_PUT

struct ksvc_net *sticky_new(u32 entries)
{
	struct ksvc_net *kn = net_new();

	set(kn, (struct setting){ .affinity_entries = entries });
	features.affinity = 10;
	features.scheduler = KSVC_SCHEDULER_RR;
	return kn;
}

struct ksvc_net *service_new(void)
{
	struct ksvc_net *kn = sticky_new(1024);

	expect(!put(kn, 0, PUT, "a", VIP, ALL));
	return kn;
}

u32 connected(const struct ksvc_net *kn, const char *from, const char *to)
{
	struct nf_conntrack_tuple tuple = tuple_of(from, to);
	static u16 port;
	struct ksvc_decision d;

	tuple.src.u.all = port++;
	rcu_read_lock();
	ksvc_decide(kn, &tuple, NULL, false, &d);
	rcu_read_unlock();
	return d.endpoint ? ((const u8 *)&d.endpoint->addr)[*to == '[' ? 15 : 3] : 0;
}

u32 peeked(const struct ksvc_net *kn, const char *from, const char *to)
{
	const struct nf_conntrack_tuple tuple = tuple_of(from, to);
	struct ksvc_decision d;
	u32 last;

	rcu_read_lock();
	ksvc_match(kn, &tuple, NULL, &d);
	last = ntohl(ksvc_choose(kn, &d, &tuple, true)->addr.ip) & 255;
	rcu_read_unlock();
	return last;
}

u32 buckets(struct ksvc_net *kn, struct ksvc_record *records, u32 most)
{
	u32 n = 0;

	mutex_lock(&kn->mutex);
	while (n < most && ksvc_affinity_read(kn, n, records + n * KSVC_AFFINITY_WAYS))
		n++;
	mutex_unlock(&kn->mutex);
	return n;
}

u32 count_records(struct ksvc_net *kn, u64 owner)
{
	static struct ksvc_record records[16384];
	u32 n = buckets(kn, records, ARRAY_SIZE(records) / KSVC_AFFINITY_WAYS);
	u32 i, found = 0;

	for (i = 0; i < n * KSVC_AFFINITY_WAYS; i++)
		found += records[i].owner && records[i].owner == owner;
	return found;
}

void forget(struct ksvc_net *kn, const char *to, const char *client)
{
	const struct ksvc_svc *svc = lookup(kn, to);
	union nf_inet_addr addr = {};
	u8 family = 0;

	if (client)
		addr = addr_of(client, &family);
	mutex_lock(&kn->mutex);
	ksvc_affinity_forget(kn, svc->affinity_owner, family, &addr);
	mutex_unlock(&kn->mutex);
}

void not_next(struct ksvc_net *kn, u32 last)
{
	u32 i;

	for (i = 0; i < 4 && peeked(kn, "192.0.2.99", VIP) == last; i++) {
		connected(kn, "192.0.2.99", VIP);
		forget(kn, VIP, "192.0.2.99");
	}
}

static void a1(void)
{
	struct ksvc_net *kn = service_new();
	u32 i, one = connected(kn, CLIENT, VIP), other = connected(kn, "192.0.2.2", VIP);

	expect(one && other && one != other);
	for (i = 0; i < 20; i++) {
		expect(connected(kn, CLIENT, VIP) == one);
		expect(connected(kn, "192.0.2.2", VIP) == other);
		shim_jiffies += HZ;
	}
	/* just in time, and not */
	shim_jiffies += 9 * HZ - 1;
	expect(connected(kn, CLIENT, VIP) == one);
	shim_jiffies += 10 * HZ;
	expect(connected(kn, CLIENT, VIP) != one);
	net_free(kn);
}

/* The jiffies of old kernels end after 49 days. */
static void long_ago(void)
{
	struct ksvc_net *kn = service_new();
	const struct ksvc_svc *svc = lookup(kn, VIP);
	struct ksvc_record r = { .used = shim_jiffies };
	u64 now = shim_jiffies;
	u32 one = connected(kn, CLIENT, VIP);

	expect(ksvc_affinity_left(&r, svc) == 10 * HZ);
	shim_jiffies = now + 10 * HZ - 1;
	expect(ksvc_affinity_left(&r, svc) == 1);
	shim_jiffies = now + 10 * HZ;
	expect(!ksvc_affinity_left(&r, svc));
	shim_jiffies = now + (1ULL << 32) + 1;
	expect(!ksvc_affinity_left(&r, svc));
	expect(connected(kn, CLIENT, VIP) != one);

	features.affinity = KSVC_MAX_AFFINITY;
	put(kn, 0, PUT, "a", VIP, ALL);
	one = connected(kn, CLIENT, VIP);
	shim_jiffies += (u64)KSVC_MAX_AFFINITY * HZ - 1;
	expect(connected(kn, CLIENT, VIP) == one);
	shim_jiffies += (u64)KSVC_MAX_AFFINITY * HZ;
	expect(connected(kn, CLIENT, VIP) != one);
	net_free(kn);
}

/* Ways to one service share, services do not; families do not mix. */
static void a2(void)
{
	static const char *const ways[] = {
		VIP, "10.96.0.1:81/udp", "198.51.100.1:80/tcp", "198.51.100.2:80/tcp",
		"192.168.1.10:30001/tcp",
	};
	struct ksvc_net *kn = sticky_new(1024);
	u32 i, j, one;

	local_addresses = "192.168.1.10";
	put(kn, 0, PUT, "a", VIP " 10.96.0.1:81/udp 198.51.100.1:80/tcp=ext "
	    "198.51.100.2:80/tcp=lb 0.0.0.0:30001/tcp=np " VIP6,
	    ALL " [fd00::a]:80 [fd00::b]:80 [fd00::c]:80");
	put(kn, 0, PUT, "b", "10.96.0.2:80/tcp", ALL);
	for (i = 0; i < 20; i++) {
		char client[16];

		snprintf(client, sizeof(client), "192.0.2.%u", i);
		one = connected(kn, client, ways[i % ARRAY_SIZE(ways)]);
		for (j = 0; j < ARRAY_SIZE(ways); j++)
			expect_for(ways[j], connected(kn, client, ways[j]) == one);
	}
	expect(count_records(kn, lookup(kn, VIP)->affinity_owner) == 20);
	expect(!count_records(kn, lookup(kn, "10.96.0.2:80/tcp")->affinity_owner));
	/* another service begins at its own beginning */
	one = connected(kn, CLIENT, VIP);
	for (i = 1; i < 4; i++)
		connected(kn, CLIENT, "10.96.0.2:80/tcp");
	expect(connected(kn, CLIENT, "10.96.0.2:80/tcp") == 1);
	expect(count_records(kn, lookup(kn, "10.96.0.2:80/tcp")->affinity_owner) == 1);

	/* 192.0.2.1 and c000:201:: are the same bytes */
	i = connected(kn, "c000:201::", VIP6);
	expect(i >= 10 && connected(kn, "c000:201::", VIP6) == i);
	expect(connected(kn, CLIENT, VIP) == one);
	expect(count_records(kn, lookup(kn, VIP)->affinity_owner) == 21);
	forget(kn, VIP, "c000:201::");
	expect(connected(kn, CLIENT, VIP) == one);
	expect(connected(kn, "c000:201::", VIP6) != i);
	net_free(kn);
}

static const char *nth(u32 last)
{
	static char text[2][16];
	static u32 turn;

	turn = !turn;
	snprintf(text[turn], sizeof(text[turn]), "10.0.0.%u:80", last);
	return text[turn];
}

static void a3(void)
{
	struct ksvc_net *kn = service_new();
	u32 one = connected(kn, CLIENT, VIP), two;
	char text[32];

	/* gone, and a new record */
	del_endpoints(kn, 0, "a", nth(one));
	two = connected(kn, CLIENT, VIP);
	expect(two && two != one && connected(kn, CLIENT, VIP) == two);
	put_endpoints(kn, 0, PUT, "a", nth(one));
	expect(connected(kn, CLIENT, VIP) == two);

	/* gone and back before the client came again */
	del_endpoints(kn, 0, "a", nth(two));
	put_endpoints(kn, 0, PUT, "a", nth(two));
	not_next(kn, two);
	expect(connected(kn, CLIENT, VIP) != two);

	/* gone and back within a transaction it was there all along */
	one = connected(kn, CLIENT, VIP);
	begin(kn, 1, 0);
	del_endpoints(kn, 1, "a", nth(one));
	put_endpoints(kn, 1, PUT, "a", nth(one));
	put_endpoints(kn, 1, PUT, "a", "10.0.0.9:80");
	expect(!commit(kn, 1, NULL));
	expect(connected(kn, CLIENT, VIP) == one);

	/* it takes no connections, and takes them again */
	snprintf(text, sizeof(text), "%s@0", nth(one));
	put_endpoints(kn, 0, PUT, "a", text);
	two = connected(kn, CLIENT, VIP);
	expect(two && two != one && connected(kn, CLIENT, VIP) == two);
	/* all gone, and one back */
	put(kn, 0, PUT, "a", VIP, "");
	expect(!connected(kn, CLIENT, VIP));
	put(kn, 0, PUT, "a", VIP, "10.0.0.7:80");
	expect(connected(kn, CLIENT, VIP) == 7);
	net_free(kn);
}

/* An endpoint with the cell of one that went does not get its clients. */
static void a3_cells(void)
{
	struct ksvc_net *kn = service_new();
	u32 one = connected(kn, CLIENT, VIP), i;
	const struct ksvc_svc *svc = lookup(kn, VIP);
	const struct ksvc_slot was = *ksvc_slot(svc, endpoint_in(svc, nth(one))), *is;
	const struct ksvc_endpoint *ep;
	bool reused = false;

	del_endpoints(kn, 0, "a", nth(one));
	for (i = 0; i < 8; i++) {
		char text[16];

		snprintf(text, sizeof(text), "10.0.1.%u:80", 100 + i);
		put_endpoints(kn, 0, PUT, "a", text);
		svc = lookup(kn, VIP);
		ep = endpoint_in(svc, text);
		is = ksvc_slot(svc, ep);
		expect(is->born != was.born);
		reused |= is->slot == was.slot;
		rcu_read_lock();
		expect(ksvc_svc_by_slot(svc, is->slot, is->born) == ep);
		expect(!ksvc_svc_by_slot(svc, was.slot, was.born));
		expect(!ksvc_svc_by_slot(svc, 1000000, was.born));
		rcu_read_unlock();
	}
	expect(reused);
	net_free(kn);
}

static void a4(void)
{
	struct ksvc_net *kn = service_new();
	u32 i, one = connected(kn, CLIENT, VIP);

	for (i = 0; i < 10; i++) {
		shim_jiffies += 6 * HZ;
		expect(connected(kn, CLIENT, VIP) == one);
	}
	/* a look does not renew it */
	shim_jiffies += 6 * HZ;
	expect(peeked(kn, CLIENT, VIP) == one);
	shim_jiffies += 4 * HZ;
	expect(peeked(kn, CLIENT, VIP) != one);
	expect(connected(kn, CLIENT, VIP) != one);
	net_free(kn);
}

/* A segment that opens no connection leaves no record, whatever becomes of it. */
static void a4_strays(void)
{
	static const struct {
		const char *cluster_cidrs;
		u8 verdict;
	} cases[] = {
		{ NULL, KSVC_VERDICT_DNAT },
		{ "10.244.0.0/16", KSVC_VERDICT_RESET },	/* would be masqueraded */
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ksvc_net *kn = sticky_new(1024);

		features.scheduler = KSVC_SCHEDULER_MAGLEV;
		put(kn, 0, PUT, "a", VIP, ALL);
		set(kn, (struct setting){ .cluster_cidrs = cases[i].cluster_cidrs });
		stray = true;
		expect(decide(kn, CLIENT, VIP, "eth0").verdict == cases[i].verdict);
		expect(!count_records(kn, ksvc_find(kn, "a")->svc->affinity_owner));
		net_free(kn);
	}
}

static void a5(void)
{
	struct ksvc_net *kn = service_new();
	u32 one = connected(kn, CLIENT, VIP), i;
	u64 owner = lookup(kn, VIP)->affinity_owner;

	/* other endpoints, weights, flags, frontends, the timeout, the scheduler */
	put_endpoints(kn, 0, PUT, "a", "10.0.0.0:80 10.0.0.9:80");
	expect(connected(kn, CLIENT, VIP) == one);
	for (i = 1; i <= 4; i++)
		if (i != one)
			del_endpoints(kn, 0, "a", nth(i));
	expect(connected(kn, CLIENT, VIP) == one);
	put(kn, 0, PUT, "a", VIP, "10.0.0.0:80 10.0.0.1:80@9/c 10.0.0.2:80@9/c 10.0.0.3:80@9/c "
	    "10.0.0.4:80@9/c 10.0.0.9:80");
	expect(connected(kn, CLIENT, VIP) == one);
	features.affinity = 20;
	features.scheduler = KSVC_SCHEDULER_MAGLEV;
	put(kn, 0, PUT, "a", VIP " 10.96.0.9:80/tcp", "10.0.0.0:80 " ALL);
	expect(connected(kn, CLIENT, "10.96.0.9:80/tcp") == one);
	shim_jiffies += 19 * HZ;
	features.scheduler = KSVC_SCHEDULER_RR;
	put(kn, 0, PUT, "a", VIP, ALL);
	expect(connected(kn, CLIENT, VIP) == one);
	expect(lookup(kn, VIP)->affinity_owner == owner);
	/* off and on again */
	features.affinity = 0;
	put(kn, 0, PUT, "a", VIP, ALL);
	expect(!lookup(kn, VIP)->affinity_owner);
	expect(connected(kn, CLIENT, VIP) != connected(kn, CLIENT, VIP));
	features.affinity = 20;
	put(kn, 0, PUT, "a", VIP, ALL);
	expect(lookup(kn, VIP)->affinity_owner != owner);
	not_next(kn, one);
	expect(connected(kn, CLIENT, VIP) != one);
	/* another service with the same name */
	owner = lookup(kn, VIP)->affinity_owner;
	del(kn, 0, "a");
	put(kn, 0, PUT, "a", VIP, ALL);
	expect(lookup(kn, VIP)->affinity_owner != owner);
	net_free(kn);
}

/* The endpoint must be in the set that is in use now. */
static void policies(void)
{
	const char *endpoints = "10.0.0.1:80/c 10.0.0.2:80/c 10.0.0.3:80/cl 10.0.0.4:80/cl";
	const char *external = "198.51.100.1:80/tcp";
	struct ksvc_net *kn = sticky_new(1024);
	u32 i, one;

	put(kn, 0, PUT, "a", VIP " 198.51.100.1:80/tcp=ext", endpoints);
	expect(connected(kn, CLIENT, VIP) == 1);
	features.flags = KSVC_SERVICE_FLAGS_INTERNAL_LOCAL;
	put(kn, 0, PUT, "a", VIP " 198.51.100.1:80/tcp=ext", endpoints);
	one = connected(kn, CLIENT, VIP);
	expect(one >= 3 && connected(kn, CLIENT, VIP) == one);
	/* it has a place in both */
	expect(connected(kn, CLIENT, external) == one);
	features.flags = 0;
	put(kn, 0, PUT, "a", VIP " 198.51.100.1:80/tcp=ext", endpoints);
	expect(connected(kn, CLIENT, VIP) == one);
	/* one policy of each kind: the last choice counts where it can */
	features.flags = KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL;
	put(kn, 0, PUT, "a", VIP " 198.51.100.1:80/tcp=ext", endpoints);
	forget(kn, VIP, NULL);
	for (i = 0; i < 4 && peeked(kn, CLIENT, VIP) > 2; i++) {
		connected(kn, CLIENT, VIP);
		forget(kn, VIP, NULL);
	}
	one = connected(kn, CLIENT, VIP);
	expect(one <= 2 && connected(kn, CLIENT, VIP) == one);
	one = connected(kn, CLIENT, external);
	expect(one >= 3 && connected(kn, CLIENT, VIP) == one);
	net_free(kn);
}

static void schedulers(void)
{
	u32 scheduler, i, j;

	for (scheduler = 0; scheduler <= KSVC_SCHEDULER_MAGLEV; scheduler++) {
		struct ksvc_net *kn = sticky_new(4096);
		u32 used[5] = {};

		features.scheduler = scheduler;
		put(kn, 0, PUT, "a", VIP, "10.0.0.1:80 10.0.0.2:80@2 10.0.0.3:80@3 10.0.0.4:80@2");
		for (i = 0; i < 200; i++) {
			char client[16];
			u32 one;

			snprintf(client, sizeof(client), "192.0.2.%u", i);
			one = connected(kn, client, VIP);
			used[one]++;
			for (j = 0; j < 5; j++)
				expect(connected(kn, client, VIP) == one);
			expect(peeked(kn, client, VIP) == one);
		}
		for (i = 1; i <= 4; i++)
			expect(used[i] > 10);
		net_free(kn);
	}
}

const struct test affinity_tests[] = {
	{ "A1 the same endpoint again, until the time is over", a1 },
	{ "A1 records of long ago, and the longest time", long_ago },
	{ "A2 a client is an address; all ways to a service share", a2 },
	{ "A3 an endpoint that goes takes its records along", a3 },
	{ "A3 nobody inherits them", a3_cells },
	{ "A4 every new connection renews the record, a look does not", a4 },
	{ "A4 a stray segment is no connection", a4_strays },
	{ "A5 other changes leave records alone; off and on again does not", a5 },
	{ "A6 the endpoint must be in the set in use", policies },
	{ "affinity with every scheduler", schedulers },
	{}
};
