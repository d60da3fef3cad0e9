/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_APPLY_H
#define _KSVC_APPLY_H

#include "diff.h"
#include "nl.h"

/*
 * Fills list with what shall be done to actual, which is the kernel's
 * configuration at this moment. May be called again when another writer was
 * faster. Returns a negative errno to give up.
 */
typedef int (*plan_fn)(const struct model *actual, struct op_list *list,
		       void *data, struct err *e);

/*
 * All of the list in one transaction, or nothing; -ERESTART if the generation
 * is no longer base (0: whatever it is). flags: KSVC_TXN_FLAGS_*.
 */
int apply_ops(struct nl *nl, uint64_t base, uint32_t flags, const struct op_list *list,
	      struct nl_commit *commit, struct err *e);

/* All of the plan, or nothing. name: the only service it looks at, or NULL. */
int apply_plan(struct nl *nl, const char *name, plan_fn plan, void *data,
	       struct nl_commit *commit, struct err *e);

/* One operation, in a transaction of its own if it is large. */
int apply_op(struct nl *nl, const struct op *op, struct err *e);

/* Makes the kernel's services exactly those of m. */
int apply_replace(struct nl *nl, const struct model *m, struct nl_commit *commit,
		  struct err *e);

/* The same with the settings that m has; on failure they stay as they were. */
int apply_restore(struct nl *nl, const struct model *m, struct nl_commit *commit,
		  struct err *e);

/*
 * The same from a saved file ("-": stdin), service by service: it takes no memory
 * for all of them. Nothing changes before all of the file has been read and taken.
 */
int apply_file(struct nl *nl, const char *path, struct nl_commit *commit, struct err *e);

#endif
