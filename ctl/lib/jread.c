// SPDX-License-Identifier: GPL-2.0
#include "jread.h"

#include <stdarg.h>
#include <string.h>

void jread_push(struct jread *r, const char *key, size_t index)
{
	if (r->depth < JREAD_DEPTH) {
		r->path[r->depth].key = key;
		r->path[r->depth].index = index;
	}
	r->depth++;
}

void jread_pop(struct jread *r)
{
	r->depth--;
}

static void append(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
static void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
}

int jread_fail(struct jread *r, const char *key, const char *fmt, ...)
{
	char path[512] = "", text[512];
	va_list ap;

	for (int i = r->hidden; i < r->depth && i < JREAD_DEPTH; i++) {
		append(path, sizeof(path), "%s%s", *path && *r->path[i].key ? "." : "",
		       r->path[i].key);
		if (r->path[i].index != JREAD_NO_INDEX)
			append(path, sizeof(path), "[%zu]", r->path[i].index);
	}
	if (key)
		append(path, sizeof(path), "%s%s", *path ? "." : "", key);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(r->e, "%s%s%s%s", r->object, path, *path ? ": " : "", text);
}

static const char *type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

static bool has_type(const json_t *v, json_type type)
{
	return type == JSON_TRUE ? json_is_boolean(v) : json_typeof(v) == type;
}

int jread_get(struct jread *r, const json_t *o, const char *key, json_type type,
	      json_t **v)
{
	*v = json_object_get(o, key);
	if (*v && json_is_null(*v))
		*v = NULL;
	if (*v && !has_type(*v, type))
		return jread_fail(r, key, "must be %s, not %s", type_name(type),
				  type_name(json_typeof(*v)));
	return 0;
}

int jread_string(struct jread *r, const json_t *o, const char *key, const char **s)
{
	json_t *v;

	if (jread_get(r, o, key, JSON_STRING, &v))
		return -1;
	*s = v ? json_string_value(v) : NULL;
	return 0;
}

/* *b stays what it is if the field is absent; so do those below. */
int jread_bool(struct jread *r, const json_t *o, const char *key, bool *b)
{
	json_t *v;

	if (jread_get(r, o, key, JSON_TRUE, &v))
		return -1;
	if (v)
		*b = json_is_true(v);
	return 0;
}

int jread_int(struct jread *r, const json_t *o, const char *key, long min, long max,
	      long *i)
{
	json_t *v;

	if (jread_get(r, o, key, JSON_INTEGER, &v))
		return -1;
	if (!v)
		return 0;
	if (json_integer_value(v) < min || json_integer_value(v) > max)
		return jread_fail(r, key, "must be %ld to %ld, not %lld", min, max,
				  (long long)json_integer_value(v));
	*i = json_integer_value(v);
	return 0;
}

int jread_type(struct jread *r, const json_t *v, json_type type)
{
	if (v && has_type(v, type))
		return 0;
	return jread_fail(r, NULL, "must be %s, not %s", type_name(type),
			  v ? type_name(json_typeof(v)) : "absent");
}

int jread_element(struct jread *r, const json_t *array, size_t i, json_type type,
		  json_t **v)
{
	*v = json_array_get(array, i);
	return jread_type(r, *v, type);
}
