/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_NETFILTER_H
#define _LINUX_NETFILTER_H

#include <linux/in.h>
#include <linux/types.h>

enum { NFPROTO_INET = 1, NFPROTO_IPV4 = 2, NFPROTO_IPV6 = 10 };

union nf_inet_addr {
	u32 all[4];
	__be32 ip;
	__be32 ip6[4];
	struct in_addr in;
	struct in6_addr in6;
};

struct nf_hook_ops {
	void *priv;
};

static inline bool nf_inet_addr_cmp(const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	return a->all[0] == b->all[0] && a->all[1] == b->all[1] &&
	       a->all[2] == b->all[2] && a->all[3] == b->all[3];
}

#endif
