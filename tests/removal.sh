#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What becomes of connections when endpoints, policies and services go: they go
# on (M8), or are reset if the service wants that; UDP flows find another
# endpoint (C1 to C5).
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack
servers=()
for i in 4 6; do
	use_family $i
	for n in 2 3 4; do
		servers+=("$L$ep$n$R:8080/tcp" "$L$ep$n$R:8080/udp")
	done
done
serve "$srv" "${servers[@]}"
# What goes shall go because of what changed, however slow the machine.
on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 net.netfilter.nf_conntrack_udp_timeout_stream=3600

# flow PORT: the endpoint that a datagram from this port gets.
flow() { client "$pod" -s "$pod_addr" -p "$1" "$L${vip}1$R:53/udp" | cut -d ' ' -f 2; }
# entry PORT: whether conntrack knows the flow.
# shellcheck disable=SC2317 # by check
entry() { entries -f "ipv$i" -p udp --orig-port-src "$1" --orig-port-dst 53 | grep -q .; }
# shellcheck disable=SC2317 # by busywait
no_entry() { ! entry "$1"; }
# seconds: what conntrack leaves the association.
seconds() { entries -p sctp | awk '/ESTABLISHED/ { print $3 }'; }
# shellcheck disable=SC2317 # by busywait
few_seconds() { [ "$(seconds)" -le 210 ]; }
# shellcheck disable=SC2317 # by busywait
none_alive() { [ "$(alive)" = 0 ]; }

for i in 4 6; do
	use_family $i
	e2=$L${ep}2$R:8080 e3=$L${ep}3$R:8080 e4=$L${ep}4$R:8080
	far=203.0.113.9
	[ $i = 4 ] || far=2001:db8::9

	# --- TCP: keep
	ctl add-service web --vip "$L${vip}1$R:80/tcp" --endpoint "$e2" --endpoint "$e3"
	hold "$pod" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp"
	ctl set-endpoint web "$e2@0" "$e3@0"
	check "$f: connections outlive a weight of 0" all_alive
	ctl set-service web --internal-policy local --external-policy local
	ctl set-endpoint web "$e2@1" "$e3@1" --sets cluster
	check "$f: and a policy that excludes their endpoints" all_alive
	check_eq "$f: while new ones are dropped (F2)" "$L${vip}1$R:80/tcp timeout" \
		"$(client "$pod" -t 2 "$L${vip}1$R:80/tcp")"
	ctl set-service web --internal-policy cluster --endpoint "$e4"
	check "$f: and the removal of their endpoints" all_alive
	check_eq "$f: while new ones go elsewhere" "$e4" "$(client "$pod" "$L${vip}1$R:80/tcp" | cut -d ' ' -f 2)"
	ctl del-service web
	check "$f: and that of their service" all_alive
	release

	# --- TCP: reset
	ctl add-service web --vip "$L${vip}1$R:80/tcp" --on-remove reset --endpoint "$e2"
	hold "$pod" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp"
	ctl add-endpoint web "$e3"
	check "$f: with reset, they outlive what does not concern them" all_alive
	before=$(reason no-connection)
	ctl del-endpoint web "$e2"
	check "$f: but not the removal of their endpoint" busywait 20 none_alive
	check "$f: after which the client's packets are answered with a RST" [ "$(reason no-connection)" -ge $((before + 2)) ]
	release
	hold "$pod" "$L${vip}1$R:80/tcp"
	ctl del-endpoint web "$e3"
	check "$f: nor that of the last endpoint" busywait 20 none_alive
	release
	ctl del-service web

	# --- UDP
	ctl add-service dns --vip "$L${vip}1$R:53/udp" --endpoint "$e2"
	check_eq "$f UDP: the only endpoint" "$e2" "$(flow 20001)"
	ctl set-endpoint dns "$e2@0"
	ctl add-endpoint dns "$e3"
	check_eq "$f UDP: another flow goes to the new one" "$e3" "$(flow 20002)"
	check "$f UDP: the entry to an endpoint that drains stays (C3)" entry 20001
	ctl del-endpoint dns "$e2"
	check "$f UDP: that to one that left goes (C3)" busywait 20 no_entry 20001
	check "$f UDP: the other stays" entry 20002
	check_eq "$f UDP: and the client is with the new one, from the same port" "$e3" "$(flow 20001)"
	ctl del-endpoint dns "$e3"
	ctl add-service canary --vip "$L${vip}2$R:53/udp" --endpoint "$e2"
	client "$pod" -s "$pod_addr" -p 20003 "$L${vip}2$R:53/udp" >/dev/null
	ctl add-service port --node-port 30080/tcp --endpoint "$e2"
	client "$pod" -t 1 "$L$far$R:30080/tcp" >/dev/null
	ctl set-service canary --endpoint "$e3"
	check "$f UDP: a pass has been over" busywait 20 no_entry 20003
	check_eq "$f: a TCP connection to elsewhere is none to a node port" 1 \
		"$(entries -f "ipv$i" -p tcp --orig-port-dst 30080 | wc -l)"
	ctl del-service port
	check "$f UDP: a service without endpoints keeps its entries (C5)" entry 20001
	ctl del-service dns
	ctl set-service canary --endpoint "$e2"
	client "$pod" -s "$pod_addr" -p 20003 "$L${vip}2$R:53/udp" >/dev/null
	ctl set-service canary --endpoint "$e3"
	check "$f UDP: another pass has" busywait 20 no_entry 20003
	check "$f UDP: entries of a service that is gone stay (C6)" entry 20001
	ctl del-service canary
done

# --- SCTP, with the timeout that kernels had for long
if modprobe sctp 2>/dev/null && on "$node" sysctl -qw net.netfilter.nf_conntrack_sctp_timeout_established=432000; then
	serve "$srv" 10.2.0.2:8080/sctp
	ctl add-service signal --vip 10.96.0.5:80/sctp --endpoint 10.2.0.2:8080
	hold "$pod" 10.96.0.5:80/sctp
	check_eq 'SCTP: an association' 1 "$held"
	check 'SCTP: alive for days' [ "$(seconds)" -gt 400000 ]
	ctl del-endpoint signal 10.2.0.2:8080
	ctl add-endpoint signal 10.2.0.3:8080
	check 'SCTP: without its endpoint, for minutes' busywait 20 few_seconds
	check 'SCTP: but it goes on' all_alive
	release
else
	skip 'SCTP' 'no sctp here'
fi

check_match 'what was removed is counted' '^[1-9]' "$(reason swept)"

finish
