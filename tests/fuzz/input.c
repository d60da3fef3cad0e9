// SPDX-License-Identifier: GPL-2.0
/*
 * A file as apply reads it: YAML, or JSON values in a row. Each document
 * written as JSON is read as the same again, and means the same.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "lib/input.h"

/* An alias may stand for much; that is for the readers, not for this copy. */
#define MAX_VALUES	20000

struct reading {
	struct k8s objects;
	char *copy;			/* the documents as JSON, or NULL */
	size_t copy_len;
	FILE *f;
	bool too_large;
	const json_t *wanted;
	int documents;
};

static int same_document(json_t *root, void *data, struct err *e)
{
	struct reading *rd = data;

	(void)e;
	check(!rd->documents++);
	check(json_equal(root, rd->wanted));
	return 0;
}

static void check_copy(const json_t *root)
{
	char *text = json_dumps(root, 0);
	struct reading rd = { .wanted = root };
	struct err e = {};

	check(text);
	if (input_parse(text, strlen(text), same_document, &rd, &e))
		fuzz_fail(__FILE__, __LINE__, "the copy is read", text, e.text);
	check(rd.documents == 1);
	free(text);
}

static int add_document(json_t *root, void *data, struct err *e)
{
	struct reading *rd = data;

	if (json_is_array(root) || json_is_object(root)) {
		if (fuzz_count(root, MAX_VALUES) < MAX_VALUES) {
			check_copy(root);
			json_dumpf(root, rd->f, 0);
			fputc('\n', rd->f);
		} else {
			rd->too_large = true;
		}
	}
	return k8s_add(&rd->objects, root, e);
}

static int add_copy(json_t *root, void *data, struct err *e)
{
	return k8s_add(data, root, e);
}

/* The copy of all documents makes the same services. */
static void compare(struct reading *rd, const struct k8s_node *node)
{
	struct k8s k = { .node = node };
	char *got, *wanted;
	struct err e = {};

	if (rd->copy_len)
		check(!input_parse(rd->copy, rd->copy_len, add_copy, &k, &e));
	got = fuzz_wanted(&rd->objects);
	wanted = fuzz_wanted(&k);
	check_same(got, wanted);
	check(rd->objects.notes.n == k.notes.n && rd->objects.warnings.n == k.warnings.n);
	free(got);
	free(wanted);
	k8s_free(&k);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	const struct k8s_node node = { .name = "here", .zone = "a" };
	struct reading rd = { .objects = { .node = &node } };
	struct err e = {};
	int err;

	rd.f = open_memstream(&rd.copy, &rd.copy_len);
	check(rd.f);
	err = input_parse((const char *)data, size, add_document, &rd, &e);
	check(!err == !*e.text);
	fclose(rd.f);
	if (!err && !rd.too_large)
		compare(&rd, &node);
	if (!err)
		fuzz_accept();
	k8s_update(&rd.objects);
	k8s_warn_of_orphans(&rd.objects);
	k8s_free(&rd.objects);
	free(rd.copy);
}
