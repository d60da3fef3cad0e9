#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deploy/: the unit, the manifests, the image's recipe and its loader of the module agree with the sources and with
# one another. Needs no module, and root for one thing only.
#
# run: by name, once: the kernel does not matter
# timeout: 240

# shellcheck disable=SC2016,SC2119,SC2120,SC2317 # jq's dollars; optional arguments; functions for check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

deploy=$KSVC_TOP/deploy
daemon=$KSVC_TOP/ctl/daemon
unit=$deploy/ksvcd.service
ksvcd=$(command -v ksvcd) || ksvcd=$KSVC_TOP/ctl/ksvcd
"$ksvcd" --version >/dev/null 2>&1 || ksvcd=
version=$(sed -n 's/^PACKAGE_VERSION=//p' "$KSVC_TOP/dkms.conf")
state=$(sed -n 's/^#define CONFIG_STATE_FILE[[:space:]]*"\(.*\)"/\1/p' "$daemon/config_draft.h")
export LC_ALL=C

# setting KEY: of the unit.
setting() { sed -n "s/^$1=//p" "$unit"; }

# --- the manifests
all=("$deploy"/*.yaml "$deploy"/kubernetes/*.yaml)
have_yaml=
if command -v jq >/dev/null && python3 -c 'import yaml' 2>/dev/null; then
	have_yaml=y
fi

read_manifests() {
	python3 -c '
import json, sys, yaml
print(json.dumps([d for f in sys.argv[1:] for d in yaml.safe_load_all(open(f))]))' "${all[@]}" >"$tmp/objects"
}
# objects FILTER: what jq -r makes of the documents in the manifests, as one list.
objects() { jq -er "$1" "$tmp/objects"; }
of() { objects ".[] | select(.kind == \"$1\" and .metadata.name == \"$2\") | $3"; }
of_pod() { of DaemonSet ksvcd ".spec.template.spec | $1"; }
of_ksvcd() { of_pod ".containers[] | select(.name == \"ksvcd\") | $1"; }

# requested: GROUP/RESOURCE of each path that the API source asks for.
requested() {
	{
		sed -n 's|.*{ "/\(apis*/[^"]*\)",.*|\1|p' "$daemon/api_paths.c"
		sed -n 's|.*"/\(apis/[^"]*\)/namespaces/%s\(/[a-z]*\)".*|\1\2|p' "$daemon/api_events.c"
	} | awk -F / '$1 == "api" { print "/" $3 } $1 == "apis" { print $2 "/" $4 }' | sort
}
# default_port FLAG: as its line in the flags' table says.
default_port() { sed -n "s/.*\"$1-bind-address\".*:\([0-9]*\))\".*/\1/p" "$daemon/config_flags.c"; }

