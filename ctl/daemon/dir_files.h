/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_DIR_FILES_H
#define _KSVCD_DIR_FILES_H

#include <stdint.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "dir_objects.h"

/* Between source_dir.c, which watches, and dir_files.c, which reads, only. */

struct identity {
	dev_t dev;
	ino_t inode;
	off_t size;
	struct timespec changed, modified;
};

struct file {
	struct dir_file d;		/* first: the table hands it back */
	struct file *next_dirty;
	bool dirty;
	bool force;			/* read, even if it looks the same */
	bool seen;
	bool is_link;
	bool has_told;			/* what is wrong with it as it was then: */
	struct identity told;
	int wd;				/* of a link's target, or -1 */
	struct identity now;
	struct identity done;		/* when it was read or skipped; zeros: not yet */
};

struct source_dir {
	char *path;
	const struct sink *sink;
	sd_event *loop;
	struct dir_objects *objects;
	char *dir;			/* NULL: not there */
	char *only;			/* the name of a single file, or NULL */
	struct identity dir_id;
	int inotify, wd;
	sd_event_source *io, *timer, *work;
	struct file **files;		/* by name */
	size_t n_files;
	struct file *first_dirty, **last_dirty;
	size_t unsettled;		/* files looked at since all was settled */
	uint64_t retry;
	bool told_absent, told_many;
	bool listing, listed;
	bool look_soon;
};

#define MSEC		1000ULL
#define LOOK_SOON	(1000 * MSEC)

static inline struct identity identity_of(const struct stat *st)
{
	return (struct identity){ .dev = st->st_dev, .inode = st->st_ino, .size = st->st_size,
				  .changed = st->st_ctim, .modified = st->st_mtim };
}

static inline bool same_inode(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->inode == b->inode;
}

/* source_dir.c */
void dir_set_timer(struct source_dir *s, uint64_t usec);
void dir_look_soon(struct source_dir *s);
bool dir_is_there(const struct source_dir *s);
void dir_lose(struct source_dir *s);

/* dir_files.c; NULL if there is no such file, or too many. */
struct file *dir_find_file(const struct source_dir *s, const char *name);
struct file *dir_get_file(struct source_dir *s, const char *name);
void dir_forget_files(struct source_dir *s);
void dir_free_files(struct source_dir *s);

/* A dirty file waits to be looked at; force: and read, even if it looks the same. */
void dir_mark_dirty(struct source_dir *s, struct file *f, bool force);
struct file *dir_pop_dirty(struct source_dir *s);
void dir_look_at(struct source_dir *s, struct file *f);

/* Makes it dirty if it looks changed; patient: and nobody seems to be writing. */
void dir_compare(struct source_dir *s, struct file *f, bool patient);

#endif
