/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_K8S_H
#define _KSVC_K8S_H

#include <jansson.h>

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
 * Annotations of ksvc.io: on a Service scheduler and on-remove, as ksvcctl's
 * options; on an EndpointSlice weight, of all its endpoints.
 *
 * Strings are borrowed from the documents, which the collection keeps.
 */
enum k8s_family { K8S_V4, K8S_V6, K8S_FAMILIES };

struct k8s_port {
	const char *name;		/* NULL: absent */
	uint16_t port;
	uint16_t node_port;
	uint8_t protocol;
};

struct k8s_addresses {
	struct addr *list;
	size_t n;
};

struct k8s_service {
	const char *ns, *name;
	const char *skipped;		/* why it counts for nothing, or NULL */
	struct addr cluster_ip[K8S_FAMILIES];	/* .family 0: none */
	struct k8s_addresses external_ips, lb_ips;
	struct k8s_port *ports;
	size_t n_ports;
	struct service options;		/* and the source ranges; no other lists */
};

struct k8s_endpoint {
	struct addr addr;
	bool ready, serving, terminating;
	const char *node;
	const json_t *zone_hints, *node_hints;	/* arrays, or NULL */
};

struct k8s_slice {
	const char *ns, *name, *service;
	uint16_t family;
	uint32_t weight;
	struct k8s_port *ports;
	size_t n_ports;
	struct k8s_endpoint *endpoints;
	size_t n_endpoints;
};

struct k8s_texts {
	char **list;
	size_t n;
};

struct k8s {
	json_t **documents;
	size_t n_documents;
	struct k8s_service *services;
	size_t n_services;
	struct k8s_slice *slices;
	size_t n_slices;
	struct k8s_texts notes;		/* what counts for nothing, by the rules */
	struct k8s_texts warnings;	/* what is left out because it cannot be */
};

struct k8s_node {
	const char *name;		/* NULL: unknown, no endpoint is local */
	const char *zone;		/* NULL: no label */
	struct k8s_addresses ips;	/* the primary ones */
	bool no_external_ips;		/* S9 */
};

/* k8s_read.c: takes in the objects of one document. */
int k8s_add(struct k8s *k, json_t *root, struct err *e);
void k8s_free(struct k8s *k);
void k8s_note(struct k8s *k, const char *fmt, ...) __printf(2, 3);
void k8s_warn(struct k8s *k, const char *fmt, ...) __printf(2, 3);

/*
 * k8s.c: the services that the objects make on this node, sorted. Sorts k.
 * An object that cannot be applied is left out with a warning.
 */
int k8s_compile(struct k8s *k, const struct k8s_node *node, struct model *m, struct err *e);

/* Whether one of the objects is the Service that a name was made of. Needs a
 * compiled collection.
 */
bool k8s_owns(const struct k8s *k, const char *name);

/* k8s_endpoints.c: adds the endpoints that a Service's port has on this node. Needs
 * slices sorted by Service.
 */
void k8s_sort_slices(struct k8s *k);
void k8s_add_endpoints(const struct k8s *k, const struct k8s_service *s,
		       const struct k8s_port *port, uint16_t family,
		       const struct k8s_node *node, struct service *to);

#endif
