// SPDX-License-Identifier: GPL-2.0
/* show */
#include <stdlib.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/json.h"

/* Of a service among others; show NAME tells all. */
#define MAX_ROWS	10

static void show_rows(struct table *t, const struct service *s, bool all)
{
	uint32_t rows = s->n_frontends > s->n_endpoints ? s->n_frontends : s->n_endpoints;
	uint32_t shown = all || rows <= MAX_ROWS ? rows : MAX_ROWS - 1;
	char vip[ENDPOINT_STRLEN], ep[ENDPOINT_STRLEN], weight[16], count[24], more[64];

	for (uint32_t i = 0; i < shown || !i; i++) {
		const char *cells[TABLE_COLUMNS] = { i ? "" : s->name, "", "", "", "", "" };

		if (i < s->n_frontends)
			cells[1] = frontend_format(&s->frontends[i], vip);
		if (i < s->n_endpoints) {
			const struct endpoint *e = &s->endpoints[i];

			snprintf(weight, sizeof(weight), "%u", e->weight);
			snprintf(count, sizeof(count), "%llu",
				 (unsigned long long)e->connections);
			cells[2] = endpoint_format(e, ep);
			cells[3] = weight;
			cells[4] = endpoint_sets(e->flags);
			cells[5] = count;
		} else if (!s->n_endpoints && !i) {
			cells[2] = "none";
		}
		table_row(t, cells);
	}
	if (shown < rows) {
		const char *cells[TABLE_COLUMNS] = { "", "", more, "", "", "" };

		snprintf(more, sizeof(more), "... of %u, and %u VIPs", s->n_endpoints,
			 s->n_frontends);
		table_row(t, cells);
	}
}

static void show_table(const struct model *m, bool all)
{
	static const char *const head[TABLE_COLUMNS] = { "SERVICE", "VIP", "ENDPOINT", "WEIGHT",
							 "SETS", "CONNECTIONS" };
	struct table t = { .n = 6 };

	for (int pass = 0; pass < 2; pass++) {
		table_row(&t, head);
		for (size_t i = 0; i < m->n_services; i++)
			show_rows(&t, &m->services[i], all);
		table_done(&t);
	}
}

/* For scripts: kind of line, then its fields, in this order for good. */
static void show_tab(const struct model *m)
{
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];

		fputs("service\t", stdout);
		print_text(stdout, s->name);
		printf("\t%u\t%u\t%llu\n", s->n_frontends, s->n_endpoints,
		       (unsigned long long)s->connections);
		for (uint32_t j = 0; j < s->n_frontends; j++) {
			fputs("frontend\t", stdout);
			print_text(stdout, s->name);
			printf("\t%s\n", frontend_format(&s->frontends[j], buf));
		}
		for (uint32_t j = 0; j < s->n_endpoints; j++) {
			const struct endpoint *ep = &s->endpoints[j];

			fputs("endpoint\t", stdout);
			print_text(stdout, s->name);
			printf("\t%s\t%u\t%s\t%llu\n", endpoint_format(ep, buf), ep->weight,
			       endpoint_sets(ep->flags), (unsigned long long)ep->connections);
		}
	}
}

int cmd_show(int argc, char **argv)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "tab", no_argument, NULL, OPT_TAB },
		{}
	};
	const char *name = NULL;
	struct model m = {};
	struct nl *nl = NULL;
	bool tab = false;
	struct err e;
	int c, err, status;

	while ((c = getopt_long(argc, argv, "hjv", options, NULL)) != -1) {
		if (c == OPT_TAB)
			tab = true;
		else if (!global_option(c, &status))
			return status;
	}
	if (argc - optind > 1)
		return usage_error("unexpected argument \"%s\"", argv[optind + 1]);
	if (optind < argc) {
		name = argv[optind];
		about(name);
	}
	err = name ? service_check_name(name, &e) : 0;
	if (!err)
		err = open_module(&nl, &e);
	if (!err)
		err = nl_services(nl, name, &m, &e);
	nl_close(nl);
	if (err) {
		status = refused(&e);
	} else {
		if (global.json)
			json_write_model(stdout, &m, true);
		else if (tab)
			show_tab(&m);
		else
			show_table(&m, name);
		status = finish_output();
	}
	model_free(&m);
	return status;
}
