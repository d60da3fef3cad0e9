// SPDX-License-Identifier: GPL-2.0
/* P7: endpoints are chosen evenly, or by weight. */
#include "test.h"

#include <linux/slab.h>
#include <math.h>
#include <stdlib.h>

#define MAX_N	KSVC_MAX_ENDPOINTS

/* How many of all 2^32 hashes choose each entry, from the cells' borders. */
static void count_hashes(const struct ksvc_set *set, u64 *hashes)
{
	u32 cell;

	memset(hashes, 0, set->n * sizeof(*hashes));
	for (cell = 0; cell < set->n; cell++) {
		u64 n = set->n, start = (u64)cell << 32, split = start + (1ULL << 32);
		u64 all = (split + n - 1) / n - (start + n - 1) / n, own = all;

		if (set->alias) {
			split = start + set->alias[cell].threshold;
			own = (split + n - 1) / n - (start + n - 1) / n;
		}
		hashes[cell] += own;
		if (own < all)
			hashes[set->alias[cell].other] += all - own;
	}
}

/* Chi-square of so many draws against the shares, in standard deviations from
 * what it should be.
 */
static double deviation(const struct ksvc_set *set, const double *shares, u32 draws)
{
	u32 *drawn = calloc(set->n, sizeof(*drawn)), i, cells = 0;
	u64 seed = set->n;
	double chi = 0;

	for (i = 0; i < draws; i++) {
		u32 chosen = ksvc_alias_select(set, next_random(&seed)) - set->first;

		assert(chosen < set->n);
		drawn[chosen]++;
	}
	for (i = 0; i < set->n; i++) {
		double wanted = shares[i] * draws;

		if (wanted < 4)
			continue;
		chi += (drawn[i] - wanted) * (drawn[i] - wanted) / wanted;
		cells++;
	}
	free(drawn);
	return cells < 2 ? 0 : (chi - (cells - 1)) / sqrt(2 * (cells - 1));
}

static void even_set(u32 n)
{
	const struct ksvc_set set = { .first = 7, .n = n };
	double *shares = calloc(n, sizeof(*shares));
	u64 *hashes = calloc(n, sizeof(*hashes));
	u64 least = U32_MAX, most = 0;
	u32 i;

	count_hashes(&set, hashes);
	for (i = 0; i < n; i++) {
		shares[i] = 1.0 / n;
		least = hashes[i] < least ? hashes[i] : least;
		most = max(most, hashes[i]);
	}
	if (!expect(n == 1 || most - least <= 1) || !expect(deviation(&set, shares, 300000) < 5))
		diagnose("of %u", n);
	expect(ksvc_alias_select(&set, 0) == 7);
	expect(ksvc_alias_select(&set, U32_MAX) == 7 + n - 1);
	free(shares);
	free(hashes);
}

static void even(void)
{
	u32 n;

	for (n = 1; n <= 17; n++)
		even_set(n);
	even_set(1000);
	even_set(MAX_N);
}

struct weighted {
	struct ksvc_endpoint *ep;
	struct ksvc_alias *alias;
	struct ksvc_set set;
	u64 sum;
};

static struct weighted weighted_new(u32 n, u32 (*weight)(u32 i, u32 n))
{
	struct weighted w = { .set = { .n = n } };
	u32 i;

	w.ep = calloc(n, sizeof(*w.ep));
	for (i = 0; i < n; i++) {
		w.ep[i].weight = weight(i, n);
		w.sum += w.ep[i].weight;
	}
	/* exactly as long as it is said to be */
	w.alias = kvmalloc_array(n, sizeof(*w.alias), GFP_KERNEL);
	expect(!ksvc_alias_fill(w.alias, w.ep, n));
	w.set.alias = w.alias;
	return w;
}

static void weighted_free(struct weighted *w)
{
	kvfree(w->alias);
	free(w->ep);
}

/* Thresholds stand for exact shares, but for 2^-32 of a cell each; the hashes
 * there are for them, but for one at each border.
 */
