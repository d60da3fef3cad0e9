// SPDX-License-Identifier: GPL-2.0
/* set, get */
#include <string.h>

#include "ksvcctl.h"
#include "lib/json.h"
#include "lib/rtnl.h"

static void list_settings(FILE *f)
{
	for (size_t i = 0; i < n_settings; i++)
		fprintf(f, "  %-19s %s\n", settings_table[i].key, settings_table[i].help);
}

static int unknown_key(const char *key)
{
	usage_error("unknown setting \"%s\"; there are", key);
	list_settings(stderr);
	return STATUS_USAGE;
}

/* The node's primary addresses. A family without one stays open to all of its own. */
static int add_primary(struct settings *s, const struct setting *key, struct err *e)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };
	struct prefix_list *list = setting_value(s, key);
	struct prefix p;
	size_t n = 0;

	if (enter_namespace(e))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (primary_address(families[i], &p.addr))
			continue;
		p.length = addr_bits(&p.addr);
		prefix_list_add(list, &p);
		n++;
	}
	s->has |= key->has;
	return n ? 0 : err_set(e, "there is no default route, hence no primary address");
}

static bool is_list(const struct setting *key)
{
	return key->type == SETTING_PREFIXES || key->type == SETTING_NAMES;
}

/* Values of a list may also be parted by commas. */
static int add_values(struct settings *s, const struct setting *key, char *text,
		      struct err *e)
{
	char *save, *value;

	if (!is_list(key))
		return setting_add(s, key, text, e);
	for (value = strtok_r(text, ",", &save); value; value = strtok_r(NULL, ",", &save))
		if (setting_add(s, key, value, e))
			return -1;
	return 0;
}

static int parse_values(struct settings *s, const struct setting *key, int n, char **values)
{
	struct err e;

	s->has = key->has;
	if (!is_list(key) && n != 1)
		return usage_error("%s takes one value", key->key);
	if (n == 1 && !strcmp(values[0], "none") && is_list(key))
		return 0;
	for (int i = 0; i < n; i++) {
		if (key->has == HAS_NODEPORT_ADDRESSES && !strcmp(values[i], "primary")) {
			if (add_primary(s, key, &e))
				return refused(&e);
		} else if (add_values(s, key, values[i], &e)) {
			return usage_error("%s: %s", key->key, e.text);
		}
	}
	return 0;
}

int cmd_set(int argc, char **argv)
{
	const struct setting *key;
	struct settings s = {};
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (argc - optind < 2)
		return usage_error("KEY and VALUE are needed; \"none\" clears a list");
	key = setting_find(argv[optind]);
	if (!key)
		return unknown_key(argv[optind]);
	status = parse_values(&s, key, argc - optind - 1, argv + optind + 1);
	if (!status) {
		about(key->key);
		err = open_module(&nl, &e);
		if (!err)
			err = nl_settings_set(nl, &s, &e);
		nl_close(nl);
		if (err)
			status = refused(&e);
	}
	settings_free(&s);
	return status;
}

static void print_prefixes(const struct prefix_list *list)
{
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < list->n; i++)
		printf("%s%s", i ? " " : "", prefix_format(&list->prefixes[i], buf));
	puts(list->n ? "" : "none");
}

static void print_names(const struct name_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		fputs(i ? " " : "", stdout);
		print_text(stdout, list->names[i]);
	}
	puts(list->n ? "" : "none");
}

static void print_setting(const struct settings *s, const struct setting *key)
{
	const void *value = setting_value(s, key);

	switch (key->type) {
	case SETTING_PREFIXES:
		print_prefixes(value);
		break;
	case SETTING_NAMES:
		print_names(value);
		break;
	case SETTING_SWITCH:
		puts(*(const bool *)value ? "on" : "off");
		break;
	case SETTING_NUMBER:
		printf("%u\n", *(const uint32_t *)value);
		break;
	}
}

static int get_json(const struct settings *s, const struct setting *key)
{
	json_t *o = json_of_settings(s), *one;

	if (key) {
		one = json_object();
		json_object_set(one, key->key, json_object_get(o, key->key));
		json_decref(o);
		o = one;
	}
	return print_json(o);
}

static int get_text(const struct settings *s, const struct setting *key)
{
	if (key) {
		print_setting(s, key);
		return finish_output();
	}
	for (size_t i = 0; i < n_settings; i++) {
		printf("%-19s ", settings_table[i].key);
		print_setting(s, &settings_table[i]);
	}
	return finish_output();
}

int cmd_get(int argc, char **argv)
{
	const struct setting *key = NULL;
	struct settings s = {};
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (argc - optind > 1)
		return usage_error("unexpected argument \"%s\"", argv[optind + 1]);
	if (optind < argc) {
		key = setting_find(argv[optind]);
		if (!key)
			return unknown_key(argv[optind]);
	}
	err = open_module(&nl, &e);
	if (!err)
		err = nl_settings_get(nl, &s, &e);
	nl_close(nl);
	if (err)
		status = refused(&e);
	else
		status = global.json ? get_json(&s, key) : get_text(&s, key);
	settings_free(&s);
	return status;
}
