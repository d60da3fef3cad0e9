// SPDX-License-Identifier: GPL-2.0
/* One value of the configuration, out of its text. */
#include "config_draft.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define LONGEST_TEXT	4096
#define MOST_ADDRESSES	64

enum value_type {
	VALUE_NONE, VALUE_TEXT, VALUE_BOOL, VALUE_NUMBER, VALUE_PERIOD, VALUE_SECONDS,
	VALUE_WORD, VALUE_LISTEN, VALUE_ADDRESS, VALUE_ADDRESSES, VALUE_CIDRS, VALUE_NODEPORTS,
	VALUE_INTERFACE, VALUE_HOSTNAME, VALUE_SAVED,
};

struct word {
	const char *text;
	uint32_t value;
};

static const struct word modes[] = {
	{ "iptables", MODE_IPTABLES }, { "ipvs", MODE_IPVS }, { "nftables", MODE_NFTABLES }, {}
};

static const struct word detections[] = {
	{ "ClusterCIDR", DETECT_CLUSTER_CIDR }, { "NodeCIDR", DETECT_NODE_CIDR },
	{ "BridgeInterface", DETECT_BRIDGE }, { "InterfaceNamePrefix", DETECT_PREFIX }, {}
};

static const struct word schedulers[] = {
	{ "random", KSVC_SCHEDULER_RANDOM }, { "rr", KSVC_SCHEDULER_RR },
	{ "wrr", KSVC_SCHEDULER_WRR }, { "lc", KSVC_SCHEDULER_LC },
	{ "sh", KSVC_SCHEDULER_SH }, { "maglev", KSVC_SCHEDULER_MAGLEV }, {}
};

/* lc goes by the weights, as IPVS's wlc does. */
static const struct word ipvs_schedulers[] = {
	{ "rr", KSVC_SCHEDULER_RR }, { "wrr", KSVC_SCHEDULER_WRR },
	{ "lc", KSVC_SCHEDULER_LC }, { "wlc", KSVC_SCHEDULER_LC },
	{ "sh", KSVC_SCHEDULER_SH }, { "mh", KSVC_SCHEDULER_MAGLEV }, {}
};

static const struct word levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG }, {}
};

static const struct word formats[] = { { "auto", false }, { "json", true }, {} };
static const struct word logging_formats[] = { { "text", false }, { "json", true }, {} };

#define IN_CONFIG(member)	offsetof(struct config_draft, c.member)
#define IN_DRAFT(member)	offsetof(struct config_draft, member)

