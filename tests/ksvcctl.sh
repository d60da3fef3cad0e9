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
require ip ksvcctl jq modinfo python3
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
		# Of another version, but the same protocol.
		version=$(modinfo -F version "$KSVC_KO")
		other=${version//[0-9]/9}
		python3 - "$KSVC_KO" "$tmp/ksvc.ko" "$version" "$other" <<-'END'
			import sys
			old, new = (text.encode() + b'\0' for text in sys.argv[3:])
			data = open(sys.argv[1], 'rb').read()
			assert data.count(old) >= 2		# for modinfo, and for who asks
			open(sys.argv[2], 'wb').write(data.replace(old, new))
		END
		KSVC_KO=$tmp/ksvc.ko load_ksvc
		check 'a module of another version: the tool works with it' ksvcctl show
		check_match 'version tells both' "^ksvcctl $version, .*ksvc\.ko $other, " "$(ksvcctl version | paste -sd ' ')"
		check_match 'and doctor that they differ' "warn +module +module $other and tool $version differ: .*upgrade" \
			"$(ksvcctl doctor)"
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
	"$(k show --json default/web:http | jq -c '[.services[].endpoints[].address] | sort')"
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

# --- what a service has besides
x() { k explain --json "$@"; }
options='."internal-policy", ."external-policy", .affinity, .scheduler, ."maglev-size", ."on-remove"'
one() { k --json show | jq -c ".services[] | select(.name == \"$1\") | $2"; }
frontends() { one "$1" '[.frontends[] | .address + "=" + .class] | sort | join(" ")' | jq -r .; }
check 'add-service with all there is' k add-service all --vip 10.96.0.20:80/tcp --external-ip 203.0.113.1:80/tcp \
	--lb-ip 203.0.113.2:80/tcp 203.0.113.3:80/tcp --node-port 30020/tcp --endpoint 10.1.0.20:80 10.1.0.21:80@5 \
	--internal-policy local --external-policy local --source-range 192.0.2.0/24 'fd00::/64' --affinity 60 \
	--scheduler maglev --maglev-size 4093 --on-remove reset
check_eq 'it has its frontends by class' \
	'0.0.0.0:30020/tcp=node-port 10.96.0.20:80/tcp=cluster-ip 203.0.113.1:80/tcp=external-ip '\
'203.0.113.2:80/tcp=load-balancer 203.0.113.3:80/tcp=load-balancer' "$(frontends all)"
check_eq 'and its options' '["local","local",60,"maglev",4093,"reset",["192.0.2.0/24","fd00::/64"]]' \
	"$(one all "[$options, .\"source-ranges\"]")"
check_match 'show tells them' 'external-policy local, affinity 60, scheduler maglev.*source-range 192\.0\.2\.0/24' \
	"$(k show all | tr '\n' ' ')"
check_eq 'show --tab tells them' 'local local 60 maglev 4093 reset|load-balancer|fd00::/64' \
	"$(k show all --tab | awk -F '\t' '$1 == "service" { printf "%s %s %s %s %s %s|", $6, $7, $8, $9, $10, $11 }
		$1 == "frontend" && $3 ~ /113.3/ { printf "%s|", $4 } $1 == "source-range" && $3 ~ /:/ { print $3 }')"
k show all --tab > "$tmp/all"
check 'set-service of one option' k set-service all --scheduler random --maglev-size 0
check_eq 'changes that' random "$(one all .scheduler | jq -r .)"
check_eq 'and keeps the rest' "$(sed 's/maglev\t4093/random\t0/' "$tmp/all")" "$(k show all --tab)"
check 'set-service of one class' k set-service all --lb-ip 203.0.113.4:80/tcp
check_eq 'replaces that, and keeps the others' \
	'["0.0.0.0:30020/tcp","10.96.0.20:80/tcp","203.0.113.1:80/tcp","203.0.113.4:80/tcp"]' \
	"$(one all '[.frontends[].address] | sort')"
check 'set-service --external-ip none' k set-service all --external-ip none --source-range none \
	--node-port 30021/tcp 30021/udp
check_eq 'empties that' '["0.0.0.0:30021/tcp","0.0.0.0:30021/udp","10.96.0.20:80/tcp","203.0.113.4:80/tcp"][]' \
	"$(one all '[.frontends[].address] | sort')$(one all '."source-ranges"')"
check 'set-service to the defaults' k set-service all --internal-policy cluster --external-policy cluster --affinity 0 \
	--on-remove keep
check_eq 'is as if nothing had been given' '["cluster","cluster",0,"random",0,"keep"]' \
	"$(one all "[$options]")"

node_ports_of() { one "$1" '[.frontends[] | select(.class == "node-port").address] | sort'; }
check 'a node port alone' k add-service np --node-port 30100/tcp
check_eq 'is of both families' '["0.0.0.0:30100/tcp","[::]:30100/tcp"]' "$(node_ports_of np)"
check 'set-service replaces node ports' k set-service np --node-port 30101/tcp --endpoint '[fd01::1]:80'
check_eq 'in the family of the endpoints' '["[::]:30101/tcp"]' "$(node_ports_of np)"
check 'set-service --vip' k set-service np --endpoint none --vip 10.96.0.21:80/tcp --node-port 30101/tcp
check_eq 'in the family of the VIP' '["0.0.0.0:30101/tcp"]' "$(node_ports_of np)"
check 'del-service of a node port' k del-service np

check 'set-endpoint --sets' k set-endpoint all 10.1.0.21:80 --sets local,draining
check_eq 'sets them' '[5,["local"],true]' \
	"$(one all '.endpoints[] | select(.address == "10.1.0.21:80") | [.weight, .sets, .draining]')"
check_match 'show tells the sets' '10\.1\.0\.21:80 +5 +local,draining' "$(k show all)"
check 'add-endpoint --sets none' k add-endpoint all 10.1.0.22:80 --sets none
check_eq 'explain leaves out what is in no set' '["10.1.0.20:80"]' \
	"$(x --from 192.0.2.9 --to 10.96.0.20:80/tcp | jq -c .endpoints)"
check 'set-service --external-policy local' k set-service all --external-policy local
check_eq 'explain: X2, the local set, not masqueraded' '["X2","dnat",["10.1.0.20:80","10.1.0.21:80"],false]' \
	"$(x --from 192.0.2.9 --in d0 --to 203.0.113.4:80/tcp | jq -c '[.rule, .verdict, (.endpoints | sort), .masquerade]')"
check_eq 'explain: X4, from the node' '["X4",true]' \
	"$(x --from 192.0.2.1 --to 203.0.113.4:80/tcp | jq -c '[.rule, .masquerade]')"
check_match 'explain in words' 'dnat \(translated, rule X2\)' \
	"$(k explain --from 192.0.2.9 --in d0 --to 203.0.113.4:80/tcp)"
check_eq 'explain: a node port' '["X2","all"]' \
	"$(x --from 192.0.2.9 --in d0 --to 192.0.2.1:30021/tcp | jq -c '[.rule, .service]')"
check 'set-service --source-range' k set-service all --source-range 198.51.100.0/24
check_eq 'explain: F3' '["F3","drop","source-range"]' \
	"$(x --from 192.0.2.9 --in d0 --to 203.0.113.4:80/tcp | jq -c '[.rule, .verdict, .reason]')"
check 'set-endpoint --remote' k set-endpoint all 10.1.0.20:80 10.1.0.21:80 --remote
check_eq 'explain: F2' '["F2","drop","no-local-endpoint",[]]' \
	"$(x --from 192.0.2.9 --in d0 --to 192.0.2.1:30021/tcp | jq -c '[.rule, .verdict, .reason, .endpoints]')"
check_eq 'explain: no rule' '[null,"none"]' "$(x --from 192.0.2.9 --to 10.97.0.9:80/tcp | jq -c '[.rule, .verdict]')"
check 'a hairpin' k add-service hairpin --vip 10.96.0.22:80/tcp --endpoint 10.244.7.1:80 10.244.7.2:80
check 'set' k set cluster-cidr 10.244.0.0/16
check_eq 'explain: masqueraded if it is that endpoint' '[false,["10.244.7.1:80"]]' \
	"$(x --from 10.244.7.1 --to 10.96.0.22:80/tcp | jq -c '[.masquerade, .masquerade_if]')"
check 'del-service' k del-service hairpin
check 'del-service' k del-service all

# --- session affinity
check 'a service with affinity' k add-service sticky --vip 10.96.0.30:7/udp --affinity 600 --endpoint 10.1.0.30:7
# shellcheck disable=SC2317 # by check
send() { ip netns exec "$node" python3 -c 'import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("10.96.0.30", 7))'; }
check 'a connection' send
check_eq 'affinity --json: the record' '["sticky","192.0.2.1","10.1.0.30:7",true]' \
	"$(k affinity --json | jq -c '.[] | [.service, .client, .endpoint, .seconds > 500 and .seconds <= 600]')"
check_match 'affinity NAME: the record' 'sticky +192\.0\.2\.1 +10\.1\.0\.30:7 +[56]' "$(k affinity sticky)"
check 'del-affinity of another client' k del-affinity sticky 192.0.2.2
check_eq 'leaves it' 1 "$(k affinity --json | jq length)"
check 'del-affinity of the client' k del-affinity sticky 192.0.2.1
check_eq 'removes it' 0 "$(k affinity --json | jq length)"
check 'a connection' send
check 'del-affinity of all' k del-affinity sticky
check_eq 'removes it' 0 "$(k affinity --json sticky | jq length)"
check 'a service with a node port' k add-service ported --node-port 7/udp --endpoint 10.1.0.31:7
check_eq 'has no part in what another one with that port has' '[]' "$(k conns --json ported | jq -c .)"
check_eq 'which has' '["sticky","192.0.2.1","10.96.0.30:7","10.1.0.30:7","UNREPLIED"]' \
	"$(k conns --json sticky | jq -c '.[0] | [.service, (.client | sub(":.*"; "")), .vip, .endpoint, .state]')"
check 'del-service' k del-service ported
# Any address of the prefix is then one of the node.
ip -n "$node" route add local 10.250.0.0/20 dev lo
# shellcheck disable=SC2317 # by check
send_many() { ip netns exec "$node" python3 -c 'import socket
for n in range(3000):
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind((f"10.250.{n >> 8}.{n & 255}", 0))
	s.sendto(b"x", ("10.96.0.30", 7))
	s.close()'; }
check 'connections of 3000 clients' send_many
check_eq 'affinity tells all of them' 3000 "$(k affinity --json sticky | jq 'map(.client) | unique | length')"
ip -n "$node" route del local 10.250.0.0/20 dev lo
check 'del-service' k del-service sticky

# --- settings
check 'set' k set cluster-cidr 10.244.0.0/16 fd00:10:244::/48
check 'set a prefix of interfaces' k set pod-interface 'veth*' cni0
check_match 'get' '10\.244\.0\.0/16' "$(k get cluster-cidr)"
check_eq 'explain: what is no pod is masqueraded' true \
	"$(k explain --json --from 192.0.2.9 --to 10.96.0.1:80/tcp | jq .masquerade)"
check_eq 'explain: a pod is not' false \
	"$(k explain --json --from 10.244.0.9 --to 10.96.0.1:80/tcp | jq .masquerade)"
check 'set none clears' k set pod-interface none
for key in localhost-nodeports drop-invalid ping; do
	check_eq "$key is off at first" off "$(k get "$key")"
	check "set $key on" k set "$key" on
	check_eq "get $key" on "$(k get "$key")"
done
check_eq 'explain: an echo request' '["local","echo"]' \
	"$(x --from 192.0.2.9 --to 10.96.0.1/icmp | jq -c '[.verdict, .reason]')"
k add-endpoint default/web:http '[fd01::7]:80'
check_eq 'explain: an echo request, IPv6' '["local","echo"]' \
	"$(x --from fd00::9 --in d0 --to 'fd96::1/icmp' | jq -c '[.verdict, .reason]')"
k del-endpoint default/web:http '[fd01::7]:80'
check_match 'explain: to no VIP' '192\.0\.2\.9 -> 10\.97\.0\.9/icmp: none' \
	"$(k explain --from 192.0.2.9 --to 10.97.0.9/icmp)"
check_eq 'affinity-entries has a default' 131072 "$(k get affinity-entries)"
check 'set affinity-entries' k set affinity-entries 4096
check_eq 'get affinity-entries' 4096 "$(k get --json affinity-entries | jq '."affinity-entries"')"
check 'set nodeport-addresses' k set nodeport-addresses 198.51.100.0/24 'fd00::/64'
check_eq 'get nodeport-addresses' '198.51.100.0/24 fd00::/64' "$(k get nodeport-addresses)"
check 'set nodeport-addresses primary' k set nodeport-addresses primary
check_eq 'is the source address of the default route' 192.0.2.1/32 "$(k get nodeport-addresses)"
check_match 'doctor looks at route_localnet' 'fail +route-localnet' "$(k doctor)"
ip netns exec "$node" sysctl -q -w net.ipv4.conf.all.route_localnet=1
check_match 'doctor finds it on' 'ok +route-localnet' "$(k doctor)"
check 'set none clears' k set nodeport-addresses none
for key in localhost-nodeports drop-invalid; do k set "$key" off; done

# --- save, flush, restore
k add-service kept --vip 10.96.0.40:80/tcp --lb-ip 203.0.113.40:80/tcp --node-port 30040/tcp --external-policy local \
	--source-range 192.0.2.0/24 --affinity 5 --scheduler lc --on-remove reset --endpoint 10.1.0.40:80
k set nodeport-addresses 192.0.2.0/24
services > "$tmp/saved"
check 'flush' k flush
k set nodeport-addresses none
k set ping off
check_eq 'flush leaves no service' 0 "$(k show --json | jq '[.. | .frontends? // empty] | length')"
check 'restore' k restore -f "$tmp/saved"
check_eq 'save after restore is what was saved' "$(cat "$tmp/saved")" "$(services)"
check 'restore of the same' k restore -f "$tmp/saved"
check 'del-service' k del-service kept

# What is read only once, and with other settings, which makes it be read twice.
k set ping on
# A pipe, not the file.
# shellcheck disable=SC2002,SC2317
from_a_pipe() { cat "$tmp/saved" | k restore; }
check 'restore from a pipe' from_a_pipe
check_eq 'save after restore is what was saved' "$(cat "$tmp/saved")" "$(services)"
check 'restore from a file as standard input' k restore < "$tmp/saved"

# saved_of SETTINGS NAME...: services with VIPs of their own, and the same one if the name is.
saved_of() {
	local settings=$1 separator='' name
	shift
	printf '{"ksvc": 1, "settings": %s, "services": [' "$settings"
	for name; do
		printf '%s{"name": "%s", "frontends": ["10.96.9.%d:80/tcp"]}' "$separator" "$name" "${#name}"
		separator=,
	done
	printf ']}'
}
k set ping off
before=$(k show --json)
saved_of '{"ping": true}' a a > "$tmp/twice"
expect_fail 'a service that is there twice' 1 'service a: .*twice' k restore -f "$tmp/twice"
check_eq 'nothing has changed, not for a moment' "$before" "$(k show --json)"
saved_of '{"ping": true}' a b > "$tmp/conflict"
expect_fail 'two services of one VIP' 1 '10.96.9.1' k restore -f "$tmp/conflict"
check_eq 'the settings are those of before' off "$(k get ping)"
check_eq 'and the services, too' "$(jq .services <<< "$before")" "$(k show --json | jq .services)"
before=$(k show --json)
saved_of '{"ping": true}' a bb | head -c -1 > "$tmp/cut"
expect_fail 'a file that is cut off' 1 'cut: line 1' k restore -f "$tmp/cut"
check_eq 'nothing has changed' "$before" "$(k show --json)"

# In the memory that an empty file needs and 1 MB: in memory, 5,000 services would be more than 3.
# limited KB COMMAND...
limited() { ip netns exec "$node" prlimit --data=$(($1 * 1024)) "${@:2}"; }
# needs FILE: KB of data, in steps of 256.
needs() {
	local kb=256
	until limited "$kb" ksvcctl restore -f "$1" 2> /dev/null || [ "$kb" = 65536 ]; do kb=$((kb + 256)); done
	echo "$kb"
}
saved_of '{}' > "$tmp/empty"
awk 'BEGIN { printf "{\"ksvc\": 1, \"services\": ["
	for (i = 0; i < 5000; i++) {
		printf "%s{\"name\": \"s%d\", \"frontends\": [\"10.97.%d.%d:80/tcp\"], \"endpoints\": [", i ? "," : "", i, i / 250, i % 250
		for (k = 0; k < 10; k++)
			printf "%s{\"address\": \"10.1.%d.%d:%d\"}", k ? "," : "", i / 250, i % 250, 8000 + k
		printf "]}"
	}
	printf "]}" }' > "$tmp/many"
kb=$(needs "$tmp/empty")
check "5,000 services in 1 MB more than $kb KB" limited $((kb + 1024)) ksvcctl restore -f "$tmp/many"
check_eq 'all are there' 5000 "$(k save | grep -c '"name"')"
check 'restore' k restore -f "$tmp/saved"
k del-service kept

# --- monitor
ip netns exec "$node" ksvcctl monitor > "$tmp/events" &
monitor=$!
ip netns exec "$node" ksvcctl monitor --json > "$tmp/events.json" &
monitor_json=$!
# shellcheck disable=SC2317 # by busywait
monitor_saw() { grep -q "$1" "$tmp/events" && grep -q "$1" "$tmp/events.json"; }
# They may not be listening yet when the first comes.
# shellcheck disable=SC2317 # by busywait
change_is_seen() { k add-service m --vip 10.96.0.200:1/tcp && k del-service m && monitor_saw added; }
check 'monitor reports what is added' busywait 10 change_is_seen
check 'monitor reports what is deleted' busywait 10 monitor_saw deleted
check 'monitor reports commits' busywait 10 monitor_saw commit
check_eq 'monitor --json: a line for each' '["added","m",1,0,true]' \
	"$(jq -c 'select(.event == "added") | [.event, .service, .frontends, .endpoints, .generation > 0]' "$tmp/events.json" |
		tail -n 1)"
