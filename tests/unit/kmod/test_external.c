// SPDX-License-Identifier: GPL-2.0
/* External traffic, node ports, source ranges, policies: each rule by its number. */
#include "test.h"

#include <linux/string.h>
#include <stdio.h>

#define PUT		KSVC_MODE_PUT
#define INTERNAL	KSVC_SERVICE_FLAGS_INTERNAL_LOCAL
#define EXTERNAL	KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL

#define POD	"10.244.1.7"
#define CLIENT	"203.0.113.7"
#define NODE	"192.168.1.10"
#define BOTH	"10.244.1.1"	/* of the node, inside the pods' CIDR */
#define LO	"127.0.0.1"
#define POD6	"fd00:244:1::7"
#define CLIENT6	"2001:db8::7"
#define NODE6	"fd00:10::1"

/* What endpoints a service has: here and elsewhere, elsewhere, none. */
#define AWAY	"10.244.2.5:8080/c [fd00:244:2::5]:8080/c"
#define HERE	"10.244.1.5:8080/cl [fd00:244:1::5]:8080/cl " AWAY

static void put_one(struct ksvc_net *kn, const char *name, u32 flags, u32 n,
		    const char *endpoints)
{
	char frontends[512];

	snprintf(frontends, sizeof(frontends),
		 "10.96.0.%u:80/tcp 198.51.100.%u:80/tcp=ext 198.51.100.10%u:80/tcp=lb "
		 "0.0.0.0:3000%u/tcp=np [fd00:96::%u]:80/tcp [2001:db8:1::%u]:80/tcp=ext "
		 "[2001:db8:2::%u]:80/tcp=lb [::]:3000%u/tcp=np", n, n, n, n, n, n, n, n);
	features.flags = flags;
	expect(!put(kn, 0, PUT, name, frontends, endpoints));
	features.flags = 0;
}

/* Service N has 10.96.0.N, 198.51.100.N (external), .10N (load balancer) and
 * the node port 3000N.
 */
static struct ksvc_net *node_new(void)
{
	struct ksvc_net *kn = net_new();

	local_addresses = NODE " 192.168.1.11 " BOTH " " LO " " NODE6 " ::1 198.51.100.9";
	put_one(kn, "cluster", 0, 1, HERE);
	put_one(kn, "local", INTERNAL | EXTERNAL, 2, HERE);
	put_one(kn, "internal", INTERNAL, 3, AWAY);
	put_one(kn, "external", EXTERNAL, 4, AWAY);
	put_one(kn, "none", INTERNAL | EXTERNAL, 5, "");
	put_one(kn, "zero", 0, 6, "10.244.1.5:8080@0 10.244.2.5:8080/- [fd00:244:1::5]:80/-");
	expect(!set(kn, (struct setting){ .cluster_cidrs = "10.244.0.0/16 fd00:244::/32" }));
	return kn;
}

/* "VERDICT RULE [SET] [masquerade]". Checks the reason, which goes with them. */
static const char *outcome(const struct ksvc_decision *d, bool v6)
{
	static const char *const verdicts[] = {
		"none", "dnat", "drop", "reject", "reset", "local",
	};
	static const char *const rules[] = {
		"-", "m1", "x1", "x2", "x3", "x4", "f1", "f2", "f3", "f7", "f8", "f13",
	};
	static const u8 reasons[] = {
		[KSVC_RULE_F1] = KSVC_REASON_NO_ENDPOINT,
		[KSVC_RULE_F2] = KSVC_REASON_NO_LOCAL_ENDPOINT,
		[KSVC_RULE_F3] = KSVC_REASON_SOURCE_RANGE,
		[KSVC_RULE_F7] = KSVC_REASON_UNUSED_PORT,
		[KSVC_RULE_F8] = KSVC_REASON_UNUSED_ADDRESS,
		[KSVC_RULE_F13] = KSVC_REASON_LOCALHOST,
	};
	u8 reason = d->verdict == KSVC_VERDICT_DNAT ? KSVC_REASON_TRANSLATED :
		    d->verdict == KSVC_VERDICT_RESET ? KSVC_REASON_NO_CONNECTION :
		    d->verdict == KSVC_VERDICT_LOCAL ? KSVC_REASON_ECHO : reasons[d->rule];
	static char text[64];
	u32 at;

	at = snprintf(text, sizeof(text), "%s %s", verdicts[d->verdict], rules[d->rule]);
	if (d->reason != reason)
		return "a reason that does not fit";
	if (!d->endpoint != (d->verdict != KSVC_VERDICT_DNAT))
		return "an endpoint that does not fit";
	if (d->endpoint)
		at += snprintf(text + at, sizeof(text) - at, " %s",
			       d->set == &d->svc->sets[KSVC_LOCAL][v6] ? "local" :
			       d->set == &d->svc->sets[KSVC_CLUSTER][v6] ? "cluster" : "?");
	if (d->masquerade)
		snprintf(text + at, sizeof(text) - at, " masquerade");
	return text;
}

