// SPDX-License-Identifier: GPL-2.0
/* What packets get: the rules of docs/design.md, each by its number. */
#include "test.h"

#include <linux/if.h>
#include <linux/slab.h>

/* A node: its addresses, pods of its own in 10.244.1.0/24, others elsewhere.
 * Endpoints with "cl" run here.
 */
static struct ksvc_net *node_new(void)
{
	struct ksvc_net *kn = net_new();

	local_addresses = "192.168.1.10 127.0.0.1 10.244.1.1 fd00:10::1 ::1";
	expect(!put(kn, 0, KSVC_MODE_PUT, "web",
		    "10.96.0.10:80/tcp 10.96.0.10:53/udp [fd00:96::10]:80/tcp",
		    "10.244.1.5:8080/cl [fd00:244:1::5]:8080/cl"));
	expect(!put(kn, 0, KSVC_MODE_PUT, "far", "10.96.0.11:80/tcp [fd00:96::11]:80/tcp",
		    "10.244.2.5:8080/c [fd00:244:2::5]:8080/c"));
	expect(!put(kn, 0, KSVC_MODE_PUT, "host", "10.96.0.12:80/tcp [fd00:96::12]:80/tcp",
		    "192.168.1.10:8080/cl [fd00:10::1]:8080/cl"));
	expect(!put(kn, 0, KSVC_MODE_PUT, "none", "10.96.0.13:80/tcp [fd00:96::13]:80/tcp", ""));
	expect(!put(kn, 0, KSVC_MODE_PUT, "own", "192.168.1.10:80/tcp", "10.244.2.5:8080/c"));
	return kn;
}

struct masquerade_case {
	const char *what, *from, *to, *in;
	bool masquerade;
};

static void check_masquerade(struct setting setting, const struct masquerade_case *c)
{
	struct ksvc_net *kn = node_new();

	expect(!set(kn, setting));
	for (; c->what; c++) {
		const struct ksvc_decision d = decide(kn, c->from, c->to, c->in);

		expect_for(c->what, d.verdict == KSVC_VERDICT_DNAT &&
				    d.reason == KSVC_REASON_TRANSLATED && d.endpoint);
		expect_for(c->what, d.masquerade == c->masquerade);
	}
	net_free(kn);
}

#define WEB	"10.96.0.10:80/tcp"
#define WEB6	"[fd00:96::10]:80/tcp"
#define FAR	"10.96.0.11:80/tcp"
#define FAR6	"[fd00:96::11]:80/tcp"
#define HOST	"10.96.0.12:80/tcp"
#define HOST6	"[fd00:96::12]:80/tcp"

static void q1_cidr(void)
{
	static const struct masquerade_case cases[] = {
		{ "a pod", "10.244.1.7", FAR, "cni0", false },
		{ "a pod of elsewhere", "10.244.9.7", FAR, "flannel.1", false },
		{ "the last address inside", "10.244.255.255", FAR, "cni0", false },
		{ "the first outside", "10.245.0.0", FAR, "cni0", true },
		{ "a client", "203.0.113.7", FAR, "eth0", true },
		{ "the node", "192.168.1.10", FAR, NULL, true },
		{ "the node, with an address among the pods'", "10.244.1.1", FAR, NULL, false },
		{ "a pod, IPv6", "fd00:244:1::7", FAR6, "cni0", false },
		{ "a client, IPv6", "2001:db8::7", FAR6, "eth0", true },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.244.0.0/16 fd00:244::/32" },
			 cases);
}