kill -INT "$monitor"
kill -TERM "$monitor_json"
wait "$monitor"
check_eq 'monitor ends well when interrupted' 0 $?
wait "$monitor_json"
check_eq 'or told to end' 0 $?

# --- two writers at once
k add-service twice --vip 10.96.0.50:80/tcp --endpoint 10.1.0.50:80
# writer N: N changes of the weight, one after the other.
writer() { local n; for ((n = 1; n <= $1; n++)); do k set-endpoint twice 10.1.0.50:80 --weight "$n"; done; }
# slowly COMMAND...: each of its requests takes a while.
slowly() {
	ip netns exec "$node" strace -o "$tmp/strace" -e trace=sendto \
		-e inject=sendto:delay_enter=$((500000 * KSVC_SLOW)) "$@"
}
if command -v strace > /dev/null && slowly ksvcctl version > /dev/null 2>&1; then
	writer 1000 &
	writer=$!
	expect_fail 'a writer whom another does not let in gives up' 1 'another writer kept changing.*tried 5 times' \
		slowly ksvcctl set-service twice --affinity 7
	kill "$writer"
	wait "$writer" 2>/dev/null
	check_eq 'and has changed nothing' 0 "$(one twice .affinity)"
	writer 8 &
	check 'one who is let in tries again' slowly ksvcctl set-service twice --affinity 7
	wait $!
	check_eq 'and undoes nothing of the other' '[7,[8]]' "$(one twice '[.affinity, [.endpoints[].weight]]')"
