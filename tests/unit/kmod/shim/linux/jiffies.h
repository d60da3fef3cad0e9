/* SPDX-License-Identifier: GPL-2.0 */
/* Time passes when a test says so. */
#ifndef _LINUX_JIFFIES_H
#define _LINUX_JIFFIES_H

#include <linux/types.h>

#define HZ	250

extern u64 shim_jiffies;

static inline u64 get_jiffies_64(void)
{
	return shim_jiffies;
}

#endif
