// SPDX-License-Identifier: GPL-2.0
#include "input.h"

#include <stdlib.h>
#include <string.h>

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

static size_t skip_blank(const char *text, size_t at, size_t len)
{
	while (at < len && strchr(" \t\r\n", text[at]) && text[at])
		at++;
	return at;
}

static int parse_json(const char *text, size_t len, document_fn fn, void *data,
		      struct err *e)
{
	size_t at = skip_blank(text, 0, len);

	while (at < len) {
		json_error_t error;
		json_t *root;
		int err;

		root = json_loadb(text + at, len - at,
				  JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &error);
		if (!root)
			return err_set(e, "line %d column %d: %s", error.line, error.column,
				       error.text);
		if (check_depth(root, 1)) {
			json_decref(root);
			return err_set(e, "nested deeper than %d levels", INPUT_MAX_DEPTH);
		}
		err = fn(root, data, e);
		json_decref(root);
		if (err)
			return err;
		at = skip_blank(text, at + error.position, len);
	}
	return 0;
}

int input_parse(const char *text, size_t len, document_fn fn, void *data,
		struct err *e)
{
	size_t at;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	at = skip_blank(text, 0, len);
	if (at == len)
		return err_set(e, "is empty");
	/* As kubectl tells them apart. */
	if (text[at] == '{' || text[at] == '[')
		return parse_json(text, len, fn, data, e);
	return yaml_parse(text, len, fn, data, e);
}

int input_read(const char *path, document_fn fn, void *data, struct err *e)
{
	size_t len;
	char *text = read_file(path, INPUT_MAX_SIZE, &len, e);
	int err;

	if (!text)
		return -1;
	err = input_parse(text, len, fn, data, e);
	if (err)
		err_prefix(e, "%s: ", strcmp(path, "-") ? path : "standard input");
	free(text);
	return err;
}
