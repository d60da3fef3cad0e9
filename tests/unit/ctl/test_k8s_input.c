// SPDX-License-Identifier: GPL-2.0
/* Objects that are malformed: every refusal names the object and the field. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "k8s_fixture.h"
#include "lib/input.h"

#define OK_PORT "ports: [{port: 80}]"

static void services(void)
{
	expect_part(compile("kind: Service\napiVersion: v1\n"), "Service: metadata.name: is missing");
	expect_part(compile("kind: Service\napiVersion: v1\nmetadata: []\n"),
		    "Service: metadata: must be an object, not a list");
	expect_part(compile("kind: Service\napiVersion: v1\nmetadata: {name: 5}\n"),
		    "metadata.name: must be a string, not an integer");
	expect_part(compile("kind: Service\napiVersion: v1\nmetadata: {name: a}\n"),
		    "Service default/a: spec: is missing");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0, " OK_PORT)),
		    "Service ns/a: spec.clusterIP: \"10.96.0\" is not an IP address");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 10.96.0.2], "
				    "ipFamilies: [IPv4, IPv6], " OK_PORT)),
		    "spec.clusterIPs[1]: 10.96.0.2 is not of the family");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ipFamilies: [IPX], " OK_PORT)),
		    "spec.ipFamilies: \"IPX\" is neither");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: {port: 80}")),
		    "spec.ports: must be a list, not an object");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [80]")),
		    "spec.ports[0]: must be an object, not an integer");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: 1, name: x}, {port: 0, name: y}]")),
		    "Service ns/a: spec.ports[1].port: must be 1 to 65535, not 0");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: 65536}]")),
		    "spec.ports[0].port: must be 1 to 65535, not 65536");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: -9223372036854775808}]")), "error: ");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: '80'}]")),
		    "spec.ports[0].port: must be an integer, not a string");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: 80.5}]")),
		    "spec.ports[0].port: must be an integer, not a number with a fraction");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{name: x}]")),
		    "spec.ports[0].port: is missing");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: 80, protocol: ICMP}]")),
		    "spec.ports[0].protocol: must be TCP, UDP or SCTP");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 70000}]")),
		    "spec.ports[0].nodePort: must be 0 to 65535");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [5], " OK_PORT)),
		    "spec.externalIPs[0]: must be a string");
	expect_part(compile(SERVICE("a", "clusterIP: 224.0.0.1, " OK_PORT)),
		    "spec.clusterIP: 224.0.0.1 is not an address that a host can have");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, loadBalancerSourceRanges: [{}], " OK_PORT)),
		    "spec.loadBalancerSourceRanges[0]: must be a string");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, sessionAffinity: ClientIP, "
				    "sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, " OK_PORT)),
		    "spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be 1 to 86400, not 86401");
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, " OK_PORT)
			    "status: {loadBalancer: {ingress: [{ip: 7}]}}\n"),
		    "Service ns/a: status.loadBalancer.ingress[0].ip: must be a string");
}

static void slices(void)
{
	expect_part(compile("kind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {name: a}\n"),
		    "EndpointSlice default/a: addressType: is missing");
	expect_part(compile(SLICE("a", "web", "IPX", "", "")), "EndpointSlice ns/a: addressType: \"IPX\"");
	expect_part(compile(SLICE("a", "web", "IPv4", "{name: x, port: 70000}", "")),
		    "ports[0].port: must be 0 to 65535, not 70000");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: [10.1.0.1]}, {addresses: [nonsense]}")),
		    "EndpointSlice ns/a: endpoints[1].addresses[0]: \"nonsense\" is not an IP address");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: ['fd00::1']}")),
		    "endpoints[0].addresses[0]: fd00::1 is not of the slice's addressType");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: [0.0.0.0]}")),
		    "endpoints[0].addresses[0]: 0.0.0.0 is not an address that a host can have");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: 10.1.0.1}")),
		    "endpoints[0].addresses: must be a list");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: [10.1.0.1], conditions: {ready: 'yes'}}")),
		    "endpoints[0].conditions.ready: must be true or false, not a string");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: [10.1.0.1], nodeName: 5}")),
		    "endpoints[0].nodeName: must be a string");
	expect_part(compile(SLICE("a", "web", "IPv4", "", "{addresses: [10.1.0.1], hints: {forZones: [{}]}}")),
		    "endpoints[0].hints.forZones[0].name: is missing");
	expect_part(compile("kind: EndpointSlice\napiVersion: discovery.k8s.io/v1beta1\nmetadata: {name: a}\n"),
		    "apiVersion: \"discovery.k8s.io/v1beta1\" is not supported");
}

/* More of something than a service can have. */
static char *many(const char *before, const char *each, int n, const char *after)
{
	char *list = xcalloc(n + 1, 32), *at = list, *input;

	for (int i = 0; i < n; i++)
		at += snprintf(at, 32, each, i / 250, 1 + i % 250);
	input = text("%s%s%s", before, list, after);
	free(list);
	return input;
}

