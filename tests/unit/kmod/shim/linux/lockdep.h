/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_LOCKDEP_H
#define _LINUX_LOCKDEP_H

#include <linux/mutex.h>

#define lockdep_is_held(lock)		((lock)->held)
#define lockdep_assert_held(lock)	assert((lock)->held)

#endif
