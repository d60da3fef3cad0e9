// SPDX-License-Identifier: GPL-2.0
/* The hash of frontends, its resizing under readers, prefix lists, names. */
#include "test.h"

#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES	10000

/* Keys that differ in as little as can be: families, ports, protocols. */
static struct ksvc_key numbered_key(u32 i)
{
	static const u8 protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct ksvc_key key = {
		.port = htons(1 + i / 6 % 4),
		.protocol = protocols[i % 3],
		.family = i / 3 % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4,
	};

	key.addr.ip = htonl(0x0a000000 + i / 24);
	return key;
}

static struct ksvc_table *filled_table(struct ksvc_frontend *entries)
{
	struct ksvc_table *table = ksvc_table_alloc(ENTRIES, GFP_KERNEL);
	u32 i;

	for (i = 0; i < ENTRIES; i++) {
		entries[i].key = numbered_key(i);
		ksvc_table_insert(table, &entries[i]);
	}
	return table;
}

/* Whether a table has just the entries from first on, in steps. */
static bool has_all(const struct ksvc_table *table, struct ksvc_frontend *entries, u32 first,
		    u32 step)
{
	u32 i;

	for (i = first; i < ENTRIES; i += step) {
		const struct ksvc_key key = numbered_key(i);

		if (ksvc_table_find(table, &key) != &entries[i])
			return false;
	}
	return true;
}

static bool has_none(const struct ksvc_table *table, u32 first, u32 step)
{
	u32 i;

	for (i = first; i < ENTRIES; i += step) {
		const struct ksvc_key key = numbered_key(i);

		if (ksvc_table_find(table, &key))
			return false;
	}
	return true;
}

static void find(void)
{
	struct ksvc_frontend *entries = calloc(ENTRIES, sizeof(*entries));
	struct ksvc_table *table = filled_table(entries);
	struct ksvc_key key = numbered_key(ENTRIES - 1);

	expect(has_all(table, entries, 0, 1));
	key.port = htons(9);
	expect(!ksvc_table_find(table, &key));
	key = numbered_key(0);
	key.protocol = 0;
	expect(!ksvc_table_find(table, &key));
	kvfree(table);
	free(entries);
}

static void size(void)
{
	static const u32 cases[][2] = {
		{ 0, 16 }, { 1, 16 }, { 16, 16 }, { 17, 32 }, { 1024, 1024 }, { 1025, 2048 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ksvc_table *table = ksvc_table_alloc(cases[i][0], GFP_KERNEL);

		expect(ksvc_table_size(table) == cases[i][1]);
		expect(has_none(table, 0, ENTRIES / 4));
		kvfree(table);
	}
}

static void families_apart(void)
{
	struct ksvc_frontend v4 = {}, v6 = {};
	struct ksvc_table *table = ksvc_table_alloc(0, GFP_KERNEL);

	v4.key = key_of("10.0.0.1:80/tcp");
	v6.key = key_of("[a00:1::]:80/tcp");
	expect(nf_inet_addr_cmp(&v4.key.addr, &v6.key.addr));
	ksvc_table_insert(table, &v4);
	expect(ksvc_table_find(table, &v4.key) == &v4);
	expect(!ksvc_table_find(table, &v6.key));
	ksvc_table_insert(table, &v6);
	expect(ksvc_table_find(table, &v4.key) == &v4);
	expect(ksvc_table_find(table, &v6.key) == &v6);
	ksvc_table_remove(table, &v4);
	expect(!ksvc_table_find(table, &v4.key));
	expect(ksvc_table_find(table, &v6.key) == &v6);
	kvfree(table);
}

/* Grows, and then shrinks a great deal: each table is read after its successor
 * was changed.
 */
static void resize(void)
{
	static const u32 sizes[] = { 4 * ENTRIES, 16, ENTRIES };
	struct ksvc_frontend *entries = calloc(ENTRIES, sizeof(*entries));
	struct ksvc_table *old = filled_table(entries), *new;
	u32 i, n;

	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		new = ksvc_table_alloc(sizes[n], GFP_KERNEL);
		ksvc_table_move(old, new);
		expect(new->node != old->node);
		expect(has_all(old, entries, 0, 1) && has_all(new, entries, 0, 1));

		for (i = 0; i < ENTRIES; i += 3)
			ksvc_table_remove(new, &entries[i]);
		expect(has_none(new, 0, 3));
		expect(has_all(new, entries, 1, 3) && has_all(new, entries, 2, 3));
		expect(has_all(old, entries, 0, 1));

		for (i = 0; i < ENTRIES; i += 3)
			ksvc_table_insert(new, &entries[i]);
		expect(has_all(old, entries, 0, 1) && has_all(new, entries, 0, 1));
		kvfree(old);
		old = new;
	}
	kvfree(old);
	free(entries);
}

