#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every command of ksvcctl against the module: what it prints, its exit status
# (0 done, 1 refused, 2 usage), and that what is refused changes nothing. No
# packets: one namespace with a dummy interface and a default route.

# timeout: 400

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

require_root
require ip ksvcctl jq python3
# The module is missing, is of another protocol, is there.
if [ ! -d /sys/module/ksvc ]; then
	expect_fail 'without the module: a clear error' 1 'modprobe ksvc' ksvcctl show
	expect_fail 'without the module: doctor says so' 1 'modprobe ksvc' ksvcctl doctor
	if [ -n "${KSVC_KO-}" ]; then
		# name[16] and version of the generic netlink family
		python3 - "$KSVC_KO" "$tmp/ksvc.ko" <<-'END'
			import sys
			data = open(sys.argv[1], 'rb').read()
			old = b'ksvc'.ljust(16, b'\0') + (1).to_bytes(4, 'little')
			assert data.count(old) == 1
			open(sys.argv[2], 'wb').write(data.replace(old, old[:16] + (2).to_bytes(4, 'little')))
		END
		KSVC_KO=$tmp/ksvc.ko load_ksvc
		expect_fail 'a module of another protocol: a clear error' 1 'speaks protocol 2, this tool 1' \
			ksvcctl add-service a --vip 10.96.0.1:80/tcp
		unload_ksvc
	fi
fi
load_ksvc
setup_ns node
# shellcheck disable=SC2154 # set by setup_ns
{
	ip -n "$node" link add d0 type dummy
	ip -n "$node" addr add 192.0.2.1/24 dev d0
	ip -n "$node" link set d0 up
	ip -n "$node" route add default via 192.0.2.254
}
k() { ip netns exec "$node" ksvcctl "$@"; }
services() { k save | jq -S .; }

check 'version' k version
check_eq 'version --json: tool and module are of one build' true \
	"$(k version --json | jq '.tool == .module and .protocol == .module_protocol')"

# --- services and endpoints by hand
check 'add-service' k add-service default/web:http --vip 10.96.0.1:80/tcp --vip '[fd96::1]:80/tcp' \
	--endpoint 10.1.0.1:8080 --endpoint 10.1.0.2:8080@3 --endpoint '[fd01::1]:8080'
check_match 'show has VIPs, endpoints and weights' '10\.96\.0\.1:80.*10\.1\.0\.2:8080' "$(k show | tr '\n' ' ')"
check_eq 'show --json: both families' '["10.1.0.1:8080","10.1.0.2:8080","[fd01::1]:8080"]' \
	"$(k show --json default/web:http | jq -c '[.. | .address? // empty] | sort')"
check 'add-endpoint' k add-endpoint default/web:http 10.1.0.3:8080 --weight 2
check 'set-endpoint' k set-endpoint default/web:http 10.1.0.3:8080 --weight 0
check_match 'explain leaves weight 0 out' '10.1.0.1:8080' \
	"$(k explain --json --from 192.0.2.9 --to 10.96.0.1:80/tcp | jq -c .endpoints)"
check_eq 'explain --json' '{"verdict":"dnat","reason":"translated","service":"default/web:http","masquerade":false}' \
	"$(k explain --json --from 192.0.2.9 --to 10.96.0.1:80/tcp | jq -c '{verdict,reason,service,masquerade}')"
check_eq 'explain: a VIP with another port' reject \
	"$(k explain --json --from 192.0.2.9 --to 10.96.0.1:81/tcp | jq -r .verdict)"
check_eq 'explain: no VIP' none "$(k explain --json --from 192.0.2.9 --to 10.96.0.9:80/tcp | jq -r .verdict)"
check 'explain takes an interface' k explain --from 192.0.2.9 --in d0 --to 10.96.0.1:80/tcp
check 'del-endpoint' k del-endpoint default/web:http 10.1.0.3:8080
check 'set-service replaces what is given' k set-service default/web:http --endpoint 10.1.0.7:80
check_match 'and keeps the rest' '10\.96\.0\.1:80.*10\.1\.0\.7:80' "$(k show | tr '\n' ' ')"
check 'stats' k stats
check_eq 'stats --json is JSON' 0 "$(k stats --json | jq -e . >/dev/null; echo $?)"
check 'conns without connections' k conns

# --- settings
check 'set' k set cluster-cidr 10.244.0.0/16 fd00:10:244::/48
check 'set a prefix of interfaces' k set pod-interface 'veth*' cni0
check_match 'get' '10\.244\.0\.0/16' "$(k get cluster-cidr)"
check_eq 'explain: what is no pod is masqueraded' true \
	"$(k explain --json --from 192.0.2.9 --to 10.96.0.1:80/tcp | jq .masquerade)"
check_eq 'explain: a pod is not' false \
	"$(k explain --json --from 10.244.0.9 --to 10.96.0.1:80/tcp | jq .masquerade)"
check 'set none clears' k set pod-interface none

# --- save, flush, restore
services > "$tmp/saved"
check 'flush' k flush
check_eq 'flush leaves no service' 0 "$(k show --json | jq '[.. | .frontends? // empty] | length')"
check 'restore' k restore -f "$tmp/saved"
check_eq 'save after restore is what was saved' "$(cat "$tmp/saved")" "$(services)"
check 'restore of the same' k restore -f "$tmp/saved"

