/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H

#include <linux/types.h>

struct mutex {
	bool held;
};

static inline void mutex_init(struct mutex *m)
{
	m->held = false;
}

static inline void mutex_lock(struct mutex *m)
{
	assert(!m->held);
	m->held = true;
}

static inline void mutex_unlock(struct mutex *m)
{
	assert(m->held);
	m->held = false;
}

static inline void mutex_destroy(struct mutex *m)
{
	assert(!m->held);
}

#endif
