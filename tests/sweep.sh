#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A client that was too early: its packets to an address that becomes a VIP a
# moment later have left a conntrack entry without a translation. The new
# frontend clears it, or the client would never reach NAT again.
#
#   client ---- node (ksvc) ---- server
#   10.1.0.2    10.1.0.1 10.2.0.1   10.2.0.2
#   fd01::2     fd01::1  fd02::1    fd02::2      VIPs 10.96.0.1 to .3, fd96::1 to ::3
#
# The server drops what is for a VIP, so that early packets get no answer.

# timeout: 400

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

require_root
require ip socat conntrack ksvcctl python3
load_ksvc
setup_ns client node server
# shellcheck disable=SC2154 # set by setup_ns
{
	ip link add c0 netns "$node" type veth peer name e0 netns "$client"
	ip link add s0 netns "$node" type veth peer name e0 netns "$server"
	ip -n "$node" addr add 10.1.0.1/24 dev c0
	ip -n "$node" addr add fd01::1/64 dev c0 nodad
	ip -n "$node" addr add 10.2.0.1/24 dev s0
	ip -n "$node" addr add fd02::1/64 dev s0 nodad
	ip -n "$client" addr add 10.1.0.2/24 dev e0
	ip -n "$client" addr add fd01::2/64 dev e0 nodad
	ip -n "$server" addr add 10.2.0.2/24 dev e0
	ip -n "$server" addr add fd02::2/64 dev e0 nodad
	ip -n "$node" link set c0 up
	ip -n "$node" link set s0 up
	ip -n "$client" link set e0 up
	ip -n "$server" link set e0 up
	ip -n "$client" route add default via 10.1.0.1
	ip -n "$client" route add default via fd01::1
	ip -n "$server" route add default via 10.2.0.1
	ip -n "$server" route add default via fd02::1
	ip -n "$node" route add default via 10.2.0.2
	ip -n "$node" route add default via fd02::2
}
ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# What goes shall go because of what changed, however slow the machine.
ip netns exec "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 \
	net.netfilter.nf_conntrack_udp_timeout_stream=3600
# Retransmissions come each second and not after ever longer pauses, where the kernel can.
ip netns exec "$client" sysctl -qw net.ipv4.tcp_syn_linear_timeouts=127 2>/dev/null

in_ns() { local ns=$1; shift; ip netns exec "$ns" "$@"; }

in_ns "$server" socat UDP4-LISTEN:5300,fork EXEC:'echo answered' &
in_ns "$server" socat UDP6-LISTEN:5300,fork,ipv6only EXEC:'echo answered' &
# The client has nothing to say, and would be hung up on before a slow machine has found the words.
in_ns "$server" socat -t 100 TCP6-LISTEN:8080,fork,reuseaddr EXEC:'echo answered' &
busywait 5 listening "$server" udp 5300 || fail 'servers'
busywait 5 listening "$server" tcp 8080 || fail 'servers'

# A service elsewhere makes the node track connections and leave null bindings.
in_ns "$node" ksvcctl add-service other --vip 10.96.9.9:1/tcp

entries() { in_ns "$node" conntrack -L -f "$1" -p "$2" -d "$3" 2>/dev/null; }
# shellcheck disable=SC2317 # by check
has_entry() { [ -n "$(entries "$@")" ]; }
# shellcheck disable=SC2317 # by check
no_entry() { ! has_entry "$@"; }

for family in ipv4 ipv6; do
	case $family in
	ipv4)	vip=10.96.0.1 web=10.96.0.2 late=10.96.0.3 ep=10.2.0.2 v=$vip w=$web l=$late e=$ep ;;
	ipv6)	vip=fd96::1 web=fd96::2 late=fd96::3 ep=fd02::2 v=[$vip] w=[$web] l=[$late] e=[$ep] ;;
	esac

	in_ns "$client" python3 "$KSVC_TOP/tests/helpers/udp_retry.py" "$vip" 53 4053 $((30 * KSVC_SLOW)) > "$tmp/udp-$family" &
	retry=$!
	check "$family: an early UDP packet leaves an entry" busywait 10 has_entry $family udp "$vip"
	check_match "$family: without a translation" "src=$vip " "$(entries $family udp "$vip")"
	in_ns "$node" ksvcctl add-service "dns-$family" --vip "$v:53/udp" --endpoint "$e:5300"
	wait $retry
	check_eq "$family: retries from the same port get the endpoint's answer" answered "$(cat "$tmp/udp-$family")"

	patience=$((20 * KSVC_SLOW))
	in_ns "$client" socat -t $patience -T $patience - "TCP:$w:80,connect-timeout=$patience" < /dev/null > "$tmp/tcp-$family" &
	connect=$!
	check "$family: an early SYN leaves an entry" busywait 10 has_entry $family tcp "$web"
	in_ns "$node" ksvcctl add-service "web-$family" --vip "$w:80/tcp" --endpoint "$e:8080"
	wait $connect
	check_eq "$family: the retransmitted SYN connects to the endpoint" answered "$(cat "$tmp/tcp-$family")"

	in_ns "$client" socat -t $patience -T $patience - "TCP:$l:80,connect-timeout=$patience" < /dev/null 2> "$tmp/late-$family" &
	connect=$!
	check "$family: so does one to a service whose endpoints come last" busywait 10 has_entry $family tcp "$late"
	in_ns "$node" ksvcctl add-service "late-$family" --vip "$l:80/tcp"
	check "$family: which does not wait for them" busywait 10 no_entry $family tcp "$late"
	wait $connect
	check_match "$family: its client is refused (F1)" refused "$(cat "$tmp/late-$family")"
	in_ns "$node" ksvcctl add-endpoint "late-$family" "$e:8080"
	check_eq "$family: and connects when they are there" answered "$(in_ns "$client" socat -t $patience -T $patience - "TCP:$l:80" < /dev/null)"
done

# What a translation made, and what a peer answers, stays.
in_ns "$client" python3 "$KSVC_TOP/tests/helpers/udp_retry.py" 10.2.0.2 5300 4054 $((30 * KSVC_SLOW)) > /dev/null
check 'an entry of a live connection is there' has_entry ipv4 udp 10.2.0.2
in_ns "$node" ksvcctl add-service later --vip 10.96.0.7:80/tcp --endpoint 10.2.0.2:8080
check 'and stays when an unrelated VIP comes' has_entry ipv4 udp 10.2.0.2
check 'translated entries stay too' has_entry ipv4 udp 10.96.0.1

finish
