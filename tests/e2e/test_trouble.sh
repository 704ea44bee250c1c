#!/bin/sh
# SPDX-License-Identifier: MIT
# What can be wrong at the start: one clear error each, the exit code of the contract, no damage.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten

none_left() {
	[ ! -e "$KINDERGARTEN_HOME/run/swarm.json" ] || fail "a run file is left"
	[ -z "$(find "$KINDERGARTEN_HOME/run" -name '*.sock' 2>/dev/null)" ] || fail "sockets are left"
}

trouble 'No such file' "$k" up -n 1 --model "$root/nothing.fairy" --detach
"$k" identity new >/dev/null 2>&1 # so that up has no words to show

head -c 1000 "$KG_SOURCE_DIR/models/nursery.fairy" >"$root/short.fairy"
trouble 'agent-0 does not start' "$k" up -n 1 --model "$root/short.fairy" --detach
none_left
echo 'no model at all' >"$root/text.fairy"
trouble 'agent-0 does not start' "$k" up -n 1 --model "$root/text.fairy"
none_left

for wrong in '-n 0' '-n 100000' '--http 127.0.0.1:8080' '--nonsense' 'argument' '--strategy unheard-of'; do
	code=0
	# shellcheck disable=SC2086 # words
	"$k" up $wrong >/dev/null 2>&1 || code=$?
	[ "$code" -eq 100 ] || fail "exit $code, not 100: up $wrong"
done
for role in keeper agent; do
	code=0
	"$k" role "$role" 3</dev/null >/dev/null 2>&1 || code=$?
	[ "$code" -eq 111 ] || fail "role $role without a launch document: exit $code"
done

# A state directory too long for a socket's address.
long=$root/$(printf 'a%.0s' $(seq 1 100))/$(printf 'b%.0s' $(seq 1 100))
KINDERGARTEN_HOME=$long "$k" up -n 2 --detach >/dev/null 2>&1 || fail "a long path"
KINDERGARTEN_HOME=$long "$k" ask 'why?' >/dev/null 2>&1 || fail "no answer with a long path"
KINDERGARTEN_HOME=$long "$k" down || fail "down with a long path"

# Another swarm's identity does not open this one's door.
"$k" up -n 1 --detach >/dev/null
mkdir -m 700 "$root/foreign"
cp -r "$KINDERGARTEN_HOME/run" "$root/foreign/run"
KINDERGARTEN_HOME=$root/foreign "$k" identity new >/dev/null 2>&1
KINDERGARTEN_HOME=$root/foreign trouble 'another identity' "$k" ps
KINDERGARTEN_HOME=$root/state
"$k" ask 'why?' >/dev/null 2>&1 || fail "the foreigner did harm"
"$k" down

# A full disk, at the start and later; needs a small one of our own.
mkdir "$root/small"
if mount -t tmpfs -o size=3m none "$root/small" 2>/dev/null; then
	KINDERGARTEN_HOME=$root/small/state
	"$k" identity new >/dev/null 2>&1
	dd if=/dev/zero of="$root/small/ballast" bs=1k 2>/dev/null || true
	trouble 'up: ' "$k" up -n 1 --detach
	rm "$root/small/ballast"
	"$k" up -n 2 --detach >/dev/null 2>&1 || fail "up after the disk was full"
	dd if=/dev/zero of="$root/small/ballast" bs=1k 2>/dev/null || true
	# An answer needs no disk; what is to be published waits for room.
	"$k" ask --json 'an insight, a pattern' >"$root/answer" || fail "no answer with a full disk"
	rm "$root/small/ballast"
	"$k" ask --json 'another insight, a pattern' >"$root/answer" || fail "no answer after it"
	"$k" down
	"$k" verify --all >"$root/verified" || fail "verify: $(cat "$root/verified")"
	KINDERGARTEN_HOME=$root/state
	umount "$root/small"
else
	echo "SKIP: a full disk (mounting needs root)"
fi
echo ok
