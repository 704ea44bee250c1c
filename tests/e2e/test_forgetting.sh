#!/bin/sh
# SPDX-License-Identifier: MIT
# What is sealed, erased, compacted, revoked, rotated: before and after, by verify and by stock git.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten
git="git -C $KINDERGARTEN_HOME/memory.git"

# no COMMAND…: exit 1 and nothing on stdout.
no() {
	code=0
	"$@" >"$root/out" 2>"$root/err" || code=$?
	[ "$code" -eq 1 ] || fail "exit $code, not 1: $* ($(cat "$root/err"))"
}

# Everything is as it should be, for verify and for stock git.
sound() {
	"$k" verify --all >"$root/verdict" 2>&1 || fail "verify: $(cat "$root/verdict")"
	stock
}

stock() {
	$git fsck --strict >"$root/fsck" 2>&1 || fail "fsck: $(cat "$root/fsck")"
	# shellcheck disable=SC2046 # one word each
	$git verify-commit $($git rev-list --branches) 2>"$root/signatures" ||
		fail "verify-commit: $(tail -n 3 "$root/signatures")"
	rm -rf "$root/copy.git"
	git clone -q --mirror "$KINDERGARTEN_HOME/memory.git" "$root/copy.git" 2>"$root/clone" ||
		fail "clone: $(cat "$root/clone")"
}

# anywhere FILE: the bytes of FILE are in a file of the state directory, or in a git object of it.
anywhere() {
	find "$KINDERGARTEN_HOME" -type f | perl -e '
		local $/; open N, "<", shift; my $n = <N>; my $found = 1;
		for (split /\n/, <STDIN>) { open F, "<", $_ or next; $found = 0 if index(<F>, $n) >= 0 }
		exit $found' "$1" && return 0
	$git cat-file --batch --batch-all-objects --unordered | perl -e '
		local $/; open N, "<", shift; my $n = <N>; exit(index(<STDIN>, $n) >= 0 ? 0 : 1)' "$1"
}

say() {
	"$k" remember --json "$@" | field '->{id}'
}

"$k" up -n 3 --detach >"$root/up" 2>"$root/words"
plain=$(say --memory-type insight --message 'Everyone may read that yellow and blue make green.')

# ---- sealed, with a running swarm ----
printf 'The spare key hangs behind the clock.' >"$root/secret"
private=$(say --memory-type observation --private --message "$(cat "$root/secret")")
shared=$(say --memory-type observation --to agent-1 --tags plans --message 'Agent 1 shall see this.')
[ "$("$k" show --json "$private" | field '->{seal}{text}')" = "$(cat "$root/secret")" ] ||
	fail "the operator cannot read what it sealed"
[ "$("$k" show --json --as agent-1 "$private" | field '->{seal}{state}')" = sealed ] ||
	fail "agent-1 reads what is private"
[ "$("$k" show --json --as agent-1 "$shared" | field '->{seal}{text}')" = 'Agent 1 shall see this.' ] ||
	fail "agent-1 cannot read what was sealed for it"
[ "$("$k" show --json --as agent-2 "$shared" | field '->{seal}{state}')" = sealed ] ||
	fail "agent-2 reads what is not for it"
"$k" show "$private" | grep -q 'content     The spare key' || fail "show does not tell the content"
no "$k" recall clock
! anywhere "$root/secret" || fail "what is sealed lies open somewhere"
trouble 'stop it first' "$k" erase "$private"
trouble 'stop it first' "$k" compact
trouble 'stop it first' "$k" rotate agent-2
"$k" down
sound

