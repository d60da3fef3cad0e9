// SPDX-License-Identifier: GPL-2.0
/* Schedulers: which endpoint of a set a new connection gets. */
#include "ksvc.h"

#include <linux/gcd.h>
#include <linux/mm.h>
#include <linux/slab.h>

static bool is_even(const struct ksvc_endpoint *ep, u32 n)
{
	u32 i;

	for (i = 1; i < n; i++)
		if (ep[i].weight != ep[0].weight)
			return false;
	return true;
}

static int prepare_alias(struct ksvc_set *set, const struct ksvc_endpoint *ep)
{
	if (is_even(ep, set->n))
		return 0;
	set->alias = kvmalloc_array(set->n, sizeof(*set->alias), GFP_KERNEL_ACCOUNT);
	return set->alias ? ksvc_alias_fill(set->alias, ep, set->n) : -ENOMEM;
}

/* How unevenly turns of that stride lie in a round: the largest number in the
 * continued fraction of both; U32_MAX with a common divisor.
 */
static u32 unevenness(u32 sum, u32 stride)
{
	u32 most = 0, rest;

	for (; stride; sum = stride, stride = rest) {
		most = max(most, sum / stride);
		rest = sum % stride;
	}
	return sum == 1 ? most : U32_MAX;
}

/* Without a common divisor, turns visit each place of a round once; near the
 * golden section, those that follow each other are far apart.
 */
static u32 find_stride(u32 sum)
{
	u32 stride = max_t(u32, 1, ((u64)sum * 0x9e3779b9) >> 32);
	u32 least = U32_MAX, best = 1, i;

	for (i = 0; least > 3 && i < 64 && stride <= sum; i++, stride++) {
		u32 now = unevenness(sum, stride);

		if (now >= least)
			continue;
		least = now;
		best = stride;
	}
	return best;
}

/* A turn is a place in the sum of the weights, one stride after the last. */
static int prepare_wrr(struct ksvc_set *set, const struct ksvc_endpoint *ep)
{
	u32 divisor = 0, sum = 0, i;

	set->sums = kvmalloc_array(set->n, sizeof(*set->sums), GFP_KERNEL_ACCOUNT);
	if (!set->sums)
		return -ENOMEM;
	for (i = 0; i < set->n; i++)
		divisor = gcd(divisor, ep[i].weight);
	for (i = 0; i < set->n; i++) {
		sum += ep[i].weight / divisor;
		set->sums[i] = sum;
	}
	set->size = sum;
	set->stride = find_stride(sum);
	return 0;
}

static int prepare_maglev(struct ksvc_set *set, const struct ksvc_endpoint *ep, u32 wanted)
{
	set->size = ksvc_maglev_size(wanted, set->n);
	set->maglev = kvmalloc_array(set->size, sizeof(*set->maglev), GFP_KERNEL_ACCOUNT);
	return set->maglev ? ksvc_maglev_fill(set->maglev, set->size, ep, set->n) : -ENOMEM;
}

/* What the service's scheduler needs of a set; freed with the version, also on
 * failure. Returns 0 or -ENOMEM.
 */
int ksvc_schedule_prepare(const struct ksvc_svc *svc, struct ksvc_set *set)
{
	const struct ksvc_endpoint *ep = &svc->endpoints[set->first];

	if (!set->n)
		return 0;
	switch (svc->features.scheduler) {
	case KSVC_SCHEDULER_RANDOM:
	case KSVC_SCHEDULER_SH:
		return prepare_alias(set, ep);
	case KSVC_SCHEDULER_WRR:
		return prepare_wrr(set, ep);
	case KSVC_SCHEDULER_MAGLEV:
		return prepare_maglev(set, ep, svc->features.maglev_size);
	}
	return 0;
}

static u32 next_turn(struct ksvc_ident *ident, bool peek)
{
	return peek ? atomic_read(&ident->turn) : atomic_inc_return(&ident->turn) - 1;
}

static u32 schedule_wrr(const struct ksvc_set *set, u32 turn)
{
	u32 place = (u64)turn * set->stride % set->size;
	u32 low = 0, high = set->n - 1;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (set->sums[middle] <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return set->first + low;
}

static u64 active(const struct ksvc_svc *svc, u32 index)
{
	return atomic_read(&svc->slots[index].load->active);
}

/* Of equals the one that a hash names, or all would go to the first. */
static u32 schedule_lc(const struct ksvc_svc *svc, const struct ksvc_set *set, u32 hash)
{
	u32 start = ((u64)hash * set->n) >> 32, best = set->first + start, i;

	for (i = 1; i < set->n; i++) {
		u32 at = start + i < set->n ? start + i : start + i - set->n;
		u32 other = set->first + at;

		if (active(svc, other) * svc->endpoints[best].weight <
		    active(svc, best) * svc->endpoints[other].weight)
			best = other;
	}
	return best;
}

/* The index of an endpoint of a set that is not empty. With peek, what the next
 * call will say.
 */
u32 ksvc_schedule(const struct ksvc_svc *svc, const struct ksvc_set *set,
		  const struct nf_conntrack_tuple *tuple, bool peek)
{
	switch (svc->features.scheduler) {
	case KSVC_SCHEDULER_RR:
		return set->first + next_turn(svc->ident, peek) % set->n;
	case KSVC_SCHEDULER_WRR:
		return schedule_wrr(set, next_turn(svc->ident, peek));
	case KSVC_SCHEDULER_LC:
		return schedule_lc(svc, set, ksvc_flow_hash(tuple));
	case KSVC_SCHEDULER_SH:
		return ksvc_alias_select(set, ksvc_client_hash(tuple));
	case KSVC_SCHEDULER_MAGLEV:
		return set->first + set->maglev[((u64)ksvc_maglev_hash(tuple) * set->size) >> 32];
	default:
		return ksvc_alias_select(set, ksvc_flow_hash(tuple));
	}
}
