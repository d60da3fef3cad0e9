#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksvcd: a node follows its cluster, or a directory.
#
#   pod ------------- node (ksvc, ksvcd) ------------- srv (API server)
#          p0                                 s0
#   10.1.0.2   10.1.0.1               10.2.0.1   10.2.0.2:6443      endpoints 10.2.0.2 .3 .4:8080
#
# timeout: 300

# shellcheck disable=SC2119,SC2317 # optional arguments; functions for busywait
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source=tests/helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

make_topology curl ksvcd socat tc
serve "$srv" 10.2.0.2:8080/tcp 10.2.0.3:8080/tcp 10.2.0.4:8080/tcp
from_pod() { client "$pod" -n "${2:-1}" "$1/tcp" | endpoints; }

# --- a directory
mkdir "$tmp/manifests"
service web "$(clusterip 10.96.0.1)" >"$tmp/manifests/web.json"
slice web-1 web 10.2.0.2 >"$tmp/manifests/web-1.json"
mkfifo "$tmp/manifests/fifo.json"
daemon_start --manifests "$tmp/manifests"
check 'a directory of manifests is in force' busywait 20 has_endpoints ns/web 10.2.0.2:8080
check_eq 'and works' '10.2.0.2:8080=1' "$(from_pod 10.96.0.1:80)"
slice web-1 web 10.2.0.3 >"$tmp/manifests/.new"
mv "$tmp/manifests/.new" "$tmp/manifests/web-1.json"
check 'a file replaced is followed' busywait 20 has_endpoints ns/web 10.2.0.3:8080
echo '{"kind": "Serv' >"$tmp/manifests/web.json"
check 'one that is broken is said to be' busywait 20 logged 'web\.json'
check 'and leaves things as they are' has_endpoints ns/web 10.2.0.3:8080
rm "$tmp/manifests/web.json"
check 'one that is gone takes its objects along' busywait 20 names_are ''
daemon_stop
check_eq 'its log is JSON, a line for each event' "$(wc -l <"$tmp/log")" \
	"$(python3 -c '
import json, sys
print(sum(1 for line in sys.stdin if {"time", "level", "message"} <= set(json.loads(line))))' <"$tmp/log")"

# --- an API server: nothing before the lists are complete
ctl add-service by-hand --vip 10.96.0.99:80/tcp --endpoint 10.2.0.4:8080
ctl add-service ns/web --vip 10.96.0.1:80/tcp --endpoint 10.2.0.2:8080
api_start
put "$(service web "$(clusterip 10.96.0.1)")$(service other "$(clusterip 10.96.0.2)")"
put "$(slice web-1 web 10.2.0.2 10.2.0.3)$(slice other-1 other 10.2.0.4)"
here='{"apiVersion":"v1","kind":"Node","metadata":{"name":"here"},"status":{"addresses":[{"type":"InternalIP","address":"10.2.0.1"}]}}'
put "$here"
control fault '{"fault": "hang", "resource": "endpointslices", "on": "any", "count": 0}'
hold "$pod" 10.96.0.1:80/tcp
daemon_start --master $api_url
check 'what it waits for is asked for' busywait 20 logged 'API list complete.*"Service"'
check_eq 'without endpoints listed, nothing changes' 'by-hand ns/web' "$(names)"
check_eq '/livez is well, as nothing was late yet' 200 "$(status http://127.0.0.1:10256/livez)"
check_eq 'but /readyz is not, as nothing is in force' 503 "$(status http://127.0.0.1:10256/readyz)"
control clear
control streams '{"do": "reset", "resource": "endpointslices"}'
control down
control up
check 'with both, the kernel equals the cluster' busywait 60 names_are 'ns/other ns/web'
check 'in its endpoints, too' has_endpoints ns/web '10.2.0.2:8080 10.2.0.3:8080'
check_eq 'which is ready then' 200 "$(status http://127.0.0.1:10256/readyz)"
check 'and connections of before go on' all_alive
check_eq 'what came first was known then' 1 "$(metric ksvc_ready)"

