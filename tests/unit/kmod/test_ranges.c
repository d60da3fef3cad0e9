// SPDX-License-Identifier: GPL-2.0
/* F3: source ranges against brute force, and node ports kept out of masquerading. */
#include "test.h"

#include <linux/bitmap.h>
#include <linux/string.h>
#include <stdlib.h>

static u64 seed;

static u32 below(u32 n)
{
	return next_random(&seed) % n;
}

static bool bit_of(const union nf_inet_addr *addr, u32 i)
{
	return ((const u8 *)addr)[i / 8] >> (7 - i % 8) & 1;
}

static void change_bit(union nf_inet_addr *addr, u32 i)
{
	((u8 *)addr)[i / 8] ^= 0x80 >> i % 8;
}

/* Few that are far apart and many that differ in single bits. */
static union nf_inet_addr random_addr(bool v6)
{
	static const char *const near[] = {
		"10.0.0.0", "10.128.0.0", "0.0.0.0", "255.255.255.255",
		"fd00::", "::", "a00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};
	union nf_inet_addr addr = {};
	u32 i, n = below(4);
	u8 family;

	if (below(4)) {
		addr = addr_of(near[4 * v6 + below(4)], &family);
		for (i = 0; i < n; i++)
			change_bit(&addr, below(v6 ? 128 : 32));
		return addr;
	}
	for (i = 0; i < (v6 ? 4 : 1); i++)
		addr.all[i] = next_random(&seed);
	return addr;
}

static struct ksvc_prefix prefix_at(union nf_inet_addr addr, bool v6, u32 length)
{
	struct ksvc_prefix p = {
		.family = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4,
		.length = length,
		.covered = below(2),
	};
	u32 i;

	for (i = 0; i < length; i++)
		((u8 *)&p.mask)[i / 8] |= 0x80 >> i % 8;
	for (i = 0; i < 4; i++)
		p.addr.all[i] = addr.all[i] & p.mask.all[i];
	return p;
}

/* zero: lengths of 0 are wanted, now and then. */
static struct ksvc_prefix random_prefix(bool v6, bool zero)
{
	u32 bits = v6 ? 128 : 32, length = below(bits + 1);

	if (!below(4))
		length = bits - below(3);
	if (zero && !below(8))
		length = 0;
	else if (!length)
		length = 1;
	return prefix_at(random_addr(v6), v6, length);
}

/* Bit by bit, in the order in which they were given. */
static bool brute_force(const struct ksvc_prefix *p, u32 n, u8 family,
			const union nf_inet_addr *addr)
{
	bool any = false;
	u32 i, j;

	for (i = 0; i < n; i++) {
		if (p[i].family != family)
			continue;
		if (!p[i].length)
			return true;
		any = true;
		for (j = 0; j < p[i].length; j++)
			if (bit_of(&p[i].addr, j) != bit_of(addr, j))
				break;
		if (j == p[i].length)
			return true;
	}
	return !any;
}

/* An address at an edge of a prefix, inside or outside. */
static union nf_inet_addr edge_of(const struct ksvc_prefix *p)
{
	union nf_inet_addr addr = p->addr;
	u32 bits = p->family == NFPROTO_IPV6 ? 128 : 32, i;

