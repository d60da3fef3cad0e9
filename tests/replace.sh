#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 480
#
# docs/replacing-kube-proxy.md: rules as kube-proxy makes them give way to ksvcd, and come back. Connections that either
# has translated go on, and none that is opened meanwhile fails.
#
#   pod 10.1.0.2, .9 ---- node (rules, ksvc, ksvcd) ---- 10.2.0.2, .3 srv
#       fd01::2, ::9                                     fd02::2, ::3
#
# Connections from .9 are masqueraded, those of the node pass OUTPUT.

# shellcheck disable=SC2119,SC2317 # optional arguments; functions for check
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

make_topology conntrack ip6tables-restore iptables-restore ksvcd nft /usr/bin/python3
address "$pod" e0 '10.1.0.9/24 fd01::9/64'
traffic "$srv" serve 8080 10.2.0.2 10.2.0.3 fd02::2 fd02::3
busywait 20 listening "$srv" udp 8080

mkdir "$tmp/manifests"
service web '"clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd96::1"],"ipFamilyPolicy":"RequireDualStack",
	"ipFamilies":["IPv4","IPv6"],"ports":[{"port":80,"protocol":"TCP"}]' >"$tmp/manifests/web.json"
slice web-4 web 10.2.0.2 10.2.0.3 >"$tmp/manifests/web-4.json"
slice web-6 web fd02::2 fd02::3 | sed 's/IPv4/IPv6/' >"$tmp/manifests/web-6.json"

# --- kube-proxy's rules, in its modes
# iptables_of VIP POD FIRST SECOND: one family's, for iptables-restore; addresses of endpoints with their port.
iptables_of() {
	cat <<-END
		*filter
		:KUBE-FORWARD - [0:0]
		-A FORWARD -j KUBE-FORWARD
		-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
		-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		COMMIT
		*nat
		:KUBE-SERVICES - [0:0]
		:KUBE-POSTROUTING - [0:0]
		:KUBE-MARK-MASQ - [0:0]
		:KUBE-SVC-WEB - [0:0]
		:KUBE-SEP-1 - [0:0]
		:KUBE-SEP-2 - [0:0]
		-A PREROUTING -j KUBE-SERVICES
		-A OUTPUT -j KUBE-SERVICES
		-A POSTROUTING -j KUBE-POSTROUTING
		-A KUBE-SERVICES -d $1 -p tcp -m tcp --dport 80 -j KUBE-SVC-WEB
		-A KUBE-SVC-WEB ! -s $2 -d $1 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
		-A KUBE-SVC-WEB -m statistic --mode random --probability 0.5 -j KUBE-SEP-1
		-A KUBE-SVC-WEB -j KUBE-SEP-2
		-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination $3
		-A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination $4
		-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
		-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
		-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
		-A KUBE-POSTROUTING -j MASQUERADE --random-fully
		COMMIT
	END
}
iptables_rules() {
	iptables_of 10.96.0.1 10.1.0.2 10.2.0.2:8080 10.2.0.3:8080 | on "$node" iptables-restore -w &&
		iptables_of fd96::1 fd01::2 '[fd02::2]:8080' '[fd02::3]:8080' | on "$node" ip6tables-restore -w
}

# nftables_of FAMILY TYPE VIP POD FIRST SECOND
nftables_of() {
	cat <<-END
		table $1 kube-proxy {
			map service-ips {
				type $2 . inet_proto . inet_service : verdict
				elements = { $3 . tcp . 80 : goto service-web }
			}
			chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
			chain masquerading {
				meta mark & 0x4000 == 0 return
				meta mark set meta mark ^ 0x4000
				masquerade fully-random
			}
			chain endpoint-1 { meta l4proto tcp dnat to $5; }
			chain endpoint-2 { meta l4proto tcp dnat to $6; }
			chain service-web {
				$1 saddr != $4 jump mark-for-masquerade
				numgen random mod 2 vmap { 0 : goto endpoint-1, 1 : goto endpoint-2 }
			}
			chain services { $1 daddr . meta l4proto . th dport vmap @service-ips; }
			chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
			chain nat-output { type nat hook output priority -100; jump services; }
			chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
		}
	END
}
nftables_rules() {
	{
		nftables_of ip ipv4_addr 10.96.0.1 10.1.0.2 10.2.0.2:8080 10.2.0.3:8080
		nftables_of ip6 ipv6_addr fd96::1 fd01::2 '[fd02::2]:8080' '[fd02::3]:8080'
	} | on "$node" nft -f -
}

