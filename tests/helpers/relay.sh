# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests whose results come from a helper in Python, after lib.sh.

helpers=$KSVC_TOP/tests/helpers
export KSVC_TOP KSVC_SLOW
python=(/usr/bin/python3 -B -E -S)

# relay HELPER COMMAND...: runs the command, which prints lines "ok NAME", "not ok NAME", "skip NAME # WHY" and
# "# DIAGNOSTIC", and as its last one "done"; they become results of this test. HELPER names it should it end early.
relay() {
	local helper=$1 line finished=
	shift
	while IFS= read -r line; do
		case $line in
		'ok '*)		pass "${line#ok }" ;;
		'not ok '*)	fail "${line#not ok }" ;;
		'skip '*)	line=${line#skip }; skip "${line% # *}" "${line##* # }" ;;
		done)		finished=y ;;
		*)		echo "# ${line#\# }" ;;
		esac
	done < <("$@" 2>&1)
	[ -n "$finished" ] || fail "$helper runs to its end"
}

# helper_in NAMESPACE NAME ARGUMENT...: relays what helpers/NAME.py says there.
helper_in() {
	local ns=$1 name=$2
	shift 2
	relay "$name ${1-}" ip netns exec "$ns" "${python[@]}" "$helpers/$name.py" "$@"
}

# traffic NAMESPACE COMMAND...: helpers/traffic.py there, in the background; its process id is $traffic_pid.
traffic() {
	local ns=$1
	shift
	# shellcheck disable=SC2154 # from lib.sh
	ip netns exec "$ns" "${python[@]}" "$helpers/traffic.py" "$@" >>"$tmp/traffic.log" 2>&1 </dev/null &
	# shellcheck disable=SC2034 # for the tests
	traffic_pid=$!
}

# end_traffic PID FILE: ends a client and waits for what it writes.
end_traffic() {
	kill "$1" && busywait 20 test -s "$2"
}

# tally FILE NAME: a number that traffic.py wrote there, 0 if it did not.
tally() { awk -v name="$2" '$1 == name { n = $2 } END { print n + 0 }' "$1"; }
