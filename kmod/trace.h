/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ksvc

#if !defined(_KSVC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KSVC_TRACE_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netfilter.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>

#include "ksvc.h"

TRACE_DEFINE_ENUM(KSVC_VERDICT_NONE);
TRACE_DEFINE_ENUM(KSVC_VERDICT_DNAT);
TRACE_DEFINE_ENUM(KSVC_VERDICT_DROP);
TRACE_DEFINE_ENUM(KSVC_VERDICT_REJECT);
TRACE_DEFINE_ENUM(KSVC_VERDICT_RESET);
TRACE_DEFINE_ENUM(KSVC_VERDICT_LOCAL);
TRACE_DEFINE_ENUM(KSVC_REASON_NO_SERVICE);
TRACE_DEFINE_ENUM(KSVC_REASON_TRANSLATED);
TRACE_DEFINE_ENUM(KSVC_REASON_NO_ENDPOINT);
TRACE_DEFINE_ENUM(KSVC_REASON_UNUSED_PORT);
TRACE_DEFINE_ENUM(KSVC_REASON_UNUSED_ADDRESS);
TRACE_DEFINE_ENUM(KSVC_REASON_NO_CONNECTION);
TRACE_DEFINE_ENUM(KSVC_REASON_NAT_FAILED);
TRACE_DEFINE_ENUM(KSVC_REASON_INVALID);
TRACE_DEFINE_ENUM(KSVC_REASON_NO_LOCAL_ENDPOINT);
TRACE_DEFINE_ENUM(KSVC_REASON_SOURCE_RANGE);
TRACE_DEFINE_ENUM(KSVC_REASON_LOCALHOST);
TRACE_DEFINE_ENUM(KSVC_REASON_ECHO);

#define ksvc_show_verdict(v) __print_symbolic(v,	\
	{ KSVC_VERDICT_NONE,	"none" },		\
	{ KSVC_VERDICT_DNAT,	"dnat" },		\
	{ KSVC_VERDICT_DROP,	"drop" },		\
	{ KSVC_VERDICT_REJECT,	"reject" },		\
	{ KSVC_VERDICT_RESET,	"reset" },		\
	{ KSVC_VERDICT_LOCAL,	"local" })

#define ksvc_show_reason(r) __print_symbolic(r,			\
	{ KSVC_REASON_NO_SERVICE,	"no-service" },		\
	{ KSVC_REASON_TRANSLATED,	"translated" },		\
	{ KSVC_REASON_NO_ENDPOINT,	"no-endpoint" },	\
	{ KSVC_REASON_UNUSED_PORT,	"unused-port" },	\
	{ KSVC_REASON_UNUSED_ADDRESS,	"unused-address" },	\
	{ KSVC_REASON_NO_CONNECTION,	"no-connection" },	\
	{ KSVC_REASON_NAT_FAILED,	"nat-failed" },		\
	{ KSVC_REASON_INVALID,		"invalid" },		\
	{ KSVC_REASON_NO_LOCAL_ENDPOINT, "no-local-endpoint" },	\
	{ KSVC_REASON_SOURCE_RANGE,	"source-range" },	\
	{ KSVC_REASON_LOCALHOST,	"localhost" },		\
	{ KSVC_REASON_ECHO,		"echo" })

#ifndef _KSVC_TRACE_SOCKADDR
#define _KSVC_TRACE_SOCKADDR
static inline void ksvc_trace_addr(void *to, u8 family, const union nf_inet_addr *addr,
				   __be16 port)
{
	struct sockaddr_in6 *sin6 = to;
	struct sockaddr_in *sin = to;

	memset(to, 0, sizeof(*sin6));
	if (family == NFPROTO_IPV6) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = addr->in6;
		sin6->sin6_port = port;
	} else {
		sin->sin_family = AF_INET;
		sin->sin_addr = addr->in;
		sin->sin_port = port;
	}
}
#endif

/* Every first packet that ksvc saw, with what was done to it. Packets that
 * are not dnat have an endpoint of zeros.
 */
TRACE_EVENT(ksvc_verdict,
	TP_PROTO(const struct net *net, const struct nf_conntrack_tuple *tuple,
		 const struct ksvc_decision *d),
	TP_ARGS(net, tuple, d),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u8, protocol)
		__field(u8, verdict)
		__field(u8, reason)
		__field(bool, masquerade)
		__array(u8, from, sizeof(struct sockaddr_in6))
		__array(u8, to, sizeof(struct sockaddr_in6))
		__array(u8, endpoint, sizeof(struct sockaddr_in6))
		__string(service, d->svc ? d->svc->ident->name : "")
	),
	TP_fast_assign(
		const union nf_inet_addr none = {};
		u8 family = tuple->src.l3num;

		__entry->netns = net->ns.inum;
		__entry->protocol = tuple->dst.protonum;
		__entry->verdict = d->verdict;
		__entry->reason = d->reason;
		__entry->masquerade = d->masquerade;
		ksvc_trace_addr(__entry->from, family, &tuple->src.u3, tuple->src.u.all);
		ksvc_trace_addr(__entry->to, family, &tuple->dst.u3, tuple->dst.u.all);
		ksvc_trace_addr(__entry->endpoint, family,
				d->endpoint ? &d->endpoint->addr : &none,
				d->endpoint ? d->endpoint->port : 0);
		ksvc_assign_str(service, d->svc ? d->svc->ident->name : "");
	),
	TP_printk("netns=%u proto=%u from=%pISpc to=%pISpc verdict=%s reason=%s service=%s endpoint=%pISpc masquerade=%d",
		  __entry->netns, __entry->protocol, __entry->from, __entry->to,
		  ksvc_show_verdict(__entry->verdict), ksvc_show_reason(__entry->reason),
		  __get_str(service), __entry->endpoint, __entry->masquerade)
);

#endif /* _KSVC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
