// SPDX-License-Identifier: GPL-2.0
/* Runs the tests and prints KTAP. Arguments: parts of names, to run only those. */
#include "ktap.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool failed;
static const char *skipped;
static char **texts;
static size_t n_texts;

bool expect_(bool ok, const char *file, int line, const char *cond)
{
	if (!ok) {
		printf("# %s:%d: expected %s\n", file, line, cond);
		failed = true;
	}
	return ok;
}

bool expect_number(long long got, long long wanted)
{
	if (got != wanted)
		printf("# got %lld, wanted %lld\n", got, wanted);
	failed |= got != wanted;
	return got == wanted;
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

void skip(const char *why)
{
	skipped = why;
}

char *keep_text(char *s)
{
	xgrow(&texts, n_texts, sizeof(*texts));
	texts[n_texts++] = s;
	return s;
}

char *text(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return keep_text(s);
}

static void free_texts(void)
{
	while (n_texts)
		free(texts[--n_texts]);
	free(texts);
	texts = NULL;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

static void run(const struct test *t, int n)
{
	failed = false;
	skipped = NULL;
	t->run();
	printf("%sok %d %s%s%s\n", failed ? "not " : "", n, t->name,
	       skipped ? " # SKIP " : "", skipped ? skipped : "");
	free_texts();
	after_each();
}

/* How many there are; really: how many failed. */
static int each(int argc, char **argv, bool really)
{
	int n = 0, bad = 0;

	for (size_t i = 0; suites[i]; i++) {
		for (const struct test *t = suites[i]; t->name; t++) {
			if (!wanted(t->name, argc, argv))
				continue;
			n++;
			if (!really)
				continue;
			run(t, n);
			bad += failed;
		}
	}
	return really ? bad : n;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	before_all();
	printf("KTAP version 1\n1..%d\n", each(argc, argv, false));
	return each(argc, argv, true) ? 1 : 0;
}
