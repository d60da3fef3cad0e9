// SPDX-License-Identifier: GPL-2.0
/*
 * Everything crossed with everything, against an oracle that was written from
 * the rules (the nftables column) and not from decide.c.
 */
#include "test.h"

#include <linux/if.h>
#include <linux/string.h>
#include <stdio.h>

/* What else has the port as a node port. */
enum { NOBODY, WITH_ENDPOINTS, LOCAL_POLICY, WITHOUT_ENDPOINTS, OTHERS };
enum { NO_RANGES, ADMITTED, REFUSED, RANGES };

struct world {
	bool v6;
	u32 class, flags;
	bool cluster, local;		/* the sets have endpoints */
	bool host;			/* the local one is the node itself */
	u32 ranges, other;
	bool here;			/* the VIP is an address of the node */
	bool detector, masquerade_all;
};

static const struct sender {
	const char *v4, *v6;
	bool pod, node;
	const char *endpoint4, *endpoint6;	/* the one that it is */
} senders[] = {
	{ "10.244.1.7", "fd00:244:1::7", true, false, NULL, NULL },
	{ "203.0.113.7", "2001:db8::7", false, false, NULL, NULL },
	{ "192.168.1.10", "fd00:10::10", false, true, "192.168.1.10:8080", "[fd00:10::10]:8080" },
	{ "192.168.1.11", "fd00:10::11", false, true, NULL, NULL },
	{ "127.0.0.1", "::1", false, true, NULL, NULL },
	{ "10.244.1.1", "fd00:244:1::1", true, true, NULL, NULL },
	{ "10.244.1.5", "fd00:244:1::5", true, false, "10.244.1.5:8080", "[fd00:244:1::5]:8080" },
	{ "10.244.2.5", "fd00:244:2::5", true, false, NULL, NULL },	/* elsewhere: no Q6 */
};

static const char *const vips[2][2] = {
	{ "198.51.100.1:30001/tcp", "192.168.1.20:30001/tcp" },
	{ "[2001:db8:1::1]:30001/tcp", "[fd00:10::20]:30001/tcp" },
};

static const char eth0[IFNAMSIZ] = "eth0";

struct answer {
	u8 verdict, reason, rule;
	const char *name;		/* of the service */
	u32 set;
};

/* M, X and F in the order of section 7 of the rules. */
static struct answer oracle(const struct world *w, const struct sender *s)
{
	bool cluster = w->cluster, local = w->local, pod = s->pod && w->detector;
	struct answer a = { .name = "main" };
	u32 class = w->class, flags = w->flags;

	if (class == KSVC_CLASS_LOAD_BALANCER && w->ranges == REFUSED)
		return (struct answer){ KSVC_VERDICT_DROP, KSVC_REASON_SOURCE_RANGE,
					KSVC_RULE_F3, "main", 0 };
	/* M4. P5: any endpoint is in the cluster set, or no endpoint is in any. */
	if (class != KSVC_CLASS_NODE_PORT && !cluster && w->here && w->other != NOBODY) {
		a.name = "other";
		class = KSVC_CLASS_NODE_PORT;
		flags = w->other == LOCAL_POLICY ? KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL : 0;
		cluster = w->other != WITHOUT_ENDPOINTS;
		local = false;
	}
	if (class == KSVC_CLASS_CLUSTER_IP) {
		a.rule = KSVC_RULE_M1;
		a.set = flags & KSVC_SERVICE_FLAGS_INTERNAL_LOCAL ? KSVC_LOCAL : KSVC_CLUSTER;
	} else if (!(flags & KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL)) {
		a.rule = KSVC_RULE_X1;
	} else if (pod) {
		a.rule = KSVC_RULE_X3;
	} else if (s->node) {
		a.rule = KSVC_RULE_X4;
	} else {
		a.rule = KSVC_RULE_X2;
		a.set = KSVC_LOCAL;
	}
	if (a.set == KSVC_LOCAL ? local : cluster) {
		a.verdict = KSVC_VERDICT_DNAT;
		a.reason = KSVC_REASON_TRANSLATED;
	} else if (cluster) {
		a.verdict = KSVC_VERDICT_DROP;
		a.reason = KSVC_REASON_NO_LOCAL_ENDPOINT;
		a.rule = KSVC_RULE_F2;
	} else {
		a.verdict = KSVC_VERDICT_REJECT;
		a.reason = KSVC_REASON_NO_ENDPOINT;
		a.rule = KSVC_RULE_F1;
	}
	return a;
}

