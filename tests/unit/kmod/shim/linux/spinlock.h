/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/types.h>

typedef struct {
	bool ready, held;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->ready = true;
	lock->held = false;
}

static inline void spin_lock_bh(spinlock_t *lock)
{
	assert(lock->ready && !lock->held);
	lock->held = true;
}

static inline void spin_unlock_bh(spinlock_t *lock)
{
	assert(lock->held);
	lock->held = false;
}

#endif