static const struct {
	enum value_type type;
	size_t offset;
	long min, max;			/* of numbers */
	const struct word *words;
} items[N_CONFIG_ITEMS] = {
	[ITEM_CONFIG] = { VALUE_TEXT, IN_CONFIG(file) },
	[ITEM_CHECK] = { VALUE_BOOL, IN_DRAFT(check) },
	[ITEM_CHECK_CONFIG] = { VALUE_BOOL, IN_DRAFT(check_config) },
	[ITEM_CLEANUP] = { VALUE_BOOL, IN_DRAFT(cleanup) },
	[ITEM_VERSION] = { VALUE_BOOL, IN_DRAFT(version) },
	[ITEM_HELP] = { VALUE_BOOL, IN_DRAFT(help) },
	[ITEM_KUBECONFIG] = { VALUE_TEXT, IN_CONFIG(kubeconfig) },
	[ITEM_MASTER] = { VALUE_TEXT, IN_CONFIG(master) },
	[ITEM_MANIFESTS] = { VALUE_TEXT, IN_CONFIG(manifests) },
	[ITEM_HOSTNAME] = { VALUE_HOSTNAME, IN_CONFIG(node_name) },
	[ITEM_ZONE] = { VALUE_TEXT, IN_CONFIG(zone) },
	[ITEM_NETNS] = { VALUE_TEXT, IN_CONFIG(netns) },
	[ITEM_NODE_IP] = { VALUE_ADDRESSES },
	[ITEM_BIND_ADDRESS] = { VALUE_ADDRESS, IN_DRAFT(bind_address) },
	[ITEM_HEALTHZ] = { VALUE_LISTEN, IN_CONFIG(healthz) },
	[ITEM_METRICS] = { VALUE_LISTEN, IN_CONFIG(metrics) },
	[ITEM_HEALTHZ_PORT] = { VALUE_NUMBER, IN_DRAFT(healthz_port), 0, 65535 },
	[ITEM_METRICS_PORT] = { VALUE_NUMBER, IN_DRAFT(metrics_port), 0, 65535 },
	[ITEM_BIND_HARD_FAIL] = { VALUE_BOOL, IN_CONFIG(bind_hard_fail) },
	[ITEM_CLUSTER_CIDR] = { VALUE_CIDRS, IN_DRAFT(cluster_cidrs) },
	[ITEM_DETECT_LOCAL] = { VALUE_WORD, IN_DRAFT(detect_local), .words = detections },
	[ITEM_BRIDGE] = { VALUE_INTERFACE, IN_DRAFT(bridge) },
	[ITEM_PREFIX] = { VALUE_INTERFACE, IN_DRAFT(prefix) },
	[ITEM_NODEPORTS] = { VALUE_NODEPORTS },
	[ITEM_NO_EXTERNAL_IPS] = { VALUE_BOOL, IN_CONFIG(no_external_ips) },
	[ITEM_DROP_INVALID] = { VALUE_BOOL, IN_CONFIG(settings.drop_invalid) },
	[ITEM_PING] = { VALUE_BOOL, IN_CONFIG(settings.ping) },
	[ITEM_MODE] = { VALUE_WORD, IN_DRAFT(mode), .words = modes },
	[ITEM_SCHEDULER] = { VALUE_WORD, IN_CONFIG(scheduler), .words = schedulers },
	[ITEM_IPVS_SCHEDULER] = {
		VALUE_WORD, IN_DRAFT(ipvs_scheduler), .words = ipvs_schedulers },
	[ITEM_MASQUERADE_ALL] = { VALUE_BOOL, IN_DRAFT(masquerade_all[MODE_NONE]) },
	[ITEM_IPTABLES_MASQUERADE_ALL] = { VALUE_BOOL, IN_DRAFT(masquerade_all[MODE_IPTABLES]) },
	[ITEM_NFTABLES_MASQUERADE_ALL] = { VALUE_BOOL, IN_DRAFT(masquerade_all[MODE_NFTABLES]) },
	[ITEM_LOCALHOST_NODEPORTS] = { VALUE_BOOL, IN_DRAFT(localhost_nodeports) },
	[ITEM_SYNC] = { VALUE_PERIOD, IN_DRAFT(sync[MODE_NONE]) },
	[ITEM_IPTABLES_SYNC] = { VALUE_PERIOD, IN_DRAFT(sync[MODE_IPTABLES]) },
	[ITEM_IPVS_SYNC] = { VALUE_PERIOD, IN_DRAFT(sync[MODE_IPVS]) },
	[ITEM_NFTABLES_SYNC] = { VALUE_PERIOD, IN_DRAFT(sync[MODE_NFTABLES]) },
	[ITEM_MIN_SYNC] = { VALUE_PERIOD, IN_DRAFT(min_sync[MODE_NONE]) },
	[ITEM_IPTABLES_MIN_SYNC] = { VALUE_PERIOD, IN_DRAFT(min_sync[MODE_IPTABLES]) },
	[ITEM_IPVS_MIN_SYNC] = { VALUE_PERIOD, IN_DRAFT(min_sync[MODE_IPVS]) },
	[ITEM_NFTABLES_MIN_SYNC] = { VALUE_PERIOD, IN_DRAFT(min_sync[MODE_NFTABLES]) },
	[ITEM_CT_MAX_PER_CORE] = { VALUE_NUMBER, IN_CONFIG(conntrack.max_per_core), 0, INT_MAX },
	[ITEM_CT_MIN] = { VALUE_NUMBER, IN_CONFIG(conntrack.min), 0, INT_MAX },
	[ITEM_CT_TCP_ESTABLISHED] = { VALUE_SECONDS, IN_CONFIG(conntrack.tcp_established) },
	[ITEM_CT_TCP_CLOSE_WAIT] = { VALUE_SECONDS, IN_CONFIG(conntrack.tcp_close_wait) },
	[ITEM_CT_TCP_BE_LIBERAL] = { VALUE_BOOL, IN_CONFIG(conntrack.tcp_be_liberal) },
	[ITEM_CT_UDP] = { VALUE_SECONDS, IN_CONFIG(conntrack.udp) },
	[ITEM_CT_UDP_STREAM] = { VALUE_SECONDS, IN_CONFIG(conntrack.udp_stream) },
	[ITEM_OOM_SCORE_ADJ] = { VALUE_NUMBER, IN_CONFIG(oom_score_adj), -1000, 1000 },
	[ITEM_STATE] = { VALUE_TEXT, IN_CONFIG(state_file) },
	[ITEM_SERVE_SAVED] = { VALUE_SAVED },
	[ITEM_LOG_LEVEL] = { VALUE_WORD, IN_DRAFT(log_level), .words = levels },
	[ITEM_VERBOSITY] = { VALUE_NUMBER, IN_DRAFT(verbosity), 0, INT_MAX },
	[ITEM_LOG_FORMAT] = { VALUE_WORD, IN_DRAFT(log_format), .words = formats },
	[ITEM_LOGGING_FORMAT] = { VALUE_WORD, IN_DRAFT(logging_format), .words = logging_formats },
};

