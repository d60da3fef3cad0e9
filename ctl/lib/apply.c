// SPDX-License-Identifier: GPL-2.0
#include "apply.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "json.h"

#define TRIES	5

/* A message from a transaction of many services says which one it is about. */
static void name_service(const struct nl *nl, struct err *e)
{
	if (*nl_txn_refused(nl))
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
	if (list->n > 1)
		name_service(nl, e);
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

/* A saved configuration on its way to the kernel. */
struct restoring {
	struct nl *nl;
	struct jwalk walk;
	struct settings wanted, before;
	bool refused;			/* by the kernel, not for what the file is */
	bool changed;			/* before is what the settings were */
};

static int put_service(struct service *s, void *data, struct err *e)
{
	/* All others are gone in this transaction, so that none exists but by the file. */
	const struct op op = { .type = OP_SERVICE_PUT, .mode = KSVC_MODE_CREATE, .service = s };
	struct restoring *r = data;
	int err = nl_txn_op(r->nl, &op, e);

	r->refused = err;
	return err;
}

/* Reads the file into a transaction, which has taken all of it then. */
static int fill(struct restoring *r, struct err *e)
{
	int err = jwalk_rewind(&r->walk);

	r->refused = false;
	settings_free(&r->wanted);
	if (!err)
		err = nl_txn_begin(r->nl, 0, KSVC_TXN_FLAGS_REPLACE, e);
	if (err)
		return err;
	err = json_read_each(&r->walk, &r->wanted, put_service, r);
	if (!r->refused)
		err = jwalk_blame(&r->walk, err);
	if (!err)
		err = nl_txn_flush(r->nl, e);
	if (!err)
		return 0;
	name_service(r->nl, e);
	nl_txn_abort(r->nl);
	return err;
}

/*
 * A commit refuses what began before other settings: once the transaction is known to
 * be good, it makes way, and is filled again.
 */
static int change_settings(struct restoring *r, struct settings *now, struct err *e)
{
	int err;

	nl_txn_abort(r->nl);
	err = nl_settings_set(r->nl, &r->wanted, e);
	if (err)
		return err;
	r->before = *now;
	r->changed = true;
	memset(now, 0, sizeof(*now));
	return fill(r, e);
}

static int restore_once(struct restoring *r, struct nl_commit *commit, struct err *e)
{
	struct settings now = {};
	int err;

	err = nl_settings_get(r->nl, &now, e);
	if (!err)
		err = fill(r, e);
	if (!err && !r->changed && settings_differ(&r->wanted, &now))
		err = change_settings(r, &now, e);
	settings_free(&now);
	if (err)
		return err;
	err = nl_txn_commit(r->nl, commit, e);
	if (!err)
		return 0;
	name_service(r->nl, e);
	nl_txn_abort(r->nl);
	return err;
}

int apply_file(struct nl *nl, const char *path, struct nl_commit *commit, struct err *e)
{
	struct restoring r = { .nl = nl };
	struct jwalk_file file;
	struct err ignored;
	int err, tries = 0;

	if (jwalk_open(&r.walk, &file, path, JSON_READ_WINDOW, e))
		return -1;
	do {
		err = restore_once(&r, commit, e);
	} while (try_again(err, &tries));
	err = give_up(err, e);
	if (err && r.changed)
		nl_settings_set(nl, &r.before, &ignored);
	settings_free(&r.wanted);
	settings_free(&r.before);
	jwalk_close(&file);
	return err;
}
