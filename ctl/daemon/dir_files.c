// SPDX-License-Identifier: GPL-2.0
/* The files of a directory source: what a name has become, and reading it. */
#include "dir_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "log.h"

#define MAX_FILE_SIZE	((off_t)64 << 20)
#define MAX_FILES	16384
#define QUIET_SECONDS	5		/* a file nobody has written to for so long is complete */

#define TARGET_EVENTS	(IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
	return same_inode(a, b) && a->size == b->size && same_time(&a->changed, &b->changed) &&
	       same_time(&a->modified, &b->modified);
}

static bool is_quiet(const struct stat *st)
{
	time_t now = time(NULL);

	return st->st_mtim.tv_sec > now || st->st_mtim.tv_sec + QUIET_SECONDS < now;
}

/* The place of a name among the files, whether it is there or not. */
static size_t place_of(const struct source_dir *s, const char *name)
{
	size_t low = 0, high = s->n_files;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(s->files[middle]->d.name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct file *dir_find_file(const struct source_dir *s, const char *name)
{
	size_t i = place_of(s, name);

	return i < s->n_files && !strcmp(s->files[i]->d.name, name) ? s->files[i] : NULL;
}

struct file *dir_get_file(struct source_dir *s, const char *name)
{
	size_t i = place_of(s, name);
	struct file *f;

	if (i < s->n_files && !strcmp(s->files[i]->d.name, name))
		return s->files[i];
	if (s->n_files == MAX_FILES) {
		if (!s->told_many)
			log_line(LOG_WARNING, "Directory has too many files, the rest is left out",
				 F_TEXT("directory", s->dir), F_INT("limit", MAX_FILES));
		s->told_many = true;
		return NULL;
	}
	f = xcalloc(1, sizeof(*f));
	f->d.name = xstrdup(name);
	f->d.path = xasprintf("%s/%s", s->dir, name);
	f->wd = -1;
	xgrow(&s->files, s->n_files, sizeof(*s->files));
	memmove(&s->files[i + 1], &s->files[i], (s->n_files++ - i) * sizeof(*s->files));
	s->files[i] = f;
	return f;
}

void dir_mark_dirty(struct source_dir *s, struct file *f, bool force)
{
	f->force |= force;
	if (f->dirty)
		return;
	f->dirty = true;
	f->next_dirty = NULL;
	*s->last_dirty = f;
	s->last_dirty = &f->next_dirty;
	sd_event_source_set_enabled(s->work, SD_EVENT_ON);
}

struct file *dir_pop_dirty(struct source_dir *s)
{
	struct file *f = s->first_dirty;

	if (!f)
		return NULL;
	s->first_dirty = f->next_dirty;
	if (!s->first_dirty)
		s->last_dirty = &s->first_dirty;
	f->dirty = false;
	return f;
}

/* Its watch may be that of other names of the same inode, too. */
static void drop_watch(struct source_dir *s, struct file *f)
{
	int wd = f->wd;

	f->wd = -1;
	if (wd < 0)
		return;
	for (size_t i = 0; i < s->n_files; i++)
		if (s->files[i]->wd == wd)
			return;
	inotify_rm_watch(s->inotify, wd);
}

static void watch_target(struct source_dir *s, struct file *f)
{
	int wd = inotify_add_watch(s->inotify, f->d.path, TARGET_EVENTS);

	if (wd == f->wd)
		return;
	drop_watch(s, f);
	f->wd = wd;
}

static void free_file(struct file *f)
{
	free(f->d.name);
	free(f->d.path);
	free(f->d.objects);
	free(f);
}

static void remove_file(struct source_dir *s, struct file *f)
{
	size_t i = place_of(s, f->d.name);

	dir_objects_forget(s->objects, &f->d);
	drop_watch(s, f);
	memmove(&s->files[i], &s->files[i + 1], (--s->n_files - i) * sizeof(*s->files));
	free_file(f);
}

/* Whether it is news that something is wrong. */
static bool is_news(struct file *f)
{
	bool news = !f->has_told || !same_identity(&f->told, &f->now);

	f->has_told = true;
	f->told = f->now;
	return news;
}

static void tell_broken(struct source_dir *s, struct file *f, const char *why)
{
	if (is_news(f))
		s->sink->broken(s->sink->data, f->d.path, why);
}

/* All of it, or NULL and errno; EAGAIN if somebody writes to it meanwhile. */
static char *read_text(int fd, const struct stat *before, size_t *len)
{
	size_t size = before->st_size + 1, n = 0;
	char *text = malloc(size);
	struct stat after;
	ssize_t r;

	if (!text)
		return NULL;
	while (n < size) {
		r = read(fd, text + n, size - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += r;
	}
	if (n < size && r < 0) {
		free(text);
		return NULL;
	}
	if (n == size || fstat(fd, &after) < 0 || after.st_size != before->st_size ||
	    !same_time(&after.st_mtim, &before->st_mtim)) {
		free(text);
		errno = EAGAIN;
		return NULL;
	}
	*len = n;
	return text;
}

static void parse(struct source_dir *s, struct file *f, const char *text, size_t len)
{
	struct err e;

	if (dir_objects_read(s->objects, &f->d, text, len, &e))
		tell_broken(s, f, e.text);
}

/* Told once; what may pass is tried again. */
static void give_up(struct source_dir *s, struct file *f, int error)
{
	if (error != EAGAIN)
		tell_broken(s, f, strerror(error));
	memset(&f->done, 0, sizeof(f->done));
	dir_look_soon(s);
}

static void read_file_at(struct source_dir *s, struct file *f)
{
	struct stat st;
	size_t len;
	char *text;
	int fd;

	fd = open(f->d.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		give_up(s, f, errno);
	} else if (!S_ISREG(st.st_mode)) {
		give_up(s, f, EAGAIN);
	} else {
		f->done = identity_of(&st);
		text = read_text(fd, &st, &len);
		if (text)
			parse(s, f, text, len);
		else
			give_up(s, f, errno);
		free(text);
	}
	if (fd >= 0)
		close(fd);
}

static void skip_special(struct source_dir *s, struct file *f)
{
	if (is_news(f))
		log_line(LOG_WARNING, "Not a regular file, left out", F_TEXT("file", f->d.path));
	dir_objects_forget(s->objects, &f->d);
}

/* Each may make others dirty, so that none may go before all have been forgotten. */
void dir_forget_files(struct source_dir *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		dir_objects_forget(s->objects, &s->files[i]->d);
	while (dir_pop_dirty(s))
		;
	for (size_t i = 0; i < s->n_files; i++)
		free_file(s->files[i]);
	s->n_files = 0;
}

/* What has become of a name. */
void dir_look_at(struct source_dir *s, struct file *f)
{
	struct stat st, target;

	if (lstat(f->d.path, &st) < 0 ||
	    (S_ISLNK(st.st_mode) && stat(f->d.path, &target) < 0)) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			return give_up(s, f, errno);
		if (!dir_is_there(s))
			return dir_lose(s);
		remove_file(s, f);
		return;
	}
	f->is_link = S_ISLNK(st.st_mode);
	if (f->is_link)
		watch_target(s, f);
	else
		drop_watch(s, f);
	if (f->is_link && stat(f->d.path, &st) < 0)
		return give_up(s, f, EAGAIN);
	f->now = identity_of(&st);
	if (!f->force && same_identity(&f->now, &f->done))
		return;
	f->force = false;
	f->done = f->now;
	if (!S_ISREG(st.st_mode))
		skip_special(s, f);
	else if (st.st_size > MAX_FILE_SIZE)
		tell_broken(s, f, "larger than 64 MB");
	else
		read_file_at(s, f);
}

/* patient: leaves alone what somebody may be writing. */
void dir_compare(struct source_dir *s, struct file *f, bool patient)
{
	struct identity id;
	struct stat st;

	if (stat(f->d.path, &st) < 0) {
		dir_mark_dirty(s, f, false);
		return;
	}
	id = identity_of(&st);
	if (!f->force && same_identity(&id, &f->done))
		return;
	if (patient && S_ISREG(st.st_mode) && !is_quiet(&st))
		dir_look_soon(s);
	else
		dir_mark_dirty(s, f, false);
}

void dir_free_files(struct source_dir *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		free_file(s->files[i]);
	free(s->files);
}