else
	skip 'two writers at once' 'no strace'
fi
k del-service twice

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
expect_fail 'a VIP without port' 2 '--external-ip.*203.0.113.9' k add-service b --external-ip 203.0.113.9/tcp
expect_fail 'a node port with an address' 2 '--node-port.*PORT/PROTO' k add-service b --node-port 0.0.0.0:30000/tcp
expect_fail 'a node port of 0' 2 '--node-port' k add-service b --node-port 0/tcp
expect_fail 'no frontend' 2 '--vip' k add-service b --vip none
expect_fail 'set-service without an option' 2 . k set-service default/web:http
expect_fail 'the last frontend' 1 'frontend' k set-service default/web:http --vip none
expect_fail 'no such policy' 2 '--internal-policy.*cluster or local.*Local' \
	k set-service default/web:http --internal-policy Local
expect_fail 'no such scheduler' 2 '--scheduler.*maglev.*best' k set-service default/web:http --scheduler best
expect_fail 'affinity too long' 2 '--affinity.*86400' k set-service default/web:http --affinity 86401
expect_fail 'a maglev size that is not prime' 1 'prime' k set-service default/web:http --maglev-size 4094
expect_fail 'a source range with host bits' 2 '--source-range.*beyond' \
	k set-service default/web:http --source-range 10.0.0.1/8
