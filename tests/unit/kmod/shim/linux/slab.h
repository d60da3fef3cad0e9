/* SPDX-License-Identifier: GPL-2.0 */
/* All allocations can be made to fail, and are freed by what may free them. */
#ifndef _LINUX_SLAB_H
#define _LINUX_SLAB_H

#include <linux/string.h>
#include <linux/types.h>

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	1
#define __GFP_RETRY_MAYFAIL	2
#define __GFP_NOWARN		4

enum shim_kind { SHIM_KMALLOC = 0x6b6d, SHIM_KVMALLOC, SHIM_PERCPU };

/* Live allocations; and how many more succeed until one fails (0: none does). */
extern unsigned long shim_live, shim_fail_after;
extern bool shim_failed;

bool shim_fails(void);
void *shim_alloc(size_t size, enum shim_kind kind, bool zero);
void kfree(const void *p);
void kvfree(const void *p);
void *krealloc(void *p, size_t size, gfp_t gfp);

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, SHIM_KMALLOC, true);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(array_size(n, size), SHIM_KMALLOC, true);
}

static inline void *kmemdup(const void *from, size_t size, gfp_t gfp)
{
	void *p = shim_alloc(size, SHIM_KMALLOC, false);

	return p ? memcpy(p, from, size) : NULL;
}

static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, SHIM_KVMALLOC, true);
}

static inline void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(array_size(n, size), SHIM_KVMALLOC, true);
}

static inline void *kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(array_size(n, size), SHIM_KVMALLOC, false);
}

#endif
