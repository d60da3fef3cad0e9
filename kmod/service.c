// SPDX-License-Identifier: GPL-2.0
/* Service versions: built from a description, compared, freed. */
#include "ksvc.h"

#include <linux/bsearch.h>
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

/* Most cells of one per-CPU allocation: what surely fits the allocator's unit. */
#define SEGMENT_MAX	512

/* Returns NULL without memory; freed with its last reference, one of which the
 * caller gets.
 */
struct ksvc_ident *ksvc_ident_alloc(const char *name, u32 len)
{
	struct ksvc_ident *ident;

	ident = kzalloc(struct_size(ident, name, len + 1), GFP_KERNEL_ACCOUNT);
	if (!ident)
		return NULL;
	refcount_set(&ident->refs, 1);
	memcpy(ident->name, name, len);
	return ident;
}

/* In any context: versions drop theirs after a grace period. */
void ksvc_ident_put(struct ksvc_ident *ident)
{
	u32 i;

	if (!refcount_dec_and_test(&ident->refs))
		return;
	for (i = 0; i < ident->n_segments; i++)
		free_percpu(ident->segments[i].cells);
	kfree(ident->segments);
	kfree(ident);
}

/* Cells never move, so that packets can hold their addresses; more come as
 * further segments.
 */
static int cells_grow(struct ksvc_ident *ident, u32 wanted)
{
	while (ident->n_cells < wanted) {
		struct ksvc_segment *segments;
		struct ksvc_segment add;

		add.n = min_t(u32, wanted - ident->n_cells, SEGMENT_MAX);
		if (ident->n_segments)
			add.n = max(add.n, min_t(u32, ident->n_cells, SEGMENT_MAX));
		add.cells = __alloc_percpu_gfp(add.n * sizeof(u64), sizeof(u64),
					       GFP_KERNEL_ACCOUNT);
		if (!add.cells)
			return -ENOMEM;
		segments = krealloc(ident->segments,
				    (ident->n_segments + 1) * sizeof(*segments),
				    GFP_KERNEL_ACCOUNT);
		if (!segments) {
			free_percpu(add.cells);
			return -ENOMEM;
		}
		segments[ident->n_segments++] = add;
		ident->segments = segments;
		ident->n_cells += add.n;
	}
	return 0;
}

static u64 __percpu *cell(const struct ksvc_ident *ident, u32 slot)
{
	const struct ksvc_segment *s = ident->segments;

	for (; slot >= s->n; s++)
		slot -= s->n;
	return s->cells + slot;
}

u64 ksvc_connections(const u64 __percpu *cells)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(cells, cpu));
	return sum;
}

static bool usable(const struct ksvc_endpoint *ep)
{
	return ep->weight && ep->flags & KSVC_ENDPOINT_FLAGS_CLUSTER;
}

/* Order and identity of endpoints: family, address, port. */
int ksvc_endpoint_cmp(const void *a, const void *b)
{
	const struct ksvc_endpoint *x = a, *y = b;
	int differ;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	differ = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	return differ ?: memcmp(&x->port, &y->port, sizeof(x->port));
}

/* Order in a version: in each family those that may be chosen first. */
static int version_cmp(const void *a, const void *b)
{
	const struct ksvc_endpoint *x = a, *y = b;

	if (x->family == y->family && usable(x) != usable(y))
		return usable(x) ? -1 : 1;
	return ksvc_endpoint_cmp(a, b);
}

static const struct ksvc_endpoint *find_endpoint(const struct ksvc_svc *svc,
						 struct ksvc_endpoint key)
{
	const struct ksvc_endpoint *ep;

	ep = bsearch(&key, svc->endpoints, svc->n_endpoints, sizeof(key), version_cmp);
	if (ep)
		return ep;
	/* It may have changed from usable to not, or back. */
	if (usable(&key)) {
		key.weight = 0;
	} else {
		key.weight = 1;
		key.flags |= KSVC_ENDPOINT_FLAGS_CLUSTER;
	}
	return bsearch(&key, svc->endpoints, svc->n_endpoints, sizeof(key), version_cmp);
}

/* Endpoints that the version in force has keep their counters, new ones get
 * cells that it does not use.
 */
