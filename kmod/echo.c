// SPDX-License-Identifier: GPL-2.0
/* Echo requests to a VIP, turned to an address of the node, which answers. */
#include "ksvc.h"

#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_nat.h>

static bool own_address(const struct nf_conn *ct, const struct nf_hook_state *state,
			union nf_inet_addr *addr)
{
	const struct nf_conntrack_tuple *tuple = &ct->tuplehash[IP_CT_DIR_ORIGINAL].tuple;

	memset(addr, 0, sizeof(*addr));
	if (state->pf == NFPROTO_IPV6) {
		if (!state->in) {
			addr->in6 = in6addr_loopback;
			return true;
		}
		return !ipv6_dev_get_saddr(state->net, state->in, &tuple->src.u3.in6, 0,
					   &addr->in6);
	}
	addr->ip = state->in ? inet_select_addr(state->in, 0, RT_SCOPE_UNIVERSE) :
			       htonl(INADDR_LOOPBACK);
	return addr->ip;
}

/* Returns what the hook returns. */
unsigned int ksvc_echo(struct nf_conn *ct, struct sk_buff *skb,
		       const struct nf_hook_state *state)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	if (!own_address(ct, state, &range.min_addr))
		return NF_DROP;
	range.max_addr = range.min_addr;
	return nf_nat_setup_info(ct, &range, NF_NAT_MANIP_DST);
}
