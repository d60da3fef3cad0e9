// SPDX-License-Identifier: GPL-2.0
#include "page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define FIRST_SIZE	65536
#define NUMBER_STRLEN	40

static bool reserve(struct page *p, size_t n)
{
	size_t size = p->size ? p->size : FIRST_SIZE;
	char *text;

	if (p->failed)
		return false;
	if (n <= p->size - p->len)
		return true;
	while (size - p->len < n && size < PAGE_MAX)
		size *= 2;
	text = size - p->len < n ? NULL : realloc(p->text, size);
	if (!text) {
		p->failed = true;
		return false;
	}
	p->text = text;
	p->size = size;
	return true;
}

static void add(struct page *p, const char *s, size_t n)
{
	if (!reserve(p, n))
		return;
	memcpy(p->text + p->len, s, n);
	p->len += n;
}

static void add_text(struct page *p, const char *s)
{
	add(p, s, strlen(s));
}

/* Of one character in UTF-8, or 0. */
static size_t character(const char *s)
{
	size_t n = 1;

	while (n < 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	for (; n; n--)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Returns what follows. */
static const char *add_special(struct page *p, const char *s, bool quoted)
{
	size_t n = character(s);

	if (*s == '\n')
		add_text(p, "\\n");
	else if (*s == '\\')
		add_text(p, "\\\\");
	else if (*s == '"' && quoted)
		add_text(p, "\\\"");
	else if (n)
		add(p, s, n);
	else
		add_text(p, "\xef\xbf\xbd");
	return s + (n ? n : 1);
}

static void add_escaped(struct page *p, const char *s, bool quoted)
{
	while (*s) {
		const char *end = s;

		while (is_plain(*end))
			end++;
		add(p, s, end - s);
		s = *end ? add_special(p, end, quoted) : end;
	}
}

static char *format_count(uint64_t value, char *buf)
{
	char *s = buf + NUMBER_STRLEN;

	*--s = '\0';
	do {
		*--s = '0' + value % 10;
		value /= 10;
	} while (value);
	return s;
}

/* The shortest that is read back as the same. */
static const char *format_value(double value, char *buf)
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, NUMBER_STRLEN, "%.*g", digits, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	return buf;
}

static void add_sample(struct page *p, const char *suffix, const struct label *labels,
		       const char *le, const char *value)
{
	const char *separator = "{";

	add_text(p, p->family);
	add_text(p, suffix);
	for (; labels && labels->name; labels++) {
		add_text(p, separator);
		add_text(p, labels->name);
		add_text(p, "=\"");
		add_escaped(p, labels->value, true);
		separator = "\",";
	}
	if (le) {
		add_text(p, separator);
		add_text(p, "le=\"");
		add_text(p, le);
		separator = "\",";
	}
	add_text(p, *separator == '{' ? " " : "\"} ");
	add_text(p, value);
	add_text(p, "\n");
}

void page_family(struct page *p, const char *name, const char *type, const char *help)
{
	p->family = name;
	add_text(p, "# HELP ");
	add_text(p, name);
	add_text(p, " ");
	add_escaped(p, help, false);
	add_text(p, "\n# TYPE ");
	add_text(p, name);
	add_text(p, " ");
	add_text(p, type);
	add_text(p, "\n");
}

void page_count(struct page *p, const struct label *labels, uint64_t value)
{
	char buf[NUMBER_STRLEN];

	add_sample(p, "", labels, NULL, format_count(value, buf));
}

void page_value(struct page *p, const struct label *labels, double value)
{
	char buf[NUMBER_STRLEN];

	add_sample(p, "", labels, NULL, format_value(value, buf));
}

void page_histogram(struct page *p, const struct label *labels, const struct histogram *h)
{
	char bound[NUMBER_STRLEN], count[NUMBER_STRLEN];
	uint64_t n = 0;

	for (unsigned int i = 0; i <= h->n_bounds; i++) {
		n += h->counts[i];
		add_sample(p, "_bucket", labels,
			   i < h->n_bounds ? format_value(h->bounds[i], bound) : "+Inf",
			   format_count(n, count));
	}
	add_sample(p, "_sum", labels, NULL, format_value(h->sum, bound));
	add_sample(p, "_count", labels, NULL, format_count(n, count));
}

char *page_take(struct page *p, size_t *len)
{
	char *text = p->text;

	if (p->failed) {
		free(text);
		text = NULL;
	}
	*len = text ? p->len : 0;
	memset(p, 0, sizeof(*p));
	return text;
}

/* Not a number would make the sum useless for good. */
void histogram_observe(struct histogram *h, double value)
{
	unsigned int low = 0, high = h->n_bounds;

	if (isnan(value))
		return;
	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (value <= h->bounds[middle])
			high = middle;
		else
			low = middle + 1;
	}
	h->counts[low]++;
	h->sum += value;
}