/* A reader that stands on an entry that goes finds the ones behind it. */
static void remove_under_reader(void)
{
	struct ksvc_frontend entries[64] = {};
	struct ksvc_table *table = ksvc_table_alloc(0, GFP_KERNEL);
	struct ksvc_frontend *fe, *next;
	u32 i, bucket;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		entries[i].key = numbered_key(i);
		ksvc_table_insert(table, &entries[i]);
	}
	for (bucket = 0; bucket <= table->mask; bucket++) {
		fe = table->buckets[bucket];
		if (!fe)
			continue;
		next = fe->next[0];
		ksvc_table_remove(table, fe);
		expect(fe->next[0] == next && table->buckets[bucket] == next);
	}
	kvfree(table);
}

static void prefixes(void)
{
	static const struct {
		const char *prefix, *in, *out;
	} cases[] = {
		{ "10.244.0.0/16", "10.244.255.255", "10.245.0.0" },
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.1" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.2" },
		{ "10.1.2.2/31", "10.1.2.3", "10.1.2.4" },
		{ "128.0.0.0/1", "255.0.0.1", "127.255.255.255" },
		{ "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
		{ "::/0", "2001:db8::1", "203.0.113.9" },
		{ "fd00::/8", "fdff::1", "fe00::1" },
		{ "fd00:1:2:3::/64", "fd00:1:2:3:ffff::", "fd00:1:2:4::" },
		{ "fd00:1::/33", "fd00:1:7fff::", "fd00:1:8000::" },
		{ "fd00::80/121", "fd00::ff", "fd00::7f" },
		{ "fd00::1/128", "fd00::1", "fd00::" },
		{ "a00::/8", "aff::", "10.0.0.0" },
		{ "10.0.0.0/8", "10.0.0.0", "a00::" },
	};
	struct ksvc_list *list = kzalloc(struct_size(list, prefixes, 2), GFP_KERNEL);
	union nf_inet_addr addr;
	u32 i;
	u8 family;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* what stands after what does not match counts, too */
		list->prefixes[0] = prefix_of("198.51.100.0/24");
		list->prefixes[1] = prefix_of(cases[i].prefix);
		list->n = 2;
		addr = addr_of(cases[i].in, &family);
		expect_for(cases[i].prefix, ksvc_list_match(list, family, &addr));
		addr = addr_of(cases[i].out, &family);
		expect_for(cases[i].prefix, !ksvc_list_match(list, family, &addr));
		list->n = 1;
		addr = addr_of(cases[i].in, &family);
		expect_for(cases[i].prefix, !ksvc_list_match(list, family, &addr));
		expect(!ksvc_list_match(NULL, family, &addr));
	}
	kfree(list);
}

static void names(void)
{
	struct {
		struct ksvc_named named;
		char name[KSVC_NAME_MAX + 1];
	} *entries = calloc(ENTRIES, sizeof(*entries));
	struct ksvc_names names = {};
	bool ok = true;
	u32 i;

	expect(!ksvc_names_find(&names, "a"));
	for (i = 0; i < ENTRIES; i++) {
		/* the longest, which differ at their ends alone */
		snprintf(entries[i].name, sizeof(entries[i].name), "%0255u", i);
		ok &= !ksvc_names_reserve(&names, names.n + 1);
		ksvc_names_add(&names, &entries[i].named, entries[i].name);
		ok &= names.n == i + 1 && names.size >= names.n;
	}
	for (i = 0; i < ENTRIES; i++)
		ok &= ksvc_names_find(&names, entries[i].name) == &entries[i].named;
	expect(ok);
	for (i = 0; i < ENTRIES; i += 2)
		ksvc_names_del(&names, &entries[i].named);
	for (i = 0; i < ENTRIES; i++)
		ok &= ksvc_names_find(&names, entries[i].name) ==
		      (i % 2 ? &entries[i].named : NULL);
	expect(ok && names.n == ENTRIES / 2);
	entries[1].name[KSVC_NAME_MAX - 1] = '\0';
	expect(!ksvc_names_find(&names, entries[1].name));
	ksvc_names_free(&names);
	expect(!names.n && !ksvc_names_find(&names, entries[3].name));
	free(entries);
}

static void names_without_memory(void)
{
	struct ksvc_named entries[8] = {};
	static const char *const texts[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct ksvc_names names = {};
	u32 i;

	expect(!ksvc_names_reserve(&names, 8));
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		ksvc_names_add(&names, &entries[i], texts[i]);
	shim_fail_after = 1;
	expect(ksvc_names_reserve(&names, 9) == -ENOMEM);
	expect(names.size == 8 && names.n == 8);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		expect(ksvc_names_find(&names, texts[i]) == &entries[i]);
	ksvc_names_free(&names);
}

const struct test table_tests[] = {
	{ "table: every entry is found, nothing else is", find },
	{ "table: as many buckets as entries, rounded up, at least 16", size },
	{ "table: an IPv4 address is not the IPv6 address with the same first bytes",
	  families_apart },
	{ "table: while it is resized both tables have all entries", resize },
	{ "table: an entry that goes does not stop readers", remove_under_reader },
	{ "list: prefixes of every length, families apart", prefixes },
	{ "names: the longest, many, and some deleted", names },
	{ "names: without memory nothing changes", names_without_memory },
	{}
};
