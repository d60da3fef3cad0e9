// SPDX-License-Identifier: GPL-2.0
/* What the kernel does for the module, in userspace. */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

unsigned long shim_live, shim_fail_after;
bool shim_failed;

/* As in a kernel that was just booted. */
u64 shim_jiffies = (u32)(-300 * HZ);

unsigned int rcu_readers;
unsigned long rcu_grace_periods = 1;

/* Before each allocation, which is aligned as the kernel's large ones are. */
#define ALIGNMENT	64

struct header {
	enum shim_kind kind;
	char align[ALIGNMENT - sizeof(enum shim_kind)];
};

bool shim_fails(void)
{
	if (!shim_fail_after || --shim_fail_after)
		return false;
	shim_failed = true;
	return true;
}

void *shim_alloc(size_t size, enum shim_kind kind, bool zero)
{
	struct header *h;

	if (shim_fails())
		return NULL;
	assert(size < SIZE_MAX - sizeof(*h));
	if (posix_memalign((void **)&h, ALIGNMENT, sizeof(*h) + size))
		abort();
	h->kind = kind;
	memset(h + 1, zero ? 0 : 0xa5, size);
	shim_live++;
	return h + 1;
}

static void release(const void *p, bool allowed)
{
	assert(allowed && shim_live);
	shim_live--;
	free((struct header *)p - 1);
}

static enum shim_kind kind_of(const void *p)
{
	return ((const struct header *)p - 1)->kind;
}

void kfree(const void *p)
{
	if (p)
		release(p, kind_of(p) == SHIM_KMALLOC);
}

void kvfree(const void *p)
{
	if (p)
		release(p, kind_of(p) != SHIM_PERCPU);
}

void *krealloc(void *p, size_t size, gfp_t gfp)
{
	struct header *h;

	if (!p)
		return shim_alloc(size, SHIM_KMALLOC, false);
	if (shim_fails())
		return NULL;
	assert(kind_of(p) == SHIM_KMALLOC);
	h = realloc((struct header *)p - 1, sizeof(*h) + size);
	assert(h);
	return h + 1;
}

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	char *p;
	int cpu;

	assert(size <= SHIM_UNIT);
	p = shim_alloc((SHIM_CPUS - 1) * SHIM_UNIT + size, SHIM_PERCPU, true);
	for (cpu = 0; p && cpu < SHIM_CPUS - 1; cpu++)
		ASAN_POISON_MEMORY_REGION(p + cpu * SHIM_UNIT + size, SHIM_UNIT - size);
	return p;
}

void free_percpu(void *p)
{
	if (p)
		release(p, kind_of(p) == SHIM_PERCPU);
}

static struct rcu_head *waiting;

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = waiting;
	waiting = head;
}

/* A grace period. */
void rcu_drain(void)
{
	struct rcu_head *head = waiting;

	assert(!rcu_readers);
	rcu_grace_periods++;
	waiting = NULL;
	while (head) {
		struct rcu_head *next = head->next;

		if ((unsigned long)head->func < 4096)
			kvfree((char *)head - (unsigned long)head->func);
		else
			head->func(head);
		head = next;
	}
}

static char reserved;

void xa_init_flags(struct xarray *xa, gfp_t flags)
{
	assert(flags & XA_FLAGS_ALLOC1);
	memset(xa, 0, sizeof(*xa));
}

/* An id that was reserved and neither used nor given back is a leak. */
void xa_destroy(struct xarray *xa)
{
	unsigned long i;

	for (i = 0; i < xa->n; i++)
		assert(xa->slots[i] != &reserved);
	free(xa->slots);
	memset(xa, 0, sizeof(*xa));
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	unsigned long i = max(xa->lowest_free, (unsigned long)limit.min);

	if (shim_fails())
		return -ENOMEM;
	while (i < xa->n && xa->slots[i])
		i++;
	xa->lowest_free = i;
	if (i > limit.max)
		return -EBUSY;
	if (i >= xa->n) {
		unsigned long n = 2 * i + 16;

		xa->slots = realloc(xa->slots, n * sizeof(*xa->slots));
		assert(xa->slots);
		memset(&xa->slots[xa->n], 0, (n - xa->n) * sizeof(*xa->slots));
		xa->n = n;
	}
	xa->slots[i] = entry ?: &reserved;
	*id = i;
	return 0;
}

/* To an id that xa_alloc() gave, for which there is room. */
void *xa_store(struct xarray *xa, unsigned long id, void *entry, gfp_t gfp)
{
	void *old;

	assert(id < xa->n && xa->slots[id]);
	old = xa->slots[id];
	xa->slots[id] = entry;
	return old == &reserved ? NULL : old;
}

void *xa_erase(struct xarray *xa, unsigned long id)
{
	void *old;

	assert(id < xa->n && xa->slots[id]);
	old = xa->slots[id];
	xa->slots[id] = NULL;
	xa->lowest_free = min_t(unsigned long, xa->lowest_free, id);
	return old == &reserved ? NULL : old;
}

void *xa_find_from(const struct xarray *xa, unsigned long *id)
{
	for (; *id < xa->n; ++*id)
		if (xa->slots[*id] && xa->slots[*id] != &reserved)
			return xa->slots[*id];
	return NULL;
}

u32 get_random_u32(void)
{
	static u64 state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

void get_random_bytes(void *buf, size_t size)
{
	u8 *p = buf;

	while (size--)
		*p++ = get_random_u32();
}

static u64 rotate(u64 x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(u64 v[4], unsigned int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* SipHash-2-4, on little-endian machines. */
u64 siphash(const void *data, size_t len, const siphash_key_t *key)
{
	u64 v[4] = {
		key->key[0] ^ 0x736f6d6570736575, key->key[1] ^ 0x646f72616e646f6d,
		key->key[0] ^ 0x6c7967656e657261, key->key[1] ^ 0x7465646279746573,
	};
	size_t i;

	for (i = 0; i <= len / 8; i++) {
		u64 word = i == len / 8 ? (u64)len << 56 : 0;

		memcpy(&word, (const u8 *)data + 8 * i, min(len - 8 * i, (size_t)8));
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* One conversion from *fmt on, which ends behind it. */
static void convert(char *out, size_t size, const char **fmt, va_list *args)
{
	unsigned int precision = size;
	int used = 0;

	if (sscanf(*fmt, ".%u%n", &precision, &used) == 1)
		*fmt += used;
	if (!strncmp(*fmt, "pI4", 3)) {
		inet_ntop(AF_INET, va_arg(*args, void *), out, size);
		*fmt += 3;
	} else if (!strncmp(*fmt, "pI6c", 4)) {
		inet_ntop(AF_INET6, va_arg(*args, void *), out, size);
		*fmt += 4;
	} else if (**fmt == 'u') {
		snprintf(out, size, "%u", va_arg(*args, unsigned int));
		++*fmt;
	} else {
		assert(**fmt == 's');
		snprintf(out, size, "%.*s", (int)precision, va_arg(*args, char *));
		++*fmt;
	}
}

int shim_format(char *buf, size_t size, const char *fmt, ...)
{
	char text[1024] = "", *end = text;
	va_list args;

	va_start(args, fmt);
	while (*fmt) {
		if (*fmt == '%') {
			fmt++;
			convert(end, sizeof(text) - (end - text), &fmt, &args);
			end += strlen(end);
		} else {
			*end++ = *fmt++;
			*end = '\0';
		}
	}
	va_end(args);
	return snprintf(buf, size, "%s", text);
}
