#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What no endpoint can take is refused: with ICMP port unreachable (rules F1,
# F7, F11), in silence (F8), or with a RST. Only packets that would open a
# connection are (F12), they leave no conntrack entry, and each is counted.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2     counts what is for VIPs
#   fd01::2    fd01::1       fd02::1    fd02::2
#
#   10.96.0.1    a VIP without endpoints: ports 80/tcp, 80/udp, 80/sctp
#   10.96.0.2    a VIP with one, 80/tcp
#   10.96.77.1   an address of the node, of all places
#   10.96.0.200  nothing, but in the service CIDR; fd96:: likewise
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack nft
on "$srv" nft -f - <<-END
	table inet seen {
		counter vips { }
		chain prerouting {
			type filter hook prerouting priority -300
			ip daddr 10.96.0.0/16 counter name vips
			ip6 daddr fd96::/64 counter name vips
		}
	}
END
seen() { on "$srv" nft list counter inet seen vips | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

ip -n "$node" addr add 10.96.77.1/32 dev lo
ip -n "$node" addr add fd96::77:1/128 dev lo nodad
serve "$srv" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp'
serve "$node" 10.96.77.1:80/tcp '[fd96::77:1]:80/tcp'

ctl set service-cidr 10.96.0.0/16 fd96::/64
for i in 4 6; do
	use_family $i
	ctl add-service "empty$i" --vip "$L${vip}1$R:80/tcp" --vip "$L${vip}1$R:80/udp" --vip "$L${vip}1$R:80/sctp"
	ctl add-service "web$i" --vip "$L${vip}2$R:80/tcp" --endpoint "$L${ep}2$R:8080"
done

# probe NS SOURCE PROBE...: see helpers/raw.py. The last one, of our own, is refused by srv, which has by then seen all
# that was let through.
probe() {
	local ns=$1 source=$2
	shift 2
	declare -gA came=()
	local what result
	while read -r what result; do
		came[$what]=$result
	done < <(helper "$ns" raw.py "$source" "$@" "udp=$L${ep}2$R:9")
	check_match "$f, $who: the probe after these has come through" '^port-unreachable' "${came[udp=$L${ep}2$R:9]-}"
}

no_endpoint=0 unused_port=0 unused_address=0 no_connection=0
for i in 4 6; do
	use_family $i
	for who in pod node; do
		if [ $who = pod ]; then
			source=$pod_addr from=$pod_gw
		else
			source=$node_addr from=$node_addr
		fi
		empty=$L${vip}1$R web=$L${vip}2$R nothing=$L${vip}200$R
		before=$(seen)
		probe "${!who}" "$source" "syn=$empty:80" "udp=$empty:80" "sctp=$empty:80" \
			"syn=$web:81" "udp=$web:80" "sctp=$web:80" "echo=$web:7" "echo=$empty:8" \
			"syn=$nothing:80" "udp=$nothing:80" "sctp=$nothing:80" "echo=$nothing:9" \
			"ack=$web:80" "data=$web:80" "rst=$web:80" "ack=$empty:80" "ack=$web:81"
		for kind in syn udp sctp; do
			check_match "$f $kind, $who: no endpoint (F1)" '^port-unreachable ' "${came[$kind=$empty:80]}"
		done
		check_match "$f syn, $who: another port of a VIP (F7)" '^port-unreachable ' "${came[syn=$web:81]}"
		check_match "$f udp, $who: another protocol (F7)" '^port-unreachable ' "${came[udp=$web:80]}"
		check_match "$f sctp, $who: another protocol (F7)" '^port-unreachable ' "${came[sctp=$web:80]}"
		check_match "$f echo, $who: a VIP (F7)" '^port-unreachable ' "${came[echo=$web:7]}"
		check_match "$f echo, $who: a VIP without endpoints (F7)" '^port-unreachable ' "${came[echo=$empty:8]}"
		for kind in syn udp sctp; do
			check_eq "$f $kind, $who: no VIP of the service CIDR (F8)" silence "${came[$kind=$nothing:80]}"
		done
		check_eq "$f echo, $who: no VIP of the service CIDR (F8)" silence "${came[echo=$nothing:9]}"
		check_eq "$f, $who: an ACK of no connection is reset at its number" 'reset 0' "${came[ack=$web:80]}"
		check_eq "$f, $who: so is data" 'reset 0' "${came[data=$web:80]}"
		check_eq "$f, $who: endpoints or not" 'reset 0' "${came[ack=$empty:80]}"
		check_match "$f, $who: but not at a port without service" '^port-unreachable ' "${came[ack=$web:81]}"
		check_eq "$f, $who: a RST gets no answer" silence "${came[rst=$web:80]}"
		check_eq "$f, $who: the answers are the node's" "$from" "${came[syn=$empty:80]#* }"
		check_eq "$f, $who: nothing of that went on, the RST apart" 1 $(($(seen) - before))

		before=$(seen)
		probe "${!who}" "$source" "finack=$web:80" "fin=$web:80" "fin=$empty:80" "finack=$web:81"
		check_eq "$f, $who: a FIN of no connection, invalid to conntrack, is reset, too" 'reset 0' "${came[finack=$web:80]}"
		check_match "$f, $who: so is one without ACK" '^reset ' "${came[fin=$web:80]}"
		check_match "$f, $who: endpoints or not" '^reset ' "${came[fin=$empty:80]}"
		check_eq "$f, $who: that is all that is done about invalid packets" silence "${came[finack=$web:81]}"
		check_eq "$f, $who: none but that goes on" 1 $(($(seen) - before))
		((no_endpoint += 3, unused_port += 6, unused_address += 4, no_connection += 6))
	done
done
check_eq 'F1 is counted' "$no_endpoint" "$(reason no-endpoint)"
check_eq 'F7 is counted' "$unused_port" "$(reason unused-port)"
check_eq 'F8 is counted' "$unused_address" "$(reason unused-address)"
check_eq 'resets are counted' "$no_connection" "$(reason no-connection)"
check_eq 'nothing was translated' 0 "$(reason translated)"
check_eq 'no conntrack entry is left of it' '' "$(entries | grep 'dst=10\.96\.'; entries -f ipv6 | grep 'dst=fd96:')"

# --- what programs see

for i in 4 6; do
	use_family $i
	for who in pod node; do
		while read -r target result; do
			case $target in
			*/udp)	want='^(ECONNREFUSED|EPERM)$' ;;
			*)	want='^ECONNREFUSED$' ;;
			esac
			check_match "$f, $who: error from $target" "$want" "$result"
		done < <(client "${!who}" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/udp" "$L${vip}2$R:81/tcp" "$L${vip}2$R:81/udp")
	done

	[ $i = 4 ] && here=10.96.77.1:80 || here='[fd96::77:1]:80'
	check_eq "$f, pod: an address of the node in the service CIDR is left alone" "$here" \
		"$(client "$pod" "$here/tcp" | cut -d ' ' -f 2)"
done
check_eq 'of the segments that clients sent, none was reset' "$no_connection" "$(reason no-connection)"

# --- established connections are not refused (F12)

hold "$pod" 10.96.0.2:80/tcp '[fd96::2]:80/tcp'
check_eq 'connections that are held' 2 "$held"
ctl del-endpoint web4 10.2.0.2:8080
ctl del-endpoint web6 '[fd02::2]:8080'
check 'they go on without any endpoint' all_alive
check_eq 'new ones are refused' '10.96.0.2:80/tcp ECONNREFUSED [fd96::2]:80/tcp ECONNREFUSED' \
	"$(client "$pod" 10.96.0.2:80/tcp '[fd96::2]:80/tcp' | sort | paste -sd ' ')"
check 'the others still go on' all_alive

# --- segments outside of the window

on "$node" sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
for i in 4 6; do
	use_family $i
	probe "$pod" "$pod_addr" "ack=$L${vip}2$R:80"
	check_eq "$f: a stray ACK is reset even when conntrack does not pick up connections" 'reset 0' "${came[ack=$L${vip}2$R:80]}"
done
on "$node" sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1

# far_away NS SOURCE SOURCE-PORT TARGET: two segments into a connection, at least one of which is in nobody's window.
far_away() {
	local half
	for half in data far; do
		helper "$1" raw.py -p "$3" "$2" "$half=$4" "udp=${4%:*}:9" >/dev/null
	done
}
release
ctl add-endpoint web4 10.2.0.2:8080
ctl add-endpoint web6 '[fd02::2]:8080'
hold "$pod" 10.96.0.2:80/tcp '[fd96::2]:80/tcp'
for i in 4 6; do
	use_family $i
	port=$(on "$pod" ss -Hnt state established "dst $L${vip}2$R" | awk '{ sub(/.*:/, "", $3); print $3 }')
	before=$(reason invalid)
	far_away "$srv" "${ep}2" 8080 "$L$pod_addr$R:$port"
	check "$f: a segment of the endpoint outside of the window is counted" [ "$(reason invalid)" -gt "$before" ]
	check "$f: it does not make the client reset the connection" all_alive
	before=$(reason invalid)
	far_away "$pod" "$pod_addr" "$port" "$L${vip}2$R:80"
	check "$f: the same with one of the client" [ "$(reason invalid)" -gt "$before" ]
	check "$f: which does not go astray either" all_alive
done
release

# Without service CIDRs, their other addresses are nobody's business.
ctl set service-cidr ''
use_family 4
who=pod
before=$(seen)
probe "$pod" "$pod_addr" 'syn=10.96.0.200:80'
check_eq 'without a service CIDR, packets to it go on' 1 $(($(seen) - before))

finish
