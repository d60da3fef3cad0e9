// SPDX-License-Identifier: GPL-2.0
/* Options, settings, sets: what has a name. */
#include "test.h"

#include <string.h>

static char *option(enum service_option o, const char *value)
{
	struct service s = {};
	char buf[OPTION_STRLEN];
	struct err e;

	if (option_parse(&s, o, value, &e))
		return text("error: %s", e.text);
	return text("%s", option_format(&s, o, buf));
}

static void options(void)
{
	static const char *const schedulers[] = { "random", "rr", "wrr", "lc", "sh", "maglev" };
	struct service s = {};

	for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++)
		expect_text(option(OPTION_SCHEDULER, schedulers[i]), schedulers[i]);
	expect_text(option(OPTION_SCHEDULER, "RR"),
		    "error: must be random, rr, wrr, lc, sh or maglev, not \"RR\"");
	expect_text(option(OPTION_INTERNAL_POLICY, "local"), "local");
	expect_text(option(OPTION_EXTERNAL_POLICY, "Local"), "error: must be cluster or local, not \"Local\"");
	expect_text(option(OPTION_ON_REMOVE, "reset"), "reset");
	expect_text(option(OPTION_ON_REMOVE, ""), "error: must be keep or reset, not \"\"");
	expect_text(option(OPTION_AFFINITY, "86400"), "86400");
	expect_text(option(OPTION_AFFINITY, "86401"), "error: must be 0 to 86400, not \"86401\"");
	expect_text(option(OPTION_MAGLEV_SIZE, "-1"), "error: must be 0 to 1048573, not \"-1\"");

	/* Flags of one word do not touch each other. */
	option_set(&s, OPTION_INTERNAL_POLICY, 1);
	option_set(&s, OPTION_ON_REMOVE, 1);
	option_set(&s, OPTION_EXTERNAL_POLICY, 1);
	expect(s.flags == (KSVC_SERVICE_FLAGS_INTERNAL_LOCAL | KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL |
			   KSVC_SERVICE_FLAGS_RESET));
	option_set(&s, OPTION_EXTERNAL_POLICY, 0);
	expect(s.flags == (KSVC_SERVICE_FLAGS_INTERNAL_LOCAL | KSVC_SERVICE_FLAGS_RESET));
}

static void sets(void)
{
	static const char *const good[] = { "none", "cluster", "local", "cluster,local", "draining",
					    "cluster,draining", "local,draining",
					    "cluster,local,draining", "not-serving",
					    "cluster,not-serving" };
	static const char *const bad[] = { "", ",", "cluster,", ",local", "clusters", "cluster local",
					   "none,local", "local,none", "clus" };
	uint32_t flags;

	for (uint32_t i = 0; i < ARRAY_SIZE(good); i++) {
		flags = -1;
		expect(!endpoint_sets_parse(good[i], &flags) && flags == i);
		expect_text(endpoint_sets(i), good[i]);
	}
	expect(!endpoint_sets_parse("draining,local,cluster", &flags) && flags == 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!expect(endpoint_sets_parse(bad[i], &flags)))
			printf("# %s\n", bad[i]);
}

static char *node_port(const char *value)
{
	struct frontend f;
	struct err e;

	if (node_port_parse(value, &f, &e))
		return text("error: %s", e.text);
	return text("%u/%s %s", f.port, protocol_name(f.protocol), class_name(f.class));
}

static void frontends(void)
{
	struct frontend f = {};

	expect_text(node_port("30080/tcp"), "30080/tcp node-port");
	expect_text(node_port("65535/UDP"), "65535/udp node-port");
	expect_part(node_port("0/tcp"), "error: \"0/tcp\" is not PORT/PROTO");
	expect_part(node_port("65536/tcp"), "error: ");
	expect_part(node_port("30080"), "error: ");
	expect_part(node_port("/tcp"), "error: ");
	expect_part(node_port("30080/tcp/udp"), "the protocol must be");
	expect_part(node_port("4:30080/tcp"), "error: ");
	expect_part(node_port("00000030080/tcp"), "error: ");
	for (int i = 0; i <= KSVC_CLASS_NODE_PORT; i++)
		expect(!class_parse(class_name(i), &f.class) && f.class == i);
	expect(class_parse("clusterip", &f.class));
	expect_text(class_name(99), "unknown");
}

static void families(void)
{
	struct model m;

	model_of(&m, "a 10.0.0.1:1/tcp -> 10.1.0.1:1; b -> [fd00::1]:1; c; d 10.0.0.1:2/tcp [fd00::1]:2/tcp");
	expect(service_has_family(&m.services[0], AF_INET) && !service_has_family(&m.services[0], AF_INET6));
	expect(!service_has_family(&m.services[1], AF_INET) && service_has_family(&m.services[1], AF_INET6));
	expect(!service_has_family(&m.services[2], AF_INET) && !service_has_family(&m.services[2], AF_INET6));
	expect(service_has_family(&m.services[3], AF_INET) && service_has_family(&m.services[3], AF_INET6));
	model_free(&m);
}

static void settings(void)
{
	struct settings s = {};
	struct err e;

	expect(settings_are_default(&s));
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *key = &settings_table[i];
		const char *value = key->type == SETTING_PREFIXES ? "10.0.0.0/8" :
				    key->type == SETTING_NAMES ? "eth0" :
				    key->type == SETTING_SWITCH ? "on" : "5";

		expect(setting_find(key->key) == key);
		expect(!setting_add(&s, key, value, &e) && s.has == key->has);
		if (!expect(!settings_are_default(&s)))
			printf("# %s\n", key->key);
		settings_free(&s);
	}
	expect(!setting_add(&s, setting_find("affinity-entries"), "131072", &e) && settings_are_default(&s));
	expect(setting_add(&s, setting_find("affinity-entries"), "0", &e));
	expect_part(e.text, "\"0\" is not a number of 1 to 16777216");
	expect(setting_add(&s, setting_find("ping"), "yes", &e));
	expect_part(e.text, "\"yes\" is neither on nor off");
	expect(setting_add(&s, setting_find("nodeport-addresses"), "10.0.0.1", &e));
	settings_free(&s);
}

const struct test model_tests[] = {
	{ "model: options by their names", options },
	{ "model: sets of endpoints", sets },
	{ "model: node ports and classes", frontends },
	{ "model: families of a service", families },
	{ "model: settings by their names", settings },
	{}
};
