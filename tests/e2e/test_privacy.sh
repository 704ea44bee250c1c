#!/bin/sh
# SPDX-License-Identifier: MIT
# What a swarm keeps is its owner's: modes of files, the passphrase, who may sign as whom.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten

# open_to_others: whatever in the state directory others could read or enter.
open_to_others() {
	find "$KINDERGARTEN_HOME" ! -type l -perm /077 ! -path '*/keys/swarm.pub'
}

# A directory made by hand, and a passphrase in the settings: `up` seals the key it makes.
umask 022
mkdir -m 755 "$KINDERGARTEN_HOME"
printf 'open sesame\n' >"$root/passphrase"
chmod 600 "$root/passphrase"
KINDERGARTEN_PASSPHRASE_FILE=$root/passphrase
export KINDERGARTEN_PASSPHRASE_FILE
"$k" up -n 2 --detach >/dev/null 2>"$root/err"
grep -q 'under a passphrase' "$root/err" || fail "up said: $(cat "$root/err")"
[ -z "$(open_to_others)" ] || fail "open to others: $(open_to_others)"
for pid in $(cat "$KINDERGARTEN_HOME/run/orchestrator.lock") $(agent_pid 0); do
	! grep -qa 'open sesame' "/proc/$pid/environ" "/proc/$pid/cmdline" ||
		fail "process $pid shows the passphrase"
done
"$k" ask 'Which insight is this?' >/dev/null 2>&1
"$k" down
[ -z "$(open_to_others)" ] || fail "open to others: $(open_to_others)"
trouble 'a passphrase is needed' setsid -w env -u KINDERGARTEN_PASSPHRASE_FILE \
	"$k" up -n 2 --detach
! grep -rqa 'open sesame' "$KINDERGARTEN_HOME" || fail "the passphrase is on disk"
trouble 'an identity is never replaced' "$k" identity new

# Only an agent of this swarm signs as one; a wrong name makes no new author.
before=$(git -C "$KINDERGARTEN_HOME/memory.git" rev-list --all --count)
for name in nobody swarm keeper agent-7; do
	trouble "no agent \"$name\"" "$k" remember --memory-type insight --message x --as "$name"
done
[ "$before" = "$(git -C "$KINDERGARTEN_HOME/memory.git" rev-list --all --count)" ] ||
	fail "a refused entry left something"
"$k" remember --memory-type insight --message x --as agent-1 >"$root/out"
grep -q '^agent-1 #' "$root/out" || fail "$(cat "$root/out")"
"$k" remember --memory-type insight --message x --as operator >"$root/out"
grep -q '^operator #1,' "$root/out" || fail "$(cat "$root/out")"
"$k" remember --memory-type insight --message y >"$root/out"
grep -q '^operator #2,' "$root/out" || fail "$(cat "$root/out")"
"$k" verify --all >/dev/null || fail "verify"

# The settings' passphrase is the one that --passphrase takes, too.
KINDERGARTEN_HOME=$root/other
setsid -w "$k" identity new --passphrase >/dev/null 2>&1 || fail "identity new --passphrase"
unset KINDERGARTEN_PASSPHRASE_FILE
trouble 'a passphrase is needed' setsid -w "$k" up -n 1 --detach
echo ok
