/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NET_IPV6_H
#define _NET_IPV6_H

#include <linux/in.h>

static inline bool ipv6_addr_loopback(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LOOPBACK(addr);
}

#endif
