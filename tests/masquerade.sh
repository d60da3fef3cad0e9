#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whose source address is rewritten: that of connections from outside (Q1), of
# all of them (Q2), of a pod that reaches itself (Q6); not that of what is
# delivered on the node (Q9), and never twice (Q8).
#
#   pod1 ---+ cni0                      u0      u0
#           +------ node (ksvc) ------------------- node2 --- (p2, dummy)
#   pod2 ---+        |  flannel.1 ===== VXLAN ===== flannel.1
#                    | x0
#                   ext
#
#           pod1, pod2               ext              u0                  pods of node2
#   node    10.244.0.1  fd44::1      10.9.0.1 fd09::1 192.168.1.10        10.244.1.2
#   other   10.244.0.2, .3  ::2, ::3 10.9.0.2 fd09::2 192.168.1.11        fd44:1::2
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

require_root
require ip bridge conntrack ksvcctl python3 ss sysctl
load_ksvc
pod1='' pod2='' ext='' node='' node2=''
setup_ns pod1 pod2 ext node node2

make() {
	local i
	ip -n "$node" link add cni0 type bridge
	address "$node" cni0 '10.244.0.1/24 fd44::1/64'
	for i in 1 2; do
		local pod=pod$i
		link "$node" "b$i" '' "${!pod}" e0 "10.244.0.$((i + 1))/24 fd44::$((i + 1))/64"
		ip -n "$node" link set "b$i" master cni0
		bridge -n "$node" link set dev "b$i" hairpin on
		gateway "${!pod}" 10.244.0.1 fd44::1
	done
	link "$node" x0 '10.9.0.1/24 fd09::1/64' "$ext" e0 '10.9.0.2/24 10.9.0.3/24 fd09::2/64'
	# Not what a client uses that does not ask for it.
	ip -n "$ext" addr add fd09::3/64 dev e0 nodad preferred_lft 0
	gateway "$ext" 10.9.0.1 fd09::1
	link "$node" u0 '192.168.1.10/24 fdc0::10/64' "$node2" u0 '192.168.1.11/24 fdc0::11/64'
	gateway "$node" 192.168.1.11 fdc0::11

	overlay "$node" 10 0 '' 02:00:00:00:00:10
	overlay "$node2" 11 1 :1 02:00:00:00:00:11
	overlay_route "$node" 11 1 :1 02:00:00:00:00:11
	overlay_route "$node2" 10 0 '' 02:00:00:00:00:10
	ip -n "$node2" link add p2 type dummy
	address "$node2" p2 '10.244.1.2/24 fd44:1::2/64'
	ip -n "$node2" route add 10.9.0.0/24 via 192.168.1.10
	ip -n "$node2" -6 route add fd09::/64 via fdc0::10
	routing "$node"
	routing "$node2"
	# The overlay's entries shall be there when they are looked for, however slow the machine.
	ip netns exec "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 \
		net.netfilter.nf_conntrack_udp_timeout_stream=3600
}

# overlay NS HOST NET4 NET6 MAC: flannel.1 as flannel makes it.
overlay() {
	ip -n "$1" link add flannel.1 address "$5" mtu 1450 type vxlan id 1 dev u0 local "192.168.1.$2" \
		dstport 8472 nolearning
	address "$1" flannel.1 "10.244.$3.0/32 fd44$4::f/128"
}

# overlay_route NS HOST NET4 NET6 MAC: to another node's pods.
overlay_route() {
	bridge -n "$1" fdb append "$5" dev flannel.1 dst "192.168.1.$2"
	ip -n "$1" neigh replace "10.244.$3.0" lladdr "$5" dev flannel.1 nud permanent
	ip -n "$1" neigh replace "fd44$4::f" lladdr "$5" dev flannel.1 nud permanent
	ip -n "$1" route add "10.244.$3.0/24" via "10.244.$3.0" dev flannel.1 onlink
	ip -n "$1" -6 route add "fd44$4::/64" via "fd44$4::f" dev flannel.1 onlink
}

# What differs in the families.
family() {
	case $1 in
	4)	f=IPv4 L='' R='' vip=10.96.0. pods=10.244.0. outer=10.9.0. up=192.168.1.10 ;;
	6)	f=IPv6 L='[' R=']' vip=fd96:: pods=fd44:: outer=fd09:: up=fdc0::10 ;;
	esac
}

