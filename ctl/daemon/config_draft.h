/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_CONFIG_DRAFT_H
#define _KSVCD_CONFIG_DRAFT_H

#include "config.h"

#define CONFIG_STATE_FILE	"/var/lib/ksvcd/state.json"

/*
 * Between the files of the configuration only. Items are what flags and keys of
 * the file set, all from text; a draft holds them until they can be checked
 * against one another.
 */
enum config_item {
	ITEM_NOTHING,			/* checked by its type, and noted */
	ITEM_CONFIG,
	ITEM_CHECK,
	ITEM_CHECK_CONFIG,
	ITEM_CLEANUP,
	ITEM_VERSION,
	ITEM_HELP,
	ITEM_KUBECONFIG,
	ITEM_MASTER,
	ITEM_MANIFESTS,
	ITEM_HOSTNAME,
	ITEM_ZONE,
	ITEM_NETNS,
	ITEM_NODE_IP,
	ITEM_BIND_ADDRESS,
	ITEM_HEALTHZ,
	ITEM_METRICS,
	ITEM_HEALTHZ_PORT,
	ITEM_METRICS_PORT,
	ITEM_BIND_HARD_FAIL,
	ITEM_CLUSTER_CIDR,
	ITEM_DETECT_LOCAL,
	ITEM_BRIDGE,
	ITEM_PREFIX,
	ITEM_NODEPORTS,
	ITEM_NO_EXTERNAL_IPS,
	ITEM_DROP_INVALID,
	ITEM_PING,
	ITEM_MODE,
	ITEM_SCHEDULER,
	ITEM_IPVS_SCHEDULER,
	ITEM_MASQUERADE_ALL,
	ITEM_IPTABLES_MASQUERADE_ALL,
	ITEM_NFTABLES_MASQUERADE_ALL,
	ITEM_LOCALHOST_NODEPORTS,
	ITEM_SYNC,
	ITEM_IPTABLES_SYNC,
	ITEM_IPVS_SYNC,
	ITEM_NFTABLES_SYNC,
	ITEM_MIN_SYNC,
	ITEM_IPTABLES_MIN_SYNC,
	ITEM_IPVS_MIN_SYNC,
	ITEM_NFTABLES_MIN_SYNC,
	ITEM_CT_MAX_PER_CORE,
	ITEM_CT_MIN,
	ITEM_CT_TCP_ESTABLISHED,
	ITEM_CT_TCP_CLOSE_WAIT,
	ITEM_CT_TCP_BE_LIBERAL,
	ITEM_CT_UDP,
	ITEM_CT_UDP_STREAM,
	ITEM_OOM_SCORE_ADJ,
	ITEM_STATE,
	ITEM_SERVE_SAVED,
	ITEM_LOG_LEVEL,
	ITEM_VERBOSITY,
	ITEM_LOG_FORMAT,
	ITEM_LOGGING_FORMAT,
	N_CONFIG_ITEMS,
};

/* Where a value is from: a flag (line 0) or a key of the file. */
struct config_origin {
	const char *name;		/* NULL: not set; of flags without the dashes */
	int line;
};

enum proxy_mode { MODE_NONE, MODE_IPTABLES, MODE_IPVS, MODE_NFTABLES, N_MODES };

struct config_draft {
	struct config c;
	struct config_origin origin[N_CONFIG_ITEMS];

	uint32_t mode, detect_local, ipvs_scheduler, log_level, log_format, logging_format;
	char *bridge, *prefix;
	struct addr bind_address;
	uint32_t healthz_port, metrics_port, verbosity;
	int32_t oom_score_adj;
	struct prefix_list cluster_cidrs, nodeports;
	bool nodeport_primary;
	bool check, check_config, cleanup, version, help;
	bool masquerade_all[N_MODES];	/* MODE_NONE: by the flag for all of them */
	bool localhost_nodeports;
	uint64_t sync[N_MODES], min_sync[N_MODES];
};

/* config_value.c: "why" only is the error, without the place. */
int config_duration(const char *s, int64_t *ns, struct err *e);
int config_bool(const char *s, bool *b, struct err *e);
int config_set(struct config_draft *d, enum config_item item, const char *text, struct err *e);

/* config_flags.c */
int config_read_flags(struct config_draft *d, int argc, char *const *argv, struct err *e);

/* config_file.c */
int config_read_file(struct config_draft *d, const char *path, struct err *e);

/* config.c */
void config_note(struct config_draft *d, const char *key, int line);

#endif
