// SPDX-License-Identifier: GPL-2.0
/* affinity, del-affinity */
#include <string.h>

#include "ksvcctl.h"

static int affinity_json(const struct affinity_list *list)
{
	json_t *array = json_array();
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < list->n; i++) {
		const struct affinity *a = &list->list[i];
		json_t *o = json_object();

		json_object_set_new(o, "service", json_string(a->service));
		json_object_set_new(o, "client", json_string(addr_format(&a->client, buf)));
		json_object_set_new(o, "endpoint",
			json_string(hostport_format(&a->addr, a->port, buf)));
		json_object_set_new(o, "seconds", json_integer(a->expires / 1000));
		json_array_append_new(array, o);
	}
	return print_json(array);
}

static int affinity_table(const struct affinity_list *list)
{
	static const char *const head[TABLE_COLUMNS] = { "SERVICE", "CLIENT", "ENDPOINT",
							 "SECONDS" };
	char client[ADDR_STRLEN], ep[ENDPOINT_STRLEN], seconds[16];
	struct table t = { .n = 4 };

	for (int pass = 0; pass < 2; pass++) {
		table_row(&t, head);
		for (size_t i = 0; i < list->n; i++) {
			const struct affinity *a = &list->list[i];
			const char *cells[TABLE_COLUMNS] = {
				a->service, addr_format(&a->client, client),
				hostport_format(&a->addr, a->port, ep), seconds,
			};

			snprintf(seconds, sizeof(seconds), "%u", a->expires / 1000);
			table_row(&t, cells);
		}
		table_done(&t);
	}
	return finish_output();
}

int cmd_affinity(int argc, char **argv)
{
	struct affinity_list list = {};
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
		err = nl_affinity(nl, name, &list, &e);
	nl_close(nl);
	if (err)
		status = refused(&e);
	else
		status = global.json ? affinity_json(&list) : affinity_table(&list);
	affinity_free(&list);
	return status;
}

int cmd_del_affinity(int argc, char **argv)
{
	struct addr client;
	struct nl *nl = NULL;
	const char *name;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error("NAME is needed, and at most one CLIENT");
	name = argv[optind];
	if (argc - optind == 2 && addr_parse(argv[optind + 1], &client))
		return usage_error("\"%s\" is not an address", argv[optind + 1]);
	about(name);
	err = service_check_name(name, &e);
	if (!err)
		err = open_module(&nl, &e);
	if (!err)
		err = nl_affinity_del(nl, name, argc - optind == 2 ? &client : NULL, &e);
	nl_close(nl);
	return err ? refused(&e) : STATUS_OK;
}
