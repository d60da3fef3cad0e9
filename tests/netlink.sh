#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 90
#
# The netlink interface against clients that send what no good client sends, in one namespace without any link:
#
#   refusals    every request cut at every byte, with each attribute's length wrong, with unknown and repeated
#               attributes, and with each value that cannot be; all are refused with an errno and a message or the
#               attribute to blame, and neither generation nor configuration change
#   dumps       of 65,535 endpoints, in small portions, into the smallest buffers, and disturbed by changes
#   permission  as another user and as root of a user namespace: reading works, changing does not
#   noise       20,000 random mutations of valid requests, from a seed that is printed (KSVC_SEED repeats it)
#
# Results come from helpers/netlink.py.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

require_root
require ip /usr/bin/python3 unshare
load_ksvc || exit
setup_ns node

# shellcheck disable=SC2154 # from setup_ns
helper_in "$node" netlink refusals
helper_in "$node" netlink dumps
helper_in "$node" netlink permission
as_root_of=(unshare --user --map-root-user)
relay 'the same namespace' ip netns exec "$node" "${as_root_of[@]}" \
	"${python[@]}" "$helpers/netlink.py" unprivileged 'root of a user namespace'
relay 'another namespace' "${as_root_of[@]}" --net \
	"${python[@]}" "$helpers/netlink.py" unprivileged 'root of a user namespace in a namespace of its own'
helper_in "$node" netlink noise $((20000 / KSVC_SLOW)) "${KSVC_SEED:-$RANDOM}"

finish
