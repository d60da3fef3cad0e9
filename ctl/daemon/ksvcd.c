// SPDX-License-Identifier: GPL-2.0
/* The daemon's life: begin, follow, reload, end. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "check.h"
#include "conntrack.h"
#include "lib/apply.h"
#include "log.h"
#include "log_format.h"

static int enter_netns(const char *name, struct err *e)
{
	char *path = xasprintf(strchr(name, '/') ? "%s" : "/run/netns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err = err_set(e, "network namespace %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

static void apply_log_config(const struct config *c)
{
	log_set_level(c->log_level);
	log_set_json(c->log_json);
}

static void set_oom_score(const struct config *c)
{
	FILE *f;

	if (!c->has_oom_score_adj)
		return;
	f = fopen("/proc/self/oom_score_adj", "we");
	if (f)
		fprintf(f, "%d\n", c->oom_score_adj);
	if (!f || fclose(f))
		log_line(LOG_WARNING, "OOM score not set", F_TEXT("reason", strerror(errno)));
}

static int open_api(struct daemon *d, struct err *e)
{
	const struct config *c = &d->config;
	struct source_api_config config;
	struct api_access access;

	if (api_access_init(&access, c->kubeconfig, c->master, e))
		return -1;
	source_api_defaults(&config);
	config.node_name = c->node_name;
	d->api = source_api_new(d->loop, &config, &access, &d->sink, e);
	return d->api ? 0 : -1;
}

static int open_source(struct daemon *d, struct err *e)
{
	if (!d->config.manifests)
		return open_api(d, e);
	return source_dir_new(&d->dir, d->loop, d->config.manifests, d->config.node_name,
			      &d->sink, e);
}

static void on_addresses(void *data)
{
	struct daemon *d = data;

	if (node_addresses_changed(&d->node)) {
		log_line(LOG_NOTICE, "Node addresses changed");
		objects_node_changed(d);
	} else {
		serve_addresses(d);
	}
}

/* The kubeconfig may be the same file, and say something else. */
static int check_access(const struct daemon *d, const char **changed, struct err *e)
{
	struct api_access access;

	if (!d->api)
		return 0;
	if (api_access_init(&access, d->config.kubeconfig, d->config.master, e))
		return -1;
	if (!api_access_same(&access, source_api_access(d->api)))
		*changed = "clientConnection.kubeconfig";
	api_access_clean(&access);
	return 0;
}

static int read_config(const struct daemon *d, struct config *c, const char **changed,
		       struct err *e)
{
	if (config_parse(c, d->argc, d->argv, e))
		return -1;
	*changed = config_changed_needs_restart(&d->config, c);
	if (*changed || !check_access(d, changed, e))
		return 0;
	config_free(c);
	return -1;
}

static void read_again(struct daemon *d)
{
	const char *key;
	struct config c;
	struct err e;

	if (read_config(d, &c, &key, &e)) {
		d->metrics.reload_failures++;
		log_line(LOG_ERR, "Configuration refused, stays as it was",
			 F_TEXT("reason", e.text));
		return;
	}
	if (key) {
		d->metrics.reload_failures++;
		log_line(LOG_ERR, "Configuration needs a restart, stays as it was",
			 F_TEXT("key", key));
		config_free(&c);
		return;
	}
	config_free(&d->config);
	d->config = c;
	apply_log_config(&d->config);
	config_log_notes(&d->config);
	set_oom_score(&d->config);
	d->conntrack_is_set = conntrack_apply(&d->config.conntrack);
	d->engine.min_period = d->config.min_sync_period;
	node_configure(&d->node, &d->config);
	objects_node_changed(d);
	d->metrics.reloads++;
	log_line(LOG_NOTICE, "Configuration reloaded");
}

/* What is not ready yet does not become it by this. */
static void reload(struct daemon *d)
{
	bool ready = d->engine.ever;

	if (ready)
		sd_notify(0, "RELOADING=1");
	read_again(d);
	if (ready)
		sd_notify(0, "READY=1");
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct daemon *d = data;
	int level = log_level();

	(void)source;
	switch (info->ssi_signo) {
	case SIGHUP:
		reload(d);
		break;
	case SIGUSR1:
		log_set_level(level < LOG_DEBUG ? level + 1 : level);
		break;
	case SIGUSR2:
		log_set_level(level > LOG_ERR ? level - 1 : level);
		break;
	default:
		sd_event_exit(d->loop, 0);
	}
	return 0;
}

static int add_signals(struct daemon *d)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t set;
	int err = 0;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals) && err >= 0; i++)
		err = sd_event_add_signal(d->loop, NULL, signals[i], on_signal, d);
	return err;
}