make
# The way through a bridge depends on this; see below.
nf_call=
if [ -d /sys/module/br_netfilter ] || { [ -n "${KSVC_KERNEL-}" ] && modprobe -q br_netfilter; }; then
	nf_call=y
fi
bridge_nf() {
	[ -z "$nf_call" ] || on "$node" sysctl -qw net.bridge.bridge-nf-call-iptables="$1" \
		net.bridge.bridge-nf-call-ip6tables="$1"
}
bridge_nf 0

serve "$ext" 10.9.0.2:8080/tcp 10.9.0.2:8080/udp '[fd09::2]:8080/tcp' '[fd09::2]:8080/udp'
serve "$pod1" 10.244.0.2:8080/tcp '[fd44::2]:8080/tcp'
serve "$pod2" 10.244.0.3:8080/tcp 10.244.0.3:8080/udp '[fd44::3]:8080/tcp' '[fd44::3]:8080/udp'
serve "$node" 192.168.1.10:8080/tcp '[fdc0::10]:8080/tcp'
serve "$node2" 10.244.1.2:8080/tcp '[fd44:1::2]:8080/tcp'

# service NAME HOST ENDPOINT4 ENDPOINT6: one VIP in each family.
service() {
	ctl add-service "$1" --vip "10.96.0.$2:80/tcp" --vip "[fd96::$2]:80/tcp" --vip "10.96.0.$2:80/udp" \
		--vip "[fd96::$2]:80/udp" --endpoint "$3:8080" --endpoint "[$4]:8080"
}
service out 1 10.9.0.2 fd09::2
service pods 2 10.244.0.3 fd44::3
service self 3 10.244.0.2 fd44::2
service self-remote 4 10.244.0.2 fd44::2
ctl set-endpoint self-remote 10.244.0.2:8080 '[fd44::2]:8080' --remote
service host 5 192.168.1.10 fdc0::10
service far 6 10.244.1.2 fd44:1::2
service both 7 10.244.0.2 fd44::2
ctl add-endpoint both 10.9.0.2:8080 '[fd09::2]:8080'

# ask NS HOST...: sets source[4 HOST] and source[6 HOST] to whom the endpoint of that VIP has seen.
declare -A source
ask() {
	local ns=$1 host targets=() target seen
	shift
	source=()
	for host; do
		targets+=("10.96.0.$host:80/tcp" "[fd96::$host]:80/tcp")
	done
	while read -r target _ seen; do
		seen=${seen%:*}
		case $target in
		10*)	target=${target#10.96.0.} ; source[4 ${target%%:*}]=$seen ;;
		*)	target=${target#\[fd96::} ; source[6 ${target%%]*}]=$seen ;;
		esac
	done < <(client "$ns" "${targets[@]}")
}

masqueraded() { reason masqueraded; }

# expect NAME HOST ADDR4 ADDR6: by the last ask.
expect() {
	check_eq "IPv4: $1" "$3" "${source[4 $2]-}"
	check_eq "IPv6: $1" "[$4]" "${source[6 $2]-}"
}

# --- Q3: no detector

ask "$pod1" 1 6
expect 'without detector, a pod keeps its address' 1 10.244.0.2 fd44::2
expect 'without detector, also to another node' 6 10.244.0.2 fd44::2
ask "$ext" 2
expect 'without detector, an outsider does too' 2 10.9.0.2 fd09::2
check_eq 'without detector, nothing was masqueraded' 0 "$(masqueraded)"

# --- Q1: by address

ctl set cluster-cidr 10.1.0.0/16 10.244.0.0/16
ask "$ext" 2
check_eq 'IPv4: outside of the CIDRs, an outsider gets an address of the node' 10.244.0.1 "${source[4 2]-}"
check_eq 'IPv6: without a CIDR of its family nobody does' '[fd09::2]' "${source[6 2]-}"
ask "$pod1" 1
check_eq 'IPv4: a pod of the second CIDR keeps its address' 10.244.0.2 "${source[4 1]-}"

