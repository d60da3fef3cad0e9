/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ksvc: Service translation, one instance per network namespace.
 *
 * Locks and lifetimes
 *
 *   ksvc_net::mutex     everything below "configuration" in struct ksvc_net,
 *                       and all writes to what packets read. Sleeps.
 *   RCU                 packets. They see table, settings and, through a
 *                       frontend, one version of a service.
 *
 * A service version (struct ksvc_svc) never changes once a frontend points to
 * it. A change makes a new version, swaps the pointer in each frontend, and
 * frees the old one after a grace period. What outlives a version (name,
 * counters) is in struct ksvc_ident, which each version holds a reference to.
 */
#ifndef _KSVC_H
#define _KSVC_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/netfilter/nf_conntrack_tuple.h>

#include <uapi/linux/ksvc.h>

struct net;
struct netlink_ext_ack;
struct nf_hook_state;
struct nf_conn;
struct sk_buff;
struct tcphdr;

/* What packets are looked up by. IPv4 addresses fill the first four bytes and
 * leave the rest zero, as in conntrack's tuples.
 */
struct ksvc_key {
	union nf_inet_addr addr;
	union {
		struct {
			__be16 port;
			u8 protocol;
			u8 family;	/* NFPROTO_IPV4 or NFPROTO_IPV6, and KSVC_KEY_VIP */
		};
		u32 tail;
	};
};

/* An address as such, whatever its ports: no packet has such a key. */
#define KSVC_KEY_VIP	BIT(7)

static inline struct ksvc_key ksvc_key_vip(u8 family, const union nf_inet_addr *addr)
{
	struct ksvc_key key = { .addr = *addr, .family = family | KSVC_KEY_VIP };

	return key;
}

static inline bool ksvc_key_equal(const struct ksvc_key *a, const struct ksvc_key *b)
{
	return a->tail == b->tail && nf_inet_addr_cmp(&a->addr, &b->addr);
}

/* A frontend as a service has it. */
struct ksvc_front {
	struct ksvc_key key;		/* node ports: address 0 */
	u32 class;			/* KSVC_CLASS_* */
};

/* What a request says of an endpoint; the rest stays as it is. */
#define KSVC_GIVEN_WEIGHT	BIT(0)
#define KSVC_GIVEN_FLAGS	BIT(1)

/* Live connections of an endpoint, where the scheduler wants to know. */
struct ksvc_load {
	atomic_t active;
};

/* An endpoint as one service version has it: what packets read. */
struct ksvc_endpoint {
	union nf_inet_addr addr;
	__be16 port;
	u16 weight;
	u8 family;
	u8 flags;		/* KSVC_ENDPOINT_FLAGS_* */
	u8 given;		/* in a request: KSVC_GIVEN_* */
	u64 __percpu *connections;
};

/* The rest of it. */
struct ksvc_slot {
	u32 slot;		/* counter in the ident */
	u32 born;		/* tells it from others that had its slot */
	u64 base;		/* what the counter had when the endpoint came */
	struct ksvc_load *load;	/* NULL unless the scheduler is lc */
};

/* Sends hashes that fall into an entry's upper part, from threshold on, to
 * another one (Vose's alias method).
 */
struct ksvc_alias {
	u32 threshold;
	u32 other;
};

/* A run of a version's endpoints, all of which may be chosen. Which member of
 * the union it has depends on the scheduler.
 */
struct ksvc_set {
	u32 first;
	u32 n;
	union {
		void *data;
		struct ksvc_alias *alias;	/* random, sh; NULL: all weigh the same */
		u32 *sums;			/* wrr: of the weights so far */
		u16 *maglev;
	};
	u32 size;			/* of maglev's table; wrr: sum of the weights */
	u32 stride;			/* wrr */
};

enum { KSVC_V4, KSVC_V6, KSVC_FAMILIES };
enum { KSVC_CLUSTER, KSVC_LOCAL, KSVC_SETS };

struct ksvc_prefix {
	union nf_inet_addr addr;
	union nf_inet_addr mask;
	u8 family;
	u8 length;
	u8 covered;		/* in a service's ranges: by another one */
};

struct ksvc_features {
	u32 flags;		/* KSVC_SERVICE_FLAGS_* */
	u32 affinity;		/* seconds, 0: none */
	u32 scheduler;		/* KSVC_SCHEDULER_* */
	u32 maglev_size;	/* 0: as many as the endpoints want */
};

