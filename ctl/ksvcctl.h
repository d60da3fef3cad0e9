/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCCTL_H
#define _KSVCCTL_H

#include <getopt.h>
#include <jansson.h>

#include "lib/model.h"
#include "lib/nl.h"

/* Exit status */
enum { STATUS_OK, STATUS_REFUSED, STATUS_USAGE };

struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *args;
	const char *help;
};

/* What may stand before the command or after it. */
struct global_options {
	bool json;
	bool verbose;
	const char *netns;
};

extern struct global_options global;

enum {
	OPT_NETNS = 256,
	OPT_WEIGHT,
	OPT_LOCAL,
	OPT_REMOTE,
	OPT_TAB,
	OPT_FROM,
	OPT_TO,
	OPT_IN,
	OPT_DRY_RUN,
	OPT_PRUNE,
	OPT_NODE_NAME,
	OPT_ZONE,
	OPT_MODULE,
	OPT_SETS,
	OPT_NODE_IP,
	OPT_NO_EXTERNAL_IPS,
	OPT_LIST = 512,			/* and more, of cmd_service.c */
	OPT_OPTION = 544,
};

#define GLOBAL_OPTIONS \
	{ "help", no_argument, NULL, 'h' }, \
	{ "json", no_argument, NULL, 'j' }, \
	{ "verbose", no_argument, NULL, 'v' }, \
	{ "netns", required_argument, NULL, OPT_NETNS }

/*
 * For the default case of a command's option switch: true if the option was a
 * global one; otherwise *status is the one to exit with.
 */
bool global_option(int c, int *status);

/* For commands without options of their own: 0 and optind, or *status set. */
int only_global_options(int argc, char **argv, int *status);

int usage_error(const char *fmt, ...) __printf(1, 2);
int refused(const struct err *e);
void warn_user(const char *text);
extern const char *command_name;	/* and its object, for messages */
void about(const char *object);

/* In the namespace that the user asked for. */
int enter_namespace(struct err *e);
int open_module(struct nl **nl, struct err *e);

/* 0, or 1 if standard output could not be written. */
int finish_output(void);
int print_json(json_t *v);

/* Called twice with the same rows: once to measure, once to print. */
#define TABLE_COLUMNS	10
struct table {
	bool print;
	int n;
	size_t width[TABLE_COLUMNS];
};

void table_row(struct table *t, const char *const *cells);
void table_done(struct table *t);	/* with a pass */

int cmd_add_service(int argc, char **argv);
int cmd_set_service(int argc, char **argv);
int cmd_del_service(int argc, char **argv);
int cmd_add_endpoint(int argc, char **argv);
int cmd_set_endpoint(int argc, char **argv);
int cmd_del_endpoint(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_flush(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_affinity(int argc, char **argv);
int cmd_del_affinity(int argc, char **argv);
int cmd_conns(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);

#endif
