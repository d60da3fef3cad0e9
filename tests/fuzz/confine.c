// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static char dir[PATH_MAX];
static bool confined;

/* The linker gives us all calls, those of the fuzzer itself included. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);

static bool may_open(const char *path)
{
	size_t len = strlen(dir);

	return !confined || (!strncmp(path, dir, len) && path[len] == '/' && !strstr(path, ".."));
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (!may_open(path)) {
		errno = ENOENT;
		return -1;
	}
	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_open(path, flags, mode);
}

int __wrap_stat(const char *path, struct stat *st)
{
	if (may_open(path))
		return __real_stat(path, st);
	errno = ENOENT;
	return -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *confine_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/ksvc-fuzz-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	check(mkdtemp(dir));
	atexit(remove_dir);
	return dir;
}

void confine_write(const char *name, const void *data, size_t size)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%.60s", confine_dir(), name);
	fd = __real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0);
	check(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

void confine_begin(void)
{
	confine_dir();
	confined = true;
}

void confine_end(void)
{
	confined = false;
}
