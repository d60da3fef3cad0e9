// SPDX-License-Identifier: GPL-2.0
/* The configuration's flags, kube-proxy's among them. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config_draft.h"

/* One without help is kube-proxy's and changes nothing here. */
static const struct flag {
	const char *name;
	enum config_item item;
	const char *value;		/* what usage calls it; NULL: a switch */
	const char *help;
} flags[] = {
	{ "config", ITEM_CONFIG, "FILE", "a KubeProxyConfiguration; wins over flags" },
	{ "kubeconfig", ITEM_KUBECONFIG, "FILE", "how to reach the API; else as a pod does" },
	{ "master", ITEM_MASTER, "URL", "of the API server, instead of kubeconfig's" },
	{ "manifests", ITEM_MANIFESTS, "PATH", "a file or directory, instead of the API" },
	{ "hostname-override", ITEM_HOSTNAME, "NAME", "of this node, instead of the host's name" },
	{ "node-ip", ITEM_NODE_IP, "ADDR,...", "the node's addresses, instead of the Node's" },
	{ "bind-address", ITEM_BIND_ADDRESS, "ADDR", "the same, by kube-proxy's name" },
	{ "zone", ITEM_ZONE, "ZONE", "of this node, instead of the Node's" },
	{ "netns", ITEM_NETNS, "NAME", "act in this network namespace" },
	{ "cluster-cidr", ITEM_CLUSTER_CIDR, "CIDR,...", "the addresses of pods" },
	{ "detect-local-mode", ITEM_DETECT_LOCAL, "MODE",
	  "ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix" },
	{ "pod-bridge-interface", ITEM_BRIDGE, "NAME", "for BridgeInterface" },
	{ "pod-interface-name-prefix", ITEM_PREFIX, "PREFIX", "for InterfaceNamePrefix" },
	{ "nodeport-addresses", ITEM_NODEPORTS, "CIDR,...|primary",
	  "where node ports answer (primary)" },
	{ "masquerade-all", ITEM_MASQUERADE_ALL, NULL, "masquerade connections to cluster IPs" },
	{ "iptables-localhost-nodeports", ITEM_LOCALHOST_NODEPORTS, NULL,
	  "node ports on 127.0.0.0/8, too" },
	{ "no-external-ips", ITEM_NO_EXTERNAL_IPS, NULL, "leave the field externalIPs out" },
	{ "drop-invalid", ITEM_DROP_INVALID, NULL, "drop forwarded packets invalid to conntrack" },
	{ "ping", ITEM_PING, NULL, "answer echo requests to VIPs with endpoints" },
	{ "scheduler", ITEM_SCHEDULER, "NAME", "random, rr, wrr, lc, sh or maglev (random)" },
	{ "ipvs-scheduler", ITEM_IPVS_SCHEDULER, "NAME", "the same, by IPVS's names" },
	{ "proxy-mode", ITEM_MODE, "MODE", "only says which prefixed flags and sections count" },
	{ "sync-period", ITEM_SYNC, "DURATION", "between comparisons with the kernel (30s)" },
	{ "iptables-sync-period", ITEM_IPTABLES_SYNC, "DURATION", "the same" },
	{ "ipvs-sync-period", ITEM_IPVS_SYNC, "DURATION", "the same" },
	{ "nftables-sync-period", ITEM_NFTABLES_SYNC, "DURATION", "the same" },
	{ "min-sync-period", ITEM_MIN_SYNC, "DURATION", "least time between changes (0s)" },
	{ "iptables-min-sync-period", ITEM_IPTABLES_MIN_SYNC, "DURATION", "the same" },
	{ "ipvs-min-sync-period", ITEM_IPVS_MIN_SYNC, "DURATION", "the same" },
	{ "nftables-min-sync-period", ITEM_NFTABLES_MIN_SYNC, "DURATION", "the same" },
	{ "healthz-bind-address", ITEM_HEALTHZ, "ADDR[:PORT]", "(0.0.0.0:10256)" },
	{ "healthz-port", ITEM_HEALTHZ_PORT, "PORT", "0: none" },
	{ "metrics-bind-address", ITEM_METRICS, "ADDR[:PORT]", "(127.0.0.1:10249)" },
	{ "metrics-port", ITEM_METRICS_PORT, "PORT", "0: none" },
	{ "bind-address-hard-fail", ITEM_BIND_HARD_FAIL, NULL, "end if one cannot be bound" },
	{ "conntrack-max-per-core", ITEM_CT_MAX_PER_CORE, "N", "0: leave the limit (32768)" },
	{ "conntrack-min", ITEM_CT_MIN, "N", "lowest limit (131072)" },
	{ "conntrack-tcp-timeout-established", ITEM_CT_TCP_ESTABLISHED, "DURATION", "(24h)" },
	{ "conntrack-tcp-timeout-close-wait", ITEM_CT_TCP_CLOSE_WAIT, "DURATION", "(1h)" },
	{ "conntrack-tcp-be-liberal", ITEM_CT_TCP_BE_LIBERAL, NULL, "" },
	{ "conntrack-udp-timeout", ITEM_CT_UDP, "DURATION", "0: leave it (0s)" },
	{ "conntrack-udp-timeout-stream", ITEM_CT_UDP_STREAM, "DURATION", "0: leave it (0s)" },
	{ "oom-score-adj", ITEM_OOM_SCORE_ADJ, "N", "of this process" },
	{ "state", ITEM_STATE, "FILE", "the last good state (" CONFIG_STATE_FILE ")" },
	{ "serve-saved", ITEM_SERVE_SAVED, "never|at-once|after=DURATION",
	  "when to serve it until there is a list (never)" },
	{ "log-level", ITEM_LOG_LEVEL, "LEVEL", "error, warning, notice, info or debug (info)" },
	{ "v", ITEM_VERBOSITY, "N", "debug from 4 on, else info" },
	{ "log-format", ITEM_LOG_FORMAT, "auto|json", "json: even if the journal listens" },
	{ "logging-format", ITEM_LOGGING_FORMAT, "text|json", "the same, by kube-proxy's name" },
	{ "check", ITEM_CHECK, NULL, "say what is wrong with configuration and files, and end" },
	{ "check-config", ITEM_CHECK_CONFIG, NULL, "the same, without the files of the source" },
	{ "cleanup", ITEM_CLEANUP, NULL, "remove all services and settings, and end" },
	{ "version", ITEM_VERSION, NULL, "" },
	{ "help", ITEM_HELP, NULL, "" },

	{ "config-sync-period", ITEM_NOTHING, "", NULL },
	{ "feature-gates", ITEM_NOTHING, "", NULL },
	{ "ipvs-exclude-cidrs", ITEM_NOTHING, "", NULL },
	{ "ipvs-strict-arp", ITEM_NOTHING, NULL, NULL },
	{ "ipvs-tcp-timeout", ITEM_NOTHING, "", NULL },
	{ "ipvs-tcpfin-timeout", ITEM_NOTHING, "", NULL },
	{ "ipvs-udp-timeout", ITEM_NOTHING, "", NULL },
	{ "iptables-masquerade-bit", ITEM_NOTHING, "", NULL },
	{ "kube-api-burst", ITEM_NOTHING, "", NULL },
	{ "kube-api-content-type", ITEM_NOTHING, "", NULL },
	{ "kube-api-qps", ITEM_NOTHING, "", NULL },
	{ "log-flush-frequency", ITEM_NOTHING, "", NULL },
	{ "profiling", ITEM_NOTHING, NULL, NULL },
	{ "show-hidden-metrics-for-version", ITEM_NOTHING, "", NULL },
	{ "vmodule", ITEM_NOTHING, "", NULL },
};

