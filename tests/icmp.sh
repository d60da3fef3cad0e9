#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the network says about translated packets, a client hears about its own:
# ICMP errors come back with the VIP inside, so that path MTU discovery works.
# Fragments are translated like whole packets.
#
#   pod ------------- node (ksvc) ------------- router ------------- srv
#        1400 <- p0                  r0              s0 -> 1300
#   10.1.0.2   10.1.0.1       10.3.0.1  10.3.0.2   10.2.0.1  10.2.0.2
#   fd01::2    fd01::1        fd03::1   fd03::2    fd02::1   fd02::2
#
# The way to srv takes packets of 1,300 bytes, the way to the pod 1,400; nobody
# who sends knows that in advance.
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

require_root
require ip conntrack ksvcctl python3 ss sysctl
load_ksvc
pod='' node='' router='' srv=''
setup_ns pod node router srv
link "$node" p0 '10.1.0.1/24 fd01::1/64' "$pod" e0 '10.1.0.2/24 fd01::2/64'
link "$node" r0 '10.3.0.1/24 fd03::1/64' "$router" r0 '10.3.0.2/24 fd03::2/64'
link "$router" s0 '10.2.0.1/24 fd02::1/64' "$srv" e0 '10.2.0.2/24 fd02::2/64'
gateway "$pod" 10.1.0.1 fd01::1
gateway "$node" 10.3.0.2 fd03::2
gateway "$router" 10.3.0.1 fd03::1
gateway "$srv" 10.2.0.1 fd02::1
# narrow NS DEVICE PREFIX BYTES: instead of the kernel's own route.
# shellcheck disable=SC2086 # prefix and metric
narrow() { ip -n "$1" route replace $3 dev "$2" mtu lock "$4"; }
narrow "$router" s0 10.2.0.0/24 1300
narrow "$router" s0 'fd02::/64 metric 256' 1300
narrow "$node" p0 10.1.0.0/24 1400
narrow "$node" p0 'fd01::/64 metric 256' 1400
routing "$node"
routing "$router"

serve "$srv" 10.2.0.2:8080/tcp 10.2.0.2:8080/udp '[fd02::2]:8080/tcp' '[fd02::2]:8080/udp'

# One VIP for each thing to try: a path MTU is remembered by address.
for i in 4 6; do
	use_family $i
	vips=()
	for host in 1 2 3 4; do
		vips+=(--vip "$L$vip$host$R:80/tcp" --vip "$L$vip$host$R:80/udp")
	done
	ctl add-service "web$i" "${vips[@]}" --endpoint "$L${ep}2$R:8080"
	ctl add-service "closed$i" --vip "$L${vip}1$R:9/udp" --vip "$L${vip}1$R:9/tcp" --endpoint "$L${ep}2$R:9"
done

learned() { ip -n "$1" route get "$2" | grep -o 'mtu [0-9]*'; }

# The errors go to the node when the client's address is hidden, and further from there.
for masquerade in off on; do
	ctl set masquerade-all $masquerade
	on "$node" conntrack -F 2>/dev/null
	on "$node" conntrack -F -f ipv6 2>/dev/null
	case $masquerade in
	off)	case='' stream=1 datagram=2 ;;
	on)	case=', masqueraded' stream=3 datagram=4 ;;
	esac
	for i in 4 6; do
		use_family $i
		check_match "$f$case: TCP gets 1 MB there and back" ' intact$' \
			"$(client "$pod" -b 1000000 "$L$vip$stream$R:80/tcp")"
		check_eq "$f$case: by a path MTU that is the VIP's" 'mtu 1300' "$(learned "$pod" "$vip$stream")"
		[ $i = 4 ] && fits=1272 || fits=1252
		check_eq "$f$case: UDP that must not be fragmented learns it too" "1300 $fits" \
			"$(helper "$pod" pmtu.py "$L$vip$datagram$R:80" 1400)"
		check_match "$f$case: a datagram in fragments is echoed in fragments" ' intact$' \
			"$(client "$pod" -b 8000 "$L$vip$stream$R:80/udp")"
		[ $masquerade = on ] || check_eq "$f: the endpoint has learned the client's" 'mtu 1400' "$(learned "$srv" "$pod_addr")"
		[ $masquerade = on ] ||
			check_match "$f: also from the node" ' intact$' "$(client "$node" -b 1200 "$L$vip$stream$R:80/udp")"

		declare -A came=()
		while read -r what result; do
			came[$what]=$result
		done < <(helper "$pod" raw.py "$pod_addr" "udp=$L${vip}1$R:80:1" "syn=$L${vip}1$R:80:1" \
			"udp=$L${vip}1$R:80:2" "syn=$L${vip}1$R:80:2" "syn=$L${vip}1$R:9" "udp=$L${vip}1$R:9")
		[ $i = 4 ] && exceeded=icmp-11-0 || exceeded=icmp-3-0
		for kind in udp syn; do
			check_match "$f$case: the first hop of a traceroute by $kind" "^$exceeded" "${came[$kind=$L${vip}1$R:80:1]-}"
			check_match "$f$case: the second hop" "^$exceeded" "${came[$kind=$L${vip}1$R:80:2]-}"
		done
		check_eq "$f$case: a closed port of the endpoint is the VIP's" "port-unreachable ${vip}1" \
			"${came[udp=$L${vip}1$R:9]-}"
		check_eq "$f$case: so is its RST" 'reset 0 1' "${came[syn=$L${vip}1$R:9]-}"
	done
done
check_eq 'IPv4: the node itself knows nothing about VIPs' '' "$(learned "$node" 10.96.0.1)"

# A program on the node learns as well.
for i in 4 6; do
	use_family $i
	[ $i = 4 ] && fits=1272 || fits=1252
	check_eq "$f: UDP of the node itself learns the path MTU" "1300 $fits" \
		"$(helper "$node" pmtu.py "$L${vip}4$R:80" 1400)"
done

finish
