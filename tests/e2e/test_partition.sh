#!/bin/sh
# SPDX-License-Identifier: MIT
# Two running swarms on two hosts (network namespaces) with a cable between them that is cut while
# memory is on its way, then loses packets; and a third host that serves a history it has rewritten.
# Once the cable is whole both remember the same; at no time was anything visible that nobody signed.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
tag=kg$$
loss=15 # of a hundred packets
monitor=
servers=

skip() {
	echo "SKIP: $*"
	exit 77
}

clean_up() {
	code=$?
	rm -f "$root/watching"
	for host in oak elm; do
		as "$host" down >/dev/null 2>&1 || true
	done
	for pid in $monitor $servers; do
		kill "$pid" 2>/dev/null || true
	done
	for host in oak elm liar; do
		ip netns del "$tag-$host" 2>/dev/null || true
	done
	finish
	exit "$code"
}

PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "no ip (package iproute2)"
ip netns add "$tag-oak" 2>/dev/null || skip "no network namespaces here"
trap clean_up EXIT
# It mounts, which a chroot whose root is no mount point does not allow.
ip netns exec "$tag-oak" true 2>/dev/null || skip "nothing can be run in a network namespace here"
ip netns add "$tag-elm"
ip netns add "$tag-liar"

# on HOST COMMAND…: there.
on() {
	host=$1
	shift
	ip netns exec "$tag-$host" "$@"
}

# cable HOST ADDRESS HOST ADDRESS NAME
cable() {
	ip link add "$5a" netns "$tag-$1" type veth peer name "$5b" netns "$tag-$3" ||
		skip "no virtual cables (veth) here"
	on "$1" ip addr add "$2/24" dev "$5a"
	on "$3" ip addr add "$4/24" dev "$5b"
	on "$1" ip link set "$5a" up
	on "$3" ip link set "$5b" up
}

cable oak 10.77.1.1 elm 10.77.1.2 direct
cable liar 10.77.2.1 elm 10.77.2.2 crooked
for host in oak elm liar; do
	on "$host" ip link set lo up
done

# daemon HOST DIRECTORY: stock git serves what is below it.
daemon() {
	# Not through `on`, whose shell would be what $! names; and nothing of it holds our output open.
	ip netns exec "$tag-$1" git daemon --reuseaddr --export-all --base-path="$2" "$2" \
		>/dev/null 2>&1 &
	servers="$servers $!"
	until_true 10 on "$1" git ls-remote -q "git://127.0.0.1/${3:-memory.git}" >/dev/null 2>&1
}

# What a reader can see meanwhile: only what its author signed.
watch() {
	while [ -e "$root/watching" ]; do
		"$k" --state "$root/elm" recall --limit 10000 --json >"$root/seen" 2>/dev/null || true
		if grep -q -e '"verified": *false' -e 'gives away' "$root/seen"; then
			cp "$root/seen" "$root/unverified"
		fi
		sleep 0.2
	done
}

big() {
	head -c 45000 /dev/urandom | base64 -w 0 |
		as "$1" remember --memory-type observation --message - >/dev/null
}

found oak
found elm
befriend oak elm
for swarm in oak elm; do
	on "$swarm" "$k" --state "$root/$swarm" up -n 2 --detach >/dev/null 2>&1 || fail "up: $swarm"
	daemon "$swarm" "$root/$swarm"
	as "$swarm" ask "an insight of $swarm, a pattern" >/dev/null 2>&1 || fail "ask: $swarm"
done
touch "$root/watching"
watch &
monitor=$!
export KINDERGARTEN_SYNC_QUIET_SECONDS=3

# pull HOST FROM: exit code in $code.
pull() {
	code=0
	on "$1" "$k" --state "$root/$1" sync "git://$3/memory.git" --name "$2" --pull --json \
		>"$root/out" 2>"$root/err" || code=$?
}

pull elm oak 10.77.1.1
[ "$code" -eq 0 ] || fail "a whole cable: $(cat "$root/out" "$root/err")"
[ "$(field '->{taken}' <"$root/out")" -gt 3 ] || fail "$(cat "$root/out")"

# ---- the cable is cut while memory is on its way ----
for n in $(seq 12); do
	big oak
done
on oak tc qdisc add dev directa root tbf rate 1mbit burst 16kb latency 400ms 2>/dev/null ||
	echo "no tbf in this kernel: the cable is cut in a fast transfer"
before=$(as elm recall --agent "$(operator oak)" --limit 10000 --json)
on elm "$k" --state "$root/elm" sync oak --pull >"$root/out" 2>"$root/err" &
sync=$!
on_its_way() {
	held=$(du -sk "$root/elm/incoming/oak.git" 2>/dev/null | cut -f 1)
	[ "${held:-0}" -gt 200 ]
}
until_true 20 on_its_way
on oak ip link set directa down
code=0
wait "$sync" || code=$?
[ "$code" -eq 111 ] || fail "cut: exit $code: $(cat "$root/out" "$root/err")"
[ "$(wc -l <"$root/err")" -eq 1 ] || fail "cut: $(cat "$root/err")"
echo "cut: $(cat "$root/err")"
[ "$(as elm recall --agent "$(operator oak)" --limit 10000 --json)" = "$before" ] ||
	fail "half of what was on its way is visible"
