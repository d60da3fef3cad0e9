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
 *    if there is anything external. S8 Other fields do not matter.
 * E1 Ports join by name and protocol. E2 Slice ports without name or number
 *    are skipped; the first address counts. E3 Absent conditions: ready,
 *    serving, not terminating. E4 Slices unite; of one address and port, what
 *    does not terminate wins. E5 An endpoint is local by its nodeName.
 * P1 The cluster set is the ready endpoints, less what hints leave out;
 * P2 if none is ready, those that serve and terminate.
 * P3, P4 The local set is the same of local endpoints, without hints.
 * T1 If all ready endpoints have node hints and one names this node, those
 *    that do; T2 else the same with zone hints and this zone; T3, T4 else all.
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

struct k8s_service {
	const char *ns, *name;
	const char *skipped;		/* why it counts for nothing, or NULL */
	struct addr cluster_ip[K8S_FAMILIES];	/* .family 0: none */
	struct k8s_port *ports;
	size_t n_ports;

	/* What apply does not do yet, to be said. */
	size_t external_ips, ingress_ips;
	bool node_ports, internal_local, external_local, affinity, source_ranges;
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
	struct k8s_port *ports;
	size_t n_ports;
	struct k8s_endpoint *endpoints;
	size_t n_endpoints;
};

struct k8s {
	json_t **documents;
	size_t n_documents;
	struct k8s_service *services;
	size_t n_services;
	struct k8s_slice *slices;
	size_t n_slices;
	char **notes;			/* what was ignored */
	size_t n_notes;
};

struct k8s_node {
	const char *name;		/* NULL: unknown, no endpoint is local */
	const char *zone;		/* NULL: no label */
};

/* k8s_read.c: takes in the objects of one document. */
int k8s_add(struct k8s *k, json_t *root, struct err *e);
void k8s_free(struct k8s *k);
void k8s_note(struct k8s *k, const char *fmt, ...) __printf(2, 3);

/*
 * k8s.c: the services that the objects make on this node, sorted. Sorts k.
 * warn is called with each sentence about something that is not applied.
 */
int k8s_compile(struct k8s *k, const struct k8s_node *node, struct model *m,
		void (*warn)(const char *text), struct err *e);

/* Whether one of the objects is the Service that a name was made of. Needs a
 * compiled collection.
 */
bool k8s_owns(const struct k8s *k, const char *name);

#endif