expect_fail 'no such set' 2 '--sets.*draining' k set-endpoint default/web:http 10.1.0.7:80 --sets cluster,lokal
expect_fail 'no such switch' 2 'neither on nor off' k set ping yes
expect_fail 'a switch without a value' 2 'ping: "" is neither on nor off' k set ping ''
expect_fail 'a switch with two' 2 'ping: "on,off" is neither on nor off' k set ping on,off
expect_fail 'no records at all' 2 '1 to 16777216' k set affinity-entries 0
expect_fail 'affinity of none' 1 'no such service' k affinity nobody
expect_fail 'del-affinity of none' 1 'no such service' k del-affinity nobody
expect_fail 'del-affinity of no address' 2 'not an address' k del-affinity default/web:http client
expect_fail 'an echo request to a port' 2 '--to' k explain --from 192.0.2.9 --to 10.96.0.1:80/icmp
expect_fail 'a node IP that is none' 2 '--node-ip' k apply --node-ip here -f "$tmp/saved"
expect_fail 'no default route, no primary address' 1 'default route' unshare -n ksvcctl set nodeport-addresses primary
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
check_eq 'which endpoint a flow gets is told' string \
	"$(k explain --json --from 192.0.2.9:4444 --to 10.96.0.1:80/tcp | jq -r '.chosen | type')"