struct outcome_case {
	const char *what, *from, *to, *in, *wanted;
};

static void check(const struct ksvc_net *kn, const struct outcome_case *c)
{
	for (; c->what; c++) {
		const struct ksvc_decision d = decide(kn, c->from, c->to, c->in);
		const char *is = outcome(&d, *c->to == '[');

		if (!expect_for(c->what, !strcmp(is, c->wanted)))
			diagnose("%s instead of %s", is, c->wanted);
	}
}

static void check_on_node(const struct outcome_case *c)
{
	struct ksvc_net *kn = node_new();

	check(kn, c);
	net_free(kn);
}

static void x1(void)
{
	static const struct outcome_case cases[] = {
		{ "a client, external IP", CLIENT, "198.51.100.1:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "a client, load balancer", CLIENT, "198.51.100.101:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "a client, node port", CLIENT, NODE ":30001/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "a client, ClusterIP", CLIENT, "10.96.0.1:80/tcp", "eth0",
		  "dnat m1 cluster masquerade" },
		{ "a pod, external IP", POD, "198.51.100.1:80/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{ "a pod, load balancer", POD, "198.51.100.101:80/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{ "a pod, node port", POD, NODE ":30001/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{ "a pod, ClusterIP: Q1", POD, "10.96.0.1:80/tcp", "cni0", "dnat m1 cluster" },
		{ "the node", NODE, "198.51.100.1:80/tcp", NULL, "dnat x1 cluster masquerade" },
		{ "the node, its own node port", NODE, NODE ":30001/tcp", NULL,
		  "dnat x1 cluster masquerade" },
		{ "IPv6, external IP", POD6, "[2001:db8:1::1]:80/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{ "IPv6, load balancer", CLIENT6, "[2001:db8:2::1]:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "IPv6, node port", CLIENT6, "[" NODE6 "]:30001/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "the internal policy has no say (X5)", POD, "198.51.100.103:80/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{}
	};

	check_on_node(cases);
}

static void x2(void)
{
	static const struct outcome_case cases[] = {
		{ "external IP", CLIENT, "198.51.100.2:80/tcp", "eth0", "dnat x2 local" },
		{ "load balancer", CLIENT, "198.51.100.102:80/tcp", "eth0", "dnat x2 local" },
		{ "node port", CLIENT, NODE ":30002/tcp", "eth0", "dnat x2 local" },
		{ "IPv6", CLIENT6, "[2001:db8:1::2]:80/tcp", "eth0", "dnat x2 local" },
		{ "IPv6, node port", CLIENT6, "[" NODE6 "]:30002/tcp", "eth0", "dnat x2 local" },
		{ "ClusterIP, whoever: the internal policy", CLIENT, "10.96.0.2:80/tcp", "eth0",
		  "dnat m1 local masquerade" },
		{ "ClusterIP, a pod", POD, "10.96.0.2:80/tcp", "cni0", "dnat m1 local" },
		{ "ClusterIP, the node", NODE, "10.96.0.2:80/tcp", NULL,
		  "dnat m1 local masquerade" },
		{ "ClusterIP: the external policy has no say", CLIENT, "10.96.0.4:80/tcp", "eth0",
		  "dnat m1 cluster masquerade" },
		{}
	};

	check_on_node(cases);
}

static void x3_x4_x5(void)
{
	static const struct outcome_case cases[] = {
		{ "X3 external IP", POD, "198.51.100.2:80/tcp", "cni0", "dnat x3 cluster" },
		{ "X3 load balancer", POD, "198.51.100.102:80/tcp", "cni0", "dnat x3 cluster" },
		{ "X3 node port", POD, NODE ":30002/tcp", "cni0", "dnat x3 cluster" },
		{ "X3 IPv6", POD6, "[2001:db8:2::2]:80/tcp", "cni0", "dnat x3 cluster" },
		{ "X3 before X4", BOTH, "198.51.100.2:80/tcp", NULL, "dnat x3 cluster" },
		{ "X3 before X4, node port", BOTH, NODE ":30002/tcp", NULL, "dnat x3 cluster" },
		{ "X4 external IP", NODE, "198.51.100.2:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X4 load balancer", NODE, "198.51.100.102:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X4 node port", NODE, NODE ":30002/tcp", NULL, "dnat x4 cluster masquerade" },
		{ "X4 from loopback", LO, "198.51.100.2:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X4 from loopback, IPv6", "::1", "[2001:db8:1::2]:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X4 IPv6", NODE6, "[2001:db8:1::2]:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X5 a pod, no local endpoint", POD, "198.51.100.104:80/tcp", "cni0",
		  "dnat x3 cluster" },
		{ "X5 the node, no local endpoint", NODE, "198.51.100.104:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X5 a node port, no local endpoint", POD, NODE ":30004/tcp", "cni0",
		  "dnat x3 cluster" },
		{}
	};
	static const struct outcome_case without_detector[] = {
		{ "a pod is anybody", POD, "198.51.100.2:80/tcp", "cni0", "dnat x2 local" },
		{ "a pod, node port", POD, NODE ":30002/tcp", "cni0", "dnat x2 local" },
		{ "the node, whatever its address", BOTH, "198.51.100.2:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "ClusterIP: Q3", CLIENT, "10.96.0.1:80/tcp", "eth0", "dnat m1 cluster" },
		{ "Q4 needs none", CLIENT, "198.51.100.1:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{}
	};
	static const struct outcome_case by_interface[] = {
		{ "X3 by interface", CLIENT, "198.51.100.2:80/tcp", "cni0", "dnat x3 cluster" },
		{ "X2 by interface", POD, "198.51.100.2:80/tcp", "eth0", "dnat x2 local" },
		{ "X4 by interface: none", BOTH, "198.51.100.2:80/tcp", NULL,
		  "dnat x4 cluster masquerade" },
		{ "X3 by interface, IPv6", CLIENT6, "[2001:db8:2::2]:80/tcp", "cni0",
		  "dnat x3 cluster" },
		{}
	};
	struct ksvc_net *kn = node_new();

	check(kn, cases);
	set(kn, (struct setting){});
	check(kn, without_detector);
	set(kn, (struct setting){ .pod_interfaces = "cni0" });
	check(kn, by_interface);
	net_free(kn);
}

static void q2_q6_q9(void)
{
	static const struct outcome_case all[] = {
		{ "Q2 ClusterIP, a pod", POD, "10.96.0.1:80/tcp", "cni0",
		  "dnat m1 cluster masquerade" },
		{ "Q2 ClusterIP, local policy", POD, "10.96.0.2:80/tcp", "cni0",
		  "dnat m1 local masquerade" },
		{ "Q2 not X2", CLIENT, "198.51.100.2:80/tcp", "eth0", "dnat x2 local" },
		{ "Q2 not X3", POD, NODE ":30002/tcp", "cni0", "dnat x3 cluster" },
		{}
	};
	static const struct outcome_case own[] = {
		{ "Q6 under X2", "10.244.1.5", "198.51.100.7:80/tcp", "eth0",
		  "dnat x2 local masquerade" },
		{ "Q6 node port", "10.244.1.5", NODE ":30007/tcp", "cni0",
		  "dnat x2 local masquerade" },
		{ "Q6 IPv6", "fd00:244:1::5", "[2001:db8:2::7]:80/tcp", "cni0",
		  "dnat x2 local masquerade" },
		{ "Q6 not for another", "10.244.1.6", "198.51.100.7:80/tcp", "cni0",
		  "dnat x2 local" },
		{ "Q9 X1", CLIENT, "198.51.100.8:80/tcp", "eth0", "dnat x1 cluster" },
		{ "Q9 node port", CLIENT, NODE ":30008/tcp", "eth0", "dnat x1 cluster" },
		{ "Q9 not if made on the node", NODE, NODE ":30008/tcp", NULL,
		  "dnat x1 cluster masquerade" },
		{}
	};
	struct ksvc_net *kn = node_new();

	set(kn, (struct setting){ .cluster_cidrs = "10.244.0.0/16", .masquerade_all = true });
	check(kn, all);
	put_one(kn, "self", EXTERNAL, 7, "10.244.1.5:8080/cl [fd00:244:1::5]:8080/cl");
	put_one(kn, "host", 0, 8, NODE ":8080/cl");
	set(kn, (struct setting){});
	check(kn, own);
	net_free(kn);
}

static void f1_f2(void)
{
	static const struct outcome_case cases[] = {
		{ "F1 ClusterIP", CLIENT, "10.96.0.5:80/tcp", "eth0", "reject f1" },
		{ "F1 external IP", CLIENT, "198.51.100.5:80/tcp", "eth0", "reject f1" },
		{ "F1 load balancer", CLIENT, "198.51.100.105:80/tcp", "eth0", "reject f1" },
		{ "F1 node port", CLIENT, NODE ":30005/tcp", "eth0", "reject f1" },
		{ "F1 a pod", POD, "198.51.100.5:80/tcp", "cni0", "reject f1" },
		{ "F1 the node, external IP (F9)", NODE, "198.51.100.5:80/tcp", NULL, "reject f1" },
		{ "F1 the node, node port", NODE, NODE ":30005/tcp", NULL, "reject f1" },
		{ "F1 IPv6", CLIENT6, "[2001:db8:2::5]:80/tcp", "eth0", "reject f1" },
		{ "F1 none that takes connections", CLIENT, "198.51.100.6:80/tcp", "eth0",
		  "reject f1" },
		{ "F1 the same, IPv6", CLIENT6, "[" NODE6 "]:30006/tcp", "eth0", "reject f1" },
		{ "F2 ClusterIP", CLIENT, "10.96.0.3:80/tcp", "eth0", "drop f2" },
		{ "F2 ClusterIP, a pod", POD, "10.96.0.3:80/tcp", "cni0", "drop f2" },
		{ "F2 ClusterIP, the node", NODE, "10.96.0.3:80/tcp", NULL, "drop f2" },
		{ "F2 external IP", CLIENT, "198.51.100.4:80/tcp", "eth0", "drop f2" },
		{ "F2 load balancer", CLIENT, "198.51.100.104:80/tcp", "eth0", "drop f2" },
		{ "F2 node port", CLIENT, NODE ":30004/tcp", "eth0", "drop f2" },
		{ "F2 IPv6", CLIENT6, "[2001:db8:1::4]:80/tcp", "eth0", "drop f2" },
		{}
	};

	check_on_node(cases);
}

static void f3(void)
{
	static const struct outcome_case cases[] = {
		{ "inside", CLIENT, "198.51.100.110:80/tcp", "eth0", "dnat x1 cluster masquerade" },
		{ "outside", "203.0.114.7", "198.51.100.110:80/tcp", "eth0", "drop f3" },
		{ "a pod", POD, "198.51.100.110:80/tcp", "cni0", "drop f3" },
		{ "the node", NODE, "198.51.100.110:80/tcp", NULL, "drop f3" },
		{ "F4 ClusterIP", POD, "10.96.0.10:80/tcp", "cni0", "dnat m1 cluster" },
		{ "F4 external IP", "203.0.114.7", "198.51.100.10:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "F4 node port", "203.0.114.7", NODE ":30010/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "F5 is the range's business", "198.51.100.110", "198.51.100.110:80/tcp", NULL,
		  "drop f3" },
		{ "no range of IPv6", CLIENT6, "[2001:db8:2::10]:80/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "F6 refused, without endpoints", POD, "198.51.100.111:80/tcp", "cni0",
		  "drop f3" },
		{ "F6 admitted, without endpoints", CLIENT, "198.51.100.111:80/tcp", "eth0",
		  "reject f1" },
		{ "before F2", POD, "198.51.100.112:80/tcp", "cni0", "drop f3" },
		{ "then F2", CLIENT, "198.51.100.112:80/tcp", "eth0", "drop f2" },
		{ "a zero prefix among them", POD, "198.51.100.113:80/tcp", "cni0",
		  "dnat x1 cluster masquerade" },
		{}
	};
	static const char *const format = "10.96.0.1%u:80/tcp 198.51.100.1%u:80/tcp=ext "
		"198.51.100.11%u:80/tcp=lb 0.0.0.0:3001%u/tcp=np [2001:db8:2::1%u]:80/tcp=lb";
	static const struct {
		u32 flags;
		const char *ranges, *endpoints;
	} services[] = {
		{ 0, "203.0.113.0/24 192.0.2.0/24", HERE },
		{ 0, "203.0.113.0/24", "" },
		{ EXTERNAL, "203.0.113.0/24", AWAY },
		{ 0, "203.0.113.0/24 0.0.0.0/0", HERE },
	};
	struct ksvc_net *kn = node_new();
	char frontends[256], name[2] = "a";
	u32 i;

	for (i = 0; i < ARRAY_SIZE(services); i++, name[0]++) {
		snprintf(frontends, sizeof(frontends), format, i, i, i, i, i);
		set_ranges(services[i].ranges);
		features.flags = services[i].flags;
		expect(!put(kn, 0, PUT, name, frontends, services[i].endpoints));
	}
	check(kn, cases);
	net_free(kn);
}

/* A VIP that is an address of the node, with the number of a node port. */
static void second_chance(void)
{
	static const struct outcome_case cases[] = {
		{ "M4 the VIP is first", CLIENT, "198.51.100.9:30004/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "F1: the node port", CLIENT, "198.51.100.9:30002/tcp", "eth0", "dnat x2 local" },
		{ "F1: a node port with F1 too", CLIENT, "198.51.100.9:30005/tcp", "eth0",
		  "reject f1" },
		{ "F2: dropped", CLIENT, "198.51.100.9:30001/tcp", "eth0", "drop f2" },
		{ "F3: dropped", CLIENT, "198.51.100.9:30003/tcp", "eth0", "drop f3" },
		{ "F1 elsewhere: no node port there", CLIENT, "198.51.100.19:30002/tcp", "eth0",
		  "reject f1" },
		{ "F1, but UDP", CLIENT, "198.51.100.9:30001/udp", "eth0", "reject f1" },
		{ "F1 of IPv4 alone", CLIENT, "192.168.1.11:30001/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{ "the same VIP's other family", CLIENT6, "[" NODE6 "]:30002/tcp", "eth0",
		  "dnat x1 cluster masquerade" },
		{}
	};
	struct ksvc_net *kn = node_new();
	struct ksvc_decision d;

	put(kn, 0, PUT, "has", "198.51.100.9:30004/tcp=ext", "10.244.2.5:80/c");
	put(kn, 0, PUT, "f1", "198.51.100.9:30002/tcp=lb 198.51.100.9:30005/tcp=ext "
	    "198.51.100.19:30002/tcp=ext 198.51.100.9:30001/udp=ext "
	    "192.168.1.11:30001/tcp [" NODE6 "]:30002/tcp=ext", "[fd00:244:2::5]:8080/c");
	features.flags = EXTERNAL;
	put(kn, 0, PUT, "f2", "198.51.100.9:30001/tcp=ext", "10.244.2.5:80/c");
	features.flags = 0;
	set_ranges("10.0.0.0/8");
	put(kn, 0, PUT, "f3", "198.51.100.9:30003/tcp=lb", "");
	n_ranges = 0;
	check(kn, cases);
	d = decide(kn, CLIENT, "198.51.100.9:30002/tcp", "eth0");
	expect(!strcmp(d.svc->ident->name, "local"));
	d = decide(kn, CLIENT, "198.51.100.9:30005/tcp", "eth0");
	expect(!strcmp(d.svc->ident->name, "none"));
	net_free(kn);
}

const struct test external_tests[] = {
	{ "X1 Cluster policy: the cluster set, masqueraded", x1 },
	{ "X2 Local policy: the local set, as it is", x2 },
	{ "X3, X4, X5 Local policy: pods and the node", x3_x4_x5 },
	{ "Q2, Q6, Q9 of external traffic", q2_q6_q9 },
	{ "F1, F2 of every class and sender", f1_f2 },
	{ "F3, F4, F6 source ranges", f3 },
	{ "M4 second chance of a VIP without endpoints at a node port", second_chance },
	{}
};
