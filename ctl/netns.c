// SPDX-License-Identifier: GPL-2.0
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

static bool is_known(const struct netns_list *all, uint64_t inode)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].inode == inode)
			return true;
	return false;
}

/* Names and processes come and go: one that is gone is none. */
static void add(struct netns_list *all, const char *path)
{
	struct statfs fs;
	struct stat st;
	struct netns *ns;
	int fd;

	if (stat(path, &st) < 0 || is_known(all, st.st_ino))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	/* A name left behind by a namespace that was unmounted is a plain file. */
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC ||
	    is_known(all, st.st_ino)) {
		close(fd);
		return;
	}
	xgrow(&all->list, all->n, sizeof(*ns));
	ns = &all->list[all->n++];
	ns->fd = fd;
	ns->inode = st.st_ino;
	ns->path = xstrdup(path);
}

static void scan(struct netns_list *all, const char *dir, const char *suffix, bool numbers)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		char *path;

		if (*entry->d_name == '.' ||
		    (numbers && strspn(entry->d_name, "0123456789") != strlen(entry->d_name)))
			continue;
		path = xasprintf("%s/%s%s", dir, entry->d_name, suffix);
		add(all, path);
		free(path);
	}
	if (d)
		closedir(d);
}

int netns_find(struct netns_list *all, struct err *e)
{
	add(all, "/proc/self/ns/net");
	if (!all->n)
		return err_set(e, "/proc/self/ns/net: %s", strerror(errno));
	scan(all, "/run/netns", "", false);
	scan(all, "/proc", "/ns/net", true);
	return 0;
}

int netns_enter(const struct netns *ns, struct err *e)
{
	if (setns(ns->fd, CLONE_NEWNET) < 0)
		return err_set(e, "network namespace %s: %s", ns->path, strerror(errno));
	return 0;
}

void netns_free(struct netns_list *all)
{
	for (size_t i = 0; i < all->n; i++) {
		close(all->list[i].fd);
		free(all->list[i].path);
	}
	free(all->list);
	memset(all, 0, sizeof(*all));
}