static void check_shares(const struct weighted *w)
{
	u32 n = w->set.n, i, wrong = 0, coarse = 0, outside = 0;
	long double *cells = calloc(n, sizeof(*cells));
	double *shares = calloc(n, sizeof(*shares));
	u64 *hashes = calloc(n, sizeof(*hashes));
	u32 *donors = calloc(n, sizeof(*donors));

	for (i = 0; i < n; i++) {
		const struct ksvc_alias *a = &w->alias[i];
		long double own = a->other == i ? 1 : a->threshold / 0x1p32L;

		if (a->other >= n) {
			outside++;
			continue;
		}
		cells[i] += own;
		cells[a->other] += 1 - own;
		donors[a->other]++;
	}
	if (!expect(!outside))
		goto out;
	count_hashes(&w->set, hashes);
	for (i = 0; i < n; i++) {
		long double wanted = (long double)w->ep[i].weight / w->sum;

		shares[i] = wanted;
		wrong += fabsl(cells[i] - wanted * n) > (donors[i] + 1) * 0x1p-32L + 0x1p-40L;
		coarse += fabsl(hashes[i] / 0x1p32L - wanted) >
			  (n <= 1024 ? 0x1p-20L : (2 * donors[i] + 2) * 0x1p-32L);
	}
	if (!expect(!wrong) || !expect(!coarse) ||
	    !expect(deviation(&w->set, shares, 300000) < 5))
		diagnose("of %u: %u and %u shares are wrong", n, wrong, coarse);
out:
	free(cells);
	free(shares);
	free(hashes);
	free(donors);
}

static u32 random_weight(u32 i, u32 n)
{
	u64 seed = n * 65537ULL + i;

	return 1 + next_random(&seed) % KSVC_WEIGHT_MAX;
}

static u32 small_weight(u32 i, u32 n)
{
	u64 seed = n * 65537ULL + i;

	return 1 + next_random(&seed) % 10;
}

static u32 one_heavy(u32 i, u32 n)
{
	return i == n / 2 ? KSVC_WEIGHT_MAX : 1;
}

static u32 one_light(u32 i, u32 n)
{
	return i == n / 2 ? 1 : KSVC_WEIGHT_MAX;
}

static u32 rising(u32 i, u32 n)
{
	return i % KSVC_WEIGHT_MAX + 1;
}

static void weighted(void)
{
	static u32 (*const weights[])(u32, u32) = {
		random_weight, small_weight, one_heavy, one_light, rising,
	};
	static const u32 sizes[] = { 2, 3, 4, 5, 7, 10, 17, 100, 1000, MAX_N };
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(weights); i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct weighted w = weighted_new(sizes[j], weights[i]);

			check_shares(&w);
			weighted_free(&w);
		}
}

static void alias_of_equals(void)
{
	struct weighted w = weighted_new(MAX_N, one_light);
	u32 i, split = 0;

	for (i = 0; i < MAX_N; i++)
		w.ep[i].weight = KSVC_WEIGHT_MAX;
	expect(!ksvc_alias_fill(w.alias, w.ep, MAX_N));
	for (i = 0; i < MAX_N; i++)
		split += w.alias[i].threshold != U32_MAX || w.alias[i].other != i;
	expect(!split);
	weighted_free(&w);
}

static void alias_without_memory(void)
{
	struct ksvc_endpoint ep[2] = { { .weight = 1 }, { .weight = 2 } };
	unsigned long live = shim_live;
	struct ksvc_alias alias[2];

	shim_fail_after = 1;
	expect(ksvc_alias_fill(alias, ep, 2) == -ENOMEM);
	expect(shim_live == live);
}

