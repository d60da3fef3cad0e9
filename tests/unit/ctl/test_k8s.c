// SPDX-License-Identifier: GPL-2.0
/* The rules of lib/k8s.h, by their numbers. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "k8s_fixture.h"

#define WEB \
	"kind: Service\n" \
	"apiVersion: v1\n" \
	"metadata: {name: web, namespace: ns}\n" \
	"spec:\n" \
	"  clusterIP: 10.96.0.1\n" \
	"  ports: [{name: http, port: 80}]\n"

static void s1(void)
{
	expect_text(compile(SERVICE("a", "clusterIP: None, ports: [{port: 80}]")
			    SERVICE("b", "clusterIP: '', ports: [{port: 80}]")
			    SERVICE("c", "ports: [{port: 80}]")
			    SERVICE("d", "type: ExternalName, clusterIP: 10.96.0.4, ports: [{port: 80}]")
			    SERVICE("e", "clusterIP: 10.96.0.5, ports: [{port: 80}]")),
		    "ns/e 10.96.0.5:80/tcp ->");
}

static void s2(void)
{
	expect_text(compile("kind: Service\napiVersion: v1\nmetadata:\n  name: web\n"
			    "  labels: {service.kubernetes.io/service-proxy-name: ''}\n"
			    "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n"), "");
}

static void s3(void)
{
	expect_text(compile(WEB
			    SLICE("a", "web", "IPv4", "{name: http, port: 1}", "{addresses: [10.1.0.1]}")
			    SLICE("b", "web, service.kubernetes.io/headless: ''", "IPv4",
				  "{name: http, port: 1}", "{addresses: [10.1.0.2]}")
			    SLICE("c", "web", "FQDN", "{name: http, port: 1}", "{addresses: [a.example]}")
			    SLICE("d", "other", "IPv4", "{name: http, port: 1}", "{addresses: [10.1.0.4]}")
			    SLICE("e", "web", "IPv6", "{name: http, port: 1}", "{addresses: [fd00::5]}")
			    "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\n"
			    "metadata: {name: f, namespace: ns}\naddressType: IPv4\n"
			    "ports: [{name: http, port: 1}]\nendpoints: [{addresses: [10.1.0.6]}]\n"
			    "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\n"
			    "metadata: {name: a, labels: {kubernetes.io/service-name: web}}\n"
			    "addressType: IPv4\nports: [{name: http, port: 1}]\n"
			    "endpoints: [{addresses: [10.1.0.7]}]\n"),
		    "ns/web:http 10.96.0.1:80/tcp -> 10.1.0.1:1@1/cluster");
}

static void s4(void)
{
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], "
				    "ipFamilies: [IPv4, IPv6], ports: [{port: 80}]")
			    SERVICE("b", "clusterIP: 'fd00::2', clusterIPs: ['fd00::2', 10.96.0.2], "
				    "ipFamilies: [IPv6], ports: [{port: 80}]")
			    SERVICE("c", "clusterIP: 10.96.0.3, ipFamilies: [], ports: [{port: 80}]")
			    SERVICE("d", "clusterIP: 10.96.0.4, ipFamilies: [IPv6, IPv4], "
				    "clusterIPs: ['fd00::4'], ports: [{port: 80}]")
			    SLICE("a4", "a", "IPv4", "{name: '', port: 1}", "{addresses: [10.1.0.1]}")
			    SLICE("a6", "a", "IPv6", "{name: '', port: 1}", "{addresses: ['fd01::1']}")
			    SLICE("b4", "b", "IPv4", "{name: '', port: 1}", "{addresses: [10.1.0.2]}")),
		    "ns/a 10.96.0.1:80/tcp [fd00::1]:80/tcp -> 10.1.0.1:1@1/cluster [fd01::1]:1@1/cluster; "
		    "ns/b [fd00::2]:80/tcp ->; ns/c 10.96.0.3:80/tcp ->; ns/d [fd00::4]:80/tcp ->");
}

static void s7_s8(void)
{
	static const char *const none = "ns/a 10.96.0.1:80/tcp ->";

	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, externalTrafficPolicy: Local, "
				    "trafficDistribution: PreferClose, publishNotReadyAddresses: true, "
				    "selector: {app: x}, loadBalancerIP: 1.2.3.4, "
				    "ports: [{port: 80, targetPort: http, appProtocol: h2c}]")), none);
	expect_text(compile(SERVICE("a", "type: ClusterIP, clusterIP: 10.96.0.1, externalIPs: [], "
				    "externalTrafficPolicy: Local, ports: [{port: 80}]")), none);
	expect_text(warnings(), "");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [1.2.3.4], "
				    "externalTrafficPolicy: Local, ports: [{port: 80}]")),
		    "ns/a external-policy=local 1.2.3.4:80/tcp=external-ip 10.96.0.1:80/tcp ->");
	expect_text(compile(SERVICE("a", "type: NodePort, clusterIP: 10.96.0.1, internalTrafficPolicy: Local, "
				    "externalTrafficPolicy: Local, ports: [{port: 80}]")),
		    "ns/a internal-policy=local external-policy=local 10.96.0.1:80/tcp ->");
	expect_text(compile(SERVICE("a", "type: LoadBalancer, clusterIP: 10.96.0.1, internalTrafficPolicy: Cluster, "
				    "externalTrafficPolicy: Cluster, ports: [{port: 80}]")), none);
}

static void e1(void)
{
	expect_text(compile(SERVICE("web", "clusterIP: 10.96.0.1, ports: [{name: p, port: 80}, "
				    "{name: q, port: 81, protocol: UDP}]")
			    SLICE("a", "web", "IPv4", "{name: p, port: 1}, {name: p, port: 2, protocol: UDP}, "
				  "{name: q, port: 3, protocol: UDP}, {name: '', port: 80}",
				  "{addresses: [10.1.0.1]}")),
		    "ns/web:p 10.96.0.1:80/tcp -> 10.1.0.1:1@1/cluster; "
		    "ns/web:q 10.96.0.1:81/udp -> 10.1.0.1:3@1/cluster");
}

static void e2(void)
{
	expect_text(compile(SERVICE("web", "clusterIP: 10.96.0.1, ports: [{port: 80}]")
			    SLICE("a", "web", "IPv4", "{port: 1}, {name: '', port: 2}, {name: ''}, "
				  "{name: '', port: 0}, {name: null, port: 5}",
				  "{addresses: [10.1.0.1, 10.1.0.2]}, {addresses: []}")),
		    "ns/web 10.96.0.1:80/tcp -> 10.1.0.1:2@1/cluster");
}

static void e3(void)
{
	expect_text(endpoints("{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {}}, "
			      "{addresses: [10.1.0.3], conditions: {ready: null}}, "
			      "{addresses: [10.1.0.4], conditions: {ready: false}}"),
		    "10.1.0.1 10.1.0.2 10.1.0.3");
	/* Serving, too, is true if absent. */
	expect_text(sets("{addresses: [10.1.0.1], conditions: {ready: false, terminating: true}}"),
		    "10.1.0.1/cluster,draining");
}

