// SPDX-License-Identifier: GPL-2.0
/*
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): each endpoint fills
 * the table in an order of its own, in turns as often as its weight wants. The
 * table depends on the addresses, ports and weights alone, and the hashes on
 * constants, so that all nodes agree.
 */
#include "ksvc.h"

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/sort.h>

static const u32 sizes[] = { 4093, 16381, 65537, 262139, 1048573 };

static const siphash_key_t offset_key = { { 0x6b737663206f6666, 0x7365740000000001 } };
static const siphash_key_t skip_key = { { 0x6b73766320736b69, 0x7000000000000002 } };
static const siphash_key_t flow_key = { { 0x6b73766320666c6f, 0x7700000000000003 } };

bool ksvc_maglev_valid(u32 size)
{
	u32 i;

	if (size < 2 || size > KSVC_MAX_MAGLEV_SIZE)
		return false;
	for (i = 2; i * i <= size; i++)
		if (size % i == 0)
			return false;
	return true;
}

u32 ksvc_maglev_size(u32 wanted, u32 n)
{
	u32 i;

	for (i = 0; !wanted && i < ARRAY_SIZE(sizes) - 1; i++)
		if (sizes[i] / 600 >= n)
			break;
	return wanted ?: sizes[i];
}

static u64 hash_endpoint(const struct ksvc_endpoint *ep, const siphash_key_t *key)
{
	struct {
		union nf_inet_addr addr;
		__be16 port;
		u8 zero[6];
	} what = { .addr = ep->addr, .port = ep->port };

	return siphash(&what, sizeof(what), key);
}

u32 ksvc_maglev_hash(const struct nf_conntrack_tuple *tuple)
{
	struct {
		union nf_inet_addr from, to;
		__be16 sport, dport;
		u8 protocol;
		u8 zero[3];
	} what = {
		.from = tuple->src.u3,
		.to = tuple->dst.u3,
		.sport = tuple->src.u.all,
		.dport = tuple->dst.u.all,
		.protocol = tuple->dst.protonum,
	};

	return siphash(&what, sizeof(what), &flow_key);
}

struct filler {
	const struct ksvc_endpoint *ep;
	u32 next, skip;
	u64 credit;
};

static int by_endpoint(const void *a, const void *b)
{
	const struct filler *x = a, *y = b;

	return ksvc_endpoint_cmp(x->ep, y->ep);
}

static void take_one(u16 *table, unsigned long *taken, u32 size, struct filler *f, u16 index)
{
	while (__test_and_set_bit(f->next, taken))
		f->next = (f->next + f->skip) % size;
	table[f->next] = index;
}

/* Fills table, of a prime size, with indices into ep, whose weights are not 0.
 * Returns 0 or -ENOMEM.
 */
int ksvc_maglev_fill(u16 *table, u32 size, const struct ksvc_endpoint *ep, u32 n)
{
	unsigned long *taken = kvcalloc(BITS_TO_LONGS(size), sizeof(*taken), GFP_KERNEL);
	struct filler *fillers = kvmalloc_array(n, sizeof(*fillers), GFP_KERNEL);
	u32 i, filled = 0;
	u64 sum = 0;
	int err = 0;

	if (!taken || !fillers) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < n; i++) {
		fillers[i].ep = &ep[i];
		fillers[i].next = hash_endpoint(&ep[i], &offset_key) % size;
		fillers[i].skip = hash_endpoint(&ep[i], &skip_key) % (size - 1) + 1;
		fillers[i].credit = 0;
		sum += ep[i].weight;
	}
	/* The set's order differs between nodes, as what is local does. */
	sort(fillers, n, sizeof(*fillers), by_endpoint, NULL);
	/* On average one entry for each endpoint and round. */
	for (i = 0; filled < size; i = i + 1 < n ? i + 1 : 0) {
		struct filler *f = &fillers[i];

		f->credit += (u64)f->ep->weight * n;
		for (; f->credit >= sum && filled < size; f->credit -= sum, filled++)
			take_one(table, taken, size, f, f->ep - ep);
		if (!i)
			cond_resched();
	}
out:
	kvfree(fillers);
	kvfree(taken);
	return err;
}
