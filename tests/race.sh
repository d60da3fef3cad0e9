#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two first packets of one UDP flow, on two CPUs at once, both arrive: resolvers
# that ask for A and AAAA from one socket would else wait 5 s now and then. With
# every scheduler, also those that do not give the two the same endpoint.
#
#   node (ksvc, and the client) ------------- srv
#                             s0
#                  10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#                  fd02::1    fd02::2  ::3 ::4
#
# timeout: 300
# cpus: 2

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

[ "$(nproc)" -gt 1 ] || skip_all 'needs two CPUs'
make_topology conntrack
servers=()
for i in 4 6; do
	use_family $i
	for n in 2 3 4; do
		servers+=("$L$ep$n$R:8080/udp")
	done
done
serve "$srv" "${servers[@]}"

# clashes: how often conntrack met the same flow twice.
clashes() { on "$node" conntrack -S | grep -o 'clash_resolve=[0-9]*' | awk -F = '{ n += $2 } END { print n + 0 }'; }

flows=300
for scheduler in random rr maglev; do
	for i in 4 6; do
		use_family $i
		ctl add-service dns --vip "$L${vip}1$R:53/udp" --scheduler $scheduler \
			--endpoint "$L${ep}2$R:8080" --endpoint "$L${ep}3$R:8080" --endpoint "$L${ep}4$R:8080"
		check_eq "$f $scheduler: both packets of $flows flows are answered" $flows \
			"$(helper "$node" udp_race.py "${vip}1" 53 $flows)"
		ctl del-service dns
	done
done
note "conntrack resolved $(clashes) clashes"

finish
