#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# cpus: 2
#
# Instances come and go with namespaces and with the module, while packets pass.
#
#   pod ---- node (ksvc) ---- srv        the path of helpers/topology.sh, flooded from pod
#   alone1, alone2 (ksvc)                flood themselves, through a default route into a dummy
#   pod ---- passing (ksvc)              made, flooded and deleted again and again
#
#   1. A namespace has no hooks until its first service, and no conntrack entries; a service that is refused is none.
#   2. Namespaces with services are deleted under traffic, and with a transaction open.
#   3. The module is unloaded and loaded 20 times under the traffic of three namespaces; afterwards all translate.
#   4. Sockets that stay open meanwhile: dumps, transactions, listeners.
#   5. Memory is charged to the cgroup of the writer, refused when that is full, and given back.

# shellcheck disable=SC2317 # functions that busywait runs
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

require_root
[ ! -d /sys/module/ksvc ] || skip_all 'ksvc is in use here, and this test unloads it'
make_topology /usr/bin/python3 nft nsenter
setup_ns alone1 alone2

# shellcheck disable=SC2154 # from setup_ns
nodes=("$node" "$alone1" "$alone2")
info() { ip netns exec "$1" "${python[@]}" "$helpers/lifecycle.py" info "$2"; }
load() { if [ -n "${KSVC_KO-}" ]; then insmod "$KSVC_KO"; else modprobe ksvc; fi; }
# Traffic may hold the module for a moment.
unload() { busywait 10 rmmod ksvc; }
# What runs in front of conntrack or NAT.
hooks() { ip netns exec "$1" nft list hooks 2>/dev/null | grep -cE 'nf_conntrack|nf_nat|ksvc'; }
entries() { ip netns exec "$1" cat /proc/sys/net/netfilter/nf_conntrack_count; }

for ns in "$alone1" "$alone2"; do
	ip -n "$ns" link add out type dummy
	address "$ns" out '10.2.0.1/24 fd02::1/64'
	ip -n "$ns" neigh replace 10.2.0.2 lladdr 02:00:00:00:00:02 dev out
	ip -n "$ns" neigh replace fd02::2 lladdr 02:00:00:00:00:02 dev out
	gateway "$ns" 10.2.0.2 fd02::2
done

configure() {
	local ns=$1
	ksvcctl --netns "$ns" add-service web --vip 10.96.0.1:80/tcp --vip 10.96.0.1:80/udp --vip '[fd96::1]:80/tcp' \
		--vip '[fd96::1]:80/udp' --endpoint 10.2.0.2:8080 --endpoint '[fd02::2]:8080'
}

# --- 1

ip netns exec "$alone1" ping -qc 1 -W 1 127.0.0.1 >/dev/null
check_eq 'a namespace without services is not active' 0 "$(info "$alone1" active)"
check_eq 'and tracks no connections' 0 "$(entries "$alone1")"
expect_fail 'a service that is refused' 1 . ksvcctl --netns "$alone1" add-service web --vip 10.96.0.1:80/tcp \
	--endpoint '[fd02::2]:80'
check_eq 'leaves it so' 0 "$(info "$alone1" active)"
check 'so do settings' ksvcctl --netns "$alone1" set masquerade-all on
check_eq 'which change nothing for packets' 0 "$(info "$alone1" active)"
if ip netns exec "$node" nft list hooks >/dev/null 2>&1; then
	check_eq 'it has no hooks' 0 "$(hooks "$alone1")"
fi
for ns in "${nodes[@]}"; do
	configure "$ns"
done
check_eq 'with the first service it is active' 1 "$(info "$alone1" active)"
check_eq 'as are the others with one' 3 "$(info "$node" namespaces)"
# shellcheck disable=SC2154 # from make_topology
check_eq 'and nobody else' 0 "$(info "$pod" active)"
check_eq 'whose packets are not tracked' 0 "$(entries "$pod")"
ksvcctl --netns "$alone1" flush
check_eq 'it stays so without services, for connections that there may be' 1 "$(info "$alone1" active)"
configure "$alone1"

# --- 2