test_manifests() {
	local name
	check 'the manifests are YAML' read_manifests
	check 'every document is an object with a kind and a name' objects \
		'all(.kind and .apiVersion and (.metadata.name or .kind == "Kustomization"))'
	check_eq 'the kustomization has all of its directory' "$(cd "$deploy/kubernetes" && echo [!k]*.yaml)" \
		"$(objects '.[] | select(.kind == "Kustomization").resources | sort | join(" ")')"
	if command -v kubectl >/dev/null; then
		check_eq 'kubectl kustomize makes of it' 'ClusterRole ClusterRoleBinding ConfigMap DaemonSet ServiceAccount' \
			"$(kubectl kustomize "$deploy/kubernetes" 2>&1 | sed -n 's/^kind: //p' | sort | tr '\n' ' ' | sed 's/ $//')"
	else
		skip 'kubectl kustomize' 'needs kubectl'
	fi

	check_eq 'the role allows what is asked for, no more' "$(requested)" \
		"$(of ClusterRole system:ksvcd '.rules[] | .apiGroups[] as $g | .resources[] | "\($g)/\(.)"' | sort)"
	check_eq 'to be listed and watched, and events to be made, no more' \
		'["create"] ["list","watch"] ["apiGroups","resources","verbs"]' \
		"$(of ClusterRole system:ksvcd '"\([.rules[] | select(.resources == ["events"]).verbs[]]) \(
			[.rules[] | select(.resources != ["events"]).verbs[]] | unique) \([.rules[] | keys[]] | unique)"')"
	check_eq 'and is bound to the account of the DaemonSet' 'ClusterRole system:ksvcd ServiceAccount kube-system ksvcd' \
		"$(of ClusterRoleBinding system:ksvcd \
			'[.roleRef.kind, .roleRef.name] + (.subjects[] | [.kind, .namespace, .name]) | join(" ")')"
	check_eq 'that is there' "$(of_pod .serviceAccountName)" "$(of ServiceAccount ksvcd .metadata.name)"

	for name in healthz metrics; do
		check_eq "the port $name is ksvcd's default" "$(default_port $name)" \
			"$(of_ksvcd ".ports[] | select(.name == \"$name\").containerPort")"
		check_eq "and in the configuration" "$(default_port $name)" \
			"$(of ConfigMap ksvcd '.data["ksvcd.conf"]' | sed -n "s/^${name}BindAddress: .*:\([0-9]*\)$/\1/p")"
	done
	check_eq 'probes ask what is served' 'livenessProbe /livez healthz readinessProbe /readyz healthz' \
		"$(of_ksvcd '[to_entries[] | select(.key | endswith("Probe")) |
			"\(.key) \(.value.httpGet | "\(.path) \(.port)")"] | sort | join(" ")')"
	check_eq 'the saved state outlives the pod' "${state%/*}" \
		"$(of_pod '(.volumes[] | select(.hostPath.path == "'"${state%/*}"'").name) as $v
			| .containers[0].volumeMounts[] | select(.name == $v).mountPath')"
	check_eq 'its directory belongs to the user of ksvcd' "$(of_ksvcd .securityContext.runAsUser)" \
		"$(of_pod '.initContainers[0].env[] | select(.name == "STATE_OWNER").value')"
	check_eq 'kube-proxy keeps off where ksvcd is' "$(of_pod '.nodeSelector["ksvc.io/proxy"]')" \
		"$(of DaemonSet kube-proxy '.spec.template.spec.affinity.nodeAffinity
			.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[].matchExpressions[]
			| select(.key == "ksvc.io/proxy" and .operator == "NotIn").values[]')"
}

# --- the image
# recipe: the Dockerfile's instructions, one a line. packages STAGE: what a stage installs.
recipe() { sed -e '/^#/d' -e ':a; /\\$/ { N; s/[[:space:]]*\\\n[[:space:]]*/ /; ba }' "$deploy/Dockerfile"; }
packages() {
	recipe | awk -v stage="$1" '
	/^FROM / { n++ }
	n == stage && sub(/.*apt-get install -y --no-install-recommends /, "") { sub(/ &&.*/, ""); print }' |
		tr ' ' '\n' | sort
}
copies_exist() {
	local line words path bad=0
	while read -r line; do
		read -ra words <<<"$line"
		unset 'words[-1]'
		for path in "${words[@]:1}"; do
			compgen -G "$KSVC_TOP/$path" >/dev/null || { echo "there is no $path"; bad=1; }
		done
	done < <(recipe | grep '^COPY [^-]')
	return "$bad"
}
# in_image PATH: comes into the image by `make install` or by COPY.
in_image() {
	local dir
	make -n -C "$KSVC_TOP/ctl" install 2>&1 | grep -q "^install .* $1\$" && return
	dir=$(recipe | sed -n "s|^COPY deploy/${1##*/} \(.*/\)\$|\1|p")
	[ "$dir${1##*/}" = "$1" ]
}
# owners FILE: the packages of the libraries that a program names.
owners() {
	local lib
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r lib; do
		dpkg -S "*/$lib" | sed 's/:.*//'
	done | grep -vE '^libc6(-|$)' | sort -u
}

test_image() {
	local path
	check 'what the image copies is there' copies_exist
	check_eq 'it is built with the libraries of the other builds' \
		"$(sed -n 's/^both\t\(lib.*-dev\)$/\1/p' "$KSVC_TOP/tests/vm/packages" | sort)" \
		"$(packages 1 | grep '^lib' | grep -vx libc6-dev)"
	if [ -z "$ksvcd" ] || ! grep -qx 'VERSION_ID="12"' /etc/os-release || ! command -v dpkg readelf >/dev/null; then
		skip 'and has those that the tools need' 'needs ksvcd, built on Debian 12'
	else
		check_eq 'and has those that the tools need' "$({ owners "$ksvcd"; owners "${ksvcd%d}ctl"; } | sort -u)" \
			"$(packages 2 | grep -v '^libcap2-bin$')"
	fi
	[ -n "$have_yaml" ] || return
	for path in $(of_pod '(.initContainers + .containers)[].command[0]'); do
		check "it has $path" in_image "$path"
	done
	check_eq 'all containers are of the image that the kustomization names' \
		"$(objects '.[] | select(.kind == "Kustomization").images[].name')" \
		"$(of_pod '[(.initContainers + .containers)[].image] | unique[]')"
	check_eq 'its user is that of the DaemonSet' "$(of_ksvcd '.securityContext | "\(.runAsUser):\(.runAsGroup)"')" \
		"$(recipe | sed -n 's/^USER //p')"
}