static void e4(void)
{
	expect_text(compile(WEB
			    SLICE("a", "web", "IPv4", "{name: http, port: 1}, {name: http, port: 2}",
				  "{addresses: [10.1.0.1], conditions: {ready: false, terminating: true}}, "
				  "{addresses: [10.1.0.2]}")
			    SLICE("b", "web", "IPv4", "{name: http, port: 1}", "{addresses: [10.1.0.1]}")),
		    "ns/web:http 10.96.0.1:80/tcp -> 10.1.0.1:1@1/cluster 10.1.0.1:2@1/draining "
		    "10.1.0.2:1@1/cluster 10.1.0.2:2@1/cluster");
}

static void e5(void)
{
	expect_text(sets("{addresses: [10.1.0.1], nodeName: here}, {addresses: [10.1.0.2], nodeName: there}, "
			 "{addresses: [10.1.0.3]}, {addresses: [10.1.0.4], nodeName: Here}"),
		    "10.1.0.1/cluster,local 10.1.0.2/cluster 10.1.0.3/cluster 10.1.0.4/cluster");
}

#define READY(n, more) "{addresses: [10.1.0." #n "]" more "}"
#define DRAINING(n, more) "{addresses: [10.1.0." #n "], conditions: {ready: false, serving: true, " \
	"terminating: true}" more "}"
