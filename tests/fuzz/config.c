// SPDX-License-Identifier: GPL-2.0
/*
 * Flags, one a line as long as lines begin with "--", and then a
 * KubeProxyConfiguration, if anything is left.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "lib/json.h"

#define MAX_FLAGS	64

static char *path;

void log_write(int level, const char *message, const struct log_field *fields)
{
	(void)level;
	check(*message);
	for (; fields->key; fields++)
		check(*fields->key);
}

/* The name of a node, on whatever machine this is. */
int gethostname(char *name, size_t len)
{
	snprintf(name, len, "node");
	return 0;
}

struct arguments {
	char *argv[MAX_FLAGS + 3];
	int argc;
	size_t lines;			/* of the file, at most */
};

static void split(struct arguments *args, const char *text, size_t len)
{
	const char *line;
	size_t n;

	args->argv[args->argc++] = xstrdup("ksvcd");
	while (len > 2 && !memcmp(text, "--", 2) && args->argc < MAX_FLAGS) {
		fuzz_line(&text, &len, &line, &n);
		/* The end of a YAML document is no flag. */
		if (n > 2 && line[2] != '-')
			args->argv[args->argc++] = xstrndup(line, n);
	}
	if (!len)
		return;
	args->argv[args->argc++] = xasprintf("--config=%s", path);
	confine_write("config", text, len);
	/* For libyaml, the end of the file is on a line of its own. */
	args->lines = 2;
	/* The last bytes of YAML's line breaks, in UTF-8 or UTF-16. */
	for (size_t i = 0; i < len; i++)
		args->lines += text[i] && strchr("\n\r\x85\xa8\xa9\x28\x29", text[i]);
}

/* FILE:LINE, and the line is one of the file. */
static void check_error(const struct arguments *args, const struct err *e)
{
	size_t len = strlen(path);
	unsigned long line;

	check(*e->text);
	if (strncmp(e->text, path, len) || e->text[len] != ':' || e->text[len + 1] == ' ')
		return;
	line = strtoul(e->text + len + 1, NULL, 10);
	check(line && line <= args->lines);
}

/* Settings are such as set takes. */
static void check_settings(const struct config *c)
{
	struct model m = { .settings = c->settings }, got = {};
	char *text = fuzz_model_text(&m), *again;
	struct err e = {};

	if (json_read_saved(text, strlen(text), &got, &e))
		fuzz_fail(__FILE__, __LINE__, "settings are read", text, e.text);
	again = fuzz_model_text(&got);
	check_same(again, text);
	model_free(&got);
	free(text);
	free(again);
}

static void check_config(const struct config *c)
{
	if (c->action == CONFIG_RUN) {
		check(c->node_name && *c->node_name && strlen(c->node_name) <= 253);
		check(c->state_file && *c->state_file);
		check(!(c->manifests && c->kubeconfig));
	}
	check(c->scheduler <= KSVC_SCHEDULER_MAGLEV);
	check(!c->has_oom_score_adj || (c->oom_score_adj >= -1000 && c->oom_score_adj <= 1000));
	check(c->log_level >= LOG_ERR && c->log_level <= LOG_DEBUG);
	for (size_t i = 0; i < c->n_node_ips; i++)
		check(c->node_ips[i].family == AF_INET || c->node_ips[i].family == AF_INET6);
	check_settings(c);
	config_log_notes(c);
}

static bool is_free(const struct config *c)
{
	return !c->file && !c->kubeconfig && !c->node_name && !c->notes && !c->state_file &&
	       !c->settings.cluster_cidrs.prefixes && !c->node_ips;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct arguments args = {};
	struct config c, again;
	struct err e = {}, e2 = {};
	int err;

	if (!path)
		path = xasprintf("%s/config", confine_dir());
	split(&args, (const char *)data, size);
	confine_begin();
	err = config_parse(&c, args.argc, args.argv, &e);
	check(config_parse(&again, args.argc, args.argv, &e2) == err);
	confine_end();
	if (err) {
		check_same(e.text, e2.text);
		check_error(&args, &e);
		check(is_free(&c));
	} else {
		if (c.action == CONFIG_RUN || c.action == CONFIG_CLEANUP)
			check_config(&c);
		check(!config_changed_needs_restart(&c, &again));
		config_free(&c);
		config_free(&again);
		fuzz_accept();
	}
	for (int i = 0; i < args.argc; i++)
		free(args.argv[i]);
}