say elm 'elm was alone'
say oak 'oak was alone'
pull elm oak 10.77.1.1
[ "$code" -eq 111 ] || fail "a cut cable: exit $code"
on oak tc qdisc del dev directa root 2>/dev/null || true
on oak ip link set directa up
pull elm oak 10.77.1.1
[ "$code" -eq 0 ] || fail "healed: $(cat "$root/out" "$root/err")"
remembers elm 'oak was alone' || fail "healed, and nothing came"

# ---- the cable loses packets ----
lose() {
	if on elm tc qdisc add dev directb root netem loss "$loss%" 2>/dev/null; then
		echo "lossy: tc netem, $loss %"
	elif command -v nft >/dev/null && on elm nft -f - 2>/dev/null <<-TABLE; then
		table inet loss {
			chain in {
				type filter hook input priority 0;
				iifname "directb" counter
				iifname "directb" numgen random mod 100 < $loss counter drop
			}
		}
	TABLE
		echo "lossy: nft drops $loss % of what comes in (no netem in this kernel)"
	elif on elm iptables -A INPUT -i directb -m statistic --mode random \
		--probability "0.$loss" -j DROP 2>/dev/null; then
		echo "lossy: iptables drops $loss % of what comes in (no netem in this kernel)"
	else
		echo "SKIP: nothing here can lose packets"
	fi
}
lose
for n in 1 2 3; do
	big oak
	big elm
done
export KINDERGARTEN_SYNC_QUIET_SECONDS=60
pull elm oak 10.77.1.1
[ "$code" -eq 0 ] || fail "lossy: $(cat "$root/out" "$root/err")"
pull oak elm 10.77.1.2
[ "$code" -eq 0 ] || fail "lossy: $(cat "$root/out" "$root/err")"
on elm nft list table inet loss 2>/dev/null | sed -n 's/.*counter packets \([0-9]*\).*/\1/p' |
	sort -n | paste -s -d ' ' | sed 's/\(.*\) \(.*\)/measured: \1 of \2 packets were lost/'
on elm tc qdisc del dev directb root 2>/dev/null || true
on elm nft delete table inet loss 2>/dev/null || true
on elm iptables -F INPUT 2>/dev/null || true

# ---- a host that rewrites history ----
# It had oak's memory as it is; then every entry of the operator says something else.
git clone -q --mirror "$root/oak/memory.git" "$root/liar/memory.git"
daemon liar "$root/liar"
pull elm liar 10.77.2.1
[ "$code" -eq 0 ] || fail "not honest before: $(cat "$root/out" "$root/err")"
hub=$root/liar/memory.git
parent=
for commit in $(git -C "$hub" rev-list --reverse "$(chain "$(operator oak)")"); do
	parent=$(git -C "$hub" cat-file commit "$commit" |
		sed -e 's/oak says/oak gives away/' -e "s/^parent .*/parent ${parent:-none}/" |
		git -C "$hub" hash-object -t commit -w --stdin --literally)
done
git -C "$hub" update-ref "$(chain "$(operator oak)")" "$parent"
pull elm liar 10.77.2.1
[ "$code" -eq 1 ] || fail "the liar is believed: $(cat "$root/out" "$root/err")"
case "$(field '->{reason}' <"$root/out")" in
bad_signature | rolled_back) ;;
*) fail "the liar: $(cat "$root/out")" ;;
esac
code=0
as elm verify --all >"$root/out" 2>"$root/err" || code=$?
[ "$code" -eq 1 ] || fail "verify is content: $(cat "$root/out" "$root/err")"
grep 'remote liar is in quarantine' "$root/out" || fail "verify does not name it: $(cat "$root/out")"
pull elm liar 10.77.2.1
[ "$code" -eq 1 ] || fail "the liar is asked again"

# ---- healed: both remember the same ----
for swarm in oak elm; do
	as "$swarm" down >/dev/null || fail "down: $swarm"
done
pull elm oak 10.77.1.1
[ "$code" -eq 0 ] || fail "$(cat "$root/out" "$root/err")"
pull oak elm 10.77.1.2
[ "$code" -eq 0 ] || fail "$(cat "$root/out" "$root/err")"
rm "$root/watching"
wait "$monitor" || true
monitor=
same oak elm
[ ! -e "$root/unverified" ] || fail "something was visible that nobody signed: $(cat "$root/unverified")"
as oak verify --all >/dev/null || fail "verify: oak"
rm "$root/elm/remotes/liar.json"
as elm verify --all || fail "verify: elm"
echo ok