# The kernel patches its code when the first hook of a machine comes and the last one goes. QEMU without hardware
# virtualisation can lose a processor in that (it takes the breakpoint after it was removed), so there are others.
setup_ns bystander
# shellcheck disable=SC2154 # from setup_ns
for hook in prerouting input forward output postrouting; do
	echo "add chain inet keep $hook { type filter hook $hook priority 0; }"
done | ip netns exec "$bystander" nft -f <(echo 'add table inet keep'; cat)

pids=()
vips=(10.96.0.1 fd96::1)
# shellcheck disable=SC2154 # from make_topology
traffic "$srv" serve 8080 10.2.0.2 fd02::2
traffic "$pod" flood 80 "${vips[@]}" 10.97.0.1 fd97::1
pids+=("$traffic_pid")
for ns in "$alone1" "$alone2"; do
	traffic "$ns" flood 80 "${vips[@]}"
	pids+=("$traffic_pid")
done
end_flood() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}"
	pids=()
}

# shellcheck disable=SC2317 # by busywait
has_connections() { [ "$(ip netns exec "$1" cat /proc/sys/net/netfilter/nf_conntrack_count)" -gt 0 ]; }
deleted=0
for round in $(seq $((KSVC_SLOW > 1 ? 4 : 8))); do
	setup_ns passing
	# shellcheck disable=SC2154 # from setup_ns
	link "$pod" "e$round" '10.3.0.2/24 fd03::2/64' "$passing" p '10.3.0.1/24 fd03::1/64'
	ip -n "$passing" link add out type dummy
	address "$passing" out '10.2.0.1/24 fd02::1/64'
	routing "$passing"
	ip -n "$pod" route replace 10.97.0.0/16 via 10.3.0.1
	ip -n "$pod" route replace fd97::/16 via fd03::1
	ksvcctl --netns "$passing" add-service web --vip 10.97.0.1:80/tcp --vip 10.97.0.1:80/udp \
		--vip '[fd97::1]:80/tcp' --vip '[fd97::1]:80/udp' --endpoint 10.2.0.2:8080 --endpoint '[fd02::2]:8080'
	busywait 5 has_connections "$passing"
	ip netns del "$passing" && deleted=$((deleted + 1))
done
check_eq 'namespaces are deleted under traffic' "$round" "$deleted"
are_active() { [ "$(info "$node" namespaces)" = "$1" ]; }
check 'and none of them is left' busywait 30 are_active 3
ip -n "$pod" link show >"$tmp/links"
check_eq 'nor a link to them' 0 "$(grep -c ' e[1-9][0-9]*@' "$tmp/links")"

# --- 3

rounds=$((KSVC_SLOW > 1 ? 5 : 20)) unloaded=0
for ((round = 0; round < rounds; round++)); do
	unload && unloaded=$((unloaded + 1))
	load
	configured=()
	for ns in "${nodes[@]}"; do
		configure "$ns" &
		configured+=($!)
	done
	wait "${configured[@]}"
done
check_eq 'the module is unloaded and loaded under traffic' "$rounds" "$unloaded"
for ns in "${nodes[@]}"; do
	before=$(ksvcctl --netns "$ns" stats | awk '$1 == "translated" { print $2 }')
	translates() { [ "$(ksvcctl --netns "$1" stats | awk '$1 == "translated" { print $2 }')" -gt "$2" ]; }
	check 'a namespace translates after that' busywait 10 translates "$ns" "${before:-0}"
done

# --- 4

end_flood
if [ -n "${KSVC_KO-}" ]; then again=(insmod "$KSVC_KO"); else again=(modprobe ksvc); fi
helper_in "$alone1" lifecycle across rmmod ksvc -- "${again[@]}"

# --- 5

group=/sys/fs/cgroup/ksvc-test-$$
if [ -e /sys/fs/cgroup/cgroup.controllers ] && mkdir "$group" && [ -e "$group/memory.max" ]; then
	defer rmdir "$group"
	# shellcheck disable=SC2016 # the inner shell's
	relay memory sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" \
		nsenter --net="/run/netns/$alone2" "${python[@]}" "$helpers/lifecycle.py" memory
else
	skip 'memory is charged to who loads services' 'no cgroup2 with the memory controller'
fi
for ns in "${nodes[@]}"; do
	ksvcctl --netns "$ns" flush
done

finish
