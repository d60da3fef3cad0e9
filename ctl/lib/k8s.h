/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_K8S_H
#define _KSVC_K8S_H

#include <jansson.h>

#include "hash.h"
#include "model.h"

/*
 * Kubernetes objects and what they mean on one node, by the rules of
 * kube-proxy. The code names them by these numbers:
 *
 * S1 Services without clusterIP, headless or ExternalName count for nothing,
 * S2 nor do those of another proxy (label service-proxy-name),
 * S3 slices labelled headless, without a Service, or of another family.
 * S4 Each family is a world of its own, with the clusterIP at its place in
 *    ipFamilies. S5 Addresses are read leniently, those that are none skipped.
 * S6 Load balancer IPs count with ipMode VIP. S7 externalTrafficPolicy counts
 *    if there is anything external. S8 Other fields do not matter. S9 External
 *    IPs can be switched off.
 * E1 Ports join by name and protocol. E2 Slice ports without name or number
 *    are skipped; the first address counts. E3 Absent conditions: ready,
 *    serving, not terminating. E4 Slices unite; of one address and port, what
 *    does not terminate wins. E5 An endpoint is local by its nodeName.
 * P1 The cluster set is the ready endpoints, less what hints leave out;
 * P2 if none is ready, those that serve and terminate.
 * P3, P4 The local set is the same of local endpoints, without hints.
 * T1 If all ready endpoints have node hints and one names this node, those
 *    that do; T2 else the same with zone hints and this zone; T3, T4 else all.
 * F5 Source ranges that the node is in admit the load balancer IPs, too.
 * C3 All endpoints that serve are endpoints, if of no set: UDP flows to others
 *    are ended.
 *
 * H1 A Service has a health port if it is a load balancer's and S7 says Local.
 * H3 What that counts are the addresses of local ready endpoints.
 *
 * Annotations of ksvc.io: on a Service scheduler, maglev-size and on-remove, as
 * ksvcctl's options; on an EndpointSlice weight, of all its endpoints.
 */
enum k8s_family { K8S_V4, K8S_V6, K8S_FAMILIES };

/* Texts are interned, if not said otherwise. */
struct k8s_port {
	const char *name;
	uint16_t port;
	uint16_t node_port;
	uint8_t protocol;
};

struct k8s_addresses {
	struct addr *list;
	size_t n;
};

struct k8s_service {
	const char *skipped;		/* a literal: why it counts for nothing, or NULL */
	struct addr cluster_ip[K8S_FAMILIES];	/* .family 0: none */
	struct k8s_addresses external_ips, lb_ips;
	struct k8s_port *ports;
	size_t n_ports;
	struct service options;		/* and the source ranges; no other lists */
	bool has_scheduler;		/* else the node's */
	uint16_t health_port;		/* H1; 0: none */
	const char *version;
	unsigned int epoch;
};

struct k8s_endpoint {
	struct addr addr;
	bool ready, serving, terminating;
	const char *node;		/* or NULL */
	const char *zone_hints, *node_hints;	/* each followed by '\n', or NULL */
};

/* Belongs to its entry and stands in the table of slices. */
struct k8s_slice {
	struct hnode node;
	struct k8s_entry *entry;
	char *ns, *name;
	bool skipped;			/* S3: for nothing but its name */
	uint16_t family;
	uint32_t weight;
	struct k8s_port *ports;
	size_t n_ports;
	struct k8s_endpoint *endpoints;
	size_t n_endpoints;
	const char *version;
	unsigned int epoch;
};

/* That a service of this entry wants a frontend. */
struct k8s_claim {
	struct hnode node;
	struct frontend frontend;
	struct k8s_entry *entry;
	const char *name;		/* of the service */
	uint32_t service;		/* its place in the entry */
};

/*
 * A Service's name, with all that has to do with it. In force is what wanted
 * was when the owner of the collection last called k8s_settled().
 */
struct k8s_entry {
	struct hnode node;
	char *ns, *name;
	struct k8s_service *service;	/* NULL: slices without a Service */
	struct k8s_slice **slices;
	struct k8s_claim *claims;
	struct service *wanted, *in_force;	/* sorted by name */
	size_t n_slices, n_claims, n_wanted, n_in_force;
	unsigned int local_ready[K8S_FAMILIES];	/* H3 */
	uint32_t said[2];		/* hashes of its last warnings: of its objects, of claims */
	bool dirty, changed;
	bool refused;			/* the owner's, until it is compiled again */
};

struct k8s_entries {
	struct k8s_entry **list;
	size_t n;
};

