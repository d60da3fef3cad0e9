# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by those who run a guest (run, uml), after common.sh: the directory of a run, what the guest finds in it, and
# what came of it.
# shellcheck disable=SC2154 # from common.sh and from those who source this

# new_job KERNEL LOG: makes $job, which goes with the script; the kernel's log, $job/console, is kept as LOG.
new_job() {
	local stale

	job_kernel=$1 job_log=$2
	# The number is ours, so that what a killed run left can be told from what is in use.
	job=$top/build/run/$job_kernel.$$
	mkdir -p "$top/build/run"
	for stale in "$top"/build/run/*.+([0-9]); do
		[ -e "/proc/${stale##*.}" ] || rm -rf "$stale"
	done
	mkdir "$job"
	job_children=()
	trap end_job EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# Whoever starts a process for the run adds it to job_children, and takes it out when it was waited for.
# shellcheck disable=SC2317 # the trap runs it
end_job() {
	[ ${#job_children[@]} = 0 ] || kill "${job_children[@]}" 2>/dev/null || true
	[ -z "$job_log" ] || cp "$job/console" "$job_log" 2>/dev/null || true
	rm -rf "$job"
}

# job_build TARGET KERNEL CFLAGS: builds (see the script build) and copies the results, so that a later build cannot
# change them under the guest's feet. Sets ko and ctl.
job_build() {
	local target=$1 args=("$2") built

	if [ -n "$3" ]; then
		args=(--variant "$(tr -c 'A-Za-z0-9_\n' - <<<"$3")" "${args[@]}" KCFLAGS="$3")
	fi
	built=$("$vm/build" --target "$target" "${args[@]}")
	cp "$built/kmod/ksvc.ko" "$job/ksvc.ko"
	ko=$job/ksvc.ko
	if [ "$target" = all ]; then
		cp -r "$built/ctl" "$job/ctl"
		ctl=$job/ctl
		make -s -C "$top/tests/helpers" OUT="$ctl"
	fi
}

# job_initrd COMMAND...: all of $job/initrd but the modules, which depend on the kernel. $uml is set for a guest that is
# User Mode Linux.
job_initrd() {
	local initrd=$job/initrd

	mkdir -p "$initrd"/{bin,dev,proc,job,modules}
	printf '%s=%q\n' KSVC_TOP "$top" KSVC_PWD "$PWD" KSVC_KERNEL "$job_kernel" KSVC_KO "$ko" KSVC_CTL "$ctl" \
		KSVC_ROOT "$root" KSVC_MODBASE "$modbase" KSVC_KREL "$krel" KSVC_KDIR "$kdir" \
		KSVC_UML "${uml-}" >"$initrd/job/env"
	# One word is a line for the shell, several are a command and its arguments.
	if [ $# = 1 ]; then
		printf '%s\n' "$1"
	else
		printf '%q ' exec "$@"
	fi >"$initrd/job/command"
	cp "$(command -v busybox)" "$initrd/bin/busybox"
	ln -s busybox "$initrd/bin/sh"
	cp "$vm/init" "$initrd/init"
	: >"$initrd/modules/order"
}

pack_initrd() { (cd "$job/initrd" && find . | cpio --quiet -o -H newc) >"$job/initrd.img"; }

tail_of_log() {
	say "the end of the kernel's log:"
	tail -n 60 "$job/console" | tr -d '\r' | sed 's/^/# /' >&2
}

# judge STATUS EMULATOR TIMEOUT VERBOSE: ends the script by the guest's verdict, or says why there is none; STATUS is
# what the emulator ended with.
judge() {
	local word value rest boot='' verdict='' reason=''

	while read -r word value rest; do
		case $word in
		boot)		boot=$value ;;
		verdict)	verdict=$value reason=$rest ;;
		esac
	done < <(tr -d '\r' <"$job/verdict")
	[ -z "$4" ] || say "$job_kernel ($krel) booted in ${boot:-?} s"

	if [ "$reason" = clean ]; then
		# All was well, and ksvc gone, before the guest could not even end.
		if [ "$1" != 0 ]; then
			say "$job_kernel: $2 ended with status $1 after the verdict"
			tail_of_log
		fi
		exit "$verdict"
	elif [ -n "$verdict" ]; then
		say "$job_kernel: $reason (exit status of the command: $verdict)"
	else
		case $1 in
		0)	say "$job_kernel: the guest ended without a verdict" ;;
		124 | 137) say "$job_kernel: no verdict within $3 s" ;;
		*)	say "$job_kernel: $2 failed with status $1"
			[ ! -s "$job/emulator" ] || cat "$job/emulator" >&2 ;;
		esac
	fi
	tail_of_log
	exit 1
}
