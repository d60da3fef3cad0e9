#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Connections through VIPs arrive at endpoints and answers come back from the
# VIP, whoever asks; what is established stays, whatever becomes of the service.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3     endpoints, port 8080
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3    and 8081
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack
protocols='tcp udp'
if modprobe -q sctp 2>/dev/null; then
	protocols+=' sctp'
else
	skip 'SCTP' 'this kernel has no SCTP'
fi

servers=()
for i in 4 6; do
	use_family $i
	for proto in $protocols; do
		servers+=("$L${ep}2$R:8080/$proto" "$L${ep}3$R:8080/$proto")
	done
	servers+=("$L${ep}3$R:8081/tcp")
done
serve "$srv" "${servers[@]}"

# One service with frontends of both families, another one on the same VIP.
vips=() targets=() ends=() neighbours=()
for i in 4 6; do
	use_family $i
	for proto in $protocols; do
		vips+=(--vip "$L${vip}1$R:80/$proto")
		targets+=("$L${vip}1$R:80/$proto")
	done
	vips+=(--vip "$L${vip}2$R:8000/tcp")
	targets+=("$L${vip}2$R:8000/tcp")
	ends+=(--endpoint "$L${ep}2$R:8080")
	neighbours+=(--vip "$L${vip}1$R:443/tcp" --endpoint "$L${ep}3$R:8081")
done
check 'a service with many frontends of both families' ctl add-service default/web:http "${vips[@]}" "${ends[@]}"
check 'another one with the same VIPs' ctl add-service default/web:https "${neighbours[@]}"

# --- every frontend, from a pod and from the node

declare -A arrived
for who in pod node; do
	while read -r target end source; do
		arrived[$who $target]="$end from ${source%:*}"
	done < <(client "${!who}" "${targets[@]}" 10.96.0.1:443/tcp '[fd96::1]:443/tcp')
done

for i in 4 6; do
	use_family $i
	for who in pod node; do
		[ $who = pod ] && from=$pod_addr || from=$node_addr
		for proto in $protocols; do
			target=$L${vip}1$R:80/$proto
			check_eq "$f $proto from the $who" "$L${ep}2$R:8080 from $L$from$R" "${arrived[$who $target]-}"
		done
		target=$L${vip}2$R:8000/tcp
		check_eq "$f, another VIP and port, from the $who" "$L${ep}2$R:8080 from $L$from$R" \
			"${arrived[$who $target]-}"
		target=$L${vip}1$R:443/tcp
		check_eq "$f, another service at the VIP, from the $who" "$L${ep}3$R:8081 from $L$from$R" \
			"${arrived[$who $target]-}"
	done
done

n=${#targets[@]}
check_eq 'the service has counted each connection' $((2 * n)) "$(total default/web:http)"
check_eq 'so have its endpoints' "10.2.0.2:8080=$n [fd02::2]:8080=$n" "$(counted default/web:http)"
check_eq 'and those of the other one' '10.2.0.3:8081=2 [fd02::3]:8081=2' "$(counted default/web:https)"
check_eq 'and the namespace' $((2 * n + 4)) "$(reason translated)"

# --- data

for i in 4 6; do
	use_family $i
	web=$L${vip}1$R:80
	check_match "$f: 4 MB there and back from the pod" ' intact$' "$(client "$pod" -b 4000000 "$web/tcp")"
	check_match "$f: 4 MB there and back from the node" ' intact$' "$(client "$node" -b 4000000 "$web/tcp")"
	check_match "$f: a datagram of 1,400 bytes" ' intact$' "$(client "$pod" -b 1400 "$web/udp")"
	check_eq "$f: an unconnected UDP socket hears from the VIP it asked" \
		"$web/udp $L${ep}2$R:8080 $L$pod_addr$R:4100" "$(client "$pod" -u -p 4100 "$web/udp")"
	check_eq "$f: also on the node" \
		"$web/udp $L${ep}2$R:8080 $L$node_addr$R:4101" "$(client "$node" -u -p 4101 "$web/udp")"
	check_eq "$f: a UDP flow is one connection, whatever it sends" 1 \
		"$(client "$pod" -p 4100 "$web/udp" >/dev/null; entries -f "${f,,}" -p udp --orig-port-src 4100 | wc -l)"
done

# --- what is established stays, and does not expire however slow the machine

on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 net.netfilter.nf_conntrack_udp_timeout_stream=3600

hold "$pod" "${targets[@]}"
check_eq 'connections that are held' "$n" "$held"
check 'they work' all_alive
conns=$(ctl conns default/web:http | sed -E 's/:[0-9]+ / /; s/ +/ /g')
for i in 4 6; do
	use_family $i
	for proto in $protocols; do
		check "$f $proto: conns shows client, VIP, endpoint and source" \
			grep -F "$proto $L$pod_addr$R $L${vip}1$R:80 $L${ep}2$R:8080 $L$pod_addr$R:" <<<"$conns"
	done
done
check_eq 'conns knows which service they belong to' '' "$(ctl conns default/web:https | grep :80\ )"

# The new endpoint comes first: without one, entries of UDP would be kept for another reason.
check 'endpoints are replaced' ctl set-service default/web:http --endpoint 10.2.0.3:8080 --endpoint '[fd02::3]:8080'
check_eq 'new connections go to the new ones' '10.2.0.3:8080=2 [fd02::3]:8080=2' \
	"$(client "$pod" 10.96.0.1:80/tcp 10.96.0.1:80/udp '[fd96::1]:80/tcp' '[fd96::1]:80/udp' | endpoints)"
# Those of UDP may have gone (rule C3), and their first packet brought them back elsewhere.
check 'TCP and SCTP connections outlive their endpoints' [ "$(alive)" -ge $((n - 2)) ]
release

hold "$pod" "${targets[@]}"
check 'the service is deleted' ctl del-service default/web:http
check 'its connections live on' all_alive
check 'the namespace is flushed' ctl flush
check 'connections live on without any service' all_alive
check_match 'and a VIP is an address like any other' 'none \(no-service\)' \
	"$(ctl explain --from 10.1.0.2 --to 10.96.0.1:80/tcp)"
check 'the service comes back' ctl add-service default/web:http "${vips[@]}" --endpoint 10.2.0.3:8080
check 'connections live on at the endpoint they had' all_alive

finish
