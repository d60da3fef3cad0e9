// SPDX-License-Identifier: GPL-2.0
/* KubeProxyConfiguration: what counts, and complaints with their line. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "config_fixture.h"
#include "test.h"

/* All keys, as tools write them that write out what is not set. */
static const char zeros[] =
	"bindAddress: 0.0.0.0\n"
	"bindAddressHardFail: false\n"
	"clientConnection: {acceptContentTypes: \"\", burst: 0, contentType: \"\",\n"
	"  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0}\n"
	"clusterCIDR: 10.244.0.0/16\n"
	"configSyncPeriod: 0s\n"
	"conntrack:\n"
	"  maxPerCore: null\n"
	"  min: null\n"
	"  tcpBeLiberal: false\n"
	"  tcpCloseWaitTimeout: null\n"
	"  tcpEstablishedTimeout: null\n"
	"  udpStreamTimeout: 0s\n"
	"  udpTimeout: 0s\n"
	"detectLocal: {bridgeInterface: \"\", interfaceNamePrefix: \"\"}\n"
	"detectLocalMode: \"\"\n"
	"enableProfiling: false\n"
	"featureGates: {}\n"
	"healthzBindAddress: \"\"\n"
	"hostnameOverride: \"\"\n"
	"iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null,\n"
	"  minSyncPeriod: 0s, syncPeriod: 0s}\n"
	"ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: \"\", strictARP: false,\n"
	"  syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}\n"
	"logging:\n"
	"  flushFrequency: 0\n"
	"  options: {json: {infoBufferSize: \"0\"}, text: {infoBufferSize: \"0\"}}\n"
	"  verbosity: 0\n"
	"metricsBindAddress: \"\"\n"
	"mode: \"\"\n"
	"nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}\n"
	"nodePortAddresses: null\n"
	"oomScoreAdj: null\n"
	"portRange: \"\"\n"
	"showHiddenMetricsForVersion: \"\"\n"
	"windowsRunAsService: false\n"
	"winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: \"\",\n"
	"  rootHnsEndpointName: \"\", sourceVip: \"\"}\n";

static void nothing_set(void)
{
	const char *flags = "--min-sync-period=1s --conntrack-min=5 "
			    "--nodeport-addresses=10.0.0.0/8 "
			    "--healthz-bind-address=10.0.0.1:1 --hostname-override=n --ping";

	expect_text(configure_file(flags, zeros), "");
	expect_text(notes(), "");
	expect_text(got.kubeconfig, "/var/lib/kube-proxy/kubeconfig.conf");
	expect(got.settings.cluster_cidrs.n == 1 && got.settings.nodeport_addresses.n == 1);
	expect(got.min_sync_period == 1000000 && got.sync_period == 30000000);
	expect(got.conntrack.min == 5 && got.conntrack.tcp_established == 86400);
	expect(got.healthz.port == 1 && got.metrics.port == 10249 && got.settings.ping);
	expect(!got.has_oom_score_adj && got.log_level == LOG_INFO);
	expect_text(got.node_name, "n");
	done_config();
}

