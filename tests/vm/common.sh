# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the scripts of this directory: where things are, and how they talk.

# shellcheck disable=SC2034 # used by those who source this
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksvc
kernels='6.1 6.12 13-6.12 13-new debug'

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

# Holds a lock until the process ends. Long work is done once, whoever asks first.
lock() {
	mkdir -p "$(dirname "$1")"
	exec {lock_fd}>"$1"
	flock "$lock_fd"
}

# quietly LOG COMMAND...: the command's output goes to LOG and is shown only when the command fails.
quietly() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return
	tail -n 40 "$log" >&2
	die "failed: $* (log: $log)"
}

# resolve_kernel NAME: makes the kernel available and sets krel image modbase root kdir (see the script kernel).
resolve_kernel() {
	local assignments

	krel='' image='' modbase='' root='' kdir=''
	assignments=$("$vm/kernel" "$1") || exit
	eval "$assignments"
}
