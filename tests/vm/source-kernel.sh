# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # $here: from those who source this
# Sourced by the scripts that build a kernel out of Debian's linux-source-6.12, once: build-debug-kernel and
# build-uml-kernel. They call, in this order, kernel_cached, kernel_configured, kernel_made, kernel_done.

tarball=/usr/src/linux-source-6.12.tar.xz
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksvc

say() { echo "$name kernel: $*" >&2; }

fail() {
	say "$1; the end of $log:"
	tail -n 30 "$log" >&2
	exit 1
}

# What the kernel is configured with.
kernel_config() {
	if [ "$name" = uml-debug ]; then
		awk 'NR == FNR { if ($1 == "#-") gone[$2]; next }
			{ symbol = $0; gsub(/^# |[= ].*/, "", symbol) }
			!(symbol in gone)' "$here/uml-debug.config" "$here/debug.config"
	fi
	cat "$here/$name.config"
}

# kernel_cached NAME NUMBER ARCH: prints the directory of the kernel of NAME.config and ends the script if it is there;
# else sets out, work, log and goes to the unpacked sources in $work. The directory's name is a hash of all that goes
# in, so that a change of any of it builds anew; NUMBER stands for the scripts.
kernel_cached() {
	name=$1 arch=$3
	key=$({ echo "$2"; dpkg-query -W -f '${Version}\n' linux-source-6.12; gcc -dumpfullversion; kernel_config; } |
		sha256sum | cut -c1-12)
	out=$cache/$name-kernel-$key work=$out.work log=$out.log

	mkdir -p "$cache"
	exec 9>"$out.lock"
	flock 9
	if [ -e "$out/release" ]; then
		echo "$out"
		exit 0
	fi

	say "unpacking $tarball"
	rm -rf "$work" "$out"
	mkdir -p "$work"
	tar -C "$work" --strip-components=1 -xf "$tarball"
	cd "$work" || exit
	config=$work/ksvc.config
	kernel_config >"$config"
}

# A symbol whose dependencies are missing vanishes without a word: compare what was asked with what came out.
kernel_configured() {
	make ARCH="$arch" KCONFIG_ALLCONFIG="$config" allnoconfig >"$log" 2>&1 || fail 'no configuration'
	grep -E '^(# )?CONFIG_' "$config" | while read -r line; do
		case $line in
		'#'*)	symbol=${line#\# }; symbol=${symbol%% *}
			grep -q "^$symbol=" .config && echo "$line" ;;
		*)	grep -qxF -- "$line" .config || echo "$line" ;;
		esac
	done >lost
	if [ -s lost ]; then
		say "these lines of $name.config did not survive:"
		cat lost >&2
		exit 1
	fi
}

# kernel_made TARGET...: builds, and leaves in $out/build what building a module needs of the tree.
kernel_made() {
	say "building, log in $log"
	nice make ARCH="$arch" -j"${JOBS:-$(nproc)}" KBUILD_BUILD_USER=ksvc KBUILD_BUILD_HOST=ksvc "$@" \
		>>"$log" 2>&1 9>&- || fail 'build failed'
	make ARCH="$arch" run-command KBUILD_RUN_COMMAND="+scripts/package/install-extmod-build $out/build" \
		>>"$log" 2>&1 9>&- || fail 'cannot prune the build tree'
	cp .config "$out/build/"
	release=$(make -s ARCH="$arch" kernelrelease)
}

# The file "release" is written last: its presence says that the rest is complete.
kernel_done() {
	echo "$release" >"$out/release"
	cd /
	rm -rf "$work"
	say "ready: $out"
	echo "$out"
}