static void everything_set(void)
{
	static const char body[] =
		"bindAddress: 10.1.1.1\n"
		"bindAddressHardFail: true\n"
		"clientConnection: {kubeconfig: /k, qps: 2.5, burst: 10, contentType: a/b}\n"
		"clusterCIDR: 10.244.0.0/16, fd00::/56\n"
		"configSyncPeriod: 15m\n"
		"conntrack: {maxPerCore: 0, min: 9, tcpEstablishedTimeout: 0s,\n"
		"  tcpCloseWaitTimeout: 90m, tcpBeLiberal: yes, udpTimeout: 1ns, "
		"udpStreamTimeout: 3m}\n"
		"detectLocalMode: InterfaceNamePrefix\n"
		"detectLocal: {interfaceNamePrefix: veth}\n"
		"enableProfiling: true\n"
		"featureGates: {A: true, B: false}\n"
		"healthzBindAddress: 0.0.0.0\n"
		"hostnameOverride: Node-B\n"
		"iptables: {localhostNodePorts: true, masqueradeAll: true, masqueradeBit: 0x0e,\n"
		"  minSyncPeriod: 1s, syncPeriod: 1m}\n"
		"ipvs: {excludeCIDRs: [10.0.0.0/8, 11.0.0.0/8], scheduler: mh, strictARP: true,\n"
		"  tcpTimeout: 5s}\n"
		"logging: {format: json, flushFrequency: 5s, verbosity: 4, vmodule: [{a: 1}]}\n"
		"metricsBindAddress: \"[::]:1\"\n"
		"mode: iptables\n"
		"nftables: {masqueradeAll: false, masqueradeBit: 3, minSyncPeriod: 5s}\n"
		"nodePortAddresses: [10.0.0.0/8, \"fd00::/8\"]\n"
		"oomScoreAdj: 0\n"
		"portRange: 1-2\n"
		"winkernel: {enableDSR: true, networkName: x}\n";

	if (!expect_text(configure_file("--hostname-override=n --masquerade-all=false", body), ""))
		return;
	expect(got.n_node_ips == 1 && got.bind_hard_fail);
	expect_text(got.kubeconfig, "/k");
	expect_text(got.node_name, "n");
	expect(!got.settings.cluster_cidrs.n && got.detect_local == DETECT_PREFIX);
	expect_text(got.settings.pod_interfaces.names[0], "veth*");
	expect(!got.conntrack.max_per_core && got.conntrack.min == 9);
	expect(!got.conntrack.tcp_established && got.conntrack.tcp_close_wait == 5400);
	expect(got.conntrack.tcp_be_liberal && got.conntrack.udp == 1);
	expect(got.conntrack.udp_stream == 180);
	expect(got.healthz.port == 10256 && got.metrics.port == 1);
	expect(got.settings.masquerade_all && got.settings.localhost_nodeports);
	expect(got.sync_period == 60000000 && got.min_sync_period == 1000000);
	expect(got.scheduler == KSVC_SCHEDULER_MAGLEV);
	expect(got.log_json && got.log_level == LOG_DEBUG);
	expect(got.settings.nodeport_addresses.n == 2 && !got.nodeport_primary);
	expect(got.has_oom_score_adj && !got.oom_score_adj);
	expect_text(notes(),
		    "clientConnection.qps:5 clientConnection.burst:5 "
		    "clientConnection.contentType:5 configSyncPeriod:7 enableProfiling:12 "
		    "featureGates:13 hostnameOverride:15 "
		    "iptables.masqueradeBit:16 ipvs.excludeCIDRs:18 ipvs.strictARP:18 "
		    "ipvs.tcpTimeout:19 logging.flushFrequency:20 logging.vmodule:20 "
		    "nftables.masqueradeBit:23 portRange:26 winkernel.enableDSR:27 "
		    "winkernel.networkName:27 clusterCIDR:6 nftables.minSyncPeriod:23");
	done_config();
}

static void in_json(void)
{
	expect_text(configure("", "{\"apiVersion\": \"kubeproxy.config.k8s.io/v1alpha1\",\n"
			      "\t\"kind\": \"KubeProxyConfiguration\", \"mode\": \"ipvs\",\n"
			      "\"iptables\": {\"masqueradeAll\": true}, \"oomScoreAdj\": -5}"), "");
	expect(got.settings.masquerade_all && got.oom_score_adj == -5);
	expect_text(configure("", "{\"apiVersion\": \"kubeproxy.config.k8s.io/v1alpha1\",\n"
			      "\"kind\": \"KubeProxyConfiguration\",\n\"oomScoreAdj\": \"5\"}"),
		    "FILE:3: oomScoreAdj: must be an integer, not a string");
	done_config();
}

