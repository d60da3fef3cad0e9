#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 180
# cpus: 2
#
# `ksvcctl upgrade` puts a module in place of the loaded one: established connections do not notice, and afterwards
# everything is as it was.
#
#   pod 10.1.0.2, .9 ---- node (ksvc) ---- 10.2.0.2, .3 srv
#       fd01::2, ::9                       fd02::2, ::3
#   other (ksvc)             another namespace with services
#   hidden (ksvc)            one that has neither name nor process
#
# Connections from pod pass PREROUTING, as pods (.2) and masqueraded (.9), those of node pass OUTPUT; all of both
# families, busy all the time, some through a service that is deleted before the upgrade.

# shellcheck disable=SC2317 # functions that check runs
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

require_root
[ ! -d /sys/module/ksvc ] || skip_all 'ksvc is in use here, and this test replaces it'
make_topology jq /usr/bin/python3 nft
setup_ns other
module=()
[ -z "${KSVC_KO-}" ] || module=(--module "$KSVC_KO")
upgrade() { ksvcctl upgrade "${module[@]}" "$@"; }

# shellcheck disable=SC2154 # from make_topology
address "$pod" e0 '10.1.0.9/24 fd01::9/64'
# shellcheck disable=SC2154 # from make_topology
traffic "$srv" serve 8080 10.2.0.2 10.2.0.3 fd02::2 fd02::3
busywait 20 listening "$srv" udp 8080
ctl set cluster-cidr 10.1.0.2/32,fd01::2/128
ctl set pod-interface 'veth*'
ctl add-service default/web:http --vip 10.96.0.1:80/tcp --vip '[fd96::1]:80/tcp' --endpoint 10.2.0.2:8080 \
	--endpoint 10.2.0.3:8080@3 --endpoint '[fd02::2]:8080' --endpoint '[fd02::3]:8080@0'
ctl add-service default/gone --vip 10.96.0.2:80/tcp --vip '[fd96::2]:80/tcp' --endpoint 10.2.0.2:8080 \
	--endpoint '[fd02::2]:8080'
ctl add-service default/idle --vip 10.96.0.3:53/udp
# shellcheck disable=SC2154 # from setup_ns
ksvcctl --netns "$other" add-service elsewhere --vip 10.96.0.1:80/tcp --endpoint 10.2.0.2:8080

# shellcheck disable=SC2154 # from make_topology
traffic "$pod" hold "$tmp/pod" 5 80 10.96.0.1 fd96::1 10.96.0.2 fd96::2 '10.1.0.9>10.96.0.1' 'fd01::9>fd96::1'
from_pod=$traffic_pid
# shellcheck disable=SC2154 # from make_topology
traffic "$node" hold "$tmp/node" 5 80 10.96.0.1 fd96::1 10.96.0.2 '10.1.0.1>10.96.0.1' 'fd01::1>fd96::1'
from_node=$traffic_pid
started_or_gone() { [ -e "$2.started" ] || ! kill -0 "$1"; }
both_started() {
	busywait 60 started_or_gone "$from_pod" "$tmp/pod"
	busywait 60 started_or_gone "$from_node" "$tmp/node"
	[ -e "$tmp/pod.started" ] && [ -e "$tmp/node.started" ] && return
	cat "$tmp/traffic.log"
	return 1
}
check 'connections are there' both_started
check 'some of them are masqueraded' ip netns exec "$node" conntrack -L -s 10.1.0.9 -q 10.2.0.1
ctl del-service default/gone

save() {
	ksvcctl --netns "$node" save
	ksvcctl --netns "$other" save
}
rounds() { tally "$tmp/$1.rounds" rounds; }
go_on() { [ "$(rounds "$1")" -gt $(($2 + 2)) ]; }
connects() { timeout $((60 * KSVC_SLOW)) ip netns exec "$1" "${python[@]}" "$helpers/traffic.py" once 80 "$2"; }

ksvcctl --netns "$other" monitor >"$tmp/events" 2>"$tmp/monitor" &
monitor=$!
listens() {
	ksvcctl --netns "$other" add-service m --vip 10.96.0.9:1/tcp && ksvcctl --netns "$other" del-service m &&
		[ -s "$tmp/events" ]
}
busywait 20 listens
save >"$tmp/before"
# Somebody reads while the first upgrade begins: as a page of ksvcd's metrics does, not all at once.
many=()
for i in {1..2000}; do
	many+=(--endpoint "10.3.$((i / 200)).$((i % 200 + 1)):80")
