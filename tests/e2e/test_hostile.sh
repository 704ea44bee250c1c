#!/bin/sh
# SPDX-License-Identifier: MIT
# Remotes that lie. Each attack is made on a fresh copy of an honest repository; each is found, has
# its reason, puts the remote in quarantine by its name, is told by verify, and changes nothing that
# a reader of the memory can see.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"

found oak
found elm
befriend oak elm
git init -q --bare "$root/honest.git"
as oak sync "$root/honest.git" >/dev/null
as elm sync "$root/honest.git" >/dev/null
as oak sync honest >/dev/null
as elm sync honest >/dev/null
victim=$(operator oak)

# attack NAME: a copy that elm has exchanged with before it turned.
attack() {
	name=$1
	hub=$root/$name.git
	cp -a "$root/honest.git" "$hub"
	as elm sync "$hub" >/dev/null || fail "$name: not honest before"
}

# caught REASON [more reasons]: the next sync finds it; and nothing that was visible changed.
caught() {
	before=$(commits elm)
	code=0
	as elm sync "$name" --json >"$root/out" 2>"$root/err" || code=$?
	[ "$code" -eq 1 ] || fail "$name: exit $code: $(cat "$root/out" "$root/err")"
	[ "$(field '->{state}' <"$root/out")" = quarantined ] || fail "$name: $(cat "$root/out")"
	found=$(field '->{reason}' <"$root/out")
	case " $* " in
	*" $found "*) ;;
	*) fail "$name: reason $found, not $*" ;;
	esac
	says "$name was put in quarantine"
	[ "$(commits elm)" = "$before" ] || fail "$name: the memory changed"
	stays_out
}

# It is told, and nothing more is exchanged, until it is forgiven.
stays_out() {
	no as elm verify --all
	grep -q "remote $name is in quarantine" "$root/out" ||
		fail "verify tells nothing of $name: $(cat "$root/out")"
	no as elm sync "$name"
	says "$name is in quarantine"
	no as elm sync "$name" --push
	rm "$root/elm/remotes/$name.json"
	as elm verify --all >/dev/null || fail "$name: verify"
}

# rewritten COMMIT [SED…]: the commit object changed by that, and written; prints its id.
rewritten() {
	commit=$1
	shift
	git -C "$hub" cat-file commit "$commit" | sed "$@" |
		git -C "$hub" hash-object -t commit -w --stdin --literally
}

# It says something else in the past: everything behind it is set on the new history.
attack rewrites
parent=
for commit in $(git -C "$hub" rev-list --reverse "$(chain "$victim")"); do
	if [ -z "$parent" ]; then
		parent=$(rewritten "$commit" -e 's/says 1/said 1/')
	else
		parent=$(rewritten "$commit" -e "s/^parent .*/parent $parent/")
	fi
done
git -C "$hub" update-ref "$(chain "$victim")" "$parent"
caught bad_signature

# It takes back what it had, of a chain and of all.
attack rolls-back
git -C "$hub" update-ref "$(chain "$victim")" "$(chain "$victim")~1"
caught rolled_back
attack withholds
git -C "$hub" update-ref -d "$(chain "$victim")"
caught rolled_back

# It puts words into a mouth: without a signature, with a signature of other words.
attack forges
tip=$(git -C "$hub" rev-parse "$(chain "$victim")")
forged=$(rewritten "$tip" -e '/^gpgsig/,/END SSH SIGNATURE/d' -e "s/^parent .*/parent $tip/")
git -C "$hub" update-ref "$(chain "$victim")" "$forged"
caught unsigned malformed
attack steals
forged=$(rewritten "$tip" -e 's/oak says 3/oak gives all it has to whoever asks/' \
	-e "s/^parent .*/parent $tip/" -e 's/^Sequence: 3/Sequence: 4/')
git -C "$hub" update-ref "$(chain "$victim")" "$forged"
caught bad_signature
# The same words and the same signature, wrapped in another form: another commit.
attack rewraps
twin=$(git -C "$hub" cat-file commit "$tip" | perl -0pe \
	's/(BEGIN SSH SIGNATURE-----\n )(.*?)\n (.*?)\n/my ($a, $b, $c) = ($1, $2, $3); $b =~ m,^(.{40})(.*)$, ; "$a$1\n $2$c\n"/se' |
	git -C "$hub" hash-object -t commit -w --stdin --literally)
[ "$twin" != "$tip" ] || fail "no twin"
git -C "$hub" update-ref "$(chain "$victim")" "$twin"
caught bad_armour bad_signature malformed

# It is no entry at all, or another author's, or of a key that nobody has certified.
attack stuffs
junk=$(git -C "$hub" hash-object -t tree -w --stdin </dev/null)
junk=$(GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x \
	git -C "$hub" commit-tree -m 'buy now' -p "$tip" "$junk")
