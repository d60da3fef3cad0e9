// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/input.h"
#include "lib/json.h"

static int read_model(json_t *root, void *data, struct err *e)
{
	return json_read_model(root, data, e);
}

/* What restore makes of a file. */
static char *saved(const char *input)
{
	struct model m = {};
	struct err e;
	char *s;

	if (input_parse(input, strlen(input), read_model, &m, &e))
		s = text("error: %s", e.text);
	else
		s = model_text(&m);
	model_free(&m);
	return s;
}

static char *written(const struct model *m)
{
	char *s, *kept;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	expect(!json_write_model(f, m, false));
	fclose(f);
	kept = text("%s", s);
	free(s);
	return kept;
}

static void round_trip(void)
{
	struct model m, again = {};
	struct err e;
	char *file;

	model_of(&m, "default/web:http 10.0.0.1:80/tcp [fd00::1]:80/udp -> "
		 "10.1.0.1:8080@7/cluster 10.1.0.2:8080/local [fd01::1]:1@0 10.1.0.3:1/none; "
		 "d\xc3\xa9j\xc3\xa0\"\\\n\t 1.2.3.4:5/sctp");
	expect(!setting_add(&m.settings, setting_find("cluster-cidr"), "10.0.0.0/8", &e));
	expect(!setting_add(&m.settings, setting_find("cluster-cidr"), "fd00::/64", &e));
	expect(!setting_add(&m.settings, setting_find("pod-interface"), "cni*", &e));
	m.settings.masquerade_all = true;
	m.settings.has = HAS_ALL_SETTINGS;
	file = written(&m);
	expect(!input_parse(file, strlen(file), read_model, &again, &e));
	expect_text(model_text(&again), model_text(&m));
	expect_text(written(&again), file);
	expect(again.settings.has == HAS_ALL_SETTINGS && again.settings.masquerade_all);
	model_free(&m);
	model_free(&again);
}

static void order(void)
{
	struct model a, b;

	model_of(&a, "b 10.0.0.2:1/tcp 10.0.0.1:1/tcp -> 10.1.0.2:1 10.1.0.1:1; a 1.2.3.4:5/tcp");
	model_of(&b, "a 1.2.3.4:5/tcp; b 10.0.0.1:1/tcp 10.0.0.2:1/tcp -> 10.1.0.1:1 10.1.0.2:1");
	expect_text(written(&a), written(&b));
	model_free(&a);
	model_free(&b);
}

static void refused_files(void)
{
	expect_text(saved("{\"ksvc\":1}"), "");
	expect_text(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[\"1.2.3.4:5/tcp\"],\"endpoints\":[{\"address\":\"1.1.1.1:1\"}]}]}"),
		    "a 1.2.3.4:5/tcp -> 1.1.1.1:1@1/cluster,local");
	expect_part(saved("[]"), "not a saved configuration");
	expect_part(saved("{}"), "ksvc: is missing");
	expect_part(saved("{\"ksvc\":2}"), "ksvc: version 2 is not known");
	expect_part(saved("{\"ksvc\":1,\"service\":[]}"), "unknown field \"service\"");
	expect_part(saved("{\"ksvc\":1,\"services\":{}}"), "services: must be a list, not an object");
	expect_part(saved("{\"ksvc\":1,\"services\":[1]}"), "services[0]: must be an object");
	expect_part(saved("{\"ksvc\":1,\"services\":[{}]}"), "services[0].name: is missing");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"\"}]}"), "services[0].name: the service name is empty");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\"},{\"name\":\"a\"}]}"), "\"a\" is given twice");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[\"x\"]}]}"),
		    "services[0].frontends[0]: \"x\" is not ADDR:PORT/PROTO");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{}]}]}"),
		    "services[0].endpoints[0].address: is missing");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1@2\"}]}]}"),
		    "endpoints[0].address: \"1.1.1.1:1@2\" is not ADDR:PORT");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1\",\"weight\":65536}]}]}"),
		    "endpoints[0].weight: must be 0 to 65535, not 65536");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1\",\"sets\":[\"x\"]}]}]}"),
		    "endpoints[0].sets: \"x\" is neither");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"x\":1}}"), "settings: unknown setting \"x\"");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"masquerade-all\":\"on\"}}"),
		    "settings.masquerade-all: must be true or false");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"cluster-cidr\":[\"10.0.0.1/8\"]}}"),
		    "settings.cluster-cidr[0]: \"10.0.0.1/8\" is not");
}

const struct test json_tests[] = {
	{ "save: there and back", round_trip },
	{ "save: the order is stable", order },
	{ "save: files that are refused name the field", refused_files },
	{}
};
