// SPDX-License-Identifier: GPL-2.0
/* Node port addresses, and what is no frontend's: M6, M7, F7, F8, F13, pings; strays. */
#include "test.h"

#include <linux/string.h>
#include <stdio.h>

#define PUT	KSVC_MODE_PUT
#define CLIENT	"203.0.113.7"
#define NODE	"192.168.1.10"

static void m5(void)
{
	static const struct {
		const char *to;
		u8 verdict;
	} cases[] = {
		{ NODE ":30001/tcp", KSVC_VERDICT_DNAT },
		{ NODE ":30001/udp", KSVC_VERDICT_NONE },
		{ NODE ":30001/sctp", KSVC_VERDICT_NONE },
		{ NODE ":30002/udp", KSVC_VERDICT_DNAT },
		{ NODE ":30003/tcp", KSVC_VERDICT_NONE },
		{ NODE ":80/tcp", KSVC_VERDICT_NONE },
		{ "10.96.0.1:30001/tcp", KSVC_VERDICT_REJECT },
		{ "10.96.0.1:80/tcp", KSVC_VERDICT_DNAT },
		{ "192.168.1.99:30001/tcp", KSVC_VERDICT_NONE },
	};
	struct ksvc_net *kn = net_new();
	u32 i;

	local_addresses = NODE;
	put(kn, 0, PUT, "a", "10.96.0.1:80/tcp 0.0.0.0:30001/tcp=np 0.0.0.0:30002/udp=np",
	    "10.0.0.1:80");
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		expect_for(cases[i].to, decide(kn, CLIENT, cases[i].to, "eth0").verdict ==
					cases[i].verdict);
	expect(decide(kn, CLIENT, "10.96.0.1:30001/tcp", "eth0").reason ==
	       KSVC_REASON_UNUSED_PORT);
	/* the other family has none */
	local_addresses = NODE " fd00:10::1";
	expect(decide(kn, "2001:db8::7", "[fd00:10::1]:30001/tcp", "eth0").verdict ==
	       KSVC_VERDICT_NONE);
	net_free(kn);
}

