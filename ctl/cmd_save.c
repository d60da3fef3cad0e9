// SPDX-License-Identifier: GPL-2.0
/* save, restore, flush */
#include <string.h>

#include "ksvcctl.h"
#include "lib/apply.h"
#include "lib/json.h"

int cmd_save(int argc, char **argv)
{
	struct model m = {};
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	err = open_module(&nl, &e);
	if (!err)
		err = nl_services(nl, NULL, &m, &e);
	if (!err)
		err = nl_settings_get(nl, &m.settings, &e);
	nl_close(nl);
	if (err) {
		status = refused(&e);
	} else {
		json_write_model(stdout, &m, false);
		status = finish_output();
	}
	model_free(&m);
	return status;
}

static int restore(const char *file)
{
	struct nl_commit commit;
	struct nl *nl = NULL;
	struct model m = {};
	struct err e, of_file;
	int err;

	err = open_module(&nl, &e);
	if (!err)
		err = apply_file(nl, file, &commit, &e);
	else if (json_read_file(file, &m, &of_file))
		e = of_file;
	nl_close(nl);
	model_free(&m);
	return err ? refused(&e) : STATUS_OK;
}

int cmd_restore(int argc, char **argv)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "file", required_argument, NULL, 'f' },
		{}
	};
	const char *file = "-";
	int c, status;

	while ((c = getopt_long(argc, argv, "hjvf:", options, NULL)) != -1) {
		if (c == 'f')
			file = optarg;
		else if (!global_option(c, &status))
			return status;
	}
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	return restore(file);
}

int cmd_flush(int argc, char **argv)
{
	const struct model nothing = {};
	struct nl_commit commit;
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	err = open_module(&nl, &e);
	if (!err)
		err = apply_replace(nl, &nothing, &commit, &e);
	nl_close(nl);
	return err ? refused(&e) : STATUS_OK;
}
