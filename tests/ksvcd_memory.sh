#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksvcd's memory: at most 1 KB for each endpoint, all it has counted, with 50 for each of 1,000 Services, whose slices are
# as large as the controller's. With 5,000, which take too long where processors are emulated, it is less for each:
# `tests/bench/events --endpoints 50 1 5000`.
#
#   node (ksvc, ksvcd) ------------- srv (API server)
#             10.2.0.1   10.2.0.2:6443
#
# timeout: 400

# shellcheck disable=SC2119,SC2317 # optional arguments; functions for busywait
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source=tests/helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

services=1000 endpoints=50

# in_force SERVICES: with as many slices; the kernel is compared with them after each list.
in_force() { logged "\"In force\",\"services\":$1,\"slices\":$1,"; }
resident() { awk '$1 == "VmRSS:" { print $2 * 1024 }' "/proc/$daemon_pid/status"; }
# fits NAME: measured once it answers, which it does when there is nothing else to do.
fits() {
	local bytes
	check "$1: it is well" busywait 30 status_is http://127.0.0.1:10256/livez 200
	bytes=$(resident)
	note "$((bytes / (services * endpoints))) bytes for each endpoint"
	check "and needs at most 1 KB for each endpoint" [ "$bytes" -le $((services * endpoints * 1024)) ]
}

make_topology curl ksvcd
api_start --generate $services:$endpoints
daemon_start --master $api_url
check 'many endpoints are in force' busywait 120 in_force $services
fits 'listed by watching'

# Pages of a list are read as a whole, so that much more memory is needed meanwhile.
control set '{"watchlist": false}'
control down
put "$(service web "$(clusterip 10.96.0.1)")$(slice web-1 web 10.2.0.2)"
control compact
control up
check 'they are listed anew' busywait 120 in_force $((services + 1))
fits 'listed by pages'
check_eq 'in force are' $((services * endpoints + 1)) "$(metric ksvc_endpoints)"
fits 'after a page of metrics'
daemon_stop

finish