#define FIRST_FLAG	256		/* beyond all characters, for getopt_long() */

/* kube-proxy takes these for not given then. */
static bool may_be_empty(enum config_item item)
{
	switch (item) {
	case ITEM_CONFIG:
	case ITEM_KUBECONFIG:
	case ITEM_MASTER:
	case ITEM_HOSTNAME:
	case ITEM_BIND_ADDRESS:
	case ITEM_CLUSTER_CIDR:
	case ITEM_DETECT_LOCAL:
	case ITEM_BRIDGE:
	case ITEM_PREFIX:
	case ITEM_NODEPORTS:
	case ITEM_MODE:
	case ITEM_IPVS_SCHEDULER:
		return true;
	default:
		return false;
	}
}

static int flag_given(struct config_draft *d, const struct flag *f, const char *value,
		      struct err *e)
{
	if (!value && !f->value)
		value = "true";
	if (!*value && may_be_empty(f->item))
		return 0;
	if (config_set(d, f->item, value, e)) {
		err_prefix(e, "--%s: ", f->name);
		return -1;
	}
	d->origin[f->item].name = f->name;
	if (f->item == ITEM_NOTHING)
		config_note(d, f->name, 0);
	return 0;
}

/* -v=2 is what some write for -v 2. */
static int flag_read(struct config_draft *d, int c, const char *argument, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (c == 'v' && flags[i].item == ITEM_VERBOSITY)
			return flag_given(d, &flags[i], argument + (*argument == '='), e);
		if (c == 'h' && flags[i].item == ITEM_HELP)
			return flag_given(d, &flags[i], NULL, e);
		if (c == FIRST_FLAG + (int)i)
			return flag_given(d, &flags[i], argument, e);
	}
	return -1;
}

int config_read_flags(struct config_draft *d, int argc, char *const *argv, struct err *e)
{
	struct option options[ARRAY_SIZE(flags) + 1] = {};
	char **copy = xcalloc(argc + 1, sizeof(*copy));
	int err = 0, c;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		options[i].name = flags[i].name;
		options[i].has_arg = flags[i].value ? required_argument : optional_argument;
		options[i].val = FIRST_FLAG + i;
	}
	/* getopt_long() sorts its argument. */
	memcpy(copy, argv, argc * sizeof(*copy));
	optind = 0;
	while (!err && (c = getopt_long(argc, copy, ":hv:", options, NULL)) != -1) {
		if (c == '?')
			err = err_set(e, "%.200s: no such flag", copy[optind - 1]);
		else if (c == ':')
			err = err_set(e, "%.200s: needs a value", copy[optind - 1]);
		else
			err = flag_read(d, c, optarg, e);
	}
	if (!err && optind < argc)
		err = err_set(e, "unexpected argument \"%.200s\"", copy[optind]);
	free(copy);
	return err;
}

void config_usage(FILE *f)
{
	int column = 0;

	fputs("usage: ksvcd [FLAG]...\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const struct flag *flag = &flags[i];
		int n;

		if (!flag->help)
			continue;
		n = fprintf(f, "  --%s%s%s", flag->name, flag->value ? "=" : "",
			    flag->value ? flag->value : "");
		fprintf(f, "%*s%s\n", *flag->help && n < 40 ? 40 - n : !!*flag->help, "",
			flag->help);
	}
	fputs("Without effect, for kube-proxy's sake:", f);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].help)
			continue;
		column = column ? column : fprintf(f, "\n ");
		column += fprintf(f, " --%s", flags[i].name);
		column = column > 70 ? 0 : column;
	}
	fputs("\n", f);
}
