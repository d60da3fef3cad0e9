// SPDX-License-Identifier: GPL-2.0
/*
 * YAML as JSON values: libyaml's events, the scalars of YAML 1.1 as kubectl
 * understands them. Aliases share the anchor's value, so that they cost no
 * memory, and count as much as what they stand for, so that they cost no time
 * to the readers either.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "input.h"

#define MAX_ALIASED	1000000
#define MAX_ANCHORS	1000

struct anchor {
	char *name;
	json_t *value;			/* a reference of its own */
	size_t nodes;
	int height;
};

struct level {
	json_t *value;			/* belongs to the level above, or to result */
	char *key;			/* of the member to come, or NULL */
	char *anchor;
	size_t nodes;			/* inside, itself included */
	int height;
};

struct builder {
	struct level levels[INPUT_MAX_DEPTH];
	int depth;
	struct anchor *anchors;
	size_t n_anchors;
	size_t aliased;
	json_t *result;
	struct err *e;
	size_t line, column;
};

static int fail(struct builder *b, const char *what)
{
	return err_set(b->e, "line %zu column %zu: %s", b->line, b->column, what);
}

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

static json_t *integer(const char *s)
{
	const char *digits = s + (*s == '-' || *s == '+');
	const char *set = "0123456789";
	long long value;
	int base = 10;
	char *end;

	if (digits[0] == '0' && digits[1]) {
		base = 8;
		set = "01234567";
		if (digits[1] == 'x' || digits[1] == 'b' || digits[1] == 'o') {
			base = digits[1] == 'x' ? 16 : digits[1] == 'b' ? 2 : 8;
			set = base == 16 ? "0123456789abcdefABCDEF" : base == 2 ? "01" : set;
			digits += 2;
		}
	}
	if (!*digits || digits[strspn(digits, set)])
		return NULL;
	errno = 0;
	value = strtoll(digits, &end, base);
	if (errno || *end)
		return NULL;
	return json_integer(*s == '-' ? -value : value);
}

static json_t *real(const char *s)
{
	const char *p = s + (*s == '-' || *s == '+');
	size_t whole = strspn(p, "0123456789"), fraction = 0;
	double value;

	p += whole;
	if (*p == '.')
		fraction = strspn(++p, "0123456789"), p += fraction;
	if (!whole && !fraction)
		return NULL;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!*p)
			return NULL;
		p += strspn(p, "0123456789");
	}
	if (*p)
		return NULL;
	value = strtod(s, NULL);
	return isfinite(value) ? json_real(value) : NULL;
}

/* A scalar without quotes and tag. */
static json_t *plain(const char *s, size_t len)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES",
					   "on", "On", "ON", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO",
					  "off", "Off", "OFF", NULL };
	json_t *v = NULL;

	if (strlen(s) != len)
		return NULL;
	if (is_one_of(s, nulls))
		return json_null();
	if (is_one_of(s, yes))
		return json_true();
	if (is_one_of(s, no))
		return json_false();
	if (strchr("+-.0123456789", *s)) {
		v = integer(s);
		if (!v)
			v = real(s);
	}
	return v ? v : json_stringn(s, len);
}

