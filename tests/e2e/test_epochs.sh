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

# latest REPOSITORY: where it has the chain that this is about, in its latest epoch.
latest() {
	git -C "$1" for-each-ref --format='%(refname:lstrip=4) %(objectname)' "refs/heads/epochs/$victim" |
		sort -n | sed -n '$s/.* //p' | grep . || git -C "$1" rev-parse "$(chain "$victim")"
}

# agrees SWARM: it has the chain as its own swarm has it, and remembers what is on it.
agrees() {
	[ "$(latest "$root/$1/memory.git")" = "$(latest "$root/oak/memory.git")" ] || fail "$1 has another chain"
	remembers "$1" 'oak says 3' || fail "$1 has lost what was kept"
}

# sound REPOSITORY: for verify, with the key of the swarm alone, and for stock git; it and a clone.
sound() {
	rm -rf "$root/clone"
	git clone -q "$1" "$root/clone" 2>/dev/null
	for repository in "$1" "$root/clone"; do
		as oak verify --all --repository "$repository" --swarm "$(key oak)" >"$root/out" 2>&1 ||
			fail "verify $repository: $(cat "$root/out")"
		git -C "$repository" fsck --strict >/dev/null 2>&1 || fail "fsck $repository"
	done
}

# Like most servers: what was there stays there.
make_hub() {
	git init -q --bare "$root/$1.git"
	git -C "$root/$1.git" config receive.denyNonFastForwards true
	git -C "$root/$1.git" config receive.denyDeletes true
}

found oak
found elm
found ash
befriend oak elm
befriend oak ash
victim=$(operator oak)
beats oak
takes elm "$root/oak" --name oak
make_hub hub
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

# Its word, and not all of what was kept: that is held back by who carries it.
git clone -q --mirror "$root/oak/memory.git" "$root/held.git"
git -C "$root/held.git" update-ref "$(chain "$victim")" "$(chain "$victim")~1"
no as elm sync "$root/held.git" --pull --json
[ "$(field '->{reason}' <"$root/out")" = truncated ] || fail "held back: $(cat "$root/out")"
grep -q bad_epoch "$root/out" || fail "held back: $(cat "$root/out")"
rm "$root/elm/remotes/held.json"

# ---- with it ----
takes elm oak
takes ash "$root/oak" --name oak
agrees elm
agrees ash
takes oak hub
agrees elm
before=$(git -C "$root/old.git" rev-parse "$(chain "$victim")")
[ "$(git -C "$root/hub.git" rev-parse "$(chain "$victim")")" = "$before" ] || fail "something was forced"
[ "$(git -C "$root/hub.git" rev-parse "refs/heads/epochs/$victim/1")" = "$(latest "$root/oak/memory.git")" ] ||
	fail "the epoch is not on the hub"
sound "$root/hub.git"
takes elm hub
takes ash "$root/hub.git"
# What has nothing behind that root is no news, and gets it.
takes elm "$root/old.git"
[ "$(latest "$root/old.git")" = "$(latest "$root/hub.git")" ] || fail "the epoch is not handed on"
# It goes on there, and a repository that has nothing of the chain has it under one name.
say oak 'oak goes on where it is'
takes oak hub
[ "$(latest "$root/hub.git")" = "$(latest "$root/oak/memory.git")" ] || fail "the epoch does not go on"
make_hub fresh
takes oak "$root/fresh.git"
[ "$(git -C "$root/fresh.git" rev-parse "$(chain "$victim")")" = "$(latest "$root/oak/memory.git")" ] ||
	fail "a fresh hub"
[ "$(git -C "$root/fresh.git" for-each-ref | grep -c epochs)" -eq 0 ] || fail "an epoch on a fresh hub"
takes elm hub

# Of the epoch before nothing can be seen any more; what is left of it on the disk goes on demand.
old=$(git -C "$root/old.git" rev-parse "$(chain "$victim")")
git -C "$root/elm/memory.git" cat-file -e "$old" || fail "there is nothing to test here"
count=$(as elm compact --json | field '->{unreached}')
[ "$count" -ge 6 ] || fail "$count objects were dropped"
! git -C "$root/elm/memory.git" cat-file -e "$old" 2>/dev/null || fail "the old epoch is still there"
as elm verify --all >/dev/null || fail "elm: verify after compact"
git -C "$root/elm/memory.git" fsck --strict >/dev/null 2>&1 || fail "elm: fsck after compact"
[ "$(as elm compact --json | field '->{unreached}')" -eq 0 ] || fail "dropped twice"
takes elm hub
agrees elm

