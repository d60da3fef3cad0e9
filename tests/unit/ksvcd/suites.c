// SPDX-License-Identifier: GPL-2.0
/* The suites, and the directory that each test has. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct test *const suites[] = {
	config_tests, config_file_tests, check_tests, engine_tests, log_tests, node_tests,
	saved_tests, source_dir_tests, NULL
};

static char *temp;

const char *temp_dir(void)
{
	const char *in = getenv("TMPDIR");

	if (!temp) {
		temp = xasprintf("%s/ksvcd-test-XXXXXX", in ? in : "/tmp");
		if (!mkdtemp(temp))
			abort();
	}
	return temp;
}

void put_file(const char *path, const void *content, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, content, len) != (ssize_t)len)
		abort();
	close(fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void before_all(void)
{
}

void after_each(void)
{
	if (temp)
		remove_tree(temp);
	free(temp);
	temp = NULL;
}
