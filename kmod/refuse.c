// SPDX-License-Identifier: GPL-2.0
/* Answers to packets that are refused. */
#include "ksvc.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_reject.h>

static void send_unreach(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV6)
		nf_send_unreach6(state->net, skb, ICMPV6_PORT_UNREACH, state->hook);
	else
		nf_send_unreach(skb, ICMP_PORT_UNREACH, state->hook);
}

static void send_reset(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV6)
		nf_send_reset6(state->net, state->sk, skb, state->hook);
	else
		nf_send_reset(state->net, state->sk, skb, state->hook);
}

/* Answers as the verdict says and drops the packet. Returns what the hook
 * returns; the packet is not to be touched afterwards.
 */
unsigned int ksvc_refuse(struct sk_buff *skb, const struct nf_hook_state *state, u8 verdict)
{
	if (verdict == KSVC_VERDICT_REJECT)
		send_unreach(skb, state);
	else if (verdict == KSVC_VERDICT_RESET)
		send_reset(skb, state);
	return ksvc_drop(skb);
}
