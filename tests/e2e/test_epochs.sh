#!/bin/sh
# SPDX-License-Identifier: MIT
# Epochs on their way to others: to who has the chain as it was, to who has never seen it, to who
# missed one, by a repository in between; and not without the word of their swarm.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
export KINDERGARTEN_MEMORY_TTL_HEARTBEAT_HOURS=0.0000001

beats() {
	for n in 1 2 3; do
		as "$1" remember --memory-type heartbeat --message "alive $n" >/dev/null
	done
}

# takes SWARM REMOTE [OPTION…]: without a finding, and what it has then is sound.
takes() {
	who=$1
	shift
	as "$who" sync "$@" --json >"$root/out" 2>"$root/err" || fail "$who sync $*: $(cat "$root/out" "$root/err")"
	[ "$(field '->{findings}[0]{reason} // "none"' <"$root/out")" = none ] || fail "$who: $(cat "$root/out")"
	as "$who" verify --all >"$root/out" 2>&1 || fail "$who verify: $(cat "$root/out")"
	git -C "$root/$who/memory.git" fsck --strict >/dev/null 2>&1 || fail "$who: fsck"
}

found oak
found elm
found ash
befriend oak elm
befriend oak ash
victim=$(operator oak)
beats oak
takes elm "$root/oak" --name oak
git init -q --bare "$root/hub.git"
takes oak "$root/hub.git"
takes elm "$root/hub.git"
cp -a "$root/hub.git" "$root/old.git"

# ---- nobody's word ----
# The chain begun anew, and the checkpoint of its swarm held back: nothing of it is taken.
as oak compact | grep -q '^3 entries forgotten' || fail "nothing was forgotten"
git clone -q --mirror "$root/oak/memory.git" "$root/unsaid.git"
git -C "$root/unsaid.git" update-ref "$(chain "$(key oak)")" "$(chain "$(key oak)")~1"
for swarm in elm ash; do
	as "$swarm" sync "$root/unsaid.git" --pull --json >"$root/out" 2>/dev/null || true
	[ "$(field '->{findings}[0]{reason}' <"$root/out")" = bad_epoch ] || fail "$swarm: $(cat "$root/out")"
	rm "$root/$swarm/remotes/unsaid.json"
	as "$swarm" verify --all >"$root/out" || fail "$swarm: $(cat "$root/out")"
done
[ "$(git -C "$root/elm/memory.git" rev-list --count "$(chain "$victim")")" -eq 6 ] || fail "elm has lost entries"
! git -C "$root/ash/memory.git" rev-parse -q --verify "$(chain "$victim")" >/dev/null || fail "ash has taken it"

# ---- with it ----
takes elm oak
takes ash "$root/oak" --name oak
for swarm in elm ash; do
	[ "$(git -C "$root/$swarm/memory.git" rev-parse "$(chain "$victim")")" = \
		"$(git -C "$root/oak/memory.git" rev-parse "$(chain "$victim")")" ] || fail "$swarm has another chain"
done
takes oak hub
same oak elm
[ "$(git -C "$root/hub.git" rev-parse "$(chain "$victim")")" = \
	"$(git -C "$root/oak/memory.git" rev-parse "$(chain "$victim")")" ] || fail "the hub has the epoch before"
git -C "$root/hub.git" fsck --strict >/dev/null 2>&1 || fail "fsck of the hub"
takes elm hub
takes ash "$root/hub.git"
# What has nothing behind that root is no news, and gets it.
takes elm "$root/old.git"
[ "$(git -C "$root/old.git" rev-parse "$(chain "$victim")")" = \
	"$(git -C "$root/hub.git" rev-parse "$(chain "$victim")")" ] || fail "the epoch is not handed on"

# ---- missed ----
say oak 'oak goes on'
beats oak
as oak compact >/dev/null
beats oak
as oak compact >/dev/null
takes elm oak
same oak elm
as oak export "$root/oak.bundle" >/dev/null
as ash import "$root/oak.bundle" >/dev/null 2>&1 || fail "a bundle with an epoch"
as ash verify --all >/dev/null || fail "ash: verify"
found fir
befriend oak fir
takes fir "$root/oak" --name oak
remembers fir 'oak goes on' || fail "who comes late lacks what was kept"

# ---- another history ----
# Two copies of one disk go on. What one of them said cannot be done away with by the other's epoch.
cp -a "$root/oak" "$root/twin"
say oak 'oak says yes'
takes elm oak
beats twin
as twin compact >/dev/null
as elm sync "$root/twin" --name twin --json >"$root/out" 2>/dev/null || true
grep -q 'leaves out entry' "$root/out" || fail "taken for an epoch of this chain: $(cat "$root/out")"
[ "$(git -C "$root/elm/memory.git" rev-parse "$(chain "$victim")")" = \
	"$(git -C "$root/oak/memory.git" rev-parse "$(chain "$victim")")" ] || fail "a fork took a chain's place"
no as elm verify --all
echo ok
