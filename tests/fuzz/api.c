// SPDX-License-Identifier: GPL-2.0
/*
 * Answers of an API server to the source that lists and watches:
 *
 *	%KIND STATUS CODE SEED RETRY BEFORE AFTER
 *	body, up to a line that begins with %
 *
 * to the next request for that kind: its HTTP status, curl's code at the end,
 * how the body is cut in pieces, what Retry-After says, and how many seconds
 * pass before and after the body. Numbers that are missing are 0. In whatever
 * pieces it arrives, what the sink is told is the same. If the first line is
 * "!", limits are small instead, and the pieces matter.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/api.h"
#include "daemon/log.h"
#include "shim.h"

enum field { KIND, STATUS, CODE, SEED, RETRY, BEFORE, AFTER, N_FIELDS };

struct answer {
	unsigned long field[N_FIELDS];
	const char *body;
	size_t len;
};

struct telling {
	FILE *f;
	char *text;
	size_t len;
	bool in_list[N_KINDS], listed[N_KINDS];
};

void log_write(int level, const char *message, const struct log_field *fields)
{
	check(level >= LOG_ERR && level <= LOG_DEBUG && *message);
	for (; fields->key; fields++)
		check(!fields->text || strlen(fields->text) < 4096);
}

const char *kind_name(enum kind kind)
{
	static const char *const names[N_KINDS] = {
		"Service", "EndpointSlice", "Node", "ServiceCIDR",
	};

	return names[kind];
}

static void list_begin(void *data, enum kind kind)
{
	struct telling *t = data;

	t->in_list[kind] = true;
	fprintf(t->f, "begin %s\n", kind_name(kind));
}

static void list_end(void *data, enum kind kind)
{
	struct telling *t = data;

	check(t->in_list[kind]);
	t->in_list[kind] = false;
	t->listed[kind] = true;
	fuzz_accept();
	fprintf(t->f, "end %s\n", kind_name(kind));
}

static void tell(struct telling *t, enum kind kind, const char *what, const json_t *object)
{
	char *text = json_dumps(object, JSON_SORT_KEYS);

	check(text);
	check(t->in_list[kind] || t->listed[kind]);
	check(!strcmp(json_string_value(json_object_get(object, "kind")), kind_name(kind)));
	fprintf(t->f, "%s %s %s\n", what, kind_name(kind), text);
	free(text);
}

static void put(void *data, enum kind kind, const json_t *object)
{
	tell(data, kind, "put", object);
}

static void del(void *data, enum kind kind, const json_t *object)
{
	tell(data, kind, "del", object);
}

static void keep(void *data, enum kind kind, const char *ns, const char *name)
{
	struct telling *t = data;

	check(*name && utf8_valid(ns, strlen(ns)) && utf8_valid(name, strlen(name)));
	fprintf(t->f, "keep %s %s/%s\n", kind_name(kind), ns, name);
}

static void broken(void *data, const char *where, const char *why)
{
	struct telling *t = data;

	check(*where && *why);
	fprintf(t->f, "broken %s: %s\n", where, why);
}

static bool next_answer(const char **text, size_t *len, struct answer *a)
{
	const char *line;
	char *copy, *p;
	size_t n;

	do {
		if (!fuzz_line(text, len, &line, &n))
			return false;
	} while (!n || *line != '%');
	copy = p = xstrndup(line + 1, n - 1);
	for (int i = 0; i < N_FIELDS; i++)
		a->field[i] = strtoul(p, &p, 10) & UINT16_MAX;
	free(copy);
	a->body = *text;
	a->len = 0;
	while (*len && **text != '%') {
		fuzz_line(text, len, &line, &n);
		a->len = *text - a->body;
	}
	return true;
}

/* Zero has all of it in one. */
static size_t piece(uint32_t *state, size_t left)
{
	size_t n;

	if (!*state)
		return left;
	*state = *state * 1664525 + 1013904223;
	n = 1 + (*state >> 16) % (*state >> 30 ? 40 : 4000);
	return n < left ? n : left;
}

