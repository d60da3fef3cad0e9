// SPDX-License-Identifier: GPL-2.0
/*
 * Prints what the API source tells its sink, one line of JSON a call:
 *
 *   api_print [--kubeconfig FILE] [--context NAME] [--server URL] [--in-cluster DIRECTORY]
 *             [--node NAME] [--quiet] [--objects] [NAME=NUMBER]...
 *
 * with the names of the times and sizes of source_api_config. Reads commands:
 * "stats", "relist"; ends where its input does. --quiet leaves out single objects, but
 * for those with an annotation ksvc.test/sent. "us" is the time since the event loop woke.
 */
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/source_api.h"

static struct options {
	const char *kubeconfig, *context, *server, *in_cluster;
	bool quiet, objects;
} options;

static sd_event *event;
static struct source_api *source;
static unsigned long long n_calls;

static void print(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	putchar('\n');
	json_decref(line);
}

static long long wall_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static uint64_t monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

void log_write(int level, const char *message, const struct log_field *fields)
{
	json_t *line = json_pack("{ss si ss}", "call", "log", "level", level, "message", message);

	for (; fields->key; fields++)
		json_object_set_new(line, fields->key, fields->text ? json_string(fields->text) :
				    json_integer(fields->number));
	print(line);
}

const char *kind_name(enum kind kind)
{
	static const char *const names[N_KINDS] = {
		"Service", "EndpointSlice", "Node", "ServiceCIDR",
	};

	return names[kind];
}

static void print_list(enum kind kind, const char *call)
{
	print(json_pack("{ss ss sb sI}", "call", call, "kind", kind_name(kind),
			"all", source_api_listed(source), "calls", (json_int_t)n_calls));
}

static void list_begin(void *data, enum kind kind)
{
	(void)data;
	print_list(kind, "list_begin");
}

static void list_end(void *data, enum kind kind)
{
	(void)data;
	print_list(kind, "list_end");
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

static void print_object(enum kind kind, const char *call, const json_t *object)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"),
						    "annotations");
	const char *sent = json_string_value(json_object_get(annotations, "ksvc.test/sent"));
	uint64_t woken = 0, now = 0;
	json_t *line;

	n_calls++;
	sd_event_now(event, CLOCK_MONOTONIC, &woken);
	now = monotonic_us();
	if (options.quiet && !sent)
		return;
	line = json_pack("{ss ss ss* ss* ss* sI sI}", "call", call, "kind", kind_name(kind),
			 "name", text_of(object, "name"), "namespace",
			 text_of(object, "namespace"), "version",
			 text_of(object, "resourceVersion"), "at", (json_int_t)wall_clock_ns(),
			 "us", (json_int_t)(now - woken));
	if (sent)
		json_object_set_new(line, "sent", json_integer(atoll(sent)));
	if (options.objects)
		json_object_set(line, "object", (json_t *)object);
	print(line);
}

static void put(void *data, enum kind kind, const json_t *object)
{
	(void)data;
	print_object(kind, "put", object);
}

static void del(void *data, enum kind kind, const json_t *object)
{
	(void)data;
	print_object(kind, "del", object);
}

static void keep(void *data, enum kind kind, const char *ns, const char *name)
{
	(void)data;
	print(json_pack("{ss ss ss ss}", "call", "keep", "kind", kind_name(kind), "namespace", ns,
			"name", name));
}

static void broken(void *data, const char *where, const char *why)
{
	(void)data;
	print(json_pack("{ss ss ss}", "call", "broken", "where", where, "why", why));
}

static const struct sink sink = {
	.list_begin = list_begin,
	.list_end = list_end,
	.put = put,
	.del = del,
	.keep = keep,
	.broken = broken,
};

static json_t *kind_stats(const struct source_api_stats *s, int kind)
{
	json_t *requests = json_array(), *errors = json_object(), *events = json_object();

	for (int i = 0; i < 6; i++)
		json_array_append_new(requests, json_integer(s->requests[kind][i]));
	for (int i = 0; i < N_API_ERRORS; i++)
		if (s->errors[kind][i])
			json_object_set_new(errors, api_error_name(i),
					    json_integer(s->errors[kind][i]));
	for (int i = 0; i < N_API_EVENTS; i++)
		json_object_set_new(events, api_event_name(i),
				    json_integer(s->events[kind][i]));
	return json_pack("{so so so sI sI sI sb sb sI}", "requests", requests, "errors", errors,
			 "events", events, "lists", (json_int_t)s->lists[kind], "relists",
			 (json_int_t)s->relists[kind], "broken", (json_int_t)s->broken[kind],
			 "connected", s->connected[kind], "listed", s->listed[kind], "last_event",
			 (json_int_t)s->last_event[kind]);
}

