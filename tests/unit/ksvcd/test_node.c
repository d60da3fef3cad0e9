// SPDX-License-Identifier: GPL-2.0
/* What the Node object says that settings follow. */
#include "test.h"

#include "config_fixture.h"
#include "daemon/node.h"

/* The pods' prefixes with a Node of this spec, which matters only if it is new. */
static const char *pods(struct node *n, const char *spec, bool matters)
{
	json_t *object = json_loads(text("{\"metadata\": {\"name\": \"a\"}, \"spec\": %s}", spec), 0, NULL);
	char *list = text("%s", ""), buf[ENDPOINT_STRLEN];
	struct settings s;

	expect(object && node_put(n, object) == matters);
	json_decref(object);
	node_settings(n, &s);
	for (size_t i = 0; i < s.cluster_cidrs.n; i++)
		list = text("%s%s%s", list, i ? " " : "", prefix_format(&s.cluster_cidrs.prefixes[i], buf));
	settings_free(&s);
	return list;
}

static void pod_cidrs(void)
{
	struct node n;

	expect_text(configure("--hostname-override=a --detect-local-mode=NodeCIDR", NULL), "");
	node_init(&n, &got);
	expect_text(pods(&n, "{\"podCIDR\": \"10.244.1.0/24\"}", true), "10.244.1.0/24");
	expect_text(pods(&n, "{\"podCIDR\": \"10.244.1.0/24\", \"podCIDRs\": [\"10.244.1.0/24\"]}", false),
		    "10.244.1.0/24");
	expect_text(pods(&n, "{\"podCIDRs\": [\"10.244.1.0/24\", \"fd00:1::/64\", \"10.244.2.0/24\", "
			 "\"fd00:0::/64\"]}", true), "10.244.1.0/24 fd00:1::/64");
	expect_text(pods(&n, "{\"podCIDRs\": [\"10.244.9.0/24\", \"10.244.1.0/24\"]}", true), "10.244.9.0/24");
	expect_text(pods(&n, "{\"podCIDRs\": [5, \"\", \"fd00:1::/64\"]}", true), "fd00:1::/64");
	expect_text(pods(&n, "{}", true), "");
	node_free(&n);
	done_config();
}

const struct test node_tests[] = {
	{ "node: Q7 the first pod CIDR of each family", pod_cidrs },
	{}
};
