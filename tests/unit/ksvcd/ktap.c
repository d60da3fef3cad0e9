// SPDX-License-Identifier: GPL-2.0
/* Runs the tests and prints KTAP. Arguments: parts of names, to run only those. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct test *const suites[] = {
	config_tests, config_file_tests, log_tests, source_dir_tests,
};

static bool failed;
static char **texts;
static size_t n_texts;
static char *temp;

bool expect_(bool ok, const char *file, int line, const char *cond)
{
	if (!ok) {
		printf("# %s:%d: expected %s\n", file, line, cond);
		failed = true;
	}
	return ok;
}

bool expect_text(const char *got, const char *wanted)
{
	bool ok = !strcmp(got, wanted);

	if (!ok)
		printf("# got    %s\n# wanted %s\n", got, wanted);
	failed |= !ok;
	return ok;
}

bool expect_part(const char *got, const char *part)
{
	bool ok = strstr(got, part);

	if (!ok)
		printf("# got    %.2000s\n# wanted ...%s...\n", got, part);
	failed |= !ok;
	return ok;
}

char *text(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	xgrow(&texts, n_texts, sizeof(*texts));
	texts[n_texts++] = s;
	return s;
}

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

static void clean(void)
{
	while (n_texts)
		free(texts[--n_texts]);
	free(texts);
	texts = NULL;
	if (temp)
		remove_tree(temp);
	free(temp);
	temp = NULL;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

static int each(int argc, char **argv, bool run)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		for (const struct test *t = suites[i]; t->name; t++) {
			if (!wanted(t->name, argc, argv))
				continue;
			n++;
			if (!run)
				continue;
			failed = false;
			t->run();
			printf("%sok %d %s\n", failed ? "not " : "", n, t->name);
			if (failed)
				argv[0] = NULL;
			clean();
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%d\n", each(argc, argv, false));
	each(argc, argv, true);
	return argv[0] ? 0 : 1;
}
