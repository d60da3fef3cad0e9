#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Echo requests to VIPs, which the node answers when the setting ping is on and
# the VIP has an endpoint; and what else a VIP's address is not used for.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2     counts echo requests for VIPs
#   fd01::2    fd01::1       fd02::1    fd02::2

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology ping conntrack
for i in 4 6; do
	use_family $i
	ctl add-service "web$i" --vip "$L${vip}1$R:80/tcp" --endpoint "$L${ep}2$R:8080"
	ctl add-service "empty$i" --vip "$L${vip}2$R:80/tcp"
	ctl add-service "lb$i" --lb-ip "$L${vip}3$R:80/tcp" --endpoint "$L${ep}2$R:8080"
done

answers() { on "$1" ping -c 2 -i 0.2 -W $((2 * KSVC_SLOW)) "$2"; }
for i in 4 6; do
	use_family $i
	for who in pod node; do
		expect_fail "$f, $who: a VIP does not answer by itself" 1 'nreachable' answers "${!who}" "${vip}1"
	done
done

ctl set ping on
for i in 4 6; do
	use_family $i
	for who in pod node; do
		check_match "$f, $who: with the setting it does, in its own name" "from ${vip}1[: ]" \
			"$(answers "${!who}" "${vip}1")"
		check "$f, $who: so does a load balancer's address" answers "${!who}" "${vip}3"
		expect_fail "$f, $who: but not a VIP without endpoints" 1 'nreachable' answers "${!who}" "${vip}2"
	done
	ctl del-endpoint "web$i" "$L${ep}2$R:8080"
	expect_fail "$f: nor one that lost its last" 1 'nreachable' answers "$pod" "${vip}1"
	ctl add-endpoint "web$i" "$L${ep}2$R:8080"
	check "$f: and with the next one it answers again" answers "$pod" "${vip}1"
done
check_match 'answered requests are counted' '^[1-9]' "$(reason echo)"
ctl set ping off
expect_fail 'without the setting it does not' 1 'nreachable' answers "$pod" 10.96.0.1

finish
