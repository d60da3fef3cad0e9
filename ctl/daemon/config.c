// SPDX-License-Identifier: GPL-2.0
/* The configuration as a whole: defaults, and what contradicts what. */
#include "config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_draft.h"
#include "log.h"

#define SYNC_PERIOD	(30 * 1000000ULL)

void config_note(struct config_draft *d, const char *key, int line)
{
	xgrow(&d->c.notes, d->c.n_notes, sizeof(*d->c.notes));
	d->c.notes[d->c.n_notes++] = (struct config_note){ .key = xstrdup(key), .line = line };
}

static bool is_set(const struct config_draft *d, enum config_item item)
{
	return d->origin[item].name;
}

static bool is_from_file(const struct config_draft *d, enum config_item item)
{
	return d->origin[item].line;
}

static const char *origin_text(const struct config_draft *d, enum config_item item,
			       char *buf, size_t size)
{
	const struct config_origin *o = &d->origin[item];

	if (o->line)
		snprintf(buf, size, "%s:%d: %s", d->c.file, o->line, o->name);
	else
		snprintf(buf, size, "--%s", o->name);
	return buf;
}

static int fail(const struct config_draft *d, enum config_item item, struct err *e,
		const char *fmt, ...) __printf(4, 5);
static int fail(const struct config_draft *d, enum config_item item, struct err *e,
		const char *fmt, ...)
{
	char place[1024], text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, "%s: %s", origin_text(d, item, place, sizeof(place)), text);
}

static int differs(const struct config_draft *d, enum config_item item,
		   enum config_item other, const char *hint, struct err *e)
{
	char place[1024];

	return fail(d, item, e, "differs from %s%s",
		    origin_text(d, other, place, sizeof(place)), hint);
}

static void set_defaults(struct config_draft *d)
{
	struct config *c = &d->c;

	c->state_file = xstrdup(CONFIG_STATE_FILE);
	c->conntrack.max_per_core = 32768;
	c->conntrack.min = 131072;
	c->conntrack.tcp_established = 86400;
	c->conntrack.tcp_close_wait = 3600;
	c->log_level = LOG_INFO;
	d->sync[MODE_NONE] = SYNC_PERIOD;
	c->settings.has = HAS_ALL_SETTINGS & ~(HAS_SERVICE_CIDRS | HAS_AFFINITY_ENTRIES);
}

/*
 * Which of the items of the sections counts: that of the section the mode
 * names; without a mode they must say the same. Those of the file come before
 * flags. ITEM_NOTHING: none is set.
 */
struct section_items {
	enum config_item item[N_MODES];
	bool (*same)(const struct config_draft *d, enum proxy_mode a, enum proxy_mode b);
};

static int choose_among(struct config_draft *d, const struct section_items *s, bool file,
			enum proxy_mode *chosen, struct err *e)
{
	*chosen = MODE_NONE;
	for (enum proxy_mode m = MODE_IPTABLES; m < N_MODES; m++) {
		enum config_item item = s->item[m];

		if (!is_set(d, item) || is_from_file(d, item) != file)
			continue;
		if (d->mode && s->item[d->mode] != item) {
			if (item != s->item[m - 1] && !s->same(d, m, MODE_NONE))
				config_note(d, d->origin[item].name, d->origin[item].line);
		} else if (*chosen && !s->same(d, m, *chosen)) {
			return differs(d, item, s->item[*chosen],
				       ", and no mode says which of them counts", e);
		} else {
			*chosen = m;
		}
	}
	return 0;
}

static int choose(struct config_draft *d, const struct section_items *s,
		  enum proxy_mode *chosen, struct err *e)
{
	if (choose_among(d, s, true, chosen, e))
		return -1;
	return *chosen ? 0 : choose_among(d, s, false, chosen, e);
}

static bool same_masquerade(const struct config_draft *d, enum proxy_mode a, enum proxy_mode b)
{
	return d->masquerade_all[a] == d->masquerade_all[b];
}

static bool same_sync(const struct config_draft *d, enum proxy_mode a, enum proxy_mode b)
{
	return d->sync[a] == d->sync[b];
}

static bool same_min_sync(const struct config_draft *d, enum proxy_mode a, enum proxy_mode b)
{
	return d->min_sync[a] == d->min_sync[b];
}

