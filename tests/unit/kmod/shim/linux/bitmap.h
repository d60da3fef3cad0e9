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

static inline void __clear_bit(unsigned long i, unsigned long *map)
{
	map[i / BITS_PER_LONG] &= ~BIT(i % BITS_PER_LONG);
}

static inline bool test_bit(unsigned long i, const unsigned long *map)
{
	return map[i / BITS_PER_LONG] & BIT(i % BITS_PER_LONG);
}

static inline bool __test_and_set_bit(unsigned long i, unsigned long *map)
{
	bool was = test_bit(i, map);

	__set_bit(i, map);
	return was;
}

#define set_bit(i, map)		__set_bit(i, map)
#define clear_bit(i, map)	__clear_bit(i, map)

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long i)
{
	while (i < size && !test_bit(i, map))
		i++;
	return i < size ? i : size;
}

static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size,
					       unsigned long i)
{
	while (i < size && test_bit(i, map))
		i++;
	return i < size ? i : size;
}

#endif
