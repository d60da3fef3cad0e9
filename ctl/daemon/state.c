// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/json.h"

/* Only the last directory: a missing /var/lib is somebody else's mistake. */
static void make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	if (!slash || slash == path)
		return;
	dir = xstrndup(path, slash - path);
	mkdir(dir, 0700);
	free(dir);
}

static int fill(const char *path, const struct model *m)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int error;

	if (!f) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return -1;
	}
	error = json_write_model(f, m, false) || fflush(f) || fsync(fd) ? errno : 0;
	if (fclose(f) && !error)
		error = errno;
	errno = error;
	return error ? -1 : 0;
}

int state_write(const char *path, const struct model *m, struct err *e)
{
	char *temporary = xasprintf("%s.new", path);
	int err = 0;

	make_directory(path);
	if (fill(temporary, m) || rename(temporary, path)) {
		err = err_set(e, "%s: %s", path, strerror(errno));
		unlink(temporary);
	}
	free(temporary);
	return err;
}

int state_read(const char *path, struct model *m, struct err *e)
{
	return json_read_file(path, m, e);
}