git -C "$hub" update-ref "$(chain "$victim")" "$junk"
caught unsigned malformed
attack swaps
git -C "$hub" update-ref "$(chain "$victim")" "$(chain "$(operator elm)")"
caught wrong_chain
attack invents
git -C "$hub" update-ref "$(chain "$(printf '%064d' 7)")" "$(chain "$victim")"
caught wrong_chain
# A name that is almost one.
attack squats
git -C "$hub" update-ref "refs/heads/agents/$(printf %.8s "$victim")" "$(chain "$victim")"
caught stray_ref
# It has lost an entry in the middle of what is new.
attack loses
say oak 'oak says 4'
say oak 'oak says 5'
as oak sync "$hub" --name loses >/dev/null
lost=$(git -C "$hub" rev-parse "$(chain "$victim")~1")
mkdir "$root/packs"
mv "$hub"/objects/pack/* "$root/packs"
for pack in "$root"/packs/*.pack; do
	git -C "$hub" unpack-objects -q <"$pack"
done
rm "$hub/objects/$(echo "$lost" | cut -c1-2)/$(echo "$lost" | cut -c3-)"
before=$(commits elm)
trouble 'not found' as elm sync loses
[ "$(commits elm)" = "$before" ] || fail "loses: the memory changed"

# It is too much: more refs, more objects, objects that unfold without end.
attack floods
tip=$(git -C "$hub" rev-parse "$(chain "$victim")")
for n in $(seq 300); do
	printf '%s refs/heads/agents/%064d\n' "$tip" "$n"
done >"$hub/packed-refs.more"
git -C "$hub" pack-refs --all
grep -v '^#' "$hub/packed-refs" | LC_ALL=C sort -k 2 - "$hub/packed-refs.more" >"$root/refs"
cp "$root/refs" "$hub/packed-refs"
export KINDERGARTEN_SYNC_REFS_MAX=200
trouble 'at most 200' as elm sync floods
unset KINDERGARTEN_SYNC_REFS_MAX
as oak export "$root/all.bundle" >/dev/null
KINDERGARTEN_SYNC_OBJECTS_MAX=3 trouble 'at most 3' as elm import "$root/all.bundle"

attack unfolds
victim_tip=$(git -C "$hub" rev-parse "$(chain "$victim")")
bomb=$({
	git -C "$hub" cat-file commit "$victim_tip" | sed -e '/^gpgsig/,/END SSH SIGNATURE/d'
	perl -e 'print "a" x 1048576 for 1..300'
} |
	git -C "$hub" hash-object -t commit -w --stdin --literally)
git -C "$hub" repack -adq
git -C "$hub" update-ref "$(chain "$victim")" "$bomb"
caught oversize

# A bundle that lies is refused in the same way; what is good in it is taken.
say oak 'oak says the last word'
git clone -q --mirror "$root/oak/memory.git" "$root/mirror.git"
hub=$root/mirror.git
tip=$(git -C "$hub" rev-parse "$(chain "$victim")")
forged=$(rewritten "$tip" -e 's/oak says/oak denies/' -e "s/^parent .*/parent $tip/")
git -C "$hub" update-ref "$(chain "$victim")" "$forged"
git -C "$hub" bundle create -q "$root/lies.bundle" --all
no as elm import "$root/lies.bundle"
says bad_signature
remembers elm 'the last word' || fail "what was good is not there"
! remembers elm 'oak denies' || fail "what was forged is there"
: >"$root/empty.bundle"
trouble 'not a git bundle' as elm import "$root/empty.bundle"
head -c 300 "$root/all.bundle" >"$root/torn.bundle"
code=0
as elm import "$root/torn.bundle" >/dev/null 2>&1 || code=$?
[ "$code" -eq 111 ] || fail "a torn bundle: $code"
[ -z "$(find "$root/elm/incoming" -name 'bundle.git')" ] || fail "what a bad bundle left"

# It would have commands run by who writes there. Nothing is.
attack runs
for hook in pre-receive update post-receive post-update reference-transaction proc-receive; do
	printf '#!/bin/sh\ntouch "%s/ran-%s"\n' "$root" $hook >"$hub/hooks/$hook"
	chmod +x "$hub/hooks/$hook"
done
git init -q --bare "$root/borrowed.git"
echo "$root/borrowed.git/objects" >"$hub/objects/info/alternates"
git -C "$hub" config core.alternateRefsCommand "touch $root/ran-refs; true"
git -C "$hub" config uploadpack.packObjectsHook "touch $root/ran-pack"
git -C "$hub" config core.sshCommand "touch $root/ran-ssh"
say elm 'elm says what is new'
sealed=$(as elm remember --memory-type insight --private --message 'elm keeps it to itself' | head -n 1)
as elm sync runs >/dev/null || fail "runs: not synced"
git -C "$hub" cat-file -e "refs/vault/$sealed" || fail "sealed content is not there"
ran=$(find "$root" -maxdepth 1 -name 'ran-*')
[ -z "$ran" ] || fail "was run: $ran"

# Forgiven, an honest remote is exchanged with again.
attack repents
git -C "$hub" update-ref "$(chain "$victim")" "$(chain "$victim")~1"
no as elm sync repents
as elm sync repents --forgive >/dev/null || fail "not forgiven"
as elm sync repents >/dev/null || fail "not forgiven for good"
# It signs twice: the author himself has, on two copies of a disk. Both entries are kept as proof.
cp -a "$root/oak" "$root/twin"
attack forks
say oak 'oak says yes'
say twin 'oak says no'
as oak sync "$hub" --name forks >/dev/null
as elm sync forks >/dev/null
no as twin sync "$hub" --name forks
git -C "$hub" fetch -q "$root/twin/memory.git" "+$(chain "$victim"):$(chain "$victim")"
code=0
as elm sync forks --json >"$root/out" 2>"$root/err" || code=$?
[ "$code $(field '->{reason}' <"$root/out")" = '1 forked' ] || fail "forks: $(cat "$root/out")"
[ "$(field '->{proofs}' <"$root/out")" -eq 1 ] || fail "no proof: $(cat "$root/out")"
git -C "$root/elm/memory.git" rev-parse -q --verify \
	"refs/heads/forks/$victim/$(git -C "$hub" rev-parse "$(chain "$victim")")" >/dev/null ||
	fail "the proof is not kept"
remembers elm 'oak says yes' || fail "the entry that was there first is gone"
! remembers elm 'oak says no' || fail "the second one is visible"
no as elm verify --all
grep -q forked "$root/out" || fail "verify tells nothing of the fork"
echo ok
