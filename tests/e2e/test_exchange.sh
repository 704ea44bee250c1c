#!/bin/sh
# SPDX-License-Identifier: MIT
# Memory moves between swarms that are never connected: by bundles, by a plain git repository that
# both can reach, by each other's directories. Both end with the same set in the same order.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"

found oak
found elm

# ---- first contact ----
as oak export "$root/oak.bundle" >/dev/null
no as elm import "$root/oak.bundle"
says "another swarm, $(key oak)"
[ "$(wc -l <"$root/err")" -eq 1 ] || fail "not one line: $(cat "$root/err")"
! remembers elm 'oak says' || fail "a swarm that is not believed is visible"
befriend oak elm
as elm trust --list | grep -q "^$(key oak)  oak$" || fail "$(as elm trust --list)"
as elm trust "$(key oak)" --name oak | grep -q already || fail "trusted twice"

# ---- bundles ----
as oak export "$root/oak.bundle" >/dev/null
as elm import "$root/oak.bundle" >/dev/null
as elm export "$root/elm.bundle" >/dev/null
as oak import --json "$root/elm.bundle" >"$root/out"
[ "$(field '->{taken}' <"$root/out")" -eq 5 ] || fail "$(cat "$root/out")"
same oak elm
as oak import --json "$root/elm.bundle" >"$root/out"
[ "$(field '->{taken}' <"$root/out")" -eq 0 ] || fail "taken twice"

# Stock git reads ours …
git -C "$root/oak/memory.git" bundle verify -q "$root/elm.bundle" 2>/dev/null || fail "bundle verify"
git clone -q "$root/elm.bundle" "$root/clone"
git -C "$root/clone" fsck --strict >/dev/null 2>&1 || fail "fsck"
[ "$(git -C "$root/clone" branch -r | grep -c agents/)" -eq 5 ] || fail "$(git -C "$root/clone" branch -r)"
# … and we read what stock git writes: of the memory, of a clone, of a part, in both versions.
say elm 'elm says 4'
git -C "$root/elm/memory.git" bundle create -q "$root/stock2" --all
git -C "$root/elm/memory.git" bundle create -q --version=3 "$root/stock3" --all
git -C "$root/elm/memory.git" bundle create -q "$root/part" \
	"$(chain "$(operator elm)")~1..$(chain "$(operator elm)")"
git -C "$root/clone" bundle create -q "$root/old" --all
for bundle in part old stock2 stock3; do
	as oak import "$root/$bundle" >/dev/null || fail "$bundle"
done
same oak elm

# Only what is new: less than everything, of use to who has the rest alone.
since=$(everything oak | field '->{entries}[0]{id}')
say oak 'oak says 4'
say oak 'oak says 5'
as oak export --since "$since" --json "$root/news.bundle" >"$root/out"
[ "$(field '->{objects}' <"$root/out")" -eq 3 ] || fail "$(cat "$root/out")"
git -C "$root/elm/memory.git" bundle verify -q "$root/news.bundle" 2>/dev/null || fail "news"
as elm import "$root/news.bundle" >/dev/null
same oak elm
found ash
trouble 'goes on from commit' as ash import "$root/news.bundle"
no as oak export --since "$(everything oak | field '->{entries}[0]{id}')" "$root/none.bundle"
says 'nothing to export'
[ ! -e "$root/none.bundle" ] || fail "a bundle of nothing"

# ---- a repository between them ----
git init -q --bare "$root/hub.git"
say oak 'oak says 6'
as oak sync "$root/hub.git" >/dev/null
say elm 'elm says 5'
as elm sync "$root/hub.git" >/dev/null
as oak sync hub --json >"$root/out"
[ "$(field '->{taken}' <"$root/out")" -eq 1 ] || fail "$(cat "$root/out")"
[ "$(field '->{ok}' <"$root/out")" = true ] || fail "$(cat "$root/out")"
same oak elm
git -C "$root/hub.git" fsck --strict >/dev/null 2>&1 || fail "fsck of the hub"
[ -z "$(ls -A "$root/oak/incoming")" ] || fail "the quarantine is not empty"
# One way only.
say oak 'oak says 7'
as oak sync hub --pull >/dev/null
as elm sync hub --json >"$root/out"
[ "$(field '->{taken}' <"$root/out")" -eq 0 ] || fail "--pull gave"
say elm 'elm says 6'
as elm sync hub --push >/dev/null
as oak sync hub --push >/dev/null
! remembers oak 'elm says 6' || fail "--push took"
as oak sync hub >/dev/null
as elm sync hub >/dev/null
same oak elm

