// SPDX-License-Identifier: GPL-2.0
/* What all harnesses share. */
#include "fuzz.h"

#include <fcntl.h>
#include <sanitizer/allocator_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accepted;

void fuzz_fail(const char *file, int line, const char *what, const char *a, const char *b)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	if (a)
		fprintf(stderr, "--- this\n%s\n--- that\n%s\n", a, b);
	abort();
}

void fuzz_accept(void)
{
	accepted = true;
}

/* The key of hash tables and what is drawn by lot: the same in each run. */
ssize_t getrandom(void *buf, size_t n, unsigned int flags)
{
	(void)flags;
	memset(buf, 0x5a, n);
	return n;
}

static int lowest_free_fd(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* The first time, something may be set up for good. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = lowest_free_fd();

	accepted = false;
	for (int i = 0; i < 3; i++) {
		size_t before = __sanitizer_get_current_allocated_bytes();

		fuzz_one(data, size);
		check(lowest_free_fd() == fd);
		check(accepted || !getenv("FUZZ_ACCEPT"));
		if (__sanitizer_get_current_allocated_bytes() <= before)
			return 0;
	}
	fuzz_fail(__FILE__, __LINE__, "all memory is freed", NULL, NULL);
}

char *fuzz_model_text(const struct model *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	check(f);
	check(!json_write_model(f, m, false));
	fclose(f);
	return text;
}

char *fuzz_wanted(struct k8s *k)
{
	struct model m = {};
	char *text;

	k8s_update(k);
	check(!k->dirty.n);
	for (size_t i = 0; i < k->changed.n; i++)
		k8s_settled(k, k->changed.list[i]);
	k->changed.n = 0;
	k8s_wanted(k, &m);
	text = fuzz_model_text(&m);
	free(m.services);
	return text;
}

size_t fuzz_count(const json_t *v, size_t limit)
{
	json_t *child;
	const char *key;
	size_t i, n = 1;

	json_array_foreach((json_t *)v, i, child)
		if (n < limit)
			n += fuzz_count(child, limit - n);
	json_object_foreach((json_t *)v, key, child)
		if (n < limit)
			n += fuzz_count(child, limit - n);
	return n;
}

bool fuzz_line(const char **text, size_t *len, const char **line, size_t *line_len)
{
	const char *end;

	if (!*len)
		return false;
	end = memchr(*text, '\n', *len);
	*line = *text;
	*line_len = end ? (size_t)(end - *text) : *len;
	*text += *line_len + !!end;
	*len -= *line_len + !!end;
	return true;
}