# As a runtime starts it: another user than root that has the DaemonSet's capabilities, and only those, until it
# executes a file; the file has what the Dockerfile gives to ksvcd.
test_capability() {
	local name='the capability reaches ksvcd, which is not root' user file drop
	if [ "$(id -u)" != 0 ] || ! command -v setcap capsh >/dev/null; then
		skip "$name" 'needs root, setcap and capsh'
		return
	fi
	check_eq 'the container may have one capability, no other privilege' \
		'["NET_ADMIN"] ["ALL"] false true' \
		"$(of_ksvcd '.securityContext
			| "\(.capabilities | "\(.add) \(.drop)") \(.allowPrivilegeEscalation) \(.runAsNonRoot)"')"
	user=$(of_ksvcd .securityContext.runAsUser)
	file=$(recipe | sed -n 's/.*setcap \([^ ]*\) [^ ]*\/ksvcd .*/\1/p')
	chmod 0711 "$tmp"
	cp "$(command -v grep)" "$tmp/grep"
	if ! setcap "$file" "$tmp/grep" || findmnt -n -o OPTIONS -T "$tmp" | grep -qw nosuid; then
		skip "$name" 'no file capabilities here'
		return
	fi
	drop=$(capsh --print | sed -n 's/^Bounding set =//p' | tr , '\n' | grep -vx cap_net_admin | paste -sd,)
	check "$name" capsh --drop="$drop" --keep=1 --gid="$user" --uid="$user" \
		--caps=cap_net_admin+ep --no-new-privs --shell="$tmp/grep" -- -x 'CapEff:.0*1000' /proc/self/status
}

# --- the configurations
# accepts FILE FLAG...: nothing in it is refused, or without effect.
accepts() {
	local flags=("${@:2}") status=0
	mkdir -p "$tmp/etc"
	sed "s|/etc/ksvc|$tmp/etc|" "$1" >"$tmp/etc/ksvcd.conf"
	cat >"$tmp/etc/kubeconfig" <<-END
		current-context: c
		contexts: [{name: c, context: {cluster: c}}]
		clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
	END
	flags=("${flags[@]//%d/\/etc\/ksvc}")
	"$ksvcd" --check "${flags[@]//\/etc\/ksvc/$tmp\/etc}" >"$tmp/out" 2>&1 || status=$?
	cat "$tmp/out"
	[ "$status" = 0 ] && [ ! -s "$tmp/out" ]
}
refuses() { ! accepts "$@" && grep -q "^ksvcd: $tmp/etc/ksvcd.conf:[0-9]*: " "$tmp/out"; }

# starts FILE: ksvcd gets along with it; it has no kernel module, no ports and no server here.
starts() {
	local pid status=0
	mkdir -p "$tmp/account"
	echo token >"$tmp/account/token"
	echo '-----BEGIN CERTIFICATE-----' >"$tmp/account/ca.crt"
	sed -e "s|/var/run/secrets/kubernetes.io/serviceaccount|$tmp/account|" \
		-e 's|server: .*|server: https://127.0.0.1:1|' "$1" >"$tmp/kubeconfig"
	"$ksvcd" --kubeconfig="$tmp/kubeconfig" --hostname-override=here --state="$tmp/state.json" \
		--log-format=json --healthz-port=0 --metrics-port=0 --conntrack-max-per-core=0 \
		--conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 >"$tmp/out" 2>&1 &
	pid=$!
	busywait 10 grep -q '"message":"API .*connect' "$tmp/out" || status=1
	kill "$pid"
	wait "$pid" || status=1
	cat "$tmp/out"
	return "$status"
}

