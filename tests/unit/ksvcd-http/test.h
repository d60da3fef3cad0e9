/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_HTTP_TEST_H
#define _KSVCD_HTTP_TEST_H

#include "ktap.h"

/* of each file, up to an entry without a name */
extern const struct test http_tests[], listener_tests[], health_tests[], proxy_tests[],
			 conformance_tests[], page_tests[], metrics_tests[], collect_tests[],
			 scrape_tests[];

#endif