int config_bool(const char *s, bool *b, struct err *e)
{
	static const char *const words[][6] = {
		{ "0", "f", "F", "false", "False", "FALSE" },
		{ "1", "t", "T", "true", "True", "TRUE" },
	};

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(words[i]); j++) {
			if (!strcmp(s, words[i][j])) {
				*b = i;
				return 0;
			}
		}
	}
	return err_set(e, "must be true or false, not \"%.40s\"", s);
}

static size_t duration_unit(const char *s, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "\xc2\xb5s", 1000 }, { "\xce\xbcs", 1000 },
		{ "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 },
		{ "h", 3600000000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (!strncmp(s, units[i].name, len)) {
			*ns = units[i].ns;
			return len;
		}
	}
	return 0;
}

/* Digits beyond what a double holds exactly are less than a nanosecond of an hour. */
static size_t fraction(const char *s, double *value)
{
	double scale = 0.1;
	size_t n = 0;

	for (*value = 0; s[n] >= '0' && s[n] <= '9'; n++, scale /= 10)
		*value += (s[n] - '0') * scale;
	return n;
}

/* "1.5h", the part of a duration up to its unit; the characters it takes, or 0. */
static size_t duration_part(const char *s, int64_t *total)
{
	size_t n = 0, digits, fraction_digits = 0, unit_len;
	int64_t whole = 0, unit, part;
	double rest = 0;

	for (; s[n] >= '0' && s[n] <= '9'; n++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, s[n] - '0', &whole))
			return 0;
	digits = n;
	if (s[n] == '.') {
		fraction_digits = fraction(s + ++n, &rest);
		n += fraction_digits;
	}
	unit_len = duration_unit(s + n, &unit);
	if (!(digits + fraction_digits) || !unit_len)
		return 0;
	if (__builtin_mul_overflow(whole, unit, &part) ||
	    __builtin_add_overflow(part, (int64_t)(rest * unit + 0.5), &part) ||
	    __builtin_add_overflow(*total, part, total))
		return 0;
	return n + unit_len;
}

int config_duration(const char *s, int64_t *ns, struct err *e)
{
	const char *p = s + (*s == '-' || *s == '+');
	size_t n;

	*ns = 0;
	if (!strcmp(p, "0"))
		return 0;
	do {
		n = duration_part(p, ns);
		p += n;
	} while (n && *p);
	if (!n)
		return err_set(e, "\"%.40s\" is not a duration such as 30s or 1h30m", s);
	if (*s == '-')
		*ns = -*ns;
	return 0;
}