test_configurations() {
	local args
	if [ -z "$ksvcd" ]; then
		skip 'configurations' 'needs ksvcd'
		return
	fi
	read -ra args <<<"$(setting Environment | sed 's/^"KSVCD_FLAGS=\(.*\)"$/\1/')"
	check 'ksvcd accepts ksvcd.conf, and the flags of the unit' accepts "$deploy/ksvcd.conf" "${args[@]}"
	{ cat "$deploy/ksvcd.conf"; echo 'nonsense: 1'; } >"$tmp/nonsense"
	check 'but not just anything' refuses "$tmp/nonsense" "${args[@]}"
	[ -n "$have_yaml" ] || return
	mapfile -t args < <(of_ksvcd '.args[]')
	of ConfigMap ksvcd '.data["ksvcd.conf"]' >"$tmp/pod.conf"
	of ConfigMap ksvcd .data.kubeconfig >"$tmp/pod.kubeconfig"
	check "ksvcd accepts the ConfigMap's, and the flags of the DaemonSet" \
		accepts "$tmp/pod.conf" "${args[@]/'$(NODE_NAME)'/here}"
	check "and the ConfigMap's kubeconfig" starts "$tmp/pod.kubeconfig"
}

# --- the unit
# A root with the unit, what it starts, and the units it refers to.
verify_unit() {
	local root=$tmp/root out
	mkdir -p "$root/usr/local/sbin" "$root/usr/bin" "$root/etc/systemd/system" "$root/usr/lib/systemd"
	ln -sfn usr/bin "$root/bin"
	cp -r /usr/lib/systemd/system "$root/usr/lib/systemd/" || return
	cp /bin/true "$root/usr/local/sbin/ksvcd"
	cp /bin/kill "$root/usr/bin/"
	cp "$unit" "$root/etc/systemd/system/"
	out=$(systemd-analyze --root="$root" --man=no verify "$root/etc/systemd/system/${unit##*/}" 2>&1) || return
	echo "$out"
	[ -z "$out" ]
}

test_unit() {
	local exposure=16
	check_eq 'the unit starts what make install installs' "$(setting ExecStart | cut -d ' ' -f 1)" \
		"$(make -n -C "$KSVC_TOP/ctl" install 2>&1 | sed -n 's/^install .* \(.*\/ksvcd\)$/\1/p')"
	check_eq 'it keeps the state where ksvcd does' "${state%/*}" "/var/lib/$(setting StateDirectory)"
	check_match 'its ksvcd may write the sysctls of conntrack' "^$(setting ReadWritePaths | sed 's/^-//')/" \
		"$(sed -n 's/^#define SYSCTLS[[:space:]]*"\(.*\)"/\1/p' "$daemon/conntrack.c")"
	check_eq 'the module that is loaded at boot' ksvc "$(grep -v '^#' "$deploy/modules-load.conf")"
	if ! command -v systemd-analyze >/dev/null || [ ! -d /usr/lib/systemd/system ]; then
		skip 'systemd-analyze' 'is not there'
		return
	fi
	check 'systemd-analyze verify is silent' verify_unit
	check "systemd-analyze security: exposed at most $((exposure / 10)).$((exposure % 10)) of 10" \
		systemd-analyze --no-pager security --offline=true --threshold=$exposure "$unit"
}

# --- the loader of the module, on a host whose commands write down what they are asked
# host COMMAND...: a host that has these; FOUND is the version its modprobe finds, LOADED the one that is loaded.
host() {
	local command
	rm -rf "$tmp/host"
	mkdir -p "$tmp/host/bin" "$tmp/host/usr/src" "$tmp/host/sys/module" "$tmp/host/proc/sys/net/netfilter" "$tmp/saved"
	echo "$FOUND" >"$tmp/host/found"
	[ -z "$LOADED" ] || { mkdir "$tmp/host/sys/module/ksvc"; echo "$LOADED" >"$tmp/host/sys/module/ksvc/version"; }
	for command; do
		cp "$tmp/command" "$tmp/host/bin/$command"
	done
	cat >"$tmp/bin/chroot" <<-END
		#!/bin/sh
		[ "\$1" = "$tmp/host" ] || exit 125
		shift
		command=$tmp/host/bin/\$1
		shift
		[ -x "\$command" ] || exit 127
		exec "\$command" "\$@"
	END
	chmod 755 "$tmp/bin/chroot"
}

