/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_NL_SOCKET_H
#define _KSVC_NL_SOCKET_H

#include "nl_msg.h"

/* A refusal comes with the request that is refused. */
#define RECV_SIZE	(MSG_MAX + 65536)

struct nl {
	struct mnl_socket *sock;
	uint32_t portid;
	uint16_t family;
	uint32_t group;			/* of change events */
	unsigned int protocol;
	char *recv_buf;
	struct batch batch;
	uint32_t txn_seq;		/* of the request that began it */
	char refused[KSVC_NAME_MAX + 1];	/* service of its first refusal */
};

/* Says what errno means here, and returns it. */
int nl_transport_error(struct err *e);

#endif
