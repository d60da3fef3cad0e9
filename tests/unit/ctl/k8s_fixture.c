// SPDX-License-Identifier: GPL-2.0
#include "k8s_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "lib/input.h"
#include "test.h"

static char warned[4096];

static void note_warnings(const struct k8s *k)
{
	for (size_t i = 0; i < k->warnings.n; i++) {
		size_t n = strlen(warned);

		snprintf(warned + n, sizeof(warned) - n, "%s\n", k->warnings.list[i]);
	}
}

const char *warnings(void)
{
	return warned;
}

static int add(json_t *root, void *data, struct err *e)
{
	return k8s_add(data, root, e);
}

/* Its services are those of k. */
static int compile_model(struct k8s *k, const struct k8s_node *node, const char *input,
			 struct model *m, struct err *e)
{
	int err;

	*warned = '\0';
	k->node = node;
	err = input_parse(input, strlen(input), add, k, e);
	if (!err) {
		k8s_update(k);
		k8s_warn_of_orphans(k);
		k8s_wanted(k, m);
	}
	note_warnings(k);
	return err;
}

char *compile_on(const struct k8s_node *node, const char *input)
{
	struct model m = {};
	struct err e = {};
	struct k8s k = {};
	char *s;

	s = compile_model(&k, node, input, &m, &e) ? text("error: %s", e.text) : model_text(&m);
	free(m.services);
	k8s_free(&k);
	return s;
}

char *compile(const char *input)
{
	const struct k8s_node node = { .name = "here", .zone = "a" };

	return compile_on(&node, input);
}

static char *list(const char *yaml, bool with_sets)
{
	const struct k8s_node node = { .name = "here", .zone = "a" };
	char *input = text(SERVICE("web", "clusterIP: 10.96.0.1, ports: [{port: 80}]")
			   SLICE("a", "web", "IPv4", "{name: '', port: 1}", "%s"), yaml);
	char *s = text("%s", ""), buf[ADDR_STRLEN];
	struct model m = {};
	struct err e = {};
	struct k8s k = {};

	if (!expect(!compile_model(&k, &node, input, &m, &e)))
		s = text("error: %s", e.text);
	for (size_t i = 0; m.n_services && i < m.services->n_endpoints; i++) {
		const struct endpoint *ep = &m.services->endpoints[i];

		if (!with_sets && !(ep->flags & KSVC_ENDPOINT_FLAGS_CLUSTER))
			continue;
		s = text("%s%s%s%s%s", s, *s ? " " : "", addr_format(&ep->addr, buf),
			 with_sets ? "/" : "", with_sets ? endpoint_sets(ep->flags) : "");
	}
	free(m.services);
	k8s_free(&k);
	return s;
}

char *endpoints(const char *yaml)
{
	return list(yaml, false);
}

char *sets(const char *yaml)
{
	return list(yaml, true);
}
