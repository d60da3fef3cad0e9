// SPDX-License-Identifier: GPL-2.0
/* The model as JSON: what save writes, restore reads and show --json prints. */
#include "json.h"

#include <string.h>

#include "input.h"
#include "jread.h"


static json_t *text(const char *s)
{
	json_t *v = json_string(s);

	/* A name that is not UTF-8 cannot come from this tool. */
	return v ? v : json_string_nocheck("?");
}

static json_t *json_of_frontend(const struct frontend *f, bool all)
{
	char buf[ENDPOINT_STRLEN];
	json_t *o;

	frontend_format(f, buf);
	if (!all && f->class == KSVC_CLASS_CLUSTER_IP)
		return json_string(buf);
	o = json_object();
	json_object_set_new(o, "address", json_string(buf));
	json_object_set_new(o, "class", json_string(class_name(f->class)));
	return o;
}

static json_t *json_of_sets(uint32_t flags)
{
	json_t *sets = json_array();

	if (flags & KSVC_ENDPOINT_FLAGS_CLUSTER)
		json_array_append_new(sets, json_string("cluster"));
	if (flags & KSVC_ENDPOINT_FLAGS_LOCAL)
		json_array_append_new(sets, json_string("local"));
	return sets;
}

static json_t *json_of_endpoint(const struct endpoint *ep, bool all)
{
	json_t *o = json_object();
	char buf[ENDPOINT_STRLEN];

	json_object_set_new(o, "address", json_string(endpoint_format(ep, buf)));
	if (all || ep->weight != 1)
		json_object_set_new(o, "weight", json_integer(ep->weight));
	if (all || (ep->flags & ENDPOINT_BOTH) != ENDPOINT_BOTH)
		json_object_set_new(o, "sets", json_of_sets(ep->flags));
	if (ep->flags & KSVC_ENDPOINT_FLAGS_DRAINING)
		json_object_set_new(o, "draining", json_true());
	if (ep->flags & KSVC_ENDPOINT_FLAGS_NOT_SERVING)
		json_object_set_new(o, "serving", json_false());
	if (all) {
		json_object_set_new(o, "connections", json_integer(ep->connections));
		json_object_set_new(o, "active", json_integer(ep->active));
	}
	return o;
}

static json_t *json_of_prefixes(const struct prefix_list *list)
{
	json_t *array = json_array();
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array,
				      json_string(prefix_format(&list->prefixes[i], buf)));
	return array;
}

static json_t *json_of_option(const struct service *s, enum service_option o)
{
	char buf[OPTION_STRLEN];

	return option_has_words(o) ? json_string(option_format(s, o, buf)) :
				     json_integer(option_get(s, o));
}

json_t *json_of_service(const struct service *s, bool all)
{
	json_t *o = json_object(), *frontends = json_array(), *endpoints = json_array();

	for (uint32_t i = 0; i < s->n_frontends; i++)
		json_array_append_new(frontends, json_of_frontend(&s->frontends[i], all));
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		json_array_append_new(endpoints, json_of_endpoint(&s->endpoints[i], all));
	json_object_set_new(o, "name", text(s->name));
	if (all)
		json_object_set_new(o, "connections", json_integer(s->connections));
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (all || option_get(s, i))
			json_object_set_new(o, option_name(i), json_of_option(s, i));
	if (all || s->ranges.n)
		json_object_set_new(o, "source-ranges", json_of_prefixes(&s->ranges));
	json_object_set_new(o, "frontends", frontends);
	json_object_set_new(o, "endpoints", endpoints);
	return o;
}

static json_t *json_of_names(const struct name_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, text(list->names[i]));
	return array;
}

static json_t *json_of_setting(const struct settings *s, const struct setting *key)
{
	const void *value = setting_value(s, key);

	switch (key->type) {
	case SETTING_PREFIXES:
		return json_of_prefixes(value);
	case SETTING_NAMES:
		return json_of_names(value);
	case SETTING_SWITCH:
		return json_boolean(*(const bool *)value);
	case SETTING_NUMBER:
		return json_integer(*(const uint32_t *)value);
	}
	return NULL;
}

/* Of those that count. */
json_t *json_of_settings(const struct settings *s)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n_settings; i++)
		if (s->has & settings_table[i].has)
			json_object_set_new(o, settings_table[i].key,
					    json_of_setting(s, &settings_table[i]));
	return o;
}

