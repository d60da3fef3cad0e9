// SPDX-License-Identifier: GPL-2.0
/* Objects come and go. */
#include <stdlib.h>
#include <string.h>

#include "k8s_read.h"

static uint32_t hash_name(const char *ns, const char *name)
{
	return hash_string(hash_string(0, ns), name);
}

struct k8s_entry *k8s_find(const struct k8s *k, const char *ns, const char *name)
{
	struct hnode *n = htable_first(&k->entries, hash_name(ns, name));

	for (; n; n = htable_next(n)) {
		struct k8s_entry *entry = container_of(n, struct k8s_entry, node);

		if (!strcmp(entry->ns, ns) && !strcmp(entry->name, name))
			return entry;
	}
	return NULL;
}

static struct k8s_entry *entry_of(struct k8s *k, const char *ns, const char *name)
{
	struct k8s_entry *entry = k8s_find(k, ns, name);

	if (entry)
		return entry;
	entry = xcalloc(1, sizeof(*entry));
	entry->ns = xstrdup(ns);
	entry->name = xstrdup(name);
	htable_add(&k->entries, &entry->node, hash_name(ns, name));
	return entry;
}

static struct k8s_slice *find_slice(const struct k8s *k, const char *ns, const char *name)
{
	struct hnode *n = htable_first(&k->slices, hash_name(ns, name));

	for (; n; n = htable_next(n)) {
		struct k8s_slice *s = container_of(n, struct k8s_slice, node);

		if (!strcmp(s->ns, ns) && !strcmp(s->name, name))
			return s;
	}
	return NULL;
}

void k8s_mark_dirty(struct k8s *k, struct k8s_entry *entry)
{
	if (entry->dirty)
		return;
	entry->dirty = true;
	xgrow(&k->dirty.list, k->dirty.n, sizeof(*k->dirty.list));
	k->dirty.list[k->dirty.n++] = entry;
}

void k8s_dirty_all(struct k8s *k)
{
	for (struct hnode *n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n))
		k8s_mark_dirty(k, container_of(n, struct k8s_entry, node));
}

static bool same_version(const char *a, const char *b)
{
	/* Both are interned. */
	return a && a == b;
}

static void del_service(struct k8s *k, struct k8s_entry *entry)
{
	k8s_service_free(entry->service);
	entry->service = NULL;
	k->n_services--;
	k8s_mark_dirty(k, entry);
}

static int put_service(struct k8s *k, struct jread *r, const json_t *root,
		       const struct k8s_meta *meta)
{
	struct k8s_service *s = xcalloc(1, sizeof(*s));
	struct k8s_entry *entry;
	bool new;

	service_init(&s->options, "");
	s->version = intern(meta->version);
	s->epoch = k->epoch[K8S_SERVICE];
	if (k8s_read_service(k, r, root, meta, s)) {
		k8s_service_free(s);
		return -1;
	}
	entry = entry_of(k, meta->ns, meta->name);
	new = !entry->service;
	if (!new)
		del_service(k, entry);
	entry->service = s;
	k->n_services++;
	k8s_mark_dirty(k, entry);
	return new;
}

static void unlink_slice(struct k8s *k, struct k8s_slice *s)
{
	struct k8s_entry *entry = s->entry;

	htable_del(&k->slices, &s->node);
	for (size_t i = 0; entry && i < entry->n_slices; i++) {
		if (entry->slices[i] != s)
			continue;
		entry->slices[i] = entry->slices[--entry->n_slices];
		k8s_mark_dirty(k, entry);
		break;
	}
	k8s_slice_free(s);
}

static void link_slice(struct k8s *k, struct k8s_slice *s, const char *service)
{
	struct k8s_entry *entry;

	htable_add(&k->slices, &s->node, hash_name(s->ns, s->name));
	if (s->skipped)
		return;
	entry = entry_of(k, s->ns, service);
	s->entry = entry;
	/* Removal may have left more room than the count says: xgrow() needs to know. */
	entry->slices = xrealloc(entry->slices, entry->n_slices + 1, sizeof(*entry->slices));
	entry->slices[entry->n_slices++] = s;
	k8s_mark_dirty(k, entry);
}