static void q1_several_cidrs(void)
{
	static const struct masquerade_case cases[] = {
		{ "in the first", "10.1.0.7", FAR, "cni0", false },
		{ "in the second", "10.2.0.7", FAR, "cni0", false },
		{ "in none", "10.3.0.7", FAR, "cni0", true },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.1.0.0/16 10.2.0.0/16" }, cases);
}

static void q1_interface(void)
{
	static const struct masquerade_case cases[] = {
		{ "the name", "203.0.113.7", FAR, "cni0", false },
		{ "the name and more", "203.0.113.7", FAR, "cni01", true },
		{ "less than the name", "203.0.113.7", FAR, "cni", true },
		{ "another name", "203.0.113.7", FAR, "eth0", true },
		{ "the prefix alone", "203.0.113.7", FAR, "veth", false },
		{ "the prefix and more", "203.0.113.7", FAR, "veth0123456789a", false },
		{ "less than the prefix", "203.0.113.7", FAR, "vet", true },
		{ "the prefix elsewhere", "203.0.113.7", FAR, "xveth", true },
		{ "a longest name", "203.0.113.7", FAR, "123456789012345", false },
		{ "a longest name, but its end", "203.0.113.7", FAR, "123456789012346", true },
		{ "a longest name, but its start", "203.0.113.7", FAR, "023456789012345", true },
		{ "a longest prefix", "203.0.113.7", FAR, "abcdefghijklmno", false },
		{ "less than the longest prefix", "203.0.113.7", FAR, "abcdefghijklmn", true },
		{ "a prefix with its end in the second word", "203.0.113.7", FAR, "prefix-89z",
		  false },
		{ "made on the node", "203.0.113.7", FAR, NULL, true },
		{ "IPv6", "2001:db8::7", FAR6, "cni0", false },
		{ "IPv6, another name", "2001:db8::7", FAR6, "eth0", true },
		{}
	};

	check_masquerade((struct setting){
		.pod_interfaces = "cni0 veth* 123456789012345 abcdefghijklmno* prefix-89*",
	}, cases);
}

static void q1_any_interface(void)
{
	static const struct masquerade_case cases[] = {
		{ "a name", "203.0.113.7", FAR, "x", false },
		{ "made on the node", "203.0.113.7", FAR, NULL, true },
		{}
	};

	check_masquerade((struct setting){ .pod_interfaces = "*" }, cases);
}

static void q1_either(void)
{
	static const struct masquerade_case cases[] = {
		{ "inside, other interface", "10.244.1.7", FAR, "eth0", false },
		{ "outside, interface", "203.0.113.7", FAR, "cni0", false },
		{ "neither", "203.0.113.7", FAR, "eth0", true },
		{ "IPv6 has the interface alone", "2001:db8::7", FAR6, "cni0", false },
		{ "IPv6, other interface", "2001:db8::7", FAR6, "eth0", true },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.244.0.0/16",
					   .pod_interfaces = "cni0" }, cases);
}

static void q2(void)
{
	static const struct masquerade_case cases[] = {
		{ "a pod", "10.244.1.7", FAR, "cni0", true },
		{ "a client", "203.0.113.7", FAR, "eth0", true },
		{ "the node", "192.168.1.10", FAR, NULL, true },
		{ "a pod, IPv6", "fd00:244:1::7", FAR6, "cni0", true },
		{ "Q9 is stronger", "203.0.113.7", HOST, "eth0", false },
		{ "Q9 is stronger, IPv6", "2001:db8::7", HOST6, "eth0", false },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.244.0.0/16 fd00:244::/32",
					   .masquerade_all = true }, cases);
	check_masquerade((struct setting){ .masquerade_all = true }, cases);
}

