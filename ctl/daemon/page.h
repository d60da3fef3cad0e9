/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_PAGE_H
#define _KSVCD_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A page in Prometheus' text format 0.0.4. All samples of a family follow its
 * page_family(). Text may be anything; what is not UTF-8 becomes U+FFFD, since
 * else the whole page would be refused.
 */
#define PAGE_TYPE	"text/plain; version=0.0.4; charset=utf-8"
#define PAGE_MAX	((size_t)512 << 20)

struct page {
	char *text;
	size_t len, size;
	const char *family;
	bool failed;			/* too large, or no memory; nothing is added any more */
};

struct label {
	const char *name;		/* NULL ends a list */
	const char *value;
};

/* LABELS({ "code", code }, { "method", "GET" }) */
#define LABELS(...)	((const struct label[]){ __VA_ARGS__ __VA_OPT__(,) {} })

#define HISTOGRAM_MAX	84

struct histogram {
	const double *bounds;		/* ascending; +Inf is not among them */
	unsigned int n_bounds;
	uint64_t counts[HISTOGRAM_MAX + 1];
	double sum;
};

void histogram_observe(struct histogram *h, double value);

/* name is kept until the next family. */
void page_family(struct page *p, const char *name, const char *type, const char *help);
void page_count(struct page *p, const struct label *labels, uint64_t value);
void page_value(struct page *p, const struct label *labels, double value);
void page_histogram(struct page *p, const struct label *labels, const struct histogram *h);

/* From malloc(), for the caller to free; NULL if the page failed. p is empty afterwards. */
char *page_take(struct page *p, size_t *len);

#endif