/* By hand around the services: a million endpoints as values need a gigabyte. */
void json_write_services(FILE *f, const struct model *m, bool all)
{
	fputs("\"services\": [", f);
	for (size_t i = 0; i < m->n_services; i++) {
		json_t *v = json_of_service(&m->services[i], all);

		fputs(i ? ",\n" : "\n", f);
		json_dumpf(v, f, JSON_PRESERVE_ORDER);
		json_decref(v);
	}
	fputs("\n]", f);
}

int json_write_model(FILE *f, const struct model *m, bool all)
{
	json_t *v;

	fprintf(f, "{\n\"ksvc\": %d,\n", SAVE_VERSION);
	if (all)
		fprintf(f, "\"generation\": %llu,\n", (unsigned long long)m->generation);
	if (m->settings.has) {
		v = json_of_settings(&m->settings);
		fputs("\"settings\": ", f);
		json_dumpf(v, f, JSON_PRESERVE_ORDER);
		fputs(",\n", f);
		json_decref(v);
	}
	json_write_services(f, m, all);
	fputs("\n}\n", f);
	return fflush(f) || ferror(f) ? -1 : 0;
}

static int refuse_unknown(struct jread *r, json_t *o, const char *const *known)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		const char *const *k = known;

		while (*k && strcmp(*k, key))
			k++;
		if (!*k)
			return jread_fail(r, NULL, "unknown field \"%.60s\"", key);
	}
	return 0;
}

static int read_sets(struct jread *r, const json_t *o, struct endpoint *ep)
{
	json_t *sets, *v;

	if (jread_get(r, o, "sets", JSON_ARRAY, &sets))
		return -1;
	if (!sets)
		return 0;
	ep->flags = 0;
	for (size_t i = 0; i < json_array_size(sets); i++) {
		if (jread_element(r, sets, i, JSON_STRING, &v))
			return -1;
		if (!strcmp(json_string_value(v), "cluster"))
			ep->flags |= KSVC_ENDPOINT_FLAGS_CLUSTER;
		else if (!strcmp(json_string_value(v), "local"))
			ep->flags |= KSVC_ENDPOINT_FLAGS_LOCAL;
		else
			return jread_fail(r, "sets", "\"%.40s\" is neither cluster nor local",
					  json_string_value(v));
	}
	return 0;
}

static int read_endpoint(struct jread *r, json_t *o, struct service *s)
{
	static const char *const known[] = { "address", "weight", "sets", "draining",
					     "serving", "connections", "active", NULL };
	bool draining = false, serving = true;
	const char *address;
	struct endpoint ep;
	long weight = 1;
	struct err e;

	if (refuse_unknown(r, o, known) || jread_string(r, o, "address", &address) ||
	    jread_int(r, o, "weight", 0, KSVC_WEIGHT_MAX, &weight) ||
	    jread_bool(r, o, "draining", &draining) || jread_bool(r, o, "serving", &serving))
		return -1;
	if (!address)
		return jread_fail(r, "address", "is missing");
	if (strchr(address, '@') || endpoint_parse(address, &ep, &e))
		return jread_fail(r, "address", "\"%.60s\" is not ADDR:PORT", address);
	ep.weight = weight;
	if (read_sets(r, o, &ep))
		return -1;
	if (draining)
		ep.flags |= KSVC_ENDPOINT_FLAGS_DRAINING;
	if (!serving)
		ep.flags |= KSVC_ENDPOINT_FLAGS_NOT_SERVING;
	service_add_endpoint(s, &ep);
	return 0;
}

/* As text, it is a cluster IP. */
static int read_frontend(struct jread *r, json_t *v, struct service *s)
{
	static const char *const known[] = { "address", "class", NULL };
	const char *address, *class = NULL;
	struct frontend f;
	struct err e;

	if (json_is_object(v)) {
		if (refuse_unknown(r, v, known) || jread_string(r, v, "address", &address) ||
		    jread_string(r, v, "class", &class))
			return -1;
		if (!address)
			return jread_fail(r, "address", "is missing");
	} else if (json_is_string(v)) {
		address = json_string_value(v);
	} else {
		return jread_fail(r, NULL, "must be a string or an object");
	}
	if (frontend_parse(address, &f, &e))
		return jread_fail(r, json_is_object(v) ? "address" : NULL, "%s", e.text);
	if (class && class_parse(class, &f.class))
		return jread_fail(r, "class", "\"%.40s\" is not known", class);
	service_add_frontend(s, &f);
	return 0;
}

static int read_frontends(struct jread *r, json_t *o, struct service *s)
{
	json_t *array;

	if (jread_get(r, o, "frontends", JSON_ARRAY, &array))
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		jread_push(r, "frontends", i);
		if (read_frontend(r, json_array_get(array, i), s))
			return -1;
		jread_pop(r);
	}
	return 0;
}

