#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tracepoint ksvc:ksvc_verdict tells of every first packet what it got, and
# a refused packet is freed with a reason that drop monitors can show.
#
#   pod ------------- node (ksvc) ------------- srv         (helpers/topology.sh)

# timeout: 400

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology grep
tracing=/sys/kernel/tracing
[ -d $tracing/events/ksvc ] || skip_all 'needs tracefs'
[ -d $tracing/instances/ksvc-test ] || mkdir $tracing/instances/ksvc-test
defer rmdir $tracing/instances/ksvc-test
instance=$tracing/instances/ksvc-test
echo 1 > $instance/events/ksvc/ksvc_verdict/enable
echo 1 > $instance/events/skb/kfree_skb/enable

serve "$srv" 10.2.0.2:8080/tcp '[fd02::2]:8080/tcp'
ctl set service-cidr 10.96.0.0/16 fd96::/64
ctl add-service web --vip 10.96.0.1:80/tcp --vip '[fd96::1]:80/tcp' \
	--endpoint 10.2.0.2:8080 --endpoint '[fd02::2]:8080'
ctl add-service mail --vip 10.96.0.2:25/tcp --vip '[fd96::2]:25/tcp'

# shellcheck disable=SC2317 # by busywait
traced() { grep ksvc_verdict: "$instance/trace" | grep -F -- "$1"; }
# shellcheck disable=SC2317 # by check
is_traced() { busywait 5 traced "$1" | grep -F -- "$2"; }

for i in 4 6; do
	use_family $i
	# shellcheck disable=SC2154 # L, R, vip, ep, f: set by use_family
	{
		client "$pod" "$L${vip}1$R:80/tcp" > /dev/null
		check "$f: a translation, with service and endpoint" is_traced "to=$L${vip}1$R:80 " \
			"verdict=dnat reason=translated service=web endpoint=$L${ep}2$R:8080 masquerade=0"
		client "$pod" "$L${vip}2$R:25/tcp" > /dev/null 2>&1
		check "$f: no endpoint" is_traced "to=$L${vip}2$R:25 " 'verdict=reject reason=no-endpoint service=mail'
		client "$pod" "$L${vip}1$R:81/tcp" > /dev/null 2>&1
		check "$f: an unused port" is_traced "to=$L${vip}1$R:81 " 'verdict=reject reason=unused-port service= '
		client "$pod" -t 1 "$L${vip}9$R:80/tcp" > /dev/null 2>&1
		check "$f: an unused address" is_traced "to=$L${vip}9$R:80 " 'verdict=drop reason=unused-address service= '
		client "$pod" "$L${ep}2$R:8080/tcp" > /dev/null
		check "$f: no service's packet" is_traced "to=$L${ep}2$R:8080 " 'verdict=none reason=no-service service= '
	}
done
check 'dropped packets have the reason NETFILTER_DROP' grep -q 'kfree_skb:.*NETFILTER_DROP' $instance/trace

# Programs that read the binary trace do not have the names.
check_eq 'its format has numbers only' '' "$(grep -o 'KSVC_[A-Z_]*' $instance/events/ksvc/ksvc_verdict/format)"

finish