static int not_negative(const char *text, int64_t *ns, struct err *e)
{
	if (config_duration(text, ns, e))
		return -1;
	return *ns < 0 ? err_set(e, "must not be negative, as %.40s is", text) : 0;
}

static int set_period(uint64_t *to, const char *text, struct err *e)
{
	int64_t ns;

	if (not_negative(text, &ns, e))
		return -1;
	*to = ns / 1000 + !!(ns % 1000);
	return 0;
}

/* Rounded up: what is not 0 must not become it. */
static int set_seconds(uint32_t *to, const char *text, struct err *e)
{
	int64_t ns;

	if (not_negative(text, &ns, e))
		return -1;
	ns = ns / 1000000000 + !!(ns % 1000000000);
	if (ns > INT_MAX)
		return err_set(e, "must be at most %d seconds", INT_MAX);
	*to = ns;
	return 0;
}

static int set_number(int32_t *to, long min, long max, const char *text, struct err *e)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max || strchr(" \t\n\v\f\r", *text))
		return err_set(e, "must be a number of %ld to %ld, not \"%.40s\"", min, max, text);
	*to = n;
	return 0;
}

static int set_word(uint32_t *to, const struct word *words, const char *text, struct err *e)
{
	char list[160] = "";

	for (const struct word *w = words; w->text; w++) {
		if (!strcmp(w->text, text)) {
			*to = w->value;
			return 0;
		}
		strcat(list, w == words ? "" : w[1].text ? ", " : " or ");
		strcat(list, w->text);
	}
	return err_set(e, "must be %s, not \"%.40s\"", list, text);
}

static int set_text(char **to, const char *text, struct err *e)
{
	if (strlen(text) > LONGEST_TEXT)
		return err_set(e, "is longer than %d bytes", LONGEST_TEXT);
	free(*to);
	*to = *text ? xstrdup(text) : NULL;
	return 0;
}

/* The name becomes part of a request, so it has to be one that a Node can have. */
static int set_hostname(char **to, const char *text, struct err *e)
{
	size_t len;
	char *name;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	if (!len || len > 253 || text[len + strspn(text + len, " \t\r\n")])
		return err_set(e, "\"%.60s\" is not the name of a node", text);
	name = xstrndup(text, len);
	for (char *p = name; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", *p)) {
			err_set(e, "\"%.60s\" is not the name of a node", name);
			free(name);
			return -1;
		}
	}
	free(*to);
	*to = name;
	return 0;
}

/* "" leaves no family, no port leaves 0. */
static int set_listen(struct config_listen *to, const char *text, struct err *e)
{
	struct config_listen l = {};

	if (*text && host_optional_port_parse(text, &l.addr, &l.port))
		return err_set(e, "\"%.60s\" is not an address or ADDR:PORT (port 1 to 65535)",
			       text);
	*to = l;
	return 0;
}

static int set_address(struct addr *to, const char *text, struct err *e)
{
	if (addr_parse_sloppy(text, to))
		return err_set(e, "\"%.60s\" is not an address", text);
	return 0;
}

/* Each of a list with commas, blanks around them ignored. */
static int each(struct config_draft *d, const char *text,
		int (*fn)(struct config_draft *d, const char *one, void *data, struct err *e),
		void *data, struct err *e)
{
	char *copy = xstrdup(text), *p = copy, *one;
	int err = 0;

	while (!err && (one = strsep(&p, ","))) {
		one += strspn(one, " \t");
		one[strcspn(one, " \t")] = '\0';
		err = fn(d, one, data, e);
	}
	free(copy);
	return err;
}

static int add_cidr(struct config_draft *d, const char *one, void *data, struct err *e)
{
	struct prefix_list *list = data;
	struct prefix p;

	(void)d;
	if (prefix_parse_sloppy(one, &p))
		return err_set(e, "\"%.60s\" is not ADDR/LENGTH", one);
	if (list->n == MOST_ADDRESSES)
		return err_set(e, "has more than %d entries", MOST_ADDRESSES);
	prefix_list_add(list, &p);
	return 0;
}

