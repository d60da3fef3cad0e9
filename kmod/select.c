// SPDX-License-Identifier: GPL-2.0
/* Which endpoint of a set a hash stands for. */
#include "ksvc.h"

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>

/* Vose's alias method in whole numbers: entry i keeps the share
 * weight[i] * n / sum of its cell, up to the whole cell, and what is left of
 * the cell goes to one heavier entry. Weights are not 0. Returns 0 or -ENOMEM.
 */
int ksvc_alias_fill(struct ksvc_alias *alias, const struct ksvc_endpoint *ep, u32 n)
{
	u32 small = 0, large = n, i;
	u64 *share, sum = 0;
	u32 *stack;

	share = kvmalloc_array(n, sizeof(*share) + sizeof(*stack), GFP_KERNEL);
	if (!share)
		return -ENOMEM;
	stack = (u32 *)(share + n);

	for (i = 0; i < n; i++)
		sum += ep[i].weight;
	/* Lighter entries from the bottom, heavier ones from the top. */
	for (i = 0; i < n; i++) {
		share[i] = (u64)ep[i].weight * n;
		alias[i].threshold = U32_MAX;
		alias[i].other = i;
		if (share[i] < sum)
			stack[small++] = i;
		else
			stack[--large] = i;
	}
	while (small && large < n) {
		u32 less = stack[--small];
		u32 more = stack[large];

		/* share < sum < 2^32, so that the quotient fits */
		alias[less].threshold = div64_u64(share[less] << 32, sum);
		alias[less].other = more;
		share[more] -= sum - share[less];
		if (share[more] < sum) {
			large++;
			stack[small++] = more;
		}
	}
	kvfree(share);
	return 0;
}

/* The upper bits of hash * n choose the cell, the lower ones the part of it.
 * The set is not empty. Returns an index into the version's endpoints.
 */
u32 ksvc_alias_select(const struct ksvc_set *set, u32 hash)
{
	u64 point = (u64)hash * set->n;
	u32 cell = point >> 32;

	if (set->alias && (u32)point >= set->alias[cell].threshold)
		cell = set->alias[cell].other;
	return set->first + cell;
}
