// SPDX-License-Identifier: GPL-2.0
/*
 * A KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1, in YAML or JSON.
 * Every complaint names the line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <yaml.h>

#include "config_draft.h"

#define MAX_SIZE	(1 << 20)
#define MAX_DEPTH	16
#define MAX_ENTRIES	256		/* of lists and maps with keys of their own */
#define PATH_SIZE	256

enum key_type {
	KEY_SECTION, KEY_TEXT, KEY_BOOL, KEY_NUMBER, KEY_FLOAT, KEY_DURATION,
	KEY_TIME,			/* a duration, or a number of nanoseconds */
	KEY_QUANTITY, KEY_TEXTS, KEY_SWITCHES, KEY_LIST, KEY_VERSION, KEY_KIND,
};

#define ZERO_COUNTS	true		/* 0 is a value, not the lack of one */

static const struct key {
	const char *path;
	enum key_type type;
	enum config_item item;
	bool zero_counts;
	long min, max;			/* of numbers without an item */
} keys[] = {
	{ "apiVersion", KEY_VERSION, 0, 0, 0, 0 },
	{ "kind", KEY_KIND, 0, 0, 0, 0 },
	{ "featureGates", KEY_SWITCHES, 0, 0, 0, 0 },
	{ "clientConnection", KEY_SECTION, 0, 0, 0, 0 },
	{ "clientConnection.kubeconfig", KEY_TEXT, ITEM_KUBECONFIG, 0, 0, 0 },
	{ "clientConnection.acceptContentTypes", KEY_TEXT, 0, 0, 0, 0 },
	{ "clientConnection.contentType", KEY_TEXT, 0, 0, 0, 0 },
	{ "clientConnection.qps", KEY_FLOAT, 0, 0, 0, 0 },
	{ "clientConnection.burst", KEY_NUMBER, 0, 0, 0, INT32_MAX },
	{ "logging", KEY_SECTION, 0, 0, 0, 0 },
	{ "logging.format", KEY_TEXT, ITEM_LOGGING_FORMAT, 0, 0, 0 },
	{ "logging.flushFrequency", KEY_TIME, 0, 0, 0, 0 },
	{ "logging.verbosity", KEY_NUMBER, ITEM_VERBOSITY, 0, 0, 0 },
	{ "logging.vmodule", KEY_LIST, 0, 0, 0, 0 },
	{ "logging.options", KEY_SECTION, 0, 0, 0, 0 },
	{ "logging.options.text", KEY_SECTION, 0, 0, 0, 0 },
	{ "logging.options.text.splitStream", KEY_BOOL, 0, 0, 0, 0 },
	{ "logging.options.text.infoBufferSize", KEY_QUANTITY, 0, 0, 0, 0 },
	{ "logging.options.json", KEY_SECTION, 0, 0, 0, 0 },
	{ "logging.options.json.splitStream", KEY_BOOL, 0, 0, 0, 0 },
	{ "logging.options.json.infoBufferSize", KEY_QUANTITY, 0, 0, 0, 0 },
	{ "hostnameOverride", KEY_TEXT, ITEM_HOSTNAME, 0, 0, 0 },
	{ "bindAddress", KEY_TEXT, ITEM_BIND_ADDRESS, 0, 0, 0 },
	{ "healthzBindAddress", KEY_TEXT, ITEM_HEALTHZ, 0, 0, 0 },
	{ "metricsBindAddress", KEY_TEXT, ITEM_METRICS, 0, 0, 0 },
	{ "bindAddressHardFail", KEY_BOOL, ITEM_BIND_HARD_FAIL, 0, 0, 0 },
	{ "enableProfiling", KEY_BOOL, 0, 0, 0, 0 },
	{ "showHiddenMetricsForVersion", KEY_TEXT, 0, 0, 0, 0 },
	{ "mode", KEY_TEXT, ITEM_MODE, 0, 0, 0 },
	{ "iptables", KEY_SECTION, 0, 0, 0, 0 },
	{ "iptables.masqueradeBit", KEY_NUMBER, 0, ZERO_COUNTS, 0, 31 },
	{ "iptables.masqueradeAll", KEY_BOOL, ITEM_IPTABLES_MASQUERADE_ALL, 0, 0, 0 },
	{ "iptables.localhostNodePorts", KEY_BOOL, ITEM_LOCALHOST_NODEPORTS, 0, 0, 0 },
	{ "iptables.syncPeriod", KEY_DURATION, ITEM_IPTABLES_SYNC, 0, 0, 0 },
	{ "iptables.minSyncPeriod", KEY_DURATION, ITEM_IPTABLES_MIN_SYNC, 0, 0, 0 },
	{ "ipvs", KEY_SECTION, 0, 0, 0, 0 },
	{ "ipvs.syncPeriod", KEY_DURATION, ITEM_IPVS_SYNC, 0, 0, 0 },
	{ "ipvs.minSyncPeriod", KEY_DURATION, ITEM_IPVS_MIN_SYNC, 0, 0, 0 },
	{ "ipvs.scheduler", KEY_TEXT, ITEM_IPVS_SCHEDULER, 0, 0, 0 },
	{ "ipvs.excludeCIDRs", KEY_TEXTS, 0, 0, 0, 0 },
	{ "ipvs.strictARP", KEY_BOOL, 0, 0, 0, 0 },
	{ "ipvs.tcpTimeout", KEY_DURATION, 0, 0, 0, 0 },
	{ "ipvs.tcpFinTimeout", KEY_DURATION, 0, 0, 0, 0 },
	{ "ipvs.udpTimeout", KEY_DURATION, 0, 0, 0, 0 },
	{ "nftables", KEY_SECTION, 0, 0, 0, 0 },
	{ "nftables.masqueradeBit", KEY_NUMBER, 0, ZERO_COUNTS, 0, 31 },
	{ "nftables.masqueradeAll", KEY_BOOL, ITEM_NFTABLES_MASQUERADE_ALL, 0, 0, 0 },
	{ "nftables.syncPeriod", KEY_DURATION, ITEM_NFTABLES_SYNC, 0, 0, 0 },
	{ "nftables.minSyncPeriod", KEY_DURATION, ITEM_NFTABLES_MIN_SYNC, 0, 0, 0 },
	{ "winkernel", KEY_SECTION, 0, 0, 0, 0 },
	{ "winkernel.networkName", KEY_TEXT, 0, 0, 0, 0 },
	{ "winkernel.sourceVip", KEY_TEXT, 0, 0, 0, 0 },
	{ "winkernel.enableDSR", KEY_BOOL, 0, 0, 0, 0 },
	{ "winkernel.rootHnsEndpointName", KEY_TEXT, 0, 0, 0, 0 },
	{ "winkernel.forwardHealthCheckVip", KEY_BOOL, 0, 0, 0, 0 },
	{ "detectLocalMode", KEY_TEXT, ITEM_DETECT_LOCAL, 0, 0, 0 },
	{ "detectLocal", KEY_SECTION, 0, 0, 0, 0 },
	{ "detectLocal.bridgeInterface", KEY_TEXT, ITEM_BRIDGE, 0, 0, 0 },
	{ "detectLocal.interfaceNamePrefix", KEY_TEXT, ITEM_PREFIX, 0, 0, 0 },
	{ "clusterCIDR", KEY_TEXT, ITEM_CLUSTER_CIDR, 0, 0, 0 },
	{ "nodePortAddresses", KEY_TEXTS, ITEM_NODEPORTS, 0, 0, 0 },
	{ "oomScoreAdj", KEY_NUMBER, ITEM_OOM_SCORE_ADJ, ZERO_COUNTS, 0, 0 },
	{ "conntrack", KEY_SECTION, 0, 0, 0, 0 },
	{ "conntrack.maxPerCore", KEY_NUMBER, ITEM_CT_MAX_PER_CORE, ZERO_COUNTS, 0, 0 },
	{ "conntrack.min", KEY_NUMBER, ITEM_CT_MIN, ZERO_COUNTS, 0, 0 },
	{ "conntrack.tcpEstablishedTimeout", KEY_DURATION, ITEM_CT_TCP_ESTABLISHED,
	  ZERO_COUNTS, 0, 0 },
	{ "conntrack.tcpCloseWaitTimeout", KEY_DURATION, ITEM_CT_TCP_CLOSE_WAIT,
	  ZERO_COUNTS, 0, 0 },
	{ "conntrack.tcpBeLiberal", KEY_BOOL, ITEM_CT_TCP_BE_LIBERAL, 0, 0, 0 },
	{ "conntrack.udpTimeout", KEY_DURATION, ITEM_CT_UDP, 0, 0, 0 },
	{ "conntrack.udpStreamTimeout", KEY_DURATION, ITEM_CT_UDP_STREAM, 0, 0, 0 },
	{ "configSyncPeriod", KEY_DURATION, 0, 0, 0, 0 },
	{ "portRange", KEY_TEXT, 0, 0, 0, 0 },
	{ "windowsRunAsService", KEY_BOOL, 0, 0, 0, 0 },
};

