#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 90
#
# Size, in one namespace that sends its own packets into a dummy:
#
#   node (ksvc) 10.2.0.1 ---- dummy, default route
#
# 20,000 services of 10 endpoints, of both families, are loaded in one transaction, loaded again, changed one by one,
# looked up, dumped and deleted. Then a service has its 65,535 endpoints replaced by as many others, which is as many
# counters as there can be. Times are printed and not judged; tests/run notices when the kernel complains that
# something held a processor for too long.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

require_root
require ip /usr/bin/python3
load_ksvc || exit
setup_ns node
# shellcheck disable=SC2154 # from setup_ns
ip -n "$node" link add out type dummy
address "$node" out '10.2.0.1/24 fd02::1/64'
ip -n "$node" neigh replace 10.2.0.2 lladdr 02:00:00:00:00:02 dev out
gateway "$node" 10.2.0.2

helper_in "$node" scale services $((20000 / KSVC_SLOW))
helper_in "$node" scale counters 200

finish
