#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksvcd under 20,000 random events (6,000 on other kernels than 6.12): at each quiet point the kernel equals a
# reference model, though the daemon was killed in the midst of events. No connection is lost, and memory does not
# grow.
#
#   pod ------------- node (ksvc, ksvcd) ------------- srv (API server)
#   10.1.0.2   10.1.0.1               10.2.0.1   10.2.0.2:6443      endpoint 10.2.0.2:8080
#
# timeout: 600

# shellcheck disable=SC2119,SC2317 # optional arguments; functions for busywait
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"
# shellcheck source=tests/helpers/ksvcd.sh
. "$(dirname "$0")/helpers/ksvcd.sh"

events=20000 rounds=20
# Once is enough, elsewhere fewer.
[ "${KSVC_KERNEL-}" = 6.12 ] || events=6000
make_topology curl ksvcd
serve "$srv" 10.2.0.2:8080/tcp
api_start
put "$(service anchor "$(clusterip 10.96.255.1)")$(slice anchor-1 anchor 10.2.0.2)"
put '{"apiVersion":"v1","kind":"Node","metadata":{"name":"here"}}'
daemon_start --master $api_url --nodeport-addresses 0.0.0.0/0
check 'ksvcd follows the API server' busywait 30 names_are ns/anchor
hold "$pod" 10.96.255.1:80/tcp 10.96.255.1:80/tcp 10.96.255.1:80/tcp

mkfifo "$tmp/go" "$tmp/models"
ip netns exec "$srv" python3 "$KSVC_TOP/tests/helpers/ksvcd_soak.py" http://10.2.0.2:6444 $events $((events / rounds)) 1 \
	<"$tmp/go" >"$tmp/models" 2>"$tmp/soak" &
exec {go}>"$tmp/go" {models}<"$tmp/models"

# What the kernel has, in the words of the model.
actual() {
	ctl --json show | python3 -I -S -c '
import json, sys
services = {}
for s in json.load(sys.stdin)["services"]:
    if s["name"].startswith("soak/"):
        services[s["name"]] = {
            "frontends": {f["address"]: f.get("class", "cluster-ip") for f in s["frontends"]},
            "endpoints": {e["address"]: ",".join(e["sets"] + ["draining"] * e.get("draining", False) +
                                                 ["not-serving"] * (not e.get("serving", True)))
                          for e in s["endpoints"]},
            "internal": s["internal-policy"] == "local", "external": s["external-policy"] == "local"}
print(json.dumps(services, sort_keys=True))'
}
equals_model() { actual >"$tmp/actual"; cmp -s "$tmp/actual" "$tmp/model"; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon_pid/status"; }

# round N: the changes of a round are made, if need be with a kill in their midst; returns when the kernel follows.
one_round() {
	local line
	echo go >&"$go"
	if [ "$1" -le $((rounds / 2)) ]; then
		# At another moment every time.
		sleep "0.$((RANDOM % 90 + 10))"
		daemon_kill
		daemon_start --master $api_url --nodeport-addresses 0.0.0.0/0
	fi
	IFS= read -r -t $((120 * KSVC_SLOW)) -u "$models" line || return
	printf '%s\n' "$line" >"$tmp/model"
	busywait 60 equals_model
}

good=0
for ((round = 1; round <= rounds; round++)); do
	if ! one_round $round; then
		note "round $round:" "$(cat "$tmp/soak")" "$(tail -n 3 "$tmp/log")"
		python3 - "$tmp/model" "$tmp/actual" <<-'END' | head -n 5
			import json, sys
			model, actual = (json.load(open(path)) for path in sys.argv[1:])
			for name in sorted(model.keys() | actual.keys()):
			    if model.get(name) != actual.get(name):
			        print('#', name, 'should be', model.get(name), 'is', actual.get(name))
		END
		break
	fi
	good=$((good + 1))
	[ $round != $((rounds / 2 + 2)) ] || before=$(rss)
done
check_eq "$rounds quiet points after $events events, $((rounds / 2)) kills: the kernel equals the model" $rounds $good
check 'the connections of before go on' all_alive
check_match 'new ones work' '10\.2\.0\.2' "$(client "$pod" 10.96.255.1:80/tcp)"
after=$(rss)
check "memory does not grow: $before KB, $after KB" [ "$after" -le $((before + before / 10 + 512)) ]
check_eq 'nothing was refused' 0 "$(metric 'ksvc_objects_refused_total{kind="Service"}')"
release
daemon_stop

finish