static bool wants_masquerade(const struct world *w, const struct sender *s, u8 rule,
			     const struct ksvc_endpoint *ep, bool arrived)
{
	const char *same = w->v6 ? s->endpoint6 : s->endpoint4;
	bool wanted = rule == KSVC_RULE_X1 || rule == KSVC_RULE_X4;		/* Q4, Q5 */
	struct ksvc_endpoint self;

	if (rule == KSVC_RULE_M1)						/* Q2, Q1, Q3 */
		wanted = w->masquerade_all || (w->detector && !s->pod);
	if (same) {								/* Q6 */
		self = endpoint_of(same);
		wanted |= !ksvc_endpoint_cmp(&self, ep);
	}
	if (arrived && w->host && ep->flags & KSVC_ENDPOINT_FLAGS_LOCAL)	/* Q9 */
		wanted = false;
	return wanted;
}

/* Whether the endpoint is of the set, and each of the set masqueraded if it should be. */
static bool check_set(const struct ksvc_net *kn, const struct world *w, const struct sender *s,
		      const struct ksvc_decision *d, const struct answer *a, const char *to,
		      const char *in)
{
	const struct nf_conntrack_tuple tuple = tuple_of(w->v6 ? s->v6 : s->v4, to);
	bool ok = d->endpoint && d->set == &d->svc->sets[a->set][w->v6];
	u32 i;

	rcu_read_lock();
	for (i = 0; ok && i < d->set->n; i++) {
		const struct ksvc_endpoint *ep = &d->svc->endpoints[d->set->first + i];
		bool wanted = wants_masquerade(w, s, a->rule, ep, in);

		ok &= ksvc_masquerade(kn, &tuple, in, d, ep) == wanted;
		ok &= d->endpoint != ep || d->masquerade == wanted;
	}
	rcu_read_unlock();
	i = ok ? d->endpoint - d->svc->endpoints - d->set->first : 0;
	return ok && i < d->set->n;
}

static bool check_packet(const struct ksvc_net *kn, const struct world *w, const struct sender *s,
			 const char *in)
{
	const char *to = w->class == KSVC_CLASS_NODE_PORT ? vips[w->v6][1] : vips[w->v6][w->here];
	const struct ksvc_decision d = decide(kn, w->v6 ? s->v6 : s->v4, to, in);
	const struct answer a = oracle(w, s);
	bool ok = d.verdict == a.verdict && d.reason == a.reason && d.rule == a.rule &&
		  d.svc && !strcmp(d.svc->ident->name, a.name);

	if (ok && a.verdict == KSVC_VERDICT_DNAT)
		ok = check_set(kn, w, s, &d, &a, to, in);
	else
		ok &= !d.endpoint && !d.masquerade;
	if (!ok)
		diagnose("v6 %u, class %u, flags %u, cluster %u, local %u, host %u, ranges %u, "
			 "other %u, here %u, detector %u, masquerade-all %u; from %s, in %s: "
			 "verdict %u instead of %u, rule %u instead of %u",
			 w->v6, w->class, w->flags, w->cluster, w->local, w->host, w->ranges,
			 w->other, w->here, w->detector, w->masquerade_all, s->v4, in,
			 d.verdict, a.verdict, d.rule, a.rule);
	return ok;
}