struct reader {
	struct config_draft *d;
	const char *file;
	const char *text;
	size_t len;
	yaml_document_t doc;
	int line[ARRAY_SIZE(keys)];	/* where it was, to find it twice */
	struct err *e;
};

static int fail_line(struct reader *r, size_t line, const char *path, const char *fmt, ...)
	__printf(4, 5);
static int fail_line(struct reader *r, size_t line, const char *path, const char *fmt, ...)
{
	char text[512], name[PATH_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(name, sizeof(name), "%s", path);
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return err_set(r->e, "%s:%zu: %s%s%s", r->file, line, name, *name ? ": " : "", text);
}

#define fail(r, node, path, ...)	fail_line(r, (node)->start_mark.line + 1, path, __VA_ARGS__)

static yaml_node_t *node_at(struct reader *r, int index)
{
	return yaml_document_get_node(&r->doc, index);
}

enum scalar { IS_NULL, IS_BOOL, IS_INTEGER, IS_FLOAT, IS_TEXT, IS_LIST, IS_MAP };

static const char *const scalar_names[] = {
	"null", "true or false", "an integer", "a number with a fraction", "a string", "a list",
	"a map",
};

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

/* YAML 1.1 without what nobody writes: underscores, base 60, infinity. */
static enum scalar classify_number(const char *s)
{
	const char *p = s + (*s == '-' || *s == '+');
	size_t digits = strspn(p, "0123456789");
	char *end;

	if (digits && !p[digits])
		return IS_INTEGER;
	if (!strncmp(p, "0x", 2) && p[2] && !p[2 + strspn(p + 2, "0123456789abcdefABCDEF")])
		return IS_INTEGER;
	if (p[strspn(p, "0123456789.eE+-")] || !strpbrk(p, "0123456789"))
		return IS_TEXT;
	strtod(s, &end);
	return *end ? IS_TEXT : IS_FLOAT;
}

static enum scalar classify(const yaml_node_t *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const bools[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON",
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL
	};
	const char *s;

	if (n->type != YAML_SCALAR_NODE)
		return n->type == YAML_SEQUENCE_NODE ? IS_LIST : IS_MAP;
	s = (const char *)n->data.scalar.value;
	if (n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return IS_TEXT;
	if (is_one_of(s, nulls))
		return IS_NULL;
	if (is_one_of(s, bools))
		return IS_BOOL;
	return strchr("+-.0123456789", *s) ? classify_number(s) : IS_TEXT;
}

static const char *text_of(const yaml_node_t *n)
{
	return (const char *)n->data.scalar.value;
}

static bool has_nul(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE && strlen(text_of(n)) != n->data.scalar.length;
}

static int wrong_type(struct reader *r, const yaml_node_t *n, const char *path, enum scalar wanted)
{
	enum scalar is = classify(n);

	return fail(r, n, path, "must be %s, not %s%s", scalar_names[wanted], scalar_names[is],
		    wanted == IS_TEXT && is < IS_TEXT ? "; put it in quotes" : "");
}

/*
 * Flags come before the file where kube-proxy has it so, and for the listeners, whose
 * addresses are a node's own while the file is one for all nodes.
 */
static bool flag_wins(const struct config_draft *d, enum config_item item)
{
	switch (item) {
	case ITEM_HOSTNAME:
	case ITEM_VERBOSITY:
	case ITEM_LOGGING_FORMAT:
	case ITEM_HEALTHZ:
	case ITEM_METRICS:
		return d->origin[item].name;
	default:
		return false;
	}
}

static int store(struct reader *r, const struct key *key, const yaml_node_t *n, const char *path,
		 const char *text)
{
	struct config_draft *d = r->d;
	struct err why;

	if (!key->item) {
		if (key->type != KEY_TEXTS || d->c.n_notes == 0 ||
		    strcmp(d->c.notes[d->c.n_notes - 1].key, key->path))
			config_note(d, key->path, n->start_mark.line + 1);
		return 0;
	}
	if (flag_wins(d, key->item)) {
		config_note(d, key->path, n->start_mark.line + 1);
		return 0;
	}
	if (config_set(d, key->item, text, &why))
		return fail(r, n, path, "%s", why.text);
	d->origin[key->item] = (struct config_origin){
		.name = key->path, .line = n->start_mark.line + 1 };
	return 0;
}

static int read_bool(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	bool on;

	if (classify(n) != IS_BOOL)
		return wrong_type(r, n, key->path, IS_BOOL);
	on = strchr("tTyY", *text_of(n)) || !strcasecmp(text_of(n), "on");
	/* Nothing is lost where what is off has no effect. */
	return on || key->item ? store(r, key, n, key->path, on ? "true" : "false") : 0;
}

static int read_number(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	char text[32], *end;
	long long v;

	if (classify(n) != IS_INTEGER)
		return wrong_type(r, n, key->path, IS_INTEGER);
	errno = 0;
	v = strtoll(text_of(n), &end, 0);
	if (errno || *end)
		return fail(r, n, key->path, "%.40s is not a number", text_of(n));
	if (!key->item && (v < key->min || v > key->max))
		return fail(r, n, key->path, "must be a number of %ld to %ld, not \"%lld\"",
			    key->min, key->max, v);
	if (!v && !key->zero_counts)
		return 0;
	snprintf(text, sizeof(text), "%lld", v);
	return store(r, key, n, key->path, text);
}

static int read_float(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	enum scalar is = classify(n);
	double v;

	if (is != IS_INTEGER && is != IS_FLOAT)
		return wrong_type(r, n, key->path, IS_FLOAT);
	v = strtod(text_of(n), NULL);
	return v ? store(r, key, n, key->path, text_of(n)) : 0;
}

static int read_text(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	if (classify(n) != IS_TEXT)
		return wrong_type(r, n, key->path, IS_TEXT);
	return *text_of(n) ? store(r, key, n, key->path, text_of(n)) : 0;
}

static int read_duration(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	struct err why;
	int64_t ns;

	if (key->type == KEY_TIME && classify(n) == IS_INTEGER)
		return strcmp(text_of(n), "0") ? store(r, key, n, key->path, text_of(n)) : 0;
	if (classify(n) != IS_TEXT)
		return wrong_type(r, n, key->path, IS_TEXT);
	if (config_duration(text_of(n), &ns, &why))
		return fail(r, n, key->path, "%s", why.text);
	if (ns < 0)
		return fail(r, n, key->path, "must not be negative, as %.40s is", text_of(n));
	return ns || key->zero_counts ? store(r, key, n, key->path, text_of(n)) : 0;
}

static int read_texts(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	const yaml_node_item_t *item, *top;
	char path[PATH_SIZE];
	size_t count = 0;

	if (n->type != YAML_SEQUENCE_NODE)
		return wrong_type(r, n, key->path, IS_LIST);
	item = n->data.sequence.items.start;
	top = n->data.sequence.items.top;
	/* The flag's list goes when the file has one. */
	if (key->item == ITEM_NODEPORTS && item < top) {
		prefix_list_free(&r->d->nodeports);
		r->d->nodeport_primary = false;
	}
	for (; item < top; item++) {
		const yaml_node_t *text = node_at(r, *item);

		snprintf(path, sizeof(path), "%s[%zu]", key->path, count);
		if (count++ == MAX_ENTRIES)
			return fail(r, text, key->path, "has more than %d entries", MAX_ENTRIES);
		if (classify(text) != IS_TEXT)
			return wrong_type(r, text, path, IS_TEXT);
		if (has_nul(text))
			return fail(r, text, path, "has a NUL character");
		if (store(r, key, text, path, text_of(text)))
			return -1;
	}
	return 0;
}

static int read_switches(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	yaml_node_pair_t *pairs, *top;

	if (n->type != YAML_MAPPING_NODE)
		return wrong_type(r, n, key->path, IS_MAP);
	pairs = n->data.mapping.pairs.start;
	top = n->data.mapping.pairs.top;
	if (top - pairs > MAX_ENTRIES)
		return fail(r, n, key->path, "has more than %d entries", MAX_ENTRIES);
	for (yaml_node_pair_t *p = pairs; p < top; p++) {
		const yaml_node_t *name = node_at(r, p->key), *value = node_at(r, p->value);
		char path[PATH_SIZE];

		if (name->type != YAML_SCALAR_NODE)
			return fail(r, name, key->path, "has a key that is no string");
		snprintf(path, sizeof(path), "%s.%.100s", key->path, text_of(name));
		if (classify(value) != IS_BOOL)
			return wrong_type(r, value, path, IS_BOOL);
		for (yaml_node_pair_t *q = pairs; q < p; q++)
			if (!strcmp(text_of(node_at(r, q->key)), text_of(name)))
				return fail(r, name, path, "is given twice");
	}
	return top > pairs ? store(r, key, n, key->path, "") : 0;
}

static int read_quantity(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	enum scalar is = classify(n);

	if (is != IS_INTEGER && is != IS_TEXT)
		return wrong_type(r, n, key->path, IS_TEXT);
	return strcmp(text_of(n), "0") ? store(r, key, n, key->path, "") : 0;
}

static int read_list(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	if (n->type != YAML_SEQUENCE_NODE)
		return wrong_type(r, n, key->path, IS_LIST);
	return n->data.sequence.items.top > n->data.sequence.items.start ?
	       store(r, key, n, key->path, "") : 0;
}

static int read_exactly(struct reader *r, const struct key *key, const yaml_node_t *n,
			const char *wanted)
{
	if (n->type != YAML_SCALAR_NODE || strcmp(text_of(n), wanted))
		return fail(r, n, key->path, "must be %s", wanted);
	return 0;
}

static int read_section(struct reader *r, const char *section, const yaml_node_t *n);

static int read_key(struct reader *r, const struct key *key, const yaml_node_t *n)
{
	if (has_nul(n))
		return fail(r, n, key->path, "has a NUL character");
	if (key->type == KEY_VERSION)
		return read_exactly(r, key, n, "kubeproxy.config.k8s.io/v1alpha1");
	if (key->type == KEY_KIND)
		return read_exactly(r, key, n, "KubeProxyConfiguration");
	if (classify(n) == IS_NULL)
		return 0;
	switch (key->type) {
	case KEY_SECTION:
		return read_section(r, key->path, n);
	case KEY_TEXT:
		return read_text(r, key, n);
	case KEY_BOOL:
		return read_bool(r, key, n);
	case KEY_NUMBER:
		return read_number(r, key, n);
	case KEY_FLOAT:
		return read_float(r, key, n);
	case KEY_DURATION:
	case KEY_TIME:
		return read_duration(r, key, n);
	case KEY_QUANTITY:
		return read_quantity(r, key, n);
	case KEY_TEXTS:
		return read_texts(r, key, n);
	case KEY_SWITCHES:
		return read_switches(r, key, n);
	default:
		return read_list(r, key, n);
	}
}

static int read_pair(struct reader *r, const char *section, const yaml_node_pair_t *p)
{
	const yaml_node_t *name = node_at(r, p->key);
	char path[PATH_SIZE];

	if (name->type != YAML_SCALAR_NODE)
		return fail(r, name, section, "has a key that is no string");
	snprintf(path, sizeof(path), "%s%s%.100s", section, *section ? "." : "", text_of(name));
	if (has_nul(name))
		return fail(r, name, path, "unknown key");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].path, path))
			continue;
		if (r->line[i])
			return fail(r, name, path, "is given twice, first in line %d", r->line[i]);
		r->line[i] = name->start_mark.line + 1;
		return read_key(r, &keys[i], node_at(r, p->value));
	}
	return fail(r, name, path, "unknown key");
}