static json_t *scalar(struct builder *b, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;
	const char *tag = (const char *)ev->data.scalar.tag;
	size_t len = ev->data.scalar.length;
	json_t *v;

	if (tag && strcmp(tag, YAML_STR_TAG) && strcmp(tag, "!")) {
		fail(b, "tags are not supported");
		return NULL;
	}
	if (!tag && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		v = plain(s, len);
	else
		v = memchr(s, '\0', len) ? NULL : json_stringn(s, len);
	if (!v)
		fail(b, "a value that is no text");
	return v;
}

static int set_anchor(struct builder *b, const char *name, json_t *value,
		      size_t nodes, int height)
{
	struct anchor *a = NULL;

	for (size_t i = 0; i < b->n_anchors; i++)
		if (!strcmp(b->anchors[i].name, name))
			a = &b->anchors[i];
	if (a) {
		json_decref(a->value);
	} else if (b->n_anchors == MAX_ANCHORS) {
		return err_set(b->e, "line %zu: more than %d anchors", b->line, MAX_ANCHORS);
	} else {
		xgrow(&b->anchors, b->n_anchors, sizeof(*a));
		a = &b->anchors[b->n_anchors++];
		a->name = xstrdup(name);
	}
	a->value = json_incref(value);
	a->nodes = nodes;
	a->height = height;
	return 0;
}

static void clear_anchors(struct builder *b)
{
	for (size_t i = 0; i < b->n_anchors; i++) {
		free(b->anchors[i].name);
		json_decref(b->anchors[i].value);
	}
	free(b->anchors);
	b->anchors = NULL;
	b->n_anchors = 0;
}

static int attach_member(struct builder *b, struct level *top, json_t *v)
{
	int err = 0;

	if (!top->key) {
		/* Only scalars get here as keys, see add_key(). */
		json_decref(v);
		return fail(b, "a key that is no scalar");
	}
	if (json_object_get(top->value, top->key)) {
		json_decref(v);
		err = err_set(b->e, "line %zu: duplicate key \"%.60s\"", b->line, top->key);
	} else if (json_object_set_new(top->value, top->key, v)) {
		err = fail(b, "a key that is not UTF-8");
	}
	free(top->key);
	top->key = NULL;
	return err;
}

/* Takes over v. */
static int attach(struct builder *b, json_t *v, size_t nodes, int height)
{
	struct level *top;

	if (!b->depth) {
		if (b->result) {
			json_decref(v);
			return fail(b, "two values in one document");
		}
		b->result = v;
		return 0;
	}
	top = &b->levels[b->depth - 1];
	top->nodes += nodes;
	if (height + 1 > top->height)
		top->height = height + 1;
	if (json_is_array(top->value))
		return json_array_append_new(top->value, v) ? fail(b, "out of memory") : 0;
	return attach_member(b, top, v);
}

static bool wants_key(const struct builder *b)
{
	return b->depth && json_is_object(b->levels[b->depth - 1].value) &&
	       !b->levels[b->depth - 1].key;
}

static int add_key(struct builder *b, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;

	if (strlen(s) != ev->data.scalar.length)
		return fail(b, "a key that is no text");
	if (!strcmp(s, "<<") && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return fail(b, "merge keys are not supported");
	b->levels[b->depth - 1].key = xstrdup(s);
	return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *ev)
{
	json_t *v;

	if (wants_key(b))
		return add_key(b, ev);
	v = scalar(b, ev);
	if (!v)
		return -1;
	if (ev->data.scalar.anchor &&
	    set_anchor(b, (const char *)ev->data.scalar.anchor, v, 1, 1)) {
		json_decref(v);
		return -1;
	}
	return attach(b, v, 1, 1);
}

static int add_alias(struct builder *b, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;

	if (wants_key(b))
		return fail(b, "an alias as key is not supported");
	for (size_t i = 0; i < b->n_anchors; i++) {
		struct anchor *a = &b->anchors[i];

		if (strcmp(a->name, name))
			continue;
		b->aliased += a->nodes;
		if (b->aliased > MAX_ALIASED)
			return fail(b, "aliases stand for too many values");
		if (b->depth + a->height > INPUT_MAX_DEPTH)
			return err_set(b->e, "line %zu: nested deeper than %d levels",
				       b->line, INPUT_MAX_DEPTH);
		return attach(b, json_incref(a->value), a->nodes, a->height);
	}
	return err_set(b->e, "line %zu: alias *%.60s to nothing complete", b->line, name);
}

static int open_level(struct builder *b, json_t *v, const yaml_char_t *anchor,
		      const yaml_char_t *tag)
{
	struct level *l;

	if (wants_key(b) || tag) {
		json_decref(v);
		return fail(b, tag ? "tags are not supported" : "a key that is no scalar");
	}
	if (b->depth == INPUT_MAX_DEPTH) {
		json_decref(v);
		return err_set(b->e, "line %zu: nested deeper than %d levels", b->line,
			       INPUT_MAX_DEPTH);
	}
	l = &b->levels[b->depth++];
	memset(l, 0, sizeof(*l));
	l->value = v;
	l->nodes = 1;
	l->height = 1;
	if (anchor)
		l->anchor = xstrdup((const char *)anchor);
	return 0;
}

static int close_level(struct builder *b)
{
	struct level l = b->levels[--b->depth];
	int err = 0;

	if (l.anchor)
		err = set_anchor(b, l.anchor, l.value, l.nodes, l.height);
	free(l.anchor);
	if (err) {
		json_decref(l.value);
		return err;
	}
	return attach(b, l.value, l.nodes, l.height);
}

/* Whatever a document left, complete or not. */
static void reset(struct builder *b)
{
	while (b->depth) {
		struct level *l = &b->levels[--b->depth];

		json_decref(l->value);
		free(l->key);
		free(l->anchor);
	}
	json_decref(b->result);
	b->result = NULL;
	clear_anchors(b);
}

static int handle(struct builder *b, const yaml_event_t *ev, document_fn fn, void *data)
{
	int err = 0;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return add_scalar(b, ev);
	case YAML_ALIAS_EVENT:
		return add_alias(b, ev);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(b, json_array(), ev->data.sequence_start.anchor,
				  ev->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return open_level(b, json_object(), ev->data.mapping_start.anchor,
				  ev->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_level(b);
	case YAML_DOCUMENT_END_EVENT:
		/* An empty document is what --- at either end makes. */
		if (b->result && !json_is_null(b->result))
			err = fn(b->result, data, b->e);
		reset(b);
		return err;
	default:
		return 0;
	}
}

int yaml_parse(const char *text, size_t len, document_fn fn, void *data, struct err *e)
{
	struct builder b = { .e = e };
	yaml_parser_t parser;
	yaml_event_t ev;
	bool end = false;
	int err = 0;

	if (!yaml_parser_initialize(&parser))
		return err_set(e, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!end && !err) {
		if (!yaml_parser_parse(&parser, &ev)) {
			err = err_set(e, "line %zu column %zu: %s%s%s",
				      parser.problem_mark.line + 1,
				      parser.problem_mark.column + 1,
				      parser.context ? parser.context : "",
				      parser.context ? ": " : "",
				      parser.problem ? parser.problem : "not YAML");
			break;
		}
		b.line = ev.start_mark.line + 1;
		b.column = ev.start_mark.column + 1;
		end = ev.type == YAML_STREAM_END_EVENT;
		err = handle(&b, &ev, fn, data);
		yaml_event_delete(&ev);
	}
	reset(&b);
	yaml_parser_delete(&parser);
	return err;
}
