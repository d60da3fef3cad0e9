// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "api.h"

int api_list_received(struct api_kind *k, const char *data, size_t len)
{
	if (k->in.len + len > k->api->config.max_page) {
		/* Fewer objects at once, next time. */
		k->page_objects = k->page_objects > 4 ? k->page_objects / 4 : 1;
		return api_end(k, API_ERROR_TOO_LARGE, "a page of the list exceeds %zu bytes",
			       k->api->config.max_page);
	}
	api_buffer_add(&k->in, data, len);
	return 0;
}

static int set_next_page(struct api_kind *k, const json_t *root)
{
	const char *next = api_text(root, "metadata", "continue");

	free(k->next_page);
	k->next_page = NULL;
	if (!next || !*next)
		return 0;
	if (strlen(next) > API_MAX_CONTINUE)
		return api_end(k, API_ERROR_TOO_LARGE, "metadata.continue exceeds %d bytes",
			       API_MAX_CONTINUE);
	if (++k->pages > k->api->config.max_pages)
		return api_end(k, API_ERROR_TOO_LARGE, "the list has more than %u pages",
			       k->api->config.max_pages);
	k->next_page = xstrdup(next);
	return 0;
}

static int read_page(struct api_kind *k, const json_t *root, bool repaired)
{
	const struct sink *sink = k->api->sink;
	const char *version = api_text(root, "metadata", "resourceVersion");
	json_t *items = json_object_get(root, "items"), *item;
	bool first = !k->next_page;
	size_t i;

	if (!json_is_array(items) && !json_is_null(items))
		return api_end(k, API_ERROR_UNREADABLE, "items: is no list");
	if (!version || !*version || strlen(version) >= sizeof(k->version))
		return api_end(k, API_ERROR_UNREADABLE,
			       "metadata.resourceVersion: is missing or too long");
	if (set_next_page(k, root))
		return -1;
	if (first)
		sink->list_begin(sink->data, k->kind);
	json_array_foreach(items, i, item)
		api_hand_over(k, item, false, repaired);
	if (k->next_page)
		return 0;
	strcpy(k->version, version);
	api_listed(k);
	return 0;
}

int api_list_page(struct api_kind *k)
{
	bool repaired;
	struct err e;
	json_t *root = api_parse(k->in.data ? k->in.data : "", k->in.len, &repaired, &e);
	int err;

	api_buffer_clear(&k->in);
	if (!root)
		return api_end(k, API_ERROR_UNREADABLE, "the list is no JSON: %s", e.text);
	err = read_page(k, root, repaired);
	json_decref(root);
	return err;
}