/* Whether a node port answers at an address. */
static void m6_m7(void)
{
	static const struct {
		const char *list, *to;
		bool localhost, answers;
	} cases[] = {
		{ NULL, NODE, false, true },
		{ NULL, "10.0.0.1", false, true },
		{ NULL, "192.168.1.99", false, false },
		{ NULL, "127.0.0.1", false, false },
		{ NULL, "127.0.0.1", true, true },
		{ NULL, "127.9.9.9", true, true },
		{ NULL, "::1", true, false },
		{ NULL, "fd00:10::1", false, true },
		{ NULL, "fd00:10::99", false, false },
		{ NULL, "0.0.0.0", false, false },
		{ NULL, "::", false, false },
		{ "192.168.0.0/16", NODE, false, true },
		{ "192.168.0.0/16", "10.0.0.1", false, false },
		{ "192.168.0.0/16", "127.0.0.1", true, false },
		{ "192.168.0.0/16", "192.168.1.99", false, false },
		{ "192.168.0.0/16", "fd00:10::1", false, true },
		{ "192.168.0.0/16", "fd00:20::1", false, true },
		{ "192.168.1.10/32", NODE, false, true },
		{ "192.168.1.11/32 10.0.0.0/8", NODE, false, false },
		{ "192.168.1.11/32 10.0.0.0/8", "10.0.0.1", false, true },
		{ "fd00:10::/32", NODE, false, true },
		{ "fd00:10::/32", "fd00:10::1", false, true },
		{ "fd00:10::/32", "fd00:20::1", false, false },
		{ "fd00:10::/32", "127.9.9.9", true, true },
		{ "0.0.0.0/0", NODE, false, true },
		{ "0.0.0.0/0", "127.0.0.1", false, false },
		{ "0.0.0.0/0", "127.0.0.1", true, true },
		{ "0.0.0.0/0", "127.9.9.9", true, true },
		{ "0.0.0.0/0 10.0.0.0/8", "127.9.9.9", true, true },
		{ "10.0.0.0/8 0.0.0.0/0", "127.9.9.9", true, true },
		{ "::/0", "fd00:20::1", false, true },
		{ "::/0", "::1", true, false },
		{ "::1/128", "::1", true, false },
		{ "127.0.0.0/8", "127.0.0.1", true, true },
		{ "127.0.0.0/8", "127.0.0.1", false, false },
		{ "127.0.0.0/8", "127.9.9.9", true, false },
		{ "127.0.0.0/8", NODE, true, false },
		{ "127.0.0.1/32", "127.0.0.1", true, true },
	};
	struct ksvc_net *kn = net_new();
	u32 i;

	local_addresses = NODE " 10.0.0.1 127.0.0.1 fd00:10::1 fd00:20::1 ::1";
	put(kn, 0, PUT, "a", "0.0.0.0:30001/tcp=np [::]:30001/tcp=np",
	    "10.244.0.1:80 [fd00:244::1]:80");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool v6 = strchr(cases[i].to, ':');
		struct ksvc_decision d;
		char to[64];

		set(kn, (struct setting){ .nodeport_addresses = cases[i].list,
					  .localhost_nodeports = cases[i].localhost });
		snprintf(to, sizeof(to), v6 ? "[%s]:30001/tcp" : "%s:30001/tcp", cases[i].to);
		d = decide(kn, v6 ? "::1" : "127.0.0.1", to, NULL);
		if (!expect_for(to, d.verdict == (cases[i].answers ? KSVC_VERDICT_DNAT :
								     KSVC_VERDICT_NONE)))
			diagnose("list %s, localhost %u", cases[i].list, cases[i].localhost);
	}
	net_free(kn);
}

static void f13(void)
{
	static const struct {
		const char *from, *to, *in;
		bool dropped;
	} cases[] = {
		{ CLIENT, "127.0.0.1:22/tcp", "eth0", true },
		{ CLIENT, "127.255.255.255:22/udp", "eth0", true },
		{ CLIENT, "126.255.255.255:22/tcp", "eth0", false },
		{ CLIENT, "128.0.0.1:22/tcp", "eth0", false },
		{ NODE, "127.0.0.1:22/tcp", NULL, true },
		{ "127.0.0.2", "127.0.0.1:22/tcp", NULL, false },
		{ "127.0.0.2", "127.0.0.1:22/tcp", "lo", false },
		{ "127.0.0.1", "203.0.113.9:22/tcp", NULL, false },
		{ "fd00:10::1", "[::1]:22/tcp", NULL, false },
		{ "2001:db8::1", "[7f00::1]:22/tcp", "eth0", false },
		{ "7f00::1", "[7f00::1]:22/tcp", "eth0", false },
	};
	struct ksvc_net *kn = net_new();
	u32 on, i;

	local_addresses = NODE " 127.0.0.1 ::1";
	put(kn, 0, PUT, "a", "0.0.0.0:30001/tcp=np 127.0.0.1:53/udp=ext", "10.0.0.1:80");
	for (on = 0; on < 2; on++) {
		set(kn, (struct setting){ .localhost_nodeports = on });
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			const struct ksvc_decision d = decide(kn, cases[i].from, cases[i].to,
							      cases[i].in);
			bool dropped = on && cases[i].dropped;

			expect_for(cases[i].to, d.reason == (dropped ? KSVC_REASON_LOCALHOST :
								       KSVC_REASON_NO_SERVICE));
			expect(d.verdict == (dropped ? KSVC_VERDICT_DROP : KSVC_VERDICT_NONE));
			expect(d.rule == (dropped ? KSVC_RULE_F13 : KSVC_RULE_NONE));
		}
		/* what is translated is not dropped */
		expect(decide(kn, CLIENT, "127.0.0.1:53/udp", "eth0").verdict ==
		       KSVC_VERDICT_DNAT);
		expect((decide(kn, CLIENT, "127.0.0.1:30001/tcp", "eth0").verdict ==
			KSVC_VERDICT_DNAT) == on);
	}
	net_free(kn);
}