check_eq 'but to nobody without privileges, who is told the rest' 'null dnat' \
	"$(ip netns exec "$node" setpriv --reuid 65534 --regid 65534 --clear-groups \
		ksvcctl explain --json --from 192.0.2.9:4444 --to 10.96.0.1:80/tcp | jq -r '"\(.chosen | type) \(.verdict)"')"

# --- Kubernetes objects
cat > "$tmp/objects.yaml" <<'END'
kind: Service
apiVersion: v1
metadata:
  {name: web, namespace: shop, annotations: {ksvc.io/scheduler: maglev, ksvc.io/on-remove: reset}}
spec:
  type: LoadBalancer
  clusterIP: 10.96.2.1
  clusterIPs: [10.96.2.1, 'fd96::2:1']
  ipFamilies: [IPv4, IPv6]
  externalIPs: [203.0.113.71]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  sessionAffinity: ClientIP
  loadBalancerSourceRanges: [192.0.2.0/24]
  ports: [{name: http, port: 80, nodePort: 30071}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.72}, {ip: 203.0.113.73, ipMode: Proxy}]}}
---
kind: Service
apiVersion: v1
metadata: {name: web2, namespace: shop, annotations: {ksvc.io/scheduler: best}}
spec: {clusterIP: 10.96.2.2, externalIPs: [203.0.113.71], ports: [{port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata:
  {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}, annotations: {ksvc.io/weight: '3'}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.1.2.1], nodeName: here}
- {addresses: [10.1.2.2], nodeName: there}
- {addresses: [10.1.2.3], nodeName: here, conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.1.2.4], nodeName: here, conditions: {ready: false, serving: false, terminating: true}}
END
warned=$(k apply -f "$tmp/objects.yaml" --node-name here 2>&1)
check_match 'apply warns of an annotation' 'Service shop/web2: metadata\.annotations\.ksvc\.io/scheduler: .*"best"' "$warned"
check_match 'apply warns of a claim' '203\.0\.113\.71:80/tcp is claimed by both shop/web:http and shop/web2' "$warned"
check_eq 'frontends of a Service' \
	'0.0.0.0:30071/tcp=node-port 10.96.2.1:80/tcp=cluster-ip 203.0.113.71:80/tcp=external-ip '\