static void put_other(struct ksvc_net *kn, const struct world *w)
{
	features.flags = w->other == LOCAL_POLICY ? KSVC_SERVICE_FLAGS_EXTERNAL_LOCAL : 0;
	expect(!put(kn, 0, KSVC_MODE_PUT, "other",
		    w->v6 ? "[::]:30001/tcp=np" : "0.0.0.0:30001/tcp=np",
		    w->other == WITHOUT_ENDPOINTS ? "" :
		    w->v6 ? "[fd00:244:3::5]:80/c" : "10.244.3.5:80/c"));
}

static struct ksvc_net *world_new(const struct world *w)
{
	static const char *const suffixes[] = { "", "=ext", "=lb", "=np" };
	static const char *const ranges_of[2][RANGES] = {
		{ "2001:db8:ffff::/48", "0.0.0.0/1 128.0.0.0/1", "172.16.0.0/12 fd00::/8" },
		{ "172.16.0.0/12", "::/2 8000::/1 4000::/2", "10.0.0.0/8 4000::/2" },
	};
	struct ksvc_net *kn = net_new();
	char frontend[64], endpoints[128] = "";

	local_addresses = "192.168.1.10 192.168.1.11 192.168.1.20 127.0.0.1 10.244.1.1 "
			  "fd00:10::10 fd00:10::11 fd00:10::20 ::1 fd00:244:1::1";
	if (w->other != NOBODY)
		put_other(kn, w);
	if (w->cluster)
		strcat(endpoints, w->v6 ? "[fd00:244:2::5]:8080/c " : "10.244.2.5:8080/c ");
	if (w->local) {
		const struct sender *s = &senders[w->host ? 2 : 6];

		strcat(endpoints, w->v6 ? s->endpoint6 : s->endpoint4);
		strcat(endpoints, w->cluster ? "/cl" : "/l");
	}
	snprintf(frontend, sizeof(frontend), "%s%s", w->class == KSVC_CLASS_NODE_PORT ?
		 (w->v6 ? "[::]:30001/tcp" : "0.0.0.0:30001/tcp") : vips[w->v6][w->here],
		 suffixes[w->class]);
	features.flags = w->flags;
	set_ranges(ranges_of[w->v6][w->ranges]);
	expect(!put(kn, 0, KSVC_MODE_PUT, "main", frontend, endpoints));
	n_ranges = 0;
	return kn;
}

static bool check_world(struct world *w)
{
	struct ksvc_net *kn = world_new(w);
	bool ok = true;
	u32 i, j;

	for (i = 0; i < 4; i++) {
		w->detector = i & 1;
		w->masquerade_all = i & 2;
		set(kn, (struct setting){
			.cluster_cidrs = w->detector ? "10.244.0.0/16 fd00:244::/32" : NULL,
			.masquerade_all = w->masquerade_all,
		});
		for (j = 0; ok && j < ARRAY_SIZE(senders); j++)
			ok = check_packet(kn, w, &senders[j], NULL) &&
			     check_packet(kn, w, &senders[j], eth0);
	}
	net_free(kn);
	return ok;
}

/* A bit or two of a number for everything that can differ; not what cannot be. */
static void cross(void)
{
	u32 i, n = 0, wrong = 0;

	for (i = 0; i < 1U << 12 && wrong < 5; i++) {
		struct world w = {
			.v6 = i & 1,
			.class = i >> 1 & 3,
			.flags = i >> 3 & 3,
			.cluster = i >> 5 & 1,
			.local = i >> 6 & 1,
			.host = i >> 7 & 1,
			.other = i >> 8 & 3,
			.here = i >> 10 & 1,
			.ranges = i >> 11 & 1 ? REFUSED : NO_RANGES,
		};

		if ((w.host && !w.local) || (w.class == KSVC_CLASS_NODE_PORT && w.other))
			continue;
		if (w.class == KSVC_CLASS_NODE_PORT && w.here)
			continue;
		n++;
		wrong += !check_world(&w);
		if (w.ranges) {
			w.ranges = ADMITTED;
			wrong += !check_world(&w);
			n++;
		}
	}
	expect(!wrong);
	diagnose("%u configurations, %zu packets each", n, 8 * ARRAY_SIZE(senders));
}