# --- events
put "$(slice web-1 web 10.2.0.4)"
check 'an event is in force' busywait 20 has_endpoints ns/web 10.2.0.4:8080
check_eq 'for new connections' '10.2.0.4:8080=3' "$(from_pod 10.96.0.1:80 3)"
check 'those of before still go on' all_alive
put "$(service third "$(clusterip 10.96.0.3)")"
check 'a Service comes' busywait 20 names_are 'ns/other ns/third ns/web'
delete "$(service third '')"
check 'and goes' busywait 20 names_are 'ns/other ns/web'
put "$(service headless '"clusterIP":"None","ports":[{"port":80}]')"
put "$(service refused '"clusterIP":"10.96.0.400","ports":[{"port":80}]')"
check 'one that makes no sense is named' busywait 20 logged 'Object refused.*ns/refused'
check_eq 'and counted' 1 "$(metric 'ksvc_objects_refused_total{kind="Service"}')"
put "$(service late "$(clusterip 10.96.0.5)")"
check 'others are unaffected' busywait 20 names_are 'ns/late ns/other ns/web'
delete "$(service late '')"

# --- more than the kernel takes of one service
many() {
	python3 -I -S -c '
import json, sys
print(json.dumps({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
    "metadata": {"name": sys.argv[1], "namespace": "ns", "labels": {"kubernetes.io/service-name": "big"}},
    "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.%s.%d.%d" % (sys.argv[2], i >> 8, i & 255)]} for i in range(40000)]}))' "$1" "$2"
}
{ many big-1 3; many big-2 4; service big "$(clusterip 10.96.0.6)"; } >"$tmp/big"
put "@$tmp/big"
check 'a service that the kernel refuses is named' busywait 60 logged 'refused by the kernel.*"big"'
put "$(service late "$(clusterip 10.96.0.5)")"
is_there() { [[ " $(names) " == *" $1 "* ]]; }
check 'others are unaffected' busywait 30 is_there ns/late
put "$(slice big-1 big)$(slice big-2 big 10.2.0.2)"
check 'and it is not, once it fits' busywait 60 has_endpoints ns/big 10.2.0.2:8080
delete "$(service late '')$(service big '')$(slice big-1 big)$(slice big-2 big)"
check 'both are gone' busywait 20 names_are 'ns/other ns/web'

# --- what others do
before=$(metric ksvc_drift_total)
ctl del-service ns/other
ctl add-service by-hand --vip 10.96.0.99:80/tcp --endpoint 10.2.0.4:8080
put "$(slice web-1 web 10.2.0.2 10.2.0.4)"
check 'what somebody else changed is found with the next event' busywait 20 names_are 'ns/other ns/web'
check 'and put right' has_endpoints ns/web '10.2.0.2:8080 10.2.0.4:8080'
check_eq 'and counted: two objects' $((before + 2)) "$(metric ksvc_drift_total)"

# --- a kill, and what happened meanwhile
daemon_kill
check_eq 'killed, it leaves all in force' 'ns/other ns/web' "$(names)"
put "$(slice web-1 web 10.2.0.3)"
delete "$(service other '')"
daemon_start --master $api_url
check 'started again, it knows what has changed' busywait 30 names_are 'ns/web'
check 'in full' has_endpoints ns/web 10.2.0.3:8080
check 'connections saw nothing of it' all_alive

# --- no API server for a while; wiped, its versions from 1 on
control down
put "$(slice web-1 web 10.2.0.2)"
check_eq 'without the API server, connections work' '10.2.0.3:8080=2' "$(from_pod 10.96.0.1:80 2)"
control up
check 'back, it is followed again' busywait 60 has_endpoints ns/web 10.2.0.2:8080
control streams '{"do": "gone", "resource": "*"}'
put "$(slice web-1 web 10.2.0.4)"
check 'a watch that is told 410 Gone lists again' busywait 60 has_endpoints ns/web 10.2.0.4:8080
: >"$tmp/log"
put "$(service web "$(clusterip 10.96.0.1),\"unreadable\":\"$(printf '\377')\"")"
check 'an object that cannot be read is named' busywait 20 logged 'not readable.*Service ns/web'
control streams '{"do": "gone", "resource": "services"}'
put "$(service late "$(clusterip 10.96.0.5)")"
check 'in a list, too' busywait 20 is_there ns/late
check_eq 'and its last good state stays' 'ns/late ns/web' "$(names)"
put "$(service web "$(clusterip 10.96.0.1)")"
delete "$(service late '')"
check 'what came with it goes' busywait 20 names_are ns/web

