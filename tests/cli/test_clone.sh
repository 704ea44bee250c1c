#!/bin/bash
# A clone of a memory is judged with nothing beside it: by verify, and by stock git with the keys that
# the clone itself certifies.
. "$(dirname "$0")/lib.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

say() {
	"$kg" remember --memory-type insight --message "$1" >"$here/out" 2>"$here/err" </dev/null ||
		complain "remember: $1"
}

"$kg" identity new --no-passphrase >"$here/out" 2>"$here/err" </dev/null || complain "identity new"
swarm=$(sed -n 's/.*swarm \([0-9a-f]\{64\}\).*/\1/p' "$here/out" "$here/err" | head -n 1)
[ -n "$swarm" ] || complain "identity new names no swarm"
say "blue and yellow make green"
say "red and blue make violet"
say "seven is odd"
memory=$KINDERGARTEN_HOME/memory.git
cp -a "$memory" "$here/before.git"

# A repository put back to what it once was is whole; what lies beside it remembers more.
expect 0 trust 44feb61b0708f902d57863313a3dd40484fd54abbcb0581b57e06c30c3b2f67b --name elm
cp -a "$memory" "$here/now.git"
rm -rf "$memory"
mv "$here/before.git" "$memory"
expect 1 verify --all
[ "$(grep -c '^rolled_back  ' "$here/out")" -eq 1 ] || complain "a memory put back is not named"
expect 0 verify --all --repository "$memory" --swarm "$swarm"
rm -rf "$memory"
mv "$here/now.git" "$memory"
expect 0 verify --all
entries=$(git -C "$memory" rev-list --all --count)

git clone -q "$memory" "$here/copy" 2>"$here/err" || complain "git clone"
git clone -q --bare "$memory" "$here/bare.git" 2>"$here/err" || complain "git clone --bare"
git clone -q --mirror "$memory" "$here/mirror.git" 2>"$here/err" || complain "git clone --mirror"
unset KINDERGARTEN_HOME
export HOME="$here/nobody" XDG_STATE_HOME="$here/nobody"
for copy in copy bare.git mirror.git; do
	expect 0 verify --all --repository "$here/$copy"
	out "swarm $swarm"
	out "as the repository itself says"
	out "$entries entries checked, 0 findings"
	expect 0 verify --all --repository "$here/$copy" --swarm "$swarm"
	no_out "as the repository itself says"
	expect 0 verify --repository "$here/$copy" --json
	json
	out '"swarm_known": false'
	out "\"swarm\": \"$swarm\""
done
expect 0 verify --repository "$here/copy" --swarm "$swarm" --json
out '"swarm_known": true'
[ ! -e "$here/nobody" ] || complain "verify made a state directory"

# Believing another swarm, nobody of this one is certified.
other=${swarm//[0-9]/0}
expect 111 verify --repository "$here/copy" --swarm "${other//[a-f]/0}"
expect 111 verify --repository "$here/copy" --swarm abc
expect 111 verify --repository "$here"
expect 100 verify --repository "$here/copy" agent-0
expect 100 verify --all --swarm "$swarm"

# The recipe for stock git: every key that the repository certifies, and every commit checked.
expect 0 verify --all --repository "$here/copy" --swarm "$swarm" --signers "$here/signers"
good=0
for commit in $(git -C "$here/copy" rev-list --remotes); do
	git -C "$here/copy" -c gpg.ssh.allowedSignersFile="$here/signers" verify-commit "$commit" \
		2>"$here/err" && good=$((good + 1))
done
[ "$good" -eq "$entries" ] || complain "stock git finds $good good signatures on $entries entries"
git -C "$here/copy" -c gpg.ssh.allowedSignersFile="$here/signers" log --show-signature --remotes \
	>"$here/out" 2>"$here/err" || complain "git log --show-signature"
[ "$(grep -c '^Good "git" signature for ' "$here/out")" -eq "$entries" ] || complain "git log"
git -C "$here/bare.git" fsck --strict --no-progress 2>"$here/err" || complain "git fsck"

# What somebody did to the clone is named, one finding on a line; a bad object alone does not hide it.
chain=$(git -C "$here/bare.git" for-each-ref --format='%(refname)' refs/heads/agents |
	grep -v "$swarm")
forged=$(git -C "$here/bare.git" cat-file commit "$chain" | sed 's/seven is odd/seven is even/' |
	git -C "$here/bare.git" hash-object -w -t commit --stdin)
git -C "$here/bare.git" update-ref "$chain" "$forged"
git -C "$here/bare.git" update-ref refs/heads/main "$forged"
expect 1 verify --repository "$here/bare.git" --swarm "$swarm"
[ "$(grep -c "^bad_signature  entry [0-9a-f]* *commit ${forged:0:12}" "$here/out")" -eq 1 ] ||
	complain "the forged entry is not named"
[ "$(grep -c '^stray_ref  ' "$here/out")" -eq 1 ] || complain "the branch is not named"
expect 1 verify --repository "$here/bare.git" --swarm "$swarm" --json
json
out '"reason": "bad_signature"'
finish