# --- monitor
k monitor > "$tmp/events" &
monitor=$!
# shellcheck disable=SC2317 # by busywait
monitor_saw() { grep -q "$1" "$tmp/events"; }
# It may not be listening yet when the first comes.
# shellcheck disable=SC2317 # by busywait
change_is_seen() { k add-service m --vip 10.96.0.200:1/tcp && k del-service m && monitor_saw added; }
check 'monitor reports what is added' busywait 10 change_is_seen
check 'monitor reports what is deleted' busywait 10 monitor_saw deleted
kill "$monitor"

# --- what is refused changes nothing
before=$(services)
expect_fail 'no such command: usage' 2 'usage|unknown|no such' k frobnicate
expect_fail 'no arguments where some are needed: usage' 2 . k add-service
expect_fail 'no protocol: usage' 2 'frob|10.96.0.2:80' k add-service a --vip 10.96.0.2:80
expect_fail 'port 0' 2 'port|10.96.0.2:0' k add-service a --vip 10.96.0.2:0/tcp
expect_fail 'an unknown option' 2 . k show --frobnicate
expect_fail 'a service that exists' 1 'exists' k add-service default/web:http --vip 10.96.0.2:80/tcp
expect_fail 'a VIP that is taken names its owner' 1 '10.96.0.1:80/tcp.*default/web:http' \
	k add-service b --vip 10.96.0.1:80/tcp
expect_fail 'an endpoint of a family without VIP' 1 'IPv6' k add-service b --vip 10.96.0.2:80/tcp --endpoint '[fd01::1]:1'
expect_fail 'a VIP that no host can have' 1 'addr' k add-service b --vip 224.0.0.1:80/tcp
expect_fail 'del-service of none' 1 'no such service' k del-service nobody
expect_fail 'del-endpoint of none' 1 'does not exist' k del-endpoint default/web:http 10.9.9.9:1
expect_fail 'set-endpoint of none' 1 'does not exist' k set-endpoint default/web:http 10.9.9.9:1 --weight 2
expect_fail 'add-endpoint that exists' 1 'exists' k add-endpoint default/web:http 10.1.0.7:80
expect_fail 'a name too long' 1 '255' k add-service "$(printf 'x%.0s' {1..256})" --vip 10.96.0.2:80/tcp
expect_fail 'a name that is not UTF-8' 1 'UTF-8' k add-service $'\xff' --vip 10.96.0.2:80/tcp
expect_fail 'a prefix with host bits' 2 'beyond the length' k set cluster-cidr 10.0.0.1/8
expect_fail 'no such setting' 2 . k set frobnicate 1
expect_fail 'no such file' 1 "$tmp/none" k restore -f "$tmp/none"
expect_fail 'a directory' 1 "$tmp" k apply -f "$tmp"
echo '{"services": [' > "$tmp/broken.json"
expect_fail 'broken JSON says where' 1 'broken.json.*(line|1)' k restore -f "$tmp/broken.json"
printf 'kind: Service\n  - : [' > "$tmp/broken.yaml"
expect_fail 'broken YAML says where' 1 'broken.yaml.*(line|[0-9])' k apply -f "$tmp/broken.yaml"
python3 -c 'print("[" * 100000)' > "$tmp/deep.json"
expect_fail 'deep JSON' 1 . k apply -f "$tmp/deep.json"
expect_fail 'an unprivileged user' 1 'permi|privilege' \
	ip netns exec "$node" setpriv --reuid 65534 --regid 65534 --clear-groups ksvcctl flush
check_eq 'nothing of this changed anything' "$before" "$(services)"

# --- large
python3 - > "$tmp/large.json" <<'END'
import json
eps = [{'addresses': [f'10.{i >> 16 & 255 | 64}.{i >> 8 & 255}.{i & 255}'], 'conditions': {'ready': True}} for i in range(65536)]
meta = {'name': 'big', 'namespace': 'default'}
print(json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': [
    {'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta, 'spec': {
        'type': 'ClusterIP', 'clusterIP': '10.96.1.1', 'clusterIPs': ['10.96.1.1'], 'ipFamilies': ['IPv4'],
        'ports': [{'port': 80, 'protocol': 'TCP'}]}},
    {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice', 'addressType': 'IPv4',
     'metadata': {'name': 'big-1', 'namespace': 'default', 'labels': {'kubernetes.io/service-name': 'big'}},
     'ports': [{'name': '', 'port': 8080, 'protocol': 'TCP'}], 'endpoints': eps}]}))
END
expect_fail '65,536 endpoints are too many' 1 '65535' k apply -f "$tmp/large.json"
check_eq 'and change nothing' "$before" "$(services)"
jq -c '.items[1].endpoints |= .[0:65535]' "$tmp/large.json" > "$tmp/fits.json"
check 'apply --dry-run of 65,535' k apply --dry-run -f "$tmp/fits.json"
check_eq 'changes nothing' "$before" "$(services)"
check 'apply of 65,535' k apply -f "$tmp/fits.json"
check_eq 'all are there' 65535 "$(k explain --json --from 192.0.2.9 --to 10.96.1.1:80/tcp | jq '.endpoints | length')"
check 'apply --prune removes the rest' k apply --prune -f "$tmp/fits.json"
check_eq 'and only that' '["default/big"]' "$(k save | jq -c '[.services[].name]')"

check_eq 'doctor --json is JSON' 0 "$(k doctor --json | jq -e . > /dev/null; echo $?)"

finish