static int finish_masquerade(struct config_draft *d, struct err *e)
{
	/* ipvs has no key of its own and goes by that of iptables. */
	static const struct section_items sections = {
		{ ITEM_MASQUERADE_ALL, ITEM_IPTABLES_MASQUERADE_ALL,
		  ITEM_IPTABLES_MASQUERADE_ALL, ITEM_NFTABLES_MASQUERADE_ALL }, same_masquerade };
	enum proxy_mode m;

	d->masquerade_all[MODE_IPVS] = d->masquerade_all[MODE_IPTABLES];
	if (choose(d, &sections, &m, e))
		return -1;
	d->c.settings.masquerade_all = d->masquerade_all[m];
	if (!is_set(d, ITEM_LOCALHOST_NODEPORTS))
		return 0;
	if (d->mode == MODE_NONE || d->mode == MODE_IPTABLES)
		d->c.settings.localhost_nodeports = d->localhost_nodeports;
	else if (d->localhost_nodeports)
		config_note(d, d->origin[ITEM_LOCALHOST_NODEPORTS].name,
			    d->origin[ITEM_LOCALHOST_NODEPORTS].line);
	return 0;
}

static int finish_periods(struct config_draft *d, struct err *e)
{
	static const struct section_items sync = {
		{ ITEM_SYNC, ITEM_IPTABLES_SYNC, ITEM_IPVS_SYNC, ITEM_NFTABLES_SYNC }, same_sync };
	static const struct section_items min_sync = {
		{ ITEM_MIN_SYNC, ITEM_IPTABLES_MIN_SYNC, ITEM_IPVS_MIN_SYNC,
		  ITEM_NFTABLES_MIN_SYNC }, same_min_sync };
	enum proxy_mode m, min;

	if (choose(d, &sync, &m, e) || choose(d, &min_sync, &min, e))
		return -1;
	d->c.sync_period = d->sync[m];
	d->c.min_sync_period = d->min_sync[min];
	if (!d->c.sync_period)
		return fail(d, sync.item[m], e, "must be more than 0");
	if (d->c.min_sync_period > d->c.sync_period)
		return fail(d, min_sync.item[min], e, "is longer than the sync period of %llu ms",
			    (unsigned long long)d->c.sync_period / 1000);
	return 0;
}

static int finish_scheduler(struct config_draft *d, struct err *e)
{
	if (!is_set(d, ITEM_IPVS_SCHEDULER))
		return 0;
	if (is_set(d, ITEM_SCHEDULER) && d->c.scheduler != d->ipvs_scheduler)
		return differs(d, ITEM_IPVS_SCHEDULER, ITEM_SCHEDULER, "", e);
	d->c.scheduler = d->ipvs_scheduler;
	return 0;
}

static void unused(struct config_draft *d, enum config_item item)
{
	if (is_set(d, item))
		config_note(d, d->origin[item].name, d->origin[item].line);
}

static int add_pod_interface(struct config_draft *d, const char *name, const char *suffix,
			     struct err *e)
{
	char *pattern = xasprintf("%s%s", name, suffix);
	int err = setting_add(&d->c.settings, setting_find("pod-interface"), pattern, e);

	free(pattern);
	return err;
}

static int finish_detection(struct config_draft *d, struct err *e)
{
	struct config *c = &d->c;
	int err = 0;

	c->detect_local = d->detect_local;
	if (c->detect_local != DETECT_CLUSTER_CIDR)
		unused(d, ITEM_CLUSTER_CIDR);
	if (c->detect_local != DETECT_BRIDGE)
		unused(d, ITEM_BRIDGE);
	if (c->detect_local != DETECT_PREFIX)
		unused(d, ITEM_PREFIX);
	switch (c->detect_local) {
	case DETECT_CLUSTER_CIDR:
		if (is_set(d, ITEM_DETECT_LOCAL) && !d->cluster_cidrs.n)
			err = fail(d, ITEM_DETECT_LOCAL, e, "ClusterCIDR needs a cluster CIDR");
		prefix_list_copy(&c->settings.cluster_cidrs, &d->cluster_cidrs);
		break;
	case DETECT_NODE_CIDR:
		break;
	case DETECT_BRIDGE:
		err = d->bridge ? add_pod_interface(d, d->bridge, "", e) :
		      fail(d, ITEM_DETECT_LOCAL, e, "BridgeInterface needs the bridge's name");
		break;
	case DETECT_PREFIX:
		err = d->prefix ? add_pod_interface(d, d->prefix, "*", e) :
		      fail(d, ITEM_DETECT_LOCAL, e, "InterfaceNamePrefix needs a prefix");
		break;
	}
	return err;
}

