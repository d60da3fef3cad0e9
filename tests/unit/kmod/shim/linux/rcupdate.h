/* SPDX-License-Identifier: GPL-2.0 */
/* Grace periods end only when rcu_drain() says so: what readers could still be
 * using stays until then, and is freed for good after.
 */
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H

#include <linux/sched.h>
#include <linux/types.h>

extern unsigned int rcu_readers;
extern unsigned long rcu_grace_periods;

void rcu_drain(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

static inline void rcu_read_lock(void)
{
	rcu_readers++;
}

static inline void rcu_read_unlock(void)
{
	assert(rcu_readers);
	rcu_readers--;
}

#define rcu_dereference(p)		(assert(rcu_readers), READ_ONCE(p))
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_dereference_raw(p)		READ_ONCE(p)
#define rcu_dereference_protected(p, c)	(assert(c), (p))
#define rcu_assign_pointer(p, v)	((p) = (v))
#define RCU_INIT_POINTER(p, v)		((p) = (v))
#define rcu_replace_pointer(p, v, c) ({		\
	__typeof__(p) __old = (p);		\
	assert(c);				\
	(p) = (v);				\
	__old;					\
})

/* As in the kernel, a small number in place of a function is an offset. */
#define kvfree_rcu(p, member) \
	call_rcu(&(p)->member, (void *)offsetof(__typeof__(*(p)), member))
#define kfree_rcu(p, member)	kvfree_rcu(p, member)

static inline unsigned long get_state_synchronize_rcu(void)
{
	return rcu_grace_periods;
}

static inline void cond_synchronize_rcu(unsigned long cookie)
{
	if (cookie == rcu_grace_periods)
		rcu_drain();
}

#endif
