// SPDX-License-Identifier: GPL-2.0
/*
 * Two Services may want one frontend. It is of the first by namespace, name
 * and port, whenever they came, so that all nodes agree and a restart changes
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "k8s.h"

static uint32_t hash_frontend(const struct frontend *f)
{
	uint32_t place = (uint32_t)f->port << 16 | (uint32_t)f->protocol << 8 | f->addr.family % 256;

	return hash_bytes(place, addr_bytes(&f->addr), addr_bits(&f->addr) / 8);
}

static int claim_cmp(const struct k8s_claim *a, const struct k8s_claim *b)
{
	int r = strcmp(a->entry->ns, b->entry->ns);

	if (!r)
		r = strcmp(a->entry->name, b->entry->name);
	if (!r)
		r = (a->service > b->service) - (a->service < b->service);
	/* Of one service, in the order in which it has them. */
	return r ? r : (a > b) - (a < b);
}

static struct k8s_claim *winner(const struct k8s *k, const struct frontend *f)
{
	struct hnode *n = htable_first(&k->claims, hash_frontend(f));
	struct k8s_claim *first = NULL;

	for (; n; n = htable_next(n)) {
		struct k8s_claim *c = container_of(n, struct k8s_claim, node);

		if (!frontend_cmp(&c->frontend, f) && (!first || claim_cmp(c, first) < 0))
			first = c;
	}
	return first;
}

/* The entry whose frontend it is, or would be without this one's claim. */
static void mark_rival(struct k8s *k, const struct k8s_entry *entry, const struct frontend *f)
{
	struct k8s_claim *c = winner(k, f);

	if (c && c->entry != entry)
		k8s_mark_dirty(k, c->entry);
}

static void free_claims(struct k8s_claim *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		intern_put(list[i].name);
	free(list);
}

void k8s_drop_claims(struct k8s *k, struct k8s_entry *entry)
{
	for (size_t i = 0; i < entry->n_claims; i++)
		htable_del(&k->claims, &entry->claims[i].node);
	free_claims(entry->claims, entry->n_claims);
	entry->claims = NULL;
	entry->n_claims = 0;
}

static bool has_same_claims(const struct k8s_entry *entry)
{
	size_t n = 0;

	for (size_t i = 0; i < entry->n_wanted; i++) {
		const struct service *s = &entry->wanted[i];

		for (uint32_t j = 0; j < s->n_frontends; j++, n++)
			if (n >= entry->n_claims || strcmp(entry->claims[n].name, s->name) ||
			    frontend_cmp(&entry->claims[n].frontend, &s->frontends[j]))
				return false;
	}
	return n == entry->n_claims;
}

static size_t count_frontends(const struct k8s_entry *entry)
{
	size_t n = 0;

	for (size_t i = 0; i < entry->n_wanted; i++)
		n += entry->wanted[i].n_frontends;
	return n;
}

static void make_claims(struct k8s_entry *entry)
{
	struct k8s_claim *c;

	entry->n_claims = count_frontends(entry);
	entry->claims = xcalloc(entry->n_claims, sizeof(*entry->claims));
	c = entry->claims;
	for (size_t i = 0; i < entry->n_wanted; i++) {
		for (uint32_t j = 0; j < entry->wanted[i].n_frontends; j++, c++) {
			c->frontend = entry->wanted[i].frontends[j];
			c->entry = entry;
			c->name = intern(entry->wanted[i].name);
			c->service = i;
		}
	}
}

/* Rivals are marked when a claim is not in the table: who has the frontend then, may not later. */
void k8s_claim(struct k8s *k, struct k8s_entry *entry)
{
	struct k8s_claim *old = entry->claims;
	size_t n_old = entry->n_claims;

	if (has_same_claims(entry))
		return;
	for (size_t i = 0; i < n_old; i++)
		htable_del(&k->claims, &old[i].node);
	for (size_t i = 0; i < n_old; i++)
		mark_rival(k, entry, &old[i].frontend);
	free_claims(old, n_old);
	make_claims(entry);
	for (size_t i = 0; i < entry->n_claims; i++)
		mark_rival(k, entry, &entry->claims[i].frontend);
	for (size_t i = 0; i < entry->n_claims; i++)
		htable_add(&k->claims, &entry->claims[i].node,
			   hash_frontend(&entry->claims[i].frontend));
}

/* Frontends that are lost, and endpoints of a family that has no other. */
static void remove_lost(struct service *s)
{
	bool v4 = false, v6 = false;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_frontends; i++) {
		if (!s->frontends[i].port)
			continue;
		v4 |= s->frontends[i].addr.family == AF_INET;
		v6 |= s->frontends[i].addr.family == AF_INET6;
		s->frontends[n++] = s->frontends[i];
	}
	s->n_frontends = n;
	n = 0;
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (s->endpoints[i].addr.family == AF_INET ? v4 : v6)
			s->endpoints[n++] = s->endpoints[i];
	s->n_endpoints = n;
}

static void warn_of_loss(struct k8s *k, const struct k8s_claim *by, const struct service *to)
{
	char buf[ENDPOINT_STRLEN];

	k8s_warn(k, "%s is claimed by both %s and %s; the first has it",
		 frontend_format(&by->frontend, buf), by->name, to->name);
}

void k8s_settle_claims(struct k8s *k, struct k8s_entry *entry)
{
	const struct k8s_claim *claim = entry->claims;
	size_t kept = 0;

	for (size_t i = 0; i < entry->n_wanted; i++) {
		struct service *s = &entry->wanted[i];
		uint32_t n = s->n_frontends;

		for (uint32_t j = 0; j < n; j++, claim++) {
			const struct k8s_claim *first = winner(k, &claim->frontend);

			if (first == claim)
				continue;
			if (first->entry != entry || first->service != claim->service)
				warn_of_loss(k, first, s);
			s->frontends[j].port = 0;
		}
		remove_lost(s);
		if (s->n_frontends) {
			entry->wanted[kept++] = *s;
			continue;
		}
		k8s_warn(k, "%s has nothing left to answer for; left out", s->name);
		service_free(s);
	}
	entry->n_wanted = kept;
}
