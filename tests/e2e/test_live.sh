#!/bin/sh
# SPDX-License-Identifier: MIT
# Two running swarms that write all the time and exchange all the time, both ways at once: what is
# read while it moves is never taken for a lie, and at the end both remember the same.
# Two who push to one repository at once take nothing from each other. KG_LIVE_SECONDS is how long.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
seconds=${KG_LIVE_SECONDS:-10}
workers=
# Many checkpoints: each names ends of chains that move.
export KINDERGARTEN_SWARM_CHECKPOINT_SECONDS=1

end() {
	code=$?
	rm -f "$root/living"
	for pid in $workers; do
		wait "$pid" 2>/dev/null || true
	done
	for swarm in oak elm; do
		as "$swarm" down >/dev/null 2>&1 || true
	done
	finish
	exit "$code"
}

writes() {
	n=0
	while [ -e "$root/living" ]; do
		n=$((n + 1))
		say "$1" "$1 goes on, $n" || echo "$1: not said" >>"$root/trouble"
		[ $((n % 5)) -ne 0 ] || as "$1" remember --memory-type insight --private --message "$1 keeps $n" \
			>/dev/null || echo "$1: not sealed" >>"$root/trouble"
	done
	echo "$n" >"$root/said-$1"
}

# exchanges SWARM REMOTE: every exchange is without a finding.
exchanges() {
	n=0
	while [ -e "$root/living" ]; do
		n=$((n + 1))
		code=0
		as "$1" sync "$2" --json >"$root/sync-$1-$2" 2>"$root/err-$1-$2" || code=$?
		grep -q '"findings": *\[\]' "$root/sync-$1-$2" && [ "$code" -eq 0 ] && continue
		{
			echo "$1 sync $2: exit $code"
			cat "$root/sync-$1-$2" "$root/err-$1-$2"
		} >>"$root/trouble"
	done
	echo "$n" >"$root/exchanged-$1-$2"
}

found oak
found elm
befriend oak elm
git init -q --bare "$root/hub.git"
git -C "$root/hub.git" config receive.denyNonFastForwards true
for swarm in oak elm; do
	as "$swarm" up -n 1 --detach >/dev/null 2>&1 || fail "up: $swarm"
done
as oak sync "$root/elm" --name elm >/dev/null 2>&1 || fail "first"
as elm sync "$root/oak" --name oak >/dev/null 2>&1 || fail "first"
for swarm in oak elm; do
	as "$swarm" sync "$root/hub.git" --name hub >/dev/null 2>&1 || fail "first"
done
touch "$root/living"
trap end EXIT
writes oak &
workers="$workers $!"
writes elm &
workers="$workers $!"
exchanges oak elm &
workers="$workers $!"
exchanges elm oak &
workers="$workers $!"
exchanges oak hub &
workers="$workers $!"
exchanges elm hub &
workers="$workers $!"
sleep "$seconds" # how long it goes on, not what it waits for
rm "$root/living"
for pid in $workers; do
	wait "$pid" || true
done
workers=
[ ! -e "$root/trouble" ] || fail "$(head -n 40 "$root/trouble")"
echo "said: $(cat "$root/said-oak") and $(cat "$root/said-elm"), exchanged: $(cat "$root"/exchanged-* | paste -s -d ' ')"
for swarm in oak elm; do
	as "$swarm" down >/dev/null || fail "down: $swarm"
done
as oak sync elm >/dev/null 2>&1 || fail "$(as oak sync elm 2>&1)"
as elm sync oak >/dev/null 2>&1 || fail "$(as elm sync oak 2>&1)"
as oak sync hub >/dev/null 2>&1 || fail "$(as oak sync hub 2>&1)"
as elm sync hub >/dev/null 2>&1 || fail "$(as elm sync hub 2>&1)"
same oak elm
! grep -l quarantined "$root"/oak/remotes/*.json "$root"/elm/remotes/*.json || fail "in quarantine"
for swarm in oak elm; do
	as "$swarm" verify --all >"$root/out" 2>&1 || fail "verify $swarm: $(cat "$root/out")"
	[ "$(git -C "$root/$swarm/memory.git" rev-list "$(chain "$(operator oak)")" | sort | git hash-object --stdin)" = \
		"$(git -C "$root/hub.git" rev-list "$(chain "$(operator oak)")" | sort | git hash-object --stdin)" ] || fail "the hub"
done
echo ok
