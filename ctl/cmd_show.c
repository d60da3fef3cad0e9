// SPDX-License-Identifier: GPL-2.0
/* show */
#include <stdarg.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/json.h"

/* Of a service among others; show NAME tells all. */
#define MAX_ROWS	10

#define OPTIONS_STRLEN	256

static void add_text(char *text, const char *fmt, ...) __printf(2, 3);
static void add_text(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	if (n)
		n += snprintf(text + n, OPTIONS_STRLEN - n, ", ");
	va_start(ap, fmt);
	vsnprintf(text + n, OPTIONS_STRLEN - n, fmt, ap);
	va_end(ap);
}

/* What differs from the default, as "affinity 60, 2 source ranges". */
static void options_text(const struct service *s, char *text)
{
	char buf[OPTION_STRLEN];

	*text = '\0';
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (option_get(s, i))
			add_text(text, "%s %s", option_name(i), option_format(s, i, buf));
	if (s->ranges.n)
		add_text(text, "%zu source ranges", s->ranges.n);
}

enum { NAME, VIP, CLASS, ENDPOINT, WEIGHT, SETS, CONNECTIONS, OPTIONS, N_COLUMNS };

static void no_cells(const char **cells)
{
	for (int i = 0; i < N_COLUMNS; i++)
		cells[i] = "";
}

static void show_rows(struct table *t, const struct service *s, bool all)
{
	uint32_t rows = s->n_frontends > s->n_endpoints ? s->n_frontends : s->n_endpoints;
	uint32_t shown = all || rows <= MAX_ROWS ? rows : MAX_ROWS - 1;
	char vip[ENDPOINT_STRLEN], ep[ENDPOINT_STRLEN], weight[16], count[48], more[64];
	const char *cells[TABLE_COLUMNS];
	char options[OPTIONS_STRLEN];

	options_text(s, options);
	for (uint32_t i = 0; i < shown || !i; i++) {
		no_cells(cells);
		if (!i) {
			cells[NAME] = s->name;
			cells[OPTIONS] = options;
		}
		if (i < s->n_frontends) {
			cells[VIP] = frontend_format(&s->frontends[i], vip);
			cells[CLASS] = class_name(s->frontends[i].class);
		}
		if (i < s->n_endpoints) {
			const struct endpoint *e = &s->endpoints[i];

			snprintf(weight, sizeof(weight), "%u", e->weight);
			snprintf(count, sizeof(count),
				 s->scheduler == KSVC_SCHEDULER_LC ? "%llu (%u live)" : "%llu",
				 (unsigned long long)e->connections, e->active);
			cells[ENDPOINT] = endpoint_format(e, ep);
			cells[WEIGHT] = weight;
			cells[SETS] = endpoint_sets(e->flags);
			cells[CONNECTIONS] = count;
		} else if (!s->n_endpoints && !i) {
			cells[ENDPOINT] = "none";
		}
		table_row(t, cells);
	}
	if (shown < rows) {
		no_cells(cells);
		cells[ENDPOINT] = more;
		snprintf(more, sizeof(more), "... of %u, and %u VIPs", s->n_endpoints,
			 s->n_frontends);
		table_row(t, cells);
	}
}

static void show_table(const struct model *m, bool all)
{
	static const char *const head[TABLE_COLUMNS] = { "SERVICE", "VIP", "CLASS", "ENDPOINT",
							 "WEIGHT", "SETS", "CONNECTIONS",
							 "OPTIONS" };
	struct table t = { .n = N_COLUMNS };

	for (int pass = 0; pass < 2; pass++) {
		table_row(&t, head);
		for (size_t i = 0; i < m->n_services; i++)
			show_rows(&t, &m->services[i], all);
		table_done(&t);
	}
}

static void show_ranges(const struct service *s)
{
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < s->ranges.n; i++)
		printf("source-range %s\n", prefix_format(&s->ranges.prefixes[i], buf));
}

static void tab_start(const char *kind, const struct service *s)
{
	printf("%s\t", kind);
	print_text(stdout, s->name);
}

static void tab_service(const struct service *s)
{
	char buf[OPTION_STRLEN];

	tab_start("service", s);
	printf("\t%u\t%u\t%llu", s->n_frontends, s->n_endpoints,
	       (unsigned long long)s->connections);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		printf("\t%s", option_format(s, i, buf));
	putchar('\n');
}

/* For scripts: kind of line, then its fields, in this order for good. */
static void show_tab(const struct service *s)
{
	char buf[ENDPOINT_STRLEN];

	tab_service(s);
	for (uint32_t i = 0; i < s->n_frontends; i++) {
		tab_start("frontend", s);
		printf("\t%s\t%s\n", frontend_format(&s->frontends[i], buf),
		       class_name(s->frontends[i].class));
	}
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint *ep = &s->endpoints[i];

		tab_start("endpoint", s);
		printf("\t%s\t%u\t%s\t%llu\t%u\n", endpoint_format(ep, buf), ep->weight,
		       endpoint_sets(ep->flags), (unsigned long long)ep->connections,
		       ep->active);
	}
	for (size_t i = 0; i < s->ranges.n; i++) {
		tab_start("source-range", s);
		printf("\t%s\n", prefix_format(&s->ranges.prefixes[i], buf));
	}
}

static int show(const struct model *m, const char *name, bool tab)
{
	if (global.json)
		json_write_model(stdout, m, true);
	else if (!tab)
		show_table(m, name);
	for (size_t i = 0; i < m->n_services && !global.json; i++) {
		if (tab)
			show_tab(&m->services[i]);
		else if (name)
			show_ranges(&m->services[i]);
	}
	return finish_output();
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
	status = err ? refused(&e) : show(&m, name, tab);
	model_free(&m);
	return status;
}
