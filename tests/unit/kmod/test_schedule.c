// SPDX-License-Identifier: GPL-2.0
/* Schedulers, but for random and maglev: what each endpoint gets, and when. */
#include "test.h"

#include <linux/slab.h>
#include <linux/string.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define VIP	"10.96.0.1:80/tcp"

static u64 seed;

static u32 below(u32 n)
{
	return next_random(&seed) % n;
}

/* A version of a service by itself, with one set of endpoints of some weights. */
static struct ksvc_svc *version_new(u32 scheduler, const u16 *weights, u32 n)
{
	struct ksvc_svc *svc = kvzalloc(struct_size(svc, endpoints, n + 1), GFP_KERNEL);
	struct ksvc_set *set = &svc->sets[KSVC_CLUSTER][KSVC_V4];
	u32 i;

	svc->ident = calloc(1, sizeof(*svc->ident));
	svc->slots = calloc(n + 1, sizeof(*svc->slots));
	svc->features.scheduler = scheduler;
	svc->n_endpoints = n + 1;
	set->first = 1;
	set->n = n;
	for (i = 0; i < n; i++) {
		svc->endpoints[1 + i].weight = weights[i];
		svc->slots[1 + i].load = calloc(1, sizeof(struct ksvc_load));
	}
	expect(!ksvc_schedule_prepare(svc, set));
	return svc;
}

static void version_free(struct ksvc_svc *svc)
{
	u32 i;

	for (i = 0; i < svc->n_endpoints; i++)
		free(svc->slots[i].load);
	kvfree(svc->sets[KSVC_CLUSTER][KSVC_V4].data);
	free(svc->slots);
	free(svc->ident);
	kvfree(svc);
}

static u64 active_of(const struct ksvc_svc *svc, const struct ksvc_endpoint *ep)
{
	return ksvc_slot(svc, ep)->load->active.counter;
}

/* Which of the set's endpoints the next flow gets. */
static u32 next_of(const struct ksvc_svc *svc, bool peek)
{
	const struct ksvc_set *set = &svc->sets[KSVC_CLUSTER][KSVC_V4];
	struct nf_conntrack_tuple tuple = tuple_of("192.0.2.1", VIP);
	u32 index;

	tuple.src.u.all = below(65536);
	index = ksvc_schedule(svc, set, &tuple, peek) - set->first;
	assert(index < set->n);
	return index;
}

static void rr(void)
{
	static const u16 weights[] = { 1, 65535, 7, 7, 1 };
	struct ksvc_svc *svc = version_new(KSVC_SCHEDULER_RR, weights, ARRAY_SIZE(weights));
	u32 i;

	for (i = 0; i < 1000; i++) {
		expect(next_of(svc, true) == i % ARRAY_SIZE(weights));
		expect(next_of(svc, true) == i % ARRAY_SIZE(weights));
		expect(next_of(svc, false) == i % ARRAY_SIZE(weights));
	}
	/* where the turns are used up */
	atomic_set(&svc->ident->turn, -3);
	for (i = 0; i < 10; i++)
		next_of(svc, false);
	expect(atomic_read(&svc->ident->turn) == 7);
	version_free(svc);
}

/* As packets see it: sets share the turn, and updates do not start again. */
static void rr_of_a_service(void)
{
	struct ksvc_net *kn = net_new();
	u32 i;

	features.scheduler = KSVC_SCHEDULER_RR;
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, "10.0.0.1:80 10.0.0.2:80@9 10.0.0.3:80 10.0.0.4:80@0");
	for (i = 0; i < 300; i++) {
		const struct ksvc_decision d = decide(kn, "192.0.2.1", VIP, NULL);
		const struct nf_conntrack_tuple tuple = tuple_of("192.0.2.1", VIP);
		const struct ksvc_endpoint *next;

		rcu_read_lock();
		next = ksvc_choose(kn, &d, &tuple, true);
		rcu_read_unlock();
		expect((ntohl(d.endpoint->addr.ip) & 255) == 1 + i % 3);
		expect((ntohl(next->addr.ip) & 255) == 1 + (i + 1) % 3);
		if (i % 2)
			put_endpoints(kn, 0, KSVC_MODE_PUT, "a", i % 4 == 1 ?
				      "10.0.0.4:80@0/c" : "10.0.0.4:80@0/l");
	}
	net_free(kn);
}

