/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_JHASH_H
#define _LINUX_JHASH_H

#include <linux/types.h>

static inline u32 jhash(const void *key, u32 length, u32 initval)
{
	const u8 *k = key;
	u32 hash = initval ^ 0x811c9dc5;

	while (length--)
		hash = (hash ^ *k++) * 0x01000193;
	hash ^= hash >> 15;
	hash *= 0x2c1b3c6d;
	return hash ^ hash >> 12;
}

static inline u32 jhash2(const u32 *k, u32 length, u32 initval)
{
	return jhash(k, length * sizeof(*k), initval);
}

static inline u32 jhash_2words(u32 a, u32 b, u32 initval)
{
	const u32 words[] = { a, b };

	return jhash2(words, 2, initval);
}

#endif