/* All hashes that a namespace could draw at the borders, and many others. */
static bool is_ever_chosen(const struct ksvc_net *kn, const char *to, const char *endpoint)
{
	const struct ksvc_endpoint *wanted = endpoint_in(lookup(kn, to), endpoint);
	const char *from = *to == '[' ? "2001:db8::1" : "192.0.2.1";
	bool chosen = false;
	u64 seed = 1;
	u32 i;

	fixed_hash = true;
	for (i = 0; i < 5000 && !chosen; i++) {
		flow_hash = i < 64 ? i << 26 : i < 128 ? (i << 26) - 1 : next_random(&seed);
		chosen = decide(kn, from, to, NULL).endpoint == wanted;
	}
	fixed_hash = false;
	return chosen;
}

static void weight_zero(void)
{
	struct ksvc_net *kn = net_new();
	const char *v4 = "10.96.0.1:80/tcp", *v6 = "[fd00::1]:80/tcp";

	put(kn, 0, KSVC_MODE_PUT, "a", "10.96.0.1:80/tcp [fd00::1]:80/tcp",
	    "10.0.0.1:80@0 10.0.0.2:80@3 10.0.0.3:80@0 10.0.0.4:80@1 10.0.0.5:80@2/- "
	    "[fd00::a]:80@0 [fd00::b]:80@1 [fd00::c]:80@65535 [fd00::d]:80@5/l");
	expect(!is_ever_chosen(kn, v4, "10.0.0.1:80"));
	expect(is_ever_chosen(kn, v4, "10.0.0.2:80"));
	expect(!is_ever_chosen(kn, v4, "10.0.0.3:80"));
	expect(is_ever_chosen(kn, v4, "10.0.0.4:80"));
	expect(!is_ever_chosen(kn, v4, "10.0.0.5:80"));
	expect(!is_ever_chosen(kn, v6, "[fd00::a]:80"));
	expect(is_ever_chosen(kn, v6, "[fd00::c]:80"));
	expect(!is_ever_chosen(kn, v6, "[fd00::d]:80"));
	expect(lookup(kn, v4)->sets[KSVC_CLUSTER][KSVC_V4].n == 2);
	expect(lookup(kn, v4)->sets[KSVC_CLUSTER][KSVC_V6].n == 2);
	net_free(kn);
}

static void no_alias(void)
{
	struct ksvc_net *kn = net_new();
	const struct ksvc_svc *svc;

	put(kn, 0, KSVC_MODE_PUT, "a", "10.96.0.1:80/tcp [fd00::1]:80/tcp",
	    "10.0.0.1:80@7 10.0.0.2:80@0 10.0.0.3:80@7 10.0.0.4:80@9/l "
	    "[fd00::a]:80@1 [fd00::b]:80@2");
	svc = lookup(kn, "10.96.0.1:80/tcp");
	expect(!svc->sets[KSVC_CLUSTER][KSVC_V4].alias && svc->sets[KSVC_CLUSTER][KSVC_V4].n == 2);
	expect(svc->sets[KSVC_CLUSTER][KSVC_V6].alias && svc->sets[KSVC_CLUSTER][KSVC_V6].n == 2);
	put(kn, 0, KSVC_MODE_PUT, "a", "10.96.0.1:80/tcp", "10.0.0.1:80@5");
	svc = lookup(kn, "10.96.0.1:80/tcp");
	expect(!svc->sets[KSVC_CLUSTER][KSVC_V4].alias && svc->sets[KSVC_CLUSTER][KSVC_V4].n == 1);
	expect(!svc->sets[KSVC_CLUSTER][KSVC_V6].n && !svc->sets[KSVC_CLUSTER][KSVC_V6].alias);
	net_free(kn);
}

const struct test select_tests[] = {
	{ "P7 even: each of 1 to 17, 1000 and 65535 endpoints is as likely", even },
	{ "P7 weights: every share is what the weights say", weighted },
	{ "P7 weights: an alias table of equals gives nothing away", alias_of_equals },
	{ "P7 weights: no memory for the alias table", alias_without_memory },
	{ "P7 weight 0, or not in the cluster set: never chosen", weight_zero },
	{ "P7 equal weights need no alias table, families apart", no_alias },
	{}
};