static bool is_unspecified(const struct addr *a)
{
	return a->family == AF_INET ? !a->v4.s_addr : IN6_IS_ADDR_UNSPECIFIED(&a->v6);
}

/* bindAddress is where kube-proxy takes a node's primary address from. */
static int finish_node_ips(struct config_draft *d, struct err *e)
{
	struct config *c = &d->c;

	if (!is_set(d, ITEM_BIND_ADDRESS) || is_unspecified(&d->bind_address))
		return 0;
	if (!addr_is_host(&d->bind_address))
		return fail(d, ITEM_BIND_ADDRESS, e, "is not the address of a host");
	for (size_t i = 0; i < c->n_node_ips; i++)
		if (!addr_cmp(&c->node_ips[i], &d->bind_address))
			return 0;
	if (c->n_node_ips)
		return differs(d, ITEM_BIND_ADDRESS, ITEM_NODE_IP, "", e);
	c->node_ips = xcalloc(1, sizeof(*c->node_ips));
	c->node_ips[c->n_node_ips++] = d->bind_address;
	return 0;
}

/*
 * The deprecated port flag gives the port of an address without one; 0 switches
 * the listener off, as an empty address does. The file's address does without.
 */
static void finish_listener(struct config_draft *d, struct config_listen *l,
			    enum config_item address, enum config_item port_item, uint32_t port,
			    const char *any4, const char *any6)
{
	bool v6 = is_set(d, ITEM_BIND_ADDRESS) && d->bind_address.family == AF_INET6;
	bool by_flag = is_set(d, port_item) && !is_from_file(d, address);
	uint16_t usual = address == ITEM_HEALTHZ ? 10256 : 10249;

	if (!is_set(d, address))
		addr_parse(v6 ? any6 : any4, &l->addr);
	if (!l->addr.family || (by_flag && !port))
		l->port = 0;
	else if (!l->port)
		l->port = by_flag ? port : usual;
	if (is_set(d, port_item) && l->port && l->port != port)
		unused(d, port_item);
}

static int finish_name(struct config_draft *d, struct err *e)
{
	char name[256] = "";

	if (d->c.node_name)
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0 || config_set(d, ITEM_HOSTNAME, name, e))
		return err_set(e, "the host's name \"%.60s\" is not a node's: --hostname-override",
			       name);
	return 0;
}

static void finish_log(struct config_draft *d)
{
	bool by_level = is_set(d, ITEM_LOG_LEVEL);
	bool by_format = is_set(d, ITEM_LOG_FORMAT);

	if (by_level)
		d->c.log_level = d->log_level;
	else if (is_set(d, ITEM_VERBOSITY))
		d->c.log_level = d->verbosity >= 4 ? LOG_DEBUG : LOG_INFO;
	d->c.log_json = by_format ? d->log_format : d->logging_format;
	if (by_level)
		unused(d, ITEM_VERBOSITY);
	if (by_format)
		unused(d, ITEM_LOGGING_FORMAT);
}

static int finish_source(struct config_draft *d, struct err *e)
{
	if (!d->c.manifests)
		return 0;
	if (is_set(d, ITEM_MASTER))
		return fail(d, ITEM_MASTER, e, "and --manifests exclude one another");
	if (is_set(d, ITEM_KUBECONFIG) && !is_from_file(d, ITEM_KUBECONFIG))
		return fail(d, ITEM_KUBECONFIG, e, "and --manifests exclude one another");
	/* That of a file made for kube-proxy need not be taken out for a test. */
	unused(d, ITEM_KUBECONFIG);
	return 0;
}

