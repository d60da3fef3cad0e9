// SPDX-License-Identifier: GPL-2.0
/* Maglev's table: shares, agreement between nodes, and how little changes. */
#include "test.h"

#include <linux/slab.h>
#include <linux/string.h>
#include <stdlib.h>
#include <time.h>

#define VIP	"10.96.0.1:80/tcp"

static const u32 sizes[] = { 4093, 16381, 65537, 262139, 1048573 };
static u64 seed;

static u32 below(u32 n)
{
	return next_random(&seed) % n;
}

static struct ksvc_endpoint *endpoints_new(u32 n, u32 (*weight)(u32 i))
{
	struct ksvc_endpoint *ep = calloc(n, sizeof(*ep));
	u32 i;

	for (i = 0; i < n; i++) {
		ep[i] = endpoint_of("10.0.0.0:80");
		ep[i].addr.ip = htonl(0x0a000000 + i / 2);
		ep[i].port = htons(80 + i % 2);
		ep[i].weight = weight(i);
	}
	return ep;
}

/* Of exactly that size, filled. */
static u16 *table_new(u32 size, const struct ksvc_endpoint *ep, u32 n)
{
	u16 *table = malloc(size * sizeof(*table));
	u32 i, outside = 0;

	memset(table, 0xff, size * sizeof(*table));
	expect(!ksvc_maglev_fill(table, size, ep, n));
	for (i = 0; i < size; i++)
		outside += table[i] >= n;
	assert(expect(!outside));
	return table;
}

static u32 equal(u32 i)
{
	return 1;
}

static u32 heaviest(u32 i)
{
	return KSVC_WEIGHT_MAX;
}

static u32 rising(u32 i)
{
	return 1 + i % 8;
}

static u32 one_heavy(u32 i)
{
	return i == 7 ? KSVC_WEIGHT_MAX : 1;
}

static u32 one_light(u32 i)
{
	return i == 7 ? 1 : KSVC_WEIGHT_MAX;
}

static u32 large(u32 i)
{
	u64 state = i;

	return 30000 + next_random(&state) % 30000;
}

static u32 (*const weights[])(u32) = { equal, heaviest, rising, large, one_heavy, one_light };

/* Counts entries: within one of the share, as turns have it, and of those with
 * a hundred entries or more within 2 %.
 */
static void check_shares(u32 size, u32 n, u32 (*weight)(u32))
{
	struct ksvc_endpoint *ep = endpoints_new(n, weight);
	u16 *table = table_new(size, ep, n);
	u32 *entries = calloc(n, sizeof(*entries)), i, wrong = 0;
	double sum = 0;

	for (i = 0; i < n; i++)
		sum += ep[i].weight;
	for (i = 0; i < size; i++)
		entries[table[i]]++;
	for (i = 0; i < n; i++) {
		double wanted = size * (ep[i].weight / sum), off = entries[i] - wanted;

		/* the last round is not finished */
		double allowed = 1 + n * (ep[i].weight / sum);

		wrong += off > allowed || off < -allowed;
		if (wanted >= 100 && weight != one_heavy)
			wrong += off > 0.02 * wanted || off < -0.02 * wanted;
	}
	if (!expect(!wrong))
		diagnose("%u endpoints, %u entries", n, size);
	free(entries);
	free(table);
	free(ep);
}

static void shares(void)
{
	static const u32 counts[] = { 1, 2, 3, 10, 40, 100, 1000 };
	u32 i, j, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(counts); j++)
			for (k = 0; k < ARRAY_SIZE(weights); k++)
				if (sizes[i] < 1 << 18 || (counts[j] == 1000 && k % 2))
					check_shares(sizes[i], counts[j], weights[k]);
	/* not enough for all */
	check_shares(2, 1, equal);
	check_shares(2, 100, one_heavy);
	check_shares(13, 100, rising);
}

