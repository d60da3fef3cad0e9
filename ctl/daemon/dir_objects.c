// SPDX-License-Identifier: GPL-2.0
#include "dir_objects.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/input.h"
#include "log.h"

#define MAX_NAME	253
#define MAX_BROKEN	20		/* told of one file, each time it is read */
#define FIRST_BUCKETS	64

struct dir_object {
	struct dir_object *next;	/* of the same bucket */
	struct dir_file *file;		/* NULL: left it, and not settled */
	uint64_t content;		/* a hash; 0: not what the file has now */
	uint32_t hash;			/* of kind and key */
	uint8_t kind;
	bool counts;			/* the sink has it from here */
	char key[];			/* NAMESPACE/NAME, or NAME */
};

struct dir_objects {
	const struct sink *sink;
	char *node_name;
	void (*again)(void *data, struct dir_file *f);
	void *data;
	struct dir_object **buckets;
	size_t n_buckets, n;
	struct dir_object **left;	/* those without a file */
	size_t n_left;
};

static const struct {
	const char *kind, *version;
	bool has_namespace;
} kinds[N_KINDS] = {
	[KIND_SERVICE] = { "Service", "v1", true },
	[KIND_SLICE] = { "EndpointSlice", "discovery.k8s.io/v1", true },
	[KIND_NODE] = { "Node", "v1", false },
	[KIND_SERVICE_CIDR] = { "ServiceCIDR", "networking.k8s.io/v1", false },
};

/* One object of a file that is being read. */
struct item {
	enum kind kind;
	char *key;
	json_t *object;
	uint64_t content;
	size_t place;
};

struct reading {
	struct dir_objects *t;
	struct dir_file *file;
	struct item *items;
	size_t n, n_seen, n_broken;
};

static void broken(struct reading *r, const char *what, const char *fmt, ...) __printf(3, 4);
static void broken(struct reading *r, const char *what, const char *fmt, ...)
{
	const struct sink *sink = r->t->sink;
	char *where, text[512];
	va_list ap;

	if (++r->n_broken > MAX_BROKEN)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	where = xasprintf("%s: %s", r->file->path, what);
	sink->broken(sink->data, where, text);
	free(where);
}

static int add_to_hash(const char *buf, size_t size, void *data)
{
	uint64_t *h = data;

	for (size_t i = 0; i < size; i++)
		*h = (*h ^ (unsigned char)buf[i]) * 0x100000001b3ULL;
	return 0;
}

static uint64_t hash_content(const json_t *o)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	json_dump_callback(o, add_to_hash, &h, JSON_COMPACT | JSON_SORT_KEYS);
	return h ? h : 1;
}

static uint32_t hash_key(enum kind kind, const char *key)
{
	uint64_t h = 0xcbf29ce484222325ULL + kind;

	add_to_hash(key, strlen(key), &h);
	return h ^ h >> 32;
}

/* "" if there is none; NULL if it is no string. */
static const char *text_member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return !v || json_is_null(v) ? "" : json_string_value(v);
}

static const char *list_kind(const char *kind)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		size_t len = strlen(kinds[i].kind);

		if (!strncmp(kind, kinds[i].kind, len) && !strcmp(kind + len, "List"))
			return kinds[i].kind;
	}
	return strcmp(kind, "List") ? NULL : "";
}

static bool good_name(const char *s)
{
	return *s && strlen(s) <= MAX_NAME && !strchr(s, '/');
}

static void add_item(struct reading *r, enum kind kind, json_t *o)
{
	const json_t *meta = json_object_get(o, "metadata");
	const char *name = text_member(meta, "name"), *ns = text_member(meta, "namespace");
	char what[64];
	struct item *item;

	snprintf(what, sizeof(what), "%s %zu", kinds[kind].kind, r->n_seen);
	if (!json_is_object(meta))
		return broken(r, what, "metadata: must be an object");
	if (!name || !good_name(name))
		return broken(r, what, "metadata.name: must be 1 to %d bytes without /", MAX_NAME);
	if (ns && !*ns)
		ns = "default";
	if (kinds[kind].has_namespace && (!ns || !good_name(ns)))
		return broken(r, what, "metadata.namespace: must be 1 to %d bytes without /",
			      MAX_NAME);
	if (kind == KIND_NODE && r->t->node_name && strcmp(name, r->t->node_name))
		return;
	xgrow(&r->items, r->n, sizeof(*item));
	item = &r->items[r->n];
	item->kind = kind;
	item->key = kinds[kind].has_namespace ? xasprintf("%s/%s", ns, name) : xstrdup(name);
	item->object = json_incref(o);
	item->content = hash_content(o);
	item->place = r->n++;
}

/* list and its version are what a list says of its items, or "". */
static void add_object(struct reading *r, json_t *o, const char *list, const char *list_version);

static void add_items(struct reading *r, const json_t *o, const char *kind, const char *version)
{
	json_t *items = json_object_get(o, "items"), *item;
	size_t i;

	if (items && !json_is_null(items) && !json_is_array(items))
		return broken(r, "items", "must be a list");
	json_array_foreach(items, i, item)
		add_object(r, item, kind, *kind ? version : "");
}

