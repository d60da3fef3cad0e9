#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `ksvcctl doctor` finds: each check when all is well, and when it is not, with what to do. What cannot be had in a
# test, such as secure boot, is put in the place of the kernel's files in a mount namespace of its own. One namespace
# with a dummy interface.
#
# timeout: 200

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

require_root
require ip jq ksvcctl nft unshare

# doctor [FILE TEXT]...: where these files have these texts.
doctor() {
	# shellcheck disable=SC2016,SC2154 # for the inner shell; set by setup_ns
	ip netns exec "$node" unshare -m bash -c '
		while [ $# -gt 0 ]; do
			dir=${1%/*}
			while [ ! -d "$dir" ]; do dir=${dir%/*}; done
			if [ -e "$1" ]; then
				fake=$(mktemp) && printf "%b" "$2" >"$fake" && mount --bind "$fake" "$1" && rm "$fake"
			else
				mount -t tmpfs none "$dir" && mkdir -p "${1%/*}" && printf "%b" "$2" >"$1"
			fi || exit
			shift 2
		done
		exec ksvcctl doctor' bash "$@"
}
# finds NAME CHECK PATTERN [FILE TEXT]...: the line of that check, which begins with its status.
finds() {
	check_match "$1" "$3" "$(doctor "${@:4}" 2>&1 | grep -E "^[a-z]+ +$2 ")"
}
lockdown=/sys/kernel/security/lockdown
secure_boot=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
enforce=/sys/module/module/parameters/sig_enforce

setup_ns node
{
	ip -n "$node" link add d0 type dummy
	ip -n "$node" addr add 192.0.2.1/24 dev d0
	ip -n "$node" link set d0 up
	ip -n "$node" route add default via 192.0.2.254
	ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

if [ ! -d /sys/module/ksvc ]; then
	finds 'no module' module '^fail .*modprobe ksvc'
	finds 'no module, and lockdown' lockdown '^fail .*lockdown.*sign ksvc\.ko' \
		$lockdown 'none [integrity] confidentiality\n'
	finds 'no module, and secure boot' lockdown '^fail .*secure boot.*mokutil' $lockdown '[none]\n' \
		$secure_boot '\006\0\0\0\001'
	finds 'no module, and signatures wanted' lockdown '^fail .*module\.sig_enforce.*sign' $lockdown '[none]\n' \
		$secure_boot '\006\0\0\0\0' $enforce 'Y\n'
	finds 'no module, and no reason' lockdown '^ok ' $lockdown '[none]\n' $secure_boot '\006\0\0\0\0' $enforce 'N\n'
fi
load_ksvc
ctl() { ksvcctl --netns "$node" "$@"; }
ctl add-service web --vip 10.96.0.1:80/tcp --endpoint 10.1.0.1:80
modprobe -q nf_tables

# --- all is well
status=0
found=$(doctor $lockdown '[none]\n' $enforce 'N\n') || status=$?
check_eq 'where all is well, it says so' 0 "$status"
check_eq 'of everything that it looks at' 'module lockdown conntrack forward-v4 forward-v6 routes bridge kube-proxy' \
	"$(awk '$1 == "ok" { print $2 }' <<<"$found" | paste -sd ' ')"
check_eq 'and of nothing else' 8 "$(wc -l <<<"$found")"
check_eq 'in JSON, too' '["module","ok",true]' \
	"$(ctl doctor --json | jq -c '.[0] | [.check, .status, (.text | contains("is loaded"))]')"
finds 'lockdown, but the module is loaded' lockdown '^ok .*all the same' $lockdown 'none [integrity] confidentiality\n'

# --- conntrack's table
n=/proc/sys/net/netfilter/nf_conntrack
finds 'a table that fills up' conntrack '^warn .*75 of 100 entries: raise net\.netfilter\.nf_conntrack_max' \
	${n}_max '100\n' ${n}_count '75\n'
finds 'a full table' conntrack '^fail .*95 of 100 entries: raise net\.netfilter\.nf_conntrack_max' \
	${n}_max '100\n' ${n}_count '95\n'
finds 'a table with long chains' conntrack '^warn .*raise net\.netfilter\.nf_conntrack_buckets' \
	${n}_max '1000\n' ${n}_count '5\n' ${n}_buckets '100\n'

# --- the network
ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
finds 'no forwarding, and services' forward-v4 '^fail .*sysctl -w net\.ipv4\.ip_forward=1'
finds 'no forwarding, but no services either' forward-v6 '^warn .*sysctl -w net\.ipv6\.conf\.all\.forwarding=1'
check_match 'what fails makes it fail' '^1$' "$(doctor >/dev/null; echo $?)"
ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$node" route del default
finds 'no route to a VIP' routes '^fail .*no route to 10\.96\.0\.1 .*add a default route'
ip -n "$node" route add blackhole 10.96.0.0/16
finds 'one that leads nowhere' routes '^fail .*no route to 10\.96\.0\.1 '
ip -n "$node" route del blackhole 10.96.0.0/16
ip -n "$node" route add 10.96.0.0/16 dev d0
finds 'one to an interface' routes '^ok '
ip -n "$node" link add br0 type bridge
finds 'a bridge whose packets bypass' bridge '^warn .*modprobe br_netfilter, then .*bridge-nf-call-iptables=1' \
	/proc/sys/net/bridge/bridge-nf-call-iptables '0\n'
if [ -d /sys/module/br_netfilter ] || { [ -n "${KSVC_KERNEL-}" ] && modprobe -q br_netfilter; }; then
	ip netns exec "$node" sysctl -qw net.bridge.bridge-nf-call-iptables=1
	finds 'a bridge whose packets do not' bridge '^ok .*bridge-nf-call-iptables is 1'
else
	skip 'bridge-nf' 'br_netfilter is not loaded'
fi
ip -n "$node" link del br0

# --- kube-proxy
ip netns exec "$node" nft 'add table ip kube-proxy; add chain ip kube-proxy services'
finds 'rules of its nftables mode' kube-proxy '^warn .*nft delete table ip kube-proxy'
ip netns exec "$node" nft 'delete table ip kube-proxy; add table ip nat; add chain ip nat KUBE-SERVICES'
finds 'rules of its iptables mode' kube-proxy '^warn .*kube-proxy --cleanup'
ip netns exec "$node" nft 'delete table ip nat'
if [ -n "${KSVC_KERNEL-}" ] && ip netns exec "$node" iptables-legacy -t nat -N KUBE-SERVICES 2>/dev/null; then
	finds 'those of the older iptables' kube-proxy '^warn .*kube-proxy --cleanup'
	ip netns exec "$node" iptables-legacy -t nat -X KUBE-SERVICES
else
	skip 'those of the older iptables' 'there is none here'
fi
ip -n "$node" link add kube-ipvs0 type dummy
finds 'the device of its IPVS mode' kube-proxy '^warn .*ipvsadm --clear; ip link delete kube-ipvs0'
ip -n "$node" link del kube-ipvs0
finds 'and nothing of it' kube-proxy '^ok '

finish