#define GONE(n) "{addresses: [10.1.0." #n "], conditions: {ready: false, serving: false, terminating: true}}"
#define UNREADY(n) "{addresses: [10.1.0." #n "], conditions: {ready: false, serving: true}}"

static void p1_p2(void)
{
	expect_text(endpoints(READY(1, "") ", " DRAINING(2, "") ", " GONE(3) ", " UNREADY(4)), "10.1.0.1");
	expect_text(endpoints(DRAINING(2, "") ", " GONE(3) ", " UNREADY(4)), "10.1.0.2");
	expect_text(endpoints(GONE(3) ", " UNREADY(4)), "");
	/* Ready counts whatever the other two say. */
	expect_text(endpoints("{addresses: [10.1.0.1], conditions: {ready: true, serving: false, terminating: true}}"),
		    "10.1.0.1");
	/* Hints do not narrow down what drains. */
	expect_text(endpoints(DRAINING(1, ", hints: {forZones: [{name: b}]}") ", " DRAINING(2, "")),
		    "10.1.0.1 10.1.0.2");
}

static void p3_p4(void)
{
	expect_text(sets(READY(1, ", nodeName: here") ", " DRAINING(2, ", nodeName: here") ", " READY(3, "")),
		    "10.1.0.1/cluster,local 10.1.0.2/draining 10.1.0.3/cluster");
	expect_text(sets(DRAINING(1, ", nodeName: here") ", " DRAINING(2, ", nodeName: there")),
		    "10.1.0.1/cluster,local,draining 10.1.0.2/cluster,draining");
	/* The local set falls back on its own. */
	expect_text(sets(DRAINING(1, ", nodeName: here") ", " READY(2, ", nodeName: there")),
		    "10.1.0.1/local,draining 10.1.0.2/cluster");
}

/* All that serve are listed, and all that are ready. */
static void c3(void)
{
	expect_text(sets(READY(1, "") ", " DRAINING(2, "") ", " GONE(3) ", " UNREADY(4)),
		    "10.1.0.1/cluster 10.1.0.2/draining 10.1.0.4/none");
	expect_text(sets("{addresses: [10.1.0.1], conditions: {ready: true, serving: false, terminating: true}}"),
		    "10.1.0.1/cluster,not-serving");
	expect_text(sets("{addresses: [10.1.0.1], conditions: {ready: false, serving: false}}"), "");
	/* Hints for others do not make an endpoint less of one. */
	expect_text(sets(READY(1, ", hints: {forZones: [{name: a}]}") ", "
			 READY(2, ", hints: {forZones: [{name: b}]}, nodeName: here") ", "
			 READY(3, ", hints: {forZones: [{name: b}]}")),
		    "10.1.0.1/cluster 10.1.0.2/local 10.1.0.3/none");
}

#define ZONE(...) ", hints: {forZones: [" #__VA_ARGS__ "]}"
#define NODE(...) ", hints: {forNodes: [" #__VA_ARGS__ "]}"

static void t1(void)
{
	expect_text(endpoints(READY(1, NODE({name: here})) ", " READY(2, NODE({name: there}))), "10.1.0.1");
	expect_text(endpoints(READY(1, NODE({name: there}, {name: here})) ", " READY(2, NODE({name: here}))),
		    "10.1.0.1 10.1.0.2");
	expect_text(endpoints("{addresses: [10.1.0.1], hints: {forNodes: [{name: here}], forZones: [{name: b}]}}, "
			      "{addresses: [10.1.0.2], hints: {forNodes: [{name: there}], forZones: [{name: a}]}}"),
		    "10.1.0.1");
}