/* A service as somebody describes it. */
struct ksvc_spec {
	struct ksvc_front *frontends;
	struct ksvc_endpoint *endpoints;
	struct ksvc_prefix *ranges;
	u32 n_frontends;
	u32 n_endpoints;
	u32 n_ranges;
	u32 open_ranges[KSVC_FAMILIES];	/* as a version has it */
	struct ksvc_features features;
};

static inline unsigned int ksvc_family_index(u8 nfproto)
{
	return nfproto == NFPROTO_IPV6 ? KSVC_V6 : KSVC_V4;
}

struct ksvc_svc {
	/* in the first cache line, beyond which most packets do not look */
	u64 __percpu *connections;
	struct ksvc_features features;
	struct ksvc_set sets[KSVC_SETS][KSVC_FAMILIES];

	u64 affinity_owner;		/* of its clients' records; 0: none */
	struct ksvc_ident *ident;	/* a reference */
	u32 *by_slot;			/* index + 1 of the endpoint; NULL if not wanted */
	u32 n_slots;
	bool serves[KSVC_FAMILIES];	/* an endpoint that is serving (C3) */
	struct ksvc_slot *slots;	/* of endpoints; in this allocation */
	struct ksvc_front *frontends;	/* sorted, likewise */
	struct ksvc_prefix *ranges;	/* likewise; those not covered first */
	u32 n_frontends;
	u32 n_endpoints;
	u32 n_ranges;
	u32 open_ranges[KSVC_FAMILIES];	/* not covered; 0: everybody is let in */
	struct rcu_head rcu;
	/* by family, rank (see service.c), address, port; none in two cache lines */
	struct ksvc_endpoint endpoints[] __aligned(sizeof(struct ksvc_endpoint));
};

static_assert(offsetof(struct ksvc_svc, sets[KSVC_CLUSTER][KSVC_V6].size) <= 64);

static inline struct ksvc_slot *ksvc_slot(const struct ksvc_svc *svc,
					  const struct ksvc_endpoint *ep)
{
	return &svc->slots[ep - svc->endpoints];
}

/* A hash by name, for the configuration. */
struct ksvc_names {
	struct hlist_head *heads;
	u32 size;
	u32 n;
};

struct ksvc_named {
	struct hlist_node node;
	const char *name;
	u32 hash;
};

struct ksvc_segment {
	u64 __percpu *cells;
	struct ksvc_load *loads;	/* NULL until the scheduler is lc */
	u32 n;
};

struct ksvc_ident {
	refcount_t refs;
	atomic_t turn;			/* of rr and wrr */
	struct ksvc_svc *svc;		/* in force; NULL before and after */
	struct ksvc_segment *segments;	/* counters; cell 0 is the service's */
	u32 n_segments;
	u32 n_cells;
	u32 id;				/* in ksvc_net::services */
	struct ksvc_named named;
	char name[];			/* terminated */
};

/* An entry of the table that packets look into: one cache line. */
struct ksvc_frontend {
	struct ksvc_frontend __rcu *next[2];	/* in the current and the other table */
	struct ksvc_key key;
	union {
		u32 class;			/* KSVC_CLASS_* */
		u32 users;			/* of a VIP: frontends */
	};
	union {
		struct ksvc_svc __rcu *svc;
		struct {			/* of a VIP: frontends */
			u32 cluster_ips;
			u32 usable;		/* with endpoints */
		};
	};
	struct rcu_head rcu;
};

static_assert(sizeof(struct ksvc_frontend) <= 64);

struct ksvc_table {
	struct rcu_head rcu;
	u32 mask;
	u32 seed;
	u32 node;			/* index into ksvc_frontend::next */
	struct ksvc_frontend __rcu *buckets[];
};

#define KSVC_AFFINITY_WAYS 8

/* Which endpoint a client got last. */
struct ksvc_record {
	union nf_inet_addr client;
	u64 owner;			/* ksvc_svc::affinity_owner; 0: free */
	u64 used;			/* jiffies of the last new connection */
	u32 slot, born;			/* the endpoint's */
	u32 id;				/* the service's, for dumps */
	u8 family;
};

/* A name or a prefix of names, compared as two masked words. */
struct ksvc_ifname {
	u64 value[2];
	u64 mask[2];
};

struct ksvc_list {
	u32 n;
	struct ksvc_prefix prefixes[];
};

