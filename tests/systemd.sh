#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit of ksvcd, as `make install` installs it, under a systemd that is the first process of its own namespaces.
# Writes to /etc, /usr/local and /var of the machine and sets sysctls of its network, so in a virtual machine only.
#
# run: by name
# timeout: 400

# shellcheck disable=SC2317 # functions for busywait
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

[ -d /run/ksvc-vm ] || skip_all 'in a virtual machine only'
require curl ip ksvcctl ksvcd make nsenter pgrep ps python3 unshare
[ -x /usr/lib/systemd/systemd ] || skip_all 'needs systemd'
load_ksvc

etc=/etc/ksvc
dropin=/etc/systemd/system/ksvcd.service.d
ctl() { ksvcctl "$@"; }

# The files of the sources that are installed, with the tools as they were built.
install_all() {
	mkdir "$tmp/source"
	cp -r "$KSVC_TOP"/{Makefile,dkms.conf,deploy,ctl} "$tmp/source/"
	cp "$(command -v ksvcd)" "$(command -v ksvcctl)" "$tmp/source/ctl/"
	make -s -C "$tmp/source" install-boot && make -s -C "$tmp/source/ctl" -o all install
}

# As docs/replacing-kube-proxy.md says, first for a cluster, whose API server does not answer yet.
configure() {
	install -D -m 0644 "$KSVC_TOP/deploy/ksvcd.conf" "$etc/ksvcd.conf"
	install -D -m 0600 /dev/null "$etc/kubeconfig"
	cat >"$etc/kubeconfig" <<-END
		current-context: c
		contexts: [{name: c, context: {cluster: c}}]
		clusters: [{name: c, cluster: {server: "http://127.0.0.1:6443"}}]
	END
}

# Then for manifests. How pods are known is for files without a Node, the watchdog's time for a test.
configure_manifests() {
	mkdir -p "$etc/manifests" "$dropin"
	sed -i 's/^detectLocalMode:.*/clusterCIDR: 10.1.0.0\/16/' "$etc/ksvcd.conf"
	cat >"$dropin/test.conf" <<-END
		[Service]
		LoadCredential=
		Environment="KSVCD_FLAGS=--config=$etc/ksvcd.conf --manifests=$etc/manifests"
		WatchdogSec=$((10 * KSVC_SLOW))
	END
	service web "$(clusterip 10.96.0.1)" >"$etc/manifests/web.json"
	slice web-1 web 10.9.0.1 >"$etc/manifests/web-1.json"
}

api_comes() {
	"$KSVC_TOP/tests/ksvcd/apiserver.py" --listen 127.0.0.1:6443 --generate 1:1 >"$tmp/api" 2>&1 &
	defer kill $!
	busywait 60 grep -q listen "$tmp/api"
}

# In namespaces of its own but for the network; what is not ksvcd's business does not run. It empties /tmp as it comes.
systemd_start() {
	local unit
	for unit in systemd-{binfmt,hwdb-update,modules-load,sysctl,udev-trigger,udevd,update-utmp}.service; do
		ln -sf /dev/null "/etc/systemd/system/$unit"
	done
	cat >"$tmp/init" <<-'END'
		#!/bin/sh
		mount --make-rshared / && mount -t proc proc /proc && umount -R /sys && mount -t sysfs -o ro sysfs /sys &&
			mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs -o mode=755 tmpfs /run &&
			mount -t tmpfs -o mode=1777 tmpfs /tmp &&
			exec env -i container=ksvc-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
				/usr/lib/systemd/systemd --unit=basic.target
	END
	chmod 0755 "$tmp/init"
	mkdir "$cgroup"
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		exec unshare --pid --fork --kill-child --mount --cgroup --uts --ipc "$tmp/init"
	) </dev/null >"$tmp/systemd" 2>&1 &
	unshared=$!
	defer systemd_stop
}
# The first process takes all others with it; the group is empty when they are gone.
systemd_stop() {
	kill -KILL "$(systemd_pid)" && wait "$unshared"
	busywait 20 find "$cgroup" -depth -type d -exec rmdir {} +
}
cgroup=/sys/fs/cgroup/ksvc-test