static void too_large(void)
{
	expect_text(compile(many("kind: Service\napiVersion: v1\nmetadata: {name: a, namespace: ns}\n"
				 "spec: {clusterIP: 10.96.0.1, " OK_PORT ", externalIPs: [",
				 "192.168.%d.%d,", KSVC_MAX_FRONTENDS, "]}\n")), "");
	expect_part(warnings(), "Service ns/a: port \"\": more than 1024 addresses or 16384 source ranges; left out");
	expect_part(compile(many("kind: Service\napiVersion: v1\nmetadata: {name: a, namespace: ns}\n"
				 "spec: {clusterIP: 10.96.0.1, " OK_PORT ", externalIPs: [",
				 "192.168.%d.%d,", KSVC_MAX_FRONTENDS - 1, "]}\n")), "ns/a ");
}

static void objects(void)
{
	expect_part(compile(SERVICE("'a:b'", "clusterIP: 10.96.0.1, " OK_PORT)),
		    "Service: metadata.name: \"a:b\" is no object's name");
	expect_part(compile("- 1\n"), "not a Kubernetes object");
	expect_part(compile("{}"), "kind: is missing");
	expect_part(compile("kind: Service\n"), "apiVersion: is missing");
	expect_part(compile("kind: 5\napiVersion: v1\n"), "kind: must be a string");
	expect_part(compile("kind: List\napiVersion: v1\nitems: 5\n"), "items: must be a list");
	expect_part(compile("kind: List\napiVersion: v1\nitems: [5]\n"), "items[0]: must be an object");
	expect_part(compile("kind: List\napiVersion: v1\nitems: [{}]\n"), "items[0].kind: is missing");
	expect_part(compile("kind: List\napiVersion: v1\nitems: [{kind: Service, apiVersion: v1}]\n"),
		    "items[0].metadata.name: is missing");
	expect_part(compile("kind: List\napiVersion: v1\nitems: [{kind: Service, apiVersion: v1, "
			    "metadata: {name: a}, spec: {clusterIP: 5}}]\n"),
		    "error: Service default/a: spec.clusterIP: must be a string, not an integer");
}

static void duplicates(void)
{
	expect_part(compile(SERVICE("a", "clusterIP: 10.96.0.1, " OK_PORT)
			    SERVICE("a", "clusterIP: 10.96.0.2, " OK_PORT)), "Service ns/a: is given twice");
	expect_part(compile(SLICE("a", "x", "IPv4", "", "") SLICE("a", "y", "IPv4", "", "")),
		    "EndpointSlice ns/a: is given twice");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{name: x, port: 1}, {name: x, port: 2}]")),
		    "ns/a:x 10.96.0.1:1/tcp ->");
	expect_text(warnings(), "Service ns/a: spec.ports[1].name: \"x\" is spec.ports[0]'s, too; left out\n");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{name: x, port: 1}, {name: y, port: 1}]")),
		    "ns/a:x 10.96.0.1:1/tcp ->");
	expect_text(warnings(), "Service ns/a: spec.ports[1].port: 1/tcp is spec.ports[0]'s, too; left out\n");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{name: x, port: 1}, "
				    "{name: y, port: 1, protocol: UDP}]")),
		    "ns/a:x 10.96.0.1:1/tcp ->; ns/a:y 10.96.0.1:1/udp ->");
}

