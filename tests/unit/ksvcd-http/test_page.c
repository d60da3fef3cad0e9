// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "lib/util.h"

static const char *taken(struct page *p)
{
	size_t len;
	char *s = page_take(p, &len);
	const char *t = text("%.*s", (int)len, s ? s : "");

	expect(!p->text && !p->len);
	free(s);
	return t;
}

static void lines(void)
{
	struct page p = {};

	page_family(&p, "a_total", "counter", "What\\it\nsays \"here\".");
	page_count(&p, NULL, 0);
	page_count(&p, LABELS({ "x", "1" }), 18446744073709551615ull);
	page_count(&p, LABELS({ "x", "1" }, { "y", "2" }), 10);
	expect_text(taken(&p), "# HELP a_total What\\\\it\\nsays \"here\".\n"
		    "# TYPE a_total counter\n"
		    "a_total 0\n"
		    "a_total{x=\"1\"} 18446744073709551615\n"
		    "a_total{x=\"1\",y=\"2\"} 10\n");
	expect_text(taken(&p), "");
}

static const char *label(const char *value)
{
	struct page p = {};
	const char *s;

	page_family(&p, "m", "gauge", "");
	taken(&p);
	p.family = "m";
	page_count(&p, LABELS({ "l", value }), 1);
	s = taken(&p);
	return s;
}

static void labels(void)
{
	expect_text(label(""), "m{l=\"\"} 1\n");
	expect_text(label("a\"b\\c\nd"), "m{l=\"a\\\"b\\\\c\\nd\"} 1\n");
	expect_text(label("d\xc3\xa9j\xc3\xa0 \xf0\x9f\x98\x80"),
		    "m{l=\"d\xc3\xa9j\xc3\xa0 \xf0\x9f\x98\x80\"} 1\n");
	expect_text(label("\xff"), "m{l=\"\xef\xbf\xbd\"} 1\n");
	expect_text(label("a\xe2\x82"), "m{l=\"a\xef\xbf\xbd\xef\xbf\xbd\"} 1\n");
	expect_text(label("\xc3\xa9\xa9z"), "m{l=\"\xc3\xa9\xef\xbf\xbdz\"} 1\n");
	expect_text(label("\xed\xa0\x80"), "m{l=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1\n");
	expect_text(label("}\t{,="), "m{l=\"}\t{,=\"} 1\n");
}

static const char *value(double v)
{
	struct page p = { .family = "m" };

	page_value(&p, NULL, v);
	return taken(&p);
}

static void values(void)
{
	expect_text(value(0), "m 0\n");
	expect_text(value(-1.5), "m -1.5\n");
	expect_text(value(0.1), "m 0.1\n");
	expect_text(value(1.0 / 3), "m 0.3333333333333333\n");
	expect_text(value(1700000000.123456), "m 1700000000.123456\n");
	expect_text(value(1e300), "m 1e+300\n");
	expect_text(value(NAN), "m NaN\n");
	expect_text(value(INFINITY), "m +Inf\n");
	expect_text(value(-INFINITY), "m -Inf\n");
}

static void histograms(void)
{
	static const double bounds[] = { 0, 0.5, 2 };
	struct histogram h = { .bounds = bounds, .n_bounds = 3 };
	struct page p = {};

	histogram_observe(&h, -1);
	histogram_observe(&h, 0);
	histogram_observe(&h, 0.5);
	histogram_observe(&h, 0.75);
	histogram_observe(&h, 2);
	histogram_observe(&h, 2.25);
	histogram_observe(&h, NAN);
	page_family(&p, "h", "histogram", "H.");
	page_histogram(&p, LABELS({ "x", "1" }), &h);
	expect_text(taken(&p), "# HELP h H.\n# TYPE h histogram\n"
		    "h_bucket{x=\"1\",le=\"0\"} 2\n"
		    "h_bucket{x=\"1\",le=\"0.5\"} 3\n"
		    "h_bucket{x=\"1\",le=\"2\"} 5\n"
		    "h_bucket{x=\"1\",le=\"+Inf\"} 6\n"
		    "h_sum{x=\"1\"} 4.5\n"
		    "h_count{x=\"1\"} 6\n");
	p.family = "h";
	h = (struct histogram){ .bounds = bounds, .n_bounds = 1 };
	page_histogram(&p, NULL, &h);
	expect_text(taken(&p), "h_bucket{le=\"0\"} 0\nh_bucket{le=\"+Inf\"} 0\n"
		    "h_sum 0\nh_count 0\n");
}

/* The limit, without filling half a gigabyte. */
static void too_large(void)
{
	struct page p = { .family = "m" };
	size_t len = 1;

	page_count(&p, NULL, 1);
	p.len = p.size = PAGE_MAX;
	page_count(&p, NULL, 1);
	expect(p.failed);
	page_count(&p, NULL, 1);
	expect(!page_take(&p, &len) && !len && !p.failed);
}

const struct test page_tests[] = {
	{ "page: lines", lines },
	{ "page: labels", labels },
	{ "page: values", values },
	{ "page: histograms", histograms },
	{ "page: too large", too_large },
	{}
};
