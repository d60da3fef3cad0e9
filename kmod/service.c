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
	for (i = 0; i < ident->n_segments; i++) {
		free_percpu(ident->segments[i].cells);
		kvfree(ident->segments[i].loads);
	}
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
		struct ksvc_segment add = {};

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

static struct ksvc_segment *segment_of(const struct ksvc_ident *ident, u32 *slot)
{
	struct ksvc_segment *s = ident->segments;

	for (; *slot >= s->n; s++)
		*slot -= s->n;
	return s;
}

static u64 __percpu *cell(const struct ksvc_ident *ident, u32 slot)
{
	const struct ksvc_segment *s = segment_of(ident, &slot);

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

/* Sets are runs of a version's endpoints: the cluster set those of the first
 * two ranks, the local set those of the second and the third. Of the last rank
 * are those that get no new connections.
 */
enum { CLUSTER_ONLY, BOTH, LOCAL_ONLY, NEITHER, RANKS };

static unsigned int rank(const struct ksvc_endpoint *ep)
{
	bool cluster = ep->flags & KSVC_ENDPOINT_FLAGS_CLUSTER;

	if (ep->weight && ep->flags & KSVC_ENDPOINT_FLAGS_LOCAL)
		return cluster ? BOTH : LOCAL_ONLY;
	return ep->weight && cluster ? CLUSTER_ONLY : NEITHER;
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

static int version_cmp(const void *a, const void *b)
{
	const struct ksvc_endpoint *x = a, *y = b;

	if (x->family == y->family && rank(x) != rank(y))
		return rank(x) < rank(y) ? -1 : 1;
	return ksvc_endpoint_cmp(a, b);
}

/* They mostly come in order. */
void ksvc_endpoints_sort(struct ksvc_endpoint *ep, u32 n, int (*cmp)(const void *, const void *))
{
	u32 i = 1;

	while (i < n && cmp(&ep[i - 1], &ep[i]) <= 0)
		i++;
	if (i < n)
		sort(ep, n, sizeof(*ep), cmp, NULL);
}

/* The endpoint with the address and the port of key, or NULL. */
const struct ksvc_endpoint *ksvc_svc_find(const struct ksvc_svc *svc,
					  const struct ksvc_endpoint *key)
{
	static const u8 flags[RANKS] = {
		[CLUSTER_ONLY]	= KSVC_ENDPOINT_FLAGS_CLUSTER,
		[BOTH]		= KSVC_ENDPOINT_FLAGS_CLUSTER | KSVC_ENDPOINT_FLAGS_LOCAL,
		[LOCAL_ONLY]	= KSVC_ENDPOINT_FLAGS_LOCAL,
	};
	struct ksvc_endpoint wanted = *key;
	const struct ksvc_endpoint *ep = NULL;
	unsigned int i;

	wanted.weight = 1;
	for (i = 0; i < RANKS && !ep; i++) {
		wanted.flags = flags[i];
		ep = bsearch(&wanted, svc->endpoints, svc->n_endpoints, sizeof(wanted),
			     version_cmp);
	}
	return ep;
}

/* The endpoint that was born with that slot, or NULL. Under RCU. */
const struct ksvc_endpoint *ksvc_svc_by_slot(const struct ksvc_svc *svc, u32 slot, u32 born)
{
	const struct ksvc_endpoint *ep;
	u32 index;

	index = slot < svc->n_slots ? svc->by_slot[slot] : 0;
	if (!index)
		return NULL;
	ep = &svc->endpoints[index - 1];
	return svc->slots[index - 1].born == born ? ep : NULL;
}

static atomic_t births = ATOMIC_INIT(0);

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
		const struct ksvc_endpoint *was = old ? ksvc_svc_find(old, ep) : NULL;

		ep->connections = was ? was->connections : NULL;
		if (was)
			svc->slots[i] = *ksvc_slot(old, was);
		else
			svc->slots[i].born = atomic_inc_return(&births);
		svc->slots[i].load = NULL;
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
		__set_bit(old->slots[i].slot, used);
	for (i = 0; i < svc->n_endpoints; i++) {
		struct ksvc_endpoint *ep = &svc->endpoints[i];

		if (ep->connections)
			continue;
		slot = find_next_zero_bit(used, ident->n_cells, slot + 1);
		ep->connections = cell(ident, slot);
		svc->slots[i].slot = slot;
		svc->slots[i].base = ksvc_connections(ep->connections);
	}
	kvfree(used);
	svc->connections = cell(ident, 0);
	return 0;
}

/* The counters of live connections; those of endpoints that are new start at 0. */
static int assign_loads(struct ksvc_svc *svc)
{
	const struct ksvc_svc *old = svc->ident->svc;
	bool fresh = !old || old->features.scheduler != KSVC_SCHEDULER_LC;
	u32 i;

	for (i = 0; i < svc->n_endpoints; i++) {
		struct ksvc_slot *is = &svc->slots[i];
		u32 slot = is->slot;
		struct ksvc_segment *s = segment_of(svc->ident, &slot);

		if (!s->loads)
			s->loads = kvcalloc(s->n, sizeof(*s->loads), GFP_KERNEL_ACCOUNT);
		if (!s->loads)
			return -ENOMEM;
		is->load = &s->loads[slot];
		if (fresh || !ksvc_svc_by_slot(old, is->slot, is->born))
			atomic_set(&is->load->active, 0);
	}
	return 0;
}

static int index_slots(struct ksvc_svc *svc)
{
	u32 i, n = svc->ident->n_cells;

	svc->by_slot = kvcalloc(n, sizeof(*svc->by_slot), GFP_KERNEL_ACCOUNT);
	if (!svc->by_slot)
		return -ENOMEM;
	svc->n_slots = n;
	for (i = 0; i < svc->n_endpoints; i++)
		svc->by_slot[svc->slots[i].slot] = i + 1;
	return 0;
}

static int fill_sets(struct ksvc_svc *svc, u8 family)
{
	struct ksvc_set *cluster = &svc->sets[KSVC_CLUSTER][ksvc_family_index(family)];
	struct ksvc_set *local = &svc->sets[KSVC_LOCAL][ksvc_family_index(family)];
	bool *serves = &svc->serves[ksvc_family_index(family)];
	u32 n[RANKS] = {}, i, first = 0;

	for (i = 0; i < svc->n_endpoints; i++) {
		const struct ksvc_endpoint *ep = &svc->endpoints[i];

		if (ep->family != family) {
			first += ep->family < family;
			continue;
		}
		n[rank(ep)]++;
		*serves |= !(ep->flags & KSVC_ENDPOINT_FLAGS_NOT_SERVING);
	}
	cluster->first = first;
	cluster->n = n[CLUSTER_ONLY] + n[BOTH];
	local->first = first + n[CLUSTER_ONLY];
	local->n = n[BOTH] + n[LOCAL_ONLY];
	return ksvc_schedule_prepare(svc, cluster) ?: ksvc_schedule_prepare(svc, local);
}

/* Affinity's records go on for as long as affinity does. */
static u64 affinity_owner(const struct ksvc_svc *svc)
{
	const struct ksvc_svc *old = svc->ident->svc;

	if (!svc->features.affinity)
		return 0;
	return old && old->affinity_owner ? old->affinity_owner : ksvc_affinity_new_owner();
}

static int prepare(struct ksvc_svc *svc)
{
	int err = assign_cells(svc);

	svc->affinity_owner = affinity_owner(svc);
	if (!err && (svc->affinity_owner || svc->features.scheduler == KSVC_SCHEDULER_LC))
		err = index_slots(svc);
	if (!err && svc->features.scheduler == KSVC_SCHEDULER_LC)
		err = assign_loads(svc);
	return err ?: fill_sets(svc, NFPROTO_IPV4) ?: fill_sets(svc, NFPROTO_IPV6);
}

/* A version of ident, ready to be published, or an error pointer (-ENOMEM).
 * Copies what spec describes: frontends sorted, endpoints without duplicates,
 * ranges arranged.
 */
struct ksvc_svc *ksvc_svc_build(struct ksvc_ident *ident, const struct ksvc_spec *spec)
{
	struct ksvc_svc *svc;
	int err;

	svc = kvzalloc(struct_size(svc, endpoints, spec->n_endpoints) +
		       array_size(spec->n_endpoints, sizeof(*svc->slots)) +
		       array_size(spec->n_frontends, sizeof(*spec->frontends)) +
		       array_size(spec->n_ranges, sizeof(*spec->ranges)), GFP_KERNEL_ACCOUNT);
	if (!svc)
		return ERR_PTR(-ENOMEM);
	refcount_inc(&ident->refs);
	svc->ident = ident;
	svc->features = spec->features;
	svc->n_frontends = spec->n_frontends;
	svc->n_endpoints = spec->n_endpoints;
	svc->n_ranges = spec->n_ranges;
	memcpy(svc->open_ranges, spec->open_ranges, sizeof(svc->open_ranges));
	svc->slots = (struct ksvc_slot *)&svc->endpoints[spec->n_endpoints];
	svc->frontends = (struct ksvc_front *)&svc->slots[spec->n_endpoints];
	svc->ranges = (struct ksvc_prefix *)&svc->frontends[spec->n_frontends];
	memcpy(svc->frontends, spec->frontends, spec->n_frontends * sizeof(*spec->frontends));
	memcpy(svc->ranges, spec->ranges, spec->n_ranges * sizeof(*spec->ranges));
	memcpy(svc->endpoints, spec->endpoints, spec->n_endpoints * sizeof(*spec->endpoints));
	ksvc_endpoints_sort(svc->endpoints, spec->n_endpoints, version_cmp);

	err = prepare(svc);
	if (err) {
		ksvc_svc_free(svc);
		return ERR_PTR(err);
	}
	return svc;
}

bool ksvc_endpoints_equal(const struct ksvc_svc *a, const struct ksvc_svc *b)
{
	u32 i;

	if (a->n_endpoints != b->n_endpoints)
		return false;
	for (i = 0; i < a->n_endpoints; i++) {
		const struct ksvc_endpoint *x = &a->endpoints[i], *y = &b->endpoints[i];

		if (ksvc_endpoint_cmp(x, y) || x->weight != y->weight || x->flags != y->flags)
			return false;
	}
	return true;
}

static bool has_endpoints(const struct ksvc_svc *svc, const struct ksvc_spec *spec)
{
	u32 i;

	for (i = 0; i < spec->n_endpoints; i++) {
		const struct ksvc_endpoint *ep = &spec->endpoints[i], *is = &svc->endpoints[i];

		/* Their order is another one where they are in several sets. */
		if (ksvc_endpoint_cmp(is, ep))
			is = ksvc_svc_find(svc, ep);
		if (!is || is->weight != ep->weight || is->flags != ep->flags)
			return false;
	}
	return true;
}

/* Whether the version is what spec, which is sorted, describes. */
bool ksvc_svc_is(const struct ksvc_svc *svc, const struct ksvc_spec *spec)
{
	return svc->n_frontends == spec->n_frontends && svc->n_ranges == spec->n_ranges &&
	       svc->n_endpoints == spec->n_endpoints &&
	       !memcmp(&svc->features, &spec->features, sizeof(svc->features)) &&
	       !memcmp(svc->frontends, spec->frontends,
		       spec->n_frontends * sizeof(*spec->frontends)) &&
	       !memcmp(svc->ranges, spec->ranges, spec->n_ranges * sizeof(*spec->ranges)) &&
	       has_endpoints(svc, spec);
}

/* One that was never published, or after its grace period. */
void ksvc_svc_free(struct ksvc_svc *svc)
{
	u32 i;

	for (i = 0; i < KSVC_FAMILIES; i++) {
		kvfree(svc->sets[KSVC_CLUSTER][i].data);
		kvfree(svc->sets[KSVC_LOCAL][i].data);
	}
	kvfree(svc->by_slot);
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
