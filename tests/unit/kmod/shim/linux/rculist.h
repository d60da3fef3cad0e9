/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RCULIST_H
#define _LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

#define hlist_first_rcu(head)	((head)->first)
#define hlist_next_rcu(node)	((node)->next)

static inline void hlist_add_head_rcu(struct hlist_node *node, struct hlist_head *head)
{
	hlist_add_head(node, head);
}

/* Readers that stand on the node still find the way on. */
static inline void hlist_del_rcu(struct hlist_node *node)
{
	__hlist_del(node);
	node->pprev = LIST_POISON2;
}

#endif
