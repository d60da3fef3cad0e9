/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_CONNTRACK_TUPLE_H
#define _NF_CONNTRACK_TUPLE_H

#include <linux/netfilter.h>

struct nf_conntrack_tuple {
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
		u16 l3num;
	} src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
			struct {
				u8 type, code;
			} icmp;
		} u;
		u8 protonum;
		u8 dir;
	} dst;
};

#endif
