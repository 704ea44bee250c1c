#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of every kind of process in the middle of a round. A stopped agent holds the round open,
# so that the blow falls where it is meant to.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten

is_busy() {
	[ "$(agent_state "$1")" = busy ]
}

is_ready_again() {
	[ "$(agent_state "$1")" = ready ] && [ "$(agent_pid "$1")" != "$2" ]
}

keeper_pid() {
	"$k" ps --json | field '->{keeper}{pid}'
}

is_keeper_back() {
	[ "$("$k" ps --json | field '->{keeper}{state}')" = ready ] && [ "$(keeper_pid)" != "$1" ]
}

entries() {
	git -C "$KINDERGARTEN_HOME/memory.git" rev-list --all | LC_ALL=C sort
}

# The installation that the swarm was started from is replaced under it, or gone: its processes are
# started again from the programs it began with.
mkdir "$root/bin"
cp "$k" "$k"-* "$root/bin"
"$root/bin/kindergarten" up -n 3 --detach >/dev/null 2>&1
rm -r "${root:?}/bin"
"$k" ps --json >"$root/ps"

# An agent dies: the answer comes from the others; it is back with its key, on its chain.
victim=$(agent_pid 1)
kill -STOP "$victim"
"$k" ask --json 'an insight, a pattern' >"$root/answer" &
ask=$!
until_true 20 is_busy 1
kill -9 "$victim"
wait "$ask" || fail "ask ended with $?"
[ "$(field '->{candidates}[1]{agent}' <"$root/answer")" = agent-2 ] || fail "$(cat "$root/answer")"
[ "$(perl -MJSON::PP -0777 -ne 'print scalar @{decode_json($_)->{candidates}}' "$root/answer")" -eq 2 ] ||
	fail "not two candidates: $(cat "$root/answer")"
until_true 20 is_ready_again 1 "$victim"
"$k" ps --json >"$root/ps2"
for what in key genome weights_digest; do
	[ "$(field "->{agents}[1]{$what}" <"$root/ps")" = "$(field "->{agents}[1]{$what}" <"$root/ps2")" ] ||
		fail "agent-1 came back with another $what"
done
[ "$(field '->{agents}[1]{restarts}' <"$root/ps2")" -eq 1 ] || fail "restarts"

# The keeper dies: what it had acknowledged is there, and the round still ends with an answer.
entries >"$root/before"
victim=$(keeper_pid)
held=$(agent_pid 0)
kill -STOP "$held"
"$k" ask --json 'another insight, a pattern' >"$root/answer" &
ask=$!
until_true 20 is_busy 0
kill -9 "$victim"
kill -CONT "$held"
wait "$ask" || fail "ask ended with $?"
until_true 20 is_keeper_back "$victim"
"$k" ask --json 'one more insight, a pattern' >"$root/answer"
entries >"$root/after"
[ -z "$(comm -23 "$root/before" "$root/after")" ] || fail "acknowledged entries are lost"
for id in $(perl -MJSON::PP -0777 -ne 'print join " ", @{decode_json($_)->{entries}}' "$root/answer"); do
	"$k" show "$id" >/dev/null || fail "entry $id was acknowledged and is not there"
done

# The orchestrator dies: one clear error within seconds, nobody is left, and it starts again.
orchestrator=$(field '->{pid}' <"$KINDERGARTEN_HOME/run/swarm.json")
"$k" ps --json >"$root/ps"
held=$(agent_pid 0)
kill -STOP "$held"
"$k" ask 'why?' >"$root/out" 2>"$root/err" &
ask=$!
until_true 20 is_busy 0
kill -9 "$orchestrator"
code=0
wait "$ask" || code=$?
[ "$code" -eq 111 ] || fail "ask ended with $code"
[ "$(wc -l <"$root/err")" -eq 1 ] || fail "not one line: $(cat "$root/err")"
grep -q 'the orchestrator has ended' "$root/err" || fail "$(cat "$root/err")"
for pid in $(field '->{keeper}{pid}' <"$root/ps") $(field '->{agents}[0]{pid}' <"$root/ps") \
	$(field '->{agents}[1]{pid}' <"$root/ps") $(field '->{agents}[2]{pid}' <"$root/ps"); do
	until_true 20 is_gone "$pid"
done
trouble 'no swarm is running' "$k" ps
"$k" up -n 3 --detach >"$root/up" 2>&1 || fail "$(cat "$root/up")"
"$k" ask 'why?' >/dev/null 2>&1 || fail "no answer after the restart"
[ -z "$(comm -23 "$root/after" - <<EOF
$(entries)
EOF
)" ] || fail "entries are lost"
"$k" down

# An agent that hangs for ever is killed, and comes back.
KINDERGARTEN_SWARM_HUNG_SECONDS=3 "$k" up -n 2 --detach >/dev/null 2>&1
victim=$(agent_pid 0)
kill -STOP "$victim"
"$k" ask --json 'why?' >"$root/answer" || fail "no answer while one hangs"
[ "$(field '->{candidates}[0]{agent}' <"$root/answer")" = agent-1 ] || fail "$(cat "$root/answer")"
until_true 20 is_ready_again 0 "$victim"
"$k" down
"$k" verify --all || fail "verify"
echo ok
