/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_NETLINK_H
#define _LINUX_NETLINK_H

#include <linux/types.h>

#define NETLINK_MAX_FMTMSG_LEN	80

struct netlink_ext_ack {
	const char *_msg;
	bool truncated;		/* of which the kernel would complain in its log */
	char _msg_buf[NETLINK_MAX_FMTMSG_LEN];
};

/* %s, %u and %.Ns, %pI4 and %pI6c, as the kernel has them. */
int shim_format(char *buf, size_t size, const char *fmt, ...);

#define NL_SET_ERR_MSG(extack, msg)	((extack)->_msg = (msg))
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {				\
	struct netlink_ext_ack *__extack = (extack);				\
										\
	__extack->truncated = shim_format(__extack->_msg_buf,			\
					  NETLINK_MAX_FMTMSG_LEN, fmt, ##args) >= \
			      NETLINK_MAX_FMTMSG_LEN;				\
	__extack->_msg = __extack->_msg_buf;					\
} while (0)

#endif
