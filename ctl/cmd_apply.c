// SPDX-License-Identifier: GPL-2.0
/* apply */
#include <stdlib.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/apply.h"
#include "lib/input.h"
#include "lib/json.h"
#include "lib/k8s.h"
#include "lib/rtnl.h"

struct apply_args {
	const char **files;
	size_t n_files;
	bool dry_run, prune;
	struct k8s_node node;
	struct k8s objects;
	struct model desired;		/* borrowed from the objects */
};

static void add_node_ip(struct k8s_node *node, const struct addr *ip)
{
	xgrow(&node->ips.list, node->ips.n, sizeof(*ip));
	node->ips.list[node->ips.n++] = *ip;
}

static void find_node_ips(struct k8s_node *node)
{
	struct addr ip;

	if (!primary_address(AF_INET, &ip))
		add_node_ip(node, &ip);
	if (!primary_address(AF_INET6, &ip))
		add_node_ip(node, &ip);
}

static int parse(int argc, char **argv, struct apply_args *args, int *status)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "file", required_argument, NULL, 'f' },
		{ "filename", required_argument, NULL, 'f' },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "prune", no_argument, NULL, OPT_PRUNE },
		{ "node-name", required_argument, NULL, OPT_NODE_NAME },
		{ "zone", required_argument, NULL, OPT_ZONE },
		{ "node-ip", required_argument, NULL, OPT_NODE_IP },
		{ "no-external-ips", no_argument, NULL, OPT_NO_EXTERNAL_IPS },
		{}
	};
	struct addr ip;
	int c;

	while ((c = getopt_long(argc, argv, "hjvf:", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			xgrow(&args->files, args->n_files, sizeof(*args->files));
			args->files[args->n_files++] = optarg;
			break;
		case OPT_DRY_RUN:
			args->dry_run = true;
			break;
		case OPT_PRUNE:
			args->prune = true;
			break;
		case OPT_NODE_NAME:
			args->node.name = optarg;
			break;
		case OPT_ZONE:
			args->node.zone = optarg;
			break;
		case OPT_NODE_IP:
			if (addr_parse(optarg, &ip)) {
				*status = usage_error("--node-ip: \"%s\" is not an address", optarg);
				return -1;
			}
			add_node_ip(&args->node, &ip);
			break;
		case OPT_NO_EXTERNAL_IPS:
			args->node.no_external_ips = true;
			break;
		default:
			if (!global_option(c, status))
				return -1;
		}
	}
	*status = 0;
	if (optind < argc)
		*status = usage_error("unexpected argument \"%s\"", argv[optind]);
	else if (!args->n_files)
		*status = usage_error("-f is missing");
	return *status ? -1 : 0;
}

static int add_document(json_t *root, void *data, struct err *e)
{
	return k8s_add(data, root, e);
}

static int read_objects(struct apply_args *args, struct err *e)
{
	struct k8s *k = &args->objects;
	int err = enter_namespace(e);

	if (!err && !args->node.ips.n)
		find_node_ips(&args->node);
	for (size_t i = 0; i < args->n_files && !err; i++)
		err = input_read(args->files[i], add_document, k, e);
	if (!err) {
		k->node = &args->node;
		k8s_update(k);
		k8s_warn_of_orphans(k);
		k8s_wanted(k, &args->desired);
	}
	for (size_t i = 0; !err && global.verbose && i < k->notes.n; i++)
		warn_user(k->notes.list[i]);
	for (size_t i = 0; !err && i < k->warnings.n; i++)
		warn_user(k->warnings.list[i]);
	return err;
}

/* A port that a Service no longer has goes with it, and all that prune finds. */
static bool deletes(const struct service *actual, void *data)
{
	const struct apply_args *args = data;

	return args->prune || k8s_owns(&args->objects, actual->name);
}

static int plan(const struct model *actual, struct op_list *list, void *data, struct err *e)
{
	struct apply_args *args = data;

	(void)e;
	diff(&args->desired, actual, deletes, args, list);
	return 0;
}

static json_t *op_json(const struct op *op)
{
	json_t *o = json_object();

	json_object_set_new(o, "service", json_string(op->service->name));
	json_object_set_new(o, "action", json_string(op->type == OP_SERVICE_DEL ? "delete" :
						     op->before ? "change" : "add"));
	if (op->before)
		json_object_set_new(o, "before", json_of_service(op->before, false));
	if (op->type != OP_SERVICE_DEL)
		json_object_set_new(o, "after", json_of_service(op->service, false));
	return o;
}

static int print_difference(const struct op_list *list)
{
	json_t *array;

	if (!global.json) {
		op_list_print(stdout, list);
		return finish_output();
	}
	array = json_array();
	for (size_t i = 0; i < list->n; i++)
		if (!i || list->ops[i].service != list->ops[i - 1].service)
			json_array_append_new(array, op_json(&list->ops[i]));
	return print_json(array);
}

static int dry_run(struct nl *nl, struct apply_args *args, struct err *e, int *status)
{
	struct op_list list = {};
	struct model actual = {};
	int err = nl_services(nl, NULL, &actual, e);

	if (!err) {
		plan(&actual, &list, args, e);
		*status = print_difference(&list);
	}
	op_list_free(&list);
	model_free(&actual);
	return err;
}

static int report(const struct nl_commit *commit)
{
	json_t *o;

	if (!global.json) {
		printf("%u services changed\n", commit->changes);
		return finish_output();
	}
	o = json_object();
	json_object_set_new(o, "changes", json_integer(commit->changes));
	json_object_set_new(o, "generation", json_integer(commit->generation));
	return print_json(o);
}

int cmd_apply(int argc, char **argv)
{
	struct apply_args args = {};
	struct nl_commit commit;
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (!parse(argc, argv, &args, &status)) {
		err = read_objects(&args, &e);
		if (!err)
			err = open_module(&nl, &e);
		if (!err && args.dry_run) {
			err = dry_run(nl, &args, &e, &status);
		} else if (!err) {
			err = apply_plan(nl, NULL, plan, &args, &commit, &e);
			if (!err)
				status = report(&commit);
		}
		if (err)
			status = refused(&e);
		nl_close(nl);
	}
	free(args.files);
	free(args.node.ips.list);
	free(args.desired.services);
	k8s_free(&args.objects);
	return status;
}