struct ksvc_settings {
	struct rcu_head rcu;
	struct ksvc_list *cluster_cidrs;	/* each NULL if empty */
	struct ksvc_list *service_cidrs;
	struct ksvc_list *nodeport_addresses;
	struct ksvc_ifname *pod_interfaces;
	u32 n_pod_interfaces;
	bool detector[KSVC_FAMILIES];		/* pods can be told apart */
	bool nodeport_list[KSVC_FAMILIES];	/* not all addresses of the family */
	bool masquerade_all;
	bool localhost_nodeports;
	bool drop_invalid;
	bool ping;
	u32 affinity_entries;
};

#define KSVC_REASONS (KSVC_REASON_ECHO + 1)

struct ksvc_counters {
	u64 reason[KSVC_REASONS];
	u64 masqueraded;
};

/* PREROUTING and OUTPUT twice, POSTROUTING */
#define KSVC_HOOKS 5

/* Written by the one who sweeps. */
struct ksvc_swept {
	u64 passes;
	u64 time;			/* nanoseconds */
	u64 v4, v6;			/* entries */
};

struct ksvc_net {
	/* packets */
	struct ksvc_table __rcu *table;
	struct ksvc_settings __rcu *settings;
	struct ksvc_counters __percpu *counters;
	struct ksvc_affinity __rcu *affinity;	/* NULL until a service wants it */
	unsigned long *node_ports;	/* a bit for each; NULL until there is one */
	u32 n_node_ports;		/* frontends */
	struct net *net;
	struct nf_hook_ops hooks[KSVC_HOOKS];

	/* configuration */
	struct mutex mutex;
	bool active;			/* hooks are registered; stays true */
	bool gone;			/* and will not be again */
	u64 generation;
	struct xarray services;		/* id -> ksvc_ident */
	struct ksvc_names names;	/* of ksvc_ident; counts the services */
	u32 n_frontends;
	u32 n_vips;
	u32 n_endpoints;
	unsigned long resize_cookie;	/* grace period of the last resize */
	struct list_head txns;
	struct delayed_work sweep;
	struct ksvc_swept swept;
};

struct ksvc_decision {
	u8 verdict;			/* KSVC_VERDICT_* */
	u8 reason;			/* KSVC_REASON_* */
	u8 rule;			/* KSVC_RULE_* */
	bool masquerade;
	const struct ksvc_svc *svc;	/* NULL if the destination is no frontend */
	const struct ksvc_set *set;	/* of dnat: those that may be chosen */
	const struct ksvc_endpoint *endpoint;	/* of dnat: the one chosen */
};

/* main.c */
struct ksvc_net *ksvc_net(const struct net *net);
u32 ksvc_namespaces(void);
int ksvc_activate(struct ksvc_net *kn);

/* table.c */
struct ksvc_frontend *ksvc_table_find(const struct ksvc_table *table,
				      const struct ksvc_key *key);
struct ksvc_table *ksvc_table_alloc(u32 entries, gfp_t gfp);
u32 ksvc_table_size(const struct ksvc_table *table);
void ksvc_table_insert(struct ksvc_table *table, struct ksvc_frontend *fe);
void ksvc_table_remove(struct ksvc_table *table, struct ksvc_frontend *fe);
void ksvc_table_move(struct ksvc_table *from, struct ksvc_table *to);
bool ksvc_list_match(const struct ksvc_list *list, u8 family,
		     const union nf_inet_addr *addr);

bool ksvc_prefix_match(const struct ksvc_prefix *p, u8 family, const union nf_inet_addr *addr);

/* ranges.c */
void ksvc_ranges_arrange(struct ksvc_spec *spec);
bool ksvc_ranges_match(const struct ksvc_svc *svc, u8 family, const union nf_inet_addr *addr);

/* ports.c */
int ksvc_ports_reserve(struct ksvc_net *kn);
void ksvc_ports_add(struct ksvc_net *kn, __be16 port);
void ksvc_ports_del(struct ksvc_net *kn, const struct ksvc_table *table, __be16 port);
bool ksvc_ports_avoid(const struct ksvc_net *kn, u32 hash, __be16 *min, __be16 *max);

/* schedule.c */
int ksvc_schedule_prepare(const struct ksvc_svc *svc, struct ksvc_set *set);
u32 ksvc_schedule(const struct ksvc_svc *svc, const struct ksvc_set *set,
		  const struct nf_conntrack_tuple *tuple, bool peek);

/* maglev.c */
bool ksvc_maglev_valid(u32 size);
u32 ksvc_maglev_size(u32 wanted, u32 n);
int ksvc_maglev_fill(u16 *table, u32 size, const struct ksvc_endpoint *ep, u32 n);
u32 ksvc_maglev_hash(const struct nf_conntrack_tuple *tuple);

