// SPDX-License-Identifier: GPL-2.0
#include "dir_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/log.h"

struct seen seen;
void (*meanwhile)(void);
sd_event *loop;
char *dir;

static struct source_dir *source;

static const char *const kind_names[] = { "Service", "EndpointSlice", "Node", "ServiceCIDR" };

static const char *meta(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(o, "metadata"), key));

	return s ? s : "";
}

static struct held *find(enum kind kind, const json_t *o, bool make)
{
	const char *name = text("%s%s%s", meta(o, "namespace"), *meta(o, "namespace") ? "/" : "",
				meta(o, "name"));
	size_t i;

	for (i = 0; i < seen.n; i++)
		if (seen.held[i].kind == kind && !strcmp(seen.held[i].name, name))
			return &seen.held[i];
	if (!make || i == ARRAY_SIZE(seen.held))
		return NULL;
	seen.n++;
	seen.held[i].kind = kind;
	snprintf(seen.held[i].name, sizeof(seen.held[i].name), "%s", name);
	return &seen.held[i];
}

static void on_begin(void *data, enum kind kind)
{
	(void)data;
	seen.begun[kind]++;
}

static void on_end(void *data, enum kind kind)
{
	(void)data;
	seen.ended[kind]++;
}

static void on_put(void *data, enum kind kind, const json_t *o)
{
	const json_t *labels = json_object_get(json_object_get(o, "metadata"), "labels");
	const char *v = json_string_value(json_object_get(labels, "v"));
	struct held *h = find(kind, o, true);

	(void)data;
	seen.puts++;
	if (meanwhile)
		meanwhile();
	if (h)
		snprintf(h->value, sizeof(h->value), "%s", v ? v : "");
}

static void on_del(void *data, enum kind kind, const json_t *o)
{
	struct held *h = find(kind, o, false);

	(void)data;
	seen.dels++;
	if (expect(h))
		*h = seen.held[--seen.n];
}

static void on_broken(void *data, const char *where, const char *why)
{
	(void)data;
	seen.broken++;
	snprintf(seen.last_broken, sizeof(seen.last_broken), "%s: %s", where + strlen(dir) + 1,
		 why);
}

static const struct sink sink = {
	.list_begin = on_begin, .list_end = on_end, .put = on_put, .del = on_del,
	.broken = on_broken,
};

static int held_cmp(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

const char *state(void)
{
	static char buf[65536];
	size_t len = 0;

	qsort(seen.held, seen.n, sizeof(*seen.held), held_cmp);
	*buf = '\0';
	for (size_t i = 0; i < seen.n; i++)
		len += snprintf(buf + len, sizeof(buf) - len, "%s%s%s%s=%s", len ? " " : "",
				seen.held[i].kind ? kind_names[seen.held[i].kind] : "",
				seen.held[i].kind ? " " : "", seen.held[i].name,
				seen.held[i].value);
	return buf;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void until_state_at(int line, const char *wanted)
{
	double end = now() + PATIENCE;

	while (strcmp(state(), wanted) && now() < end)
		sd_event_run(loop, 100000);
	if (!expect_text(state(), wanted))
		printf("# in line %d\n", line);
}

void idle(void)
{
	while (sd_event_run(loop, 20000) > 0)
		;
}

void follow(const char *path)
{
	struct err e;

	memset(&seen, 0, sizeof(seen));
	log_set_level(LOG_ERR);
	expect(!sd_event_new(&loop));
	expect(!source_dir_new(&source, loop, path, "n1", &sink, &e));
}

void start(void)
{
	dir = text("%s/manifests", temp_dir());
	mkdir(dir, 0700);
	follow(dir);
}

void stop(void)
{
	source_dir_free(source);
	sd_event_unref(loop);
	meanwhile = NULL;
	log_set_level(LOG_INFO);
}

char *in_dir(const char *name)
{
	return text("%s/%s", dir, name);
}

char *services(const char *list)
{
	char *words = text("%s", list), *save = NULL, *s = text("# manifests\n");

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(w, '=');

		*equals = '\0';
		s = text("%s---\napiVersion: v1\nkind: Service\n"
			 "metadata: {name: %s, namespace: a, labels: {v: \"%s\"}}\n", s, w,
			 equals + 1);
	}
	return s;
}

void put_text(const char *name, const char *content)
{
	put_file(in_dir(name), content, strlen(content));
}

void put(const char *name, const char *list)
{
	put_text(name, services(list));
}

void replace(const char *name, const char *list)
{
	put_text(".new", services(list));
	rename(in_dir(".new"), in_dir(name));
}
