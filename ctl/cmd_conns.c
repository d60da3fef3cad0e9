// SPDX-License-Identifier: GPL-2.0
/* conns */
#include <stdlib.h>

#include "conns.h"
#include "ksvcctl.h"

static int conns_json(const struct conns *conns)
{
	json_t *array = json_array();
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < conns->n; i++) {
		const struct conn *c = &conns->list[i];
		json_t *o = json_object();

		json_object_set_new(o, "protocol", json_string(protocol_name(c->protocol)));
		json_object_set_new(o, "client",
			json_string(hostport_format(&c->client, c->client_port, buf)));
		json_object_set_new(o, "vip",
			json_string(hostport_format(&c->vip, c->vip_port, buf)));
		json_object_set_new(o, "endpoint",
			json_string(hostport_format(&c->endpoint, c->endpoint_port, buf)));
		json_object_set_new(o, "source",
			json_string(hostport_format(&c->seen, c->seen_port, buf)));
		json_object_set_new(o, "state", json_string(c->state));
		json_object_set_new(o, "timeout", json_integer(c->timeout));
		json_object_set_new(o, "service", json_string(c->service));
		json_array_append_new(array, o);
	}
	return print_json(array);
}

static int conns_table(const struct conns *conns)
{
	static const char *const head[TABLE_COLUMNS] = { "PROTO", "CLIENT", "VIP", "ENDPOINT",
							 "SOURCE SEEN", "STATE", "TIMEOUT",
							 "SERVICE" };
	char client[ENDPOINT_STRLEN], vip[ENDPOINT_STRLEN], ep[ENDPOINT_STRLEN];
	char seen[ENDPOINT_STRLEN], timeout[16];
	struct table t = { .n = 8 };

	for (int pass = 0; pass < 2; pass++) {
		table_row(&t, head);
		for (size_t i = 0; i < conns->n; i++) {
			const struct conn *c = &conns->list[i];
			const char *cells[TABLE_COLUMNS] = {
				protocol_name(c->protocol),
				hostport_format(&c->client, c->client_port, client),
				hostport_format(&c->vip, c->vip_port, vip),
				hostport_format(&c->endpoint, c->endpoint_port, ep),
				hostport_format(&c->seen, c->seen_port, seen),
				c->state, timeout, c->service,
			};

			snprintf(timeout, sizeof(timeout), "%u", c->timeout);
			table_row(&t, cells);
		}
		table_done(&t);
	}
	return finish_output();
}

static bool has_node_port(const struct model *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		for (uint32_t j = 0; j < m->services[i].n_frontends; j++)
			if (m->services[i].frontends[j].class == KSVC_CLASS_NODE_PORT)
				return true;
	return false;
}

int cmd_conns(int argc, char **argv)
{
	struct conns conns = {};
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
	/* Another service may have its number at an address that is not the node's. */
	if (!err && name && has_node_port(&m))
		err = nl_services(nl, NULL, &m, &e);
	if (!err)
		err = conns_get(&m, name, &conns, &e);
	nl_close(nl);
	if (err)
		status = refused(&e);
	else
		status = global.json ? conns_json(&conns) : conns_table(&conns);
	free(conns.list);
	model_free(&m);
	return status;
}
