// SPDX-License-Identifier: GPL-2.0
/* Flags, defaults, and what contradicts what. */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config_fixture.h"
#include "daemon/config_draft.h"
#include "test.h"

static const char *duration(const char *s)
{
	struct err e;
	int64_t ns;

	return config_duration(s, &ns, &e) ? "no" : text("%lld", (long long)ns);
}

static void durations(void)
{
	static const char *const bad[] = {
		"", "-", "+", "1", "1.5", ".", ".s", "s", "1x", "1 s", " 1s", "1s ", "1h30",
		"1m-1s", "0x1s", "1e3s", "10000000000000000000ns", "9223372036854775808ns",
		"2562048h", "9223372036854775807ns1ns", "1d", "ms", "--1s",
	};

	expect_text(duration("0"), "0");
	expect_text(duration("0s"), "0");
	expect_text(duration("-0"), "0");
	expect_text(duration("250ms"), "250000000");
	expect_text(duration("1h30m"), "5400000000000");
	expect_text(duration("1.5h"), "5400000000000");
	expect_text(duration(".5s"), "500000000");
	expect_text(duration("1.s"), "1000000000");
	expect_text(duration("+1us1ns"), "1001");
	expect_text(duration("3\xc2\xb5s"), "3000");
	expect_text(duration("3\xce\xbcs"), "3000");
	expect_text(duration("-1m"), "-60000000000");
	expect_text(duration("0.000000001s"), "1");
	expect_text(duration("9223372036854775807ns"), "9223372036854775807");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_text(duration(bad[i]), "no");
}

static const char *listener(const struct config_listen *l)
{
	char buf[ENDPOINT_STRLEN];

	return l->port ? text("%s", hostport_format(&l->addr, l->port, buf)) : "off";
}

static void defaults(void)
{
	expect_text(configure("--hostname-override=n1", NULL), "");
	expect(got.action == CONFIG_RUN && !got.file && !got.manifests && !got.kubeconfig);
	expect(!got.master && !got.zone && !got.n_node_ips && !got.netns);
	expect_text(got.node_name, "n1");
	expect(got.detect_local == DETECT_CLUSTER_CIDR && !got.settings.cluster_cidrs.n);
	expect(got.nodeport_primary && !got.settings.nodeport_addresses.n);
	expect(got.scheduler == KSVC_SCHEDULER_RANDOM);
	expect(got.sync_period == 30000000 && !got.min_sync_period);
	expect(got.conntrack.max_per_core == 32768 && got.conntrack.min == 131072);
	expect(got.conntrack.tcp_established == 86400 && got.conntrack.tcp_close_wait == 3600);
	expect(!got.conntrack.udp && !got.conntrack.udp_stream && !got.conntrack.tcp_be_liberal);
	expect_text(listener(&got.healthz), "0.0.0.0:10256");
	expect_text(listener(&got.metrics), "127.0.0.1:10249");
	expect(!got.bind_hard_fail && !got.has_oom_score_adj);
	expect_text(got.state_file, "/var/lib/ksvcd/state.json");
	expect(got.serve_saved == SAVED_NEVER);
	expect(got.log_level == LOG_INFO && !got.log_json);
	expect(!got.settings.masquerade_all && !got.settings.localhost_nodeports);
	expect(!got.settings.drop_invalid && !got.settings.ping && !got.n_notes);
	expect((got.settings.has & HAS_CLUSTER_CIDRS) && !(got.settings.has & HAS_SERVICE_CIDRS));
	done_config();
}