	if (below(2))
		for (i = p->length; i < bits; i++)
			change_bit(&addr, i);
	if (p->length && below(2))
		change_bit(&addr, p->length - 1);
	if (below(2))
		change_bit(&addr, bits - 1);
	return addr;
}

/* As a version gets them. */
static void arrange(struct ksvc_svc *svc)
{
	struct ksvc_spec spec = { .ranges = svc->ranges, .n_ranges = svc->n_ranges };

	ksvc_ranges_arrange(&spec);
	memcpy(svc->open_ranges, spec.open_ranges, sizeof(svc->open_ranges));
}

static bool check_ranges(const struct ksvc_prefix *given, u32 n, u32 probes)
{
	struct ksvc_svc *svc = calloc(1, sizeof(*svc));
	u32 i, wrong = 0;

	svc->ranges = malloc(n * sizeof(*given));
	memcpy(svc->ranges, given, n * sizeof(*given));
	svc->n_ranges = n;
	arrange(svc);
	for (i = 0; i < probes && !wrong; i++) {
		const struct ksvc_prefix *p = n ? &given[below(n)] : NULL;
		union nf_inet_addr addr = random_addr(i & 1);
		u8 family = i & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;

		if (p && below(3)) {
			addr = edge_of(p);
			family = p->family;
		}
		wrong += ksvc_ranges_match(svc, family, &addr) !=
			 brute_force(given, n, family, &addr);
	}
	free(svc->ranges);
	free(svc);
	return !wrong;
}

static void against_brute_force(void)
{
	struct ksvc_prefix given[64];
	u32 round, i, n, wrong = 0;

	seed = 1;
	for (round = 0; round < 4000; round++) {
		u32 families = below(4);
		bool zero = !below(6);

		n = below(round % 2 ? 5 : ARRAY_SIZE(given));
		for (i = 0; i < n; i++) {
			given[i] = random_prefix(families < 2 ? families : below(2), zero);
			if (i && !below(8))
				given[i] = given[below(i)];
		}
		wrong += !check_ranges(given, n, 100);
	}
	expect(!wrong);
}

static void many(void)
{
	struct ksvc_prefix *given = calloc(KSVC_MAX_SOURCE_RANGES, sizeof(*given));
	union nf_inet_addr addr = {};
	u32 i;

	seed = 2;
	for (i = 0; i < KSVC_MAX_SOURCE_RANGES; i++)
		given[i] = prefix_at(random_addr(i & 1), i & 1, (i & 1 ? 100 : 20) + below(12));
	expect(check_ranges(given, KSVC_MAX_SOURCE_RANGES, 300));
	/* every second address; and then one prefix that covers half of them */
	for (i = 0; i < KSVC_MAX_SOURCE_RANGES; i++) {
		addr.ip = htonl(0x0a000000 + 2 * i);
		given[i] = prefix_at(addr, false, 32);
	}
	expect(check_ranges(given, KSVC_MAX_SOURCE_RANGES, 300));
	addr.ip = htonl(0x0a000000);
	given[7] = prefix_at(addr, false, 18);
	expect(check_ranges(given, KSVC_MAX_SOURCE_RANGES, 300));
	free(given);
}

static void edges(void)
{
	static const struct {
		const char *list, *in, *out;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
		{ "10.0.0.1/32", "10.0.0.1", "10.0.0.2" },
		{ "10.0.0.0/8 10.1.0.0/16 10.1.1.0/24", "10.2.0.1", "9.255.255.255" },
		{ "10.0.0.0/24 10.0.0.0/8 10.0.0.0/16", "10.0.1.0", "11.0.0.0" },
		{ "10.0.0.0/9 10.200.0.0/16", "10.200.0.1", "10.201.0.0" },
		{ "10.0.0.0/8 192.0.2.0/24", "192.0.2.9", "100.0.0.1" },
		{ "10.0.0.0/8 10.0.0.0/8", "10.0.0.1", "12.0.0.1" },
		{ "fd00::1/128", "fd00::1", "fd00::" },
		{ "fd00::/8 10.0.0.0/8", "fdff::", "a00::1" },
		{ "fd00::/8 a00::/8", "a00::1", "b00::1" },
		{ "10.0.0.0/8", "fd00::1", NULL },
		{ "fd00::/8", "10.0.0.1", NULL },
		{ "0.0.0.0/0 10.0.0.0/8", "192.0.2.1", NULL },
		{ "10.0.0.0/8 ::/0", "2001:db8::1", "192.0.2.1" },
		{ "fd00::/8 0.0.0.0/0", "192.0.2.1", "2001:db8::1" },
		{ "fd00::/8 ::/0", "2001:db8::1", NULL },
		{ "", "192.0.2.1", NULL },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ksvc_svc svc = { .ranges = ranges };
		union nf_inet_addr addr;
		u8 family;

		set_ranges(cases[i].list);
		svc.n_ranges = n_ranges;
		arrange(&svc);
		addr = addr_of(cases[i].in, &family);
		expect_for(cases[i].list, ksvc_ranges_match(&svc, family, &addr));
		if (!cases[i].out)
			continue;
		addr = addr_of(cases[i].out, &family);
		expect_for(cases[i].list, !ksvc_ranges_match(&svc, family, &addr));
	}
	n_ranges = 0;
}

/* In whatever order ranges are given, they are the same; others are not. */
static void same_ranges(void)
{
	struct ksvc_net *kn = net_new();
	const char *vip = "192.0.2.1:80/tcp=lb";

	set_ranges("10.0.0.0/8 10.1.0.0/16 fd00::/8 10.0.0.0/8");
	put(kn, 0, KSVC_MODE_PUT, "a", vip, "");
	set_ranges("fd00::/8 10.0.0.0/8 10.0.0.0/8 10.1.0.0/16");
	put(kn, 0, KSVC_MODE_PUT, "a", vip, "");
	/* as endpoints are put, ranges stay */
	put_endpoints(kn, 0, KSVC_MODE_PUT, "a", "10.0.0.1:80");
	expect(kn->generation == 3);
	expect(lookup(kn, "192.0.2.1:80/tcp")->n_ranges == 4);
	expect(decide(kn, "11.0.0.1", "192.0.2.1:80/tcp", NULL).rule == KSVC_RULE_F3);
	expect(decide(kn, "10.1.0.1", "192.0.2.1:80/tcp", NULL).rule == KSVC_RULE_X1);
	set_ranges("10.0.0.0/8 10.1.0.0/16 fd00::/8 10.0.0.0/9");
	put(kn, 0, KSVC_MODE_PUT, "a", vip, "10.0.0.1:80");
	expect(kn->generation == 4);
	set_ranges("");
	put(kn, 0, KSVC_MODE_PUT, "a", vip, "10.0.0.1:80");
	expect(kn->generation == 5);
	expect(decide(kn, "11.0.0.1", "192.0.2.1:80/tcp", NULL).rule == KSVC_RULE_X1);
	net_free(kn);
}

/* Ports */

static bool has_bit(const struct ksvc_net *kn, u32 port)
{
	return test_bit(port, kn->node_ports);
}

/* All ranges that hashes lead to. Returns the length of the shortest. */
static u32 check_avoid(const struct ksvc_net *kn, u32 hashes)
{
	u32 least = U32_MAX, i, port;
	u64 state = 7;

	for (i = 0; i < hashes; i++) {
		u32 hash = i < 4 ? i - 2 : next_random(&state);
		__be16 low = 0, high = 0;

		if (!ksvc_ports_avoid(kn, hash, &low, &high))
			return 0;
		if (!expect(ntohs(low) >= 1024 && ntohs(low) <= ntohs(high)))
			return 0;
		for (port = ntohs(low); port <= ntohs(high); port++)
			if (!expect(!has_bit(kn, port)))
				return 0;
		least = min(least, (u32)ntohs(high) - ntohs(low) + 1);
	}
	return least;
}

/* In place of all that was there. */
static void put_ports(struct ksvc_net *kn, u32 first, u32 last, u32 step)
{
	struct ksvc_front fronts[KSVC_MAX_FRONTENDS];
	char name[2] = "a";
	u32 n = 0;

	begin(kn, 1, KSVC_TXN_FLAGS_REPLACE);
	for (; first <= last; first += step) {
		fronts[n] = front_of("0.0.0.0:1/tcp=np");
		fronts[n++].key.port = htons(first);
		if (n < ARRAY_SIZE(fronts) && first + step <= last)
			continue;
		expect(!put_arrays(kn, 1, KSVC_MODE_PUT, name, fronts, n, NULL, 0));
		name[0]++;
		n = 0;
	}
	expect(!commit(kn, 1, NULL));
}

static void ports_avoided(void)
{
	struct ksvc_net *kn = net_new();
	__be16 low, high;

	expect(!ksvc_ports_avoid(kn, 1, &low, &high));
	put(kn, 0, KSVC_MODE_PUT, "z", "10.96.0.1:80/tcp", "");
	expect(!ksvc_ports_avoid(kn, 1, &low, &high));
	put_ports(kn, 30000, 32767, 10);
	expect(kn->n_node_ports == 277);
	expect(check_avoid(kn, 20000) >= 200);
	put_ports(kn, 30000, 32767, 1);
	expect(check_avoid(kn, 20000) >= 100);
	put_ports(kn, 1024, 65535, 64);
	expect(check_avoid(kn, 20000) >= 60);
	put_ports(kn, 65535, 65535, 1);
	expect(check_avoid(kn, 20000) >= 200);
	put_ports(kn, 1024, 1024, 1);
	expect(check_avoid(kn, 20000) >= 200);
	/* every second; the least that there can be is one port */
	put_ports(kn, 16384, 40000, 2);
	expect(check_avoid(kn, 20000) >= 1);
	put_ports(kn, 80, 80, 1);
	expect(check_avoid(kn, 1000) >= 200);
	del(kn, 0, "a");
	expect(!kn->n_node_ports && !ksvc_ports_avoid(kn, 1, &low, &high));
	net_free(kn);
}

/* Ranges for different hashes are different, or their ports would be crowded. */
static void ports_spread(void)
{
	static u32 used[65536];
	struct ksvc_net *kn = net_new();
	u32 i, port, never = 0, most = 0;
	u64 state = 3;

	put_ports(kn, 30000, 32767, 3);
	memset(used, 0, sizeof(used));
	for (i = 0; i < 20000; i++) {
		__be16 low = 0, high = 0;

		expect(ksvc_ports_avoid(kn, next_random(&state), &low, &high));
		for (port = ntohs(low); port <= ntohs(high); port++)
			used[port]++;
	}
	for (port = 1024; port < 65536; port++) {
		never += !used[port] && (port < 30000 || port > 32767);
		most = max(most, used[port]);
	}
	/* on average 20000 * 511 / 61744 = 165 */
	if (!expect(!never) || !expect(most < 4 * 165))
		diagnose("%u ports are never used, one %u times", never, most);
	net_free(kn);
}

/* One bit for all protocols and families: it goes with the last of them. */
static void port_bits(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, KSVC_MODE_PUT, "a", "0.0.0.0:30000/tcp=np 0.0.0.0:30000/udp=np "
	    "[::]:30000/sctp=np 0.0.0.0:30001/tcp=np 10.96.0.1:30002/tcp", "");
	expect(kn->n_node_ports == 4 && has_bit(kn, 30000) && has_bit(kn, 30001));
	expect(!has_bit(kn, 30002) && !has_bit(kn, 12405));	/* swapped */
	put(kn, 0, KSVC_MODE_PUT, "a", "[::]:30000/sctp=np", "");
	expect(kn->n_node_ports == 1 && has_bit(kn, 30000) && !has_bit(kn, 30001));
	/* it moves to another service, and the first goes */
	begin(kn, 1, 0);
	put(kn, 1, KSVC_MODE_PUT, "b", "[::]:30000/sctp=np 0.0.0.0:65535/tcp=np", "");
	del(kn, 1, "a");
	expect(!commit(kn, 1, NULL));
	expect(kn->n_node_ports == 2 && has_bit(kn, 30000) && has_bit(kn, 65535));
	/* two services with one port each, of different protocols */
	put(kn, 0, KSVC_MODE_PUT, "c", "[::]:30000/tcp=np", "");
	del(kn, 0, "b");
	expect(kn->n_node_ports == 1 && has_bit(kn, 30000) && !has_bit(kn, 65535));
	del(kn, 0, "c");
	expect(!kn->n_node_ports && !has_bit(kn, 30000) && !kn->n_vips);
	net_free(kn);
}

const struct test ranges_tests[] = {
	{ "F3 ranges: nested, repeated, of both families, of length 0", edges },
	{ "F3 ranges: random ones, against brute force", against_brute_force },
	{ "F3 ranges: 16384 of them", many },
	{ "F3 ranges: their order makes no difference", same_ranges },
	{ "ports: masquerading keeps away from node ports", ports_avoided },
	{ "ports: the ranges that remain are used evenly", ports_spread },
	{ "ports: those of all services, protocols and families", port_bits },
	{}
};
