#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# External traffic with real connections: hairpins by each kind of address,
# clients that share a source port, node ports that masquerading leaves alone,
# fragments, a full conntrack table, packets to loopback addresses (F13), and
# invalid packets that are forwarded (F14).
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#   endpoint on this node, port 8080
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack nft
ip -n "$node" addr add 10.77.0.1/32 dev lo
ip -n "$node" addr add fd77::1/128 dev lo nodad
ip -n "$srv" route replace 10.1.0.0/24 via 10.2.0.1
serve "$pod" 10.1.0.2:8080/tcp '[fd01::2]:8080/tcp'
serve "$srv" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp' 10.2.0.2:8080/udp '[fd02::2]:8080/udp'
on "$srv" nft -f - <<-END
	table inet seen {
		counter fins { }
		chain prerouting {
			type filter hook prerouting priority -300
			tcp flags & (fin | syn | rst) == fin tcp dport 7 counter name fins
		}
	}
END
seen() { on "$srv" nft list counter inet seen fins | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
on "$node" nft -f - <<-END
	table inet groups {
		counter IPv4 { }
		counter IPv6 { }
		chain input {
			type filter hook input priority 0
			ip daddr 224.0.0.1 tcp dport 7 counter name IPv4
			ip6 daddr ff02::1 tcp dport 7 counter name IPv6
		}
	}
END
groups() { on "$node" nft list counter inet groups "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
# probe_loopback KIND: a segment to the server at the node's 127.0.0.1; came is what comes back.
probe_loopback() {
	came=$(helper "$pod" raw.py -p $((port++)) 10.1.0.2 "$1=127.0.0.1:9000" udp=10.1.0.1:9 | awk 'NR == 1 { print $2 }')
}
port=41000
third() { awk '{ sub(/:[0-9]+$/, "", $3); print $3 }' | sort -u | paste -sd ' '; }

ctl set cluster-cidr 10.1.0.0/16 fd01::/64
for i in 4 6; do
	use_family $i
	external=$L${vip}98$R:80/tcp lb=$L${vip}99$R:80/tcp

	# --- hairpin: the pod is its own endpoint (Q6)
	ctl add-service "own$i" --vip "$L${vip}1$R:80/tcp" --external-ip "$external" --lb-ip "$lb" \
		--node-port 30080/tcp --external-policy local --endpoint "$L$pod_addr$R:8080"
	for target in "$L${vip}1$R:80/tcp" "$external" "$lb" "$L$pod_gw$R:30080/tcp"; do
		check_eq "$f: a pod reaches itself by $target, masqueraded" "$L$pod_gw$R" \
			"$(client "$pod" "$target" | third)"
	done
	check_eq "$f: policy Local leaves an outer client its address" "$L${ep}2$R" \
		"$(client "$srv" -s "${ep}2" "$L$node_addr$R:30080/tcp" | third)"
	ctl del-service "own$i"

	# --- node ports by each address of the node, from pod and node; two clients with one source port
	ctl add-service "far$i" --vip "$L${vip}2$R:80/tcp" --node-port 30081/tcp --endpoint "$L${ep}2$R:8080"
	[ $i = 4 ] && second=10.77.0.1 || second=fd77::1
	for address in "$pod_gw" "$node_addr" "$second"; do
		check_eq "$f: a node port at $address, from pod and node" "$L${ep}2$R:8080 $L${ep}2$R:8080" \
			"$({ client "$pod" "$L$address$R:30081/tcp"; client "$node" "$L$address$R:30081/tcp"; } |
				cut -d ' ' -f 2 | paste -sd ' ')"
	done
	if [ $i = 4 ]; then
		check_eq 'IPv4: but not at a loopback address' '127.0.0.1:30081/tcp ECONNREFUSED' \
			"$(client "$node" 127.0.0.1:30081/tcp)"
		ctl set localhost-nodeports on
		on "$node" sysctl -qw net.ipv4.conf.all.route_localnet=1
		check_eq 'IPv4: with localhost-nodeports, at that too (M7)' '10.2.0.2:8080 10.2.0.1' \
			"$(client "$node" 127.0.0.1:30081/tcp | awk '{ sub(/:.*/, "", $3); print $2, $3 }')"
		ctl set nodeport-addresses 127.0.0.0/8
		ip -n "$node" addr add 127.0.0.3/8 dev lo
		check_eq 'IPv4: by a list, at those that lo has, and at no other' '10.2.0.2:8080 ECONNREFUSED 10.2.0.2:8080' \
			"$(client "$node" 127.0.0.1:30081/tcp 127.0.0.2:30081/tcp 127.0.0.3:30081/tcp | sort | cut -d ' ' -f 2 | paste -sd ' ')"
		ctl set nodeport-addresses none
		# Its price, route_localnet, opens the node's loopback addresses to others; ksvc closes them again.
		serve "$node" 127.0.0.1:9000/tcp
		ip -n "$pod" addr del 127.0.0.1/8 dev lo
		ip -n "$pod" route add 127.0.0.1/32 via 10.1.0.1
		on "$pod" sysctl -qw net.ipv4.conf.all.route_localnet=1
		check_eq 'IPv4: packets from elsewhere to a loopback address are dropped (F13)' \
			'127.0.0.1:9000/tcp timeout' "$(client "$pod" -s 10.1.0.2 -t 2 127.0.0.1:9000/tcp)"
		check 'IPv4: and counted' [ "$(reason localhost)" -gt 0 ]
		# Neither invalid nor untracked packets: the node's stack would answer with a RST, and the server to a SYN.
		before=$(reason localhost)
		probe_loopback finack
		check_eq 'IPv4: nor do they get there without a connection' silence "$came"
		on "$node" nft add table ip raw '{ chain pre { type filter hook prerouting priority raw; ip daddr 127.0.0.1 notrack; }; }'
		probe_loopback syn
		check_eq 'IPv4: nor where they are not tracked' silence "$came"
		on "$node" nft delete table ip raw
		check_eq 'IPv4: all of which is counted' 2 $(($(reason localhost) - before))
		ctl set localhost-nodeports off
		check_eq 'IPv4: without localhost-nodeports they are left alone' 127.0.0.1:9000 \
			"$(client "$pod" -s 10.1.0.2 127.0.0.1:9000/tcp | cut -d ' ' -f 2)"
		probe_loopback finack
		check_eq 'IPv4: and answered' reset "$came"
	fi
	[ $i = 4 ] && other=10.1.0.20 || other=fd01::20
	address "$pod" e0 "$other/24"
	clients=$(client "$pod" -s "$pod_addr" -p 33333 "$L$pod_gw$R:30081/tcp" &
		client "$pod" -s "$other" -p 33333 "$L$pod_gw$R:30081/tcp"; wait)
	check_eq "$f: two clients with one source port reach one endpoint" 2 "$(grep -c "${ep}2" <<<"$clients")"
	check_eq "$f: which tells them apart" 2 "$(awk '{ print $3 }' <<<"$clients" | sort -u | wc -l)"
	ctl del-service "far$i"

	# --- fragments
	ctl add-service "dns$i" --vip "$L${vip}3$R:53/udp" --endpoint "$L${ep}2$R:8080"
	check_match "$f: a datagram in fragments arrives whole" intact \
		"$(client "$pod" -b 4000 "$L${vip}3$R:53/udp")"
	check_match "$f: also one of the node" intact "$(client "$node" -b 4000 "$L${vip}3$R:53/udp")"
	ctl del-service "dns$i"

	# --- F14
	before=$(seen)
	fin=$L${ep}2$R:7
	helper "$pod" raw.py "$pod_addr" "finack=$fin" "udp=$L${ep}2$R:9" >/dev/null
	check_eq "$f: invalid packets are forwarded" $((before + 1)) "$(seen)"
	ctl set drop-invalid on
	helper "$pod" raw.py -p 42000 "$pod_addr" "finack=$fin" "udp=$L${ep}2$R:9" >/dev/null
	check_eq "$f: with drop-invalid they are not (F14)" $((before + 1)) "$(seen)"
	[ $i = 4 ] && group=224.0.0.1 || group=ff02::1
	helper "$pod" raw.py -p 44000 "$pod_addr" "finack=$L$group$R:7" "udp=$L${ep}2$R:9" >/dev/null
	check_eq "$f: what is for a group is not forwarded, and left alone" 1 "$(groups "$f")"
	on "$node" sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1
	helper "$pod" raw.py -p 43000 "$pod_addr" "finack=$fin" "udp=$L${ep}2$R:9" >/dev/null
	check_eq "$f: but they are where conntrack is liberal" $((before + 2)) "$(seen)"
	on "$node" sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
	ctl set drop-invalid off
done
check_eq 'what was dropped is counted' 2 "$(reason invalid)"

# --- all ports from $first on are node ports: 1,024 frontends a service, tcp
first=49152
ports=$(python3 -I -S -c '
import json, sys
print(json.dumps({"ksvc": 1, "services": [
    {"name": "ports%d" % first, "endpoints": [],
     "frontends": [{"address": "0.0.0.0:%d/tcp" % port, "class": "node-port"} for port in range(first, first + 1024)]}
    for first in range(int(sys.argv[1]), 65536, 1024)]}))' $first)
check "$((65536 - first)) node ports" ctl restore -f - <<<"$ports"
ctl set masquerade-all on
ctl add-service web --vip 10.96.0.4:80/tcp --endpoint 10.2.0.2:8080
client "$pod" -n 200 10.96.0.4:80/tcp >"$tmp/masqueraded"
check_eq 'of 200 masqueraded connections all are there' 200 "$(grep -c '10\.2\.0\.2' "$tmp/masqueraded")"
check_eq 'and none has a node port for its source' 0 \
	"$(awk -v first=$first '{ sub(/.*:/, "", $3); n += $3 + 0 >= first } END { print n + 0 }' "$tmp/masqueraded")"
ctl set masquerade-all off
ctl flush

# --- a full table: what has no entry is dropped, what has one goes on, and it recovers
ctl add-service web --vip 10.96.0.4:80/tcp --endpoint 10.2.0.2:8080
# What has no answer would make room.
on "$node" conntrack -F 2>/dev/null
on "$node" conntrack -F -f ipv6 2>/dev/null
hold "$pod" 10.96.0.4:80/tcp
max=$(sysctl -n net.netfilter.nf_conntrack_max)
sysctl -qw net.netfilter.nf_conntrack_max=1
check_match 'with a full conntrack table, new connections fail' 'timeout' "$(client "$pod" -t 3 10.96.0.4:80/tcp)"
check 'and others go on' all_alive
sysctl -qw "net.netfilter.nf_conntrack_max=$max"
check_match 'with room again, new ones work' '10\.2\.0\.2' "$(client "$pod" 10.96.0.4:80/tcp)"
release

finish