/* Weights as they are after division by what they have in common. */
static u64 sum_of(const u16 *weights, u32 n)
{
	u64 sum = 0;
	u32 i, divisor = 0, a, b;

	for (i = 0; i < n; i++)
		for (a = weights[i], b = divisor, divisor = a; b; b = a % b, a = divisor)
			divisor = b;
	for (i = 0; i < n; i++)
		sum += weights[i] / divisor;
	return sum;
}

/* Runs full rounds from anywhere. Returns the longest wait, in terms of what it
 * would be if turns were spread evenly.
 */
static double check_rounds(const u16 *weights, u32 n, u32 start)
{
	struct ksvc_svc *svc = version_new(KSVC_SCHEDULER_WRR, weights, n);
	const u32 sum = sum_of(weights, n);
	u32 *used = calloc(n, sizeof(*used)), *last = calloc(n, sizeof(*last));
	u32 i, turn, wrong = 0, all = 0;
	double worst = 0;

	for (i = 0; i < n; i++)
		all += weights[i];
	atomic_set(&svc->ident->turn, start);
	for (turn = 1; turn <= 2 * sum; turn++) {
		u32 peeked = turn % 8 ? 0 : 1 + next_of(svc, true);

		i = next_of(svc, false);
		wrong += peeked && peeked != 1 + i;
		if (last[i])
			worst = fmax(worst, (double)(turn - last[i]) * weights[i] / all);
		last[i] = turn;
		used[i]++;
		for (i = 0; turn % sum == 0 && i < n; i++)
			wrong += (u64)used[i] * all != (u64)weights[i] * turn;
	}
	expect(!wrong);
	free(used);
	free(last);
	version_free(svc);
	return worst;
}

/* Of the endpoint with that share of turns the longest wait for the next one is
 * at most this many times the average.
 */
#define LONGEST_WAIT	3

static void wrr(void)
{
	static const u16 given[][4] = {
		{ 1, 0, 0, 0 }, { 7, 0, 0, 0 }, { 1, 1, 0, 0 }, { 3, 1, 0, 0 }, { 3, 2, 1, 0 },
		{ 5, 1, 1, 0 }, { 10, 10, 10, 10 }, { 65535, 1, 0, 0 }, { 65535, 65534, 0, 0 },
		{ 100, 1, 1, 1 }, { 6, 4, 2, 0 }, { 65535, 13107, 0, 0 },
	};
	u16 weights[64];
	double worst = 0;
	u32 i, n, round;

	seed = 4;
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		for (n = 0; n < 4 && given[i][n]; n++)
			;
		worst = fmax(worst, check_rounds(given[i], n, 0));
	}
	for (round = 0; round < 600; round++) {
		static const u32 most[] = { 3, 10, 100, 300 };

		n = 1 + below(round % 8 ? 10 : ARRAY_SIZE(weights));
		for (i = 0; i < n; i++)
			weights[i] = 1 + below(most[round % 4]);
		worst = fmax(worst, check_rounds(weights, n, below(100000)));
	}
	expect(worst <= LONGEST_WAIT);
	diagnose("longest wait: %.2f times the average", worst);
}

/* Sums up to what 32 bits hold; of these a part of a round. */
static void wrr_of_the_largest(void)
{
	u16 *weights = calloc(KSVC_MAX_ENDPOINTS, sizeof(*weights));
	u32 *used = calloc(KSVC_MAX_ENDPOINTS, sizeof(*used)), i, least = U32_MAX, most = 0;
	struct ksvc_svc *svc;

	seed = 5;
	for (i = 0; i < 16; i++)
		weights[i] = KSVC_WEIGHT_MAX - !i;
	expect(check_rounds(weights, 16, 0) <= LONGEST_WAIT);

	for (i = 0; i < KSVC_MAX_ENDPOINTS; i++)
		weights[i] = KSVC_WEIGHT_MAX - !i;
	svc = version_new(KSVC_SCHEDULER_WRR, weights, KSVC_MAX_ENDPOINTS);
	expect(svc->sets[KSVC_CLUSTER][KSVC_V4].size == 65535U * 65535U - 1);
	for (i = 0; i < 10 * KSVC_MAX_ENDPOINTS; i++)
		used[next_of(svc, false)]++;
	for (i = 0; i < KSVC_MAX_ENDPOINTS; i++) {
		least = min(least, used[i]);
		most = max(most, used[i]);
	}
	if (!expect(least >= 7 && most <= 14))
		diagnose("%u to %u turns instead of 10", least, most);
	version_free(svc);

	/* one that is as heavy as all others */
	for (i = 0; i < KSVC_MAX_ENDPOINTS; i++)
		weights[i] = 1;
	weights[7] = KSVC_WEIGHT_MAX - 1;
	svc = version_new(KSVC_SCHEDULER_WRR, weights, KSVC_MAX_ENDPOINTS);
	memset(used, 0, KSVC_MAX_ENDPOINTS * sizeof(*used));
	for (i = 0; i < 2 * (KSVC_MAX_ENDPOINTS - 1); i++)
		used[next_of(svc, false)]++;
	expect(used[7] == KSVC_WEIGHT_MAX - 1);
	for (i = 0, least = 0; i < KSVC_MAX_ENDPOINTS; i++)
		least += used[i] == 1;
	expect(least == KSVC_MAX_ENDPOINTS - 1);
	version_free(svc);
	free(weights);
	free(used);
}