struct k8s_texts {
	char **list;
	size_t n;
};

struct k8s_node {
	const char *name;		/* NULL: unknown, no endpoint is local */
	const char *zone;		/* NULL: no label */
	struct k8s_addresses ips;	/* the primary ones */
	bool no_external_ips;		/* S9 */
	uint32_t scheduler;		/* of Services that name none */
};

enum k8s_kind { K8S_SERVICE, K8S_SLICE, K8S_KINDS };

/*
 * A collection of objects and what they make on one node. Objects come and go;
 * k8s_update() brings what follows up to date. All zero is an empty one.
 */
struct k8s {
	const struct k8s_node *node;	/* the caller's */
	struct htable entries, slices, claims;
	size_t n_services;		/* objects, with those that count for nothing */
	unsigned int epoch[K8S_KINDS];
	struct k8s_entries dirty;	/* to be compiled */
	struct k8s_entries changed;	/* what is wanted may not be what is in force */
	struct k8s_texts notes;		/* what counts for nothing, by the rules */
	struct k8s_texts warnings;	/* what is left out because it cannot be */
};

/*
 * k8s_read.c: takes in all objects of a document, in which none may be that is
 * there already. On failure those before stay.
 */
int k8s_add(struct k8s *k, const json_t *root, struct err *e);

/*
 * k8s_store.c. One object, new or instead of its former self; one of the same
 * resourceVersion changes nothing. On failure, so does this one. 1: it is new.
 */
int k8s_put(struct k8s *k, enum k8s_kind kind, const json_t *object, struct err *e);

/* An object that cannot be read stays as it was, also beyond the end of a list that has it. */
void k8s_keep(struct k8s *k, enum k8s_kind kind, const char *ns, const char *name);
void k8s_del(struct k8s *k, enum k8s_kind kind, const char *ns, const char *name);

/* What is not put between these two, is deleted by the second; what could not be put stays. */
void k8s_list_begin(struct k8s *k, enum k8s_kind kind);
void k8s_list_end(struct k8s *k, enum k8s_kind kind);

void k8s_free(struct k8s *k);

/* All entries are compiled again: the node has changed. */
void k8s_dirty_all(struct k8s *k);

/*
 * k8s_compile.c: compiles what has changed. Then the entries in k->changed want
 * what they say, until k8s_settled() of them. Warnings come when they are new.
 */
void k8s_update(struct k8s *k);

/* What the entry wants is in force now; an entry without anything is freed. */
void k8s_settled(struct k8s *k, struct k8s_entry *entry);

/*
 * What is in force is this, and nothing else: takes the services over, of those
 * that no object is behind, m keeps. Then all entries are in k->changed.
 */
void k8s_reload(struct k8s *k, struct model *m);

/* Adds all that is wanted to m, sorted; its services are borrowed. */
void k8s_wanted(const struct k8s *k, struct model *m);

/* How many slices have no Service. */
void k8s_warn_of_orphans(struct k8s *k);

/* Whether one of the objects is the Service that a name was made of. */
bool k8s_owns(const struct k8s *k, const char *name);

void k8s_note(struct k8s *k, const char *fmt, ...) __printf(2, 3);
void k8s_warn(struct k8s *k, const char *fmt, ...) __printf(2, 3);
void k8s_texts_clear(struct k8s_texts *list);

/* Between the files of k8s: */
struct k8s_entry *k8s_find(const struct k8s *k, const char *ns, const char *name);
void k8s_mark_dirty(struct k8s *k, struct k8s_entry *entry);
void k8s_service_free(struct k8s_service *s);
void k8s_slice_free(struct k8s_slice *s);

void k8s_mark_changed(struct k8s *k, struct k8s_entry *entry);
struct k8s_entry *k8s_owner(const struct k8s *k, const char *name);

/* k8s_claims.c: puts the frontends of what is wanted into the table; entries
 * that win or lose one by that become dirty.
 */
void k8s_claim(struct k8s *k, struct k8s_entry *entry);
void k8s_drop_claims(struct k8s *k, struct k8s_entry *entry);
/* Takes from what is wanted what others have claimed first. */
void k8s_settle_claims(struct k8s *k, struct k8s_entry *entry);

/* k8s_endpoints.c: adds the endpoints that a Service's port has on this node. */
void k8s_add_endpoints(const struct k8s_entry *entry, const struct k8s_port *port,
		       uint16_t family, const struct k8s_node *node, struct service *to);
unsigned int k8s_local_ready(const struct k8s_entry *entry, uint16_t family,
			     const struct k8s_node *node);

#endif
