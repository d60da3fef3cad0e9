/* SPDX-License-Identifier: GPL-2.0 */
/* What tests are made of: expectations, and a namespace to configure by text. */
#ifndef _KSVC_TEST_H
#define _KSVC_TEST_H

#include "ksvc.h"

#include <linux/netlink.h>

struct test {
	const char *name;
	void (*run)(void);
};

/* of each file, up to an entry without a name */
extern const struct test decide_tests[], select_tests[], table_tests[], service_tests[],
			 txn_tests[], conflict_tests[], fail_tests[], model_tests[],
			 external_tests[], untranslated_tests[], cross_tests[], ranges_tests[],
			 schedule_tests[], maglev_tests[], affinity_tests[],
			 record_tests[];

/* Both go on after a failure; the second says what of. */
#define expect(cond)		expect_(cond, __FILE__, __LINE__, #cond, NULL)
#define expect_for(what, cond)	expect_(cond, __FILE__, __LINE__, #cond, what)
bool expect_(bool ok, const char *file, int line, const char *cond, const char *what);
void diagnose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A generator with a seed of its own. */
u32 next_random(u64 *state);

/* Text: "10.0.0.1", "fd00::1"; "10.0.0.1:80/tcp", "[fd00::1]:53/udp=CLASS",
 * where CLASS is "ext", "lb", "np" (at 0.0.0.0 or [::]), or a ClusterIP without;
 * "10.0.0.1:8080@WEIGHT/FLAGS", where FLAGS is of "c" (cluster), "l" (local)
 * and "-" (none). What is not there is not given: weight 1, both flags.
 */
union nf_inet_addr addr_of(const char *text, u8 *family);
struct ksvc_key key_of(const char *text);
struct ksvc_front front_of(const char *text);
struct ksvc_endpoint endpoint_of(const char *text);

/* A namespace. net_free() of the last expects that nothing stays allocated. */
struct ksvc_net *net_new(void);
void net_free(struct ksvc_net *kn);

/* Requests, as netlink.c makes them: those of socket 0 are transactions of one,
 * others part of the transaction that begin() opened. Lists are texts separated
 * by blanks. Each expects a message with every refusal.
 */
extern struct netlink_ext_ack extack;
extern struct ksvc_features features;	/* of what put() puts */
extern struct ksvc_prefix ranges[16];
extern u32 n_ranges;
void set_ranges(const char *text);
int begin(struct ksvc_net *kn, u32 portid, u32 flags);
int put(struct ksvc_net *kn, u32 portid, u32 mode, const char *name, const char *frontends,
	const char *endpoints);
int put_arrays(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
	       const struct ksvc_front *frontends, u32 n_frontends,
	       const struct ksvc_endpoint *endpoints, u32 n_endpoints);
int del(struct ksvc_net *kn, u32 portid, const char *name);
int put_endpoints(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
		  const char *endpoints);
int put_endpoint_array(struct ksvc_net *kn, u32 portid, u32 mode, const char *name,
		       const struct ksvc_endpoint *endpoints, u32 n);
int del_endpoints(struct ksvc_net *kn, u32 portid, const char *name, const char *endpoints);
int del_endpoint_array(struct ksvc_net *kn, u32 portid, const char *name,
		       const struct ksvc_endpoint *endpoints, u32 n);
int commit(struct ksvc_net *kn, u32 portid, u32 *changes);
int end(struct ksvc_net *kn, u32 portid);

/* Settings by text, lists separated by blanks; NULL and 0 stand for none. */
struct setting {
	const char *cluster_cidrs;
	const char *service_cidrs;
	const char *pod_interfaces;
	bool masquerade_all;
	const char *nodeport_addresses;
	bool localhost_nodeports;
	bool ping;
	u32 affinity_entries;		/* as it was, if 0 */
};

int set(struct ksvc_net *kn, struct setting setting);
struct ksvc_prefix prefix_of(const char *text);
struct ksvc_ifname ifname_of(const char *text);

/* Addresses of the node, separated by blanks. */
extern const char *local_addresses;

/* Whether what decide() asks about is a segment that opens no connection. */
extern bool stray;

/* What flows hash to, if it is not their own hash. */
extern bool fixed_hash;
extern u32 flow_hash;

/* The tuple of a flow, ports and protocol from "to". */
struct nf_conntrack_tuple tuple_of(const char *from, const char *to);
struct ksvc_decision decide(const struct ksvc_net *kn, const char *from, const char *to,
			    const char *in);
/* The service in force that a frontend leads to, or NULL. */
const struct ksvc_svc *lookup(const struct ksvc_net *kn, const char *to);
/* The same as text: "NAME: ENDPOINT[@WEIGHT] ...", those that may be chosen. */
const char *choices(const struct ksvc_net *kn, const char *to);
/* A connection to an endpoint of the service that a frontend leads to. */
void connect_to(const struct ksvc_net *kn, const char *to, const char *endpoint);
u64 connections(const struct ksvc_net *kn, const char *to, const char *endpoint);
const struct ksvc_endpoint *endpoint_in(const struct ksvc_svc *svc, const char *text);

/* A number for everything that packets and requests can see of a namespace. */
u64 fingerprint(const struct ksvc_net *kn);

/* What was announced, and how often ksvc_sweep() was called, since net_new(). */
struct event {
	char name[KSVC_NAME_MAX + 1];	/* empty: a commit */
	u32 event;
	u32 changes;
	u64 generation;
};

extern struct event events[64];
extern unsigned int n_events, n_sweeps;
extern int activate_error;

#endif
