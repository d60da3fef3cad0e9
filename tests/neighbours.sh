#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksvc is not alone: rules of nftables and iptables go on working, before it
# comes, while it is there and after it has no services any more; what is not
# for a service is left as it is, and what another proxy translates is not
# refused; a namespace without services pays nothing; and a full conntrack table
# is survived.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2     port 8080 plain
#   fd01::2    fd01::1       fd02::1    fd02::2           8084 masqueraded by iptables
#                                                         8085 masqueraded by nftables
#   the node's port 8088 leads to the pod's 8080, as a hostPort does
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack nft iptables ip6tables
serve "$srv" 10.2.0.2:8080/tcp 10.2.0.2:8084/tcp 10.2.0.2:8085/tcp 10.2.0.2:8080/udp \
	'[fd02::2]:8080/tcp' '[fd02::2]:8084/tcp' '[fd02::2]:8085/tcp' '[fd02::2]:8080/udp'
serve "$pod" 10.1.0.2:8080/tcp '[fd01::2]:8080/tcp'

# --- a namespace without services

tracked() { on "$node" sysctl -n net.netfilter.nf_conntrack_count; }

check_eq 'without services, packets pass' 2 \
	"$(client "$pod" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp' | grep -c ' 10.1.0.2:\| \[fd01::2\]:')"
check_eq 'and connections are not tracked' 0 "$(tracked)"
ctl set cluster-cidr 10.1.0.0/16
ctl get >/dev/null
ctl show >/dev/null
ctl explain --from 10.1.0.2 --to 10.96.0.1:80/tcp >/dev/null
expect_fail 'nor does a refused request change that' 1 '' ctl del-service none
client "$pod" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp' >/dev/null
check_eq 'reading and settings do not either' 0 "$(tracked)"
ctl set cluster-cidr ''
ctl add-service web --vip 10.96.0.9:80/tcp
client "$pod" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp' >/dev/null
check 'the first service starts it' [ "$(tracked)" -ge 2 ]
check_eq 'for both families' 1 "$(entries -f ipv6 -p tcp -d fd02::2 | wc -l)"
before=$(on "$srv" sysctl -n net.netfilter.nf_conntrack_count)
check_eq 'but in no other namespace' 0 "$before"
ctl flush

# --- rules of others

plain_rules() {
	on "$node" nft -f - <<-END
		table inet hostport {
			chain prerouting {
				type nat hook prerouting priority dstnat
				ip daddr 10.2.0.1 tcp dport 8088 dnat ip to 10.1.0.2:8080
				ip6 daddr fd02::1 tcp dport 8088 dnat ip6 to [fd01::2]:8080
				ip daddr 10.96.0.1 tcp dport 80 dnat ip to 10.1.0.2:8080
			}
			chain postrouting {
				type nat hook postrouting priority srcnat
				oifname "s0" tcp dport 8085 masquerade
			}
		}
	END
	on "$node" iptables -w -t nat -A POSTROUTING -o s0 -p tcp --dport 8084 -j MASQUERADE
	on "$node" ip6tables -w -t nat -A POSTROUTING -o s0 -p tcp --dport 8084 -j MASQUERADE
}

no_rules() {
	on "$node" nft delete table inet hostport
	on "$node" iptables -w -t nat -F
	on "$node" ip6tables -w -t nat -F
}

# Every connection: "TARGET ENDPOINT SOURCE" without the ports of the sources.
from_both() {
	{
		client "$pod" 10.2.0.2:8080/tcp 10.2.0.2:8084/tcp 10.2.0.2:8085/tcp 10.2.0.2:8080/udp \
			'[fd02::2]:8080/tcp' '[fd02::2]:8084/tcp' '[fd02::2]:8085/tcp' '[fd02::2]:8080/udp'
		client "$srv" 10.2.0.1:8088/tcp '[fd02::1]:8088/tcp'
	} | sed 's/:[0-9]*$//' | sort
}
wanted=$(sort <<-'END'
	10.2.0.2:8080/tcp 10.2.0.2:8080 10.1.0.2
	10.2.0.2:8080/udp 10.2.0.2:8080 10.1.0.2
	10.2.0.2:8084/tcp 10.2.0.2:8084 10.2.0.1
	10.2.0.2:8085/tcp 10.2.0.2:8085 10.2.0.1
	10.2.0.1:8088/tcp 10.1.0.2:8080 10.2.0.2
	[fd02::2]:8080/tcp [fd02::2]:8080 [fd01::2]
	[fd02::2]:8080/udp [fd02::2]:8080 [fd01::2]
	[fd02::2]:8084/tcp [fd02::2]:8084 [fd02::1]
	[fd02::2]:8085/tcp [fd02::2]:8085 [fd02::1]
	[fd02::1]:8088/tcp [fd01::2]:8080 [fd02::4]
END
)

