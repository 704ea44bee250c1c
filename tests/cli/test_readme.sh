#!/bin/bash
# The README's commands do what the README says, in a swarm of two.
. "$(dirname "$0")/lib.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
trap '"$kg" down >/dev/null 2>&1; rm -rf "$here"' EXIT

# Every command that the tour names exists.
sed -nE 's/^build\/kindergarten (--state [a-z]+ )?([a-z]+).*/\2/p' "$KG_SOURCE_DIR/README.md" >"$here/tour"
while IFS= read -r command; do
	expect 0 help "$command"
done <"$here/tour"

"$kg" doctor | grep -q '^ok  *embedded model' || {
	echo "SKIP: this binary has no embedded model"
	finish
}
"$kg" up -n 2 --detach >"$here/out" 2>"$here/err" </dev/null || complain "up"
[ "$(tr ' ' '\n' <"$here/err" | grep -cE '^[a-z]{3,8}$')" -ge 24 ] || complain "up shows no 24 words"
expect 0 ps --json
json
expect 0 lessons --count 5
[ "$(wc -l <"$here/out")" -eq 5 ] || complain "lessons: not five"
"$kg" ask --json "What colour do red and blue make? It is an insight." >"$here/out" 2>"$here/err" || complain "ask"
json
out '"agreement"'
expect 0 recall --type insight --json
json
entry=$(sed -n 's/.*"id": *"\([0-9a-f]\{64\}\)".*/\1/p' "$here/out" | head -n 1)
[ -n "$entry" ] || complain "no insight, although the question has the word"
expect 0 recall
expect 0 log agent-0
out "birth"
expect 0 show "$entry"
expect 0 verify --all
expect 0 replay "$entry"
out "reproduced"
expect 0 trace
expect 0 down

# The recipe for a copy, as it stands in the README: our judgement, and stock git's.
state=$KINDERGARTEN_HOME
swarm=$("$kg" identity show --json | sed -n 's/.*"swarm": *"\([0-9a-f]\{64\}\)".*/\1/p')
recipe=$(sed -n '/^state=/,/^```$/p' "$KG_SOURCE_DIR/README.md" | sed -e '1d;$d' -e "s|build/kindergarten|$kg|" -e "s|KEY|$swarm|")
case $recipe in
*--repository*verify-commit*) ;;
*) complain "the README has no recipe" ;;
esac
(
	cd "$here" && eval "$recipe"
) >"$here/out" 2>"$here/err"
good=$(grep -c '^Good "git" signature for ' "$here/err")
entries=$(git -C "$state/memory.git" rev-list --all --count)
[ "$good" -eq "$entries" ] || complain "stock git finds $good good signatures on $entries entries"
out "$entries entries checked, 0 findings"
out "Kindergarten-Format: 1"

# And it is the signatures that it looks at: with another list of keys nothing is good.
ssh-keygen -q -t ed25519 -N '' -f "$here/other"
sed -i "s|ssh-ed25519 [^ ]*|ssh-ed25519 $(cut -d' ' -f2 "$here/other.pub")|" "$here/signers"
git -C "$here/copy" rev-list --remotes | while IFS= read -r commit; do
	! git -C "$here/copy" verify-commit "$commit" 2>/dev/null || echo "$commit"
done >"$here/out"
[ ! -s "$here/out" ] || complain "stock git accepts unknown keys"
finish