static int assign_cells(struct ksvc_svc *svc)
{
	const struct ksvc_svc *old = svc->ident->svc;
	struct ksvc_ident *ident = svc->ident;
	unsigned long *used;
	u32 i, slot = 0, taken = 0;
	int err;

	for (i = 0; i < svc->n_endpoints; i++) {
		struct ksvc_endpoint *ep = &svc->endpoints[i];
		const struct ksvc_endpoint *was = old ? find_endpoint(old, *ep) : NULL;

		ep->connections = was ? was->connections : NULL;
		ep->slot = was ? was->slot : 0;
		ep->base = was ? was->base : 0;
		taken += was ? 0 : 1;
	}
	err = cells_grow(ident, 1 + taken + (old ? old->n_endpoints : 0));
	if (err)
		return err;
	used = kvcalloc(BITS_TO_LONGS(ident->n_cells), sizeof(*used), GFP_KERNEL);
	if (!used)
		return -ENOMEM;
	__set_bit(0, used);
	for (i = 0; old && i < old->n_endpoints; i++)
		__set_bit(old->endpoints[i].slot, used);
	for (i = 0; i < svc->n_endpoints; i++) {
		struct ksvc_endpoint *ep = &svc->endpoints[i];

		if (ep->connections)
			continue;
		slot = find_next_zero_bit(used, ident->n_cells, slot + 1);
		ep->slot = slot;
		ep->connections = cell(ident, slot);
		ep->base = ksvc_connections(ep->connections);
	}
	kvfree(used);
	svc->connections = cell(ident, 0);
	return 0;
}

static int fill_set(struct ksvc_svc *svc, u8 family)
{
	struct ksvc_set *set = &svc->cluster[ksvc_family_index(family)];
	const struct ksvc_endpoint *first;
	bool even = true;
	u32 i;

	for (i = 0; i < svc->n_endpoints && svc->endpoints[i].family != family; i++)
		;
	set->first = i;
	first = &svc->endpoints[i];
	for (; i < svc->n_endpoints && svc->endpoints[i].family == family &&
	       usable(&svc->endpoints[i]); i++) {
		set->n++;
		even &= svc->endpoints[i].weight == first->weight;
	}
	if (even)
		return 0;
	set->alias = kvmalloc_array(set->n, sizeof(*set->alias), GFP_KERNEL_ACCOUNT);
	return set->alias ? ksvc_alias_fill(set->alias, first, set->n) : -ENOMEM;
}

/* A version of ident, ready to be published, or an error pointer (-ENOMEM).
 * Copies both arrays. frontends is sorted; endpoints is without duplicates.
 */
struct ksvc_svc *ksvc_svc_build(struct ksvc_ident *ident, const struct ksvc_key *frontends,
				u32 n_frontends, const struct ksvc_endpoint *endpoints,
				u32 n_endpoints)
{
	struct ksvc_svc *svc;
	int err;

	svc = kvzalloc(struct_size(svc, endpoints, n_endpoints) +
		       array_size(n_frontends, sizeof(*frontends)), GFP_KERNEL_ACCOUNT);
	if (!svc)
		return ERR_PTR(-ENOMEM);
	refcount_inc(&ident->refs);
	svc->ident = ident;
	svc->n_frontends = n_frontends;
	svc->n_endpoints = n_endpoints;
	svc->frontends = (struct ksvc_key *)&svc->endpoints[n_endpoints];
	memcpy(svc->frontends, frontends, n_frontends * sizeof(*frontends));
	memcpy(svc->endpoints, endpoints, n_endpoints * sizeof(*endpoints));
	sort(svc->endpoints, n_endpoints, sizeof(*endpoints), version_cmp, NULL);

	err = assign_cells(svc);
	if (!err)
		err = fill_set(svc, NFPROTO_IPV4);
	if (!err)
		err = fill_set(svc, NFPROTO_IPV6);
	if (err) {
		ksvc_svc_free(svc);
		return ERR_PTR(err);
	}
	return svc;
}

/* Whether packets could not tell one from the other. */
bool ksvc_svc_equal(const struct ksvc_svc *a, const struct ksvc_svc *b)
{
	u32 i;

	if (a->n_frontends != b->n_frontends || a->n_endpoints != b->n_endpoints ||
	    memcmp(a->frontends, b->frontends, a->n_frontends * sizeof(*a->frontends)))
		return false;
	for (i = 0; i < a->n_endpoints; i++) {
		const struct ksvc_endpoint *x = &a->endpoints[i], *y = &b->endpoints[i];

		if (ksvc_endpoint_cmp(x, y) || x->weight != y->weight || x->flags != y->flags)
			return false;
	}
	return true;
}

/* One that was never published, or after its grace period. */
void ksvc_svc_free(struct ksvc_svc *svc)
{
	u32 i;

	for (i = 0; i < KSVC_FAMILIES; i++)
		kvfree(svc->cluster[i].alias);
	ksvc_ident_put(svc->ident);
	kvfree(svc);
}

static void svc_rcu(struct rcu_head *head)
{
	ksvc_svc_free(container_of(head, struct ksvc_svc, rcu));
}

/* One that packets may still be using. */
void ksvc_svc_free_rcu(struct ksvc_svc *svc)
{
	call_rcu(&svc->rcu, svc_rcu);
}