# --- what others do, seen when the cluster is listed again
put "$(service late "$(clusterip 10.96.0.5)")"
check 'a Service comes' busywait 20 is_there ns/late
before=$(metric ksvc_drift_total)
ctl del-service ns/late
control streams '{"do": "gone", "resource": "services"}'
check 'after a list, the kernel is compared, though nothing came' busywait 20 is_there ns/late
check_eq 'and what differs is counted' $((before + 1)) "$(metric ksvc_drift_total)"
delete "$(service late '')"
check 'the Service goes' busywait 20 names_are ns/web

# --- a bad line to the server
ip netns exec "$node" tc qdisc add dev s0 root netem delay 100ms 50ms loss 10% 2>/dev/null
put "$(slice web-1 web 10.2.0.2)"
check 'a bad line to the server: events arrive' busywait 60 has_endpoints ns/web 10.2.0.2:8080
ip netns exec "$node" tc qdisc del dev s0 root 2>/dev/null

# --- health
put "$(service lb '"type":"LoadBalancer","clusterIP":"10.96.0.7","externalTrafficPolicy":"Local","healthCheckNodePort":30009,
	"ports":[{"port":80,"protocol":"TCP","nodePort":30080}]')$(slice lb-1 lb 10.2.0.2)"
check 'a health port answers: an endpoint is here' busywait 20 status_is http://10.2.0.1:30009/ 200
check_match 'with how many' '"localEndpoints": ?1' "$(from_daemon http://10.2.0.1:30009/x)"
put "$(slice lb-1 lb)"
check 'without one, it says so' busywait 20 status_is http://10.2.0.1:30009/ 503
put "$(slice lb-1 lb 10.2.0.2)"
check 'with one again, too' busywait 20 status_is http://10.2.0.1:30009/ 200


# Another server has the port.
serve "$node" 10.2.0.1:30010/tcp
put "$(service taken '"type":"LoadBalancer","clusterIP":"10.96.0.8","externalTrafficPolicy":"Local","healthCheckNodePort":30010,
	"ports":[{"port":80,"protocol":"TCP"}]')"
