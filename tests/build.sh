#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For which kernel make builds without KDIR: the running one, else the newest with headers. It is asked in a mount
# namespace of its own, with directories of modules that have nothing in them but a Makefile where headers would be.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

require_root
require make unshare

# chosen VERSION...: what make takes when these kernels have headers; those with a minus in front have a link only.
chosen() {
	local version
	rm -rf "$tmp/modules"
	mkdir "$tmp/modules"
	for version; do
		mkdir "$tmp/modules/${version#-}"
		ln -s "headers${version:0:1}" "$tmp/modules/${version#-}/build"
		[ "${version:0:1}" = - ] || mkdir -p "$tmp/modules/$version/headers${version:0:1}"
		[ "${version:0:1}" = - ] || touch "$tmp/modules/$version/build/Makefile"
	done
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -c 'mount --bind "$1" /lib/modules && make -s -C "$2" help' sh "$tmp/modules" "$KSVC_TOP" 2>&1 |
		sed -n 's/^ *(\(.*\))$/\1/p'
}
running=$(uname -r)

check_eq 'the running kernel comes first' "/lib/modules/$running/build" "$(chosen 99.1.0 "$running" 5.10.0)"
check_eq 'then the newest, by its version' /lib/modules/6.10.0/build "$(chosen 6.9.0 6.10.0 6.1.0)"
check_eq 'not one whose headers went' /lib/modules/6.9.0/build "$(chosen 6.9.0 -6.10.0 "-$running")"
check_eq 'if none has, none' '' "$(chosen -6.10.0)"
# shellcheck disable=SC2016 # for the inner shell
expect_fail 'which make says' 2 'no kernel headers' \
	unshare -m sh -c 'mount --bind "$1" /lib/modules && make -s -C "$2" kmod' sh "$tmp/modules" "$KSVC_TOP"

finish
