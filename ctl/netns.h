/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCCTL_NETNS_H
#define _KSVCCTL_NETNS_H

#include <stdint.h>

#include "lib/util.h"

struct netns {
	int fd;
	uint64_t inode;
	char *path;			/* where it was found */
};

struct netns_list {
	struct netns *list;
	size_t n;
};

/* All that have a name or a process, the caller's own first. */
int netns_find(struct netns_list *all, struct err *e);
int netns_enter(const struct netns *ns, struct err *e);
void netns_free(struct netns_list *all);

#endif