static void long_names(void)
{
	char name[254], *input;

	memset(name, 'x', sizeof(name));
	name[253] = '\0';
	input = text(SERVICE("%s", "clusterIP: 10.96.0.1, " OK_PORT), name);
	expect_text(compile(input), "");
	expect_part(warnings(), "Service ns/xxx");
	expect_part(warnings(), "256 bytes");
	name[200] = '\0';
	input = text(SERVICE("%s", "clusterIP: 10.96.0.1, " OK_PORT), name);
	expect_part(compile(input), "ns/xxx");
}

/* Every prefix of a sound input, and with each byte replaced. */
static void damaged(void)
{
	static const char input[] =
		SERVICE("web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80, protocol: TCP}]")
		SLICE("a", "web", "IPv4", "{name: http, port: 8080}",
		      "{addresses: [10.1.0.1], conditions: {ready: true}, nodeName: here, "
		      "hints: {forZones: [{name: a}], forNodes: [{name: b}]}}");
	static const char with[] = "{}[]:,&*!|>'\"%@`#-? \n\t0\xff";
	char copy[sizeof(input)];

	for (size_t i = 1; i < sizeof(input); i++) {
		memcpy(copy, input, i);
		copy[i] = '\0';
		expect(*compile(copy) != '\a');
	}
	for (size_t i = 0; i < sizeof(input) - 1; i++) {
		memcpy(copy, input, sizeof(copy));
		copy[i] = with[i % (sizeof(with) - 1)];
		expect(*compile(copy) != '\a');
	}
}

static void files(void)
{
	struct err e = {};

	expect(input_read("/nonexistent/file", NULL, NULL, &e));
	expect_text(e.text, "/nonexistent/file: No such file or directory");
	expect(input_read("/", NULL, NULL, &e));
	expect_text(e.text, "/: is a directory");
	expect(input_read("/dev/null", NULL, NULL, &e));
	expect_text(e.text, "/dev/null: is empty");
	expect(input_read("/dev/zero", NULL, NULL, &e));
	expect_text(e.text, "/dev/zero: larger than 256 MB");
	expect(input_read("/proc/self/mem", NULL, NULL, &e));
	expect_part(e.text, "/proc/self/mem: ");
}

static void ownership(void)
{
	json_t *service = json_pack("{s:s,s:s,s:{s:s,s:s},s:{}}", "kind", "Service", "apiVersion", "v1",
				    "metadata", "name", "web", "namespace", "ns", "spec");
	struct k8s k = {};
	struct err e;

	expect(!k8s_add(&k, service, &e));
	json_decref(service);
	expect(k8s_owns(&k, "ns/web"));
	expect(k8s_owns(&k, "ns/web:http"));
	expect(k8s_owns(&k, "ns/web:"));
	expect(!k8s_owns(&k, "ns/web2:http"));
	expect(!k8s_owns(&k, "ns/we"));
	expect(!k8s_owns(&k, "other/web:http"));
	expect(!k8s_owns(&k, "web"));
	expect(!k8s_owns(&k, "ns:web"));
	expect(!k8s_owns(&k, ""));
	k8s_free(&k);
}

const struct test k8s_input_tests[] = {
	{ "input: malformed Services", services },
	{ "input: malformed EndpointSlices", slices },
	{ "input: malformed objects and lists", objects },
	{ "input: more than a service can have", too_large },
	{ "input: duplicates", duplicates },
	{ "input: names that are too long", long_names },
	{ "input: damaged files", damaged },
	{ "input: files that are none", files },
	{ "input: services that a Service owns", ownership },
	{}
};
