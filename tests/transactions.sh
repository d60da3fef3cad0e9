#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 90
# cpus: 2
#
# Transactions: all or nothing, one writer at a time, gone with their owner, told to whoever listens.
#
#   pod 10.1.0.2 ---- node (ksvc) ---- 10.2.0.2, 10.2.0.3 srv
#       fd01::2                        fd02::2, fd02::3
#
# First on the node alone: commits, aborts, failures in the middle, two writers, dead ones, addresses that move between
# services, notifications, 5,000 services at once. Then with clients in pod that open connections without a pause:
# everything is replaced around a service that stays, and two services swap their addresses; no connection fails, and
# each is counted once.
#
# Results come from helpers/transactions.py.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

make_topology /usr/bin/python3
# shellcheck disable=SC2154 # from make_topology
helper_in "$node" transactions steps $((5000 / KSVC_SLOW))

# shellcheck disable=SC2154 # from make_topology
traffic "$srv" serve 8080 10.2.0.2 10.2.0.3 fd02::2 fd02::3
busywait 20 listening "$srv" udp 8080

helper_in "$node" transactions setup
# shellcheck disable=SC2154 # from make_topology
traffic "$pod" connect "$tmp/stays" 80 10.96.0.1 fd96::1
busywait 20 test -e "$tmp/stays.started"
helper_in "$node" transactions replacing $((20 / KSVC_SLOW))
check 'the clients ended well' end_traffic $traffic_pid "$tmp/stays"
check_eq 'no connection failed while everything around its service was replaced' 0 "$(tally "$tmp/stays" failed)"
# shellcheck disable=SC2016 # awk's
check 'both endpoints of each family answered' awk '{ n[$1] = $2 }
	END { exit !(n["10.2.0.2"] && n["10.2.0.3"] && n["fd02::2"] && n["fd02::3"]) }' "$tmp/stays"
helper_in "$node" transactions counted "$(tally "$tmp/stays" connections)"

helper_in "$node" transactions swapping 1
traffic "$pod" connect "$tmp/swaps" 80 10.96.0.1 fd96::1 10.96.0.2 fd96::2
busywait 20 test -e "$tmp/swaps.started"
helper_in "$node" transactions swapping $((60 / KSVC_SLOW))
check 'the clients ended well' end_traffic $traffic_pid "$tmp/swaps"
check_eq 'no connection failed while services swapped their addresses' 0 "$(tally "$tmp/swaps" failed)"
note "$(tally "$tmp/stays" connections) and $(tally "$tmp/swaps" connections) connections"
[ "$ktap_failed" = 0 ] || note "$(tail -n 20 "$tmp/traffic.log")"

finish