static void q3(void)
{
	static const struct masquerade_case v4_only[] = {
		{ "a client", "203.0.113.7", FAR, "eth0", true },
		{ "a client, IPv6", "2001:db8::7", FAR6, "eth0", false },
		{ "the node, IPv6", "fd00:10::1", FAR6, NULL, false },
		{ "the first bytes of 10.244.0.0/16", "af4::7", FAR6, "eth0", false },
		{}
	};
	static const struct masquerade_case v6_only[] = {
		{ "a client, IPv6", "2001:db8::7", FAR6, "eth0", true },
		{ "a client", "203.0.113.7", FAR, "eth0", false },
		{ "the node", "192.168.1.10", FAR, NULL, false },
		{}
	};
	static const struct masquerade_case neither[] = {
		{ "a client", "203.0.113.7", FAR, "eth0", false },
		{ "a client, IPv6", "2001:db8::7", FAR6, "eth0", false },
		{ "the node", "192.168.1.10", FAR, NULL, false },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.244.0.0/16" }, v4_only);
	check_masquerade((struct setting){ .cluster_cidrs = "fd00:244::/32" }, v6_only);
	check_masquerade((struct setting){}, neither);
	check_masquerade((struct setting){ .service_cidrs = "10.96.0.0/12" }, neither);
}

static void q6(void)
{
	static const struct masquerade_case cases[] = {
		{ "a local endpoint to itself", "10.244.1.5", WEB, "cni0", true },
		{ "a local endpoint to itself, IPv6", "fd00:244:1::5", WEB6, "cni0", true },
		{ "to another", "10.244.1.5", FAR, "cni0", false },
		{ "an endpoint elsewhere, to itself", "10.244.2.5", FAR, "eth0", false },
		{ "an endpoint elsewhere, to itself, IPv6", "fd00:244:2::5", FAR6, "eth0", false },
		{ "a host-network pod to itself", "192.168.1.10", HOST, NULL, true },
		{ "the same, come back to the node: Q9", "192.168.1.10", HOST, "eth0", false },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "0.0.0.0/0 ::/0" }, cases);
	check_masquerade((struct setting){}, cases);
}

/* The same decision depends on what is chosen. */
static void q6_by_choice(void)
{
	struct ksvc_net *kn = net_new();
	const struct nf_conntrack_tuple tuple = tuple_of("10.244.1.5", WEB);
	const struct ksvc_endpoint *ep;
	struct ksvc_decision d;
	u32 i, masqueraded = 0;

	put(kn, 0, KSVC_MODE_PUT, "web", WEB, "10.244.1.5:80/cl 10.244.1.5:81/c 10.244.1.6:80/cl "
					      "10.244.1.5:82/cl");
	d = decide(kn, "10.244.1.5", WEB, "cni0");
	expect(d.set->n == 4);
	rcu_read_lock();
	for (i = 0; i < d.set->n; i++) {
		ep = &d.svc->endpoints[d.set->first + i];
		if (ksvc_masquerade(kn, &tuple, "cni0\0\0\0\0\0\0\0\0\0\0\0", &d, ep)) {
			masqueraded++;
			expect(ep->port == htons(80) || ep->port == htons(82));
		}
	}
	rcu_read_unlock();
	expect(masqueraded == 2);
	net_free(kn);
}

static void q9(void)
{
	static const struct masquerade_case cases[] = {
		{ "a client to a host-network pod", "203.0.113.7", HOST, "eth0", false },
		{ "a pod to a host-network pod", "10.244.1.7", HOST, "cni0", false },
		{ "the node to a host-network pod", "192.168.1.10", HOST, NULL, true },
		{ "another address of the node", "127.0.0.1", HOST, NULL, true },
		{ "a client to a pod", "203.0.113.7", WEB, "eth0", true },
		{ "a client, IPv6", "2001:db8::7", HOST6, "eth0", false },
		{ "the node, IPv6", "fd00:10::1", HOST6, NULL, true },
		{}
	};

	check_masquerade((struct setting){ .cluster_cidrs = "10.244.0.0/16 fd00:244::/32" },
			 cases);
}

struct verdict_case {
	const char *what, *from, *to, *in;
	u8 verdict, reason;
};

#define NOTHING		KSVC_VERDICT_NONE, KSVC_REASON_NO_SERVICE
#define TRANSLATED	KSVC_VERDICT_DNAT, KSVC_REASON_TRANSLATED
#define F1		KSVC_VERDICT_REJECT, KSVC_REASON_NO_ENDPOINT
#define F7		KSVC_VERDICT_REJECT, KSVC_REASON_UNUSED_PORT
#define F8		KSVC_VERDICT_DROP, KSVC_REASON_UNUSED_ADDRESS