'203.0.113.72:80/tcp=load-balancer [::]:30071/tcp=node-port [fd96::2:1]:80/tcp=cluster-ip' "$(frontends shop/web:http)"
check_eq 'options of a Service' '["local","local",10800,"maglev",0,"reset",["192.0.2.0/24","203.0.113.72/32"]]' \
	"$(one shop/web:http "[$options, .\"source-ranges\"]")"
check_eq 'its endpoints' '10.1.2.1:8080@3 cluster,local|10.1.2.2:8080@3 cluster|10.1.2.3:8080@3 draining' \
	"$(k show --tab shop/web:http | awk -F '\t' '$1 == "endpoint" { print $3 "@" $4 " " $5 }' | paste -sd '|')"
check_eq 'the other Service keeps what is its own' '["10.96.2.2:80/tcp"]' "$(one shop/web2 '[.frontends[].address]')"
check_eq 'apply of the same changes nothing' '0 services changed' \
	"$(k apply -f "$tmp/objects.yaml" --node-name here 2>/dev/null)"
check 'apply on another node' k apply -f "$tmp/objects.yaml" --node-name there --node-ip 198.51.100.1 --no-external-ips
check_eq 'other sets' '[["cluster"],["cluster","local"],[]]' "$(one shop/web:http '[.endpoints[].sets]')"
check_eq 'no ranges for the node, and no external IPs' '[["192.0.2.0/24"],[]]' \
	"$(one shop/web:http '[."source-ranges", [.frontends[] | select(.class == "external-ip")]]')"
