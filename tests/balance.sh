#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# New connections are spread evenly, or as the weights say. Shares are random:
# they may be off by seven standard deviations, which chance does less than once
# in a hundred million runs. What is not random is the endpoint of a given flow.
#
#   pod ------------- node (ksvc) ------------- srv
#          p0                          s0
#   10.1.0.2   10.1.0.1      10.2.0.1   10.2.0.2 .3 .4     endpoints, port 8080
#   fd01::2    fd01::1       fd02::1    fd02::2  ::3 ::4
#
# timeout: 300

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/helpers/topology.sh
. "$(dirname "$0")/helpers/topology.sh"

make_topology conntrack
servers=()
for i in 4 6; do
	use_family $i
	for n in 2 3 4; do
		servers+=("$L$ep$n$R:8080/tcp" "$L$ep$n$R:8080/udp")
	done
done
serve "$srv" "${servers[@]}"

# shares WEIGHT2 WEIGHT3 WEIGHT4 COUNTS: the counts of endpoints 2 to 4 are as the weights want them.
# shellcheck disable=SC2317 # by check
shares() {
	awk -v w2="$1" -v w3="$2" -v w4="$3" -v counts="$4" 'BEGIN {
		w[2] = w2; w[3] = w3; w[4] = w4
		for (i = split(counts, c, " "); i; i--) {
			match(c[i], /[234]\]?:8080=/)
			got[substr(c[i], RSTART, 1)] = substr(c[i], RSTART + RLENGTH)
		}
		for (e in w) {
			n += got[e]
			sum += w[e]
		}
		for (e in w) {
			p = w[e] / sum
			off = got[e] - n * p
			if (off * off > 49 * n * p * (1 - p)) {
				printf "endpoint %s got %d of %d, not about %d\n", e, got[e], n, n * p
				bad = 1
			}
		}
		exit bad || !n
	}'
}

# flows PORT N VIP...: UDP flows to each of these VIPs from N source ports. The table of a small machine is full after
# some thousands, and evicts flows before they are answered.
flows() {
	local port=$1 n=$2 targets=() host
	shift 2
	on "$node" conntrack -F 2>/dev/null
	for host; do
		targets+=("$L$vip$host$R:80")
	done
	helper "$pod" udp_flows.py "$port" "$n" "${targets[@]}"
}

for i in 4 6; do
	use_family $i
	ends=(--endpoint "$L${ep}2$R:8080" --endpoint "$L${ep}3$R:8080" --endpoint "$L${ep}4$R:8080")
	hosts=({10..39})
	vips=(--vip "$L${vip}10$R:80/tcp")
	for host in "${hosts[@]}"; do
		vips+=(--vip "$L$vip$host$R:80/udp")
	done
	ctl add-service web "${vips[@]}" "${ends[@]}"

	udp=$(flows 10000 100 "${hosts[@]}" | endpoints)
	check "$f UDP: even shares of 3,000 connections" shares 1 1 1 "$udp"
	check_eq "$f UDP: which the counters know exactly" "$udp" "$(counted web)"
	tcp=$(client "$pod" -n 1000 -p 10000 "$L${vip}10$R:80/tcp" | endpoints)
	check "$f TCP: even shares of 1,000 connections" shares 1 1 1 "$tcp"
	check_eq "$f: the service has counted both" 4000 "$(total web)"

	ctl set-endpoint web "$L${ep}3$R:8080@2" "$L${ep}4$R:8080@5"
	check "$f UDP: shares of weights 1, 2 and 5" shares 1 2 5 "$(flows 11000 100 "${hosts[@]}" | endpoints)"
	check "$f TCP: also from the node" shares 1 2 5 \
		"$(client "$node" -n 500 -p 11000 "$L${vip}10$R:80/tcp" | endpoints)"

	ctl set-endpoint web "$L${ep}3$R:8080" --weight 0
	check "$f: weight 0 gets nothing, the others their share" shares 1 0 5 \
		"$(flows 12000 100 {10..19} | endpoints)"
	ctl set-endpoint web "$L${ep}3$R:8080" --weight 1
	ctl del-endpoint web "$L${ep}4$R:8080"
	check "$f: nor does an endpoint that left" shares 1 1 0 "$(flows 13000 100 {10..19} | endpoints)"
	ctl add-endpoint web "$L${ep}4$R:8080"
	check "$f: and one that came back gets its share" shares 1 1 1 "$(flows 14000 100 {10..19} | endpoints)"
	ctl set-service web --endpoint "$L${ep}2$R:8080@0" --endpoint "$L${ep}3$R:8080@65535"
	check "$f: the heaviest possible gets all when the other has weight 0" shares 0 1 0 \
		"$(flows 15000 100 10 | endpoints)"
	ctl set-service web --endpoint "$L${ep}2$R:8080@0"
	check_match "$f: no endpoint but of weight 0 is none (F1)" 'reject \(no-endpoint, rule F1\)' \
		"$(ctl explain --from "$pod_addr" --to "$L${vip}10$R:80/udp")"

	# The choice depends on the flow and on the endpoints, on nothing else.
	ctl set-service web "${ends[@]}"
	flows 16000 100 10 >"$tmp/first"
	flows 16000 100 10 >"$tmp/second"
	check "$f: flows that come again get the endpoints they had" diff "$tmp/first" "$tmp/second"
	check "$f: and those are three" [ "$(endpoints <"$tmp/first" | wc -w)" = 3 ]

	[ $i = 4 ] && proto=udp || proto=tcp
	target=$L${vip}10$R:80/$proto
	client "$pod" -n 50 -p 17000 "$target" | sed 's/.* \(.*\) .*:/\1 /' | awk '{ print $2, $1 }' | sort >"$tmp/went"
	for ((port = 17000; port < 17050; port++)); do
		echo "port $port"
		ctl --json explain --from "$L$pod_addr$R:$port" --to "$target"
	done | awk -F '"' '/^port/ { port = $0 } $2 == "chosen" { sub(/port /, "", port); print port, $4 }' >"$tmp/explained"
	check "$f ${proto^^}: explain knows where each of 50 flows goes" diff "$tmp/explained" "$tmp/went"
	ctl del-service web
done

finish