static void check_verdicts(const struct verdict_case *c)
{
	struct ksvc_net *kn = node_new();

	expect(!set(kn, (struct setting){ .service_cidrs = "10.96.0.0/16 192.168.1.10/32 "
							   "fd00:96::/112" }));
	for (; c->what; c++) {
		const struct ksvc_decision d = decide(kn, c->from, c->to, c->in);
		bool translated = c->verdict == KSVC_VERDICT_DNAT;

		expect_for(c->what, d.verdict == c->verdict && d.reason == c->reason);
		expect_for(c->what, !d.endpoint == !translated);
		expect_for(c->what, !d.svc == (c->reason != KSVC_REASON_TRANSLATED &&
					       c->reason != KSVC_REASON_NO_ENDPOINT));
		expect_for(c->what, translated || !d.masquerade);
	}
	net_free(kn);
}

static void m1(void)
{
	static const struct verdict_case cases[] = {
		{ "forwarded", "203.0.113.7", WEB, "eth0", TRANSLATED },
		{ "from a pod", "10.244.1.7", WEB, "cni0", TRANSLATED },
		{ "made on the node (M9)", "192.168.1.10", WEB, NULL, TRANSLATED },
		{ "another frontend", "203.0.113.7", "10.96.0.10:53/udp", "eth0", TRANSLATED },
		{ "IPv6", "2001:db8::7", WEB6, "eth0", TRANSLATED },
		{ "an endpoint is no frontend", "203.0.113.7", "10.244.1.5:8080/tcp", "eth0",
		  NOTHING },
		{ "elsewhere", "203.0.113.7", "198.51.100.1:80/tcp", "eth0", NOTHING },
		{ "a frontend at an address of the node", "203.0.113.7", "192.168.1.10:80/tcp",
		  "eth0", TRANSLATED },
		{ "the same, made on the node", "192.168.1.10", "192.168.1.10:80/tcp", NULL,
		  TRANSLATED },
		{}
	};

	check_verdicts(cases);
}

static void m5(void)
{
	static const struct verdict_case cases[] = {
		{ "TCP is not UDP", "203.0.113.7", "10.96.0.10:80/udp", "eth0", F7 },
		{ "UDP is not TCP", "203.0.113.7", "10.96.0.10:53/tcp", "eth0", F7 },
		{ "SCTP is neither", "203.0.113.7", "10.96.0.10:80/sctp", "eth0", F7 },
		{ "another port", "203.0.113.7", "10.96.0.10:81/tcp", "eth0", F7 },
		{ "the port in host byte order", "203.0.113.7", "10.96.0.10:20480/tcp", "eth0",
		  F7 },
		{ "a port of the other family", "2001:db8::7", "[fd00:96::10]:53/udp", "eth0",
		  F7 },
		{}
	};

	check_verdicts(cases);
}

static void families(void)
{
	struct ksvc_net *kn = net_new();

	put(kn, 0, KSVC_MODE_PUT, "v4", "10.96.0.10:80/tcp", "10.244.1.5:80");
	put(kn, 0, KSVC_MODE_PUT, "both", "10.97.0.10:80/tcp [a61:b::]:80/tcp",
	    "10.244.1.5:80 [fd00::5]:80");
	expect(decide(kn, "2001:db8::7", "[a60:a::]:80/tcp", "eth0").verdict ==
	       KSVC_VERDICT_NONE);
	expect(!strcmp(choices(kn, "10.97.0.10:80/tcp"), "both: 10.244.1.5:80"));
	expect(!strcmp(choices(kn, "[a61:b::]:80/tcp"), "both: [fd00::5]:80"));
	/* an endpoint with the sender's first bytes is not the sender */
	put(kn, 0, KSVC_MODE_PUT, "v6", "[fd00:96::1]:80/tcp", "[af4:105::]:80/cl");
	expect(!decide(kn, "af4:105:1::", "[fd00:96::1]:80/tcp", "cni0").masquerade);
	expect(decide(kn, "af4:105::", "[fd00:96::1]:80/tcp", "cni0").masquerade);
	net_free(kn);
}

