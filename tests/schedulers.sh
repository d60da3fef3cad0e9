#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What each scheduler does with connections that really come. That shares are
# even and tables right in general is for tests/unit.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#   .10 to .49
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#   ::10 to ::49
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack nft
for n in {10..49}; do
	echo "addr add 10.1.0.$n/24 dev e0"
	echo "addr add fd01::$n/64 dev e0 nodad"
done | ip -n "$pod" -batch -
servers=()
for i in 4 6; do
	use_family $i
	for n in 2 3 4; do
		servers+=("$L$ep$n$R:8080/tcp" "$L$ep$n$R:8080/udp")
	done
done
serve "$srv" "${servers[@]}"

# live NAME: live connections of each endpoint, in the form of endpoints().
live() {
	ctl --json show "$1" | python3 -I -S -c '
import json, sys
service = json.load(sys.stdin)["services"][0]
print(*sorted("%s=%d" % (e["address"], e["active"]) for e in service["endpoints"] if e["active"]))'
}
# shellcheck disable=SC2317 # by busywait
live_is() { [ "$(live web)" = "$1" ]; }
clients() { printf "${pod_addr%2}%s," "$@" | sed 's/,$//'; }
flows() { helper "$pod" udp_flows.py "$@" "$L${vip}1$R:80"; }

# expected COUNT2 COUNT3 COUNT4: in the form of endpoints().
expected() {
	local n=2 count
	for count; do
		[ "$count" = 0 ] || echo "$L$ep$n$R:8080=$count"
		n=$((n + 1))
	done | sort | paste -sd ' '
}

