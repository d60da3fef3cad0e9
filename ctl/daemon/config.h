/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_CONFIG_H
#define _KSVCD_CONFIG_H

#include <stdint.h>

#include "lib/model.h"

/*
 * All that can be configured, from flags and from a KubeProxyConfiguration.
 * A value in the file wins over the flag, except for the name of the node and
 * the log's level and format. Values of a file that stand for "not set" ("",
 * null, a duration of 0 where kube-proxy takes it so) leave the flag's.
 */
enum config_action {
	CONFIG_RUN, CONFIG_CHECK, CONFIG_CHECK_CONFIG, CONFIG_CLEANUP, CONFIG_VERSION, CONFIG_HELP,
};

enum detect_local { DETECT_CLUSTER_CIDR, DETECT_NODE_CIDR, DETECT_BRIDGE, DETECT_PREFIX };

/* When the state saved by an earlier run is put into the kernel before there is a list. */
enum serve_saved { SAVED_NEVER, SAVED_AT_ONCE, SAVED_AFTER };

struct config_listen {
	struct addr addr;
	uint16_t port;			/* 0: not at all */
};

struct config_conntrack {
	uint32_t max_per_core;		/* 0: leaves the limit alone, and min counts for nothing */
	uint32_t min;
	uint32_t tcp_established;	/* timeouts in seconds; 0: as they are */
	uint32_t tcp_close_wait;
	uint32_t udp;
	uint32_t udp_stream;
	bool tcp_be_liberal;		/* false: as it is */
};

struct config_note {
	char *key;
	int line;			/* 0: a flag */
};

struct config {
	enum config_action action;
	char *file;			/* NULL: flags only */

	char *manifests;		/* NULL: the Kubernetes API, by */
	char *kubeconfig;		/* NULL: the pod's service account */
	char *master;			/* NULL: what kubeconfig says */

	char *node_name;		/* never NULL when running */
	char *zone;			/* NULL: from the Node */
	struct addr *node_ips;		/* none: from the Node */
	size_t n_node_ips;
	char *netns;			/* NULL: the current one */

	/*
	 * All but service_cidrs and affinity_entries count. cluster_cidrs are
	 * empty with DETECT_NODE_CIDR, nodeport_addresses with nodeport_primary:
	 * they have to be found out then.
	 */
	struct settings settings;
	enum detect_local detect_local;
	bool nodeport_primary;
	bool no_external_ips;
	uint32_t scheduler;		/* enum ksvc_scheduler, of services that name none */

	uint64_t sync_period;		/* microseconds, as all periods here */
	uint64_t min_sync_period;
	struct config_conntrack conntrack;

	struct config_listen healthz;
	struct config_listen metrics;
	bool bind_hard_fail;
	bool has_oom_score_adj;
	int oom_score_adj;

	char *state_file;
	enum serve_saved serve_saved;
	uint64_t serve_saved_after;	/* with SAVED_AFTER */

	int log_level;			/* LOG_ERR to LOG_DEBUG */
	bool log_json;			/* even if stderr is the journal */

	struct config_note *notes;	/* what was given and has no effect */
	size_t n_notes;
};

/*
 * Flags, the file that they name, and defaults. May be called again for the
 * same argv, which it leaves alone. Of an error, which names FILE:LINE or the
 * flag, nothing remains to be freed; action is that of the flags if they had
 * no error, else CONFIG_RUN.
 */
int config_parse(struct config *c, int argc, char *const *argv, struct err *e);
void config_free(struct config *c);

/* Tells the log what has no effect. */
void config_log_notes(const struct config *c);

/* The first key that differs and cannot change at run time, or NULL. */
const char *config_changed_needs_restart(const struct config *old, const struct config *new);

void config_usage(FILE *f);

#endif
