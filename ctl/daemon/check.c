// SPDX-License-Identifier: GPL-2.0
#include "check.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "kubeconfig.h"
#include "log.h"
#include "node.h"
#include "source_dir.h"

/* For a list of files that ends before; a directory may go away meanwhile. */
#define PATIENCE	(60 * 1000000ULL)

/* Manifests go where the daemon would put them, and no farther. */
struct checker {
	FILE *to;
	sd_event *loop;
	struct node node;
	struct k8s objects;
};

static void say_texts(FILE *to, struct k8s_texts *list)
{
	for (size_t i = 0; i < list->n; i++)
		fprintf(to, "ksvcd: %s\n", list->list[i]);
	k8s_texts_clear(list);
}

static void list_begin(void *data, enum kind kind)
{
	(void)data;
	(void)kind;
}

static void list_end(void *data, enum kind kind)
{
	struct checker *c = data;

	/* Services and slices end together, slices last. */
	if (kind == KIND_SLICE)
		sd_event_exit(c->loop, 0);
}

static void put(void *data, enum kind kind, const json_t *object)
{
	enum k8s_kind k8s_kind = kind == KIND_SERVICE ? K8S_SERVICE : K8S_SLICE;
	struct checker *c = data;
	struct err e;

	if (kind == KIND_NODE)
		node_put(&c->node, object);
	else if (kind == KIND_SERVICE_CIDR ? node_put_cidr(&c->node, object, &e) :
		 k8s_put(&c->objects, k8s_kind, object, &e) < 0)
		fprintf(c->to, "ksvcd: %s, is left out\n", e.text);
}

static void del(void *data, enum kind kind, const json_t *object)
{
	(void)data;
	(void)kind;
	(void)object;
}

static void broken(void *data, const char *where, const char *why)
{
	struct checker *c = data;

	fprintf(c->to, "ksvcd: %s: %s, is left out\n", where, why);
}

static int read_manifests(struct checker *c, const char *path, const char *node_name,
			  struct err *e)
{
	const struct sink sink = { .list_begin = list_begin, .list_end = list_end, .put = put,
				   .del = del, .broken = broken, .data = c };
	struct source_dir *dir = NULL;
	int err = sd_event_new(&c->loop);

	if (err >= 0)
		err = sd_event_add_time_relative(c->loop, NULL, CLOCK_MONOTONIC, PATIENCE, 0, NULL,
						 (void *)(intptr_t)-ETIMEDOUT);
	if (err < 0) {
		err_set(e, "event loop: %s", strerror(-err));
	} else if (source_dir_new(&dir, c->loop, path, node_name, &sink, e)) {
		err = -1;
	} else {
		err = sd_event_loop(c->loop);
		if (err < 0)
			err_set(e, "%s: %s", path, strerror(-err));
	}
	source_dir_free(dir);
	sd_event_unref(c->loop);
	return err < 0 ? -1 : 0;
}

static int check_manifests(const struct config *config, FILE *to, struct err *e)
{
	struct checker c = { .to = to };
	int err;

	if (access(config->manifests, R_OK)) {
		fprintf(to, "ksvcd: %s: %s, would be waited for\n", config->manifests,
			strerror(errno));
		return 0;
	}
	node_init(&c.node, config);
	c.objects.node = &c.node.facts;
	err = read_manifests(&c, config->manifests, config->node_name, e);
	k8s_update(&c.objects);
	say_texts(to, &c.objects.warnings);
	k8s_free(&c.objects);
	node_free(&c.node);
	return err;
}

static int check_access(const struct config *config, struct err *e)
{
	struct api_access access;
	int err = api_access_init(&access, config->kubeconfig, config->master, e);

	if (!err)
		api_access_clean(&access);
	return err;
}

static void say_notes(const struct config *c, FILE *to)
{
	for (size_t i = 0; i < c->n_notes; i++) {
		const struct config_note *n = &c->notes[i];

		if (n->line)
			fprintf(to, "ksvcd: %s:%d: %s: has no effect\n", c->file, n->line, n->key);
		else
			fprintf(to, "ksvcd: --%s: has no effect\n", n->key);
	}
}

int check(const struct config *c, FILE *to)
{
	struct err e;
	int err;

	/* Of the source's own only what it leaves out. */
	log_set_level(LOG_WARNING);
	say_notes(c, to);
	if (c->action == CONFIG_CHECK_CONFIG)
		return 0;
	err = c->manifests ? check_manifests(c, to, &e) : check_access(c, &e);
	if (err)
		fprintf(to, "ksvcd: %s\n", e.text);
	return err;
}