/* affinity.c */
bool ksvc_affinity_read(const struct ksvc_net *kn, u32 index,
			struct ksvc_record copy[KSVC_AFFINITY_WAYS]);
void ksvc_affinity_forget(struct ksvc_net *kn, u64 owner, u8 family,
			  const union nf_inet_addr *client);
u64 ksvc_affinity_left(const struct ksvc_record *r, const struct ksvc_svc *svc);
u64 ksvc_affinity_new_owner(void);
int ksvc_affinity_reserve(struct ksvc_net *kn, u32 entries);
void ksvc_affinity_exit(struct ksvc_net *kn);
u32 ksvc_affinity_choose(const struct ksvc_net *kn, const struct ksvc_svc *svc,
			 const struct ksvc_set *set, const struct nf_conntrack_tuple *tuple,
			 bool peek);

/* load.c */
int ksvc_load_init(void);
void ksvc_load_exit(void);
void ksvc_load_forget(void);
void ksvc_load_track(struct nf_conn *ct, const struct ksvc_svc *svc,
		     const struct ksvc_endpoint *ep);

/* select.c */
int ksvc_alias_fill(struct ksvc_alias *alias, const struct ksvc_endpoint *ep, u32 n);
u32 ksvc_alias_select(const struct ksvc_set *set, u32 hash);

/* decide.c */
void ksvc_key_fill(struct ksvc_key *key, const struct nf_conntrack_tuple *tuple);
bool ksvc_enters_loopback(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple);
void ksvc_match(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		const char *in, struct ksvc_decision *d);
bool ksvc_masquerade(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		     const char *in, const struct ksvc_decision *d,
		     const struct ksvc_endpoint *ep);
const struct ksvc_endpoint *ksvc_choose(const struct ksvc_net *kn,
					const struct ksvc_decision *d,
					const struct nf_conntrack_tuple *tuple, bool peek);
void ksvc_decide(const struct ksvc_net *kn, const struct nf_conntrack_tuple *tuple,
		 const char *in, bool stray, struct ksvc_decision *d);

/* nat.c */
bool ksvc_addr_is_local(const struct ksvc_net *kn, u8 family,
			const union nf_inet_addr *addr);
bool ksvc_addr_is_on_lo(const struct ksvc_net *kn, __be32 addr);
u32 ksvc_flow_hash(const struct nf_conntrack_tuple *tuple);
u32 ksvc_client_hash(const struct nf_conntrack_tuple *tuple);
const struct tcphdr *ksvc_tcp_header(const struct sk_buff *skb, u8 family, struct tcphdr *buf);
int ksvc_nat_register(struct ksvc_net *kn);
void ksvc_nat_unregister(struct ksvc_net *kn);

/* invalid.c */
int ksvc_invalid_register(struct ksvc_net *kn);
void ksvc_invalid_unregister(struct ksvc_net *kn);

/* refuse.c */
unsigned int ksvc_refuse(struct sk_buff *skb, const struct nf_hook_state *state,
			 u8 verdict);

/* echo.c */
unsigned int ksvc_echo(struct nf_conn *ct, struct sk_buff *skb,
		       const struct nf_hook_state *state);

/* sweep.c */
void ksvc_sweep(struct ksvc_net *kn);
void ksvc_sweep_init(struct ksvc_net *kn);
void ksvc_sweep_exit(struct ksvc_net *kn);
int ksvc_sweeps_alloc(void);
void ksvc_sweeps_free(void);

/* service.c */
struct ksvc_ident *ksvc_ident_alloc(const char *name, u32 len);
void ksvc_ident_put(struct ksvc_ident *ident);
struct ksvc_svc *ksvc_svc_build(struct ksvc_ident *ident, const struct ksvc_spec *spec);
const struct ksvc_endpoint *ksvc_svc_find(const struct ksvc_svc *svc,
					  const struct ksvc_endpoint *key);
const struct ksvc_endpoint *ksvc_svc_by_slot(const struct ksvc_svc *svc, u32 slot, u32 born);
bool ksvc_endpoints_equal(const struct ksvc_svc *a, const struct ksvc_svc *b);
bool ksvc_svc_is(const struct ksvc_svc *svc, const struct ksvc_spec *spec);
void ksvc_svc_free(struct ksvc_svc *svc);
void ksvc_svc_free_rcu(struct ksvc_svc *svc);
int ksvc_endpoint_cmp(const void *a, const void *b);
void ksvc_endpoints_sort(struct ksvc_endpoint *ep, u32 n,
			 int (*cmp)(const void *, const void *));