static int finish(struct config_draft *d, struct err *e)
{
	struct config *c = &d->c;

	finish_log(d);
	c->nodeport_primary = d->nodeport_primary || !d->nodeports.n;
	prefix_list_copy(&c->settings.nodeport_addresses, &d->nodeports);
	c->has_oom_score_adj = is_set(d, ITEM_OOM_SCORE_ADJ);
	if (!c->state_file)
		return err_set(e, "--state: needs a path");
	if (finish_source(d, e) || finish_name(d, e) || finish_node_ips(d, e) ||
	    finish_detection(d, e) || finish_masquerade(d, e) || finish_periods(d, e) ||
	    finish_scheduler(d, e))
		return -1;
	finish_listener(d, &c->healthz, ITEM_HEALTHZ, ITEM_HEALTHZ_PORT, d->healthz_port,
			"0.0.0.0", "::");
	finish_listener(d, &c->metrics, ITEM_METRICS, ITEM_METRICS_PORT, d->metrics_port,
			"127.0.0.1", "::1");
	return 0;
}

/* Flags that a value of the file took the place of. */
static int read_file_over_flags(struct config_draft *d, struct err *e)
{
	struct config_origin flags[N_CONFIG_ITEMS];

	memcpy(flags, d->origin, sizeof(flags));
	if (config_read_file(d, d->c.file, e))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].name && d->origin[i].line)
			config_note(d, flags[i].name, 0);
	return 0;
}

static int fill(struct config_draft *d, int argc, char *const *argv, struct err *e)
{
	if (config_read_flags(d, argc, argv, e))
		return -1;
	if (d->help || d->version) {
		d->c.action = d->help ? CONFIG_HELP : CONFIG_VERSION;
		return 0;
	}
	d->c.action = d->check ? CONFIG_CHECK : d->check_config ? CONFIG_CHECK_CONFIG :
		      d->cleanup ? CONFIG_CLEANUP : CONFIG_RUN;
	if (d->c.file && read_file_over_flags(d, e))
		return -1;
	return finish(d, e);
}

int config_parse(struct config *c, int argc, char *const *argv, struct err *e)
{
	struct config_draft d = {};
	enum config_action action;
	int err;

	set_defaults(&d);
	err = fill(&d, argc, argv, e);
	free(d.bridge);
	free(d.prefix);
	prefix_list_free(&d.cluster_cidrs);
	prefix_list_free(&d.nodeports);
	action = d.c.action;
	if (err)
		config_free(&d.c);
	*c = d.c;
	c->action = action;
	return err;
}

void config_free(struct config *c)
{
	free(c->file);
	free(c->manifests);
	free(c->kubeconfig);
	free(c->master);
	free(c->node_name);
	free(c->zone);
	free(c->node_ips);
	free(c->netns);
	free(c->state_file);
	settings_free(&c->settings);
	for (size_t i = 0; i < c->n_notes; i++)
		free(c->notes[i].key);
	free(c->notes);
	memset(c, 0, sizeof(*c));
}

void config_log_notes(const struct config *c)
{
	for (size_t i = 0; i < c->n_notes; i++) {
		const struct config_note *n = &c->notes[i];

		if (n->line)
			log_line(LOG_INFO, "Configuration has no effect", F_TEXT("key", n->key),
				 F_TEXT("file", c->file), F_INT("line", n->line));
		else
			log_line(LOG_INFO, "Configuration has no effect", F_TEXT("flag", n->key));
	}
}

static bool text_differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : a != b;
}

static bool listen_differs(const struct config_listen *a, const struct config_listen *b)
{
	return a->port != b->port || (a->port && addr_cmp(&a->addr, &b->addr));
}

const char *config_changed_needs_restart(const struct config *old, const struct config *new)
{
	if (text_differs(old->manifests, new->manifests))
		return "--manifests";
	if (text_differs(old->kubeconfig, new->kubeconfig))
		return "clientConnection.kubeconfig";
	if (text_differs(old->master, new->master))
		return "--master";
	if (text_differs(old->node_name, new->node_name))
		return "hostnameOverride";
	if (text_differs(old->netns, new->netns))
		return "--netns";
	if (text_differs(old->state_file, new->state_file))
		return "--state";
	if (listen_differs(&old->healthz, &new->healthz))
		return "healthzBindAddress";
	if (listen_differs(&old->metrics, &new->metrics))
		return "metricsBindAddress";
	if (old->sync_period != new->sync_period)
		return "syncPeriod";
	return NULL;
}