static void lc(void)
{
	u16 weights[40];
	u32 round, i, j, n, wrong = 0;

	seed = 6;
	for (round = 0; round < 3000; round++) {
		bool large = !below(4);
		struct ksvc_svc *svc;
		const struct ksvc_endpoint *ep, *chosen;

		n = 1 + below(round % 4 ? 5 : ARRAY_SIZE(weights));
		for (i = 0; i < n; i++)
			weights[i] = 1 + below(large ? KSVC_WEIGHT_MAX : 3);
		svc = version_new(KSVC_SCHEDULER_LC, weights, n);
		ep = &svc->endpoints[1];
		for (i = 0; i < n; i++)
			atomic_set(&ksvc_slot(svc, &ep[i])->load->active, below(large ? 0x7fffffff : 4));
		for (j = 0; j < 10; j++) {
			chosen = &ep[next_of(svc, j & 1)];
			for (i = 0; i < n; i++)
				wrong += active_of(svc, &ep[i]) * chosen->weight <
					 active_of(svc, chosen) * ep[i].weight;
		}
		version_free(svc);
	}
	expect(!wrong);
}

/* Those that are equal are chosen about as often. */
static void lc_of_equals(void)
{
	static const u16 weights[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct ksvc_svc *svc = version_new(KSVC_SCHEDULER_LC, weights, ARRAY_SIZE(weights));
	u32 used[ARRAY_SIZE(weights)] = {}, i;

	seed = 7;
	for (i = 0; i < 8000; i++)
		used[next_of(svc, false)]++;
	for (i = 0; i < ARRAY_SIZE(weights); i++)
		expect(used[i] > 850 && used[i] < 1150);
	version_free(svc);
}

static struct ksvc_load *load_of(const struct ksvc_net *kn, const char *endpoint)
{
	const struct ksvc_svc *svc = lookup(kn, VIP);

	return ksvc_slot(svc, endpoint_in(svc, endpoint))->load;
}

/* Loads stay with endpoints that stay; those that come start at 0. */
static void loads(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_load *one;
	u32 i;

	put(kn, 0, KSVC_MODE_PUT, "a", VIP, "10.0.0.1:80 10.0.0.2:80");
	expect(!load_of(kn, "10.0.0.1:80"));
	features.scheduler = KSVC_SCHEDULER_LC;
	put(kn, 0, KSVC_MODE_PUT, "a", VIP, "10.0.0.1:80 10.0.0.2:80");
	one = load_of(kn, "10.0.0.1:80");
	atomic_set(&load_of(kn, "10.0.0.1:80")->active, 7);
	atomic_set(&load_of(kn, "10.0.0.2:80")->active, 3);
	put_endpoints(kn, 0, KSVC_MODE_PUT, "a", "10.0.0.1:80@2/c 10.0.0.3:80");
	expect(load_of(kn, "10.0.0.1:80") == one);
	expect(atomic_read(&one->active) == 7);
	expect(atomic_read(&load_of(kn, "10.0.0.3:80")->active) == 0);
	expect(decide(kn, "192.0.2.1", VIP, NULL).endpoint ==
	       endpoint_in(lookup(kn, VIP), "10.0.0.3:80"));
	/* whoever gets the cell of another one */
	for (i = 0; i < 20; i++) {
		char name[32];
		struct ksvc_load *load;

		del_endpoints(kn, 0, "a", i ? name : "10.0.0.2:80");
		snprintf(name, sizeof(name), "10.0.1.%u:80", i);
		put_endpoints(kn, 0, KSVC_MODE_PUT, "a", name);
		load = load_of(kn, name);
		expect(atomic_read(&load->active) == 0);
		atomic_set(&load->active, 5);
	}
	expect(atomic_read(&one->active) == 7);
	net_free(kn);
}

/* A client gets one endpoint, whatever its port and the service's; clients in
 * all are shared out by weight.
 */
static void sh(void)
{
	static const char *const frontends[] = {
		VIP, "10.96.0.1:81/udp", "198.51.100.1:90/tcp",
	};
	struct ksvc_net *kn = net_new();
	u32 i, j, wrong = 0, used[3] = {};

	seed = 8;
	features.scheduler = KSVC_SCHEDULER_SH;
	put(kn, 0, KSVC_MODE_PUT, "a", VIP " 10.96.0.1:81/udp 198.51.100.1:90/tcp=ext "
	    "[fd00::1]:80/tcp", "10.0.0.1:80@1 10.0.0.2:80@2 10.0.0.3:80@5 [fd00::a]:80");
	rcu_read_lock();
	for (i = 0; i < 20000; i++) {
		struct nf_conntrack_tuple tuple = tuple_of("192.0.2.1", VIP);
		const struct ksvc_endpoint *ep = NULL;
		struct ksvc_decision d;

		tuple.src.u3.ip = next_random(&seed);
		for (j = 0; j < ARRAY_SIZE(frontends); j++) {
			const struct ksvc_key key = key_of(frontends[j]);

			tuple.src.u.all = below(65536);
			tuple.dst.u3 = key.addr;
			tuple.dst.u.all = key.port;
			tuple.dst.protonum = key.protocol;
			ksvc_decide(kn, &tuple, NULL, false, &d);
			wrong += ep && ep != d.endpoint;
			ep = d.endpoint;
		}
		used[(ntohl(ep->addr.ip) & 255) - 1]++;
	}
	rcu_read_unlock();
	expect(!wrong);
	expect(used[0] > 2300 && used[0] < 2700 && used[1] > 4700 && used[1] < 5300 &&
	       used[2] > 12100 && used[2] < 12900);
	net_free(kn);
}

/* The allocations that a set of equal weights takes, and one of others. */
static void memory(void)
{
	static const u16 equal[] = { 4, 4 }, uneven[] = { 1, 2 };
	static const u32 wants[][2] = {
		[KSVC_SCHEDULER_RANDOM] = { 0, 2 }, [KSVC_SCHEDULER_RR] = { 0, 0 },
		[KSVC_SCHEDULER_WRR] = { 1, 1 }, [KSVC_SCHEDULER_LC] = { 0, 0 },
		[KSVC_SCHEDULER_SH] = { 0, 2 }, [KSVC_SCHEDULER_MAGLEV] = { 3, 3 },
	};
	u32 i, j;

	for (i = 0; i < 2 * ARRAY_SIZE(wants); i++) {
		struct ksvc_svc *svc = version_new(i / 2, i % 2 ? uneven : equal, 2);
		struct ksvc_set *set = &svc->sets[KSVC_CLUSTER][KSVC_V4];
		u32 wanted = wants[i / 2][i % 2];
		unsigned long live = shim_live;

		expect(!set->data == !wanted);
		for (j = 1; j <= wanted; j++) {
			kvfree(set->data);
			set->data = NULL;
			shim_fail_after = j;
			expect(ksvc_schedule_prepare(svc, set) == -ENOMEM);
			expect(!shim_fail_after);
			expect(shim_live <= live);
		}
		version_free(svc);
	}
}

const struct test schedule_tests[] = {
	{ "rr: one after the other, whatever the weights", rr },
	{ "rr: updates go on where it was", rr_of_a_service },
	{ "wrr: in each round as often as the weights say, well mixed", wrr },
	{ "wrr: the heaviest and the most endpoints", wrr_of_the_largest },
	{ "lc: the fewest connections for the weight", lc },
	{ "lc: of equals any", lc_of_equals },
	{ "lc: loads stay with endpoints that stay", loads },
	{ "sh: the client alone decides, by weight", sh },
	{ "schedulers take the memory that they need, or fail", memory },
	{}
};
