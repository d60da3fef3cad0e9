/* SPDX-License-Identifier: GPL-2.0 */
/* The model of test_model.c: a configuration is an array of services. */
#ifndef _KSVC_TEST_MODEL_H
#define _KSVC_TEST_MODEL_H

#include "test.h"

#define SERVICES	10
#define NODE_PORTS	12
#define FRONTENDS	(56 + NODE_PORTS)	/* the last are node ports */
#define ENDPOINTS	24
#define RANGES		6
#define WRITERS		3	/* of which 0 has no transactions */

struct model_endpoint {
	bool there;
	u16 weight;
	u8 flags;
	u64 connections;
};

struct model_service {
	bool there;
	u8 frontends[FRONTENDS];	/* 0, or the class + 1 */
	bool ranges[RANGES];
	struct ksvc_features features;
	struct model_endpoint endpoints[ENDPOINTS];
	u64 connections;
};

struct model_txn {
	bool open, failed;
	u64 base;
	struct model_service services[SERVICES];
};

struct model {
	struct model_service services[SERVICES];	/* in force */
	u64 generation;
	struct model_txn txns[WRITERS];
};

extern struct model model;

/* All that there can be. */
extern struct ksvc_key universe_keys[FRONTENDS];
extern struct ksvc_endpoint universe_endpoints[ENDPOINTS];
extern struct ksvc_prefix universe_ranges[RANGES];
extern char universe_names[SERVICES][KSVC_NAME_MAX + 1];

/* What a packet to a frontend gets; port: of its sender, in network order. */
struct ksvc_decision model_packet(const struct ksvc_net *kn, u32 frontend, __be16 port);
/* Whether everything that packets and dumps can see is as in the model. */
bool model_check(const struct ksvc_net *kn);
bool model_same(u64 is, u64 wanted, const char *what);

#endif
