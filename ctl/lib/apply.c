// SPDX-License-Identifier: GPL-2.0
#include "apply.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define TRIES	5

/* A message from a transaction of many services says which one it is about. */
static void name_service(const struct nl *nl, const struct op_list *list, struct err *e)
{
	if (list->n > 1 && *nl_txn_refused(nl))
		err_prefix(e, "service %s: ", nl_txn_refused(nl));
}

int apply_ops(struct nl *nl, uint64_t base, uint32_t flags, const struct op_list *list,
	      struct nl_commit *commit, struct err *e)
{
	int err;

	if (list->sweep)
		flags |= KSVC_TXN_FLAGS_SWEEP;
	err = nl_txn_begin(nl, base, flags, e);
	if (err)
		return err;
	for (size_t i = 0; i < list->n && !err; i++)
		err = nl_txn_op(nl, &list->ops[i], e);
	if (!err)
		err = nl_txn_commit(nl, commit, e);
	if (!err)
		return 0;
	name_service(nl, list, e);
	/* A commit that was answered has ended the transaction already. */
	nl_txn_abort(nl);
	return err;
}

/* Lets the other writer finish what it is at. */
static bool try_again(int err, int *tries)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	if (err != -ERESTART || ++*tries == TRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

static int give_up(int err, struct err *e)
{
	if (err == -ERESTART)
		err_set(e, "another writer kept changing the configuration; tried %d times",
			TRIES);
	return err;
}

static int plan_once(struct nl *nl, const char *name, plan_fn plan, void *data,
		     struct nl_commit *commit, struct err *e)
{
	struct model actual = {};
	struct op_list list = {};
	struct nl_info info;
	int err;

	/* Before the dump: a change in between is noticed, not lost. */
	err = nl_info(nl, &info, e);
	if (!err)
		err = nl_services(nl, name, &actual, e);
	if (!err)
		err = plan(&actual, &list, data, e);
	commit->generation = info.generation;
	commit->changes = 0;
	if (!err && list.n)
		err = apply_ops(nl, info.generation, 0, &list, commit, e);
	op_list_free(&list);
	model_free(&actual);
	return err;
}

int apply_plan(struct nl *nl, const char *name, plan_fn plan, void *data,
	       struct nl_commit *commit, struct err *e)
{
	int err, tries = 0;

	do {
		err = plan_once(nl, name, plan, data, commit, e);
	} while (try_again(err, &tries));
	return give_up(err, e);
}

int apply_op(struct nl *nl, const struct op *op, struct err *e)
{
	struct op_list list = { .ops = (struct op *)op, .n = 1 };
	struct nl_commit commit;
	int err = nl_op(nl, op, e), tries = 0;

	if (err != -EMSGSIZE)
		return err;
	do {
		err = apply_ops(nl, 0, 0, &list, &commit, e);
	} while (try_again(err, &tries));
	return give_up(err, e);
}

int apply_replace(struct nl *nl, const struct model *m, struct nl_commit *commit,
		  struct err *e)
{
	struct op_list list = {};
	int err, tries = 0;

	for (size_t i = 0; i < m->n_services; i++)
		op_add(&list, OP_SERVICE_PUT, KSVC_MODE_PUT, &m->services[i]);
	do {
		err = apply_ops(nl, 0, KSVC_TXN_FLAGS_REPLACE, &list, commit, e);
	} while (try_again(err, &tries));
	op_list_free(&list);
	return give_up(err, e);
}

int apply_restore(struct nl *nl, const struct model *m, struct nl_commit *commit,
		  struct err *e)
{
	struct settings before = {};
	struct err ignored;
	int err;

	if (!m->settings.has)
		return apply_replace(nl, m, commit, e);
	err = nl_settings_get(nl, &before, e);
	if (!err)
		err = nl_settings_set(nl, &m->settings, e);
	if (!err) {
		err = apply_replace(nl, m, commit, e);
		if (err)
			nl_settings_set(nl, &before, &ignored);
	}
	settings_free(&before);
	return err;
}
