// SPDX-License-Identifier: GPL-2.0
#include "ksvcctl.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct global_options global;
const char *command_name;

static const struct command *command;
static char *command_object;

#define SERVICE_USAGE \
	"\n  FRONTEND: --vip ADDR:PORT/PROTO, --external-ip ADDR:PORT/PROTO," \
	"\n    --lb-ip ADDR:PORT/PROTO, --node-port PORT/PROTO" \
	"\n  OPTION: --internal-policy cluster|local, --external-policy cluster|local," \
	"\n    --source-range PREFIX..., --affinity SECONDS," \
	"\n    --scheduler random|rr|wrr|lc|sh|maglev, --maglev-size N, --on-remove keep|reset"
#define ENDPOINT_USAGE \
	"NAME ADDR:PORT[@WEIGHT]... [--weight N] [--local | --remote | --sets SETS]\n" \
	"  SETS: none, or cluster, local, draining, not-serving with commas"

static const struct command commands[] = {
	{ "add-service", cmd_add_service,
	  "NAME FRONTEND... [--endpoint ADDR:PORT[@WEIGHT]]... [OPTION]..." SERVICE_USAGE,
	  "add a service" },
	{ "set-service", cmd_set_service,
	  "NAME [FRONTEND...] [--endpoint ADDR:PORT[@WEIGHT]... | --endpoint none] [OPTION]..."
	  SERVICE_USAGE,
	  "change what is given of a service; of frontends, all of the kinds given" },
	{ "del-service", cmd_del_service, "NAME", "delete a service; its connections go on" },
	{ "add-endpoint", cmd_add_endpoint,
	  ENDPOINT_USAGE,
	  "add endpoints to a service" },
	{ "set-endpoint", cmd_set_endpoint,
	  ENDPOINT_USAGE,
	  "change endpoints of a service" },
	{ "del-endpoint", cmd_del_endpoint, "NAME ADDR:PORT...",
	  "remove endpoints from a service" },
	{ "show", cmd_show, "[NAME] [--tab]", "services, their VIPs and endpoints" },
	{ "stats", cmd_stats, "[NAME]", "new connections, and verdicts by reason" },
	{ "monitor", cmd_monitor, "", "follow changes, one line each" },
	{ "explain", cmd_explain,
	  "--from ADDR[:PORT] [--in IFACE] --to ADDR:PORT/PROTO|ADDR/icmp",
	  "what the first packet of a connection would get, and why" },
	{ "affinity", cmd_affinity, "[NAME]", "which clients keep to which endpoints" },
	{ "del-affinity", cmd_del_affinity, "NAME [CLIENT]",
	  "forget the endpoints of a service's clients, or of one" },
	{ "conns", cmd_conns, "[NAME]", "translated connections, from conntrack" },
	{ "set", cmd_set, "KEY VALUE...", "change a setting of the namespace" },
	{ "get", cmd_get, "[KEY]", "settings of the namespace" },
	{ "apply", cmd_apply,
	  "-f FILE|-... [--dry-run] [--prune] [--node-name NAME] [--zone ZONE]\n"
	  "  [--node-ip ADDR]... [--no-external-ips]",
	  "make services of Kubernetes Services and EndpointSlices" },
	{ "save", cmd_save, "", "write settings and services as JSON" },
	{ "restore", cmd_restore, "[-f FILE|-]", "make it what was saved" },
	{ "flush", cmd_flush, "", "delete all services; settings stay" },
	{ "doctor", cmd_doctor, "", "check this machine, say what to do" },
	{ "upgrade", cmd_upgrade, "[--module FILE]",
	  "replace the loaded module; connections go on" },
	{ "version", cmd_version, "", "versions of this tool and of the module" },
};

static void print_usage(FILE *f)
{
	fputs("usage: ksvcctl [--json] [--netns NAME|PATH] COMMAND ...\n\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-13s %s\n", commands[i].name, commands[i].help);
	fputs("\nksvcctl COMMAND --help tells a command's arguments.\n", f);
}