static void print_stats(void)
{
	const struct source_api_stats *s = source_api_stats(source);
	json_t *line = json_pack("{ss sI}", "call", "stats", "calls", (json_int_t)n_calls);

	for (int i = 0; i < N_KINDS; i++)
		json_object_set_new(line, kind_name(i), kind_stats(s, i));
	print(line);
}

static const struct api_note note = {
	.ns = "default", .name = "web", .reason = "Reason", .action = "Act", .text = "a \"text\"",
};

static int on_command(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	(void)revents;
	(void)data;
	if (n <= 0)
		return sd_event_exit(sd_event_source_get_event(s), 0);
	buf[n] = '\0';
	if (strstr(buf, "relist"))
		source_api_relist(source);
	if (strstr(buf, "note"))
		source_api_note(source, &note);
	if (strstr(buf, "stats"))
		print_stats();
	return 0;
}

static int set_number(struct source_api_config *c, const char *word)
{
	struct {
		const char *name;
		unsigned int *number;
		size_t *size;
	} fields[] = {
#define NUMBER(field)	{ #field "=", &c->field, NULL }
		NUMBER(connect_ms), NUMBER(response_ms), NUMBER(list_ms), NUMBER(stream_ms),
		NUMBER(stream_silence_ms), NUMBER(watch_ms), NUMBER(watch_grace_ms),
		NUMBER(silence_ms), NUMBER(line_ms), NUMBER(renew_ms), NUMBER(alive_ms),
		NUMBER(backoff_min_ms), NUMBER(backoff_max_ms), NUMBER(retry_after_max_ms),
		NUMBER(not_served_ms), NUMBER(page_objects), NUMBER(max_pages),
		{ "max_page=", NULL, &c->max_page }, { "max_line=", NULL, &c->max_line },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = strlen(fields[i].name);

		if (strncmp(word, fields[i].name, len))
			continue;
		if (fields[i].number)
			*fields[i].number = atol(word + len);
		else
			*fields[i].size = atol(word + len);
		return 0;
	}
	if (strcmp(word, "no_stream=1"))
		return -1;
	c->no_stream = true;
	return 0;
}

static int parse(int argc, char **argv, struct source_api_config *c)
{
	static const struct option longs[] = {
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "context", required_argument, NULL, 'c' },
		{ "server", required_argument, NULL, 's' },
		{ "in-cluster", required_argument, NULL, 'i' },
		{ "node", required_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "objects", no_argument, NULL, 'o' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (opt) {
		case 'k':
			options.kubeconfig = optarg;
			break;
		case 'c':
			options.context = optarg;
			break;
		case 's':
			options.server = optarg;
			break;
		case 'i':
			options.in_cluster = optarg;
			break;
		case 'n':
			c->node_name = optarg;
			break;
		case 'q':
			options.quiet = true;
			break;
		case 'o':
			options.objects = true;
			break;
		default:
			return -1;
		}
	}
	while (optind < argc)
		if (set_number(c, argv[optind++]))
			return -1;
	return 0;
}

static int get_access(struct api_access *access, struct err *e)
{
	if (options.in_cluster)
		return api_access_in_cluster(access, options.in_cluster, options.server, e);
	return api_access_kubeconfig(access, options.kubeconfig, options.context,
				     options.server, e);
}

int main(int argc, char **argv)
{
	struct source_api_config config;
	struct api_access access;
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	source_api_defaults(&config);
	if (parse(argc, argv, &config) || sd_event_new(&event) < 0)
		return 2;
	if (get_access(&access, &e) ||
	    !(source = source_api_new(event, &config, &access, &sink, &e))) {
		print(json_pack("{ss ss}", "call", "failed", "why", e.text));
		sd_event_unref(event);
		return 1;
	}
	sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_command, NULL);
	sd_event_loop(event);
	print_stats();
	source_api_free(source);
	sd_event_unref(event);
	return 0;
}