static void default_sizes(void)
{
	static const u32 cases[][2] = {
		{ 0, 4093 }, { 1, 4093 }, { 6, 4093 }, { 7, 16381 }, { 27, 16381 },
		{ 28, 65537 }, { 109, 65537 }, { 110, 262139 }, { 436, 262139 },
		{ 437, 1048573 }, { 10485, 1048573 }, { KSVC_MAX_ENDPOINTS, 1048573 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		expect(ksvc_maglev_size(0, cases[i][0]) == cases[i][1]);
		expect(ksvc_maglev_size(251, cases[i][0]) == 251);
	}
}

static void primes(void)
{
	enum { MOST = 20000 };
	static bool composite[MOST];
	u32 i, j, wrong = 0;

	memset(composite, 0, sizeof(composite));
	for (i = 2; i < MOST; i++)
		for (j = 2 * i; j < MOST; j += i)
			composite[j] = true;
	for (i = 0; i < MOST; i++)
		wrong += ksvc_maglev_valid(i) != (i >= 2 && !composite[i]);
	expect(!wrong);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		expect(ksvc_maglev_valid(sizes[i]));
	expect(!ksvc_maglev_valid(1021 * 1021) && !ksvc_maglev_valid(1048571 - 2));
	expect(!ksvc_maglev_valid(1048583) && !ksvc_maglev_valid(U32_MAX));
}

/* Whoever has the same endpoints has the same table, in whatever order. */
static void order(void)
{
	enum { N = 50 };
	struct ksvc_endpoint *ep = endpoints_new(N, rising);
	u16 *table = table_new(4093, ep, N), *other;
	u32 i, j, round, wrong = 0;

	seed = 1;
	for (round = 0; round < 10; round++) {
		struct ksvc_endpoint mixed[N];

		memcpy(mixed, ep, sizeof(mixed));
		for (i = N - 1; i; i--) {
			struct ksvc_endpoint swap = mixed[i];

			j = below(i + 1);
			mixed[i] = mixed[j];
			mixed[j] = swap;
		}
		for (i = 0; i < N; i++) {
			mixed[i].flags = below(8);
			mixed[i].connections = (u64 *)ep;
		}
		other = table_new(4093, mixed, N);
		for (i = 0; i < 4093; i++)
			wrong += ksvc_endpoint_cmp(&ep[table[i]], &mixed[other[i]]) != 0;
		free(other);
	}
	expect(!wrong);
	free(table);
	free(ep);
}

/* Two nodes, each with some of the endpoints: flows go to the same ones. */
static void nodes_agree(void)
{
	struct ksvc_net *one = net_new(), *two;
	struct ksvc_decision a, b;
	u32 i, used[4] = {}, wrong = 0;

	features.scheduler = KSVC_SCHEDULER_MAGLEV;
	put(one, 0, KSVC_MODE_PUT, "a", VIP " [fd00::1]:80/tcp",
	    "10.0.0.1:80/c 10.0.0.2:80/cl 10.0.0.3:80@3/c 10.0.0.4:80/cl 10.0.0.9:80/l "
	    "[fd00::a]:80/c [fd00::b]:80/cl");
	two = net_new();
	features.scheduler = KSVC_SCHEDULER_MAGLEV;
	put(two, 0, KSVC_MODE_PUT, "other name", VIP " 10.96.0.2:80/tcp [fd00::1]:80/tcp",
	    "10.0.0.4:80/c 10.0.0.8:80@0 10.0.0.3:80@3/cl 10.0.0.2:80/c 10.0.0.1:80/c "
	    "[fd00::b]:80/c [fd00::a]:80/c");
	fixed_hash = true;	/* not what the node keeps to itself */
	seed = 2;
	rcu_read_lock();
	for (i = 0; i < 4000; i++) {
		struct nf_conntrack_tuple tuple = i % 4 ?
			tuple_of("192.0.2.1", VIP) : tuple_of("2001:db8::1", "[fd00::1]:80/tcp");

		tuple.src.u.all = below(65536);
		tuple.src.u3.all[i % 4 ? 0 : 3] = next_random(&seed);
		ksvc_decide(one, &tuple, NULL, false, &a);
		ksvc_decide(two, &tuple, "eth0\0\0\0\0\0\0\0\0\0\0\0", false, &b);
		wrong += ksvc_endpoint_cmp(a.endpoint, b.endpoint) != 0;
		if (i % 4)
			used[(ntohl(a.endpoint->addr.ip) & 255) - 1]++;
	}
	rcu_read_unlock();
	expect(!wrong);
	/* 500, 500, 1500, 500 */
	expect(used[0] > 400 && used[0] < 600 && used[1] > 400 && used[1] < 600);
	expect(used[2] > 1350 && used[2] < 1650 && used[3] > 400 && used[3] < 600);
	net_free(two);
	net_free(one);
}

/* Each part of a flow counts; which one of all hashes is used, too. */
static void flows(void)
{
	const struct nf_conntrack_tuple tuple = tuple_of("192.0.2.1", VIP);
	struct nf_conntrack_tuple other;
	u32 i, upper = 0;

	for (i = 0; i < 5; i++) {
		other = tuple;
		if (i == 0)
			other.src.u3.ip ^= 1;
		else if (i == 1)
			other.dst.u3.ip ^= 1;
		else if (i == 2)
			other.src.u.all ^= 1;
		else if (i == 3)
			other.dst.u.all ^= 1;
		else
			other.dst.protonum ^= 1;
		expect(ksvc_maglev_hash(&other) != ksvc_maglev_hash(&tuple));
	}
	other = tuple;
	other.dst.dir = 1;
	expect(ksvc_maglev_hash(&other) == ksvc_maglev_hash(&tuple));
	for (i = 0; i < 1000; i++) {
		other.src.u.all = i;
		upper += ksvc_maglev_hash(&other) >> 31;
	}
	expect(upper > 400 && upper < 600);
}

/* Entries that change although their endpoint is there before and after, when
 * one of n is taken out; in parts of the whole. The same ones change back when
 * it comes again.
 */
static double disruption(u32 size, const struct ksvc_endpoint *ep, u32 n, const u16 *all, u32 gone)
{
	struct ksvc_endpoint *rest = malloc(n * sizeof(*rest));
	u16 *table;
	u32 i, moved = 0;

	memcpy(rest, ep, gone * sizeof(*rest));
	memcpy(rest + gone, ep + gone + 1, (n - gone - 1) * sizeof(*rest));
	table = table_new(size, rest, n - 1);
	for (i = 0; i < size; i++)
		moved += all[i] != gone && all[i] != table[i] + (table[i] >= gone);
	free(table);
	free(rest);
	return (double)moved / size;
}

static void check_disruption(u32 size, u32 n, u32 (*weight)(u32), const char *what, double limit)
{
	struct ksvc_endpoint *ep = endpoints_new(n, weight);
	u16 *all = table_new(size, ep, n);
	double sum = 0, most = 0;
	u32 i, step = size > 100000 ? 25 : size > 20000 ? 5 : 1, rounds = 0;

	for (i = 0; i < n; i += step, rounds++) {
		double moved = disruption(size, ep, n, all, i);

		sum += moved;
		most = moved > most ? moved : most;
	}
	diagnose("one of %u %s comes or goes: of %u entries of others %.2f %% change, at most "
		 "%.2f %%", n, what, size, 100 * sum / rounds, 100 * most);
	expect(sum / rounds <= limit);
	free(all);
	free(ep);
}

static void disruptions(void)
{
	check_disruption(ksvc_maglev_size(0, 100), 100, equal, "equal endpoints", 0.01);
	check_disruption(ksvc_maglev_size(0, 10), 10, equal, "equal endpoints", 0.01);
	check_disruption(ksvc_maglev_size(0, 100), 100, rising, "weights of 1 to 8", 0.01);
	check_disruption(ksvc_maglev_size(0, 100), 100, large, "weights of 30000 to 60000", 0.01);
}

/* The largest services; index 65534 is the last. */
static void largest(void)
{
	const u32 n = KSVC_MAX_ENDPOINTS, size = ksvc_maglev_size(0, n);
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(weights); i++) {
		struct ksvc_endpoint *ep = endpoints_new(n, weights[i]);
		clock_t start = clock();
		u16 *table = table_new(size, ep, n);
		double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
		bool last = false;
		u32 heavy = 0;

		for (j = 0; j < size; j++) {
			last |= table[j] == n - 1;
			heavy += table[j] == 7;
		}
		expect(last);
		expect(weights[i] != one_heavy || (heavy > size / 2 - size / 20 &&
						   heavy < size / 2 + size / 20));
		if (!expect(seconds < 4))
			diagnose("%.1f s", seconds);
		free(table);
		free(ep);
	}
}

const struct test maglev_tests[] = {
	{ "maglev: shares are what the weights say", shares },
	{ "maglev: the default size has 100 entries for each endpoint", default_sizes },
	{ "maglev: sizes are prime numbers", primes },
	{ "maglev: the order of endpoints and all but address, port and weight is nothing to it",
	  order },
	{ "maglev: nodes agree", nodes_agree },
	{ "maglev: every part of the flow counts", flows },
	{ "maglev: little changes when an endpoint comes or goes", disruptions },
	{ "maglev: 65535 endpoints of extreme weights, in a few seconds", largest },
	{}
};
