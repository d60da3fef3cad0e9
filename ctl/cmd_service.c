// SPDX-License-Identifier: GPL-2.0
/* add-service, set-service, del-service */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/apply.h"

/* Lists that an option begins; set-service replaces those that are given. */
enum list {
	LIST_NONE,
	LIST_VIPS,
	LIST_EXTERNAL_IPS,
	LIST_LB_IPS,
	LIST_NODE_PORTS,
	LIST_ENDPOINTS,
	LIST_RANGES,
	N_LISTS,
};

static const char *const list_options[N_LISTS] = {
	[LIST_VIPS] = "--vip",
	[LIST_EXTERNAL_IPS] = "--external-ip",
	[LIST_LB_IPS] = "--lb-ip",
	[LIST_NODE_PORTS] = "--node-port",
	[LIST_ENDPOINTS] = "--endpoint",
	[LIST_RANGES] = "--source-range",
};

static const uint8_t list_classes[] = {
	[LIST_VIPS] = KSVC_CLASS_CLUSTER_IP,
	[LIST_EXTERNAL_IPS] = KSVC_CLASS_EXTERNAL_IP,
	[LIST_LB_IPS] = KSVC_CLASS_LOAD_BALANCER,
	[LIST_NODE_PORTS] = KSVC_CLASS_NODE_PORT,
};

struct service_args {
	struct service service;
	struct frontend *node_ports;	/* of no family yet */
	size_t n_node_ports;
	bool lists[N_LISTS];		/* given */
	bool options[N_SERVICE_OPTIONS];
	const char *name;
	struct service planned;		/* by set-service */
};

static int add_node_port(struct service_args *args, const char *text, struct err *e)
{
	struct frontend f;

	if (node_port_parse(text, &f, e))
		return -1;
	xgrow(&args->node_ports, args->n_node_ports, sizeof(f));
	args->node_ports[args->n_node_ports++] = f;
	return 0;
}

static int add_frontend(struct service_args *args, enum list list, const char *text,
			struct err *e)
{
	struct frontend f;

	if (frontend_parse(text, &f, e))
		return -1;
	f.class = list_classes[list];
	service_add_frontend(&args->service, &f);
	return 0;
}

static int add_endpoint(struct service_args *args, const char *text, struct err *e)
{
	struct endpoint ep;

	if (endpoint_parse(text, &ep, e))
		return -1;
	service_add_endpoint(&args->service, &ep);
	return 0;
}

static int add_value(struct service_args *args, enum list list, const char *text)
{
	struct err e;
	int err;

	args->lists[list] = true;
	if (!strcmp(text, "none"))
		return 0;
	if (list == LIST_ENDPOINTS)
		err = add_endpoint(args, text, &e);
	else if (list == LIST_RANGES)
		err = prefix_list_parse(&args->service.ranges, text, &e);
	else if (list == LIST_NODE_PORTS)
		err = add_node_port(args, text, &e);
	else
		err = add_frontend(args, list, text, &e);
	return err ? usage_error("%s: %s", list_options[list], e.text) : 0;
}

static int set_option(struct service_args *args, enum service_option o, const char *text)
{
	struct err e;

	args->options[o] = true;
	return option_parse(&args->service, o, text, &e) ?
	       usage_error("--%s: %s", option_name(o), e.text) : 0;
}

/* NAME is the first argument that is no option; more belong to the list that
 * was begun before them, as in --vip A B.
 */
static int add_argument(struct service_args *args, enum list list, const char *text)
{
	if (!args->name) {
		args->name = text;
		return 0;
	}
	if (list == LIST_NONE)
		return usage_error("unexpected argument \"%s\"", text);
	return add_value(args, list, text);
}

static int parse(int argc, char **argv, struct service_args *args, int *status)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "vip", required_argument, NULL, OPT_LIST + LIST_VIPS },
		{ "external-ip", required_argument, NULL, OPT_LIST + LIST_EXTERNAL_IPS },
		{ "lb-ip", required_argument, NULL, OPT_LIST + LIST_LB_IPS },
		{ "node-port", required_argument, NULL, OPT_LIST + LIST_NODE_PORTS },
		{ "endpoint", required_argument, NULL, OPT_LIST + LIST_ENDPOINTS },
		{ "source-range", required_argument, NULL, OPT_LIST + LIST_RANGES },
		{ "internal-policy", required_argument, NULL,
		  OPT_OPTION + OPTION_INTERNAL_POLICY },
		{ "external-policy", required_argument, NULL,
		  OPT_OPTION + OPTION_EXTERNAL_POLICY },
		{ "affinity", required_argument, NULL, OPT_OPTION + OPTION_AFFINITY },
		{ "scheduler", required_argument, NULL, OPT_OPTION + OPTION_SCHEDULER },
		{ "maglev-size", required_argument, NULL, OPT_OPTION + OPTION_MAGLEV_SIZE },
		{ "on-remove", required_argument, NULL, OPT_OPTION + OPTION_ON_REMOVE },
		{}
	};
	enum list list = LIST_NONE;
	int c;

	*status = 0;
	while ((c = getopt_long(argc, argv, "-hjv", options, NULL)) != -1) {
		if (c == 1) {
			*status = add_argument(args, list, optarg);
		} else if (c >= OPT_LIST && c < OPT_LIST + N_LISTS) {
			list = c - OPT_LIST;
			*status = add_value(args, list, optarg);
		} else if (c >= OPT_OPTION && c < OPT_OPTION + N_SERVICE_OPTIONS) {
			list = LIST_NONE;
			*status = set_option(args, c - OPT_OPTION, optarg);
		} else if (!global_option(c, status)) {
			return -1;
		}
		if (*status)
			return -1;
	}
	for (; optind < argc && !*status; optind++)
		*status = add_argument(args, list, argv[optind]);
	if (!*status && !args->name)
		*status = usage_error("NAME is missing");
	return *status ? -1 : 0;
}

