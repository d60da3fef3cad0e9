/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_NL_MSG_H
#define _KSVC_NL_MSG_H

#include <libmnl/libmnl.h>

#include "diff.h"
#include "model.h"
#include "nl.h"

/*
 * A message is closed once it is this long; a service that does not fit goes
 * on in endpoint-put messages. Only endpoints are parted, so that one may be
 * longer by all frontends and source ranges that a service can have.
 */
#define MSG_SPLIT	32768
#define MSG_MAX		(MSG_SPLIT + 4096 + 48 * KSVC_MAX_FRONTENDS + \
			 32 * KSVC_MAX_SOURCE_RANGES)

/* A batch is full with this; its refusals must fit into the socket's buffer. */
#define BATCH_SPLIT	(3 * MSG_SPLIT)
#define BATCH_SIZE	(BATCH_SPLIT + MSG_MAX)

struct batch {
	char *data;			/* BATCH_SIZE bytes */
	size_t used;
	uint16_t family;
	uint32_t seq;			/* of the last message */
};

struct nlmsghdr *msg_start(void *buf, uint16_t family, uint8_t cmd,
			   uint16_t flags, uint32_t seq);

/*
 * Appends messages of op, going on with endpoint *next. False if the batch is
 * full before the op is complete: to be called again with an empty one.
 */
bool batch_add_op(struct batch *b, const struct op *op, uint32_t *next);

void msg_put_settings(struct nlmsghdr *nlh, const struct settings *s);
void msg_put_flow(struct nlmsghdr *nlh, const struct flow *flow);
void msg_put_affinity(struct nlmsghdr *nlh, const char *name, const struct addr *client);

/*
 * Parsers of what the kernel sends; -1 for a message that breaks the spec.
 * msg_parse_service appends to the model's last service if it continues it.
 */
int msg_parse_service(const struct nlmsghdr *nlh, struct model *m);
int msg_parse_settings(const struct nlmsghdr *nlh, struct settings *s);
int msg_parse_info(const struct nlmsghdr *nlh, struct nl_info *info);
int msg_parse_stats(const struct nlmsghdr *nlh, struct nl_stats *stats);
int msg_parse_txn(const struct nlmsghdr *nlh, struct nl_commit *commit);
int msg_parse_explain(const struct nlmsghdr *nlh, struct explanation *x);
int msg_parse_affinity(const struct nlmsghdr *nlh, struct affinity_list *list);
int msg_parse_event(const struct nlmsghdr *nlh, struct nl_event *event);

#endif