u64 ksvc_connections(const u64 __percpu *cell);

/* names.c */
int ksvc_names_reserve(struct ksvc_names *names, u32 n);
struct ksvc_named *ksvc_names_find(const struct ksvc_names *names, const char *name);
void ksvc_names_add(struct ksvc_names *names, struct ksvc_named *named, const char *name);
void ksvc_names_del(struct ksvc_names *names, struct ksvc_named *named);
void ksvc_names_free(struct ksvc_names *names);

/* txn.c: what a transaction holds; all under ksvc_net::mutex */
struct ksvc_change {
	struct list_head list;
	struct ksvc_named named;	/* by the ident's name */
	struct ksvc_ident *ident;	/* a reference */
	bool delete;
	bool same;			/* as it is in force, found at commit */
	struct ksvc_spec spec;		/* sorted frontends and endpoints */
	struct ksvc_svc *svc;		/* prepared by commit */
	struct ksvc_frontend **entries;	/* prepared by commit: frontend, VIP, ... */
};

struct ksvc_txn {
	struct list_head list;		/* in ksvc_net::txns, or empty */
	u32 portid;
	u32 flags;			/* KSVC_TXN_FLAGS_* */
	u64 base;			/* generation it is made for */
	bool failed;			/* a request failed: commit must too */
	u32 requests;			/* that arrived */
	struct ksvc_names names;
	struct list_head changes;
};

struct ksvc_ident *ksvc_find(const struct ksvc_net *kn, const char *name);
struct ksvc_txn *ksvc_txn_find(struct ksvc_net *kn, u32 portid);
struct ksvc_txn *ksvc_txn_alloc(struct ksvc_net *kn, u32 portid, u32 flags);
void ksvc_txn_free(struct ksvc_txn *txn);
struct ksvc_change *ksvc_txn_change(struct ksvc_txn *txn, const char *name);
int ksvc_txn_delete_rest(struct ksvc_net *kn, struct ksvc_txn *txn);
void ksvc_spec_free(struct ksvc_spec *spec);
int ksvc_txn_put(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name, u32 mode,
		 const struct ksvc_spec *spec, struct netlink_ext_ack *extack);
int ksvc_txn_del(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
		 struct netlink_ext_ack *extack);
int ksvc_txn_put_endpoints(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
			   u32 mode, struct ksvc_endpoint *endpoints, u32 n,
			   struct netlink_ext_ack *extack);
int ksvc_txn_del_endpoints(struct ksvc_net *kn, struct ksvc_txn *txn, const char *name,
			   struct ksvc_endpoint *endpoints, u32 n,
			   struct netlink_ext_ack *extack);

/* commit.c */
bool ksvc_frontends_have(const struct ksvc_front *frontends, u32 n, const struct ksvc_key *key);
int ksvc_key_cmp(const void *a, const void *b);
int ksvc_commit(struct ksvc_net *kn, struct ksvc_txn *txn, u32 *changes,
		struct netlink_ext_ack *extack);
void ksvc_config_init(struct ksvc_net *kn);
void ksvc_config_exit(struct ksvc_net *kn);

/* settings.c */
struct ksvc_settings *ksvc_settings_dup(const struct ksvc_settings *from);
struct ksvc_list *ksvc_list_dup(const struct ksvc_list *from);
void ksvc_settings_publish(struct ksvc_net *kn, struct ksvc_settings *settings);
void ksvc_settings_init(struct ksvc_net *kn);
void ksvc_settings_free(struct ksvc_settings *settings);
const struct ksvc_settings *ksvc_settings_get(const struct ksvc_net *kn);

/* netlink.c */
void ksvc_nl_notify_service(struct ksvc_net *kn, const struct ksvc_ident *ident,
			    const struct ksvc_svc *svc, u32 event);
void ksvc_nl_notify_commit(struct ksvc_net *kn, u32 changes);
int ksvc_nl_init(void);
void ksvc_nl_exit(void);

/* plant.c */
#ifdef KSVC_TEST_PLANT
void ksvc_plant(struct ksvc_net *kn, struct ksvc_ident *ident, const struct ksvc_svc *old);
#else
static inline void ksvc_plant(struct ksvc_net *kn, struct ksvc_ident *ident,
			      const struct ksvc_svc *old)
{
}
#endif

#endif /* _KSVC_H */
