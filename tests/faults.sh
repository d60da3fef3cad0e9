#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# Every allocation of every request fails once, in one namespace without any link.
#
# For each kind of request: /proc/thread-self/fail-nth makes the first allocation after it fail, then the second, until
# the request needs no more. Each time the request is refused and nothing has changed, or it is accepted and everything
# has; then the same request without a fault does its work. Memory that gets lost on the way is found by kmemleak when
# the run ends. Needs a kernel with CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC; stock kernels skip.
#
# Results come from helpers/faults.py.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=helpers/relay.sh
. "$(dirname "$0")/helpers/relay.sh"

require_root
require ip /usr/bin/python3
knobs=/sys/kernel/debug
[ -e /proc/self/fail-nth ] || skip_all 'the kernel injects no faults (CONFIG_FAULT_INJECTION)'
[ -e $knobs/failslab/ignore-gfp-wait ] || skip_all 'no debugfs, or no faults in slabs (CONFIG_FAILSLAB)'

# knob FILE VALUE: set for the time of this test.
knob() {
	[ -e "$knobs/$1" ] || return 0
	defer sh -c "echo $(cat "$knobs/$1") >$knobs/$1"
	echo "$2" >"$knobs/$1"
}

for kind in failslab fail_page_alloc; do
	knob $kind/ignore-gfp-wait N
done
# fail-nth counts copies from the program (fail_usercopy), too. A dump of the stack for each failure would fill the log.
for verbose in "$knobs"/fail*/verbose; do
	knob "${verbose#"$knobs"/}" 0
done
knob fail_page_alloc/ignore-gfp-highmem N
knob fail_page_alloc/min-order 0

load_ksvc || exit
setup_ns node
# shellcheck disable=SC2154 # from setup_ns
helper_in "$node" faults

finish
