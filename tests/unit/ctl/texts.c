// SPDX-License-Identifier: GPL-2.0
/* The suites; models and documents as text. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/input.h"

const struct test *const suites[] = {
	addr_tests, model_tests, yaml_tests, json_tests, k8s_tests, k8s_frontends_tests,
	k8s_input_tests, k8s_store_tests, diff_tests, nl_tests, NULL
};

void before_all(void)
{
}

void after_each(void)
{
}

static void print_frontend(FILE *f, const struct frontend *fe)
{
	char buf[ENDPOINT_STRLEN];

	fprintf(f, " %s", frontend_format(fe, buf));
	if (fe->class)
		fprintf(f, "=%s", class_name(fe->class));
}

static void print_options(FILE *f, const struct service *s)
{
	char buf[ENDPOINT_STRLEN];

	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (option_get(s, i))
			fprintf(f, " %s=%s", option_name(i), option_format(s, i, buf));
	for (size_t i = 0; i < s->ranges.n; i++)
		fprintf(f, " range=%s", prefix_format(&s->ranges.prefixes[i], buf));
}

char *model_text(const struct model *m)
{
	char buf[ENDPOINT_STRLEN], *s;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *svc = &m->services[i];

		fprintf(f, "%s%s", i ? "; " : "", svc->name);
		print_options(f, svc);
		for (uint32_t j = 0; j < svc->n_frontends; j++)
			print_frontend(f, &svc->frontends[j]);
		fputs(" ->", f);
		for (uint32_t j = 0; j < svc->n_endpoints; j++) {
			const struct endpoint *ep = &svc->endpoints[j];

			fprintf(f, " %s@%u/%s", endpoint_format(ep, buf), ep->weight,
				endpoint_sets(ep->flags));
		}
	}
	fclose(f);
	return keep_text(s);
}

static int print_document(json_t *root, void *data, struct err *e)
{
	(void)e;
	json_dumpf(root, data, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	fputc('\n', data);
	return 0;
}

char *documents_of(const char *input, size_t len)
{
	struct err e;
	size_t size;
	char *s;
	FILE *f = open_memstream(&s, &size);
	int err = input_parse(input, len, print_document, f, &e);

	fclose(f);
	keep_text(s);
	return err ? text("error: %s", e.text) : s;
}

char *documents(const char *input)
{
	return documents_of(input, strlen(input));
}

static void add_endpoint(struct service *s, char *word)
{
	struct endpoint ep;
	struct err e = {};
	char *slash = strrchr(word, '/');
	uint32_t flags = ENDPOINT_BOTH;

	if (slash) {
		*slash = '\0';
		expect(!endpoint_sets_parse(slash + 1, &flags));
	}
	expect(!endpoint_parse(word, &ep, &e));
	ep.flags = flags;
	service_add_endpoint(s, &ep);
}

/* "range=PREFIX" or "OPTION=VALUE"; false if it is neither. */
static bool set_option(struct service *s, char *word)
{
	char *equals = strchr(word, '=');
	struct err e;

	for (int i = 0; equals && i < N_SERVICE_OPTIONS; i++) {
		if ((size_t)(equals - word) == strlen(option_name(i)) &&
		    !strncmp(word, option_name(i), equals - word)) {
			expect(!option_parse(s, i, equals + 1, &e));
			return true;
		}
	}
	if (strncmp(word, "range=", 6))
		return false;
	expect(!prefix_list_parse(&s->ranges, word + 6, &e));
	return true;
}

static void add_frontend(struct service *s, char *word)
{
	char *equals = strchr(word, '=');
	uint8_t class = KSVC_CLASS_CLUSTER_IP;
	struct frontend f;
	struct err e;

	if (equals) {
		*equals = '\0';
		expect(!class_parse(equals + 1, &class));
	}
	expect(!frontend_parse(word, &f, &e));
	f.class = class;
	service_add_frontend(s, &f);
}

void model_of(struct model *m, const char *description)
{
	char *copy = xstrdup(description), *save, *inner, *one, *word;

	memset(m, 0, sizeof(*m));
	for (one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		struct service *s = NULL;
		bool endpoints = false;

		for (word = strtok_r(one, " ", &inner); word; word = strtok_r(NULL, " ", &inner)) {
			if (!s) {
				s = model_add_service(m, word);
			} else if (!strcmp(word, "->")) {
				endpoints = true;
			} else if (endpoints) {
				add_endpoint(s, word);
			} else if (!set_option(s, word)) {
				add_frontend(s, word);
			}
		}
	}
	free(copy);
	model_sort(m);
}