static int read_section(struct reader *r, const char *section, const yaml_node_t *n)
{
	if (n->type != YAML_MAPPING_NODE)
		return wrong_type(r, n, section, IS_MAP);
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		if (read_pair(r, section, p))
			return -1;
	return 0;
}

static int read_root(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (!root)
		return err_set(r->e, "%s: is empty", r->file);
	if (read_section(r, "", root))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if ((keys[i].type == KEY_VERSION || keys[i].type == KEY_KIND) && !r->line[i])
			return fail(r, root, keys[i].path, "is missing");
	return 0;
}

static int fail_parser(struct reader *r, const yaml_parser_t *p)
{
	size_t line = p->problem_mark.line + 1;

	/* The reader of bytes counts no lines. */
	if (p->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < p->problem_offset && i < r->len; i++)
			line += r->text[i] == '\n';
	}
	return fail_line(r, line, "", "not YAML: %s%s%s", p->context ? p->context : "",
			 p->context ? ": " : "", p->problem ? p->problem : "no reason known");
}

/*
 * A document is loaded only after its events have been looked at: what it would
 * take the loader much to build has no place in a configuration.
 */
static int check_event(struct reader *r, const yaml_event_t *ev, int *depth, int *documents)
{
	size_t line = ev->start_mark.line + 1;
	const yaml_char_t *tag = NULL;

	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return (*documents)++ ? fail_line(r, line, "", "a second document") : 0;
	case YAML_ALIAS_EVENT:
		return fail_line(r, line, "", "aliases are not supported");
	case YAML_SCALAR_EVENT:
		tag = ev->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		tag = ev->data.sequence_start.tag;
		++*depth;
		break;
	case YAML_MAPPING_START_EVENT:
		tag = ev->data.mapping_start.tag;
		++*depth;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		break;
	default:
		break;
	}
	if (tag)
		return fail_line(r, line, "", "tags are not supported");
	if (*depth > MAX_DEPTH)
		return fail_line(r, line, "", "nested deeper than %d levels", MAX_DEPTH);
	return 0;
}