static int read_prefixes(struct jread *r, json_t *o, const char *key, struct prefix_list *list)
{
	json_t *array, *v;
	struct err e;

	if (jread_get(r, o, key, JSON_ARRAY, &array))
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		jread_push(r, key, i);
		if (jread_element(r, array, i, JSON_STRING, &v))
			return -1;
		if (prefix_list_parse(list, json_string_value(v), &e))
			return jread_fail(r, NULL, "%s", e.text);
		jread_pop(r);
	}
	return 0;
}

static int read_option(struct jread *r, json_t *o, enum service_option option,
		       struct service *s)
{
	const char *key = option_name(option);
	char number[24];
	const char *value;
	struct err e;
	json_t *v;

	if (jread_get(r, o, key, option_has_words(option) ? JSON_STRING : JSON_INTEGER, &v))
		return -1;
	if (!v)
		return 0;
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	value = option_has_words(option) ? json_string_value(v) : number;
	if (option_parse(s, option, value, &e))
		return jread_fail(r, key, "%s", e.text);
	return 0;
}

static int refuse_unknown_of_service(struct jread *r, json_t *o)
{
	const char *known[N_SERVICE_OPTIONS + 6] = { "name", "frontends", "endpoints",
						     "connections", "source-ranges" };

	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		known[5 + i] = option_name(i);
	return refuse_unknown(r, o, known);
}

static int read_service(struct jread *r, json_t *o, struct service *s)
{
	json_t *array, *v;
	const char *name;
	struct err e;

	if (refuse_unknown_of_service(r, o) || jread_string(r, o, "name", &name))
		return -1;
	if (!name)
		return jread_fail(r, "name", "is missing");
	if (service_check_name(name, &e))
		return jread_fail(r, "name", "%s", e.text);
	service_init(s, name);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (read_option(r, o, i, s))
			return -1;
	if (read_prefixes(r, o, "source-ranges", &s->ranges) || read_frontends(r, o, s) ||
	    jread_get(r, o, "endpoints", JSON_ARRAY, &array))
		return -1;
	service_reserve_endpoints(s, json_array_size(array));
	for (size_t i = 0; i < json_array_size(array); i++) {
		jread_push(r, "endpoints", i);
		if (jread_element(r, array, i, JSON_OBJECT, &v) || read_endpoint(r, v, s))
			return -1;
		jread_pop(r);
	}
	return 0;
}

static int read_setting(struct jread *r, const struct setting *key, json_t *v,
			struct settings *s)
{
	char number[24];
	json_t *item;
	struct err e;

	s->has |= key->has;
	if (key->type == SETTING_SWITCH) {
		if (!json_is_boolean(v))
			return jread_fail(r, key->key, "must be true or false");
		*(bool *)setting_value(s, key) = json_is_true(v);
		return 0;
	}
	if (key->type == SETTING_NUMBER) {
		if (!json_is_integer(v))
			return jread_fail(r, key->key, "must be an integer");
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		return setting_add(s, key, number, &e) ? jread_fail(r, key->key, "%s", e.text) : 0;
	}
	if (!json_is_array(v))
		return jread_fail(r, key->key, "must be a list");
	for (size_t i = 0; i < json_array_size(v); i++) {
		jread_push(r, key->key, i);
		if (jread_element(r, v, i, JSON_STRING, &item))
			return -1;
		if (setting_add(s, key, json_string_value(item), &e))
			return jread_fail(r, NULL, "%s", e.text);
		jread_pop(r);
	}
	return 0;
}

static int read_settings(struct jread *r, json_t *o, struct settings *s)
{
	const char *name;
	json_t *v;

	json_object_foreach(o, name, v) {
		const struct setting *key = setting_find(name);

		if (!key)
			return jread_fail(r, NULL, "unknown setting \"%.60s\"", name);
		if (read_setting(r, key, v, s))
			return -1;
	}
	return 0;
}

static int check_names(const struct model *m, struct err *e)
{
	for (size_t i = 1; i < m->n_services; i++)
		if (!strcmp(m->services[i - 1].name, m->services[i].name))
			return err_set(e, "service \"%s\" is given twice",
				       m->services[i].name);
	return 0;
}

static int check_version(struct jread *r, json_t *head)
{
	long version = 0;

	if (jread_int(r, head, "ksvc", 0, 1000000, &version))
		return -1;
	if (version == SAVE_VERSION)
		return 0;
	return version ? jread_fail(r, "ksvc", "version %ld is not known, %d is", version,
				    SAVE_VERSION) :
			 jread_fail(r, "ksvc", "is missing: not a saved configuration");
}