static int put_slice(struct k8s *k, struct jread *r, const json_t *root,
		     const struct k8s_meta *meta)
{
	struct k8s_slice *s = xcalloc(1, sizeof(*s)), *old;
	const char *service = NULL;

	s->version = intern(meta->version);
	s->epoch = k->epoch[K8S_SLICE];
	s->ns = xstrdup(meta->ns);
	s->name = xstrdup(meta->name);
	if (k8s_read_slice(k, r, root, meta, s, &service)) {
		k8s_slice_free(s);
		return -1;
	}
	old = find_slice(k, meta->ns, meta->name);
	if (old)
		unlink_slice(k, old);
	link_slice(k, s, service);
	return !old;
}

/* When an object of that name was last seen, and in which version; NULL if none is there. */
static unsigned int *last_seen(struct k8s *k, enum k8s_kind kind, const struct k8s_meta *meta,
			       const char **version)
{
	struct k8s_service *service;
	struct k8s_entry *entry;
	struct k8s_slice *slice;

	if (kind == K8S_SERVICE) {
		entry = k8s_find(k, meta->ns, meta->name);
		service = entry ? entry->service : NULL;
		*version = service ? service->version : NULL;
		return service ? &service->epoch : NULL;
	}
	slice = find_slice(k, meta->ns, meta->name);
	*version = slice ? slice->version : NULL;
	return slice ? &slice->epoch : NULL;
}

/* Whether it is there in just this version; then it has been seen again. */
static bool seen_again(struct k8s *k, enum k8s_kind kind, const struct k8s_meta *meta)
{
	const char *known, *version;
	unsigned int *epoch = last_seen(k, kind, meta, &known);
	bool same;

	if (!epoch || !meta->version || !*meta->version)
		return false;
	version = intern(meta->version);
	same = same_version(known, version);
	if (same)
		*epoch = k->epoch[kind];
	intern_put(version);
	return same;
}

void k8s_keep(struct k8s *k, enum k8s_kind kind, const char *ns, const char *name)
{
	const struct k8s_meta meta = { .ns = ns, .name = name };
	const char *known;
	unsigned int *epoch = last_seen(k, kind, &meta, &known);

	if (epoch)
		*epoch = k->epoch[kind];
}

int k8s_put_read(struct k8s *k, enum k8s_kind kind, struct jread *r, const json_t *root)
{
	bool service = kind == K8S_SERVICE;
	struct k8s_meta meta;
	int new;

	if (k8s_read_meta(r, root, service ? "Service" : "EndpointSlice", &meta)) {
		if (meta.name)
			k8s_keep(k, kind, meta.ns, meta.name);
		return -1;
	}
	if (seen_again(k, kind, &meta))
		return 0;
	new = service ? put_service(k, r, root, &meta) : put_slice(k, r, root, &meta);
	if (new < 0)
		k8s_keep(k, kind, meta.ns, meta.name);
	return new;
}

int k8s_put(struct k8s *k, enum k8s_kind kind, const json_t *object, struct err *e)
{
	struct jread r = { .e = e };

	if (!json_is_object(object))
		return err_set(e, "not a Kubernetes object");
	return k8s_put_read(k, kind, &r, object);
}

void k8s_del(struct k8s *k, enum k8s_kind kind, const char *ns, const char *name)
{
	struct k8s_entry *entry;
	struct k8s_slice *slice;

	if (kind == K8S_SERVICE) {
		entry = k8s_find(k, ns, name);
		if (entry && entry->service)
			del_service(k, entry);
	} else {
		slice = find_slice(k, ns, name);
		if (slice)
			unlink_slice(k, slice);
	}
}

void k8s_list_begin(struct k8s *k, enum k8s_kind kind)
{
	k->epoch[kind]++;
}

