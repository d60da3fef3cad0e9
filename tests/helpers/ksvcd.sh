# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2120,SC2154 # for the tests; options of theirs; the namespaces are set by setup_ns
# Sourced after topology.sh: a ksvcd in the node's namespace, and an API server in that of srv, at 10.2.0.2:6443.

api_url=http://10.2.0.2:6443

# api_start [OPTION]...: see tests/ksvcd/apiserver.py. api_stop ends it.
api_start() {
	ip netns exec "$srv" python3 "$KSVC_TOP/tests/ksvcd/apiserver.py" --listen 10.2.0.2:6443 --control 10.2.0.2:6444 \
		--bookmark 5 "$@" >"$tmp/api" 2>&1 &
	api_pid=$!
	busywait 60 grep -q listen "$tmp/api" && return
	echo "# no API server: $(cat "$tmp/api")"
	exit 1
}
api_stop() { kill "$api_pid"; wait "$api_pid" 2>/dev/null; }

# control WORD [JSON]: of the server.
control() {
	ip netns exec "$srv" curl -sf -m $((20 * KSVC_SLOW)) -o /dev/null --data-binary "${2-}" "http://10.2.0.2:6444/control/$1"
}
put() { control put "$1"; }
delete() { control delete "$1"; }

# service NAME SPEC, slice NAME SERVICE ADDRESS...: objects in namespace "ns" as JSON, each with port 80 or 8080 unless
# SPEC or $slice_port says otherwise.
service() {
	printf '{"apiVersion":"v1","kind":"Service","metadata":{"name":"%s","namespace":"ns"},"spec":{%s}}\n' "$1" "$2"
}
slice() {
	local name=$1 service=$2 sep='' addr
	shift 2
	printf '{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"%s","namespace":"ns",' "$name"
	printf '"labels":{"kubernetes.io/service-name":"%s"}},"addressType":"IPv4",' "$service"
	printf '"ports":[{%s}],"endpoints":[' "${slice_port-"\"name\":\"\",\"port\":8080,\"protocol\":\"TCP\""}"
	for addr; do
		printf '%s{"addresses":["%s"],"nodeName":"here","conditions":{"ready":true}}' "$sep" "$addr"
		sep=,
	done
	printf ']}\n'
}
clusterip() { printf '"clusterIP":"%s","ports":[{"port":80,"protocol":"TCP"}]' "$1"; }

# daemon_start [FLAG]...: in the node's namespace, its log in $tmp/log.
daemon_start() {
	ip netns exec "$node" ksvcd --hostname-override here --state "$tmp/state/saved.json" --conntrack-max-per-core 0 \
		--conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0 "$@" 2>>"$tmp/log" &
	daemon_pid=$!
}
daemon_stop() { kill "$daemon_pid"; wait "$daemon_pid"; }
daemon_kill() { kill -9 "$daemon_pid"; wait "$daemon_pid" 2>/dev/null; }

# from_daemon PATH: what its ports answer; status PATH the HTTP status.
from_daemon() { ip netns exec "$node" curl -s -m $((10 * KSVC_SLOW)) "$1"; }
status() { ip netns exec "$node" curl -s -m $((10 * KSVC_SLOW)) -o /dev/null -w '%{http_code}' "$1"; }
metric() { from_daemon http://127.0.0.1:10249/metrics | awk -v name="$1" '$1 == name { print $2 }'; }

# names: the services in the kernel. All of these are for busywait.
names() { ctl --json show | python3 -I -S -c 'import json, sys; print(*[s["name"] for s in json.load(sys.stdin)["services"]])'; }
names_are() { [ "$(names)" = "$1" ]; }
has_endpoints() {
	[ "$(ctl --json show "$1" | python3 -I -S -c '
import json, sys
print(*[e["address"] for s in json.load(sys.stdin)["services"] for e in s["endpoints"]])')" = "$2" ]
}
metric_is() { [ "$(metric "$1")" = "$2" ]; }
status_is() { [ "$(status "$1")" = "$2" ]; }
logged() { grep -q "$1" "$tmp/log"; }
