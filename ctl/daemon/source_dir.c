// SPDX-License-Identifier: GPL-2.0
/*
 * inotify tells of names; what a name has become is always looked up. What it
 * does not tell of (targets of links in other directories, a link in the path,
 * file systems of other machines) is found by looking every few seconds.
 */
#include "source_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "dir_files.h"
#include "log.h"

#define MAX_NAMES	20000		/* more than files are followed, so that it shows */
#define LOOK_AGAIN	(10000 * MSEC)
#define FIRST_RETRY	(50 * MSEC)
#define LAST_RETRY	(5000 * MSEC)
#define READS_A_ROUND	16

#define DIR_EVENTS	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | \
			 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static bool wanted(const struct source_dir *s, const char *name)
{
	const char *dot = strrchr(name, '.');

	if (s->only)
		return !strcmp(name, s->only);
	return *name != '.' && dot &&
	       (!strcmp(dot, ".json") || !strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

void dir_set_timer(struct source_dir *s, uint64_t usec)
{
	sd_event_source_set_time_relative(s->timer, usec);
	sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

void dir_look_soon(struct source_dir *s)
{
	if (s->look_soon)
		return;
	s->look_soon = true;
	dir_set_timer(s, LOOK_SOON);
}

static void unwatch_dir(struct source_dir *s)
{
	s->io = sd_event_source_disable_unref(s->io);
	if (s->inotify >= 0)
		close(s->inotify);
	s->inotify = -1;
}

bool dir_is_there(const struct source_dir *s)
{
	struct identity id;
	struct stat st;

	if (stat(s->dir, &st) < 0)
		return false;
	id = identity_of(&st);
	return same_inode(&id, &s->dir_id);
}

void dir_lose(struct source_dir *s)
{
	if (s->dir)
		log_line(LOG_NOTICE, "Directory of manifests went away",
			 F_TEXT("directory", s->dir));
	unwatch_dir(s);
	/* What is pending is found again by how it looks. */
	while (dir_pop_dirty(s))
		;
	for (size_t i = 0; i < s->n_files; i++)
		s->files[i]->wd = -1;
	free(s->dir);
	s->dir = NULL;
	s->retry = FIRST_RETRY;
	dir_set_timer(s, 0);
}

/* A burst of changes ends when there is nothing left to read. */
static void settle(struct source_dir *s)
{
	s->unsettled = 0;
	dir_objects_settle(s->objects);
	if (!s->listing)
		return;
	s->listing = false;
	s->listed = true;
	s->sink->list_end(s->sink->data, KIND_SERVICE);
	s->sink->list_end(s->sink->data, KIND_SLICE);
}

/*
 * Files that change faster than they are read must not put off the end forever:
 * the queue is first in, first out, so by then all have been read.
 */
static bool is_due(const struct source_dir *s)
{
	return !s->first_dirty || s->unsettled > 2 * s->n_files + 64;
}

static int on_work(sd_event_source *source, void *data)
{
	struct source_dir *s = data;
	struct file *f = dir_pop_dirty(s);

	s->unsettled++;
	if (f && s->dir)
		dir_look_at(s, f);
	if (s->dir && is_due(s))
		settle(s);
	if (!s->first_dirty)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void compare_links(struct source_dir *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (s->files[i]->is_link)
			dir_compare(s, s->files[i], false);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **list;
	size_t n;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

/* Sorted: the first by name counts, and need not take an object from others then. */
static int list_names(const struct source_dir *s, struct names *names)
{
	DIR *d = opendir(s->dir);
	struct dirent *entry;

	if (!d)
		return -1;
	while ((entry = readdir(d))) {
		if (!wanted(s, entry->d_name) || names->n == MAX_NAMES)
			continue;
		xgrow(&names->list, names->n, sizeof(*names->list));
		names->list[names->n++] = xstrdup(entry->d_name);
	}
	closedir(d);
	if (names->n)
		qsort(names->list, names->n, sizeof(*names->list), name_cmp);
	return 0;
}

static void scan(struct source_dir *s, bool patient)
{
	struct names names = {};

	if (list_names(s, &names)) {
		dir_look_soon(s);
		return;
	}
	for (size_t i = 0; i < s->n_files; i++)
		s->files[i]->seen = false;
	for (size_t i = 0; i < names.n; i++) {
		struct file *f = dir_get_file(s, names.list[i]);

		if (!f)
			continue;
		f->seen = true;
		dir_compare(s, f, patient);
	}
	for (size_t i = 0; i < s->n_files; i++)
		if (!s->files[i]->seen)
			dir_mark_dirty(s, s->files[i], false);
	free_names(&names);
}

static void on_name(struct source_dir *s, const struct inotify_event *ev, bool *links)
{
	struct file *f;

	if (!wanted(s, ev->name)) {
		/* Such as ..data, over which the links of a volume lead. */
		*links |= !!(ev->mask & (IN_MOVED_TO | IN_CREATE | IN_MOVED_FROM | IN_DELETE));
		return;
	}
	f = ev->mask & (IN_DELETE | IN_MOVED_FROM) ? dir_find_file(s, ev->name) :
	    dir_get_file(s, ev->name);
	if (!f)
		return;
	if (ev->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) {
		dir_mark_dirty(s, f, true);
	} else if (ev->mask & (IN_DELETE | IN_MOVED_FROM)) {
		/* What has come in its place since is told of by itself. */
		dir_compare(s, f, true);
	} else {
		struct stat st;

		/* A link is complete; of a file that is opened the end will be told. */
		if (lstat(f->d.path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
			dir_mark_dirty(s, f, false);
		else
			dir_look_soon(s);
	}
}

static void on_target(struct source_dir *s, const struct inotify_event *ev, bool *links)
{
	for (size_t i = 0; i < s->n_files; i++) {
		struct file *f = s->files[i];

		if (f->wd != ev->wd)
			continue;
		if (ev->mask & IN_IGNORED)
			f->wd = -1;
		if (ev->mask & IN_CLOSE_WRITE)
			dir_mark_dirty(s, f, true);
		*links = true;
	}
}

/* false when the directory is no longer the one that is watched. */
static bool on_event(struct source_dir *s, const struct inotify_event *ev, bool *links, bool *all)
{
	if (ev->mask & IN_Q_OVERFLOW)
		*all = true;
	else if (ev->wd != s->wd)
		on_target(s, ev, links);
	else if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		return false;
	else if (ev->len)
		on_name(s, ev, links);
	return true;
}

static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	char buf[32768] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool links = false, all = false;
	struct source_dir *s = data;
	ssize_t n = 1;

	(void)source;
	(void)revents;
	for (int i = 0; i < READS_A_ROUND && n > 0; i++) {
		n = read(fd, buf, sizeof(buf));
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *ev = (const void *)(buf + at);

			if (!on_event(s, ev, &links, &all)) {
				dir_lose(s);
				return 0;
			}
			at += sizeof(*ev) + ev->len;
		}
	}
	if (all)
		scan(s, false);
	else if (links)
		compare_links(s);
	return 0;
}

/* Where to look: in the path, or in the directory of a single file. */
static int find_dir(const struct source_dir *s, char **dir, char **only)
{
	const char *slash = strrchr(s->path, '/');
	struct stat st;

	if (stat(s->path, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		*dir = xstrdup(s->path);
		*only = NULL;
	} else {
		*dir = !slash ? xstrdup(".") : slash == s->path ? xstrdup("/") :
		       xstrndup(s->path, slash - s->path);
		*only = xstrdup(slash ? slash + 1 : s->path);
	}
	return 0;
}

static bool text_is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Without inotify, of which there is only so much, the timer has to do. */
static int watch_dir(struct source_dir *s)
{
	int err = 0;

	s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	s->wd = s->inotify < 0 ? -1 : inotify_add_watch(s->inotify, s->dir, DIR_EVENTS);
	if (s->wd < 0)
		err = -errno;
	else
		err = sd_event_add_io(s->loop, &s->io, s->inotify, EPOLLIN, on_inotify, s);
	if (err < 0)
		unwatch_dir(s);
	if (err != -EMFILE && err != -ENOSPC && err != -ENOSYS)
		return err;
	log_line(LOG_WARNING, "No inotify, looking for changes every second",
		 F_TEXT("directory", s->dir), F_TEXT("why", strerror(-err)));
	return 0;
}

static int open_dir(struct source_dir *s)
{
	char *only, *dir;
	struct stat st;
	int err;

	if (find_dir(s, &dir, &only))
		return -errno;
	if (!text_is_same(only, s->only))
		dir_forget_files(s);
	free(s->only);
	s->only = only;
	s->dir = dir;
	/* First, so that it shows if another one is there by the time of the watch. */
	err = stat(dir, &st) < 0 ? -errno : watch_dir(s);
	if (err < 0) {
		free(s->dir);
		s->dir = NULL;
		unwatch_dir(s);
		return err;
	}
	s->dir_id = identity_of(&st);
	return 0;
}

static void begin(struct source_dir *s)
{
	if (!s->listing && !s->listed) {
		s->listing = true;
		s->sink->list_begin(s->sink->data, KIND_SERVICE);
		s->sink->list_begin(s->sink->data, KIND_SLICE);
	}
	scan(s, false);
	/* Even if there is nothing to read. */
	sd_event_source_set_enabled(s->work, SD_EVENT_ON);
}

static void try_open(struct source_dir *s)
{
	int err = open_dir(s);

	if (err < 0) {
		if (!s->told_absent)
			log_line(LOG_WARNING, "Cannot watch manifests", F_TEXT("path", s->path),
				 F_TEXT("why", strerror(-err)));
		s->told_absent = true;
		dir_set_timer(s, s->retry);
		s->retry = s->retry * 2 > LAST_RETRY ? LAST_RETRY : s->retry * 2;
		return;
	}
	log_line(LOG_INFO, "Watching manifests", F_TEXT("path", s->path));
	s->told_absent = false;
	s->look_soon = false;
	dir_set_timer(s, s->io ? LOOK_AGAIN : LOOK_SOON);
	begin(s);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct source_dir *s = data;

	(void)source;
	(void)usec;
	s->look_soon = false;
	if (!s->dir) {
		try_open(s);
	} else if (!dir_is_there(s)) {
		dir_lose(s);
	} else {
		dir_set_timer(s, s->io ? LOOK_AGAIN : LOOK_SOON);
		scan(s, true);
	}
	return 0;
}

static void read_again(void *data, struct dir_file *f)
{
	dir_mark_dirty(data, (struct file *)f, true);
}

int source_dir_new(struct source_dir **source, sd_event *loop, const char *path,
		   const char *node_name, const struct sink *sink, struct err *e)
{
	struct source_dir *s = xcalloc(1, sizeof(*s));
	int err;

	s->path = xstrdup(path);
	s->sink = sink;
	s->loop = sd_event_ref(loop);
	s->inotify = -1;
	s->retry = FIRST_RETRY;
	s->last_dirty = &s->first_dirty;
	s->objects = dir_objects_new(sink, node_name, read_again, s);
	err = sd_event_add_time_relative(loop, &s->timer, CLOCK_MONOTONIC, 0, 10 * MSEC,
					 on_timer, s);
	if (err >= 0)
		err = sd_event_add_defer(loop, &s->work, on_work, s);
	/* A deferred source is always pending, and must not come before the others. */
	if (err >= 0)
		err = sd_event_source_set_priority(s->work, SD_EVENT_PRIORITY_IDLE);
	if (err >= 0)
		err = sd_event_source_set_enabled(s->work, SD_EVENT_OFF);
	if (err < 0) {
		source_dir_free(s);
		return err_set(e, "%s: event loop: %s", path, strerror(-err));
	}
	*source = s;
	return 0;
}

void source_dir_free(struct source_dir *s)
{
	if (!s)
		return;
	unwatch_dir(s);
	sd_event_source_disable_unref(s->timer);
	sd_event_source_disable_unref(s->work);
	dir_objects_free(s->objects);
	dir_free_files(s);
	free(s->path);
	free(s->dir);
	free(s->only);
	sd_event_unref(s->loop);
	free(s);
}
