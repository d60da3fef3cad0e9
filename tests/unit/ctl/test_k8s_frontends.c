// SPDX-License-Identifier: GPL-2.0
/* What Services answer for, and how: frontends, ranges, affinity, annotations. */
#include "test.h"

#include <string.h>

#include "k8s_fixture.h"

#define DUAL(n) "clusterIP: 10.96.0." #n ", clusterIPs: [10.96.0." #n ", 'fd00::" #n "'], " \
	"ipFamilies: [IPv4, IPv6], "

static void external_ips(void)
{
	static const char input[] =
		SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [1.2.3.4, nonsense, 'fd01::1', 010.0.0.9, "
			"224.0.0.1], ports: [{name: x, port: 80}, {name: y, port: 81, protocol: UDP}]");
	const struct k8s_node off = { .no_external_ips = true };

	expect_text(compile(input),
		    "ns/a:x 1.2.3.4:80/tcp=external-ip 10.0.0.9:80/tcp=external-ip 10.96.0.1:80/tcp ->; "
		    "ns/a:y 1.2.3.4:81/udp=external-ip 10.0.0.9:81/udp=external-ip 10.96.0.1:81/udp ->");
	expect_text(warnings(),
		    "Service ns/a: spec.externalIPs: \"nonsense\" is not an IP address; left out\n"
		    "Service ns/a: spec.externalIPs: 224.0.0.1 is not an address that a host can have; left out\n");
	/* S9 */
	expect_text(compile_on(&off, input), "ns/a:x 10.96.0.1:80/tcp ->; ns/a:y 10.96.0.1:81/udp ->");
	expect_text(compile(SERVICE("a", DUAL(1) "externalIPs: ['fd01::1'], ports: [{port: 80}]")),
		    "ns/a 10.96.0.1:80/tcp [fd00::1]:80/tcp [fd01::1]:80/tcp=external-ip ->");
}

static void lb_ips(void)
{
	expect_text(compile(SERVICE("a", "type: LoadBalancer, clusterIP: 10.96.0.1, loadBalancerIP: 9.9.9.9, "
				    "ports: [{port: 80}]")
			    "status: {loadBalancer: {ingress: [{ip: 1.2.3.4}, {ip: 1.2.3.5, ipMode: Proxy}, "
			    "{hostname: x}, {ip: 'fd01::9', ipMode: VIP}, {ip: 001.2.3.6, ipMode: VIP}, {ip: x}]}}\n"),
		    "ns/a 1.2.3.4:80/tcp=load-balancer 1.2.3.6:80/tcp=load-balancer 10.96.0.1:80/tcp ->");
	expect_text(warnings(), "Service ns/a: status.loadBalancer.ingress[5].ip: \"x\" is not an IP address; left out\n");
	/* Both at once: the one that source ranges guard. */
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [1.2.3.4], ports: [{port: 80}]")
			    "status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}\n"),
		    "ns/a 1.2.3.4:80/tcp=load-balancer 10.96.0.1:80/tcp ->");
	expect_text(warnings(), "");
}

static void node_ports(void)
{
	expect_text(compile(SERVICE("a", "type: NodePort, " DUAL(1) "ports: [{port: 80, nodePort: 30080}]")
			    SERVICE("b", "type: NodePort, clusterIP: 10.96.0.2, "
				    "ports: [{port: 80, nodePort: 30080, protocol: UDP}]")
			    SERVICE("c", "type: NodePort, clusterIP: 'fd00::3', ports: [{port: 80, nodePort: 30083}]")
			    SLICE("c4", "c", "IPv4", "{name: '', port: 1}", "{addresses: [10.1.0.1]}")
			    SLICE("c6", "c", "IPv6", "{name: '', port: 1}", "{addresses: ['fd01::1']}")),
		    "ns/a 0.0.0.0:30080/tcp=node-port 10.96.0.1:80/tcp [::]:30080/tcp=node-port [fd00::1]:80/tcp ->; "
		    "ns/b 0.0.0.0:30080/udp=node-port 10.96.0.2:80/udp ->; "
		    "ns/c [::]:30083/tcp=node-port [fd00::3]:80/tcp -> [fd01::1]:1@1/cluster");
}

#define LB(ranges) SERVICE("a", "type: LoadBalancer, " DUAL(1) "loadBalancerSourceRanges: [" ranges "], " \
			   "ports: [{port: 80}]") \
	"status: {loadBalancer: {ingress: [{ip: 1.2.3.4}, {ip: 'fd01::9'}]}}\n"

