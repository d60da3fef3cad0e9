// SPDX-License-Identifier: GPL-2.0
/* add-service, set-service, del-service */
#include <errno.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/apply.h"

struct service_args {
	struct service service;
	bool vips, endpoints;		/* given */
	const char *name;
};

static int add_value(struct service_args *args, int list, const char *text)
{
	struct frontend f;
	struct endpoint ep;
	struct err e;

	if (list == OPT_VIP) {
		if (frontend_parse(text, &f, &e))
			return usage_error("--vip: %s", e.text);
		args->vips = true;
		service_add_frontend(&args->service, &f);
		return 0;
	}
	args->endpoints = true;
	if (!strcmp(text, "none"))
		return 0;
	if (endpoint_parse(text, &ep, &e))
		return usage_error("--endpoint: %s", e.text);
	service_add_endpoint(&args->service, &ep);
	return 0;
}

/* NAME is the first argument that is no option; more belong to the list that
 * was begun before them, as in --vip A B.
 */
static int add_argument(struct service_args *args, int list, const char *text)
{
	if (!args->name) {
		args->name = text;
		return 0;
	}
	if (!list)
		return usage_error("unexpected argument \"%s\"", text);
	return add_value(args, list, text);
}

static int parse(int argc, char **argv, struct service_args *args, int *status)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "vip", required_argument, NULL, OPT_VIP },
		{ "endpoint", required_argument, NULL, OPT_ENDPOINT },
		{}
	};
	int c, list = 0;

	*status = 0;
	while ((c = getopt_long(argc, argv, "-hjv", options, NULL)) != -1) {
		if (c == 1) {
			*status = add_argument(args, list, optarg);
		} else if (c == OPT_VIP || c == OPT_ENDPOINT) {
			list = c;
			*status = add_value(args, list, optarg);
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

static int with_module(struct service_args *args,
		       int (*fn)(struct nl *nl, struct service_args *args, struct err *e))
{
	struct nl *nl = NULL;
	struct err e;
	int err;

	about(args->name);
	err = service_check_name(args->name, &e);
	if (!err)
		err = open_module(&nl, &e);
	if (!err)
		err = fn(nl, args, &e);
	nl_close(nl);
	return err ? refused(&e) : STATUS_OK;
}

static int add(struct nl *nl, struct service_args *args, struct err *e)
{
	const struct op op = {
		.type = OP_SERVICE_PUT,
		.mode = KSVC_MODE_CREATE,
		.service = &args->service,
	};

	return apply_op(nl, &op, e);
}

int cmd_add_service(int argc, char **argv)
{
	struct service_args args = {};
	int status;

	if (!parse(argc, argv, &args, &status)) {
		if (!args.vips) {
			status = usage_error("--vip is missing");
		} else {
			args.service.name = xstrdup(args.name);
			status = with_module(&args, add);
		}
	}
	service_free(&args.service);
	return status;
}

/* Fills the lists that were not given from the service as it is. */
static int plan_set(const struct model *actual, struct op_list *list, void *data,
		    struct err *e)
{
	struct service_args *args = data;
	const struct service *old = actual->services;
	struct service *new = &args->service;

	if (actual->n_services != 1) {
		err_set(e, "no such service");
		return -ENOENT;
	}
	if (!args->vips) {
		new->n_frontends = 0;
		for (uint32_t i = 0; i < old->n_frontends; i++)
			service_add_frontend(new, &old->frontends[i]);
	}
	if (!args->endpoints) {
		new->n_endpoints = 0;
		for (uint32_t i = 0; i < old->n_endpoints; i++)
			service_add_endpoint(new, &old->endpoints[i]);
	}
	op_add(list, OP_SERVICE_PUT, KSVC_MODE_REPLACE, new);
	return 0;
}

static int set(struct nl *nl, struct service_args *args, struct err *e)
{
	struct nl_commit commit;

	return apply_plan(nl, args->name, plan_set, args, &commit, e);
}

int cmd_set_service(int argc, char **argv)
{
	struct service_args args = {};
	int status;

	if (!parse(argc, argv, &args, &status)) {
		if (!args.vips && !args.endpoints) {
			status = usage_error("neither --vip nor --endpoint is given");
		} else {
			args.service.name = xstrdup(args.name);
			status = with_module(&args, set);
		}
	}
	service_free(&args.service);
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
	args.service.name = xstrdup(args.name);
	status = with_module(&args, del);
	service_free(&args.service);
	return status;
}
