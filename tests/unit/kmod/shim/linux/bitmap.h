/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_BITMAP_H
#define _LINUX_BITMAP_H

#include <linux/types.h>

#define BITS_PER_LONG		(8 * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline void __set_bit(unsigned long i, unsigned long *map)
{
	map[i / BITS_PER_LONG] |= BIT(i % BITS_PER_LONG);
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size,
					       unsigned long i)
{
	while (i < size && map[i / BITS_PER_LONG] & BIT(i % BITS_PER_LONG))
		i++;
	return i < size ? i : size;
}

#endif
