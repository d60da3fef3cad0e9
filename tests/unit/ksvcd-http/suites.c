// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "fixture.h"

const struct test *const suites[] = {
	http_tests, listener_tests, health_tests, proxy_tests, conformance_tests, page_tests,
	metrics_tests, collect_tests, scrape_tests, NULL
};

void before_all(void)
{
	own_network();
	curl_global_init(CURL_GLOBAL_ALL);
	/* Before the leak check. */
	atexit(curl_global_cleanup);
}

void after_each(void)
{
}