static void every_flag(void)
{
	static const char flags[] =
		"--kubeconfig=/k --master https://m:6443 --hostname-override=Node-A "
		"--node-ip=10.0.0.1,fd00::1 --node-ip 10.0.0.2 --bind-address=10.0.0.2 --zone z1 "
		"--netns blue --cluster-cidr=10.244.0.0/16,fd00:244::/56 "
		"--detect-local-mode=ClusterCIDR --nodeport-addresses 10.0.0.0/8 "
		"--nodeport-addresses=fd00::/8 --masquerade-all "
		"--iptables-localhost-nodeports=true "
		"--no-external-ips --drop-invalid=1 --ping --ipvs-scheduler=wlc --scheduler=lc --sync-period=1m "
		"--min-sync-period=1s --healthz-bind-address=[::1]:1 "
		"--metrics-bind-address=0.0.0.0 --metrics-port=9 --bind-address-hard-fail "
		"--conntrack-max-per-core=7 "
		"--conntrack-min=8 --conntrack-tcp-timeout-established=1h "
		"--conntrack-tcp-timeout-close-wait=1ms --conntrack-tcp-be-liberal "
		"--conntrack-udp-timeout=30s --conntrack-udp-timeout-stream=5m "
		"--oom-score-adj=-999 --state=/s --serve-saved=after=30s -v=5 --log-format json "
		"--feature-gates=A=true "
		"--ipvs-strict-arp --cleanup";

	if (!expect_text(configure(flags, NULL), ""))
		return;
	expect_text(got.kubeconfig, "/k");
	expect_text(got.master, "https://m:6443");
	expect_text(got.node_name, "node-a");
	expect(got.n_node_ips == 3);
	expect_text(got.zone, "z1");
	expect_text(got.netns, "blue");
	expect(got.settings.cluster_cidrs.n == 2 && got.settings.nodeport_addresses.n == 2);
	expect(!got.nodeport_primary && got.settings.masquerade_all);
	expect(got.no_external_ips);
	expect(got.settings.localhost_nodeports && got.settings.drop_invalid && got.settings.ping);
	expect(got.scheduler == KSVC_SCHEDULER_LC);
	expect(got.sync_period == 60000000 && got.min_sync_period == 1000000);
	expect_text(listener(&got.healthz), "[::1]:1");
	expect_text(listener(&got.metrics), "0.0.0.0:9");
	expect(got.bind_hard_fail && got.conntrack.max_per_core == 7 && got.conntrack.min == 8);
	expect(got.conntrack.tcp_established == 3600 && got.conntrack.tcp_close_wait == 1);
	expect(got.conntrack.tcp_be_liberal && got.conntrack.udp == 30);
	expect(got.conntrack.udp_stream == 300);
	expect(got.has_oom_score_adj && got.oom_score_adj == -999);
	expect_text(got.state_file, "/s");
	expect(got.serve_saved == SAVED_AFTER && got.serve_saved_after == 30000000);
	expect(got.log_level == LOG_DEBUG && got.log_json && got.action == CONFIG_CLEANUP);
	expect_text(notes(), "feature-gates:0 ipvs-strict-arp:0");
	done_config();
}

static void listeners(void)
{
	configure("--healthz-bind-address= --metrics-port=0", NULL);
	expect_text(listener(&got.healthz), "off");
	expect_text(listener(&got.metrics), "off");
	configure("--healthz-bind-address=10.0.0.1 --metrics-bind-address=10.0.0.1:5 "
		  "--metrics-port=6", NULL);
	expect_text(listener(&got.healthz), "10.0.0.1:10256");
	expect_text(listener(&got.metrics), "10.0.0.1:5");
	expect_text(notes(), "metrics-port:0");
	configure("--bind-address=fd00::1", NULL);
	expect_text(listener(&got.healthz), "[::]:10256");
	expect_text(listener(&got.metrics), "[::1]:10249");
	expect(got.n_node_ips == 1);
	configure("--bind-address=::", NULL);
	expect(got.n_node_ips == 0);
	configure("--healthz-port=1 --metrics-port=2", NULL);
	expect_text(listener(&got.healthz), "0.0.0.0:1");
	expect_text(listener(&got.metrics), "127.0.0.1:2");
	done_config();
}