static void add_object(struct reading *r, json_t *o, const char *list, const char *list_version)
{
	const char *kind = text_member(o, "kind"), *version = text_member(o, "apiVersion");
	const char *of;
	char what[64];

	snprintf(what, sizeof(what), "object %zu", ++r->n_seen);
	if (!json_is_object(o))
		return broken(r, what, "not a Kubernetes object");
	if (kind && !*kind)
		kind = list;
	if (version && !*version)
		version = list_version;
	if (!kind || !*kind || !version || !*version)
		return broken(r, what, "%s: must be a string",
			      kind && *kind ? "apiVersion" : "kind");
	of = list_kind(kind);
	/* The parsers' limit of depth bounds lists within lists. */
	if (of)
		return add_items(r, o, of, version);
	for (enum kind k = 0; k < N_KINDS; k++) {
		if (strcmp(kind, kinds[k].kind))
			continue;
		if (!strcmp(version, kinds[k].version))
			return add_item(r, k, o);
		if (k == KIND_SLICE || k == KIND_SERVICE_CIDR)
			return broken(r, what, "apiVersion: \"%.60s\" is not supported, %s is",
				      version, kinds[k].version);
	}
	log_line(LOG_DEBUG, "Object of another kind ignored", F_TEXT("file", r->file->path),
		 F_TEXT("kind", kind));
}

static int add_document(json_t *root, void *data, struct err *e)
{
	(void)e;
	add_object(data, root, "", "");
	return 0;
}

static int item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int r = x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) :
		strcmp(x->key, y->key);

	return r ? r : (x->place > y->place) - (x->place < y->place);
}

static void item_free(struct item *item)
{
	free(item->key);
	json_decref(item->object);
}

static char *item_text(const struct item *item)
{
	return xasprintf("%s %s", kinds[item->kind].kind, item->key);
}

/* Sorted, and of each object the first. */
static void sort_items(struct reading *r)
{
	size_t n = 0;

	if (r->n)
		qsort(r->items, r->n, sizeof(*r->items), item_cmp);
	for (size_t i = 0; i < r->n; i++) {
		struct item *item = &r->items[i], *last = n ? &r->items[n - 1] : NULL;

		if (last && last->kind == item->kind && !strcmp(last->key, item->key)) {
			char *what = item_text(item);

			broken(r, what, "is in the file twice");
			free(what);
			item_free(item);
		} else {
			r->items[n++] = *item;
		}
	}
	r->n = n;
}

static struct dir_object **bucket(const struct dir_objects *t, uint32_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

static void grow(struct dir_objects *t)
{
	struct dir_object **old = t->buckets;
	size_t n_old = t->n_buckets;

	if (t->n < n_old)
		return;
	t->n_buckets = n_old ? n_old * 2 : FIRST_BUCKETS;
	t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct dir_object *o = old[i];

			old[i] = o->next;
			o->next = *bucket(t, o->hash);
			*bucket(t, o->hash) = o;
		}
	}
	free(old);
}

static struct dir_object *object_new(struct dir_objects *t, const struct item *item)
{
	size_t len = strlen(item->key) + 1;
	struct dir_object *o = xcalloc(1, sizeof(*o) + len);

	grow(t);
	memcpy(o->key, item->key, len);
	o->kind = item->kind;
	o->hash = hash_key(item->kind, item->key);
	o->next = *bucket(t, o->hash);
	*bucket(t, o->hash) = o;
	t->n++;
	return o;
}

static void object_free(struct dir_objects *t, struct dir_object *o)
{
	struct dir_object **p = bucket(t, o->hash);

	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
	t->n--;
	free(o);
}

static bool is_same(const struct dir_object *a, const struct dir_object *b)
{
	return a != b && a->hash == b->hash && a->kind == b->kind && !strcmp(a->key, b->key);
}

/* Of the same key: that which counts, or of those that do not the first by file. */
static struct dir_object *find_other(const struct dir_objects *t, const struct dir_object *o,
				     bool counts)
{
	struct dir_object *best = NULL;

	for (struct dir_object *p = *bucket(t, o->hash); p; p = p->next) {
		if (!is_same(p, o) || p->counts != counts)
			continue;
		if (counts)
			return p;
		if (p->file && (!best || strcmp(p->file->name, best->file->name) < 0))
			best = p;
	}
	return best;
}

static void tell_shadowed(struct dir_objects *t, const struct dir_object *o,
			  const struct dir_object *by)
{
	char *where = xasprintf("%s: %s %s", o->file->path, kinds[o->kind].kind, o->key);
	char *why = xasprintf("is in %s, too, which counts", by->file->path);

	t->sink->broken(t->sink->data, where, why);
	free(where);
	free(why);
}