for i in 4 6; do
	use_family $i
	e2=$L${ep}2$R:8080 e3=$L${ep}3$R:8080 e4=$L${ep}4$R:8080
	both=(--vip "$L${vip}1$R:80/udp" --vip "$L${vip}1$R:80/tcp")

	ctl add-service web "${both[@]}" --scheduler rr --endpoint "$e2" --endpoint "$e3" --endpoint "$e4"
	check_eq "$f rr: one after the other" "$(expected 10 10 10)" "$(flows 10000 30 | endpoints)"
	ctl set-endpoint web "$e3@0"
	check_eq "$f rr: not to one of weight 0" "$(expected 10 0 10)" "$(flows 10100 20 | endpoints)"

	ctl set-service web --scheduler wrr --endpoint "$e2@1" --endpoint "$e3@2" --endpoint "$e4@5"
	check_eq "$f wrr: as often as the weights say" "$(expected 10 20 50)" "$(flows 10200 80 | endpoints)"

	ctl set-service web --scheduler sh --endpoint "$e2" --endpoint "$e3" --endpoint "$e4"
	check_eq "$f sh: a client has one endpoint" 1 \
		"$(client "$pod" -n 30 -s "${pod_addr%2}10" "$L${vip}1$R:80/tcp" | endpoints | wc -w)"
	check_eq "$f sh: clients have different ones" 3 \
		"$(client "$pod" -n 39 -s "$(clients {11..49})" "$L${vip}1$R:80/tcp" | endpoints | wc -w)"

	# Ties are broken by a hash, so that only the counts are certain.
	ctl set-service web --scheduler lc --endpoint "$e2" --endpoint "$e3" --endpoint "$e4"
	hold "$pod" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" \
		"$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp"
	check_eq "$f lc: connections that are held" 6 "$held"
	check_eq "$f lc: spread evenly, without chance" "$(expected 2 2 2)" "$(live web)"
	ctl del-endpoint web "$e4"
	ctl add-endpoint web "$e4"
	check_eq "$f lc: an endpoint that comes back begins with none" "$(expected 2 2 0)" "$(live web)"
	check_eq "$f lc: and gets what is new" "$(expected 0 0 1)" \
		"$(client "$pod" "$L${vip}1$R:80/tcp" | endpoints)"
	release
	check "$f lc: what was closed is no load, though conntrack remembers it" busywait 10 live_is ''
	ctl set-endpoint web "$e4@4"
	hold "$pod" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" \
		"$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp"
	check_eq "$f lc: relative to the weights" "$(expected 1 1 4)" "$(live web)"
	ctl set-service web --scheduler random
	ctl set-service web --scheduler lc
	check_eq "$f lc: begun anew, it knows of none" '' "$(live web)"
	ip netns exec "$node" conntrack -F 2>/dev/null
	client "$pod" -n 6 "$L${vip}1$R:80/tcp" >"$tmp/anew"
	check_eq "$f lc: the end of those from before does not count" 6 "$(grep -c 8080 "$tmp/anew")"
	check "$f lc: nor do they leave less than nothing" busywait 10 live_is ''
	release
	hold "$pod" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/tcp"
	check_match "$f lc: what is held now does" '=' "$(live web)"
	ip netns exec "$node" conntrack -F 2>/dev/null
	check "$f lc: entries that go take their load along" busywait 10 live_is ''
	release
	# Longer than a client waits for its next attempt.
	on "$node" nft -f - <<-END
		table inet policies {
			chain forward {
				type filter hook forward priority filter
				meta l4proto { tcp, udp } th dport 8080 counter drop
			}
		}
	END
	client "$pod" -n 6 -t 3 "$L${vip}1$R:80/tcp" "$L${vip}1$R:80/udp" >"$tmp/dropped"
	check_eq "$f lc: nothing gets through a policy" 12 "$(grep -c timeout "$tmp/dropped")"
	check_eq "$f lc: what is dropped on its way is no load" '' "$(live web)"
	on "$node" nft delete table inet policies

	# Another node with the same endpoints, some of which are local there, and in another order.
	ctl set-service web --scheduler maglev --endpoint "$e2@1" --endpoint "$e3@2" --endpoint "$e4@3"
	ksvcctl --netns "$srv" add-service web "${both[@]}" --scheduler maglev \
		--endpoint "$e4@3" --endpoint "$e3@2" --endpoint "$e2@1"
	ksvcctl --netns "$srv" set-endpoint web "$e3" --sets cluster
	client "$pod" -s "$pod_addr" -n 20 -p 12000 "$L${vip}1$R:80/tcp" | awk '{ sub(/.*:/, "", $3); print $3, $2 }' | sort >"$tmp/went"
	for ns in "$node" "$srv"; do
		for ((port = 12000; port < 12020; port++)); do
			echo "port $port"
			ksvcctl --netns "$ns" --json explain --in lo --from "$L$pod_addr$R:$port" --to "$L${vip}1$R:80/tcp"
		done | awk -F '"' '/^port/ { port = $0 } $2 == "chosen" { sub(/port /, "", port); print port, $4 }' \
			>"$tmp/explained"
		check "$f maglev: flows go where every node would send them" diff "$tmp/went" "$tmp/explained"
	done
	ksvcctl --netns "$srv" flush

	before=$(reason no-connection) total=$(total web)
	helper "$pod" raw.py "$pod_addr" "ack=$L${vip}1$R:80" "udp=$L${ep}2$R:9" >"$tmp/raw"
	check_match "$f maglev: a segment of a connection from another node goes to its endpoint, which resets it" \
		'^ack.* reset' "$(cat "$tmp/raw")"
	helper "$pod" raw.py -p 40500 "$pod_addr" "finack=$L${vip}1$R:80" "udp=$L${ep}2$R:9" >"$tmp/fin"
	check_match "$f maglev: a FIN of one, which conntrack makes nothing of, is reset here" \
		'^finack.* reset' "$(cat "$tmp/fin")"
	check_eq "$f maglev: and only that" "$((before + 1)) $((total + 1))" "$(reason no-connection) $(total web)"
	ctl set masquerade-all on
	helper "$pod" raw.py -p 41000 "$pod_addr" "ack=$L${vip}1$R:80" "udp=$L${ep}2$R:9" >"$tmp/raw"
	check_eq "$f maglev: of one that was masqueraded, no node knows the source" \
		"$((before + 2)) $((total + 1))" "$(reason no-connection) $(total web)"
	ctl set masquerade-all off
	ctl del-service web
done

finish