static void f1(void)
{
	static const struct verdict_case cases[] = {
		{ "forwarded", "203.0.113.7", "10.96.0.13:80/tcp", "eth0", F1 },
		{ "from a pod", "10.244.1.7", "10.96.0.13:80/tcp", "cni0", F1 },
		{ "made on the node", "192.168.1.10", "10.96.0.13:80/tcp", NULL, F1 },
		{ "IPv6", "2001:db8::7", "[fd00:96::13]:80/tcp", "eth0", F1 },
		{}
	};
	struct ksvc_net *kn;

	check_verdicts(cases);
	kn = node_new();
	put(kn, 0, KSVC_MODE_PUT, "v6", "10.96.1.1:80/tcp [fd00:96::101]:80/tcp",
	    "[fd00:244:1::5]:80");
	expect(decide(kn, "203.0.113.7", "10.96.1.1:80/tcp", "eth0").reason ==
	       KSVC_REASON_NO_ENDPOINT);
	expect(decide(kn, "2001:db8::7", "[fd00:96::101]:80/tcp", "eth0").reason ==
	       KSVC_REASON_TRANSLATED);
	put(kn, 0, KSVC_MODE_PUT, "zero", "10.96.1.2:80/tcp", "10.244.1.5:80@0 10.244.1.6:80/l");
	expect(decide(kn, "203.0.113.7", "10.96.1.2:80/tcp", "eth0").reason ==
	       KSVC_REASON_NO_ENDPOINT);
	put(kn, 0, KSVC_MODE_PUT, "own", "192.168.1.10:80/tcp", "");
	expect(decide(kn, "203.0.113.7", "192.168.1.10:80/tcp", "eth0").reason ==
	       KSVC_REASON_NO_ENDPOINT);
	net_free(kn);
}

static void f7(void)
{
	static const struct verdict_case cases[] = {
		{ "forwarded", "203.0.113.7", "10.96.0.10:81/tcp", "eth0", F7 },
		{ "made on the node", "192.168.1.10", "10.96.0.10:81/tcp", NULL, F7 },
		{ "a VIP without endpoints", "203.0.113.7", "10.96.0.13:81/tcp", "eth0", F7 },
		{ "ICMP", "203.0.113.7", "10.96.0.10:2048/1", "eth0", F7 },
		{ "neither port nor protocol", "203.0.113.7", "10.96.0.10:0/0", "eth0", F7 },
		{ "IPv6", "2001:db8::7", "[fd00:96::10]:81/tcp", "eth0", F7 },
		{ "arrives for an address of the node", "203.0.113.7", "192.168.1.10:22/tcp",
		  "eth0", NOTHING },
		{ "made on the node for its own address", "192.168.1.10", "192.168.1.10:22/tcp",
		  NULL, F7 },
		{}
	};

	check_verdicts(cases);
}

static void f8(void)
{
	static const struct verdict_case cases[] = {
		{ "forwarded", "203.0.113.7", "10.96.77.1:80/tcp", "eth0", F8 },
		{ "from a pod", "10.244.1.7", "10.96.77.1:80/udp", "cni0", F8 },
		{ "made on the node", "192.168.1.10", "10.96.77.1:80/tcp", NULL, F8 },
		{ "outside", "203.0.113.7", "10.97.0.1:80/tcp", "eth0", NOTHING },
		{ "IPv6", "2001:db8::7", "[fd00:96::99]:80/tcp", "eth0", F8 },
		{ "IPv6, outside", "2001:db8::7", "[fd00:97::99]:80/tcp", "eth0", NOTHING },
		{ "the first bytes of 10.96.0.0/16", "2001:db8::7", "[a60::1]:80/tcp", "eth0",
		  NOTHING },
		{}
	};
	struct ksvc_net *kn;

	check_verdicts(cases);
	kn = net_new();
	/* an address of the node, inside, and no VIP */
	local_addresses = "10.96.77.1 fd00:96::77";
	put(kn, 0, KSVC_MODE_PUT, "web", WEB, "10.244.1.5:80");
	set(kn, (struct setting){ .service_cidrs = "10.96.0.0/16 fd00:96::/112" });
	expect(decide(kn, "203.0.113.7", "10.96.77.1:22/tcp", "eth0").verdict ==
	       KSVC_VERDICT_NONE);
	expect(decide(kn, "10.96.77.1", "10.96.77.1:22/tcp", NULL).reason ==
	       KSVC_REASON_UNUSED_ADDRESS);
	expect(decide(kn, "2001:db8::7", "[fd00:96::77]:22/tcp", "eth0").verdict ==
	       KSVC_VERDICT_NONE);
	net_free(kn);
}

