#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# run: by name
#
# A kernel that was booted with ipv6.disable=1 has none of what functions about
# IPv6 addresses read. Services work there, and nobody can make ksvc ask for it.
#
#   node (ksvc): the VIP 10.96.0.1 and [fd96::1], the endpoint 10.9.0.1:8080 on its loopback interface

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

require_root
require jq setpriv
[ ! -e /proc/net/if_inet6 ] || skip_all 'this kernel has IPv6'
load_ksvc
setup_ns node
# shellcheck disable=SC2154 # from setup_ns
ip -n "$node" addr add 10.9.0.1/32 dev lo
ip -n "$node" route add 10.96.0.0/16 dev lo src 10.9.0.1
serve "$node" 10.9.0.1:8080/tcp

verdict() { on "$node" setpriv --reuid 65534 --regid 65534 --clear-groups ksvcctl explain --json "$@" | jq -r .verdict; }

check_eq 'an unprivileged question about IPv6, before there is a service' none "$(verdict --from fd00::1 --to '[fd96::1]:80/tcp')"
check 'a service of both families' ctl add-service web --vip 10.96.0.1:80/tcp --vip '[fd96::1]:80/tcp' --node-port 30080/tcp \
	--endpoint 10.9.0.1:8080 --endpoint '[fd09::1]:8080'
check_eq 'IPv4 works' 10.9.0.1:8080 "$(client "$node" 10.96.0.1:80/tcp | cut -d ' ' -f 2)"
check_eq 'a node port, too' 10.9.0.1:8080 "$(client "$node" 10.9.0.1:30080/tcp | cut -d ' ' -f 2)"
check_eq 'the same question with services' dnat "$(verdict --from fd00::1 --to '[fd96::1]:80/tcp')"
check_eq 'a node port has no IPv6 address' none "$(verdict --from fd00::1 --to '[fd09::2]:30080/tcp')"
check 'settings about IPv6' ctl set service-cidr 'fd96::/64' 10.96.0.0/16
check_eq 'and what they refuse' drop "$(verdict --from fd00::1 --to '[fd96::2]:80/tcp')"
check 'all goes' ctl flush

finish
