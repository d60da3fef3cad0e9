// SPDX-License-Identifier: GPL-2.0
#include "jwalk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"

int jwalk_open(struct jwalk *w, struct jwalk_file *file, const char *path, size_t window,
	       struct err *e)
{
	size_t size;

	*file = (struct jwalk_file){ .path = path, .size = window };
	*w = (struct jwalk){ .file = file, .e = e };
	file->fd = open_input(path, &size, e);
	if (file->fd < 0)
		return -1;
	file->begin = lseek(file->fd, 0, SEEK_CUR);
	file->buf = xrealloc(NULL, window, 1);
	w->text = file->buf;
	return 0;
}

static int write_all(int fd, const char *p, ssize_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, p, n);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			p += written;
			n -= written;
		}
	}
	return 0;
}

static int too_large(struct jwalk_file *f, struct err *e)
{
	return err_set(e, "%s: larger than %zu MB", f->path, INPUT_MAX_SIZE >> 20);
}

/* Puts a copy in the place of what can be read only once. */
static int copy_input(struct jwalk_file *f, struct err *e)
{
	int copy = memfd_create("input", MFD_CLOEXEC);
	ssize_t n;

	if (copy < 0)
		return err_set(e, "%s: %s", f->path, strerror(errno));
	while ((n = read_part(f->fd, f->buf, f->size, f->path, e)) > 0) {
		f->total += n;
		if (f->total > INPUT_MAX_SIZE)
			n = too_large(f, e);
		else if (write_all(copy, f->buf, n))
			n = err_set(e, "%s: %s", f->path, strerror(errno));
		if (n < 0)
			break;
	}
	if (n < 0) {
		close(copy);
		return -1;
	}
	if (f->fd != STDIN_FILENO)
		close(f->fd);
	f->fd = copy;
	f->begin = 0;
	return 0;
}

int jwalk_rewind(struct jwalk *w)
{
	struct jwalk_file *f = w->file;

	if (f->begin < 0 && copy_input(f, w->e))
		return -1;
	if (lseek(f->fd, f->begin, SEEK_SET) < 0)
		return err_set(w->e, "%s: %s", f->path, strerror(errno));
	f->total = 0;
	f->line = 0;
	f->column = 0;
	f->ended = false;
	f->failed = false;
	w->len = 0;
	w->at = 0;
	w->depth = 0;
	return 0;
}

int jwalk_blame(const struct jwalk *w, int err)
{
	const struct jwalk_file *f = w->file;

	if (f->failed)
		return err_set(w->e, "%s", f->e.text);
	if (err)
		err_prefix(w->e, "%s: ", strcmp(f->path, "-") ? f->path : "standard input");
	return err;
}

void jwalk_close(struct jwalk_file *file)
{
	if (file->fd != STDIN_FILENO)
		close(file->fd);
	free(file->buf);
}

/* What is behind us leaves the buffer; it still counts in places of errors. */
static void drop_walked(struct jwalk *w)
{
	struct jwalk_file *f = w->file;

	for (size_t i = 0; i < w->at; i++) {
		f->column++;
		if (f->buf[i] == '\n') {
			f->line++;
			f->column = 0;
		}
	}
	w->len -= w->at;
	memmove(f->buf, f->buf + w->at, w->len);
	w->at = 0;
}

/* Fills the buffer, which grows if nothing in it is behind us; false if there is no more. */
static bool read_on(struct jwalk *w)
{
	struct jwalk_file *f = w->file;
	ssize_t n;

	if (!f || f->ended)
		return false;
	drop_walked(w);
	if (w->len == f->size) {
		f->size *= 2;
		f->buf = xrealloc(f->buf, f->size, 1);
		w->text = f->buf;
	}
	do {
		n = read_part(f->fd, f->buf + w->len, f->size - w->len, f->path, &f->e);
		if (n > 0) {
			w->len += n;
			f->total += n;
		}
		if (f->total > INPUT_MAX_SIZE)
			n = too_large(f, &f->e);
	} while (n > 0 && w->len < f->size);
	f->failed = n < 0;
	f->ended = n <= 0;
	return !f->failed;
}

/* jansson's parser recurses on its own; ours must not be led deeper. */
static int check_depth(const json_t *v, int depth)
{
	json_t *child;
	const char *key;
	size_t i;

	if (depth > INPUT_MAX_DEPTH && (json_is_array(v) || json_is_object(v)))
		return -1;
	json_array_foreach((json_t *)v, i, child)
		if (check_depth(child, depth + 1))
			return -1;
	json_object_foreach((json_t *)v, key, child)
		if (check_depth(child, depth + 1))
			return -1;
	return 0;
}

char jwalk_peek(struct jwalk *w)
{
	do {
		while (w->at < w->len && w->text[w->at] && strchr(" \t\r\n", w->text[w->at]))
			w->at++;
	} while (w->at == w->len && read_on(w));
	return w->at < w->len ? w->text[w->at] : '\0';
}

bool jwalk_at_end(struct jwalk *w)
{
	jwalk_peek(w);
	return w->at == w->len;
}

bool jwalk_accept(struct jwalk *w, char c)
{
	if (jwalk_peek(w) != c || jwalk_at_end(w))
		return false;
	w->at++;
	return true;
}

/* line and column as jansson counts them, from where the walk is. */
static int fail_at(const struct jwalk *w, int line, int column, const char *text)
{
	size_t begin = w->at;

	if (line == 1) {
		while (begin && w->text[begin - 1] != '\n')
			begin--;
		column += w->at - begin;
		if (!begin && w->file)
			column += w->file->column;
	}
	for (size_t i = 0; i < w->at; i++)
		line += w->text[i] == '\n';
	if (w->file)
		line += w->file->line;
	return err_set(w->e, "line %d column %d: %s", line, column, text);
}

int jwalk_expect(struct jwalk *w, char c)
{
	const char text[] = { '\'', c, '\'', ' ', 'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', '\0' };

	return jwalk_accept(w, c) ? 0 : fail_at(w, 1, 1, text);
}

json_t *jwalk_value(struct jwalk *w)
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK |
		       (w->depth ? JSON_DECODE_ANY : 0);
	json_error_t error;
	json_t *v;

	/* What ends with the buffer may go on behind it, as what fails there may not. */
	while (true) {
		v = json_loadb(w->text + w->at, w->len - w->at, flags, &error);
		if ((v && w->at + error.position < w->len) || !read_on(w))
			break;
		json_decref(v);
	}
	if (!v) {
		fail_at(w, error.line, error.column, error.text);
		return NULL;
	}
	if (check_depth(v, w->depth + 1)) {
		json_decref(v);
		err_set(w->e, "nested deeper than %d levels", INPUT_MAX_DEPTH);
		return NULL;
	}
	w->at += error.position;
	return v;
}
