/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels call otherwise. Included by force before every file, so
 * that the rest is written for the newest kernel. Each block names the commit
 * and the release that made it unnecessary, and asks for the feature rather
 * than for the release where a macro tells.
 */
#ifndef _KSVC_COMPAT_H
#define _KSVC_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "ksvc needs Linux 6.1 or newer"
#endif

#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <net/genetlink.h>

/* 20b0b53aca43 ("genetlink: introduce split op representation"), 6.2. Before,
 * an operation with only a doit or only a dumpit reads the same.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define genl_split_ops		genl_ops
#define split_ops		ops
#define n_split_ops		n_ops
#endif

/* 51c352bdbcd2 ("netlink: add support for formatted extack messages"), 6.2.
 * The message is read after the handler returned, so it cannot stand on the
 * stack; the ring is wide enough for as many failing requests at once.
 */
#ifndef NL_SET_ERR_MSG_FMT
#define KSVC_COMPAT_EXTACK_LEN	80
char *ksvc_compat_extack_buf(void);
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {			\
	struct netlink_ext_ack *__extack = (extack);			\
									\
	if (__extack) {							\
		char *__buf = ksvc_compat_extack_buf();			\
									\
		scnprintf(__buf, KSVC_COMPAT_EXTACK_LEN, fmt, ##args);	\
		__extack->_msg = __buf;					\
	}								\
} while (0)
#endif

/* 5c670a010de4 ("genetlink: add a structure for dump state") and 7288dd2fd488,
 * 6.7: the attributes of a dump moved into a genl_info.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define ksvc_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#else
#define ksvc_dump_attrs(cb)	(genl_info_dump(cb)->attrs)
#endif

/* 35c038b0a4be ("netfilter: nf_tables: mask out non-verdict bits when checking
 * return value") and its series, 6.7: a hook may free the packet with a reason
 * and still name the error that the sender gets.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define ksvc_drop(skb)		NF_DROP
#else
#define ksvc_drop(skb)		\
	NF_DROP_REASON(skb, SKB_DROP_REASON_NETFILTER_DROP, EPERM)
#endif

/* 2c92ca849fcc ("tracing/treewide: Remove second parameter of __assign_str()"),
 * 6.10.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define ksvc_assign_str(dst, src)	__assign_str(dst, src)
#else
#define ksvc_assign_str(dst, src)	__assign_str(dst)
#endif

/* "netfilter: nf_conntrack_helper: add refcounting from datapath" and its
 * series, 7.2: registering copies the helper, and connections hold references.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define ksvc_helper_register(template, helper) ({			\
	int __err = nf_conntrack_helper_register(template);		\
									\
	*(helper) = __err ? NULL : (template);				\
	__err;								\
})
#define ksvc_helper_get(helper)	true
#define ksvc_helper_forget(forget)	nf_ct_iterate_destroy(forget, NULL)
#else
#define ksvc_helper_register(template, helper)	\
	nf_conntrack_helper_register(template, helper)
#define ksvc_helper_get(helper)	refcount_inc_not_zero(&(helper)->ct_refcnt)
#define ksvc_helper_forget(forget)	((void)(forget))
#endif

/* Helpers that are assigned by port are gone from 7.3 on, and with them the
 * ports of all helpers.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define ksvc_helper_init(helper, family, protocol, name, args...)	\
	nf_ct_helper_init(helper, family, protocol, name, 0, 0, 0, args)
#else
#define ksvc_helper_init	nf_ct_helper_init
#endif

#endif /* _KSVC_COMPAT_H */
