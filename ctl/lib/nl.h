/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_NL_H
#define _KSVC_NL_H

#include "diff.h"
#include "model.h"

/*
 * The module, as seen through one socket of the namespace in which nl_open()
 * was called. Functions return 0, or a negative errno with the kernel's words
 * in err.
 */
struct nl;

struct nl_info {
	char version[64];
	uint64_t generation;
	uint32_t services, frontends, endpoints, namespaces;
	bool active;
};

#define NL_REASONS	32

struct nl_stats {
	uint64_t packets[NL_REASONS];	/* by enum ksvc_reason */
	uint32_t n_reasons;
	uint64_t masqueraded;
	uint64_t sweeps;		/* over conntrack's entries */
	uint64_t sweep_time;		/* nanoseconds */
	uint64_t swept_v4, swept_v6;	/* entries removed */
};

struct nl_commit {
	uint64_t generation;
	uint32_t changes;
};

struct nl_event {
	bool commit;			/* else a service */
	char name[KSVC_NAME_MAX + 1];
	uint32_t event;
	uint64_t generation;
	uint32_t frontends, endpoints;
	uint32_t changes;
};

struct flow {
	struct addr from, to;
	uint16_t from_port;		/* 0: any */
	uint16_t to_port;
	uint8_t protocol;
	const char *in;			/* interface, or NULL */
};

struct choice {
	struct addr addr;
	uint16_t port;
	uint32_t weight;
	bool masquerade;
	bool chosen;
};

struct explanation {
	uint32_t verdict, reason, rule;
	char *service;			/* NULL if none is involved */
	struct choice *choices;
	size_t n_choices;
};

/* A record of session affinity. */
struct affinity {
	char *service;
	struct addr client, addr;
	uint16_t port;
	uint32_t expires;		/* milliseconds */
};

struct affinity_list {
	struct affinity *list;
	size_t n;
};

/* -ENOENT without the module, -EPROTO if it speaks another protocol. */
int nl_open(struct nl **nlp, struct err *e);
void nl_close(struct nl *nl);

/* Looks for the module without the checks of nl_open(); its protocol or 0. */
unsigned int nl_protocol(void);

int nl_info(struct nl *nl, struct nl_info *info, struct err *e);
int nl_stats(struct nl *nl, struct nl_stats *stats, struct err *e);
int nl_settings_get(struct nl *nl, struct settings *s, struct err *e);
int nl_settings_set(struct nl *nl, const struct settings *s, struct err *e);

/* All services, or the one called name, sorted, in one generation. */
int nl_services(struct nl *nl, const char *name, struct model *m, struct err *e);

/*
 * All services in pieces of some 32 KB, for those who cannot wait: each call of
 * nl_services_more() adds one to the model and returns 1 until there is no
 * more. What changes meanwhile does not matter: each service is as it was at
 * some time, and one that left and came again may be missing, or there twice.
 * In between, the socket is good for nothing else.
 */
int nl_services_begin(struct nl *nl, struct err *e);
int nl_services_more(struct nl *nl, struct model *m, struct err *e);
int nl_explain(struct nl *nl, const struct flow *flow, struct explanation *x,
	       struct err *e);
void explanation_free(struct explanation *x);

/* Of one service, or of all; sorted. The list is empty, or from before. */
int nl_affinity(struct nl *nl, const char *name, struct affinity_list *list, struct err *e);
void affinity_free(struct affinity_list *list);
int nl_affinity_del(struct nl *nl, const char *name, const struct addr *client,
		    struct err *e);

/* An operation outside of a transaction; -EMSGSIZE if it needs one. */
int nl_op(struct nl *nl, const struct op *op, struct err *e);

/* base 0: whatever is in force. */
int nl_txn_begin(struct nl *nl, uint64_t base, uint32_t flags, struct err *e);
int nl_txn_op(struct nl *nl, const struct op *op, struct err *e);
/* Sends the operations that wait for more of them; nl_txn_commit() does so, too. */
int nl_txn_flush(struct nl *nl, struct err *e);
int nl_txn_commit(struct nl *nl, struct nl_commit *commit, struct err *e);
void nl_txn_abort(struct nl *nl);

/* The service of the request that was refused first; may be empty. */
const char *nl_txn_refused(const struct nl *nl);

/*
 * Calls fn for every change until it returns false or a signal arrives
 * (-EINTR), or the module goes (-ENODEV). event is NULL when the kernel had to
 * leave some out.
 */
int nl_monitor(struct nl *nl, bool (*fn)(const struct nl_event *event, void *data),
	       void *data, struct err *e);

#endif
