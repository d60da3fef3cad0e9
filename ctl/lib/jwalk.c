// SPDX-License-Identifier: GPL-2.0
#include "jwalk.h"

#include <string.h>

#include "input.h"

/* jansson's parser recurses on its own; ours must not be led deeper. */
static int check_depth(const json_t *v, int depth)
{
	json_t *child;
	const char *key;
	size_t i;

	if (depth > INPUT_MAX_DEPTH && (json_is_array(v) || json_is_object(v)))
		return -1;
	json_array_foreach((json_t *)v, i, child)
		if (check_depth(child, depth + 1))
			return -1;
	json_object_foreach((json_t *)v, key, child)
		if (check_depth(child, depth + 1))
			return -1;
	return 0;
}

char jwalk_peek(struct jwalk *w)
{
	while (w->at < w->len && w->text[w->at] && strchr(" \t\r\n", w->text[w->at]))
		w->at++;
	return w->at < w->len ? w->text[w->at] : '\0';
}

bool jwalk_at_end(struct jwalk *w)
{
	jwalk_peek(w);
	return w->at == w->len;
}

bool jwalk_accept(struct jwalk *w, char c)
{
	if (jwalk_peek(w) != c || jwalk_at_end(w))
		return false;
	w->at++;
	return true;
}

/* line and column as jansson counts them, from where the walk is. */
static int fail_at(const struct jwalk *w, int line, int column, const char *text)
{
	size_t begin = w->at;

	if (line == 1)
		while (begin && w->text[begin - 1] != '\n')
			begin--;
	column += w->at - begin;
	for (size_t i = 0; i < w->at; i++)
		line += w->text[i] == '\n';
	return err_set(w->e, "line %d column %d: %s", line, column, text);
}

int jwalk_expect(struct jwalk *w, char c)
{
	const char text[] = { '\'', c, '\'', ' ', 'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', '\0' };

	return jwalk_accept(w, c) ? 0 : fail_at(w, 1, 1, text);
}

json_t *jwalk_value(struct jwalk *w)
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK |
		       (w->depth ? JSON_DECODE_ANY : 0);
	json_error_t error;
	json_t *v;

	v = json_loadb(w->text + w->at, w->len - w->at, flags, &error);
	if (!v) {
		fail_at(w, error.line, error.column, error.text);
		return NULL;
	}
	if (check_depth(v, w->depth + 1)) {
		json_decref(v);
		err_set(w->e, "nested deeper than %d levels", INPUT_MAX_DEPTH);
		return NULL;
	}
	w->at += error.position;
	return v;
}