# More than kube-proxy --cleanup takes away: iptables' tables go, too, and with them the last client of NAT but ksvc.
no_rules() { on "$node" nft flush ruleset; }

# --- the way there, and back
python_once() { timeout $((60 * KSVC_SLOW)) ip netns exec "$1" "${python[@]}" "$helpers/traffic.py" once 80 "$2"; }
rounds() { tally "$tmp/$1.rounds" rounds; }
further() { [ "$(rounds "$1")" -gt $(($2 + 2)) ]; }

# hold_from NAMESPACE NAME TARGET...: keeps three connections to each busy, until the end.
held=()
hold_from() {
	traffic "$1" hold "$tmp/$2" 3 80 "${@:3}"
	held+=("$2 $traffic_pid $((3 * ($# - 2)))")
	check "$mode: connections $2" busywait 60 test -e "$tmp/$2.started"
}
hold_sorts() {
	hold_from "$pod" "of-the-pod-by-$1" 10.96.0.1 fd96::1 '10.1.0.9>10.96.0.1' 'fd01::9>fd96::1'
	hold_from "$node" "of-the-node-by-$1" 10.96.0.1 fd96::1
}
all_go_on() {
	local name before
	for name in "${held[@]%% *}"; do
		before=$(rounds "$name")
		check "$mode: $1: connections $name go on" busywait 60 further "$name" "$before"
	done
}
all_lived() {
	local name pid n
	while read -r name pid n; do
		check "$mode: connections $name end" end_traffic "$pid" "$tmp/$name"
		check_eq "$mode: and lived" "$n 0" "$(tally "$tmp/$name" held) $(tally "$tmp/$name" broken)"
	done < <(printf '%s\n' "${held[@]}")
	held=()
}
in_force() { has_endpoints ns/web '10.2.0.2:8080 10.2.0.3:8080 [fd02::2]:8080 [fd02::3]:8080'; }
masqueraded() { [ "$(entries -s 10.1.0.9 -q 10.2.0.1 | wc -l)" -ge "$1" ]; }
clean_up() { on "$node" ksvcd --cleanup --state "$tmp/state/saved.json"; }

there() {
	hold_sorts rules
	check "$mode: some are masqueraded" masqueraded 3
	traffic "$pod" connect "$tmp/new" 80 10.96.0.1 fd96::1 '10.1.0.9>10.96.0.1' 'fd01::9>fd96::1'
	newcomers=$traffic_pid
	check "$mode: others are opened" busywait 60 test -e "$tmp/new.started"
	# It never pauses, and there may be one processor.
	renice -n 5 -p "$newcomers" >/dev/null
	daemon_start --manifests "$tmp/manifests" --cluster-cidr 10.1.0.2/32,fd01::2/128
	check "$mode: ksvcd comes" busywait 30 in_force
	all_go_on 'with ksvcd'
	check "$mode: the rules go" no_rules
	check_eq "$mode: all of them" '' "$(on "$node" nft list tables)"
	all_go_on 'without rules'
}

back() {
	hold_sorts ksvc
	daemon_stop
	all_go_on 'without ksvcd'
	check "$mode: the rules come back" "${mode}_rules"
	all_go_on 'with both'
	check "$mode: ksvc is cleaned up" clean_up
	check_eq "$mode: nothing of it is left" '' "$(names)"
	all_go_on 'with rules alone'
	for vip in 10.96.0.1 fd96::1; do
		check "$mode: the node opens connections to $vip" python_once "$node" "$vip"
	done
}

for mode in iptables nftables; do
	rm -f "$tmp"/*.started "$tmp"/*.rounds
	check "$mode: rules" "${mode}_rules"
	there
	back
	all_lived
	check "$mode: those opened meanwhile end" end_traffic "$newcomers" "$tmp/new"
	check_eq "$mode: and none failed" 0 "$(tally "$tmp/new" failed)"
	check "$mode: of many" test "$(tally "$tmp/new" connections)" -ge 20
	no_rules
	rm -f "$tmp/new" "$tmp"/of-*
done
[ "$ktap_failed" = 0 ] || note "$(tail -n 20 "$tmp/traffic.log")"

finish
