/* SPDX-License-Identifier: GPL-2.0 */
/* An array that grows. Storing may fail where the kernel would allocate. */
#ifndef _LINUX_XARRAY_H
#define _LINUX_XARRAY_H

#include <linux/err.h>
#include <linux/types.h>

struct xarray {
	void **slots;
	unsigned long n;
	unsigned long lowest_free;
};

struct xa_limit {
	u32 max, min;
};

#define XA_LIMIT(_min, _max)	(struct xa_limit){ .min = (_min), .max = (_max) }
#define XA_FLAGS_ALLOC1		1
#define XA_FLAGS_ACCOUNT	2

void xa_init_flags(struct xarray *xa, gfp_t flags);
void xa_destroy(struct xarray *xa);
int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
void *xa_store(struct xarray *xa, unsigned long id, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long id);
void *xa_find_from(const struct xarray *xa, unsigned long *id);

#define xa_for_each(xa, id, entry)					\
	for ((id) = 0, (entry) = xa_find_from(xa, &(id)); (entry);	\
	     (id)++, (entry) = xa_find_from(xa, &(id)))

#endif
