#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# DKMS, as `make install` uses it: adds, builds and installs the module for the running kernel, modprobe finds it, and
# uninstalling leaves nothing. A kernel that is too old is refused before anything is compiled.
#
# With KSVC_DKMS_ARCHIVE, an archive of `dkms mktarball` for this kernel (tests/vm/dkms), that is what is added and
# installed: on an emulated processor the compiler takes minutes.
#
# timeout: 2000
# run: by name

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

require_root
require dkms make gcc modinfo
[ "${KSVC_KERNEL-}" != debug ] || skip_all 'a compiler under KASAN shows nothing new'
[ -e "/lib/modules/$(uname -r)/build/Makefile" ] || skip_all 'no headers of the running kernel'
[ -z "$(dkms status ksvc)" ] || skip_all 'ksvc is installed by DKMS here'
[ ! -d /sys/module/ksvc ] || skip_all 'ksvc is loaded'

export LC_ALL=C
version=$(sed -n 's/^PACKAGE_VERSION=//p' "$KSVC_TOP/dkms.conf")
make=(make -s -C "$KSVC_TOP" "KDIR=/lib/modules/$(uname -r)/build")

# shellcheck disable=SC2317 # deferred
unload_installed() { [ ! -d /sys/module/ksvc ] || rmmod ksvc; }
defer "${make[@]}" uninstall-dkms
defer unload_installed

if [ -n "${KSVC_DKMS_ARCHIVE-}" ]; then
	check 'dkms ldtarball adds what was built' dkms ldtarball --archive="$KSVC_DKMS_ARCHIVE"
	check_eq 'dkms status says built' "ksvc/$version, $(uname -r), $(uname -m): built" "$(dkms status ksvc)"
	check 'dkms install' dkms install "ksvc/$version" -k "$(uname -r)"
else
	check 'make install-dkms adds, builds and installs' "${make[@]}" install-dkms
fi
check_eq 'dkms status says installed' "ksvc/$version, $(uname -r), $(uname -m): installed" "$(dkms status ksvc)"
check_match 'modprobe would take it from there' '/updates/dkms/ksvc\.ko' "$(modinfo -n ksvc 2>&1)"
check 'modprobe ksvc' modprobe ksvc
check_eq 'the module has the version of dkms.conf' "$version" "$(cat /sys/module/ksvc/version)"
check 'rmmod ksvc' rmmod ksvc

for old in 5.10.0-30-amd64 6.0.0-6-amd64; do
	expect_fail "refuses $old" 77 'BUILD_EXCLUSIVE' \
		dkms build "ksvc/$version" -k "$old" --kernelsourcedir "/lib/modules/$(uname -r)/build"
	check_eq "has built nothing for $old" '' "$(dkms status ksvc | grep -F "$old")"
done

check 'make uninstall-dkms' "${make[@]}" uninstall-dkms
check_eq 'dkms knows it no more' '' "$(dkms status ksvc)"
check_eq 'no source is left' '' "$(find /usr/src -maxdepth 1 -name 'ksvc-*')"
expect_fail 'no module is left' 1 'not found' modinfo ksvc

finish
