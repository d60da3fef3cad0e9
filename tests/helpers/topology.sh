# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # pod, node and srv are set by setup_ns
# Sourced after lib.sh: a node between a pod and machines that serve, and short words for what tests do with them.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#
# The default routes of pod and srv lead to the node, those of the node to srv, so that whatever is not translated
# arrives there. VIPs are of 10.96.0.0/16 and fd96::/64.

on() { local ns=$1; shift; ip netns exec "$ns" "$@"; }
ctl() { ksvcctl --netns "$node" "$@"; }

# link NS IFACE ADDRESSES NS IFACE ADDRESSES [VETH OPTION]...: a cable, addresses at its ends.
link() {
	local ns1=$1 if1=$2 addrs1=$3 ns2=$4 if2=$5 addrs2=$6
	shift 6
	ip link add "$if1" netns "$ns1" "$@" type veth peer name "$if2" netns "$ns2" "$@"
	address "$ns1" "$if1" "$addrs1"
	address "$ns2" "$if2" "$addrs2"
}

# address NS IFACE ADDRESSES: and up.
address() {
	local addr
	{
		for addr in $3; do
			case $addr in
			*:*)	echo "addr add $addr dev $2 nodad" ;;
			*)	echo "addr add $addr dev $2" ;;
			esac
		done
		echo "link set $2 up"
	} | ip -n "$1" -batch -
}

# gateway NS ADDRESS...: default routes.
gateway() {
	local ns=$1 addr
	shift
	for addr; do
		ip -n "$ns" route replace default via "$addr"
	done
}

# The node's answers are not to be rationed: tests ask fast.
routing() {
	on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 \
		net.ipv6.icmp.ratelimit=0
}

make_topology() {
	require_root
	require ip ksvcctl python3 ss sysctl "$@"
	load_ksvc
	setup_ns pod node srv
	link "$node" p0 '10.1.0.1/24 fd01::1/64' "$pod" e0 '10.1.0.2/24 fd01::2/64'
	link "$node" s0 '10.2.0.1/24 fd02::1/64' "$srv" e0 \
		'10.2.0.2/24 10.2.0.3/24 10.2.0.4/24 fd02::2/64 fd02::3/64 fd02::4/64'
	gateway "$pod" 10.1.0.1 fd01::1
	gateway "$srv" 10.2.0.1 fd02::1
	gateway "$node" 10.2.0.2 fd02::2
	routing "$node"
}

# use_family 4|6: sets what the two families differ in. vip, ep: what host numbers are put behind; pod_addr, node_addr
# (towards srv); L and R: around an address before a port.
# shellcheck disable=SC2034 # for the tests
use_family() {
	case $1 in
	4)	vip=10.96.0. ep=10.2.0. pod_addr=10.1.0.2 pod_gw=10.1.0.1 node_addr=10.2.0.1 L='' R='' f=IPv4 ;;
	6)	vip=fd96:: ep=fd02:: pod_addr=fd01::2 pod_gw=fd01::1 node_addr=fd02::1 L='[' R=']' f=IPv6 ;;
	esac
}

# serve NS ADDR:PORT/PROTO...: starts a server, see helpers/serve.py, and waits for it.
serve() {
	local ns=$1 log
	shift
	log=$(mktemp "$tmp/serve.XXXXXX")
	ip netns exec "$ns" python3 -I -S "$KSVC_TOP/tests/helpers/serve.py" "$@" >"$log" 2>&1 &
	busywait 60 grep -q ready "$log" && return
	echo "# cannot serve: $(cat "$log")"
	exit 1
}

# A guest finds it in PATH (tests/vm/job.sh).
if ! client_program=$(command -v ksvc-test-client); then
	require make cc
	make -s -C "$KSVC_TOP/tests/helpers" OUT="$tmp"
	client_program=$tmp/ksvc-test-client
fi

# client NS ARGUMENT...: see helpers/client.c.
client() {
	local ns=$1
	shift
	ip netns exec "$ns" "$client_program" -t $((10 * KSVC_SLOW)) "$@"
}

# helper NS NAME ARGUMENT...: another of the helpers.
helper() {
	local ns=$1 name=$2
	shift 2
	ip netns exec "$ns" python3 -I -S "$KSVC_TOP/tests/helpers/$name" "$@"
}

# endpoints: what client printed, reduced to how often each endpoint answered: "10.2.0.2:8080=3 10.2.0.3:8080=1".
endpoints() {
	awk '
	{
		if (!($2 in n))
			names[++count] = $2
		n[$2]++
	}
	END {
		for (i = 2; i <= count; i++)
			for (j = i; j > 1 && names[j - 1] "=" > names[j] "="; j--) {
				name = names[j]
				names[j] = names[j - 1]
				names[j - 1] = name
			}
		for (i = 1; i <= count; i++)
			printf "%s%s=%d", (i > 1 ? " " : ""), names[i], n[names[i]]
		print ""
	}'
}

# sources: reduced to the clients' addresses as the server saw them, without ports.
sources() {
	awk '{ sub(/:[0-9]+$/, "", $3); print $3 }' | sort -u | paste -sd ' '
}

# counted NAME: new connections of each endpoint by ksvc's own count, in the form of endpoints(); total NAME: of all.
counted() {
	ctl show "$1" --tab | awk -F '\t' '$1 == "endpoint" && $6 > 0 { print $3 "=" $6 }' | sort | paste -sd ' '
}
total() { ctl show "$1" --tab | awk -F '\t' '$1 == "service" { print $5 }'; }

# reason NAME: the namespace's counter.
reason() { ctl stats | awk -v reason="$1" '$1 == reason { print $2 }'; }

# entries [CONNTRACK OPTION]...: conntrack entries of the node.
entries() { ip netns exec "$node" conntrack -L "$@" 2>/dev/null; }

# hold NS TARGET...: opens connections and keeps them; held says how many. alive: how many still answer. release: ends
# them. One set at a time.
hold() {
	local ns=$1 line
	shift
	coproc holder { client "$ns" -h "$@" 2>&1; }
	held=
	# shellcheck disable=SC2154 # set by coproc
	while read -r -t $((60 * KSVC_SLOW)) -u "${holder[0]}" line; do
		[[ $line != held* ]] || { held=${line#held }; break; }
	done
}

alive() {
	local line=''
	echo again >&"${holder[1]}"
	read -r -t $((60 * KSVC_SLOW)) -u "${holder[0]}" line
	echo "${line#alive }"
}

all_alive() {
	local n
	n=$(alive)
	[ "$n" = "$held" ] || { echo "$n of $held connections"; return 1; }
}

release() {
	local fd=${holder[1]} pid=$holder_PID
	exec {fd}>&-
	wait "$pid"
}
