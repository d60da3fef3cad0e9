// SPDX-License-Identifier: GPL-2.0
/* stats, monitor */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/json.h"
#include "lib/nl_spec.h"

static int stats_json(const struct model *m, const struct nl_stats *stats)
{
	json_t *reasons = json_object();

	for (uint32_t i = 0; i < stats->n_reasons; i++)
		json_object_set_new(reasons, reason_name(i), json_integer(stats->packets[i]));
	fputs("{\n\"reasons\": ", stdout);
	json_dumpf(reasons, stdout, JSON_PRESERVE_ORDER);
	json_decref(reasons);
	printf(",\n\"masqueraded\": %llu,\n\"swept\": %llu,\n", (unsigned long long)stats->masqueraded,
	       (unsigned long long)(stats->swept_v4 + stats->swept_v6));
	json_write_services(stdout, m, true);
	puts("\n}");
	return finish_output();
}

/* Of a service among others; stats NAME tells all. */
#define MAX_ROWS	10

static void stats_rows(struct table *t, const struct service *s, bool all)
{
	uint32_t shown = all || s->n_endpoints <= MAX_ROWS ? s->n_endpoints : MAX_ROWS - 1;
	char count[24], share[16], ep[ENDPOINT_STRLEN];
	const char *cells[TABLE_COLUMNS] = { s->name, "", count, "" };

	snprintf(count, sizeof(count), "%llu", (unsigned long long)s->connections);
	table_row(t, cells);
	for (uint32_t i = 0; i < shown; i++) {
		const struct endpoint *e = &s->endpoints[i];

		cells[0] = "";
		cells[1] = endpoint_format(e, ep);
		cells[3] = share;
		snprintf(count, sizeof(count), "%llu", (unsigned long long)e->connections);
		snprintf(share, sizeof(share), "%.1f %%", s->connections ?
			 100.0 * e->connections / s->connections : 0.0);
		table_row(t, cells);
	}
	if (shown < s->n_endpoints) {
		snprintf(ep, sizeof(ep), "... of %u", s->n_endpoints);
		cells[0] = cells[2] = cells[3] = "";
		cells[1] = ep;
		table_row(t, cells);
	}
}

static void stats_table(const struct model *m, bool all)
{
	static const char *const head[TABLE_COLUMNS] = { "SERVICE", "ENDPOINT",
							 "CONNECTIONS", "SHARE" };
	struct table t = { .n = 4 };

	for (int pass = 0; pass < 2; pass++) {
		table_row(&t, head);
		for (size_t i = 0; i < m->n_services; i++)
			stats_rows(&t, &m->services[i], all);
		table_done(&t);
	}
}

static void stats_reasons(const struct nl_stats *stats)
{
	static const char *const head[TABLE_COLUMNS] = { "REASON", "PACKETS", "MEANING" };
	struct table t = { .n = 3 };
	char count[24];

	for (int pass = 0; pass < 2; pass++) {
		const char *cells[TABLE_COLUMNS] = { "", count, "" };

		table_row(&t, head);
		for (uint32_t i = 0; i < stats->n_reasons; i++) {
			snprintf(count, sizeof(count), "%llu",
				 (unsigned long long)stats->packets[i]);
			cells[0] = reason_name(i);
			cells[2] = reason_meaning(i);
			table_row(&t, cells);
		}
		snprintf(count, sizeof(count), "%llu", (unsigned long long)stats->masqueraded);
		cells[0] = "masqueraded";
		cells[2] = "of those translated: the source became the node's, too";
		table_row(&t, cells);
		snprintf(count, sizeof(count), "%llu",
			 (unsigned long long)(stats->swept_v4 + stats->swept_v6));
		cells[0] = "swept";
		cells[2] = "conntrack entries removed after changes of services";
		table_row(&t, cells);
		table_done(&t);
	}
}

int cmd_stats(int argc, char **argv)
{
	struct nl_stats stats = {};
	struct model m = {};
	struct nl *nl = NULL;
	const char *name;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (argc - optind > 1)
		return usage_error("unexpected argument \"%s\"", argv[optind + 1]);
	name = argv[optind];
	if (name)
		about(name);
	err = name ? service_check_name(name, &e) : 0;
	if (!err)
		err = open_module(&nl, &e);
	if (!err)
		err = nl_services(nl, name, &m, &e);
	if (!err)
		err = nl_stats(nl, &stats, &e);
	nl_close(nl);
	if (err) {
		status = refused(&e);
	} else if (global.json) {
		status = stats_json(&m, &stats);
	} else {
		stats_table(&m, name);
		if (!name) {
			putchar('\n');
			stats_reasons(&stats);
		}
		status = finish_output();
	}
	model_free(&m);
	return status;
}

static void event_text(const struct nl_event *ev)
{
	if (!ev) {
		puts("overrun: changes were faster than this reader, some are missing here");
	} else if (ev->commit) {
		printf("commit generation %llu changes %u\n",
		       (unsigned long long)ev->generation, ev->changes);
	} else {
		printf("%s ", event_name(ev->event));
		print_text(stdout, ev->name);
		printf(" vips %u endpoints %u generation %llu\n", ev->frontends,
		       ev->endpoints, (unsigned long long)ev->generation);
	}
}

static void event_json(const struct nl_event *ev)
{
	json_t *o = json_object();

	if (!ev) {
		json_object_set_new(o, "event", json_string("overrun"));
	} else if (ev->commit) {
		json_object_set_new(o, "event", json_string("commit"));
		json_object_set_new(o, "generation", json_integer(ev->generation));
		json_object_set_new(o, "changes", json_integer(ev->changes));
	} else {
		json_object_set_new(o, "event", json_string(event_name(ev->event)));
		json_object_set_new(o, "service", json_string(ev->name));
		json_object_set_new(o, "frontends", json_integer(ev->frontends));
		json_object_set_new(o, "endpoints", json_integer(ev->endpoints));
		json_object_set_new(o, "generation", json_integer(ev->generation));
	}
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

static bool on_event(const struct nl_event *ev, void *data)
{
	(void)data;
	if (global.json)
		event_json(ev);
	else
		event_text(ev);
	return !fflush(stdout);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

int cmd_monitor(int argc, char **argv)
{
	/* Without SA_RESTART: the receive is to end. */
	const struct sigaction sa = { .sa_handler = on_signal };
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = open_module(&nl, &e);
	while (!err) {
		err = nl_monitor(nl, on_event, NULL, &e);
		if (err == -EINTR && !interrupted)
			err = 0;
		else
			break;
	}
	nl_close(nl);
	if (err && err != -EINTR)
		return refused(&e);
	return interrupted ? STATUS_OK : finish_output();
}