ctl set cluster-cidr 10.244.0.0/16 fd44::/32
before=$(masqueraded)
ask "$ext" 2 6
expect 'an outsider gets the address of the interface to the pod' 2 10.244.0.1 fd44::1
expect 'an outsider gets that of the overlay to the other node' 6 10.244.0.0 fd44::f
check_eq 'each connection was masqueraded once' 4 $(($(masqueraded) - before))
before=$(masqueraded)
ask "$pod1" 1 6
expect 'a pod keeps its address' 1 10.244.0.2 fd44::2
expect 'a pod keeps it in the overlay' 6 10.244.0.2 fd44::2
check_eq 'nothing of that was masqueraded' 0 $(($(masqueraded) - before))
for i in 4 6; do
	family $i
	check_eq "$f: the node's own connections are masqueraded" "$L${outer}1$R" \
		"$(client "$node" -s "$up" "$L${vip}1$R:80/tcp" | sources)"
	check_eq "$f: unless made with an address of the CIDR" "$L${pods}1$R" \
		"$(client "$node" -s "${pods}1" "$L${vip}1$R:80/tcp" | sources)"
done

# Q8: the outer packets are made by the node, and like those of anybody else keep their ports.
outer() {
	entries -p udp --orig-port-dst 8472 -s 192.168.1.10 |
		sed -n 's/.* sport=\([0-9]*\) dport=8472 .*sport=8472 dport=\([0-9]*\).*/\1 \2/p'
}
check 'the overlay has carried something' [ -n "$(outer)" ]
check_eq 'its packets are not masqueraded' '' "$(outer | awk '$1 != $2')"

# --- Q6: hairpin

ask "$pod1" 3
expect 'a pod that reaches itself sees the node' 3 10.244.0.1 fd44::1
for i in 4 6; do
	family $i
	client "$pod1" -n 40 "$L${vip}7$R:80/tcp" >"$tmp/both"
	check_eq "$f: only when it is chosen itself" \
		"$(printf '%s\n' "$L${outer}2$R:8080 $L${pods}2$R" "$L${pods}2$R:8080 $L${pods}1$R" | sort)" \
		"$(sed 's/:[0-9]*$//' "$tmp/both" | cut -d ' ' -f 2- | sort -u)"
	check_eq "$f: as explain says" "$L${pods}2$R:8080" \
		"$(ctl explain --from "${pods}2" --to "$L${vip}7$R:80/tcp" | awk '/masqueraded/ { print $1 }')"
	helper "$pod1" raw.py "${pods}2" "syn=$L${vip}4$R:80" "udp=$L${outer}2$R:9" >/dev/null
	check_match "$f: an endpoint that is not local is not masqueraded" "sport=8080 dport=2[0-9]* " \
		"$(entries -f "${f,,}" -p tcp -d "${vip}4" | sed -n "s/.* src=${pods}2 dst=${pods}2 / /p")"
done

# --- Q9: endpoints on the node

before=$(masqueraded)
ask "$pod1" 5
expect 'a pod reaches a pod of the host network as itself' 5 10.244.0.2 fd44::2
ask "$ext" 5
expect 'so does an outsider' 5 10.9.0.2 fd09::2
check_eq 'nothing of that was masqueraded either' 0 $(($(masqueraded) - before))
ask "$node" 5
check_eq 'the node itself is' 2 $(($(masqueraded) - before))

# --- ports are fully random

for i in 4 6; do
	family $i
	{
		client "$ext" -s "${outer}2" -p 5000 "$L${vip}2$R:80/tcp"
		client "$ext" -s "${outer}3" -p 5000 "$L${vip}2$R:80/tcp"
	} >"$tmp/same"
	check_eq "$f: two clients with the same port arrive as two" 2 "$(cut -d ' ' -f 3 "$tmp/same" | sort -u | wc -l)"
	check_eq "$f: both as the node" "$L${pods}1$R" "$(sources <"$tmp/same")"
	client "$ext" -n 60 -p 6000 "$L${vip}2$R:80/udp" | sed 's/.*://' >"$tmp/ports"
	# shellcheck disable=SC2016 # awk's
	check "$f: ports of 60 connections are not kept, nor near each other, nor in order" awk '
		{
			if ($1 == 5999 + NR)
				kept++
			distance = $1 - last
			if (distance > -16 && distance < 16)
				near++
			if (distance > 0)
				up++
			last = $1
			n++
		}
		END { print n, kept, near, up; exit !(n == 60 && kept < 3 && near < 5 && up > 12 && up < 48) }' "$tmp/ports"
done