/* F7 and F8 are of ClusterIPs: other VIPs are left alone, but F8 finds them. */
static void f7_f8(void)
{
	struct ksvc_net *kn = net_new();

	local_addresses = NODE;
	put(kn, 0, PUT, "a", "10.96.0.1:80/tcp 198.51.100.1:80/tcp=ext 198.51.100.2:80/tcp=lb "
	    "10.96.0.2:80/tcp=ext 10.96.0.3:80/tcp=lb 0.0.0.0:30001/tcp=np", "10.0.0.1:80");
	set(kn, (struct setting){ .service_cidrs = "10.96.0.0/16" });
	expect(decide(kn, CLIENT, "10.96.0.1:81/tcp", "eth0").rule == KSVC_RULE_F7);
	expect(decide(kn, CLIENT, "198.51.100.1:81/tcp", "eth0").rule == KSVC_RULE_NONE);
	expect(decide(kn, CLIENT, "198.51.100.2:81/tcp", "eth0").rule == KSVC_RULE_NONE);
	expect(decide(kn, CLIENT, "10.96.0.2:81/tcp", "eth0").rule == KSVC_RULE_F8);
	expect(decide(kn, CLIENT, "10.96.0.3:81/tcp", "eth0").rule == KSVC_RULE_F8);
	expect(decide(kn, CLIENT, "0.0.0.0:30002/tcp", "eth0").rule == KSVC_RULE_NONE);
	/* the same address is a ClusterIP too, and no longer */
	put(kn, 0, PUT, "b", "198.51.100.1:90/tcp", "");
	expect(decide(kn, CLIENT, "198.51.100.1:81/tcp", "eth0").rule == KSVC_RULE_F7);
	put(kn, 0, PUT, "b", "198.51.100.1:90/tcp=ext", "");
	expect(decide(kn, CLIENT, "198.51.100.1:81/tcp", "eth0").rule == KSVC_RULE_NONE);
	put(kn, 0, PUT, "b", "198.51.100.1:90/tcp", "");
	del(kn, 0, "b");
	expect(decide(kn, CLIENT, "198.51.100.1:81/tcp", "eth0").rule == KSVC_RULE_NONE);
	net_free(kn);
}

#define ECHO4	":2048/1"
#define ECHO6	":32768/58"

