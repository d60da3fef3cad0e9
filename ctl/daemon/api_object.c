// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "log.h"

/* Stands for what cannot be read until the object it is in has been refused. */
#define REPLACEMENT	0x7f

/* How far into an unreadable line its object's name is looked for. */
#define NAME_WITHIN	4096

static const char *const versions[N_KINDS] = {
	[KIND_SERVICE] = "v1",
	[KIND_SLICE] = "discovery.k8s.io/v1",
	[KIND_NODE] = "v1",
	[KIND_SERVICE_CIDR] = "networking.k8s.io/v1",
};

static size_t sequence(const char *s, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

static bool is_out_of_range(const char *number, size_t len)
{
	double value;

	if (strcspn(number, ".eE") < len) {
		value = strtod(number, NULL);
		return isinf(value);
	}
	errno = 0;
	strtoll(number, NULL, 10);
	return errno == ERANGE;
}

/* Numbers that the parser would give up for, in text that ends with a NUL. */
static void hide_numbers(char *text, size_t len)
{
	static const char hidden[] = { '"', REPLACEMENT, '"' };
	bool quoted = false;

	for (size_t i = 0, n; i < len; i += n) {
		n = quoted ? 0 : strspn(text + i, "+-.0123456789eE");
		if (n >= sizeof(hidden) && is_out_of_range(text + i, n)) {
			memset(text + i, ' ', n);
			memcpy(text + i, hidden, sizeof(hidden));
		}
		if (n)
			continue;
		quoted ^= text[i] == '"';
		n = quoted && text[i] == '\\' ? 2 : 1;
	}
}

static json_t *parse_repaired(const char *text, size_t len)
{
	char *copy = xcalloc(len + 1, 1);
	json_t *root;

	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = sequence(text + i, len - i);
		if (n)
			memcpy(copy + i, text + i, n);
		else
			copy[i] = REPLACEMENT;
	}
	hide_numbers(copy, len);
	root = json_loadb(copy, len, JSON_ALLOW_NUL, NULL);
	free(copy);
	return root;
}

json_t *api_parse(const char *text, size_t len, bool *repaired, struct err *e)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, 0, &error);

	*repaired = false;
	if (root)
		return root;
	err_set(e, "%.200s", error.text);
	if (json_error_code(&error) != json_error_invalid_utf8 &&
	    json_error_code(&error) != json_error_null_character &&
	    json_error_code(&error) != json_error_numeric_overflow)
		return NULL;
	*repaired = true;
	return parse_repaired(text, len);
}

static bool text_was_repaired(const char *s, size_t len)
{
	return memchr(s, REPLACEMENT, len) || memchr(s, 0, len);
}

static bool was_repaired(const json_t *v)
{
	json_t *child;
	const char *key;
	size_t i;

	if (json_is_string(v))
		return text_was_repaired(json_string_value(v), json_string_length(v));
	json_array_foreach((json_t *)v, i, child)
		if (was_repaired(child))
			return true;
	json_object_foreach((json_t *)v, key, child)
		if (text_was_repaired(key, strlen(key)) || was_repaired(child))
			return true;
	return false;
}

/* outer.key of the object, or key of it; NULL if that is no text. */
const char *api_text(const json_t *object, const char *outer, const char *key)
{
	const json_t *o = outer ? json_object_get(object, outer) : object;

	return json_string_value(json_object_get(o, key));
}

void api_broken(struct api_kind *k, const json_t *object, const char *why)
{
	const char *ns = api_text(object, "metadata", "namespace");
	const char *name = api_text(object, "metadata", "name");
	char where[640];

	snprintf(where, sizeof(where), "%s %.253s%s%.253s", kind_name(k->kind), ns ? ns : "",
		 ns ? "/" : "", name ? name : "without a name");
	k->api->stats.broken[k->kind]++;
	k->api->sink->broken(k->api->sink->data, where, why);
}

/* Frees them. An empty name is nobody's. */
static void keep(struct api_kind *k, char *ns, char *name)
{
	if (*name)
		k->api->sink->keep(k->api->sink->data, k->kind, ns, name);
	free(ns);
	free(name);
}