static int check_events(struct reader *r)
{
	int depth = 0, documents = 0, err = 0;
	yaml_parser_t parser;
	yaml_event_t ev;
	bool end = false;

	if (!yaml_parser_initialize(&parser))
		return err_set(r->e, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)r->text, r->len);
	while (!err && !end) {
		if (!yaml_parser_parse(&parser, &ev)) {
			err = fail_parser(r, &parser);
			break;
		}
		err = check_event(r, &ev, &depth, &documents);
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return err;
}

static int read_yaml(struct reader *r)
{
	yaml_parser_t parser;
	int err;

	if (check_events(r))
		return -1;
	if (!yaml_parser_initialize(&parser))
		return err_set(r->e, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)r->text, r->len);
	if (!yaml_parser_load(&parser, &r->doc)) {
		err = fail_parser(r, &parser);
	} else {
		err = read_root(r);
		yaml_document_delete(&r->doc);
	}
	yaml_parser_delete(&parser);
	return err;
}

/* Neither a FIFO nor a device may hold up the start. */
static int check_file(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: not a regular file", path);
	return 0;
}

int config_read_file(struct config_draft *d, const char *path, struct err *e)
{
	struct reader r = { .d = d, .file = path, .e = e };
	char *text;
	int err;

	if (check_file(path, e))
		return -1;
	text = read_file(path, MAX_SIZE, &r.len, e);
	if (!text)
		return -1;
	r.text = text;
	err = read_yaml(&r);
	free(text);
	return err;
}
