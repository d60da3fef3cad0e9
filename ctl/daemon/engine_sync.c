// SPDX-License-Identifier: GPL-2.0
/* What is wanted, written: all in one transaction, or, if the kernel refuses that, entry by entry. */
#include "engine_sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apply.h"
#include "lib/json.h"

#define TRIES	5

struct nl *engine_nl(struct engine *e)
{
	struct err ignored;

	if (!e->nl && nl_open(&e->nl, &ignored))
		e->nl = NULL;
	return e->nl;
}

static void close_socket(struct engine *e)
{
	nl_close(e->nl);
	e->nl = NULL;
	e->known = false;
}

bool engine_is_current(struct engine *e)
{
	struct nl_info info;
	struct err ignored;

	if (!e->nl || !e->known)
		return true;
	return !nl_info(e->nl, &info, &ignored) && info.generation == e->generation;
}

/* Lists that mean the same are the same. */
static json_t *comparable(const struct settings *s)
{
	json_t *o, *value, *item, *object;
	const char *key;
	size_t i;

	o = json_of_settings(s);
	json_object_foreach(o, key, value) {
		if (!json_is_array(value))
			continue;
		object = json_object();
		json_array_foreach(value, i, item)
			json_object_set_new(object, json_string_value(item), json_null());
		json_object_set_new(o, key, object);
	}
	return o;
}

/* Whether all that is to be set, is. */
static bool settings_hold(const struct settings *wanted, const struct settings *actual)
{
	json_t *w = comparable(wanted), *a = comparable(actual), *value;
	bool same = true;
	const char *key;

	json_object_foreach(w, key, value)
		same &= json_equal(value, json_object_get(a, key));
	json_decref(w);
	json_decref(a);
	return same;
}

static int sync_settings(struct engine *e, struct err *why)
{
	struct settings actual = {};
	int err = nl_settings_get(e->nl, &actual, why);

	if (!err && !settings_hold(&e->settings, &actual)) {
		err = nl_settings_set(e->nl, &e->settings, why);
		e->counts.drift += !err && e->ever && !e->set;
	}
	e->set &= !!err;
	settings_free(&actual);
	return err;
}

/* Into the collection; what belongs to nobody is left in foreign. */
static int read_actual(struct engine *e, struct model *foreign, struct err *why)
{
	struct nl_info info;
	int err = sync_settings(e, why);

	/* Before the dump: a change in between is noticed, not lost. */
	if (!err)
		err = nl_info(e->nl, &info, why);
	if (!err)
		err = nl_services(e->nl, NULL, foreign, why);
	if (err)
		return err;
	e->generation = info.generation;
	k8s_reload(&e->objects, foreign);
	return 0;
}

static bool everything(const struct service *actual, void *data)
{
	(void)actual;
	(void)data;
	return true;
}

static void diff_entry(const struct k8s_entry *entry, struct op_list *list)
{
	const struct model wanted = { .services = entry->wanted, .n_services = entry->n_wanted };
	const struct model actual = { .services = entry->in_force,
				      .n_services = entry->n_in_force };

	diff(&wanted, &actual, everything, NULL, list);
}

static bool is_held_back(const struct engine *e, const struct k8s_entry *entry)
{
	return entry->refused && !e->retry_refused;
}

static int write_list(struct engine *e, const struct op_list *list, struct err *why)
{
	struct nl_commit commit;
	int err;

	if (!list->n)
		return 0;
	err = apply_ops(e->nl, e->generation, 0, list, &commit, why);
	if (!err)
		e->generation = commit.generation;
	return err;
}

/* Of the changed entries, the first n_expected are there because of objects. */
static int write_all(struct engine *e, size_t n_expected, const struct model *foreign,
		     struct err *why)
{
	const struct k8s_entries *changed = &e->objects.changed;
	static const struct model nothing;
	struct op_list list = {};
	size_t expected = 0;
	int err;

	for (size_t i = 0; i < changed->n; i++) {
		if (!is_held_back(e, changed->list[i]))
			diff_entry(changed->list[i], &list);
		if (i < n_expected)
			expected = list.n;
	}
	diff(&nothing, foreign, everything, NULL, &list);
	err = write_list(e, &list, why);
	if (!err && e->ever)
		e->counts.drift += list.n - expected;
	op_list_free(&list);
	return err;
}

/* Whether an error was about what was asked for, and not about being able to ask. */
static bool is_refusal(struct engine *e, int err)
{
	struct nl_info info;
	struct err ignored;

	return err != -ERESTART && !nl_info(e->nl, &info, &ignored);
}

static void refuse(struct engine *e, struct k8s_entry *entry, const char *why)
{
	if (!entry->refused)
		e->calls.refused(e->calls.data, entry, why);
	entry->refused = true;
}

static int write_one(struct engine *e, struct k8s_entry *entry, struct err *why)
{
	struct op_list list = {};
	int err;

	diff_entry(entry, &list);
	err = write_list(e, &list, why);
	if (!err) {
		entry->refused = false;
	} else if (is_refusal(e, err)) {
		refuse(e, entry, why->text);
		err = 0;
	}
	op_list_free(&list);
	return err;
}

/*
 * One entry may need what another one gives up, in whatever order they stand:
 * a second round takes in what the first one had to leave.
 */
static int write_each(struct engine *e, const struct model *foreign, struct err *why)
{
	const struct k8s_entries *changed = &e->objects.changed;
	static const struct model nothing;
	struct op_list list = {};
	int err;

	diff(&nothing, foreign, everything, NULL, &list);
	err = write_list(e, &list, why);
	op_list_free(&list);
	for (size_t i = 0; i < 2 * changed->n && !err; i++) {
		struct k8s_entry *entry = changed->list[i % changed->n];

		if (i < changed->n ? !is_held_back(e, entry) : entry->refused)
			err = write_one(e, entry, why);
	}
	return err;
}

static void settle(struct engine *e)
{
	struct k8s_entries *changed = &e->objects.changed;
	size_t kept = 0;

	for (size_t i = 0; i < changed->n; i++) {
		struct k8s_entry *entry = changed->list[i];

		if (entry->refused) {
			changed->list[kept++] = entry;
			continue;
		}
		e->calls.settled(e->calls.data, entry);
		k8s_settled(&e->objects, entry);
	}
	changed->n = kept;
}

static int sync_once(struct engine *e, struct err *why)
{
	struct model foreign = {};
	size_t n_expected;
	int err = 0;

	k8s_update(&e->objects);
	n_expected = e->objects.changed.n;
	if (!e->known)
		err = read_actual(e, &foreign, why);
	if (!err) {
		err = write_all(e, n_expected, &foreign, why);
		if (err && is_refusal(e, err))
			err = write_each(e, &foreign, why);
	}
	model_free(&foreign);
	e->known = !err;
	if (!err)
		settle(e);
	return err;
}

int engine_sync(struct engine *e, struct err *why)
{
	int err = 0;

	if (!e->nl && nl_open(&e->nl, why)) {
		e->nl = NULL;
		return -1;
	}
	for (int i = 0; i < TRIES; i++) {
		err = sync_once(e, why);
		if (err != -ERESTART)
			break;
	}
	e->retry_refused = false;
	if (!err)
		return 0;
	close_socket(e);
	return -1;
}