done
ksvcctl --netns "$other" set-service elsewhere "${many[@]}"
mkfifo "$tmp/reads"
ip netns exec "$other" "${python[@]}" - "$helpers" >"$tmp/reads" <<-'END' &
	import sys, time
	sys.path.insert(0, sys.argv[1])
	import genl
	s = genl.Socket(size=8192)
	s.sock.send(s.message(genl.K.CMD_SERVICE_GET, flags=genl.NLM_F_DUMP))
	s.receive()
	print(flush=True)
	time.sleep(600)
END
reader=$!
read -r <"$tmp/reads"
saved() { compgen -G '/run/ksvc/upgrade-*.json' >/dev/null; }
# Until the upgrade has come to the module, and a moment longer.
{
	busywait 30 saved
	sleep 1
	kill "$reader"
} &
save >"$tmp/before"
for n in 1 2 3; do
	if [ $n = 3 ]; then
		check_eq 'upgrade 3, in JSON' '{"namespaces":2}' "$(upgrade --json | jq -c .)"
	else
		check "upgrade $n" upgrade
	fi
	before_pod=$(rounds pod) before_node=$(rounds node)
	check 'connections from the pod go on' busywait 60 go_on pod "$before_pod"
	check 'connections of the node go on' busywait 60 go_on node "$before_node"
done
# It would hear nothing of the new one.
check 'who follows the changes is told that the module went' busywait 20 grep -q 'module was removed' "$tmp/monitor"
kill "$monitor" 2>/dev/null
wait "$monitor"
check_eq 'and sees no more of them' 1 $?
save >"$tmp/after"
check 'services and settings are what they were' diff "$tmp/before" "$tmp/after"
check_eq 'nothing else holds the hooks any more' '' "$(ip netns exec "$node" nft list tables)"
for vip in 10.96.0.1 fd96::1; do
	check "the pod opens connections to $vip" connects "$pod" "$vip"
	check "the node opens connections to $vip" connects "$node" "$vip"
done

# --- what cannot be upgraded stays as it is

loaded=$(stat -c %W:%i /sys/module/ksvc)
expect_fail 'a module that is not there' 1 nosuch.ko ksvcctl upgrade --module "$tmp/nosuch.ko"
echo 'not a module' >"$tmp/bad.ko"
expect_fail 'a file that is no module' 1 bad.ko ksvcctl upgrade --module "$tmp/bad.ko"
expect_fail 'two at once' 1 'another upgrade is going on' flock /run/ksvc ksvcctl upgrade "${module[@]}"
setup_ns hidden
# shellcheck disable=SC2154 # from setup_ns
ksvcctl --netns "$hidden" add-service web --vip 10.96.0.1:80/tcp --endpoint 10.2.0.2:80
touch "$tmp/hidden"
mount --bind "/run/netns/$hidden" "$tmp/hidden"
unhide() { ! mountpoint -q "$tmp/hidden" || umount "$tmp/hidden"; }
defer unhide
ip netns del "$hidden"
expect_fail 'a namespace with services that cannot be found' 1 'namespaces' upgrade
check_eq 'leaves the module loaded' "$loaded" "$(stat -c %W:%i /sys/module/ksvc)"
save >"$tmp/after"
check 'and configured' diff "$tmp/before" "$tmp/after"
check_eq 'and nothing behind' '' "$(ip netns exec "$node" nft list tables)"
check 'it is still configured itself' nsenter --net="$tmp/hidden" ksvcctl show web
unhide

# --- and at the end

check 'the pod ended well' end_traffic "$from_pod" "$tmp/pod"
check 'the node ended well' end_traffic "$from_node" "$tmp/node"
check_eq 'all connections of the pod lived' '30 0' "$(tally "$tmp/pod" held) $(tally "$tmp/pod" broken)"
check_eq 'all connections of the node lived' '25 0' "$(tally "$tmp/node" held) $(tally "$tmp/node" broken)"
[ "$ktap_failed" = 0 ] || note "$(tail -n 20 "$tmp/traffic.log")"
ksvcctl --netns "$other" flush
ctl flush

finish