static void print_command_usage(FILE *f)
{
	if (!command) {
		print_usage(f);
		return;
	}
	fprintf(f, "usage: ksvcctl %s%s%s\n", command->name, *command->args ? " " : "",
		command->args);
}

int usage_error(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	fprintf(stderr, "ksvcctl: %s%s", command ? command->name : "", command ? ": " : "");
	print_text(stderr, text ? text : "out of memory");
	fputc('\n', stderr);
	free(text);
	print_command_usage(stderr);
	return STATUS_USAGE;
}

void about(const char *object)
{
	free(command_object);
	command_object = xasprintf("%s %s", command->name, object);
	command_name = command_object;
}

static void complain(const char *kind, const char *text)
{
	fputs("ksvcctl: ", stderr);
	if (command_name) {
		print_text(stderr, command_name);
		fputs(": ", stderr);
	}
	fputs(kind, stderr);
	print_text(stderr, text);
	fputc('\n', stderr);
}

int refused(const struct err *e)
{
	fflush(stdout);
	complain("", e->text);
	return STATUS_REFUSED;
}

void warn_user(const char *text)
{
	complain("warning: ", text);
}

bool global_option(int c, int *status)
{
	switch (c) {
	case 'j':
		global.json = true;
		return true;
	case 'v':
		global.verbose = true;
		return true;
	case OPT_NETNS:
		global.netns = optarg;
		return true;
	case 'h':
		print_command_usage(stdout);
		if (command)
			printf("%s\n", command->help);
		*status = finish_output();
		return false;
	default:
		/* getopt has said what is wrong. */
		print_command_usage(stderr);
		*status = STATUS_USAGE;
		return false;
	}
}

int only_global_options(int argc, char **argv, int *status)
{
	static const struct option options[] = { GLOBAL_OPTIONS, {} };
	int c;

	while ((c = getopt_long(argc, argv, "hjv", options, NULL)) != -1)
		if (!global_option(c, status))
			return -1;
	return 0;
}

int enter_namespace(struct err *e)
{
	char *path;
	int fd, r;

	if (!global.netns)
		return 0;
	path = strchr(global.netns, '/') ? xstrdup(global.netns) :
	       xasprintf("/run/netns/%s", global.netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
	if (r)
		err_set(e, "network namespace %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	/* Once is enough, and a relative path might not be reached again. */
	global.netns = NULL;
	return r ? -EINVAL : 0;
}

int open_module(struct nl **nl, struct err *e)
{
	int err = enter_namespace(e);

	return err ? err : nl_open(nl, e);
}

int finish_output(void)
{
	struct err e;

	/* After a failure long ago, errno is that of something else. */
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return STATUS_OK;
	err_set(&e, "standard output: %s", errno ? strerror(errno) : "not all of it was written");
	return refused(&e);
}

int print_json(json_t *v)
{
	json_dumpf(v, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(v);
	return finish_output();
}

void table_row(struct table *t, const char *const *cells)
{
	for (int i = 0; i < t->n; i++) {
		size_t width = text_width(cells[i]);

		if (!t->print) {
			if (width > t->width[i])
				t->width[i] = width;
			continue;
		}
		print_text(stdout, cells[i]);
		if (i < t->n - 1)
			printf("%*s", (int)(t->width[i] - width + 2), "");
	}
	if (t->print)
		putchar('\n');
}

void table_done(struct table *t)
{
	t->print = true;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	static char program[] = "ksvcctl";	/* whose words getopt's are */
	int c, status;

	argv[0] = program;
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "+hjvV", options, NULL)) != -1) {
		if (c == 'V') {
			printf("ksvcctl %s\n", KSVC_VERSION);
			return finish_output();
		}
		if (!global_option(c, &status))
			return status;
	}
	if (optind == argc) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	command = find_command(argv[optind]);
	if (!command)
		return usage_error("unknown command \"%s\"", argv[optind]);
	command_name = command->name;
	argv += optind;
	argc -= optind;
	argv[0] = program;
	optind = 0;		/* glibc: start over */
	status = command->fn(argc, argv);
	free(command_object);
	return status;
}