# What is sealed moves too; other content than was announced does not.
sealed=$(as oak remember --memory-type insight --private --message 'where the acorns are' | head -n 1)
blob=$(git -C "$root/oak/memory.git" rev-parse "refs/vault/$sealed")
as oak sync hub >/dev/null
[ "$(git -C "$root/hub.git" rev-parse "refs/vault/$sealed")" = "$blob" ] || fail "sealed content is not pushed"
cp -a "$root/hub.git" "$root/swapped.git"
as elm sync hub --json >"$root/out"
[ "$(field '->{sealed}' <"$root/out")" -eq 1 ] || fail "$(cat "$root/out")"
[ "$(git -C "$root/elm/memory.git" rev-parse "refs/vault/$sealed")" = "$blob" ] || fail "sealed content"
other=$(as oak remember --memory-type insight --private --message 'and the nuts' | head -n 1)
as oak sync "$root/swapped.git" --name swapped >/dev/null
git -C "$root/swapped.git" update-ref "refs/vault/$other" "$blob"
no as elm sync "$root/swapped.git" --name swapped --json
[ "$(field '->{reason}' <"$root/out")" = sealed_mismatch ] || fail "$(cat "$root/out")"
! git -C "$root/elm/memory.git" rev-parse -q --verify "refs/vault/$other" >/dev/null || fail "swapped"
rm "$root/elm/remotes/swapped.json"
as oak sync hub >/dev/null
as elm sync hub >/dev/null
same oak elm

# ---- directly ----
say oak 'oak says 8'
before=$(commits oak)
as elm sync "$root/oak" --name neighbour 2>"$root/err" >/dev/null || fail "$(cat "$root/err")"
says "a swarm's own memory"
same oak elm
[ "$(commits oak)" = "$before" ] || fail "a sync wrote into another swarm's memory"

! git -C "$root/elm/memory.git" push -q "$root/oak/memory.git" "$(chain "$(operator elm)"):refs/heads/x" 2>"$root/err" ||
	fail "stock git pushes into a memory"
says 'hidden ref'

# A swarm that runs takes in, too.
as elm up -n 1 --detach >/dev/null 2>&1
for n in $(seq 40); do
	say oak "oak says many things, $n"
done
as elm sync neighbour --json >"$root/out" 2>/dev/null || fail "$(cat "$root/out")"
[ "$(field '->{taken}' <"$root/out")" -eq 40 ] || fail "$(cat "$root/out")"
as elm trust "$(key ash)" --name ash >/dev/null
as elm trust --list | grep -q ash || fail "trust while a swarm runs"
as elm down >/dev/null
as oak sync "$root/elm" --name elm >/dev/null 2>&1
as elm sync neighbour >/dev/null 2>&1
same oak elm

# ---- the same swarm twice ----
# A copy goes on; the original's disk is then set back to an older day, and heals from the copy.
cp -a "$root/oak" "$root/backup"
cp -a "$root/oak" "$root/old-oak"
say oak 'oak says one more thing'
as backup sync "$root/oak" --name original >/dev/null 2>&1
same oak backup
rm -rf "${root:?}/oak"
mv "$root/old-oak" "$root/oak"
as oak sync "$root/backup" --name backup >/dev/null 2>&1
same oak backup

for swarm in oak elm backup; do
	as "$swarm" verify --all >/dev/null || fail "verify: $swarm"
done
echo ok