web() {
	ctl add-service web --vip 10.96.0.1:80/tcp --vip '[fd96::1]:80/tcp' --endpoint 10.2.0.2:8080 --endpoint '[fd02::2]:8080'
	ctl add-service nft --vip 10.96.0.2:80/tcp --vip '[fd96::2]:80/tcp' --endpoint 10.2.0.2:8085 --endpoint '[fd02::2]:8085'
	ctl add-service ipt --vip 10.96.0.3:80/tcp --vip '[fd96::3]:80/tcp' --endpoint 10.2.0.2:8084 --endpoint '[fd02::2]:8084'
}
services=(10.96.0.1:80/tcp '[fd96::1]:80/tcp' 10.96.0.2:80/tcp '[fd96::2]:80/tcp' 10.96.0.3:80/tcp '[fd96::3]:80/tcp')
through_services() { client "$pod" "${services[@]}" | cut -d ' ' -f 2- | sed 's/:[0-9]*$//' | sort; }
served=$(sort <<-'END'
	10.2.0.2:8080 10.1.0.2
	10.2.0.2:8084 10.2.0.1
	10.2.0.2:8085 10.2.0.1
	[fd02::2]:8080 [fd01::2]
	[fd02::2]:8084 [fd02::1]
	[fd02::2]:8085 [fd02::1]
END
)

plain_rules
check_eq 'rules of others, no service any more' "$wanted" "$(from_both)"
before=$(reason no-service)
web
check_eq 'rules of others that were there first' "$wanted" "$(from_both)"
check_eq 'services come before the DNAT of others, and their SNAT still applies' "$served" "$(through_services)"
check_eq 'each packet that was not for a service is counted as such' 10 $(($(reason no-service) - before))
no_rules
plain_rules
check_eq 'rules of others that came later' "$wanted" "$(from_both)"
check_eq 'services along with these' "$served" "$(through_services)"
ctl flush
check_eq 'rules of others after the last service' "$wanted" "$(from_both)"
check_eq 'which now get what was the service'"'"'s' '10.1.0.2:8080' \
	"$(client "$srv" -s 10.2.0.3 10.96.0.1:80/tcp | cut -d ' ' -f 2)"
web
no_rules
check_eq 'services after the rules have gone' 10.1.0.2 \
	"$(client "$pod" 10.96.0.2:80/tcp | sources)"

# --- another proxy beside it, whose Services are not ksvc's (S2) but have addresses of the same range

proxy_rules() {
	on "$node" nft -f - <<-'END'
		table inet proxy {
			chain services {
				ip daddr { 10.96.7.1, 10.96.0.1 } tcp dport 81 dnat ip to 10.2.0.2:8080
				ip daddr { 10.96.7.1, 10.96.0.1 } udp dport 81 dnat ip to 10.2.0.2:8080
				ip6 daddr { fd96:0:0:1::7, fd96::1 } tcp dport 81 dnat ip6 to [fd02::2]:8080
				ip6 daddr { fd96:0:0:1::7, fd96::1 } udp dport 81 dnat ip6 to [fd02::2]:8080
				ip daddr 10.2.0.1 tcp dport 30089 dnat ip to 10.1.0.2:8080
				ip6 daddr fd02::1 tcp dport 30089 dnat ip6 to [fd01::2]:8080
			}
			chain prerouting { type nat hook prerouting priority -80; jump services; }
			chain output { type nat hook output priority -80; jump services; }
		}
	END
}

ctl set service-cidr 10.96.0.0/16 'fd96::/48'
ctl add-service empty --node-port 30089/tcp --node-port 30090/tcp
ctl add-service guarded --lb-ip 10.96.0.4:81/tcp --lb-ip '[fd96::4]:81/tcp' --source-range 192.0.2.0/24 2001:db8::/32 \
	--endpoint 10.2.0.2:8080 --endpoint '[fd02::2]:8080'
