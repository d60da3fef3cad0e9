// SPDX-License-Identifier: GPL-2.0
/* add-endpoint, set-endpoint, del-endpoint */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/apply.h"

struct endpoint_args {
	struct service service;		/* name and the endpoints given */
	bool *weight_given;		/* by endpoint */
	bool weight, sets;		/* given by option */
	uint32_t weight_value, flags;
};

static int parse_options(int argc, char **argv, struct endpoint_args *args, int *status)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "weight", required_argument, NULL, OPT_WEIGHT },
		{ "local", no_argument, NULL, OPT_LOCAL },
		{ "remote", no_argument, NULL, OPT_REMOTE },
		{ "sets", required_argument, NULL, OPT_SETS },
		{}
	};
	unsigned long weight;
	int c;

	while ((c = getopt_long(argc, argv, "hjv", options, NULL)) != -1) {
		switch (c) {
		case OPT_WEIGHT:
			if (parse_uint(optarg, KSVC_WEIGHT_MAX, &weight)) {
				*status = usage_error("--weight must be 0 to %d",
						      KSVC_WEIGHT_MAX);
				return -1;
			}
			args->weight = true;
			args->weight_value = weight;
			break;
		case OPT_LOCAL:
		case OPT_REMOTE:
			args->sets = true;
			args->flags = c == OPT_LOCAL ? ENDPOINT_BOTH :
				      KSVC_ENDPOINT_FLAGS_CLUSTER;
			break;
		case OPT_SETS:
			args->sets = true;
			if (!endpoint_sets_parse(optarg, &args->flags))
				break;
			*status = usage_error("--sets: \"%s\" is not none, nor a list of cluster, local, draining, not-serving",
					      optarg);
			return -1;
		default:
			if (!global_option(c, status))
				return -1;
		}
	}
	return 0;
}

static int parse(int argc, char **argv, struct endpoint_args *args, int *status)
{
	struct endpoint ep;
	struct err e;

	if (parse_options(argc, argv, args, status))
		return -1;
	if (argc - optind < 2) {
		*status = usage_error("NAME and ADDR:PORT are needed");
		return -1;
	}
	args->service.name = xstrdup(argv[optind++]);
	args->weight_given = xcalloc(argc, sizeof(bool));
	for (; optind < argc; optind++) {
		if (endpoint_parse(argv[optind], &ep, &e)) {
			*status = usage_error("%s", e.text);
			return -1;
		}
		args->weight_given[args->service.n_endpoints] =
			args->weight || strchr(argv[optind], '@');
		if (args->weight)
			ep.weight = args->weight_value;
		if (args->sets)
			ep.flags = args->flags;
		service_add_endpoint(&args->service, &ep);
	}
	return 0;
}

static int run(int argc, char **argv,
	       int (*fn)(struct nl *nl, struct endpoint_args *args, struct err *e))
{
	struct endpoint_args args = {};
	struct nl *nl = NULL;
	struct err e;
	int status, err;

	if (!parse(argc, argv, &args, &status)) {
		about(args.service.name);
		err = service_check_name(args.service.name, &e);
		if (!err)
			err = open_module(&nl, &e);
		if (!err)
			err = fn(nl, &args, &e);
		nl_close(nl);
		status = err ? refused(&e) : STATUS_OK;
	}
	service_free(&args.service);
	free(args.weight_given);
	return status;
}

static int put(struct nl *nl, struct endpoint_args *args, enum op_type type,
	       enum ksvc_mode mode, struct err *e)
{
	const struct op op = {
		.type = type,
		.mode = mode,
		.service = &args->service,
		.endpoints = args->service.endpoints,
		.n_endpoints = args->service.n_endpoints,
	};

	return apply_op(nl, &op, e);
}

static int add(struct nl *nl, struct endpoint_args *args, struct err *e)
{
	return put(nl, args, OP_ENDPOINT_PUT, KSVC_MODE_CREATE, e);
}

static int del(struct nl *nl, struct endpoint_args *args, struct err *e)
{
	return put(nl, args, OP_ENDPOINT_DEL, KSVC_MODE_PUT, e);
}

/* What is not given stays what it is. */
static int plan_set(const struct model *actual, struct op_list *list, void *data,
		    struct err *e)
{
	struct endpoint_args *args = data;
	struct service *given = &args->service;
	char buf[ENDPOINT_STRLEN];
	struct op *op;

	if (actual->n_services != 1) {
		err_set(e, "no such service");
		return -ENOENT;
	}
	op = op_add(list, OP_ENDPOINT_PUT, KSVC_MODE_REPLACE, given);
	for (uint32_t i = 0; i < given->n_endpoints; i++) {
		struct endpoint ep = given->endpoints[i], *old;

		old = service_find_endpoint(actual->services, &ep);
		if (!old) {
			err_set(e, "endpoint %s does not exist", endpoint_format(&ep, buf));
			return -ENOENT;
		}
		if (!args->weight_given[i])
			ep.weight = old->weight;
		if (!args->sets)
			ep.flags = old->flags;
		op_add_endpoint(op, &ep);
	}
	return 0;
}

static int set(struct nl *nl, struct endpoint_args *args, struct err *e)
{
	struct nl_commit commit;

	return apply_plan(nl, args->service.name, plan_set, args, &commit, e);
}

int cmd_add_endpoint(int argc, char **argv)
{
	return run(argc, argv, add);
}

int cmd_set_endpoint(int argc, char **argv)
{
	return run(argc, argv, set);
}

int cmd_del_endpoint(int argc, char **argv)
{
	return run(argc, argv, del);
}