static CURLcode receive(struct api_request *r, const struct answer *a, bool whole)
{
	uint32_t state = whole ? 0 : a->field[SEED] * 2654435761u;

	for (size_t at = 0, n; at < a->len; at += n) {
		/* A copy, so that what is read beyond it is noticed. */
		char *copy;
		int err;

		n = piece(&state, a->len - at);
		copy = xcalloc(n, 1);
		memcpy(copy, a->body + at, n);
		err = r->ops->received(r, copy, n);
		free(copy);
		if (err)
			return CURLE_WRITE_ERROR;
	}
	return a->field[CODE] % CURL_LAST;
}

static void end(struct api_request *r, CURLcode code)
{
	r->running = false;
	r->ops->done(r, code);
}

static void give(struct source_api *s, const struct answer *a, bool whole)
{
	struct api_kind *k = &s->kinds[a->field[KIND] % N_KINDS];
	struct api_request *r = &k->request;
	unsigned long status = a->field[STATUS] % 1000, request;
	CURLcode code;

	for (int i = 0; i < 64 && !r->running; i++)
		if (!shim_advance_to_timer())
			break;
	if (!r->running)
		return;
	shim_retry_after = a->field[RETRY] * 1000;
	if (status < 200) {
		code = a->field[CODE] % CURL_LAST;
		end(r, code ? code : CURLE_GOT_NOTHING);
		return;
	}
	request = shim_requests;
	r->status = status;
	r->ops->started(r);
	shim_advance(a->field[BEFORE] * 1000000ull);
	if (!r->running || r->status != (long)status || request != shim_requests)
		return;
	code = receive(r, a, whole);
	if (code != CURLE_WRITE_ERROR)
		shim_advance(a->field[AFTER] * 1000000ull);
	if (r->running && r->status == (long)status)
		end(r, code);
}

static void report(struct telling *t, const struct source_api *s)
{
	for (int i = 0; i < N_KINDS; i++) {
		const struct source_api_stats *st = &s->stats;
		const struct api_kind *k = &s->kinds[i];

		fprintf(t->f, "%d: phase %d version %s next %s", i, k->phase, k->version,
			k->next_page ? k->next_page : "");
		fprintf(t->f, " lists %lu relists %lu broken %lu:", st->lists[i], st->relists[i],
			st->broken[i]);
		for (int j = 0; j < N_API_ERRORS; j++)
			fprintf(t->f, " %lu", st->errors[i][j]);
		for (int j = 0; j < N_API_EVENTS; j++)
			fprintf(t->f, " %lu", st->events[i][j]);
		fputc('\n', t->f);
		check(strlen(k->version) < sizeof(k->version));
		check(st->listed[i] == t->listed[i] || !s->used[i]);
	}
}

static void set_limits(struct source_api_config *c, bool small)
{
	source_api_defaults(c);
	c->node_name = "here";
	c->page_objects = 8;
	c->max_pages = 4;
	c->max_page = small ? 512 : 65536;
	/* What is skipped of a line never reaches its limit then: the pieces decide when. */
	c->max_line = small ? 64 : 8192;
}

static char *run(const char *text, size_t len, bool small, bool whole)
{
	struct telling t = {};
	const struct sink sink = {
		.list_begin = list_begin, .list_end = list_end, .put = put, .del = del,
		.keep = keep, .broken = broken, .data = &t,
	};
	struct api_access access = { .server = xstrdup("https://192.0.2.1:6443") };
	struct source_api_config config;
	sd_event *event = shim_event_new();
	struct source_api *s;
	struct answer a;
	struct err e;

	set_limits(&config, small);
	t.f = open_memstream(&t.text, &t.len);
	s = source_api_new(event, &config, &access, &sink, &e);
	check(t.f && s);
	while (next_answer(&text, &len, &a))
		give(s, &a, whole);
	report(&t, s);
	source_api_relist(s);
	source_api_free(s);
	sd_event_unref(event);
	fclose(t.f);
	return t.text;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	bool small = size && *text == '!';
	char *pieces = run(text, size, small, false), *whole;

	if (!small) {
		whole = run(text, size, small, true);
		check_same(pieces, whole);
		free(whole);
	}
	free(pieces);
}