/* The text after "KEY":", up to the next quote: good enough for a log. */
static size_t glimpse(const char *text, size_t len, const char *key, const char **value)
{
	const char *p = memmem(text, len, key, strlen(key)), *end;
	size_t left;

	*value = "";
	if (!p)
		return 0;
	p += strlen(key);
	left = len - (p - text);
	end = memchr(p, '"', left < 254 ? left : 254);
	if (!end || !utf8_valid(p, end - p) || memchr(p, 0, end - p))
		return 0;
	*value = p;
	return end - p;
}

void api_broken_text(struct api_kind *k, const char *text, size_t len, const char *why)
{
	const char *name, *ns, *meta;
	size_t name_len, ns_len;
	char where[640];

	len = len < NAME_WITHIN ? len : NAME_WITHIN;
	meta = memmem(text, len, "\"metadata\":", strlen("\"metadata\":"));
	if (meta) {
		len -= meta - text;
		text = meta;
	} else {
		len = 0;
	}
	name_len = glimpse(text, len, "\"name\":\"", &name);
	ns_len = glimpse(text, len, "\"namespace\":\"", &ns);
	snprintf(where, sizeof(where), "%s %.*s%s%.*s", kind_name(k->kind), (int)ns_len, ns,
		 ns_len ? "/" : "", (int)name_len, name_len ? name : "");
	if (name_len)
		keep(k, xstrndup(ns, ns_len), xstrndup(name, name_len));
	else
		snprintf(where, sizeof(where), "a watch of %s", kind_name(k->kind));
	k->api->stats.broken[k->kind]++;
	k->api->sink->broken(k->api->sink->data, where, why);
}

/* Objects of lists come without these two. */
static void complete(struct api_kind *k, json_t *object)
{
	if (!json_object_get(object, "kind"))
		json_object_set_new(object, "kind", json_string(kind_name(k->kind)));
	if (!json_object_get(object, "apiVersion"))
		json_object_set_new(object, "apiVersion", json_string(versions[k->kind]));
}

static bool has_name(const json_t *meta)
{
	const json_t *name = json_object_get(meta, "name");

	return json_is_string(name) && !was_repaired(name) &&
	       !was_repaired(json_object_get(meta, "namespace"));
}

static void keep_named(struct api_kind *k, const json_t *meta)
{
	const json_t *ns = json_object_get(meta, "namespace"), *name = json_object_get(meta, "name");

	if (has_name(meta))
		keep(k, xstrdup(json_is_string(ns) ? json_string_value(ns) : ""),
		     xstrdup(json_string_value(name)));
}

void api_hand_over(struct api_kind *k, json_t *object, bool deleted, bool repaired)
{
	const json_t *meta = json_object_get(object, "metadata");
	const struct sink *sink = k->api->sink;
	const char *kind;

	if (!json_is_object(object)) {
		api_broken(k, NULL, "is no object");
		return;
	}
	if (repaired && (deleted ? !has_name(meta) : was_repaired(object))) {
		keep_named(k, meta);
		api_broken(k, object,
			   "holds a NUL, bytes that are no UTF-8 or a number out of range");
		return;
	}
	complete(k, object);
	kind = api_text(object, NULL, "kind");
	if (!kind || strcmp(kind, kind_name(k->kind))) {
		api_broken(k, object, "is of another kind");
		return;
	}
	if (deleted)
		sink->del(sink->data, k->kind, object);
	else
		sink->put(sink->data, k->kind, object);
}

void api_buffer_add(struct api_buffer *b, const char *data, size_t len)
{
	if (b->size - b->len < len) {
		while (b->size - b->len < len)
			b->size = b->size ? b->size * 2 : 4096;
		b->data = xrealloc(b->data, b->size, 1);
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

/* What one large object needed is not kept for the many small ones. */
void api_buffer_clear(struct api_buffer *b)
{
	b->len = 0;
	if (b->size > 1 << 20) {
		free(b->data);
		memset(b, 0, sizeof(*b));
	}
}
