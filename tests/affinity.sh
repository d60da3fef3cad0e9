#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Session affinity (A1 to A5): a client's new connections to a service go where
# its last one went.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#   .10 to .49
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#   ::10 to ::49
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack
for n in {10..49}; do
	echo "addr add 10.1.0.$n/24 dev e0"
	echo "addr add fd01::$n/64 dev e0 nodad"
done | ip -n "$pod" -batch -
servers=()
for i in 4 6; do
	use_family $i
	for n in 2 3 4; do
		servers+=("$L$ep$n$R:8080/tcp" "$L$ep$n$R:8080/udp")
	done
done
serve "$srv" "${servers[@]}"

# went [CLIENT OPTION]... TARGET...: the endpoints that connections got, each once.
went() { client "$pod" -s "$pod_addr" "$@" | cut -d ' ' -f 2 | sort -u | paste -sd ' '; }
clients() { printf "${pod_addr%2}%s," "$@" | sed 's/,$//'; }
by_client() { awk '{ sub(/:[0-9]+$/, "", $3); print $3, $2 }' "$1" | sort; }
records() { ctl --json affinity "$@" | grep -c '"client"'; }
# shellcheck disable=SC2317 # by busywait
no_records_of() { [ "$(records "$1")" = 0 ]; }
# shellcheck disable=SC2317 # by busywait
another_after_removal_of() {
	ctl del-affinity web "$pod_addr"
	[ "$(went "$tcp")" != "$1" ]
}

for i in 4 6; do
	use_family $i
	e2=$L${ep}2$R:8080 e3=$L${ep}3$R:8080 e4=$L${ep}4$R:8080
	tcp=$L${vip}1$R:80/tcp external=$L${vip}99$R:81/tcp node_port=$L$pod_gw$R:30080/tcp
	ctl add-service web --vip "$tcp" --external-ip "$external" --node-port 30080/tcp --affinity 1000 \
		--endpoint "$e2" --endpoint "$e3" --endpoint "$e4"
	ctl add-service dns --vip "$L${vip}1$R:53/udp" --affinity 1000 \
		--endpoint "$e2" --endpoint "$e3" --endpoint "$e4"

	first=$(went -n 20 "$tcp")
	check_eq "$f: 20 connections of a client have one endpoint (A1)" 1 "$(wc -w <<<"$first")"
	check_eq "$f: also by the service's other addresses (A2)" "$first $first" \
		"$(went "$external") $(went "$node_port")"
	check_eq "$f: one record for all of them" 1 "$(records web)"
	check_eq "$f: which names client and endpoint" "$pod_addr $first" \
		"$(ctl affinity web | awk '$1 == "web" { print $2, $3 }')"
	client "$pod" -n 39 -s "$(clients {11..49})" "$tcp" >"$tmp/others"
	check_eq "$f: clients have different endpoints (A2)" 3 "$(endpoints <"$tmp/others" | wc -w)"
	client "$pod" -n 39 -s "$(clients {11..49})" "$L${vip}1$R:53/udp" >"$tmp/dns"
	check "$f: and another service its own records" [ \
		"$(by_client "$tmp/others")" != "$(by_client "$tmp/dns")" ]
	check_eq "$f: records so far" '40 39' "$(records web) $(records dns)"

	for e in "$e2" "$e3" "$e4"; do
		[ "$e" = "$first" ] || ctl del-endpoint web "$e"
	done
	check_eq "$f: other endpoints go and come, the record stays (A5)" "$first" "$(went "$tcp")"
	for e in "$e2" "$e3" "$e4"; do
		[ "$e" = "$first" ] || ctl add-endpoint web "$e"
	done
	check_eq "$f: and so do the client's next connections" "$first" "$(went -n 20 "$tcp")"
	ctl del-endpoint web "$first"
	second=$(went -n 20 "$tcp")
	check "$f: its endpoint goes, it gets another one for good (A3)" [ "$(wc -w <<<"$second") $second" != "1 $first" ]
	ctl add-endpoint web "$first"
	check_eq "$f: and keeps that when the first is back (A3)" "$second" "$(went -n 20 "$tcp")"
	ctl set-endpoint web "$second@0"
	third=$(went -n 20 "$tcp")
	check "$f: a weight of 0 makes it choose again" [ "$(wc -w <<<"$third") $third" != "1 $second" ]
	ctl set-endpoint web "$second@1"

	before=$(records web)
	ctl del-affinity web "$pod_addr"
	check_eq "$f: one client's record can be removed" $((before - 1)) "$(records web)"
	check "$f: and its choice is free again" busywait 20 another_after_removal_of "$third"
	ctl del-affinity web
	check_eq "$f: and all of a service's" '0 39' "$(records web) $(records dns)"

	went "$tcp" >/dev/null
	ctl set-service web --affinity 0
	check_eq "$f: without affinity, connections are spread" 3 "$(client "$pod" -s "$pod_addr" -n 60 "$tcp" | endpoints | wc -w)"
	ctl set-service web --affinity 1000
	check_eq "$f: and its records are gone (A5)" 0 "$(records web)"

	ctl set-service web --affinity $((10 * KSVC_SLOW))
	went "$tcp" >/dev/null
	check_eq "$f: a short affinity leaves a record" 1 "$(records web)"
	check "$f: for a short time" busywait 30 no_records_of web
	ctl del-service web
	ctl del-service dns
done

# In a table of two buckets, 40 clients make room for each other.
ctl set affinity-entries 16
use_family 4
ctl add-service web --vip 10.96.0.1:80/tcp --affinity 1000 --endpoint 10.2.0.2:8080 --endpoint 10.2.0.3:8080
client "$pod" -n 39 -s "$(clients {11..49})" 10.96.0.1:80/tcp >"$tmp/many"
check_eq 'clients beyond the limit are served' 39 "$(grep -c 10.2.0. "$tmp/many")"
check 'and at most as many remembered as the table takes' [ "$(records web)" -le 16 ]

finish
