// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/log2.h>

#ifdef KSVC_COMPAT_EXTACK_LEN
char *ksvc_compat_extack_buf(void)
{
	static char ring[64][KSVC_COMPAT_EXTACK_LEN];
	static atomic_t next;

	return ring[atomic_inc_return(&next) & (ARRAY_SIZE(ring) - 1)];
}
#endif
