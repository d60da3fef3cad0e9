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

/* Whether a Node with these labels is news, and its zone then. */
static const char *zone(struct node *n, const char *labels, bool matters)
{
	json_t *object = json_loads(text("{\"metadata\": {\"name\": \"a\", \"labels\": %s}}", labels), 0, NULL);

	expect(object && node_put(n, object) == matters);
	json_decref(object);
	return n->facts.zone ? n->facts.zone : "none";
}

/* T6 */
static void zones(void)
{
	struct node n;

	expect_text(configure("--hostname-override=a", NULL), "");
	node_init(&n, &got);
	expect_text(zone(&n, "{\"other\": \"x\"}", false), "none");
	expect_text(zone(&n, "{\"topology.kubernetes.io/zone\": \"b\"}", true), "b");
	expect_text(zone(&n, "{\"topology.kubernetes.io/zone\": \"b\", \"other\": \"y\"}", false), "b");
	expect_text(zone(&n, "{\"topology.kubernetes.io/zone\": \"c\"}", true), "c");
	expect_text(zone(&n, "{\"topology.kubernetes.io/region\": \"c\"}", true), "none");
	node_free(&n);
	done_config();
	expect_text(configure("--hostname-override=a --zone=mine", NULL), "");
	node_init(&n, &got);
	expect_text(zone(&n, "{\"topology.kubernetes.io/zone\": \"b\"}", true), "mine");
	node_free(&n);
	done_config();
}

/* What is left as it is in the kernel. */
static unsigned int untold(const struct node *n)
{
	unsigned int has;
	struct settings s;

	node_settings(n, &s);
	has = s.has;
	settings_free(&s);
	return HAS_ALL_SETTINGS & ~HAS_AFFINITY_ENTRIES & ~has;
}

static void untold_settings(void)
{
	struct node n;

	expect_text(configure("--hostname-override=a --detect-local-mode=NodeCIDR", NULL), "");
	node_init(&n, &got);
	expect(untold(&n) == (HAS_CLUSTER_CIDRS | HAS_SERVICE_CIDRS));
	node_cidrs_begin(&n);
	node_cidrs_end(&n);
	expect(untold(&n) == HAS_CLUSTER_CIDRS);
	/* A Node that has none says so. */
	expect_text(pods(&n, "{}", true), "");
	expect(!untold(&n));
	node_free(&n);
	done_config();
	expect_text(configure("--hostname-override=a --detect-local-mode=NodeCIDR --manifests=/x", NULL), "");
	node_init(&n, &got);
	expect(!untold(&n));
	node_free(&n);
	done_config();
	expect_text(configure("--hostname-override=a --cluster-cidr=10.0.0.0/8", NULL), "");
	node_init(&n, &got);
	expect(untold(&n) == HAS_SERVICE_CIDRS);
	node_free(&n);
	done_config();
}

/* An object of that many prefixes; what is wrong with it, or "". */
static const char *put_cidrs(struct node *n, const char *name, unsigned int count)
{
	json_t *list = json_array(), *object;
	struct err e = {};

	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(list, json_sprintf("10.%u.%u.0/24", *name + i / 256, i % 256));
	object = json_pack("{s{ss}s{so}}", "metadata", "name", name, "spec", "cidrs", list);
	node_put_cidr(n, object, &e);
	json_decref(object);
	return keep_text(xstrdup(e.text));
}

static void too_many_cidrs(void)
{
	struct settings s;
	struct node n;

	expect_text(configure("--hostname-override=a", NULL), "");
	node_init(&n, &got);
	expect_text(put_cidrs(&n, "a", KSVC_MAX_PREFIXES + 1),
		    "ServiceCIDR a: spec.cidrs: more than 256 of all ServiceCIDRs");
	expect_text(put_cidrs(&n, "a", 200), "");
	expect_text(put_cidrs(&n, "b", 56), "");
	expect_text(put_cidrs(&n, "b", 57), "ServiceCIDR b: spec.cidrs: more than 256 of all ServiceCIDRs");
	node_settings(&n, &s);
	expect(s.service_cidrs.n == 256);
	settings_free(&s);
	expect_text(put_cidrs(&n, "a", 1), "");
	expect_text(put_cidrs(&n, "b", 255), "");
	node_free(&n);
	done_config();
}

const struct test node_tests[] = {
	{ "node: Q7 the first pod CIDR of each family", pod_cidrs },
	{ "node: T6 its zone", zones },
	{ "node: what nobody has told stays as it is", untold_settings },
	{ "node: more ServiceCIDRs than the kernel takes", too_many_cidrs },
	{}
};