# ---- erased ----
$git cat-file blob "refs/vault/$private" | tail -c 200 >"$root/cipher"
anywhere "$root/cipher" || fail "the search does not find what is there"
# Wherever git may have put it.
$git gc --quiet
mkdir -p "$KINDERGARTEN_HOME/incoming"
git clone -q --bare "$KINDERGARTEN_HOME/memory.git" "$KINDERGARTEN_HOME/incoming/other.git"
no "$k" erase "$plain"
grep -q 'part of its author' "$root/err" || fail "no word of why: $(cat "$root/err")"
tip=$($git rev-parse "HEAD")
[ "$("$k" erase --json "$private" | field '->{was_there}')" = true ] || fail "erase found nothing"
[ "$($git rev-parse HEAD)" = "$tip" ] || fail "erase moved a chain"
! anywhere "$root/cipher" || fail "the ciphertext is still there"
! $git cat-file -e "refs/vault/$private" 2>/dev/null || fail "the ref is still there"
[ "$("$k" show --json "$private" | field '->{seal}{state}')" = erased ] || fail "show after erase"
[ "$("$k" show --json "$shared" | field '->{seal}{text}')" = 'Agent 1 shall see this.' ] ||
	fail "erase took more than it was told"
"$k" erase "$private" >/dev/null || fail "erase once more"
sound

# Content of an entry that never came is no fault, and is swept away.
orphan=$($git cat-file blob "refs/vault/$shared" | $git hash-object -w --stdin)
$git update-ref "refs/vault/$(printf %064d 7)" "$orphan"
"$k" verify --all >/dev/null || fail "content on its way is a finding"
[ "$("$k" compact --json | field '->{swept}')" = 1 ] || fail "not swept away"
! $git rev-parse -q --verify "refs/vault/$(printf %064d 7)" >/dev/null || fail "still there"
[ "$("$k" show --json "$shared" | field '->{seal}{state}')" = open ] || fail "swept too much"

# ---- expired and compacted ----
first=$(say --memory-type heartbeat --message 'alive, and cited')
for _ in 1 2 3 4 5 6 7 8 9 10; do
	"$k" remember --memory-type heartbeat --message 'alive' >/dev/null
done
cites=$(say --memory-type insight --references "$first" --message 'It was alive when it rained.')
"$k" compact --dry-run | grep -q '^nothing was changed; 0 entries' || fail "what is new has expired"
KINDERGARTEN_MEMORY_TTL_HEARTBEAT_HOURS=0.0000001
export KINDERGARTEN_MEMORY_TTL_HEARTBEAT_HOURS
operator=$("$k" identity show --json | field '->{operator}')
old=$($git rev-parse "agents/$operator")
# Somebody else has the chains as they are now.
swarm=$("$k" identity show --json | field '->{swarm}')
"$k" --state "$root/peer" identity new >/dev/null 2>&1
"$k" --state "$root/peer" trust "$swarm" --name garden >/dev/null
"$k" export "$root/before.bundle" >/dev/null
"$k" --state "$root/peer" import "$root/before.bundle" >/dev/null
entries=$($git rev-list --count "agents/$operator")
"$k" compact --dry-run | grep -q 'would be forgotten' || fail "nothing would be forgotten"
[ "$($git rev-parse "agents/$operator")" = "$old" ] || fail "a dry run changed something"
"$k" compact --json --archive "$root/archive" >"$root/compact"
perl -MJSON::PP -0777 -ne '
	my ($o) = grep { $_->{name} eq "operator" } @{decode_json($_)->{chains}};
	exit($o->{compacted} && $o->{expired} == 10 ? 0 : 1)' "$root/compact" ||
	fail "compact: $(cat "$root/compact")"
[ "$($git rev-list --count "agents/$operator")" -eq $((entries - 10 + 1)) ] || fail "not ten less and a root"
! $git cat-file -e "$old" 2>/dev/null || fail "the old chain is still there"
sound
for id in "$plain" "$first" "$cites" "$shared"; do
	"$k" show "$id" >/dev/null || fail "show $id after compact"
done
[ "$("$k" show --json "$cites" | field '->{references}[0]')" = "$first" ] || fail "the reference"
[ "$("$k" recall --json rained | field '->{entries}[0]{id}')" = "$cites" ] || fail "recall"
[ "$("$k" recall --json --type heartbeat | field '->{entries}[1]{id} // "none"')" = none ] ||
	fail "forgotten entries are recalled"
