// SPDX-License-Identifier: GPL-2.0
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return;
	snprintf(text + n, sizeof(text) - n, "%s", e->text);
	memcpy(e->text, text, sizeof(text));
}

static void no_memory(void)
{
	fputs("ksvc: out of memory\n", stderr);
	exit(1);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		no_memory();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n ? n : 1, size);
	if (!p)
		no_memory();
	return p;
}

char *xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		no_memory();
	return p;
}

char *xstrndup(const char *s, size_t n)
{
	char *p = strndup(s, n);

	if (!p)
		no_memory();
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		no_memory();
	return p;
}

/*
 * Makes room for element n. Arrays grow by doubling when n reaches a power of
 * two, so that their owner needs to keep no capacity beside the count.
 */
void xgrow(void *array, size_t n, size_t size)
{
	void *p;

	if (n & (n - 1))
		return;
	memcpy(&p, array, sizeof(p));
	p = xrealloc(p, n ? n * 2 : 1, size);
	memcpy(array, &p, sizeof(p));
}

static size_t utf8_sequence(const unsigned char *s, size_t len, uint32_t *cp)
{
	static const uint32_t min[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	*cp = s[0] & (0xff >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < min[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000))
		return 0;
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t cp;

	while (len) {
		size_t n = utf8_sequence(p, len, &cp);

		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* Control characters are escaped: names are free text and may lie. */
void print_text(FILE *f, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		uint32_t cp;
		size_t n = utf8_sequence(p, strlen((const char *)p), &cp);

		if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			n = n ? n : 1;
			for (size_t i = 0; i < n; i++)
				fprintf(f, "\\x%02x", p[i]);
		} else {
			fwrite(p, 1, n, f);
		}
		p += n;
	}
}

size_t text_width(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t width = 0;

	while (*p) {
		uint32_t cp;
		size_t n = utf8_sequence(p, strlen((const char *)p), &cp);

		if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			n = n ? n : 1;
			width += 4 * n;
		} else {
			width++;
		}
		p += n;
	}
	return width;
}

uint64_t clock_usec(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

int parse_uint(const char *s, unsigned long max, unsigned long *value)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	*value = strtoul(s, &end, 10);
	if (errno || *end || *value > max)
		return -1;
	return 0;
}

int open_input(const char *path, size_t *size, struct err *e)
{
	struct stat st;
	int fd;

	*size = 0;
	if (!strcmp(path, "-"))
		return STDIN_FILENO;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0) {
		err_set(e, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		return err_set(e, "%s: is a directory", path);
	}
	*size = st.st_size;
	return fd;
}

ssize_t read_part(int fd, void *buf, size_t size, const char *path, struct err *e)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		err_set(e, "%s: %s", path, strerror(errno));
	return n;
}

#define MIN_SIZE	65536

char *read_file(const char *path, size_t max, size_t *len, struct err *e)
{
	size_t size, n = 0;
	char *buf;
	ssize_t r;
	int fd;

	fd = open_input(path, &size, e);
	if (fd < 0)
		return NULL;
	/* Room for one byte too many, and for the zero. */
	size = (size < MIN_SIZE ? MIN_SIZE : size > max ? max : size) + 2;
	buf = xrealloc(NULL, size, 1);
	while ((r = read_part(fd, buf + n, size - 1 - n, path, e)) > 0) {
		n += r;
		if (n > max) {
			err_set(e, "%s: larger than %zu MB", path, max >> 20);
			r = -1;
			break;
		}
		if (n == size - 1) {
			size *= 2;
			buf = xrealloc(buf, size, 1);
		}
	}
	if (fd != STDIN_FILENO)
		close(fd);
	if (r < 0) {
		free(buf);
		return NULL;
	}
	buf[n] = '\0';
	*len = n;
	return buf;
}