static void flag_errors(void)
{
	static const char *const cases[][2] = {
		{ "--nonsense", "--nonsense: no such flag" },
		{ "-x", "-x: no such flag" },
		{ "--kubeconfig", "--kubeconfig: needs a value" },
		{ "word", "unexpected argument \"word\"" },
		{ "--masquerade-all=maybe",
		  "--masquerade-all: must be true or false, not \"maybe\"" },
		{ "--cluster-cidr=10.0.0.0", "--cluster-cidr: \"10.0.0.0\" is not ADDR/LENGTH" },
		{ "--cluster-cidr=10.0.0.0/8,11.0.0.0/8", "more than one prefix of a family" },
		{ "--cluster-cidr=10.0.0.0/8,", "\"\" is not ADDR/LENGTH" },
		{ "--nodeport-addresses=primary,10.0.0.0/8", "primary and prefixes exclude" },
		{ "--nodeport-addresses=10.0.0.0/8 --nodeport-addresses=primary",
		  "primary and prefixes exclude" },
		{ "--nodeport-addresses=all", "\"all\" is neither ADDR/LENGTH nor primary" },
		{ "--node-ip=0.0.0.0", "--node-ip: \"0.0.0.0\" is not the address of a host" },
		{ "--bind-address=224.0.0.1", "--bind-address: is not the address of a host" },
		{ "--bind-address=10.0.0.1 --node-ip=10.0.0.2",
		  "--bind-address: differs from --node-ip" },
		{ "--hostname-override=a/b", "--hostname-override: \"a/b\" is not the name" },
		{ "--zone=x --hostname-override=\t", "is not the name of a node" },
		{ "--sync-period=", "--sync-period: \"\" is not a duration" },
		{ "--conntrack-min=", "--conntrack-min: must be a number" },
		{ "--scheduler=wlc", "must be random, rr, wrr, lc, sh or maglev, not \"wlc\"" },
		{ "--ipvs-scheduler=sed", "must be rr, wrr, lc, wlc, sh or mh, not \"sed\"" },
		{ "--ipvs-scheduler=rr --scheduler=wrr",
		  "--ipvs-scheduler: differs from --scheduler" },
		{ "--proxy-mode=userspace", "must be iptables, ipvs or nftables" },
		{ "--detect-local-mode=ClusterCIDR", "needs a cluster CIDR" },
		{ "--detect-local-mode=BridgeInterface", "needs the bridge's name" },
		{ "--detect-local-mode=InterfaceNamePrefix", "needs a prefix" },
		{ "--pod-bridge-interface=cni*", "\"cni*\" is no interface name" },
		{ "--pod-bridge-interface=1234567890123456", "is no interface name" },
		{ "--sync-period=0", "--sync-period: must be more than 0" },
		{ "--sync-period=-1s", "--sync-period: must not be negative" },
		{ "--min-sync-period=31s", "--min-sync-period: is longer than the sync period" },
		{ "--iptables-min-sync-period=1s --nftables-min-sync-period=2s",
		  "--nftables-min-sync-period: differs from --iptables-min-sync-period" },
		{ "--conntrack-min=-1", "--conntrack-min: must be a number of 0 to" },
		{ "--conntrack-min=99999999999", "must be a number of 0 to" },
		{ "--conntrack-udp-timeout=600000h", "must be at most 2147483647 seconds" },
		{ "--oom-score-adj=1001", "must be a number of -1000 to 1000" },
		{ "--healthz-bind-address=localhost:1", "is not an address" },
		{ "--healthz-bind-address=1.2.3.4:0", "is not an address" },
		{ "--healthz-port=65536", "must be a number of 0 to 65535" },
		{ "--serve-saved=later", "must be never, at-once or after=DURATION" },
		{ "--serve-saved=after=soon", "\"soon\" is not a duration" },
		{ "--state=", "--state: needs a path" },
		{ "--log-level=fatal", "must be error, warning, notice, info or debug" },
		{ "-v x", "--v: must be a number" },
		{ "--manifests=/m --kubeconfig=/k", "--kubeconfig: and --manifests exclude" },
		{ "--manifests=/m --master=h", "--master: and --manifests exclude" },
		{ "--config=/nonexistent/file", "/nonexistent/file: No such file" },
		{ "--config=/dev/zero", "/dev/zero: not a regular file" },
		{ "--config=/tmp", "/tmp: not a regular file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_part(configure(cases[i][0], NULL), cases[i][1]);
	expect_part(configure(text("--zone=%04097d", 0), NULL), "--zone: is longer than 4096");
	done_config();
}

static void empty_flags(void)
{
	expect_text(configure("--config= --kubeconfig= --master= --hostname-override= "
			      "--bind-address= --cluster-cidr= --detect-local-mode= "
			      "--pod-bridge-interface= --pod-interface-name-prefix= "
			      "--nodeport-addresses= --proxy-mode= --ipvs-scheduler= --zone= "
			      "--manifests=/m", NULL), "");
	expect(got.node_name && !got.file && !got.kubeconfig && got.nodeport_primary);
	done_config();
}

static void detection(void)
{
	configure("--detect-local-mode=BridgeInterface --pod-bridge-interface=cni0 "
		  "--cluster-cidr=10.0.0.0/8 --pod-interface-name-prefix=veth", NULL);
	expect(got.detect_local == DETECT_BRIDGE && !got.settings.cluster_cidrs.n);
	if (expect(got.settings.pod_interfaces.n == 1))
		expect_text(got.settings.pod_interfaces.names[0], "cni0");
	expect_text(notes(), "cluster-cidr:0 pod-interface-name-prefix:0");
	configure("--detect-local-mode=InterfaceNamePrefix --pod-interface-name-prefix=veth", NULL);
	if (expect(got.settings.pod_interfaces.n == 1))
		expect_text(got.settings.pod_interfaces.names[0], "veth*");
	configure("--detect-local-mode=NodeCIDR --cluster-cidr=10.0.0.0/8", NULL);
	expect(got.detect_local == DETECT_NODE_CIDR && !got.settings.cluster_cidrs.n);
	done_config();
}

static void actions(void)
{
	expect_text(configure("--help", NULL), "");
	expect(got.action == CONFIG_HELP);
	expect_text(configure("-h --config=/nonexistent", NULL), "");
	expect(got.action == CONFIG_HELP);
	expect_text(configure("--version", NULL), "");
	expect(got.action == CONFIG_VERSION);
	expect_text(configure("--cleanup=false", NULL), "");
	expect(got.action == CONFIG_RUN);
	done_config();
}

static void levels(void)
{
	configure("-v 3", NULL);
	expect(got.log_level == LOG_INFO);
	configure("--v=4", NULL);
	expect(got.log_level == LOG_DEBUG);
	configure("-v9 --log-level=error", NULL);
	expect(got.log_level == LOG_ERR);
	expect_text(notes(), "v:0");
	configure("--logging-format=json", NULL);
	expect(got.log_json);
	configure("--logging-format=json --log-format=auto", NULL);
	expect(!got.log_json);
	done_config();
}

/* As a reload does. */
static void twice(void)
{
	char *argv[] = { "ksvcd", "stray", "--zone", "z" };
	char *good[] = { "ksvcd", "--zone", "z" };
	struct config a, b;
	struct err e;

	expect(config_parse(&a, 4, argv, &e) < 0);
	expect_text(argv[1], "stray");
	expect(!config_parse(&a, 3, good, &e) && !config_parse(&b, 3, good, &e));
	expect_text(b.zone, "z");
	expect(!config_changed_needs_restart(&a, &b));
	config_free(&a);
	config_free(&b);
}

static const char *restart(const char *before, const char *after)
{
	struct config old;
	const char *key;

	expect_text(configure(before, NULL), "");
	old = got;
	memset(&got, 0, sizeof(got));
	expect_text(configure(after, NULL), "");
	key = config_changed_needs_restart(&old, &got);
	config_free(&old);
	done_config();
	return key ? key : "";
}

static void restarts(void)
{
	expect_text(restart("", "--kubeconfig=/k"), "clientConnection.kubeconfig");
	expect_text(restart("--kubeconfig=/k", "--kubeconfig=/l"), "clientConnection.kubeconfig");
	expect_text(restart("", "--manifests=/k"), "--manifests");
	expect_text(restart("", "--master=/k"), "--master");
	expect_text(restart("", "--netns=a"), "--netns");
	expect_text(restart("", "--state=a"), "--state");
	expect_text(restart("", "--hostname-override=other"), "hostnameOverride");
	expect_text(restart("", "--healthz-port=0"), "healthzBindAddress");
	expect_text(restart("", "--metrics-bind-address=127.0.0.2"), "metricsBindAddress");
	expect_text(restart("--sync-period=30s", "--nftables-sync-period=31s"), "syncPeriod");
	expect_text(restart("--metrics-port=0", "--metrics-port=0 --metrics-bind-address=1.1.1.1"),
		    "");
	expect_text(restart("", "--masquerade-all --cluster-cidr=10.0.0.0/8 -v5"), "");
}

static void usage(void)
{
	size_t size;
	char *s;
	FILE *f = open_memstream(&s, &size);

	config_usage(f);
	fclose(f);
	expect_part(s, "--serve-saved=never|at-once|after=DURATION");
	expect_part(s, "--ping ");
	expect_part(s, "--feature-gates");
	free(s);
}

const struct test config_tests[] = {
	{ "config: durations", durations },
	{ "config: defaults", defaults },
	{ "config: every flag", every_flag },
	{ "config: listeners", listeners },
	{ "config: errors of flags", flag_errors },
	{ "config: empty flags", empty_flags },
	{ "config: how pods are told", detection },
	{ "config: actions", actions },
	{ "config: log levels", levels },
	{ "config: parsed twice", twice },
	{ "config: what needs a restart", restarts },
	{ "config: usage", usage },
	{}
};