struct consumer {
	json_service_fn fn;
	void *data;
};

static int walk_service(struct jread *r, struct jwalk *w, const struct consumer *to)
{
	json_t *v = jwalk_value(w);
	struct service s = {};
	int err;

	if (!v)
		return -1;
	err = jread_type(r, v, JSON_OBJECT) ? -1 : read_service(r, v, &s);
	json_decref(v);
	if (!err)
		err = to->fn(&s, to->data, w->e);
	service_free(&s);
	return err;
}

static int walk_services(struct jread *r, struct jwalk *w, const struct consumer *to)
{
	int err = jwalk_expect(w, '[');

	w->depth++;
	for (size_t i = 0; !err && (i ? jwalk_accept(w, ',') : jwalk_peek(w) != ']'); i++) {
		jread_push(r, "services", i);
		err = walk_service(r, w, to);
		jread_pop(r);
	}
	w->depth--;
	return err ? err : jwalk_expect(w, ']');
}

/* Into head, but the services to their consumer; head says only that there was a list of them. */
static int walk_member(struct jread *r, struct jwalk *w, json_t *head, const struct consumer *to)
{
	json_t *key = jwalk_value(w), *v;
	const char *name = json_string_value(key);
	int err;

	if (!key)
		return -1;
	if (!name)
		err = err_set(w->e, "not a saved configuration");
	else if (json_object_get(head, name))
		err = jread_fail(r, name, "is given twice");
	else
		err = jwalk_expect(w, ':');
	if (!err && !strcmp(name, "services") && jwalk_peek(w) == '[') {
		err = json_object_get(head, "ksvc") ? check_version(r, head) : 0;
		if (!err)
			err = walk_services(r, w, to);
		v = json_null();
	} else {
		v = err ? NULL : jwalk_value(w);
	}
	if (!err)
		err = json_object_set_new(head, name, v);
	json_decref(key);
	return err;
}

static int walk_members(struct jread *r, struct jwalk *w, json_t *head, const struct consumer *to)
{
	if (!jwalk_accept(w, '{'))
		return err_set(w->e, "not a saved configuration");
	w->depth++;
	if (jwalk_peek(w) != '}')
		do {
			int err = walk_member(r, w, head, to);

			if (err)
				return err;
		} while (jwalk_accept(w, ','));
	w->depth--;
	if (jwalk_expect(w, '}'))
		return -1;
	return jwalk_at_end(w) ? 0 : err_set(w->e, "more than one saved configuration");
}

static int read_head(struct jread *r, json_t *head, struct settings *s)
{
	static const char *const known[] = { "ksvc", "generation", "settings", "services",
					     NULL };
	json_t *settings, *services;

	if (check_version(r, head) || refuse_unknown(r, head, known) ||
	    jread_get(r, head, "settings", JSON_OBJECT, &settings) ||
	    jread_get(r, head, "services", JSON_ARRAY, &services))
		return -1;
	jread_push(r, "settings", JREAD_NO_INDEX);
	return read_settings(r, settings, s);
}

int json_read_each(struct jwalk *w, struct settings *s, json_service_fn fn, void *data)
{
	const struct consumer to = { fn, data };
	struct jread r = { .e = w->e };
	json_t *head;
	int err;

	if (jwalk_at_end(w))
		return err_set(w->e, "is empty");
	head = json_object();
	err = walk_members(&r, w, head, &to);
	if (!err)
		err = read_head(&r, head, s);
	json_decref(head);
	return err;
}

static int keep(struct service *s, void *data, struct err *e)
{
	struct model *m = data;

	(void)e;
	xgrow(&m->services, m->n_services, sizeof(*m->services));
	m->services[m->n_services++] = *s;
	memset(s, 0, sizeof(*s));
	return 0;
}

int json_read_walk(struct jwalk *w, struct model *m)
{
	int err = json_read_each(w, &m->settings, keep, m);

	if (err)
		return err;
	model_sort(m);
	return check_names(m, w->e);
}

int json_read_saved(const char *text, size_t len, struct model *m, struct err *e)
{
	struct jwalk w = { .text = text, .len = len, .e = e };

	return json_read_walk(&w, m);
}

int json_read_file(const char *path, struct model *m, struct err *e)
{
	struct jwalk_file file;
	struct jwalk w;
	int err;

	if (jwalk_open(&w, &file, path, JSON_READ_WINDOW, e))
		return -1;
	err = jwalk_blame(&w, json_read_walk(&w, m));
	jwalk_close(&file);
	return err;
}