static void complaints(void)
{
	static const char *const cases[][2] = {
		{ "iptables:\n  masqueradeall: true",
		  "FILE:4: iptables.masqueradeall: unknown key" },
		{ "Mode: ipvs", "FILE:3: Mode: unknown key" },
		{ "\"a\\eb\": 1", "FILE:3: a?b: unknown key" },
		{ "\"mode\\0\": ipvs", "unknown key" },
		{ "{a: 1}: 2", "FILE:3: has a key that is no string" },
		{ "mode: ipvs\n\nmode: ipvs", "FILE:5: mode: is given twice, first in line 3" },
		{ "mode: userspace", "FILE:3: mode: must be iptables, ipvs or nftables" },
		{ "mode: 5", "FILE:3: mode: must be a string, not an integer; put it in quotes" },
		{ "mode: \"ipvs\\0x\"", "FILE:3: mode: has a NUL character" },
		{ "iptables: 5", "FILE:3: iptables: must be a map, not an integer" },
		{ "iptables: {masqueradeAll: \"true\"}", "must be true or false, not a string" },
		{ "iptables: {masqueradeAll: 1}", "must be true or false, not an integer" },
		{ "iptables: {masqueradeBit: 32}",
		  "iptables.masqueradeBit: must be a number of 0 to 31" },
		{ "iptables: {masqueradeBit: 1.5}",
		  "must be an integer, not a number with a fraction" },
		{ "oomScoreAdj: 08", "08 is not a number" },
		{ "oomScoreAdj: 99999999999999999999", "is not a number" },
		{ "oomScoreAdj: -1001", "FILE:3: oomScoreAdj: must be a number of -1000 to 1000" },
		{ "clientConnection:\n  burst: -1",
		  "FILE:4: clientConnection.burst: must be a number" },
		{ "clientConnection: {qps: x}", "must be a number with a fraction, not a string" },
		{ "conntrack: {min: -1}", "FILE:3: conntrack.min: must be a number of 0 to" },
		{ "conntrack: {udpTimeout: 5}", "must be a string, not an integer" },
		{ "conntrack: {udpTimeout: 5 s}", "\"5 s\" is not a duration" },
		{ "conntrack: {udpTimeout: -5s}", "must not be negative" },
		{ "ipvs: {tcpTimeout: -5s}", "FILE:3: ipvs.tcpTimeout: must not be negative" },
		{ "ipvs: {scheduler: sed}", "ipvs.scheduler: must be rr, wrr, lc, wlc, sh or mh" },
		{ "ipvs: {excludeCIDRs: 10.0.0.0/8}", "must be a list, not a string" },
		{ "nodePortAddresses:\n- 10.0.0.0/8\n- primary",
		  "FILE:5: nodePortAddresses[1]: primary and prefixes exclude one another" },
		{ "nodePortAddresses: [5]",
		  "nodePortAddresses[0]: must be a string, not an integer" },
		{ "nodePortAddresses: [[x]]",
		  "nodePortAddresses[0]: must be a string, not a list" },
		{ "nodePortAddresses: [10.0.0.0/33]",
		  "nodePortAddresses[0]: \"10.0.0.0/33\" is not" },
		{ "clusterCIDR: 10.0.0.1", "FILE:3: clusterCIDR: \"10.0.0.1\" is not ADDR/LENGTH" },
		{ "detectLocalMode: clustercidr",
		  "detectLocalMode: must be ClusterCIDR, NodeCIDR" },
		{ "\ndetectLocalMode: ClusterCIDR", "FILE:4: detectLocalMode: ClusterCIDR needs" },
		{ "detectLocalMode: BridgeInterface",
		  "FILE:3: detectLocalMode: BridgeInterface needs" },
		{ "detectLocalMode: InterfaceNamePrefix", "InterfaceNamePrefix needs a prefix" },
		{ "bindAddress: node1", "FILE:3: bindAddress: \"node1\" is not an address" },
		{ "healthzBindAddress: \":1\"", "healthzBindAddress: \":1\" is not an address" },
		{ "hostnameOverride: a b", "hostnameOverride: \"a b\" is not the name of a node" },
		{ "logging: {format: xml}", "logging.format: must be text or json" },
		{ "logging: {verbosity: debug}", "must be an integer, not a string" },
		{ "logging: {flushFrequency: often}", "\"often\" is not a duration" },
		{ "featureGates: {A: 1}", "featureGates.A: must be true or false, not an integer" },
		{ "featureGates:\n  A: true\n  A: true", "FILE:5: featureGates.A: is given twice" },
		{ "featureGates: [A]", "must be a map, not a list" },
		{ "logging: {vmodule: a}", "must be a list, not a string" },
		{ "logging: {options: {json: {infoBufferSize: []}}}",
		  "must be a string, not a list" },
		{ "iptables: {minSyncPeriod: 2m, syncPeriod: 1m}",
		  "FILE:3: iptables.minSyncPeriod: is longer than the sync period" },
		{ "iptables:\n  masqueradeAll: true\nnftables:\n  masqueradeAll: false",
		  "FILE:6: nftables.masqueradeAll: differs from FILE:4: iptables.masqueradeAll, "
		  "and no mode says which of them counts" },
		{ "ipvs: {syncPeriod: 1m}\nnftables: {syncPeriod: 2m}",
		  "FILE:4: nftables.syncPeriod: differs from FILE:3: ipvs.syncPeriod" },
		{ "mode: ipvs\n  bad: indent", "FILE:4: not YAML: mapping values are not allowed" },
		{ "mode: \"open", "FILE:3: not YAML: while scanning a quoted scalar" },
		{ "mode: \xff", "FILE:3: not YAML: invalid leading UTF-8 octet" },
		{ "mode: &a ipvs\nportRange: *a", "FILE:4: aliases are not supported" },
		{ "mode: !!str ipvs", "FILE:3: tags are not supported" },
		{ "portRange: !<x> [1]", "FILE:3: tags are not supported" },
		{ "---\nkind: x", "FILE:3: a second document" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_part(configure_file("", cases[i][0]), cases[i][1]);
	expect_part(configure_file("--scheduler=rr", "ipvs: {scheduler: wrr}"),
		    "FILE:3: ipvs.scheduler: differs from --scheduler");
	expect_part(configure_file("--node-ip=10.0.0.1", "bindAddress: 10.0.0.2"),
		    "FILE:3: bindAddress: differs from --node-ip");
	done_config();
}

static void wrong_documents(void)
{
	expect_text(configure("", ""), "FILE: is empty");
	expect_text(configure("", "# nothing\n"), "FILE: is empty");
	expect_part(configure("", "- a\n"), "FILE:1: must be a map, not a list");
	expect_part(configure("", "word"), "FILE:1: must be a map, not a string");
	expect_part(configure("", "kind: KubeProxyConfiguration\n"),
		    "FILE:1: apiVersion: is missing");
	expect_part(configure("", "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"),
		    "FILE:1: kind: is missing");
	expect_part(configure("", "apiVersion: kubeproxy.config.k8s.io/v1alpha2\n"),
		    "FILE:1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1");
	expect_part(configure("", "\nkind: KubeletConfiguration\n"),
		    "FILE:2: kind: must be KubeProxyConfiguration");
	expect_part(configure("", "kind: null\n"), "FILE:1: kind: must be");
	done_config();
}

static char *repeat(const char *s, size_t n)
{
	size_t len = strlen(s);
	char *to = text("%*s", (int)(n * len), "");

	for (size_t i = 0; i < n; i++)
		memcpy(to + i * len, s, len);
	return to;
}

static void hostile(void)
{
	static const char *const openings[] = { "[", "{a: ", "- ", "{[]: [" };
	char *fifo = text("%s/fifo", temp_dir());
	struct config c;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(openings); i++)
		expect_part(configure_file("", text("ipvs:\n  %s", repeat(openings[i], 50000))),
			    "nested deeper than 16 levels");
	expect_part(configure_file("", repeat("#", 1 << 20)), "larger than 1 MB");
	expect_text(configure_file("", text("portRange: %s", repeat("x", 1000000))), "");
	expect_part(configure_file("", text("%s: 1", repeat("x", 1000))), "unknown key");
	expect_part(configure_file("", text("kind: [%s]", repeat("a,", 300000))),
		    "FILE:3: kind: is given");
	expect_part(configure_file("", text("nodePortAddresses: [%s]", repeat("1.0.0.0/8,", 65))),
		    "nodePortAddresses[64]: has more than 64 entries");
	expect_part(configure_file("", text("ipvs: {excludeCIDRs: [%s]}", repeat("x,", 300))),
		    "has more than 256 entries");
	expect_part(configure_file("", text("featureGates: {%s}", repeat("a: true,", 300))),
		    "has more than 256 entries");
	expect_part(configure_file("", text("clusterCIDR: \"%s\"", repeat("1.0.0.0/8,", 100))),
		    "clusterCIDR: has more than 64 entries");
	expect(!mkfifo(fifo, 0600));
	expect(config_parse(&c, 3, (char *[]){ "ksvcd", "--config", fifo }, &e) < 0);
	expect_part(e.text, "not a regular file");
	done_config();
}

/* A cut anywhere, or a byte that does not belong there: an error or none, and no leak. */
static void torn(void)
{
	size_t len = strlen(zeros);

	for (size_t cut = 0; cut < len; cut += 13) {
		char *body = text("%s", zeros);

		body[cut] = "\x01{]\":\n*\xc3"[cut % 8];
		configure_file("", body);
		body[cut] = '\0';
		configure_file("", body);
	}
	done_config();
}

static void sections(void)
{
	configure_file("", "mode: ipvs\niptables: {masqueradeAll: true, localhostNodePorts: true,\n"
		       "  syncPeriod: 1m}\nnftables: {masqueradeAll: false}\n"
		       "ipvs: {syncPeriod: 2m}");
	expect(got.settings.masquerade_all && !got.settings.localhost_nodeports);
	expect(got.sync_period == 120000000);
	expect_text(notes(), "iptables.localhostNodePorts:4 iptables.syncPeriod:5");
	configure_file("", "mode: nftables\niptables: {masqueradeAll: true}");
	expect(!got.settings.masquerade_all);
	expect_text(notes(), "iptables.masqueradeAll:4");
	expect_text(configure_file("", "iptables: {masqueradeAll: true, syncPeriod: 1m}\n"
				   "nftables: {masqueradeAll: true}"), "");
	expect(got.settings.masquerade_all && got.sync_period == 60000000);
	/* The file comes first, then the flag of a section, then that of all. */
	configure_file("--iptables-sync-period=2m --sync-period=3m", "nftables: {syncPeriod: 1m}");
	expect(got.sync_period == 60000000);
	configure_file("--iptables-sync-period=2m --sync-period=3m", "");
	expect(got.sync_period == 120000000);
	configure_file("--proxy-mode=nftables --iptables-sync-period=2m --sync-period=3m", "");
	expect(got.sync_period == 180000000);
	configure_file("--masquerade-all", "nftables: {masqueradeAll: false}");
	expect(!got.settings.masquerade_all);
	configure_file("--masquerade-all", "");
	expect(got.settings.masquerade_all);
	done_config();
}

static void precedence(void)
{
	char buf[ENDPOINT_STRLEN];

	configure_file("--kubeconfig=/a --cluster-cidr=11.0.0.0/8 --nodeport-addresses=primary "
		       "--log-level=warning --logging-format=text --conntrack-min=1 "
		       "--healthz-bind-address=10.0.0.2:8 --metrics-bind-address=",
		       "clientConnection: {kubeconfig: /b}\nclusterCIDR: 10.0.0.0/8\n"
		       "nodePortAddresses: [10.0.0.0/8]\nlogging: {verbosity: 5, format: json}\n"
		       "conntrack: {min: 0}\nhealthzBindAddress: 10.0.0.1:7\n"
		       "metricsBindAddress: 10.0.0.1:6\n");
	expect_text(got.kubeconfig, "/b");
	expect(got.settings.cluster_cidrs.n == 1 && !got.nodeport_primary);
	expect_text(prefix_format(&got.settings.cluster_cidrs.prefixes[0], buf), "10.0.0.0/8");
	expect(got.log_level == LOG_WARNING && !got.log_json && !got.conntrack.min);
	expect(got.healthz.port == 8 && !got.metrics.port);
	expect_part(notes(), "kubeconfig:0 ");
	expect_part(notes(), "cluster-cidr:0 ");
	expect_part(notes(), "nodeport-addresses:0 ");
	expect_part(notes(), "conntrack-min:0");
	expect(!strstr(notes(), "bind-address:0"));
	expect_part(notes(), "healthzBindAddress:");
	expect_part(notes(), "metricsBindAddress:");
	expect(!strstr(notes(), "log-level:0") && !strstr(notes(), "logging-format:0"));
	configure_file("--cluster-cidr=11.0.0.0/8", "bindAddress: 10.0.0.1\nconntrack: {min: 1}");
	expect_text(notes(), "");
	configure_file("--healthz-port=5", "healthzBindAddress: 10.0.0.1");
	expect(got.healthz.port == 10256);
	configure_file("--manifests=/m", "clientConnection: {kubeconfig: /b}");
	expect_text(notes(), "clientConnection.kubeconfig:3");
	done_config();
}

const struct test config_file_tests[] = {
	{ "file: nothing set", nothing_set },
	{ "file: everything set", everything_set },
	{ "file: JSON", in_json },
	{ "file: complaints", complaints },
	{ "file: wrong documents", wrong_documents },
	{ "file: hostile", hostile },
	{ "file: torn", torn },
	{ "file: sections", sections },
	{ "file: precedence", precedence },
	{}
};
