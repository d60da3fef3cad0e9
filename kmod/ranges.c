// SPDX-License-Identifier: GPL-2.0
/*
 * Source ranges (F3): prefixes that do not cover each other, sorted by address,
 * so that the only one that can match is the last that does not begin behind
 * the address.
 */
#include "ksvc.h"

#include <linux/sort.h>
#include <linux/string.h>

static int by_address(const void *a, const void *b)
{
	const struct ksvc_prefix *x = a, *y = b;
	int differ;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	differ = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	return differ ?: x->length - y->length;
}

static int covered_last(const void *a, const void *b)
{
	const struct ksvc_prefix *x = a, *y = b;

	return x->covered != y->covered ? x->covered - y->covered : by_address(a, b);
}

/* Sorts them, finds those that others cover, and counts the rest in spec. */
void ksvc_ranges_arrange(struct ksvc_spec *spec)
{
	const struct ksvc_prefix *last = NULL;
	u32 i;

	memset(spec->open_ranges, 0, sizeof(spec->open_ranges));
	sort(spec->ranges, spec->n_ranges, sizeof(*spec->ranges), by_address, NULL);
	for (i = 0; i < spec->n_ranges; i++) {
		struct ksvc_prefix *p = &spec->ranges[i];

		p->covered = last && ksvc_prefix_match(last, p->family, &p->addr);
		if (p->covered)
			continue;
		last = p;
		spec->open_ranges[ksvc_family_index(p->family)]++;
	}
	sort(spec->ranges, spec->n_ranges, sizeof(*spec->ranges), covered_last, NULL);
}

/* Whether a service's load-balancer addresses are open to a source. */
bool ksvc_ranges_match(const struct ksvc_svc *svc, u8 family, const union nf_inet_addr *addr)
{
	u32 n = svc->open_ranges[ksvc_family_index(family)];
	const struct ksvc_prefix *p = svc->ranges;
	u32 low = 0, high = n;

	if (!n)
		return true;
	if (family == NFPROTO_IPV6)
		p += svc->open_ranges[KSVC_V4];
	while (low < high) {
		u32 middle = (low + high) / 2;

		if (memcmp(&p[middle].addr, addr, sizeof(*addr)) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && ksvc_prefix_match(&p[low - 1], family, addr);
}