/* What there is of "range=". */
static const char *ranges(const char *compiled)
{
	static char found[512];
	const char *from = strstr(compiled, " range="), *to = strstr(compiled, " 1.2.3.4");

	*found = '\0';
	if (from && to)
		snprintf(found, sizeof(found), "%.*s", (int)(to - from), from);
	return found;
}

static void source_ranges(void)
{
	expect_text(ranges(compile(LB("10.0.0.0/8, ' 010.1.2.3/16 ', 'fd02::5/32', x, 1.2.3.4, 10.0.0.0/33"))),
		    " range=10.0.0.0/8 range=10.1.0.0/16 range=fd02::/32");
	expect_part(warnings(), "Service ns/a: spec.loadBalancerSourceRanges: \"x\" is not ADDR/LENGTH; left out\n");
	expect_part(warnings(), "\"10.0.0.0/33\" is not");
	expect_text(ranges(compile(LB("10.0.0.0/8, 10.9.9.9/8"))), " range=10.0.0.0/8");
	/* F4: without load balancer IPs they guard nothing. */
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [1.2.3.4], "
				    "loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]")),
		    "ns/a 1.2.3.4:80/tcp=external-ip 10.96.0.1:80/tcp ->");
}

static void ranges_of_the_node(void)
{
	struct addr ips[2];
	struct k8s_node node = { .ips = { ips, 2 } };

	addr_parse("192.0.2.7", &ips[0]);
	addr_parse("fd02::7", &ips[1]);
	expect_text(ranges(compile_on(&node, LB("192.0.2.0/24, 'fd09::/16'"))),
		    " range=1.2.3.4/32 range=192.0.2.0/24 range=fd09::/16");
	expect_text(ranges(compile_on(&node, LB("192.0.3.0/24, 'fd02::/16'"))),
		    " range=192.0.3.0/24 range=fd01::9/128 range=fd02::/16");
	expect_text(ranges(compile_on(&node, LB("192.0.2.7/32"))), " range=1.2.3.4/32 range=192.0.2.7/32");
	expect_text(ranges(compile(LB("192.0.2.0/24"))), " range=192.0.2.0/24");
}

#define PORTS "ports: [{port: 80}]"

static void affinity(void)
{
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, sessionAffinity: ClientIP, " PORTS)
			    SERVICE("b", "clusterIP: 10.96.0.2, sessionAffinity: ClientIP, "
				    "sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, " PORTS)
			    SERVICE("c", "clusterIP: 10.96.0.3, sessionAffinity: None, "
				    "sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, " PORTS)),
		    "ns/a affinity=10800 10.96.0.1:80/tcp ->; ns/b affinity=60 10.96.0.2:80/tcp ->; "
		    "ns/c 10.96.0.3:80/tcp ->");
}

static void annotations(void)
{
	expect_text(compile(ANNOTATED("a", "ksvc.io/scheduler: maglev, ksvc.io/on-remove: reset",
				      "clusterIP: 10.96.0.1, " PORTS)
			    ANNOTATED("b", "ksvc.io/scheduler: best, ksvc.io/on-remove: 5",
				      "clusterIP: 10.96.0.2, " PORTS)
			    ANNOTATED("c", "ksvc.io/maglev-size: '65537'", "clusterIP: 10.96.0.3, " PORTS)
			    ANNOTATED("d", "ksvc.io/maglev-size: '65536'", "clusterIP: 10.96.0.4, " PORTS)),
		    "ns/a scheduler=maglev on-remove=reset 10.96.0.1:80/tcp ->; ns/b 10.96.0.2:80/tcp ->; "
		    "ns/c maglev-size=65537 10.96.0.3:80/tcp ->; ns/d 10.96.0.4:80/tcp ->");
	expect_text(warnings(),
		    "Service ns/b: metadata.annotations.ksvc.io/scheduler: must be random, rr, wrr, lc, sh or maglev, "
		    "not \"best\"; left out\n"
		    "Service ns/b: metadata.annotations.ksvc.io/on-remove: must be a string; left out\n"
		    "Service ns/d: metadata.annotations.ksvc.io/maglev-size: must be a prime number, not 65536; left out\n");
}

#define WEIGHTED(name, weight, address) \
	"---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\n" \
	"metadata: {name: " name ", namespace: ns, labels: {kubernetes.io/service-name: a}, " \
	"annotations: {ksvc.io/weight: " weight "}}\n" \
	"addressType: IPv4\nports: [{name: '', port: 1}]\nendpoints: [{addresses: [" address "]}]\n"

