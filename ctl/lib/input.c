// SPDX-License-Identifier: GPL-2.0
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "jwalk.h"

static int parse_json(struct jwalk *w, document_fn fn, void *data)
{
	while (!jwalk_at_end(w)) {
		json_t *root = jwalk_value(w);
		int err;

		if (!root)
			return -1;
		err = fn(root, data, w->e);
		json_decref(root);
		if (err)
			return err;
	}
	return 0;
}

int input_parse(const char *text, size_t len, document_fn fn, void *data,
		struct err *e)
{
	struct jwalk w;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	w = (struct jwalk){ .text = text, .len = len, .e = e };
	if (jwalk_at_end(&w))
		return err_set(e, "is empty");
	/* As kubectl tells them apart. */
	if (jwalk_peek(&w) == '{' || jwalk_peek(&w) == '[')
		return parse_json(&w, fn, data);
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
