#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksvcd's page of metrics while the kernel is slow to say what is on it: changes do not wait.

# shellcheck disable=SC2317 # functions for busywait
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source=tests/helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

make_topology curl ksvcd strace
services=20 endpoints=1000
# Each answer of the kernel takes so long; a page needs some 40.
delay=$((500 * KSVC_SLOW))

# many: services with as many endpoints as a slice may have.
many() {
	python3 -I -S -c '
import json, sys
services, endpoints = map(int, sys.argv[1:])
for i in range(services):
    meta = {"namespace": "ns", "name": f"many-{i}"}
    print(json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": meta,
        "spec": {"clusterIP": f"10.96.1.{i + 1}", "ports": [{"port": 80, "protocol": "TCP"}]}}))
    print(json.dumps({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": meta | {"labels": {"kubernetes.io/service-name": meta["name"]}},
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [f"10.3.{j // 250}.{j % 250 + 1}"]} for j in range(endpoints)]}))' "$@"
}
written() { [ "$(ctl show --tab | grep -c ^endpoint)" = $((services * endpoints)) ]; }
scrape_start() {
	ip netns exec "$node" curl -sf -m $((100 * KSVC_SLOW)) http://127.0.0.1:10249/metrics >"$tmp/page" &
	scraper=$!
}
scraping() { kill -0 "$scraper" 2>/dev/null; }
traced() { grep -q 'TracerPid:.*[1-9]' "/proc/$daemon_pid/status"; }
answers() { [ "$(wc -l <"$tmp/trace")" -ge "$1" ]; }

mkdir "$tmp/manifests"
many $services $endpoints >"$tmp/manifests/many.json"
service web "$(clusterip 10.96.0.1)" >"$tmp/manifests/web.json"
daemon_start --manifests "$tmp/manifests"
check 'many endpoints are in force' busywait 60 written

strace -q -e trace=recvmsg -e "inject=recvmsg:delay_enter=$((delay * 1000))" -p "$daemon_pid" -o "$tmp/trace" &
tracer=$!
check 'the kernel becomes slow' busywait 20 traced
scrape_start
check 'the page is begun' busywait 60 answers 5
slice web-1 web 10.2.0.2 >"$tmp/manifests/.new"
mv "$tmp/manifests/.new" "$tmp/manifests/web-1.json"
check 'a change is in force' busywait 60 has_endpoints ns/web 10.2.0.2:8080
check 'while the page is still being made' scraping
kill "$tracer"
wait "$tracer"
wait "$scraper"
check_eq 'the page comes' 0 $?
check_eq 'with all endpoints, though something changed' "$((services * endpoints))" \
	"$(grep -c 'ksvc_endpoint_connections_total{service="ns/many' "$tmp/page")"
check_eq 'each of them once' '' "$(grep -v '^#' "$tmp/page" | cut -d ' ' -f 1 | sort | uniq -d)"
daemon_stop

finish