static void end_services(struct k8s *k)
{
	for (struct hnode *n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n)) {
		struct k8s_entry *entry = container_of(n, struct k8s_entry, node);

		if (entry->service && entry->service->epoch != k->epoch[K8S_SERVICE])
			del_service(k, entry);
	}
}

static void end_slices(struct k8s *k)
{
	struct hnode *n = htable_begin(&k->slices), *after;

	for (; n; n = after) {
		struct k8s_slice *s = container_of(n, struct k8s_slice, node);

		after = htable_after(&k->slices, n);
		if (s->epoch != k->epoch[K8S_SLICE])
			unlink_slice(k, s);
	}
}

void k8s_list_end(struct k8s *k, enum k8s_kind kind)
{
	if (kind == K8S_SERVICE)
		end_services(k);
	else
		end_slices(k);
}

static void free_services(struct service *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		service_free(&list[i]);
	free(list);
}

static void free_entry(struct k8s *k, struct k8s_entry *entry)
{
	htable_del(&k->entries, &entry->node);
	k8s_drop_claims(k, entry);
	k8s_service_free(entry->service);
	free_services(entry->wanted, entry->n_wanted);
	free_services(entry->in_force, entry->n_in_force);
	free(entry->slices);
	free(entry->ns);
	free(entry->name);
	free(entry);
}

void k8s_settled(struct k8s *k, struct k8s_entry *entry)
{
	if (entry->changed) {
		free_services(entry->in_force, entry->n_in_force);
		entry->in_force = entry->wanted;
		entry->n_in_force = entry->n_wanted;
		entry->wanted = NULL;
		entry->n_wanted = 0;
		entry->changed = false;
	}
	if (!entry->service && !entry->n_slices && !entry->n_in_force && !entry->dirty)
		free_entry(k, entry);
}

void k8s_mark_changed(struct k8s *k, struct k8s_entry *entry)
{
	if (entry->changed)
		return;
	entry->changed = true;
	xgrow(&k->changed.list, k->changed.n, sizeof(*k->changed.list));
	k->changed.list[k->changed.n++] = entry;
}

static void forget_in_force(struct k8s *k, struct k8s_entry *entry)
{
	if (entry->changed) {
		free_services(entry->in_force, entry->n_in_force);
	} else {
		entry->wanted = entry->in_force;
		entry->n_wanted = entry->n_in_force;
		k8s_mark_changed(k, entry);
	}
	entry->in_force = NULL;
	entry->n_in_force = 0;
}

void k8s_reload(struct k8s *k, struct model *m)
{
	size_t kept = 0;

	for (struct hnode *n = htable_begin(&k->entries); n; n = htable_after(&k->entries, n))
		forget_in_force(k, container_of(n, struct k8s_entry, node));
	for (size_t i = 0; i < m->n_services; i++) {
		struct k8s_entry *entry = k8s_owner(k, m->services[i].name);

		if (!entry) {
			m->services[kept++] = m->services[i];
			continue;
		}
		xgrow(&entry->in_force, entry->n_in_force, sizeof(*entry->in_force));
		entry->in_force[entry->n_in_force++] = m->services[i];
	}
	m->n_services = kept;
}

void k8s_free(struct k8s *k)
{
	struct hnode *n, *after;

	for (n = htable_begin(&k->slices); n; n = after) {
		after = htable_after(&k->slices, n);
		k8s_slice_free(container_of(n, struct k8s_slice, node));
	}
	for (n = htable_begin(&k->entries); n; n = after) {
		after = htable_after(&k->entries, n);
		free_entry(k, container_of(n, struct k8s_entry, node));
	}
	htable_free(&k->entries);
	htable_free(&k->slices);
	htable_free(&k->claims);
	free(k->dirty.list);
	free(k->changed.list);
	k8s_texts_clear(&k->notes);
	k8s_texts_clear(&k->warnings);
	memset(k, 0, sizeof(*k));
}
