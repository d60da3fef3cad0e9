# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests/*.sh. A test is a bash script that prints KTAP: results by pass, fail, skip, check, check_eq and
# expect_fail, each with a name; `finish` as its last line prints the plan and exits. A test that ends before `finish`
# has no plan, which tests/run counts as a failure. Exit status as in kselftest: 0 pass, 1 fail, 4 skip.
#
# Everything a test makes goes away when it ends, however it ends: namespaces of setup_ns with the processes in them,
# $tmp, the module if load_ksvc loaded it, and what `defer` was told.

# KASAN and lockdep make everything slower; waits are multiplied by this.
: "${KSVC_SLOW:=1}"
# shellcheck disable=SC2034 # for the tests
KSVC_TOP=${KSVC_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}

ktap_done=0
ktap_failed=0
ns_made=()
deferred=()
ksvc_loaded=
tmp=$(mktemp -d)
# To read from with a timeout, which takes no process as sleep does.
exec {never}<> <(:)

echo 'KTAP version 1'

# --- results

note() { printf '%s\n' "$*" | sed 's/^/# /'; }
pass() { echo "ok $((++ktap_done)) $1"; }
skip() { echo "ok $((++ktap_done)) $1 # SKIP${2:+ $2}"; }

# fail NAME [DIAGNOSTIC]...
fail() {
	echo "not ok $((++ktap_done)) $1"
	shift
	[ $# = 0 ] || note "$@"
	ktap_failed=1
}

# check NAME COMMAND...: the command succeeds. What it printed is shown when it does not.
check() {
	local name=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	if [ "$status" = 0 ]; then
		pass "$name"
	else
		fail "$name" "status $status from: $*${output:+
$output}"
	fi
}

# check_eq NAME EXPECTED ACTUAL
check_eq() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "expected: $2
actual:   $3"
	fi
}

# check_match NAME PATTERN ACTUAL: the text matches the extended regular expression.
check_match() {
	if [[ $3 =~ $2 ]]; then
		pass "$1"
	else
		fail "$1" "expected a match of: $2
actual: $3"
	fi
}

# expect_fail NAME STATUS PATTERN COMMAND...: the command exits with that status and says something that matches.
expect_fail() {
	local name=$1 want=$2 pattern=$3 output status=0
	shift 3
	output=$("$@" 2>&1) || status=$?
	if [ "$status" != "$want" ]; then
		fail "$name" "expected status $want, not $status, from: $*
$output"
	elif ! [[ $output =~ $pattern ]]; then
		fail "$name" "expected a match of: $pattern
printed by: $*
$output"
	else
		pass "$name"
	fi
}

# The last line of a test.
finish() {
	echo "1..$ktap_done"
	[ "$ktap_done" -gt 0 ] || exit 1
	exit "$ktap_failed"
}

# skip_all REASON: the whole test cannot run here.
skip_all() {
	echo "1..0 # SKIP $*"
	exit 4
}

# --- what the test needs

require() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip_all "needs $tool"
	done
}

require_root() { [ "$(id -u)" = 0 ] || skip_all 'needs root'; }

# Loads ksvc: $KSVC_KO where the tests are told which one, else the installed one. If it was loaded before, it stays.
load_ksvc() {
	local dep
	[ ! -d /sys/module/ksvc ] || return 0
	if [ -n "${KSVC_KO-}" ]; then
		for dep in $(modinfo -F depends "$KSVC_KO" | tr , ' '); do
			modprobe "$dep" || return
		done
		insmod "$KSVC_KO" || return
	else
		modprobe ksvc || skip_all 'no module ksvc for this kernel'
	fi
	ksvc_loaded=y
}

unload_ksvc() {
	ksvc_loaded=
	rmmod ksvc
}

# --- waiting: always for a state, never for a time

# busywait SECONDS COMMAND...: repeats the command until it succeeds, at most three times as long (on a slow machine); its
# last output is printed.
busywait() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 3 * KSVC_SLOW * 1000000)) output
	shift
	while :; do
		if output=$("$@" 2>&1); then
			printf '%s' "${output:+$output
}"
			return 0
		fi
		if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then
			printf '%s' "${output:+$output
}"
			return 1
		fi
		read -r -t 0.05 -u "$never" || true
	done
}

# listening NS PROTO PORT: something in the namespace listens there; for busywait.
listening() {
	local flag
	case $2 in
	tcp)	flag=-t ;;
	udp)	flag=-u ;;
	sctp)	flag=-S ;;
	esac
	[ -n "$(ip netns exec "$1" ss -Hnl $flag "sport = :$3")" ]
}

# --- namespaces and clean-up

# setup_ns VARIABLE...: a network namespace for each, loopback up; the variable gets its name, unique on this machine.
setup_ns() {
	local variable name
	for variable; do
		name=$(mktemp -u "ksvc-$variable-XXXXXX")
		ip netns add "$name" || return
		ns_made+=("$name")
		ip -n "$name" link set lo up
		printf -v "$variable" %s "$name"
	done
}

# del_ns NAME...: kills what runs in the namespaces, and nothing else, then deletes them.
del_ns() {
	local name pids i
	for name; do
		[ -e "/run/netns/$name" ] || continue
		for i in TERM KILL; do
			pids=$(ip netns pids "$name")
			# shellcheck disable=SC2086 # a list
			[ -z "$pids" ] || kill -s "$i" $pids 2>/dev/null
			busywait 2 ns_is_idle "$name" && break
		done
		ip netns del "$name"
	done
}

ns_is_idle() { [ -z "$(ip netns pids "$1")" ]; }

# defer COMMAND...: to be run when the test ends, last told first.
defer() { deferred+=("$(printf '%q ' "$@")"); }

cleanup() {
	local status=$? i
	trap - EXIT
	set +e
	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		eval "${deferred[i]}"
	done
	del_ns "${ns_made[@]}"
	if [ -n "$ksvc_loaded" ] && [ -d /sys/module/ksvc ] && ! rmmod ksvc; then
		note 'ksvc cannot be unloaded'
		status=1
	fi
	rm -rf "$tmp"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