/* One of each family at most, as kube-proxy has it. */
static int set_cidrs(struct config_draft *d, struct prefix_list *list, const char *text,
		     struct err *e)
{
	prefix_list_free(list);
	if (each(d, text, add_cidr, list, e))
		return -1;
	if (list->n > 2 || (list->n == 2 && list->prefixes[0].addr.family ==
					    list->prefixes[1].addr.family))
		return err_set(e, "has more than one prefix of a family");
	return 0;
}

static int add_nodeports(struct config_draft *d, const char *one, void *data, struct err *e)
{
	if (!strcmp(one, "primary"))
		d->nodeport_primary = true;
	else if (add_cidr(d, one, data, e))
		return strchr(one, '/') ? -1 :
		       err_set(e, "\"%.60s\" is neither ADDR/LENGTH nor primary", one);
	if (d->nodeport_primary && d->nodeports.n)
		return err_set(e, "primary and prefixes exclude one another");
	return 0;
}

static int add_node_ip(struct config_draft *d, const char *one, void *data, struct err *e)
{
	struct config *c = data;
	struct addr ip;

	(void)d;
	if (addr_parse_sloppy(one, &ip) || !addr_is_host(&ip))
		return err_set(e, "\"%.60s\" is not the address of a host", one);
	if (c->n_node_ips == MOST_ADDRESSES)
		return err_set(e, "more than %d addresses", MOST_ADDRESSES);
	xgrow(&c->node_ips, c->n_node_ips, sizeof(ip));
	c->node_ips[c->n_node_ips++] = ip;
	return 0;
}

static int set_interface(char **to, const char *text, struct err *e)
{
	if (strlen(text) > IFNAME_PATTERN_MAX - 1 || strpbrk(text, "*/: \t\n\v\f\r") ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return err_set(e, "\"%.60s\" is no interface name of at most %d bytes",
			       text, IFNAME_PATTERN_MAX - 1);
	return set_text(to, text, e);
}

static int set_saved(struct config *c, const char *text, struct err *e)
{
	if (!strcmp(text, "never")) {
		c->serve_saved = SAVED_NEVER;
	} else if (!strcmp(text, "at-once")) {
		c->serve_saved = SAVED_AT_ONCE;
	} else if (!strncmp(text, "after=", 6)) {
		c->serve_saved = SAVED_AFTER;
		return set_period(&c->serve_saved_after, text + 6, e);
	} else {
		return err_set(e, "must be never, at-once or after=DURATION, not \"%.40s\"", text);
	}
	return 0;
}

/* Adds to a list, sets what has one value. */
int config_set(struct config_draft *d, enum config_item item, const char *text, struct err *e)
{
	void *to = (char *)d + items[item].offset;

	switch (items[item].type) {
	case VALUE_NONE:
		return 0;
	case VALUE_TEXT:
		return set_text(to, text, e);
	case VALUE_BOOL:
		return config_bool(text, to, e);
	case VALUE_NUMBER:
		return set_number(to, items[item].min, items[item].max, text, e);
	case VALUE_PERIOD:
		return set_period(to, text, e);
	case VALUE_SECONDS:
		return set_seconds(to, text, e);
	case VALUE_WORD:
		return set_word(to, items[item].words, text, e);
	case VALUE_LISTEN:
		return set_listen(to, text, e);
	case VALUE_ADDRESS:
		return set_address(to, text, e);
	case VALUE_ADDRESSES:
		return each(d, text, add_node_ip, &d->c, e);
	case VALUE_CIDRS:
		return set_cidrs(d, to, text, e);
	case VALUE_NODEPORTS:
		return each(d, text, add_nodeports, &d->nodeports, e);
	case VALUE_INTERFACE:
		return set_interface(to, text, e);
	case VALUE_HOSTNAME:
		return set_hostname(to, text, e);
	case VALUE_SAVED:
		return set_saved(&d->c, text, e);
	}
	return 0;
}