# systemd_pid: as seen from outside; empty when it is gone.
systemd_pid() { pgrep -P "$unshared"; }
inside() { nsenter -t "$(systemd_pid)" -m -p -C -u -i -- "$@"; }
systemd_is_up() { [ "$(inside systemctl is-system-running)" = running ]; }
property() { inside systemctl show -P "$1" ksvcd; }
is_active() { [ "$(property ActiveState)" = active ]; }
# restarted OLD: another process than this, and it is ready.
restarted() { is_active && [ "$(property MainPID)" != "$1" ]; }
journal_has() { inside journalctl -q --no-pager -u ksvcd | grep -q "$1"; }
# warnings: of the process that runs.
warnings() { inside journalctl -q --no-pager -p warning "_SYSTEMD_INVOCATION_ID=$(property InvocationID)"; }
arguments() { inside ps -o args= -p "$(property MainPID)"; }
of_process() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property MainPID)/status"; }
# open_ends: by which settings systemd's own judge of units still finds the service exposed.
open_ends() {
	inside systemd-analyze security --no-pager --json=short ksvcd | python3 -I -S -c '
import json, sys
print(*sorted(setting["json_field"] for setting in json.load(sys.stdin) if not setting["set"]))'
}
# writable PATH...: those of them that mounts let it write to, as it is root who asks.
# shellcheck disable=SC2016 # for the shell inside
writable() {
	inside nsenter -t "$(property MainPID)" -m -- sh -c 'for path; do [ ! -w "$path" ] || echo "$path"; done' - "$@" | paste -sd ' '
}
conntrack_has() { [ "$(conntrack_is "$1")" = "$2" ]; }
conntrack_is() { cat "/proc/sys/net/netfilter/nf_conntrack_$1"; }
page() { curl -s -m $((10 * KSVC_SLOW)) http://127.0.0.1:10249/metrics; }
stop_hard() { inside kill -"$1" "$(property MainPID)"; }
is_saved() { [ -s /var/lib/private/ksvcd/state.json ]; }

# A node that answers at 10.9.0.1, and has a route to VIPs.
ip link add ksvc0 type dummy
defer ip link del ksvc0
ip addr add 10.9.0.1/24 dev ksvc0
ip link set ksvc0 up
ip route add default via 10.9.0.2

check 'make install' install_all
configure
systemd_start
check 'systemd is up' busywait 120 systemd_is_up
[ "$ktap_failed" = 0 ] || { note "$(tail -n 20 "$tmp/systemd")"; finish; }

# --- it starts, and gets the kubeconfig that only root can read
check 'systemctl start, for a cluster' inside systemctl start --no-block ksvcd
check 'it asks the API server' busywait 60 journal_has 'API .*connect'
check_match 'which a credential names' ' --kubeconfig=/run/credentials/' "$(arguments)"
check_eq 'and is not ready without it' activating "$(property ActiveState)"
check_eq 'however long that takes' infinity "$(property TimeoutStartUSec)"
check_eq 'the watchdog waits a minute' 1min "$(property WatchdogUSec)"
check 'an API server comes' api_comes
check 'it is active' busywait 60 is_active
check 'systemctl reload, with what a credential names' inside systemctl reload ksvcd
check 'the configuration is read again' busywait 20 journal_has 'Configuration reloaded'
check 'systemctl stop' inside systemctl stop ksvcd

# --- it starts, for manifests
configure_manifests
check 'systemctl daemon-reload' inside systemctl daemon-reload
check 'systemctl start' inside systemctl start ksvcd
check 'it is active, so it said that it is ready' is_active
check_eq 'the services are in force by then, and those of the cluster gone' 'ns/web' "$(names)"
check 'with their endpoints' has_endpoints ns/web 10.9.0.1:8080
check_eq 'nothing was left out, nothing refused' '' "$(warnings)"

# --- what it may, and what it needs
check_eq 'it is not root' 0 "$(of_process Uid | grep -cw 0)"
for set in Inh Prm Eff Bnd Amb; do
	check_eq "Cap$set: CAP_NET_ADMIN alone" 0000000000001000 "$(of_process Cap$set)"
done
check_eq 'no new privileges' 1 "$(of_process NoNewPrivs)"
check_eq 'its system calls are filtered' 2 "$(of_process Seccomp)"
# /etc/ksvc, its ConfigurationDirectory, is not mounted read-only, but belongs to root.
check_eq 'mounts let it write to what is its own, and to sysctls of the network' \
	"/etc/ksvc /var/lib/private/ksvcd /proc/sys/net/netfilter/nf_conntrack_max /tmp" \
	"$(writable / /etc /etc/ksvc /home /root /usr /var /var/lib /var/lib/private/ksvcd /proc/sys/kernel/panic \
		/proc/sys/vm/swappiness /proc/sys/net/netfilter/nf_conntrack_max /sys/fs/cgroup /tmp)"
check_eq 'systemd knows of nothing that could be closed, but what it needs and what is set by hand' \
	"AmbientCapabilities CapabilityBoundingSet_CAP_NET_ADMIN DeviceAllow IPAddressDeny PrivateNetwork PrivateUsers ProcSubset \
RestrictAddressFamilies_AF_INET_INET6 RestrictAddressFamilies_AF_NETLINK RestrictAddressFamilies_AF_UNIX RootDirectoryOrRootImage" \
	"$(open_ends)"
check_eq 'it is the last to be killed for memory' -999 "$(inside cat "/proc/$(property MainPID)/oom_score_adj")"
check_match 'and has files for all its ports' 'Max open files +65536 +65536' "$(inside cat "/proc/$(property MainPID)/limits")"
check_eq 'its tasks are limited' 64 "$(property TasksMax)"
check_eq 'conntrack: the table is as large as configured' 131072 "$(conntrack_is max)"
check_eq 'and its times' '86400 3600' "$(conntrack_is tcp_timeout_established) $(conntrack_is tcp_timeout_close_wait)"
check 'the state is saved' busywait 60 is_saved
check_eq 'for nobody else' 700 "$(stat -c %a /var/lib/private/ksvcd)"
page >"$tmp/page"
check_match 'metrics: the module answers' 'ksvc_module_info\{version="' "$(cat "$tmp/page")"
for name in max_fds open_fds resident_memory_bytes cpu_seconds_total; do
	check_match "process_$name" ' [1-9]|\.[0-9]*[1-9]' "$(grep "^process_$name" "$tmp/page")"
done
check_eq '/livez answers' 200 "$(curl -s -o /dev/null -w '%{http_code}' http://10.9.0.1:10256/livez)"

# --- it follows
slice web-1 web 10.9.0.1 10.9.0.3 >"$tmp/web-1.json"
cp "$tmp/web-1.json" "$etc/manifests/.new"
mv "$etc/manifests/.new" "$etc/manifests/web-1.json"
check 'a file replaced is followed' busywait 20 has_endpoints ns/web '10.9.0.1:8080 10.9.0.3:8080'
sed -i 's/^  tcpCloseWaitTimeout:.*/  tcpCloseWaitTimeout: 77s/' "$etc/ksvcd.conf"
check 'systemctl reload' inside systemctl reload ksvcd
check 'the configuration is read again, and in force' busywait 20 conntrack_has tcp_timeout_close_wait 77
pid=$(property MainPID)
echo 'nonsense: 1' >>"$etc/ksvcd.conf"
expect_fail 'a configuration with an error makes the reload fail' 1 'failed' inside systemctl reload ksvcd
check 'which names the line' journal_has "ksvcd.conf:[0-9]*: nonsense"
check_eq 'and it goes on' "$pid active" "$(property MainPID) $(property ActiveState)"
expect_fail 'as it does not start' 1 'failed' inside systemctl restart ksvcd
sed -i '/^nonsense/d' "$etc/ksvcd.conf"
check 'until that is mended' busywait 60 is_active

# --- it dies, it hangs
pid=$(property MainPID)
check 'killed' stop_hard KILL
check_eq 'it leaves the services in force' 'ns/web' "$(names)"
check 'and is started again' busywait 60 restarted "$pid"
pid=$(property MainPID)
check 'stopped' stop_hard STOP
check 'it is found by the watchdog' busywait 60 journal_has 'Watchdog timeout'
check 'and started again' busywait 60 restarted "$pid"
check 'with the services in force' has_endpoints ns/web '10.9.0.1:8080 10.9.0.3:8080'

# --- it ends
check 'systemctl stop' inside systemctl stop ksvcd
check_eq 'by itself' success "$(property Result)"
check_eq 'the services stay' 'ns/web' "$(names)"
check_eq 'and are cleaned up by hand' '0 ' "$(ksvcd --cleanup 2>/dev/null; echo "$? $(names)")"

finish
