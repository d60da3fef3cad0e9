/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H

#include <linux/types.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define ATOMIC_INIT(i)		{ i }
#define ATOMIC64_INIT(i)	{ i }

static inline int atomic_read(const atomic_t *v)
{
	return v->counter;
}

static inline void atomic_set(atomic_t *v, int i)
{
	v->counter = i;
}

/* Wraps, as in the kernel. */
static inline int atomic_inc_return(atomic_t *v)
{
	return v->counter = (unsigned int)v->counter + 1;
}

static inline s64 atomic64_inc_return(atomic64_t *v)
{
	return ++v->counter;
}

#endif
