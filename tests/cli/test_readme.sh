#!/bin/bash
# The README's commands do what the README says, in a swarm of two.
. "$(dirname "$0")/lib.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
trap '"$kg" down >/dev/null 2>&1; rm -rf "$here"' EXIT

# Every command that the tour names exists.
sed -n 's/^build\/kindergarten \([a-z]*\).*/\1/p' "$KG_SOURCE_DIR/README.md" >"$here/tour"
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

# The recipe for stock git, as it stands in the README.
state=$KINDERGARTEN_HOME
recipe=$(sed -n '/^state=/,/^```$/p' "$KG_SOURCE_DIR/README.md" | sed '1d;$d')
case $recipe in
*verify-commit*) ;;
*) complain "the README has no recipe" ;;
esac
verify_all() {
	(
		cd "$here" && rm -rf copy && eval "$recipe"
	) >"$here/out" 2>"$here/err"
}
verify_all
good=$(grep -c '^Good "git" signature for ' "$here/err")
entries=$(git -C "$state/memory.git" rev-list --all --count)
[ "$good" -eq "$entries" ] || complain "stock git finds $good good signatures on $entries entries"
no_out "bad:"
out "Kindergarten-Format: 1"

# And it is the signatures that it looks at: with another list of keys nothing is good.
ssh-keygen -q -t ed25519 -N '' -f "$here/other"
sed -i "s|ssh-ed25519 [^ ]*|ssh-ed25519 $(cut -d' ' -f2 "$here/other.pub")|" "$state/allowed_signers"
verify_all
! grep -q '^Good "git" signature for ' "$here/err" || complain "stock git accepts unknown keys"
out "bad:"
finish