struct address {
	const char *to;
	bool local, loopback, cidr;	/* of the node; inside the service CIDR */
};

/* Packets to addresses of which the port is nobody's: F7, F8, F13, pings. */
static u8 untranslated_oracle(const struct address *a, u32 classes, bool usable, bool ping,
			      bool localhost, bool echo, bool from_loopback, bool arrived)
{
	bool for_us = arrived && a->local;

	if (ping && echo && classes && usable)
		return KSVC_REASON_ECHO;
	if (classes & BIT(KSVC_CLASS_CLUSTER_IP))
		return for_us ? KSVC_REASON_NO_SERVICE : KSVC_REASON_UNUSED_PORT;
	if (a->cidr)
		return for_us ? KSVC_REASON_NO_SERVICE : KSVC_REASON_UNUSED_ADDRESS;
	if (localhost && a->loopback && !from_loopback)
		return KSVC_REASON_LOCALHOST;
	return KSVC_REASON_NO_SERVICE;
}

/* A service with frontends of some classes at one address, or none. */
static void put_classes(struct ksvc_net *kn, const char *addr, u32 classes, bool usable)
{
	static const char *const ends[] = { ":80/tcp ", ":90/tcp=ext ", ":91/tcp=lb " };
	char frontends[128] = "";
	u32 class;

	for (class = 0; class < ARRAY_SIZE(ends); class++)
		if (classes & BIT(class))
			strcat(strcat(frontends, addr), ends[class]);
	if (classes)
		expect(!put(kn, 0, KSVC_MODE_PUT, "a", frontends, usable ? "10.0.0.1:80" : ""));
}

static void cross_untranslated(void)
{
	static const struct address addresses[] = {
		{ "10.96.0.1", false, false, true },
		{ "10.97.0.1", false, false, false },
		{ "10.96.0.2", true, false, true },
		{ "192.168.1.10", true, false, false },
		{ "127.0.0.9", true, true, false },
	};
	static const char *const packets[] = { ":81/tcp", ":80/udp", ":2048/1", ":0/1" };
	static const char *const sources[] = { "203.0.113.7", "127.0.0.1" };
	u32 i, wrong = 0;

	for (i = 0; i < ARRAY_SIZE(addresses) << 10; i++) {
		const struct address *a = &addresses[i >> 10];
		bool usable = i & 8, ping = i & 16, localhost = i & 32, from = i & 64;
		u32 classes = i & 7, packet = i >> 7 & 3;
		const char *in = i & 512 ? "eth0" : NULL;
		struct ksvc_net *kn = net_new();
		char to[32];

		local_addresses = "192.168.1.10 10.96.0.2";
		/* so that the namespace is active */
		put(kn, 0, KSVC_MODE_PUT, "x", "198.51.100.1:1/tcp", "");
		put_classes(kn, a->to, classes, usable);
		set(kn, (struct setting){ .service_cidrs = "10.96.0.0/16", .ping = ping,
					  .localhost_nodeports = localhost });
		snprintf(to, sizeof(to), "%s%s", a->to, packets[packet]);
		wrong += decide(kn, sources[from], to, in).reason !=
			 untranslated_oracle(a, classes, usable, ping, localhost, packet == 2,
					     from, in);
		net_free(kn);
	}
	expect(!wrong);
}

const struct test cross_tests[] = {
	{ "M, X, Q, F: everything crossed, against an oracle", cross },
	{ "F7, F8, F13 and pings: everything crossed, against an oracle", cross_untranslated },
	{}
};