static void t2(void)
{
	expect_text(endpoints(READY(1, ZONE({name: a})) ", " READY(2, ZONE({name: b}))), "10.1.0.1");
	expect_text(endpoints(READY(1, ZONE({name: b}, {name: a})) ", " READY(2, ZONE({name: b}))), "10.1.0.1");
}

static void t3(void)
{
	expect_text(endpoints(READY(1, ZONE({name: a})) ", " READY(2, "")), "10.1.0.1 10.1.0.2");
	expect_text(endpoints(READY(1, ZONE({name: a})) ", " READY(2, ZONE()) ", " READY(3, ZONE({name: b}))),
		    "10.1.0.1 10.1.0.2 10.1.0.3");
	/* Only ready endpoints are asked. */
	expect_text(endpoints(READY(1, ZONE({name: a})) ", " UNREADY(2) ", " READY(3, ZONE({name: b}))),
		    "10.1.0.1");
}

static void t4(void)
{
	const struct k8s_node nowhere = {};

	expect_text(endpoints("{addresses: [10.1.0.1], hints: {forNodes: [{name: x}], forZones: [{name: b}]}}, "
			      "{addresses: [10.1.0.2], hints: {forNodes: [{name: y}], forZones: [{name: a}]}}"),
		    "10.1.0.2");
	expect_text(endpoints(READY(1, ZONE({name: c})) ", " READY(2, ZONE({name: b}))), "10.1.0.1 10.1.0.2");
	/* Without the node's name and zone all are used. */
	expect_text(compile_on(&nowhere, WEB
			       SLICE("a", "web", "IPv4", "{name: http, port: 1}",
				     READY(1, ZONE({name: a})) ", " READY(2, NODE({name: here}) ", nodeName: here"))),
		    "ns/web:http 10.96.0.1:80/tcp -> 10.1.0.1:1@1/cluster 10.1.0.2:1@1/cluster");
}

static void lists(void)
{
	static const char *const want = "ns/web:http 10.96.0.1:80/tcp -> 10.1.0.1:1@1/cluster";

	expect_text(compile("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
			    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\"},"
			    "\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"name\":\"http\",\"port\":80}]}},"
			    "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"addressType\":\"IPv4\","
			    "\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
			    "\"ports\":[{\"name\":\"http\",\"port\":1}],\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]}]}]}"), want);
	/* The API's own lists leave the kind of their items out. */
	expect_text(compile("{\"apiVersion\":\"v1\",\"kind\":\"ServiceList\",\"items\":["
			    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\"},"
			    "\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}"
			    "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSliceList\",\"items\":["
			    "{\"addressType\":\"IPv4\","
			    "\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
			    "\"ports\":[{\"name\":\"http\",\"port\":1}],\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]}]}]}"), want);
	expect_text(compile(WEB "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
			    "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: y}\n"),
		    "ns/web:http 10.96.0.1:80/tcp ->");
}

const struct test k8s_tests[] = {
	{ "k8s: S1 headless and ExternalName", s1 },
	{ "k8s: S2 another proxy's", s2 },
	{ "k8s: S3 slices that count", s3 },
	{ "k8s: S4 families are worlds of their own", s4 },
	{ "k8s: S7 S8 policies that count, and what is irrelevant", s7_s8 },
	{ "k8s: E1 joined on names and protocol", e1 },
	{ "k8s: E2 ports and addresses that count", e2 },
	{ "k8s: E3 absent conditions", e3 },
	{ "k8s: E4 union and duplicates", e4 },
	{ "k8s: E5 local endpoints", e5 },
	{ "k8s: P1 P2 ready, else draining", p1_p2 },
	{ "k8s: P3 P4 the same among local ones", p3_p4 },
	{ "k8s: C3 endpoints of no set", c3 },
	{ "k8s: T1 node hints", t1 },
	{ "k8s: T2 zone hints", t2 },
	{ "k8s: T3 one without hints", t3 },
	{ "k8s: T4 hints for others", t4 },
	{ "k8s: lists and other objects", lists },
	{}
};
