/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_K8S_FIXTURE_H
#define _KSVC_K8S_FIXTURE_H

#include "lib/k8s.h"

/* YAML of objects in namespace "ns", from flow-style parts. */
#define SERVICE(name, spec) \
	"---\nkind: Service\napiVersion: v1\nmetadata: {name: " name ", namespace: ns}\n" \
	"spec: {" spec "}\n"
#define ANNOTATED(name, annotations, spec) \
	"---\nkind: Service\napiVersion: v1\nmetadata: {name: " name ", namespace: ns, " \
	"annotations: {" annotations "}}\nspec: {" spec "}\n"
#define SLICE(name, service, type, ports, endpoints) \
	"---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\n" \
	"metadata: {name: " name ", namespace: ns, labels: {kubernetes.io/service-name: " service "}}\n" \
	"addressType: " type "\nports: [" ports "]\nendpoints: [" endpoints "]\n"

/* What the objects make on node "here" in zone "a", as model_text(), or "error: ...". */
char *compile(const char *input);
char *compile_on(const struct k8s_node *node, const char *input);

/* What the last one warned of, a line each. */
const char *warnings(void);

/*
 * Of one service whose slice has these endpoints: the addresses of the cluster
 * set; and those of all with their sets.
 */
char *endpoints(const char *yaml);
char *sets(const char *yaml);

#endif