static void weights(void)
{
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, " PORTS)
			    WEIGHTED("w", "'7'", "10.1.0.1") WEIGHTED("x", "'65535'", "10.1.0.2")
			    WEIGHTED("y", "'0'", "10.1.0.3") WEIGHTED("z", "'65536'", "10.1.0.4")),
		    "ns/a 10.96.0.1:80/tcp -> 10.1.0.1:1@7/cluster 10.1.0.2:1@65535/cluster "
		    "10.1.0.3:1@0/cluster 10.1.0.4:1@1/cluster");
	expect_text(warnings(), "EndpointSlice ns/z: metadata.annotations.ksvc.io/weight: must be 0 to 65535, "
		    "not \"65536\"; 1 is used\n");
	/* The same of two slices in either order. */
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, " PORTS)
			    WEIGHTED("x", "'2'", "10.1.0.1") WEIGHTED("y", "'3'", "10.1.0.1")),
		    "ns/a 10.96.0.1:80/tcp -> 10.1.0.1:1@3/cluster");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, " PORTS)
			    WEIGHTED("x", "'3'", "10.1.0.1") WEIGHTED("y", "'2'", "10.1.0.1")),
		    "ns/a 10.96.0.1:80/tcp -> 10.1.0.1:1@3/cluster");
}

/* One address, several Services: it is of the first by name, and all else goes on. */
static void claims(void)
{
	expect_text(compile(SERVICE("b", "clusterIP: 10.96.0.2, externalIPs: [1.2.3.4], " PORTS)
			    SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [1.2.3.4], " PORTS)),
		    "ns/a 1.2.3.4:80/tcp=external-ip 10.96.0.1:80/tcp ->; ns/b 10.96.0.2:80/tcp ->");
	expect_text(warnings(), "1.2.3.4:80/tcp is claimed by both ns/a and ns/b; the first has it\n");
	expect_text(compile(SERVICE("c", "clusterIP: 10.96.0.9, " PORTS) SERVICE("b", "clusterIP: 10.96.0.9, " PORTS)
			    SERVICE("a", "clusterIP: 10.96.0.1, externalIPs: [10.96.0.9], " PORTS)),
		    "ns/a 10.96.0.1:80/tcp 10.96.0.9:80/tcp=external-ip ->");
	expect_text(warnings(), "10.96.0.9:80/tcp is claimed by both ns/a and ns/b; the first has it\n"
		    "ns/b has nothing left to answer for; left out\n"
		    "10.96.0.9:80/tcp is claimed by both ns/a and ns/c; the first has it\n"
		    "ns/c has nothing left to answer for; left out\n");
	/* What is lost of one family takes its endpoints along. */
	expect_text(compile(SERVICE("a", "clusterIP: 'fd00::2', " PORTS) SERVICE("b", DUAL(2) PORTS)
			    SLICE("b4", "b", "IPv4", "{name: '', port: 1}", "{addresses: [10.1.0.1]}")
			    SLICE("b6", "b", "IPv6", "{name: '', port: 1}", "{addresses: ['fd01::1']}")),
		    "ns/a [fd00::2]:80/tcp ->; ns/b 10.96.0.2:80/tcp -> 10.1.0.1:1@1/cluster");
	expect_text(compile(SERVICE("a", "clusterIP: 10.96.0.1, ports: [{name: x, port: 1, nodePort: 30000}]")
			    SERVICE("b", "clusterIP: 10.96.0.2, ports: [{name: x, port: 1, nodePort: 30000}, "
				    "{name: y, port: 2, nodePort: 30000, protocol: UDP}]")),
		    "ns/a:x 0.0.0.0:30000/tcp=node-port 10.96.0.1:1/tcp ->; ns/b:x 10.96.0.2:1/tcp ->; "
		    "ns/b:y 0.0.0.0:30000/udp=node-port 10.96.0.2:2/udp ->");
	expect_text(warnings(), "0.0.0.0:30000/tcp is claimed by both ns/a:x and ns/b:x; the first has it\n");
}

const struct test k8s_frontends_tests[] = {
	{ "k8s: S5 S9 external IPs", external_ips },
	{ "k8s: S5 S6 load balancer IPs", lb_ips },
	{ "k8s: S4 M4 node ports", node_ports },
	{ "k8s: S5 F3 F4 source ranges", source_ranges },
	{ "k8s: F5 ranges that the node is in", ranges_of_the_node },
	{ "k8s: A1 session affinity", affinity },
	{ "k8s: annotations of Services", annotations },
	{ "k8s: weights of EndpointSlices", weights },
	{ "k8s: addresses that several Services claim", claims },
	{}
};
