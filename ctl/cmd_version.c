// SPDX-License-Identifier: GPL-2.0
/* version */
#include "ksvcctl.h"

static int version_json(const struct nl_info *info, const struct err *e)
{
	unsigned int protocol = nl_protocol();
	json_t *o = json_object();

	json_object_set_new(o, "tool", json_string(KSVC_VERSION));
	json_object_set_new(o, "protocol", json_integer(KSVC_FAMILY_VERSION));
	json_object_set_new(o, "module", info ? json_string(info->version) : json_null());
	json_object_set_new(o, "module_protocol",
			    protocol ? json_integer(protocol) : json_null());
	if (e)
		json_object_set_new(o, "error", json_string(e->text));
	return print_json(o);
}

int cmd_version(int argc, char **argv)
{
	struct nl_info info;
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	err = open_module(&nl, &e);
	if (!err)
		err = nl_info(nl, &info, &e);
	nl_close(nl);
	if (global.json) {
		status = version_json(err ? NULL : &info, err ? &e : NULL);
		return err ? STATUS_REFUSED : status;
	}
	printf("ksvcctl %s, protocol %d\n", KSVC_VERSION, KSVC_FAMILY_VERSION);
	if (err)
		return refused(&e);
	printf("ksvc.ko %s, protocol %d\n", info.version, KSVC_FAMILY_VERSION);
	return finish_output();
}