# The archive is what the chain was.
$git bundle verify -q "$root"/archive/*.bundle 2>/dev/null || fail "the archive"
git clone -q --mirror "$root"/archive/*.bundle "$root/old.git"
[ "$(git -C "$root/old.git" rev-parse "agents/$operator")" = "$old" ] || fail "the archive has another tip"
"$k" compact | grep -q '^0 entries forgotten' || fail "compact again"
# And takes the new ones for the old, as the swarm's key says.
"$k" export "$root/after.bundle" >/dev/null
"$k" --state "$root/peer" import "$root/after.bundle" >/dev/null || fail "a peer refuses the epoch"
"$k" --state "$root/peer" verify >/dev/null || fail "a peer cannot verify the epoch"
[ "$(git -C "$root/peer/memory.git" rev-parse "agents/$operator")" = "$($git rev-parse "agents/$operator")" ] ||
	fail "a peer has another chain"
"$k" --state "$root/peer" show "$cites" >/dev/null || fail "a peer lost an entry"
[ "$("$k" --state "$root/peer" recall --json --type heartbeat | field '->{entries}[1]{id} // "none"')" = none ] ||
	fail "a peer recalls what was forgotten"
after=$(say --memory-type insight --message 'And it goes on.')
"$k" show "$after" >/dev/null
sound

# ---- rotated ----
second=$("$k" identity agents -n 3 --json | field '->{agents}[2]{key}')
given_up() {
	$git log -1 --format=%B "agents/$second" | grep -q '^Successor: '
}
parked() {
	[ "$(agent_state 1)" = parked ]
}
# Killed between the two keys: nobody starts, and the next call finishes it. The swarm's key, which
# is to certify the new one, is taken meanwhile.
mkfifo "$root/release"
flock "$KINDERGARTEN_HOME/run/author-swarm.lock" cat "$root/release" &
holder=$!
taken() {
	! flock -n "$KINDERGARTEN_HOME/run/author-swarm.lock" true
}
until_true 10 taken
"$k" rotate agent-2 >/dev/null 2>&1 &
rotating=$!
until_true 10 given_up
kill -9 "$rotating"
echo >"$root/release"
wait "$holder" 2>/dev/null || true
wait "$rotating" 2>/dev/null || true
trouble 'run .kindergarten rotate agent-2. again' "$k" up -n 3 --detach
third=$("$k" rotate --json agent-2 | field '->{key}')
[ "$third" != "$second" ] || fail "rotated to the same key"
[ "$("$k" identity agents -n 3 --json | field '->{agents}[2]{key}')" = "$third" ] || fail "identity agents"
[ "$("$k" identity agents -n 3 --json | field '->{agents}[2]{earlier}[0]{successor}')" = "$third" ] ||
	fail "the successor is not told"
$git log -1 --format=%B "agents/$second" | grep -q "^Successor: $third" || fail "no successor"
$git log --reverse --format=%B "agents/$third" | grep -q "^Predecessor: $second " || fail "no predecessor"
$git log --show-signature --format=%s "agents/$third" 2>&1 | grep -q 'Good "git" signature' ||
	fail "stock git does not know the new key"
sound
renewed=$("$k" rotate --json operator | field '->{key}')
[ "$("$k" identity show --json | field '->{operator}')" = "$renewed" ] || fail "identity show"
byoperator=$(say --memory-type insight --message 'Said with the new key.')
[ "$("$k" show --json "$byoperator" | field '->{agent}')" = "$renewed" ] || fail "the old key signs"
# What was sealed for the old key can still be read.
[ "$("$k" show --json "$shared" | field '->{seal}{text}')" = 'Agent 1 shall see this.' ] ||
	fail "sealed for the old key, unreadable"
sound
# From the words alone, which keys are in use is found again in the chains.
mv "$KINDERGARTEN_HOME/keys" "$root/keys"
grep -E '^  ([a-z]+ ){23}[a-z]+$' "$root/words" | "$k" identity recover >/dev/null 2>&1
[ "$("$k" identity agents -n 3 --json | field '->{agents}[2]{key}')" = "$third" ] || fail "recovered agents"
[ "$("$k" identity show --json | field '->{operator}')" = "$renewed" ] || fail "recovered operator"

# And from the words and a clone of the chains.
mkdir -m 700 "$root/restored"
git clone -q --mirror "$KINDERGARTEN_HOME/memory.git" "$root/restored/memory.git"
grep -E '^  ([a-z]+ ){23}[a-z]+$' "$root/words" | "$k" --state "$root/restored" identity recover >/dev/null 2>&1
"$k" --state "$root/restored" remember --memory-type insight --message 'Restored.' >/dev/null
"$k" --state "$root/restored" verify >/dev/null || fail "restored from words and clone"
[ "$("$k" --state "$root/restored" recall --json Restored | field '->{entries}[0]{agent}')" = "$renewed" ] ||
	fail "restored, and not the key in use"

# ---- revoked, with a running swarm ----
"$k" up -n 3 --detach >"$root/up" 2>&1 || fail "up after rotate: $(cat "$root/up")"
[ "$("$k" ps --json | field '->{agents}[2]{key}')" = "$third" ] || fail "agent-2 runs with its old key"
pid=$(agent_pid 1)
one=$("$k" ps --json | field '->{agents}[1]{key}')
"$k" revoke agent-1 --reason 'lost its notebook' >"$root/revoked"
until_true 10 is_gone "$pid"
until_true 10 parked
"$k" ps --json | field '->{agents}[1]{why}' | grep -q 'revoked.*notebook' || fail "ps does not tell why"
trouble 'revoked' "$k" remember --as agent-1 --memory-type insight --message 'Let me in.'
no "$k" revoke nobody
"$k" ask 'What is 2 + 3?' >/dev/null 2>&1 || fail "the others do not answer any more"
"$k" down
sound
[ ! -e "$KINDERGARTEN_HOME/revoked_signers" ] || fail "a key of which entries count is refused whole"
# It starts again without the one that may not write.
"$k" up -n 3 --detach >"$root/up" 2>&1 || fail "up after revoke: $(cat "$root/up")"
until_true 10 parked
"$k" down
sound

# The name goes on with another key.
renamed=$("$k" rotate --json agent-1 | field '->{key}')
"$k" up -n 3 --detach >"$root/up" 2>&1 || fail "up after revoke and rotate: $(cat "$root/up")"
[ "$("$k" ps --json | field '->{agents}[1]{key}')" = "$renamed" ] || fail "agent-1 has no new key"
[ "$(agent_state 1)" = ready ] || fail "agent-1 is not ready with its new key"
"$k" down
sound

# Nothing of a key: stock git refuses it too, and verify names what is behind.
commits=$($git rev-list "agents/$one")
# shellcheck disable=SC2086 # one word each
$git verify-commit $commits 2>/dev/null || fail "not refused yet"
"$k" revoke "$one" --after 0 >/dev/null
for commit in $commits; do
	! $git verify-commit "$commit" 2>/dev/null || fail "stock git still accepts $commit"
done
no "$k" verify --json
perl -MJSON::PP -0777 -e '
	my ($file, $key) = @ARGV; open F, "<", $file; my @f = @{decode_json(<F>)->{findings}};
	exit(@f > 0 && !(grep { $_->{reason} ne "revoked" || $_->{chain} ne $key } @f) ? 0 : 1)
	' "$root/out" "$one" || fail "findings: $(cat "$root/out")"
$git fsck --strict >/dev/null 2>&1 || fail "fsck after revoke"
echo "forgetting: all as it should be"
