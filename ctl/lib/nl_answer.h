/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_NL_ANSWER_H
#define _KSVC_NL_ANSWER_H

#include <libmnl/libmnl.h>
#include <linux/ksvc.h>
#include <stdbool.h>

#include "util.h"

/* What becomes of one request, or of a batch of them. */
struct answer {
	struct err *e;
	int error;			/* the first one; positive errno */
	char service[KSVC_NAME_MAX + 1];	/* that the request refused was about */
	bool done;
	int (*parse)(const struct nlmsghdr *nlh, void *data);
	void *data;
};

/* Gives the kernel's messages to the answer; -1 with errno set if they cannot be. */
int answer_run(struct answer *a, const void *buf, size_t n, uint32_t seq,
	       uint32_t portid);

#endif
