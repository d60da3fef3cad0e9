// SPDX-License-Identifier: GPL-2.0
#include "hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util.h"

#define FIRST_SIZE	64

static uint64_t key;

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	return h;
}

uint32_t hash_bytes(uint32_t seed, const void *p, size_t n)
{
	const unsigned char *bytes = p;
	uint64_t h, word;

	if (!key && getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
		key = 1;
	h = mix(key ^ seed) ^ n;
	for (; n >= sizeof(word); n -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		h = mix(h ^ word) + key;
	}
	word = 0;
	memcpy(&word, bytes, n);
	return mix(h ^ word) + key;
}

uint32_t hash_string(uint32_t seed, const char *s)
{
	return hash_bytes(seed, s, strlen(s));
}

static struct hnode **bucket(const struct htable *t, uint32_t hash)
{
	return &t->buckets[hash & (t->size - 1)];
}

static void grow(struct htable *t)
{
	struct htable to = { .size = t->size ? 2 * t->size : FIRST_SIZE };

	to.buckets = xcalloc(to.size, sizeof(*to.buckets));
	for (size_t i = 0; i < t->size; i++) {
		while (t->buckets[i]) {
			struct hnode *n = t->buckets[i];

			t->buckets[i] = n->next;
			htable_add(&to, n, n->hash);
		}
	}
	free(t->buckets);
	*t = to;
}

void htable_add(struct htable *t, struct hnode *n, uint32_t hash)
{
	struct hnode **head;

	if (t->n >= t->size)
		grow(t);
	head = bucket(t, hash);
	n->hash = hash;
	n->next = *head;
	*head = n;
	t->n++;
}

void htable_del(struct htable *t, struct hnode *n)
{
	struct hnode **p = bucket(t, n->hash);

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	t->n--;
}

void htable_free(struct htable *t)
{
	free(t->buckets);
	memset(t, 0, sizeof(*t));
}

static struct hnode *with_hash(struct hnode *n, uint32_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hnode *htable_first(const struct htable *t, uint32_t hash)
{
	return t->size ? with_hash(*bucket(t, hash), hash) : NULL;
}

struct hnode *htable_next(const struct hnode *n)
{
	return with_hash(n->next, n->hash);
}

static struct hnode *first_from(const struct htable *t, size_t i)
{
	for (; i < t->size; i++)
		if (t->buckets[i])
			return t->buckets[i];
	return NULL;
}

struct hnode *htable_begin(const struct htable *t)
{
	return first_from(t, 0);
}

struct hnode *htable_after(const struct htable *t, const struct hnode *n)
{
	return n->next ? n->next : first_from(t, (n->hash & (t->size - 1)) + 1);
}

struct text {
	struct hnode node;
	unsigned int users;
	char s[];
};

static struct htable texts;

const char *intern(const char *s)
{
	struct hnode *n;
	struct text *t;
	uint32_t hash;

	if (!s)
		return NULL;
	hash = hash_string(0, s);
	for (n = htable_first(&texts, hash); n; n = htable_next(n)) {
		t = container_of(n, struct text, node);
		if (!strcmp(t->s, s)) {
			t->users++;
			return t->s;
		}
	}
	t = xcalloc(1, sizeof(*t) + strlen(s) + 1);
	strcpy(t->s, s);
	t->users = 1;
	htable_add(&texts, &t->node, hash);
	return t->s;
}

void intern_put(const char *s)
{
	struct text *t;

	if (!s)
		return;
	t = container_of(s, struct text, s);
	if (--t->users)
		return;
	htable_del(&texts, &t->node);
	free(t);
	if (!texts.n)
		htable_free(&texts);
}