others=(10.96.7.1:81/tcp '[fd96:0:0:1::7]:81/tcp' 10.96.7.1:81/udp '[fd96:0:0:1::7]:81/udp')
results() { cut -d ' ' -f 2 | sort | paste -sd ' '; }
check_eq 'addresses that nobody serves are dropped (F8)' 'timeout timeout timeout timeout' \
	"$(client "$pod" -t 1 "${others[@]}" | results)"
check_eq 'ports that nobody serves are refused (F7)' 'ECONNREFUSED ECONNREFUSED' \
	"$(client "$pod" 10.96.0.1:81/tcp '[fd96::1]:81/tcp' | results)"
proxy_rules
everything='10.2.0.2:8080 10.2.0.2:8080 [fd02::2]:8080 [fd02::2]:8080'
before=$(reason unused-address)
check_eq 'those that another proxy serves are not, for a pod (F12)' "$everything" "$(client "$pod" "${others[@]}" | results)"
check_eq 'nor for the node' "$everything" "$(client "$node" "${others[@]}" | results)"
check_eq 'nor counted' "$before" "$(reason unused-address)"
check_eq 'nor at ports that a ClusterIP has no service at (F7)' '10.2.0.2:8080 [fd02::2]:8080' \
	"$(client "$pod" 10.96.0.1:81/tcp '[fd96::1]:81/tcp' | results)"
check_eq 'nor at a node port without endpoints (F1)' '10.1.0.2:8080 [fd01::2]:8080' \
	"$(client "$srv" 10.2.0.1:30089/tcp '[fd02::1]:30089/tcp' | results)"
check_eq 'which is refused where nobody else serves it' 'ECONNREFUSED ECONNREFUSED' \
	"$(client "$srv" 10.2.0.1:30090/tcp '[fd02::1]:30090/tcp' | results)"
check_eq 'what nobody serves is dropped as before' 'timeout timeout' \
	"$(client "$pod" -t 1 10.96.7.2:81/tcp '[fd96:0:0:1::8]:81/tcp' | results)"
on "$node" nft add rule inet proxy services ip daddr 10.96.0.4 tcp dport 81 dnat ip to 10.2.0.2:8080
on "$node" nft add rule inet proxy services ip6 daddr fd96::4 tcp dport 81 dnat ip6 to '[fd02::2]:8080'
check_eq 'source ranges are asked before everybody else (F3)' 'timeout timeout' \
	"$(client "$pod" -t 1 10.96.0.4:81/tcp '[fd96::4]:81/tcp' | results)"
on "$node" nft delete table inet proxy
ctl del-service empty
ctl del-service guarded
ctl set service-cidr ''

# --- SNAT that comes early

on "$node" nft -f - <<-'END'
	table inet early {
		chain postrouting {
			type nat hook postrouting priority srcnat - 50
			ip daddr 10.2.0.2 snat ip to 10.2.0.1
			ip6 daddr fd02::2 snat ip6 to fd02::1
		}
	}
END
ctl set masquerade-all on
hold "$pod" 10.96.0.1:80/tcp '[fd96::1]:80/tcp'
check_eq 'masqueraded connections, with rules that would do so before' 2 "$held"
check 'they go on' all_alive
release
ctl set masquerade-all off
on "$node" nft delete table inet early

# --- a full table

if [ -n "${KSVC_KERNEL-}" ]; then
	on "$node" conntrack -F 2>/dev/null
	on "$node" conntrack -F -f ipv6 2>/dev/null
	hold "$pod" "${services[@]}" "${services[@]}"
	check_eq 'connections that fill the table' 12 "$held"
	before=$(reason translated)
	max=$(sysctl -n net.netfilter.nf_conntrack_max)
	sysctl -qw net.netfilter.nf_conntrack_max=8
	check_eq 'a full table takes no new connection' '10.96.0.1:80/tcp timeout [fd96::1]:80/tcp timeout' \
		"$(client "$pod" -t 1 10.96.0.1:80/tcp '[fd96::1]:80/tcp' | sort | paste -sd ' ')"
	check_eq 'nor counts one' 0 $(($(reason translated) - before))
	check 'and leaves the others alone' all_alive
	sysctl -qw net.netfilter.nf_conntrack_max="$max"
	check_eq 'with room again, connections are made' 2 \
		"$(client "$pod" 10.96.0.1:80/tcp '[fd96::1]:80/tcp' | grep -c 8080)"
else
	skip 'a full table' 'it is that of all namespaces: only in a virtual machine'
fi

finish
