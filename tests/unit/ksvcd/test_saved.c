// SPDX-License-Identifier: GPL-2.0
/* The state that is saved, by a daemon of which nothing else is here. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config_fixture.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/state.h"
#include "test.h"

static int asked;

/* Takes the place of the engine's: no module is loaded. */
struct nl *engine_nl(struct engine *e)
{
	(void)e;
	asked++;
	return NULL;
}

static const char *fifo(void)
{
	return text("%s/state/saved.json.new", temp_dir());
}

/* A daemon whose file is in a directory of its own, and a copy of it cannot get on with writing it. */
static struct daemon *begin(const char *flags)
{
	struct daemon *d = calloc(1, sizeof(*d));
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	expect_text(configure(text("--hostname-override=n1 --state=%s/state/saved.json %s",
				   temp_dir(), flags), NULL), "");
	d->config = got;
	expect(!mkdir(text("%s/state", temp_dir()), 0700) && !mkfifo(fifo(), 0600));
	node_init(&d->node, &d->config);
	d->engine.objects.node = &d->node.facts;
	d->engine.ever = true;
	log_set_level(LOG_ERR);
	expect(sd_event_new(&d->loop) >= 0 && !saved_init(d));
	return d;
}

static void end(struct daemon *d)
{
	saved_free(d);
	sd_event_unref(d->loop);
	k8s_free(&d->engine.objects);
	node_free(&d->node);
	free(d);
	done_config();
	log_set_level(LOG_INFO);
}

/* Returns the process that saves. */
static pid_t save(struct daemon *d)
{
	pid_t pid = 0;

	saved_soon(d);
	sd_event_source_set_time(d->save, 0);
	for (int i = 0; i < 10 && !d->saver; i++)
		sd_event_run(d->loop, 100000);
	expect(d->saver && sd_event_source_get_child_pid(d->saver, &pid) >= 0);
	return pid;
}

static void by_one_alone(void)
{
	struct daemon *d = begin("");
	pid_t pid = save(d);
	struct model m = {};
	struct err e = {};

	expect(!d->unsaved && !kill(pid, 0));
	unlink(fifo());
	saved_last(d);
	expect(kill(pid, 0) && !d->saver);
	expect(!state_read(d->config.state_file, &m, &e));
	expect_text(e.text, "");
	model_free(&m);
	end(d);
}

/* Played in a process, whose end this one sees, too. */
static void not_for_the_dead(void)
{
	pid_t daemon, saver = 0;
	int fds[2], status;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	expect(!pipe2(fds, O_CLOEXEC));
	daemon = fork();
	if (!daemon) {
		saver = save(begin(""));
		_exit(write(fds[1], &saver, sizeof(saver)) != sizeof(saver));
	}
	expect(read(fds[0], &saver, sizeof(saver)) == sizeof(saver) && saver > 0);
	expect(waitpid(daemon, &status, 0) == daemon && !status);
	for (int i = 0; i < 100 && !waitpid(saver, &status, WNOHANG); i++)
		poll(NULL, 0, 100);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	kill(saver, SIGKILL);
	close(fds[0]);
	close(fds[1]);
}

static void without_module(void)
{
	struct daemon *d = begin("--serve-saved=at-once");

	asked = 0;
	for (int i = 0; i < 30 && asked < 2; i++)
		sd_event_run(d->loop, 100000);
	expect_number(asked, 2);
	d->engine.enabled = true;
	for (int i = 0; i < 15; i++)
		sd_event_run(d->loop, 100000);
	expect_number(asked, 2);
	end(d);
}

const struct test saved_tests[] = {
	{ "saved: by one process alone", by_one_alone },
	{ "saved: the one that saves does not outlive its daemon", not_for_the_dead },
	{ "saved: it is served once there is a module, unless there is a list", without_module },
	{}
};
