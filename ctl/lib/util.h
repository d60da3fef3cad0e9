/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_UTIL_H
#define _KSVC_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define __printf(f, v)		__attribute__((format(printf, f, v)))

/* One sentence for the user; the first one set is kept by most callers. */
struct err {
	char text[2048];
};

int err_set(struct err *e, const char *fmt, ...) __printf(2, 3);
void err_prefix(struct err *e, const char *fmt, ...) __printf(2, 3);

/* Exit with a message when memory is short; never return NULL. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __printf(1, 2);
void xgrow(void *array, size_t n, size_t size);

bool utf8_valid(const char *s, size_t len);
void print_text(FILE *f, const char *s);
size_t text_width(const char *s);
uint64_t clock_usec(clockid_t clock);
int parse_uint(const char *s, unsigned long max, unsigned long *value);

/* A file or, for "-", stdin; *size is what there seems to be to read. */
int open_input(const char *path, size_t *size, struct err *e);
/* As read(), which it is after interruptions. */
ssize_t read_part(int fd, void *buf, size_t size, const char *path, struct err *e);

/* The whole of a file, pipe or, for "-", stdin; NUL-terminated, caller frees. */
char *read_file(const char *path, size_t max, size_t *len, struct err *e);

#endif