# A command of that host.
make_command() {
	mkdir -p "$tmp/bin" "$tmp/image"
	cp "$KSVC_TOP/dkms.conf" "$tmp/image/"
	cat >"$tmp/command" <<-'END'
		#!/bin/sh
		host=${0%/bin/*}
		echo "${0##*/} $*" >>"$host/asked"
		case "${0##*/} $*" in
		'modinfo -F version ksvc')	cat "$host/found" ;;
		'modprobe ksvc')
			[ -s "$host/found" ] || exit 1
			mkdir -p "$host/sys/module/ksvc"
			cp "$host/found" "$host/sys/module/ksvc/version"
			;;
		'dkms install '*)
			[ ! -e "$host/no-headers" ] || exit 1
			set -- $*
			[ -e "$host/usr/src/ksvc-$5/dkms.conf" ] || exit 1
			echo "$5" >"$host/found"
			;;
		esac
	END
	chmod 755 "$tmp/command"
}

# load [VARIABLE=VALUE...]: what the init container does there.
load() {
	env PATH="$tmp/bin:$PATH" HOST_ROOT="$tmp/host" MODULE_SOURCE="$tmp/image" STATE_DIR="$tmp/saved" \
		STATE_OWNER="$(id -u)" "$@" "$deploy/load-module"
}
loaded() { cat "$tmp/host/sys/module/ksvc/version" 2>/dev/null; }
sysctl_is() { cat "$tmp/host/proc/sys/net/netfilter/nf_conntrack_$1" 2>/dev/null; }

test_loader() {
	make_command
	FOUND='' LOADED=$version host modprobe modinfo
	check 'a module that is loaded will do' load
	FOUND=$version LOADED='' host modprobe modinfo dkms
	check 'one that modprobe finds is loaded' load
	check_eq 'it is' "$version" "$(loaded)"
	check_eq 'and nothing is built' '' "$(grep dkms "$tmp/host/asked")"
	FOUND='' LOADED='' host modprobe modinfo dkms
	check 'else DKMS builds it' load
	check_eq 'from the sources of the image, for this kernel' \
		"dkms add -m ksvc -v $version dkms install -m ksvc -v $version -k $(uname -r)" \
		"$(grep -E '^dkms (add|install)' "$tmp/host/asked" | paste -sd ' ')"
	check_eq 'and it is loaded' "$version" "$(loaded)"
	FOUND=0.0.1 LOADED=0.0.1 host modprobe modinfo dkms
	check_match 'an older one that is loaded stays' "0\.0\.1 stays .*has $version" "$(load 2>&1)"
	check_eq 'but the next boot gets this one' "$version" "$(cat "$tmp/host/found")"
	FOUND=99.0 LOADED='' host modprobe modinfo dkms
	check 'a newer one is not replaced' load
	check_eq 'but loaded' 99.0 "$(loaded)"
	FOUND=0.0.1 LOADED='' host modprobe modinfo dkms
	touch "$tmp/host/no-headers"
	check 'where nothing can be built, an older one will do' load
	check_eq 'and is loaded' 0.0.1 "$(loaded)"
	FOUND='' LOADED='' host modprobe modinfo
	expect_fail 'without any, and without DKMS, it says what is missing' 1 'no DKMS.*install it' load

	FOUND=$version LOADED=$version host modprobe modinfo
	check 'it sets sysctls' load CONNTRACK_MAX_PER_CORE=10 CONNTRACK_MIN=1000000 CONNTRACK_TCP_TIMEOUT_ESTABLISHED=7
	check_eq 'the maximum, at least so much' 1000000 "$(sysctl_is max)"
	check_eq 'timeouts' 7 "$(sysctl_is tcp_timeout_established)"
	check_eq 'and leaves what it is not told' '' "$(sysctl_is tcp_timeout_close_wait)"
	check 'by the number of processors' load CONNTRACK_MAX_PER_CORE=1000 CONNTRACK_MIN=1
	check_eq 'the maximum' "$(($(nproc --all) * 1000))" "$(sysctl_is max)"
	check_eq 'the directory of the state is for nobody else' 700 "$(stat -c %a "$tmp/saved")"
}

if [ -n "$have_yaml" ]; then
	test_manifests
	test_capability
else
	skip 'the manifests' 'needs jq and python3-yaml'
fi
test_image
test_configurations
test_unit
test_loader

finish
