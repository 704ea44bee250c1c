#!/bin/sh
# SPDX-License-Identifier: MIT
# Nobody signs twice for one place: commands at the same time, as an agent that lives and one that
# does not, processes that are killed; checkpoints of what moved; keys that may not write any more.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten
memory=$KINDERGARTEN_HOME/memory.git

# crowd NAME: eight at once, twenty times each; every one is there.
crowd() {
	writers=
	for p in 1 2 3 4 5 6 7 8; do
		(
			i=0
			while [ "$i" -lt 20 ]; do
				i=$((i + 1))
				"$k" remember -t observation -m "$1 $p $i" >/dev/null || exit 1
			done
		) &
		writers="$writers $!"
	done
	for pid in $writers; do
		wait "$pid" || fail "a writer of '$1' failed"
	done
	# Stock git shows them at once.
	git -C "$memory" log --all --format=%b | grep -E "^$1 [1-8] [0-9]+$" | sort >"$root/there"
	[ "$(wc -l <"$root/there")" -eq 160 ] || fail "$1: $(wc -l <"$root/there") of 160"
	[ "$(sort -u "$root/there" | wc -l)" -eq 160 ] || fail "$1: one of them twice"
	[ -z "$(git -C "$memory" for-each-ref refs/heads/forks)" ] || fail "$1: somebody forked"
}

author_of() {
	"$k" show "$1" --json | field '->{agent_name}'
}

checkpoint_heads() {
	"$k" log swarm --json | perl -MJSON::PP -0777 -ne \
		'my @c = grep { $_->{type} eq "checkpoint" } @{decode_json($_)->{entries}}; print "$c[0]{id}\n"' >"$root/last"
	"$k" show "$(cat "$root/last")" --json | perl -MJSON::PP -0777 -ne 'print scalar @{decode_json($_)->{heads}}, "\n"'
}

"$k" identity new >/dev/null 2>&1
crowd alone
"$k" up -n 2 --detach >/dev/null 2>&1
crowd together

# As an agent that lives: it signs itself. As one that does not: under its lock.
id=$("$k" remember --as agent-0 -t insight -m 'said alive' --json | field '->{id}')
[ "$(author_of "$id")" = agent-0 ] || fail "another author"
trouble 'signs for itself' "$k" remember --as agent-0 -t insight -m sealed --private
"$k" down
id=$("$k" remember --as agent-0 -t insight -m 'said for it' --json | field '->{id}')
[ "$(author_of "$id")" = agent-0 ] || fail "another author"
id=$("$k" remember --as agent-0 -t insight -m 'said once more' --json | field '->{sequence}')

# Its outbox is on disk, private, and empty when all is stored.
[ "$(stat -c %a "$KINDERGARTEN_HOME/outbox")" = 700 ] || fail "mode of outbox"
for file in "$KINDERGARTEN_HOME"/outbox/*; do
	[ "$(stat -c %a "$file")" = 600 ] || fail "mode of $file"
	[ "$(stat -c %s "$file")" -eq 8 ] || fail "$file is not empty"
done

# The keeper stands still: what is said waits in the outbox, also of an author who is killed then.
"$k" up -n 2 --detach >/dev/null 2>&1
keeper=$("$k" ps --json | field '->{keeper}{pid}')
kill -STOP "$keeper"
"$k" remember --as agent-0 -t insight -m 'said to a wall' >/dev/null 2>&1 &
waiting=$!
until_true 20 sh -c "[ \$(stat -c %s '$KINDERGARTEN_HOME/outbox/agent-0') -gt 8 ]"
kill -9 "$(agent_pid 0)"
kill -9 "$waiting" 2>/dev/null || true
wait "$waiting" 2>/dev/null || true
kill -CONT "$keeper"
until_true 30 sh -c "git -C '$memory' log --all --format=%b | grep -qx 'said to a wall'"
until_true 30 sh -c "[ \$(stat -c %s '$KINDERGARTEN_HOME/outbox/agent-0') -eq 8 ]"
[ "$(git -C "$memory" log --all --format=%b | grep -cx 'said to a wall')" -eq 1 ] || fail "stored twice"
[ -z "$(git -C "$memory" for-each-ref refs/heads/forks)" ] || fail "the agent forked"
# The same of a command.
kill -STOP "$keeper"
"$k" remember -t insight -m 'left behind' >/dev/null 2>&1 &
waiting=$!
until_true 20 sh -c "[ -s '$KINDERGARTEN_HOME/run/author-operator.lock' ]"
sleep 0.2
kill -9 "$waiting" 2>/dev/null || true
wait "$waiting" 2>/dev/null || true
kill -CONT "$keeper"
"$k" remember -t insight -m 'came later' >/dev/null
[ -z "$(git -C "$memory" for-each-ref refs/heads/forks)" ] || fail "the operator forked"

# A checkpoint names what moved, and none is signed when nothing has.
"$k" down
"$k" up -n 2 --detach >/dev/null 2>&1
"$k" down
before=$(git -C "$memory" log --all --format=%s | grep -c '^checkpoint' || true)
"$k" up -n 2 --detach >/dev/null 2>&1
"$k" remember -t insight -m 'one chain moves' >/dev/null
"$k" down
after=$(git -C "$memory" log --all --format=%s | grep -c '^checkpoint' || true)
[ "$after" -eq $((before + 1)) ] || fail "$before checkpoints, then $after"
[ "$(checkpoint_heads)" -eq 1 ] || fail "the checkpoint names $(checkpoint_heads) heads"

"$k" verify --all >"$root/out" || fail "verify: $(cat "$root/out")"
