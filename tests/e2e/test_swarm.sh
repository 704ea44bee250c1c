#!/bin/sh
# SPDX-License-Identifier: MIT
# A swarm from its start to its end: births, answers, the record they leave.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten

trouble 'no swarm is running' "$k" ps
"$k" up -n 4 --detach >"$root/up" 2>"$root/words"
grep -q '^4 agents ready in ' "$root/up" || fail "up said: $(cat "$root/up")"
[ "$(grep -cE '^  ([a-z]+ ){23}[a-z]+$' "$root/words")" -eq 1 ] || fail "no 24 words"

"$k" ps --json >"$root/ps"
for what in pid key genome weights_digest seed; do
	n=$(perl -MJSON::PP -0777 -ne "my %s; \$s{\$_->{$what}}++ for @{decode_json(\$_)->{agents}}; print scalar keys %s" "$root/ps")
	[ "$n" -eq 4 ] || fail "$n different values of $what, not 4"
done
for i in 0 1 2 3; do
	pid=$(field "->{agents}[$i]{pid}" <"$root/ps")
	tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '^kindergarten role agent' || fail "process $pid"
	[ "$(field "->{agents}[$i]{state}" <"$root/ps")" = ready ] || fail "agent-$i is not ready"
done
orchestrator=$(field '->{pid}' <"$KINDERGARTEN_HOME/run/swarm.json")
keeper=$(field '->{keeper}{pid}' <"$root/ps")

# An answer, its numbers, and the same again: greedy and from the same agents.
"$k" ask --json 'What is 2 + 3?' >"$root/first"
"$k" ask --json 'What is 2 + 3?' >"$root/second"
[ "$(field '->{answer}' <"$root/first")" = "$(field '->{answer}' <"$root/second")" ] ||
	fail "two answers to one question: $(cat "$root/first" "$root/second")"
perl -MJSON::PP -0777 -ne '
	my $d = decode_json($_);
	my @c = @{$d->{candidates}};
	my $equal = grep { $_->{text} eq $d->{answer} } @c;
	my ($best) = sort { $b <=> $a } map { $_->{score} } grep { defined $_->{score} } @c;
	my ($chosen) = grep { $_->{text} eq $d->{answer} } @c;
	die "candidates\n" unless @c == 4;
	die "agreement\n" unless abs($d->{agreement} - $equal / @c) < 1e-9;
	die "best\n" unless abs($chosen->{score} - $best) < 1e-9 && $best < 0;
' "$root/first" || fail "the answer does not hold: $(cat "$root/first")"
[ "$(printf 'What is 2 + 3?' | "$k" ask --json -k 2 - | field '->{candidates}[1]{agent}')" != '' ] ||
	fail "no second candidate of two"
"$k" ask 'What is 2 + 3?' >"$root/text" 2>"$root/about"
grep -q '^agreement [01]\.[0-9][0-9] of 4' "$root/about" || fail "no agreement told"

# What the sharing rule lets out is signed, stored and in git when the answer is told.
id=$("$k" ask --json 'I discovered a pattern: 2 4 6' | field '->{entries}[0] // "none"')
git -C "$KINDERGARTEN_HOME/memory.git" config gpg.ssh.allowedSignersFile "$KINDERGARTEN_HOME/allowed_signers"
if [ "$id" != none ]; then
	"$k" show "$id" >/dev/null || fail "show $id"
fi

trouble 'is running in .* already' "$k" up -n 1 --detach
"$k" ps >/dev/null || fail "the second up did harm"
"$k" logs keeper | grep -q 'keeper info keeper.ready' || fail "no log of the keeper"
[ "$("$k" logs | cut -c1-24 | LC_ALL=C sort -c 2>&1 | wc -l)" -eq 0 ] || fail "logs out of order"

"$k" down
for pid in "$orchestrator" "$keeper"; do
	is_gone "$pid" || fail "process $pid is left"
done
for i in 0 1 2 3; do
	is_gone "$(field "->{agents}[$i]{pid}" <"$root/ps")" || fail "agent-$i is left"
done
[ -z "$(find "$KINDERGARTEN_HOME/run" -name '*.sock' -o -name 'swarm.json')" ] || fail "files left in run/"
trouble 'no swarm is running' "$k" down

# Every commit verifies with stock git; the last word is a checkpoint of every chain.
for commit in $(git -C "$KINDERGARTEN_HOME/memory.git" rev-list --all); do
	git -C "$KINDERGARTEN_HOME/memory.git" verify-commit "$commit" 2>/dev/null ||
		fail "git refuses commit $commit"
done
git -C "$KINDERGARTEN_HOME/memory.git" log --all --format=%s | grep -q '^checkpoint: 4 chains' ||
	fail "no checkpoint"
"$k" verify --all || fail "verify"

# Ctrl-C in the foreground is the same as down, and the same label gives the same weights.
"$k" up -n 4 >"$root/front" &
pid=$!
until_true 30 grep -qs ready "$root/front"
"$k" ps --json >"$root/ps2"
for i in 0 1 2 3; do
	[ "$(field "->{agents}[$i]{weights_digest}" <"$root/ps")" = \
	"$(field "->{agents}[$i]{weights_digest}" <"$root/ps2")" ] || fail "agent-$i has other weights"
done
kill -INT "$pid"
wait "$pid" || fail "up ended with $?"

# A strategy with a name as long as they come reaches the agents whole.
mix='mix:attn_q=int2,attn_k=int4,attn_v=int8,ffn_down=int4,*=fairy2'
"$k" up -n 1 --strategy "$mix" --detach >/dev/null
[ "$("$k" ps --json | field '->{agents}[0]{strategy}')" = "$mix" ] || fail "another strategy: $("$k" ps)"
"$k" down
echo ok