static void ping(void)
{
	static const struct {
		const char *to, *in;
		u8 on, off;
	} cases[] = {
		{ "10.96.0.1" ECHO4, "eth0", KSVC_REASON_ECHO, KSVC_REASON_UNUSED_PORT },
		{ "10.96.0.1" ECHO4, NULL, KSVC_REASON_ECHO, KSVC_REASON_UNUSED_PORT },
		{ "198.51.100.1" ECHO4, "eth0", KSVC_REASON_ECHO, KSVC_REASON_NO_SERVICE },
		{ "198.51.100.2" ECHO4, "eth0", KSVC_REASON_ECHO, KSVC_REASON_NO_SERVICE },
		/* an echo reply, a time stamp request, an echo request of the other family */
		{ "10.96.0.1:0/1", "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		{ "10.96.0.1:3328/1", "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		{ "10.96.0.1" ECHO6, "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		{ "10.96.0.1:32768/1", "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		/* TCP and UDP with those numbers in their ports */
		{ "10.96.0.1:2048/tcp", "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		/* no endpoints; no VIP; no service of this kind */
		{ "10.96.0.2" ECHO4, "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		{ "10.96.0.9" ECHO4, "eth0", KSVC_REASON_UNUSED_ADDRESS,
		  KSVC_REASON_UNUSED_ADDRESS },
		{ NODE ECHO4, "eth0", KSVC_REASON_NO_SERVICE, KSVC_REASON_NO_SERVICE },
		{ "[fd00:96::1]" ECHO6, "eth0", KSVC_REASON_ECHO, KSVC_REASON_UNUSED_PORT },
		{ "[fd00:96::1]" ECHO4, "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
		{ "[fd00:96::2]" ECHO6, "eth0", KSVC_REASON_UNUSED_PORT, KSVC_REASON_UNUSED_PORT },
	};
	struct ksvc_net *kn = net_new();
	struct setting setting = { .service_cidrs = "10.96.0.0/16" };
	u32 i;

	local_addresses = NODE;
	put(kn, 0, PUT, "a", "10.96.0.1:80/tcp 198.51.100.1:80/udp=ext 198.51.100.2:80/tcp=lb "
	    "[fd00:96::1]:80/tcp 0.0.0.0:30001/tcp=np", "10.0.0.1:80/c [fd00::1]:80");
	/* with endpoints of the other family, that take none, of the local set alone */
	put(kn, 0, PUT, "b", "10.96.0.2:80/tcp [fd00:96::2]:80/tcp",
	    "10.0.0.1:80@0 [fd00::1]:80/l");
	for (i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const char *to = cases[i / 2].to;
		struct ksvc_decision d;
		u8 wanted;

		setting.ping = i % 2;
		wanted = setting.ping ? cases[i / 2].on : cases[i / 2].off;
		set(kn, setting);
		d = decide(kn, *to == '[' ? "2001:db8::7" : CLIENT, to, cases[i / 2].in);
		if (!expect_for(to, d.reason == wanted))
			diagnose("%u instead of %u", d.reason, wanted);
		expect((d.verdict == KSVC_VERDICT_LOCAL) == (wanted == KSVC_REASON_ECHO));
		expect(!d.endpoint && !d.svc && !d.masquerade);
	}
	/* one of its services is enough, and the last one goes */
	put(kn, 0, PUT, "c", "10.96.0.2:81/tcp=ext", "10.0.0.1:80");
	expect(decide(kn, CLIENT, "10.96.0.2" ECHO4, "eth0").reason == KSVC_REASON_ECHO);
	put(kn, 0, PUT, "c", "10.96.0.2:81/tcp=ext", "");
	expect(decide(kn, CLIENT, "10.96.0.2" ECHO4, "eth0").reason == KSVC_REASON_UNUSED_PORT);
	net_free(kn);
}

/* Segments that open no connection. */
static void strays(void)
{
	static const struct {
		const char *what, *from, *to, *in;
		u8 reason;
	} cases[] = {
		{ "ClusterIP", CLIENT, "10.96.0.1:80/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
		{ "external IP", CLIENT, "198.51.100.1:80/tcp", "eth0",
		  KSVC_REASON_NO_CONNECTION },
		{ "load balancer", "10.1.1.1", "198.51.100.2:80/tcp", "eth0",
		  KSVC_REASON_NO_CONNECTION },
		{ "node port", CLIENT, NODE ":30001/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
		{ "made on the node", NODE, "10.96.0.1:80/tcp", NULL, KSVC_REASON_NO_CONNECTION },
		{ "F1", CLIENT, "10.96.0.2:80/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
		{ "F2", CLIENT, "198.51.100.3:80/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
		{ "F3", CLIENT, "198.51.100.2:80/tcp", "eth0", KSVC_REASON_SOURCE_RANGE },
		{ "F7", CLIENT, "10.96.0.1:81/tcp", "eth0", KSVC_REASON_UNUSED_PORT },
		{ "F8", CLIENT, "10.96.0.9:80/tcp", "eth0", KSVC_REASON_UNUSED_ADDRESS },
		{ "F13", CLIENT, "127.0.0.1:22/tcp", "eth0", KSVC_REASON_LOCALHOST },
		{ "nobody's", CLIENT, NODE ":22/tcp", "eth0", KSVC_REASON_NO_SERVICE },
		{ "Maglev, masqueraded", CLIENT, "10.96.0.4:80/tcp", "eth0",
		  KSVC_REASON_NO_CONNECTION },
		{ "Maglev, not masqueraded", "10.244.1.7", "10.96.0.4:80/tcp", "cni0",
		  KSVC_REASON_TRANSLATED },
		{ "Maglev, X1", CLIENT, "198.51.100.4:80/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
		{ "Maglev, F3", CLIENT, "198.51.100.6:80/tcp", "eth0", KSVC_REASON_SOURCE_RANGE },
		{ "Maglev, X2", CLIENT, "198.51.100.5:80/tcp", "eth0", KSVC_REASON_TRANSLATED },
		{ "Maglev, X4", NODE, "198.51.100.5:80/tcp", NULL, KSVC_REASON_NO_CONNECTION },
		{ "Maglev, node port, X2", CLIENT, NODE ":30005/tcp", "eth0",
		  KSVC_REASON_TRANSLATED },
		{ "Maglev, F1", CLIENT, "10.96.0.7:80/tcp", "eth0", KSVC_REASON_NO_CONNECTION },
	};
	struct ksvc_net *kn = net_new();
	u32 i;

	local_addresses = NODE;
	set_ranges("10.0.0.0/8");
	put(kn, 0, PUT, "a", "10.96.0.1:80/tcp 198.51.100.1:80/tcp=ext 198.51.100.2:80/tcp=lb "
	    "0.0.0.0:30001/tcp=np", "10.0.0.1:80");
	put(kn, 0, PUT, "b", "10.96.0.2:80/tcp", "");
	features.flags = KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL;
	put(kn, 0, PUT, "c", "198.51.100.3:80/tcp=ext", "10.0.0.1:80/c");
	features.scheduler = KSVC_SCHEDULER_MAGLEV;
	put(kn, 0, PUT, "d", "198.51.100.5:80/tcp=ext 0.0.0.0:30005/tcp=np", "10.0.0.1:80");
	features.flags = 0;
	put(kn, 0, PUT, "e", "10.96.0.4:80/tcp 198.51.100.4:80/tcp=ext 198.51.100.6:80/tcp=lb",
	    "10.0.0.1:80 10.0.0.2:80");
	put(kn, 0, PUT, "f", "10.96.0.7:80/tcp", "");
	set(kn, (struct setting){ .cluster_cidrs = "10.244.0.0/16", .localhost_nodeports = true,
				  .service_cidrs = "10.96.0.0/16" });
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ksvc_endpoint *ep;
		struct ksvc_decision d;

		stray = false;
		ep = decide(kn, cases[i].from, cases[i].to, cases[i].in).endpoint;
		stray = true;
		d = decide(kn, cases[i].from, cases[i].to, cases[i].in);
		if (!expect_for(cases[i].what, d.reason == cases[i].reason))
			diagnose("%u instead of %u", d.reason, cases[i].reason);
		expect((d.verdict == KSVC_VERDICT_RESET) ==
		       (d.reason == KSVC_REASON_NO_CONNECTION));
		/* the endpoint that a segment that opens a connection gets */
		expect(d.endpoint == (d.reason == KSVC_REASON_TRANSLATED ? ep : NULL));
		expect(!d.masquerade);
	}
	net_free(kn);
}

const struct test untranslated_tests[] = {
	{ "M5 node ports: protocol and port, nowhere else", m5 },
	{ "M6, M7 at which addresses node ports answer", m6_m7 },
	{ "F7, F8 are for ClusterIPs", f7_f8 },
	{ "F13 loopback addresses are reached from loopback addresses alone", f13 },
	{ "ping: echo requests to VIPs with endpoints, if wanted", ping },
	{ "strays: RST, or Maglev's endpoint; what drops, drops", strays },
	{}
};