static int init_loop(struct daemon *d, struct err *e)
{
	int err = sd_event_new(&d->loop);

	if (err >= 0)
		err = add_signals(d);
	if (err >= 0)
		err = sd_event_set_watchdog(d->loop, true);
	if (err >= 0)
		err = addresses_watch(&d->addresses, d->loop, on_addresses, d);
	return err < 0 ? err_set(e, "event loop: %s", strerror(-err)) : 0;
}

static int init(struct daemon *d, struct err *e)
{
	struct settings s;
	int err;

	if (d->config.netns && enter_netns(d->config.netns, e))
		return -1;
	if (init_loop(d, e))
		return -1;
	d->conntrack_is_set = conntrack_apply(&d->config.conntrack);
	node_init(&d->node, &d->config);
	err = engine_init(&d->engine, d->loop, &d->node.facts, d->config.sync_period,
			  &report_calls);
	if (err)
		return err_set(e, "event loop: %s", strerror(-err));
	d->engine.calls.data = d;
	d->engine.min_period = d->config.min_sync_period;
	node_settings(&d->node, &s);
	engine_set_settings(&d->engine, &s);
	metrics_init(&d->metrics);
	objects_init(d);
	if (serve_init(d, e))
		return -1;
	err = saved_init(d);
	if (err)
		return err_set(e, "event loop: %s", strerror(-err));
	return open_source(d, e);
}

/* What is in force stays so: the node's connections need no daemon. */
static void finish(struct daemon *d)
{
	sd_notify(0, "STOPPING=1");
	saved_last(d);
	source_api_free(d->api);
	source_dir_free(d->dir);
	saved_free(d);
	serve_free(d);
	objects_free(d);
	engine_free(&d->engine);
	node_free(&d->node);
	addresses_free(d->addresses);
	sd_event_unref(d->loop);
}

static int follow(struct daemon *d)
{
	struct err e;
	int status = 1;

	if (init(d, &e)) {
		log_line(LOG_ERR, "Not started", F_TEXT("reason", e.text));
	} else {
		log_line(LOG_NOTICE, "Started", F_TEXT("version", KSVC_VERSION),
			 F_TEXT("node", d->config.node_name),
			 F_TEXT("source", d->config.manifests ? d->config.manifests : "API"));
		sd_notify(0, "STATUS=Waits until Services and EndpointSlices are listed");
		status = sd_event_loop(d->loop) < 0;
	}
	finish(d);
	log_line(LOG_NOTICE, "Stopped");
	return status;
}

/* Nothing is left that ksvcd has made: services, settings, saved state. */
static int clean_up(const struct config *c)
{
	const struct model nothing = {
		.settings = { .has = HAS_ALL_SETTINGS,
			      .affinity_entries = DEFAULT_AFFINITY_ENTRIES },
	};
	struct nl_commit commit;
	struct nl *nl = NULL;
	struct err e;
	int err = c->netns ? enter_netns(c->netns, &e) : 0;

	if (!err)
		err = nl_open(&nl, &e);
	if (err == -ENOENT) {
		log_line(LOG_NOTICE, "Nothing to clean up: the module is not loaded");
		err = 0;
	} else if (!err) {
		err = apply_restore(nl, &nothing, &commit, &e);
		nl_close(nl);
	}
	if (err) {
		log_line(LOG_ERR, "Not cleaned up", F_TEXT("reason", e.text));
		return 1;
	}
	if (unlink(c->state_file) && errno != ENOENT)
		log_line(LOG_WARNING, "Saved state not removed", F_TEXT("reason", strerror(errno)));
	return 0;
}

static int act(struct daemon *d)
{
	switch (d->config.action) {
	case CONFIG_HELP:
		config_usage(stdout);
		return 0;
	case CONFIG_VERSION:
		puts("ksvcd " KSVC_VERSION);
		return 0;
	case CONFIG_CHECK:
	case CONFIG_CHECK_CONFIG:
		return check(&d->config, stderr) ? 1 : 0;
	default:
		break;
	}
	/* A list leaves much behind that was needed once. */
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	apply_log_config(&d->config);
	config_log_notes(&d->config);
	set_oom_score(&d->config);
	return d->config.action == CONFIG_CLEANUP ? clean_up(&d->config) : follow(d);
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct err e;
	int status;

	if (config_parse(&d.config, argc, argv, &e)) {
		fprintf(stderr, "ksvcd: %s\n", e.text);
		return d.config.action == CONFIG_CHECK || d.config.action == CONFIG_CHECK_CONFIG ? 1 : 2;
	}
	d.argc = argc;
	d.argv = argv;
	status = act(&d);
	config_free(&d.config);
	return status;
}