/* A new object counts or not; *known becomes the content that the sink has. */
static void claim(struct dir_objects *t, struct dir_object *o, uint64_t *known)
{
	struct dir_object *other = find_other(t, o, true);

	*known = 0;
	if (other && other->file && strcmp(other->file->name, o->file->name) < 0) {
		tell_shadowed(t, o, other);
		return;
	}
	o->counts = true;
	if (!other)
		return;
	*known = other->content;
	other->counts = false;
	if (other->file)
		tell_shadowed(t, other, o);
}

static void update(struct dir_objects *t, struct dir_object *o, const struct item *item,
		   uint64_t known)
{
	o->content = item->content;
	if (o->counts && known != item->content)
		t->sink->put(t->sink->data, item->kind, item->object);
}

static void drop(struct dir_objects *t, struct dir_object *o)
{
	struct dir_object *heir = o->counts ? find_other(t, o, false) : NULL;

	if (heir) {
		heir->counts = true;
		heir->content = 0;
		t->again(t->data, heir->file);
	}
	if (!o->counts || heir) {
		object_free(t, o);
		return;
	}
	o->file = NULL;
	xgrow(&t->left, t->n_left, sizeof(*t->left));
	t->left[t->n_left++] = o;
}

static int object_cmp(const struct dir_object *o, const struct item *item)
{
	return o->kind != item->kind ? (o->kind > item->kind) - (o->kind < item->kind) :
	       strcmp(o->key, item->key);
}

/* Both sides are sorted. */
static void replace(struct dir_objects *t, struct dir_file *f, const struct reading *r)
{
	struct dir_object **old = f->objects, **objects = xcalloc(r->n, sizeof(*objects));
	size_t n_old = f->n, j = 0;

	f->objects = objects;
	f->n = r->n;
	for (size_t i = 0; i < r->n; i++) {
		const struct item *item = &r->items[i];
		uint64_t known;

		while (j < n_old && object_cmp(old[j], item) < 0)
			drop(t, old[j++]);
		if (j < n_old && !object_cmp(old[j], item)) {
			objects[i] = old[j++];
			update(t, objects[i], item, objects[i]->content);
			continue;
		}
		objects[i] = object_new(t, item);
		objects[i]->file = f;
		claim(t, objects[i], &known);
		update(t, objects[i], item, known);
	}
	while (j < n_old)
		drop(t, old[j++]);
	free(old);
}

int dir_objects_read(struct dir_objects *t, struct dir_file *f, const char *text, size_t len,
		     struct err *e)
{
	struct reading r = { .t = t, .file = f };
	int err = input_parse(text, len, add_document, &r, e);

	if (!err) {
		sort_items(&r);
		replace(t, f, &r);
	}
	if (r.n_broken > MAX_BROKEN) {
		char *why = xasprintf("%zu more such objects", r.n_broken - MAX_BROKEN);

		t->sink->broken(t->sink->data, f->path, why);
		free(why);
	}
	for (size_t i = 0; i < r.n; i++)
		item_free(&r.items[i]);
	free(r.items);
	return err;
}

void dir_objects_forget(struct dir_objects *t, struct dir_file *f)
{
	const struct reading nothing = {};

	replace(t, f, &nothing);
	free(f->objects);
	f->objects = NULL;
}

/* As much of it as a deletion needs. */
static json_t *name_of(const struct dir_object *o)
{
	json_t *root = json_object(), *meta = json_object();
	const char *slash = kinds[o->kind].has_namespace ? strchr(o->key, '/') : NULL;

	json_object_set_new(root, "apiVersion", json_string(kinds[o->kind].version));
	json_object_set_new(root, "kind", json_string(kinds[o->kind].kind));
	if (slash)
		json_object_set_new(meta, "namespace", json_stringn(o->key, slash - o->key));
	json_object_set_new(meta, "name", json_string(slash ? slash + 1 : o->key));
	json_object_set_new(root, "metadata", meta);
	return root;
}

void dir_objects_settle(struct dir_objects *t)
{
	for (size_t i = 0; i < t->n_left; i++) {
		struct dir_object *o = t->left[i];

		if (o->counts) {
			json_t *object = name_of(o);

			t->sink->del(t->sink->data, o->kind, object);
			json_decref(object);
		}
		object_free(t, o);
	}
	free(t->left);
	t->left = NULL;
	t->n_left = 0;
}

struct dir_objects *dir_objects_new(const struct sink *sink, const char *node_name,
				    void (*again)(void *data, struct dir_file *f), void *data)
{
	struct dir_objects *t = xcalloc(1, sizeof(*t));

	t->sink = sink;
	t->node_name = node_name ? xstrdup(node_name) : NULL;
	t->again = again;
	t->data = data;
	return t;
}

/* The files are the caller's, and tells the sink nothing. */
void dir_objects_free(struct dir_objects *t)
{
	for (size_t i = 0; i < t->n_buckets; i++) {
		while (t->buckets[i]) {
			struct dir_object *o = t->buckets[i];

			t->buckets[i] = o->next;
			free(o);
		}
	}
	free(t->buckets);
	free(t->left);
	free(t->node_name);
	free(t);
}