/* In the families that the service has otherwise. */
static void add_node_ports(struct service *s, const struct service_args *args)
{
	bool v4 = service_has_family(s, AF_INET), v6 = service_has_family(s, AF_INET6);

	for (size_t i = 0; i < args->n_node_ports; i++) {
		struct frontend f = args->node_ports[i];

		f.addr.family = AF_INET;
		if (v4 || !v6)
			service_add_frontend(s, &f);
		f.addr.family = AF_INET6;
		if (v6 || !v4)
			service_add_frontend(s, &f);
	}
}

static int with_module(struct service_args *args,
		       int (*fn)(struct nl *nl, struct service_args *args, struct err *e))
{
	struct nl *nl = NULL;
	struct err e;
	int err;

	about(args->name);
	args->service.name = xstrdup(args->name);
	err = service_check_name(args->name, &e);
	if (!err)
		err = open_module(&nl, &e);
	if (!err)
		err = fn(nl, args, &e);
	nl_close(nl);
	return err ? refused(&e) : STATUS_OK;
}

static void free_args(struct service_args *args)
{
	service_free(&args->service);
	service_free(&args->planned);
	free(args->node_ports);
}

static int add(struct nl *nl, struct service_args *args, struct err *e)
{
	const struct op op = {
		.type = OP_SERVICE_PUT,
		.mode = KSVC_MODE_CREATE,
		.service = &args->service,
	};

	add_node_ports(&args->service, args);
	return apply_op(nl, &op, e);
}

int cmd_add_service(int argc, char **argv)
{
	struct service_args args = {};
	int status;

	if (!parse(argc, argv, &args, &status)) {
		if (!args.service.n_frontends && !args.n_node_ports)
			status = usage_error("no --vip, --external-ip, --lb-ip, --node-port");
		else
			status = with_module(&args, add);
	}
	free_args(&args);
	return status;
}

static bool replaces_class(const struct service_args *args, uint8_t class)
{
	for (enum list list = LIST_VIPS; list <= LIST_NODE_PORTS; list++)
		if (list_classes[list] == class)
			return args->lists[list];
	return false;
}

static void keep_rest(const struct service_args *args, const struct service *old,
		      struct service *new)
{
	for (uint32_t i = 0; i < old->n_frontends; i++)
		if (!replaces_class(args, old->frontends[i].class))
			service_add_frontend(new, &old->frontends[i]);
	for (uint32_t i = 0; i < old->n_endpoints && !args->lists[LIST_ENDPOINTS]; i++)
		service_add_endpoint(new, &old->endpoints[i]);
	if (!args->lists[LIST_RANGES])
		prefix_list_copy(&new->ranges, &old->ranges);
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (!args->options[i])
			option_set(new, i, option_get(old, i));
}

/* What is not given is taken from the service as it is. */
static int plan_set(const struct model *actual, struct op_list *list, void *data,
		    struct err *e)
{
	struct service_args *args = data;
	struct service *new = &args->planned;

	if (actual->n_services != 1) {
		err_set(e, "no such service");
		return -ENOENT;
	}
	service_free(new);
	service_init(new, args->name);
	service_copy(new, &args->service);
	keep_rest(args, actual->services, new);
	add_node_ports(new, args);
	op_add(list, OP_SERVICE_PUT, KSVC_MODE_REPLACE, new);
	return 0;
}

static int set(struct nl *nl, struct service_args *args, struct err *e)
{
	struct nl_commit commit;

	return apply_plan(nl, args->name, plan_set, args, &commit, e);
}

static bool gives_anything(const struct service_args *args)
{
	for (int i = 0; i < N_LISTS; i++)
		if (args->lists[i])
			return true;
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (args->options[i])
			return true;
	return false;
}

int cmd_set_service(int argc, char **argv)
{
	struct service_args args = {};
	int status;

	if (!parse(argc, argv, &args, &status))
		status = gives_anything(&args) ? with_module(&args, set) :
						 usage_error("no option says what to change");
	free_args(&args);
	return status;
}

static int del(struct nl *nl, struct service_args *args, struct err *e)
{
	const struct op op = { .type = OP_SERVICE_DEL, .service = &args->service };

	return apply_op(nl, &op, e);
}

int cmd_del_service(int argc, char **argv)
{
	struct service_args args = {};
	int status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (argc - optind != 1)
		return usage_error("one NAME is needed");
	args.name = argv[optind];
	status = with_module(&args, del);
	free_args(&args);
	return status;
}