# ---- missed ----
say oak 'oak goes on'
beats oak
as oak compact >/dev/null
beats oak
as oak compact >/dev/null
takes oak hub
takes oak fresh
[ "$(git -C "$root/hub.git" for-each-ref "refs/heads/epochs/$victim" | wc -l)" -eq 2 ] || fail "not two epochs"
[ "$(latest "$root/hub.git")" = "$(latest "$root/oak/memory.git")" ] || fail "the third epoch is not on the hub"
sound "$root/hub.git"
sound "$root/fresh.git"
takes elm hub
agrees elm
takes elm oak
agrees elm
as oak export "$root/oak.bundle" >/dev/null
as ash import "$root/oak.bundle" >/dev/null 2>&1 || fail "a bundle with an epoch"
as ash verify --all >/dev/null || fail "ash: verify"
found fir
befriend oak fir
takes fir "$root/oak" --name oak
remembers fir 'oak goes on' || fail "who comes late lacks what was kept"
found yew
befriend oak yew
takes yew "$root/hub.git"
agrees yew
git -C "$root/hub.git" bundle create -q "$root/hub.bundle" --all
found box
befriend oak box
as box import "$root/hub.bundle" >/dev/null 2>&1 || fail "a bundle of the hub"
agrees box

# ---- two directories of one swarm ----
# One has the chain as it was, and gets the epoch: directly, by a hub, in a bundle.
cp -a "$root/oak" "$root/direct"
cp -a "$root/oak" "$root/byhub"
cp -a "$root/oak" "$root/bybundle"
beats oak
takes byhub "$root/oak" --name other
as oak compact >/dev/null
takes oak hub
as oak export "$root/all.bundle" >/dev/null
takes direct "$root/oak" --name other
takes byhub hub
as bybundle import "$root/all.bundle" >/dev/null 2>&1 || fail "a bundle of its own"
for copy in direct byhub bybundle; do
	agrees "$copy"
	as "$copy" verify --all >"$root/out" || fail "$copy: $(cat "$root/out")"
done

# ---- a false epoch beside the true one ----
# Whoever may write to the hub cannot put a chain in the place of what its swarm says.
cp -a "$root/hub.git" "$root/false.git"
takes elm "$root/false.git"
tip=$(latest "$root/hub.git")
git -C "$root/false.git" fetch -q "$root/unsaid.git" "$(chain "$victim"):refs/heads/epochs/$victim/900"
takes elm "$root/false.git"
agrees elm
no as oak verify --all --repository "$root/false.git" --swarm "$(key oak)"
grep -q stray_ref "$root/out" || fail "verify: $(cat "$root/out")"
git -C "$root/false.git" update-ref -d "refs/heads/epochs/$victim/900"
# The author himself, without his swarm: it is told, the remote stays, and what is good is taken.
cp -a "$root/oak" "$root/rogue"
beats rogue
as rogue compact >/dev/null
number=$(as rogue compact --json | field '->{chains}[0]{epoch}')
git -C "$root/false.git" fetch -q "$root/rogue/memory.git" "$(chain "$victim"):refs/heads/epochs/$victim/$number"
say oak 'oak is heard all the same'
takes oak hub
git -C "$root/false.git" fetch -q "$root/hub.git" 'refs/heads/*:refs/heads/*'
as elm sync "$root/false.git" --json >"$root/out" 2>"$root/err" || fail "a false epoch: $(cat "$root/out")"
[ "$(field '->{findings}[0]{reason}' <"$root/out")" = bad_epoch ] || fail "$(cat "$root/out")"
[ "$(field '->{state}' <"$root/out")" = good ] || fail "$(cat "$root/out")"
remembers elm 'heard all the same' || fail "what is good is not taken"
agrees elm
as elm verify --all >/dev/null || fail "elm: verify"
no as oak verify --all --repository "$root/false.git" --swarm "$(key oak)"
grep -q bad_epoch "$root/out" || fail "verify: $(cat "$root/out")"
[ "$tip" != "$(latest "$root/hub.git")" ] || fail "nothing moved"

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