# Also where node ports have to be avoided, and whichever endpoint a connection has got.
ctl add-service port --node-port 30000/tcp
for i in 4 6; do
	family $i
	serve "$pod2" "$L${pods}3$R":808{1..3}/udp
	ctl add-service "many$i" --vip "$L${vip}8$R:80/udp" "--endpoint=$L${pods}3$R:808"{0..3}
	client "$ext" -n 160 -p 7000 "$L${vip}8$R:80/udp" | awk '{ sub(/.*:/, "", $3); print $2, $3 }' >"$tmp/ports"
	# shellcheck disable=SC2016 # awk's
	check "$f: connections of each of 4 endpoints have ports from all over" awk '
		!($1 in low) || $2 < low[$1] { low[$1] = $2 }
		$2 > high[$1] { high[$1] = $2 }
		{ n++ }
		END {
			for (endpoint in low)
				wide += high[endpoint] - low[endpoint] > 24000
			print n, wide
			exit !(n == 160 && wide == 4)
		}' "$tmp/ports"
done
ctl del-service port

# --- Q1: by interface

ctl set cluster-cidr ''
ctl set pod-interface cni0
ask "$pod1" 1
expect 'what comes from the pods'\'' bridge keeps its address' 1 10.244.0.2 fd44::2
ask "$ext" 2
expect 'what comes from elsewhere does not' 2 10.244.0.1 fd44::1
for i in 4 6; do
	family $i
	check_eq "$f: what the node makes comes from no interface" "$L${outer}1$R" \
		"$(client "$node" -s "${pods}1" "$L${vip}1$R:80/tcp" | sources)"
done
ctl set pod-interface 'x*'
ask "$pod1" 1
expect 'not from an interface with the prefix: masqueraded' 1 10.9.0.1 fd09::1
ask "$ext" 2
expect 'from an interface with the prefix: not masqueraded' 2 10.9.0.2 fd09::2
ctl set pod-interface 'cni'
ask "$pod1" 1
expect 'the beginning of a name is not a name' 1 10.9.0.1 fd09::1
ctl set pod-interface cni0

# --- endpoints on the client's own bridge

# Replies must pass the node to be translated back: the bridge has to hand them to it, or the source has to be the node.
if [ -n "$nf_call" ]; then
	bridge_nf 1
	ask "$pod1" 1 2 3 6
	expect 'bridge-nf: a pod keeps its address to the outside' 1 10.244.0.2 fd44::2
	expect 'bridge-nf: and to a neighbour' 2 10.244.0.2 fd44::2
	expect 'bridge-nf: not to itself' 3 10.244.0.1 fd44::1
	expect 'bridge-nf: keeps it in the overlay' 6 10.244.0.2 fd44::2
	ask "$ext" 2
	expect 'bridge-nf: an outsider is masqueraded' 2 10.244.0.1 fd44::1
	bridge_nf 0
else
	skip 'bridge-nf' 'br_netfilter is not loaded'
fi

# --- Q2

ctl set masquerade-all on
ask "$pod1" 1 2 3 5 6
expect 'masquerade-all: a pod to the outside' 1 10.9.0.1 fd09::1
expect 'masquerade-all: a pod to its neighbour' 2 10.244.0.1 fd44::1
expect 'masquerade-all: a pod to itself' 3 10.244.0.1 fd44::1
expect 'masquerade-all: not to an endpoint on the node' 5 10.244.0.2 fd44::2
expect 'masquerade-all: a pod in the overlay' 6 10.244.0.0 fd44::f
ctl set masquerade-all off

# --- a masqueraded flow ends with its interface

hold "$ext" 10.96.0.6:80/tcp '[fd96::6]:80/tcp' 10.96.0.2:80/tcp '[fd96::2]:80/tcp'
check_eq 'connections by two interfaces' 4 "$held"
overlaid() { { entries -p tcp --orig-dst 10.96.0.6; entries -f ipv6 -p tcp --orig-dst fd96::6; } | grep EST; }
check 'they are known' [ "$(overlaid | wc -l)" = 2 ]
ip -n "$node" link del flannel.1
# shellcheck disable=SC2317 # by check
none_overlaid() { [ -z "$(overlaid)" ]; }
check 'those by the interface that went away are forgotten' busywait 10 none_overlaid
check_eq 'the others stay' 2 "$({ entries -p tcp --orig-dst 10.96.0.2
	entries -f ipv6 -p tcp --orig-dst fd96::2; } | grep -c EST)"

finish
