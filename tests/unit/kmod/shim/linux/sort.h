/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_SORT_H
#define _LINUX_SORT_H

#include <linux/types.h>
#include <stdlib.h>

/* Of elements that are equal the order is anything, as in the kernel. */
static inline void sort(void *base, size_t n, size_t size,
			int (*cmp)(const void *, const void *), void *swap)
{
	if (n)
		qsort(base, n, size, cmp);
}

#endif
