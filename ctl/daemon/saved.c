// SPDX-License-Identifier: GPL-2.0
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apply.h"
#include "log.h"
#include "state.h"

/* A disk has more to do than to follow every change. */
#define PAUSE	(60 * 1000 * 1000ull)

/* For a module that is loaded later than this comes. */
#define SERVE_AGAIN	(1000 * 1000ull)

static void saved_now(struct daemon *d)
{
	struct model m = {};
	struct err e;

	if (!d->unsaved)
		return;
	d->unsaved = false;
	node_settings(&d->node, &m.settings);
	k8s_wanted(&d->engine.objects, &m);
	if (state_write(d->config.state_file, &m, &e))
		log_line(LOG_WARNING, "State not saved", F_TEXT("reason", e.text));
	free(m.services);
	settings_free(&m.settings);
}

/* Two that write would spoil the file, and what the copy has is older. */
static void stop_saver(struct daemon *d)
{
	pid_t pid;

	if (!d->saver || sd_event_source_get_child_pid(d->saver, &pid) < 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	d->saver = sd_event_source_disable_unref(d->saver);
	d->unsaved = true;
}

void saved_last(struct daemon *d)
{
	stop_saver(d);
	if (d->engine.ever)
		saved_now(d);
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *data)
{
	struct daemon *d = data;

	(void)info;
	sd_event_source_unref(source);
	d->saver = NULL;
	return 0;
}

/* Large states take their time, which packets' endpoints have not: a copy of this process writes. */
static int on_save(sd_event_source *source, uint64_t usec, void *data)
{
	struct daemon *d = data;
	pid_t pid;

	(void)usec;
	if (d->saver) {
		sd_event_source_set_time_relative(source, PAUSE);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	pid = fork();
	if (!pid) {
		/* Nor may it outlive this one, with its sockets. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		saved_now(d);
		_exit(0);
	}
	d->unsaved = false;
	if (pid < 0 || sd_event_add_child(d->loop, &d->saver, pid, WEXITED, on_child, d) < 0)
		log_line(LOG_WARNING, "State not saved", F_TEXT("reason", strerror(errno)));
	return 0;
}

void saved_soon(struct daemon *d)
{
	if (d->unsaved)
		return;
	d->unsaved = true;
	sd_event_source_set_time_relative(d->save, PAUSE);
	sd_event_source_set_enabled(d->save, SD_EVENT_ONESHOT);
}

/* Only where nothing is in force: whatever is, is newer or somebody's intent. */
static int put_in_force(struct daemon *d, struct nl *nl, struct err *e)
{
	struct nl_commit commit;
	struct model m = {};
	struct nl_info info;
	int err = nl_info(nl, &info, e);

	if (!err && info.services)
		return err_set(e, "%u services are in force already", info.services);
	if (!err)
		err = state_read(d->config.state_file, &m, e);
	if (!err)
		err = apply_restore(nl, &m, &commit, e);
	if (!err)
		log_line(LOG_NOTICE, "Saved state in force", F_INT("services", m.n_services));
	model_free(&m);
	return err;
}

static int on_serve(sd_event_source *source, uint64_t usec, void *data)
{
	struct daemon *d = data;
	struct nl *nl;
	struct err e;

	(void)usec;
	if (d->engine.enabled)
		return 0;
	nl = engine_nl(&d->engine);
	if (!nl) {
		if (!d->serve_waits)
			log_line(LOG_WARNING, "Saved state waits for the kernel to be reached");
		d->serve_waits = true;
		sd_event_source_set_time_relative(source, SERVE_AGAIN);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	if (put_in_force(d, nl, &e))
		log_line(LOG_WARNING, "Saved state not used", F_TEXT("reason", e.text));
	else
		d->metrics.from_saved = true;
	return 0;
}

int saved_init(struct daemon *d)
{
	uint64_t after = d->config.serve_saved == SAVED_AFTER ? d->config.serve_saved_after : 0;
	int err = sd_event_add_time(d->loop, &d->save, CLOCK_MONOTONIC, 0, 0, on_save, d);

	if (err >= 0)
		err = sd_event_source_set_enabled(d->save, SD_EVENT_OFF);
	if (err >= 0 && d->config.serve_saved != SAVED_NEVER)
		err = sd_event_add_time_relative(d->loop, &d->serve, CLOCK_MONOTONIC, after, 0,
						 on_serve, d);
	return err < 0 ? err : 0;
}

void saved_free(struct daemon *d)
{
	sd_event_source_unref(d->save);
	sd_event_source_unref(d->serve);
	sd_event_source_unref(d->saver);
}