sed 's/ksvc.io.scheduler: maglev/ksvc.io\/scheduler: rr/; s/nodePort: 30071/nodePort: 30072/' "$tmp/objects.yaml" \
	> "$tmp/changed.yaml"
check_match 'apply --dry-run tells what changes' \
	'scheduler rr.*- node-port 0\.0\.0\.0:30071/tcp.*\+ node-port 0\.0\.0\.0:30072/tcp' \
	"$(k apply --dry-run -f "$tmp/changed.yaml" 2>/dev/null | tr '\n' ' ')"
check_eq 'in JSON, too' '[["shop/web:http","change",["maglev","[::]:30071/tcp"],["rr","[::]:30072/tcp"]]]' \
	"$(k apply --dry-run --json -f "$tmp/changed.yaml" 2>/dev/null | jq -c '[.[] | [.service, .action,
		(.before, .after | [.scheduler, (.frontends[].address? | select(startswith("[::]")))])]]')"
check 'apply of a change' k apply -f "$tmp/changed.yaml"
check_eq 'changes it' '["rr",true]' \
	"$(one shop/web:http '[.scheduler, any(.frontends[]; .address == "[::]:30072/tcp")]')"
sed 's/name: http/name: web/' "$tmp/objects.yaml" > "$tmp/renamed.yaml"
check 'apply of a renamed port' k apply -f "$tmp/renamed.yaml"
check_eq 'moves its frontends' '["shop/web2","shop/web:web"]' \
	"$(k save | jq -c '[.services[].name | select(startswith("shop/"))] | sort')"
for name in shop/web2 shop/web:web; do k del-service "$name"; done
check_eq 'all is as before' "$before" "$(services)"

# --- large
mapfile -t many < <(python3 -c 'for i in range(3000): print(f"10.2.{i >> 8}.{i & 255}:80")')
check 'a service that no message takes' k add-service large --vip 10.96.0.51:80/tcp --endpoint "${many[@]}"
large() { k show --tab large | awk -F '\t' '$1 == "service" { print $4 }'; }
check_eq 'has all its endpoints' 3000 "$(large)"
expect_fail 'as many more, the last of which exists' 1 '10\.2\.0\.0:80 exists' \
	k add-endpoint large "${many[@]/#10.2/10.3}" 10.2.0.0:80
check_eq 'are none' 3000 "$(large)"
check 'as many go' k del-endpoint large "${many[@]}"
check_eq 'and none is left' 0 "$(large)"
check 'del-service' k del-service large
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