/* VIPs come and go with their last frontend, whoever has it. */
static void f7_f8_follow(void)
{
	struct ksvc_net *kn = net_new();
	const char *other = "10.96.0.10:1/tcp";

	set(kn, (struct setting){ .service_cidrs = "10.96.0.0/16" });
	put(kn, 0, KSVC_MODE_PUT, "a", "10.96.0.10:80/tcp 10.96.0.10:81/tcp", "");
	put(kn, 0, KSVC_MODE_PUT, "b", "10.96.0.10:80/udp", "");
	expect(kn->n_vips == 1);
	expect(decide(kn, "203.0.113.7", other, "eth0").reason == KSVC_REASON_UNUSED_PORT);
	del(kn, 0, "a");
	expect(kn->n_vips == 1);
	expect(decide(kn, "203.0.113.7", other, "eth0").reason == KSVC_REASON_UNUSED_PORT);
	del(kn, 0, "b");
	expect(kn->n_vips == 0);
	expect(decide(kn, "203.0.113.7", other, "eth0").reason == KSVC_REASON_UNUSED_ADDRESS);
	set(kn, (struct setting){});
	expect(decide(kn, "203.0.113.7", other, "eth0").reason == KSVC_REASON_NO_SERVICE);
	net_free(kn);
}

static void same_flow(void)
{
	struct ksvc_net *kn = net_new();
	const struct nf_conntrack_tuple tuple = tuple_of("192.0.2.1", WEB);
	struct ksvc_decision d;
	u32 i;

	put(kn, 0, KSVC_MODE_PUT, "web", WEB, "10.0.0.1:80 10.0.0.2:80@5 10.0.0.3:80");
	d = decide(kn, "192.0.2.1", WEB, "eth0");
	for (i = 0; i < 10; i++)
		expect(decide(kn, "192.0.2.1", WEB, i % 2 ? "eth0" : NULL).endpoint == d.endpoint);
	rcu_read_lock();
	expect(ksvc_choose(kn, &d, &tuple, true) == d.endpoint);
	rcu_read_unlock();
	net_free(kn);
}

const struct test decide_tests[] = {
	{ "M1 a frontend, from wherever, and nothing else", m1 },
	{ "M5 protocol and port must be exactly the frontend's", m5 },
	{ "families apart: equal first bytes are not equal addresses", families },
	{ "P7 the same flow gets the same endpoint, explained or sent", same_flow },
	{ "Q1 by cluster CIDR", q1_cidr },
	{ "Q1 by several CIDRs of one family", q1_several_cidrs },
	{ "Q1 by interface: names and prefixes, longest and shortest", q1_interface },
	{ "Q1 by interface: a prefix of nothing", q1_any_interface },
	{ "Q1 by whichever detector knows", q1_either },
	{ "Q2 masquerade-all", q2 },
	{ "Q3 no detector in that family", q3 },
	{ "Q6 hairpin only for a local endpoint", q6 },
	{ "Q6 hairpin depends on what is chosen", q6_by_choice },
	{ "Q9 what is delivered here keeps its source", q9 },
	{ "F1 nobody takes new connections, families apart", f1 },
	{ "F7 a port that a VIP does not have, local addresses apart", f7 },
	{ "F8 an address that no VIP has, local addresses apart", f8 },
	{ "F7 and F8 follow the frontends and settings in force", f7_f8_follow },
	{}
};