told() { [[ $(ip netns exec "$srv" curl -s -d '' http://10.2.0.2:6444/control/events) == *"$1"* ]]; }
check 'a health port that is taken: the Service has an event' busywait 20 told \
	'node here failed to start healthcheck \"ns/taken\" at 10.2.0.1:30010: Address already in use'
delete "$(service taken '')"

# --- events without a pause: the health port answers while they are read, that is until the last one is in force
: >"$tmp/answers"
ip netns exec "$node" python3 -I -S -c '
import http.client
status = 200
port = http.client.HTTPConnection("10.2.0.1", 30009)
while status == 200:
    port.request("GET", "/")
    answer = port.getresponse()
    answer.read()
    status = answer.status
    print(status, flush=True)' >"$tmp/answers" &
defer kill $!
busywait 20 grep -q 200 "$tmp/answers"
slice lb-1 lb 10.2.0.2 | python3 -I -S -c '
import json, sys
lb = json.load(sys.stdin)
lb["metadata"]["annotations"] = {"long": "x" * 4000}
line = json.dumps({"type": "MODIFIED", "object": lb}) + "\n"
print(json.dumps({"do": "raw", "resource": "endpointslices", "text": line * 1000}))' >"$tmp/flood"
control streams "@$tmp/flood"
before=$(wc -l <"$tmp/answers")
put "$(slice lb-1 lb)"
check 'the last of 1000 events at once is in force' busywait 60 grep -q 503 "$tmp/answers"
answers=$(($(wc -l <"$tmp/answers") - before))
check "and health was told meanwhile ($answers times)" [ "$answers" -ge 5 ]
delete "$(service lb '')"
check 'and closes with the Service' busywait 20 status_is http://10.2.0.1:30009/ 000
check_eq '/healthz is well' 200 "$(status http://127.0.0.1:10256/healthz)"
put '{"apiVersion":"v1","kind":"Node","metadata":{"name":"here"},"spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","effect":"NoSchedule"}]}}'
check 'a node that will be removed is not' busywait 20 status_is http://127.0.0.1:10256/healthz 503
check_eq 'but lives' 200 "$(status http://127.0.0.1:10256/livez)"
check_eq 'its object is known' 1 "$(metric 'ksvc_objects{kind="Node"}')"
put "$here"
check 'one that will not, is' busywait 20 status_is http://127.0.0.1:10256/healthz 200
control down
delete "$here"
control up
check 'nor one whose object went while nobody watched' busywait 60 status_is http://127.0.0.1:10256/healthz 503
check_eq 'nor is that known' 0 "$(metric 'ksvc_objects{kind="Node"}')"
check 'and it is said what follows' logged 'No Node of this name.*hostname-override.*"here"'
put "$here"

# --- the Node's zone, which hints are about (T2, T4, T6)
in_zone() {
	put '{"apiVersion":"v1","kind":"Node","metadata":{"name":"here","labels":{"other":"x"'"$1"'}},"status":{"addresses":[{"type":"InternalIP","address":"10.2.0.1"}]}}'
}
# shellcheck disable=SC2317 # by busywait
cluster_set_is() {
	[ "$(ctl --json show ns/zoned | python3 -I -S -c '
import json, sys
print(*[e["address"] for s in json.load(sys.stdin)["services"] for e in s["endpoints"] if "cluster" in e["sets"]])')" = "$1" ]
}
put "$(service zoned "$(clusterip 10.96.0.7)")$(slice zoned-1 zoned 10.2.0.2 10.2.0.3 |
	sed 's/10\.2\.0\.2"\],/&"hints":{"forZones":[{"name":"a"}]},/; s/10\.2\.0\.3"\],/&"hints":{"forZones":[{"name":"b"}]},/')"
check 'without a zone, hints do not count' busywait 20 cluster_set_is '10.2.0.2:8080 10.2.0.3:8080'
in_zone ',"topology.kubernetes.io/zone":"a"'
check 'with one, endpoints for it' busywait 20 cluster_set_is '10.2.0.2:8080'
check_eq 'get the connections' '10.2.0.2:8080=4' "$(from_pod 10.96.0.7:80 4)"
in_zone ',"topology.kubernetes.io/zone":"b"'
check 'with another one, those for that' busywait 20 cluster_set_is '10.2.0.3:8080'
in_zone ''
check 'and without, all again' busywait 20 cluster_set_is '10.2.0.2:8080 10.2.0.3:8080'
delete "$(service zoned '')$(slice zoned-1 zoned)"
put "$here"

# --- metrics
from_daemon http://127.0.0.1:10249/metrics >"$tmp/metrics"
if command -v promtool >/dev/null; then
	check 'the metrics are as Prometheus wants them' promtool check metrics <"$tmp/metrics"
else
	skip 'the metrics are as Prometheus wants them' 'needs promtool'
fi
check_match 'connections are counted by service' 'ksvc_service_connections_total\{service="ns/web"\} [1-9]' "$(cat "$tmp/metrics")"
passes='kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"}'
check_match 'passes over conntrack, too' '^[1-9]' "$(metric "$passes")"

# --- C1: a pass for a Service with endpoints on UDP, whichever of its ports changes
dns='"name":"d","port":5353,"protocol":"UDP"' web='"name":"w","port":8080,"protocol":"TCP"'
passes_end() {
	local n
	n=$(metric "$passes")
	sleep 1
	metric_is "$passes" "$n"
}
put "$(service mixed '"clusterIP":"10.96.0.7","ports":[{"name":"d","port":53,"protocol":"UDP"},{"name":"w","port":80}]')"
put "$(slice_port=$dns slice mixed-d mixed 10.2.0.2)$(slice_port=$web slice mixed-w mixed 10.2.0.2)"
check 'ports on UDP and TCP' busywait 20 has_endpoints ns/mixed:d 10.2.0.2:5353
check 'and both' busywait 20 has_endpoints ns/mixed:w 10.2.0.2:8080
check 'their passes come to an end' busywait 30 passes_end
before=$(metric "$passes")
put "$(slice_port=$web slice mixed-w mixed 10.2.0.3)"
check 'a change on TCP has one' busywait 20 metric_is "$passes" $((before + 1))
put "$(slice web-1 web 10.2.0.3)"
check "another Service's on TCP is in force" busywait 20 has_endpoints ns/web 10.2.0.3:8080
check_eq 'and has none' 'true 1' "$(passes_end && echo true $(($(metric "$passes") - before)))"
delete "$(service mixed '')$(slice mixed-d mixed)$(slice mixed-w mixed)"
check 'they go' busywait 20 names_are ns/web
daemon_stop
release

# --- what a service manager and an operator see of it
socat -u UNIX-RECV:"$tmp/notify" "CREATE:$tmp/notified" >/dev/null 2>&1 &
defer kill $!
busywait 5 [ -S "$tmp/notify" ]
control down
: >"$tmp/log"
kubeconfig() {
	printf '%s\n' 'current-context: c' 'contexts: [{name: c, context: {cluster: c}}]' \
		"clusters: [{name: c, cluster: {server: '$1'}}]" >"$tmp/kubeconfig"
}
kubeconfig $api_url
NOTIFY_SOCKET=$tmp/notify WATCHDOG_USEC=2000000 daemon_start --kubeconfig "$tmp/kubeconfig" --conntrack-udp-timeout 77s
notified() { grep -aq "$1" "$tmp/notified"; }
alive() { grep -ao WATCHDOG=1 "$tmp/notified" | wc -l; }
alive_after() { [ "$(alive)" -gt "$1" ]; }
check 'systemd is told what it waits for' busywait 20 notified 'STATUS=Waits until'
kill -HUP "$daemon_pid"
check 'a reload meanwhile' busywait 20 logged 'Configuration reloaded'
check 'goes by while it is alive' busywait 20 alive_after "$(alive)"
check_eq 'and does not make it ready' 0 "$(grep -ac READY=1 "$tmp/notified")"
control up
check 'systemd is told when the services are in force' busywait 60 notified READY=1
check_eq 'passes over conntrack of before it came are not its own' 0 "$(metric "$passes")"
check_eq 'conntrack is set as configured' 77 "$(on "$node" sysctl -n net.netfilter.nf_conntrack_udp_timeout)"
: >"$tmp/log"
kill -USR1 "$daemon_pid"
put "$(slice web-1 web 10.2.0.2)"
check 'on SIGUSR1 the log has more' busywait 20 logged '"level":"debug".*ns/web'
kill -USR2 "$daemon_pid"
kubeconfig http://10.2.0.2:1
kill -HUP "$daemon_pid"
check 'a reload tells of another API server in the kubeconfig' busywait 20 logged 'needs a restart.*kubeconfig'
daemon_stop
check 'it says when it ends' notified STOPPING=1

# --- a saved state, for a node that boots without API server
ctl flush
api_stop
daemon_start --master $api_url --serve-saved at-once
check 'the saved state is in force without API server' busywait 30 names_are ns/web
check_eq 'and works' '10.2.0.2:8080=1' "$(from_pod 10.96.0.1:80)"
daemon_stop
ctl flush
: >"$tmp/log"
daemon_start --master $api_url
check 'not unless it shall be' busywait 20 logged '"reason":"[^"]*connect'
check_eq 'so that nothing is' '' "$(names)"
daemon_stop
: >"$tmp/log"
daemon_start --master $api_url --serve-saved "after=$((15 * KSVC_SLOW))s"
check 'or not yet' busywait 20 logged '"reason":"[^"]*connect'
check_eq 'so that nothing is, for a while' '' "$(names)"
check 'and then is' busywait 30 names_are ns/web
daemon_stop

# --- configuration
cat >"$tmp/config" <<-END
	apiVersion: kubeproxy.config.k8s.io/v1alpha1
	kind: KubeProxyConfiguration
	clusterCIDR: 10.1.0.0/16
	nftables: {masqueradeAll: false}
	ipvs: {scheduler: rr}
	oomScoreAdj: 7
END
mkdir -p "$tmp/manifests"
service web "$(clusterip 10.96.0.1)" >"$tmp/manifests/web.json"
daemon_start --manifests "$tmp/manifests" --config "$tmp/config"
check 'a configuration file counts' busywait 20 names_are ns/web
check_match 'pods by their addresses' '10\.1\.0\.0/16' "$(ctl get cluster-cidr)"
check_match 'the scheduler' 'rr' "$(ctl --json show ns/web)"
sed -i -e 's/masqueradeAll: false/masqueradeAll: true/' -e 's/^oomScoreAdj:.*/oomScoreAdj: 77/' "$tmp/config"
kill -HUP "$daemon_pid"
before=$(metric ksvc_drift_total)
masquerades() { [[ $(ctl get masquerade-all) == *on* ]]; }
check 'it is read again on SIGHUP' busywait 20 masquerades
check_eq 'the OOM score, too' 77 "$(cat "/proc/$daemon_pid/oom_score_adj")"
check_eq 'a change of its own is no drift' "$before" "$(metric ksvc_drift_total)"
echo 'nonsense: 1' >>"$tmp/config"
primary_is() { [[ $(ctl get nodeport-addresses) == *$1/32* ]]; }
check 'node ports are on the primary address' busywait 20 primary_is 10.2.0.1
ip -n "$node" addr add 10.2.0.9/24 dev s0
ip -n "$node" route replace default via 10.2.0.2 src 10.2.0.9
check 'and follow it' busywait 20 primary_is 10.2.0.9
kill -HUP "$daemon_pid"
check 'one with an unknown key is refused, with its line' busywait 20 logged 'config:7'
check 'and changes nothing' masquerades
daemon_stop
: >"$tmp/log"
daemon_start --manifests "$tmp/manifests" --min-sync-period "$((20 * KSVC_SLOW))s" --sync-period 10m
check 'with a least time between changes' busywait 20 logged '"In force"'
slice web-1 web 10.2.0.4 >"$tmp/manifests/.new"
mv "$tmp/manifests/.new" "$tmp/manifests/web-1.json"
check 'the next one waits' busywait 20 metric_is kubeproxy_sync_proxy_rules_endpoint_changes_pending 1
check 'and comes' busywait 20 has_endpoints ns/web 10.2.0.4:8080
daemon_stop

# --- the module goes while nothing happens
if [ -n "$ksvc_loaded" ]; then
	daemon_start --manifests "$tmp/manifests" --sync-period "${KSVC_SLOW}s"
	check 'with the module, it is well' busywait 20 status_is http://127.0.0.1:10256/readyz 200
	unload_ksvc
	check 'without, it is not' busywait 30 status_is http://127.0.0.1:10256/livez 503
	check_eq 'nor ready' 503 "$(status http://127.0.0.1:10256/readyz)"
	load_ksvc
	check 'with it again, all is there' busywait 60 names_are ns/web
	check 'and well' busywait 20 status_is http://127.0.0.1:10256/readyz 200
	daemon_stop
else
	skip 'the module goes' 'it was loaded before'
fi
check 'cleaned up, nothing is left' ip netns exec "$node" ksvcd --cleanup --state "$tmp/state/saved.json"
check_eq 'of services' '' "$(names)"
check_eq 'of settings' 0 "$(ctl get masquerade-all | grep -c on$)"
check 'of the saved state' [ ! -e "$tmp/state/saved.json" ]

finish
