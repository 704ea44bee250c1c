#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 in the middle of taking in, at many moments, with and without a swarm that runs; and
# Ctrl-C. What is there is always whole, and doing it again finishes it.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
fill=$KG_BUILD_DIR/tests/e2e/fill

found oak
found elm
befriend oak elm
"$fill" "$root/oak" 20 250
as oak export "$root/oak.bundle" >/dev/null

count() {
	git -C "$root/elm/memory.git" rev-list --all --count
}

# killed_after SECONDS COMMAND…: its parent and its child are gone then.
killed_after() {
	pause=$1
	shift
	"$k" --state "$root/elm" "$@" >/dev/null 2>&1 &
	victim=$!
	sleep "$pause"
	kill -9 "$victim" 2>/dev/null || true
	wait "$victim" 2>/dev/null || true
}

# How long it takes when nobody kills it.
cp -a "$root/elm" "$root/calm"
start=$(date +%s%N)
as calm import "$root/oak.bundle" >/dev/null
whole=$((($(date +%s%N) - start) / 1000000))

before=$(count)
partial=0
for percent in 5 30 55 65 70 75 80 84 88 91 94 97; do
	pause=$(printf '%d.%03d' $((whole * percent / 100000)) $((whole * percent / 100 % 1000)))
	killed_after "$pause" import "$root/oak.bundle"
	as elm verify --all >"$root/out" || fail "after $pause s: $(tail -n 3 "$root/out")"
	now=$(count)
	[ "$now" -ge "$before" ] || fail "after $pause s: $before entries have become $now"
	[ "$now" -eq "$before" ] || partial=$((partial + 1))
	before=$now
done
echo "killed 12 times; $partial times something new was there"
as elm import "$root/oak.bundle" >/dev/null
as elm export "$root/elm.bundle" >/dev/null
as oak import "$root/elm.bundle" >/dev/null
same oak elm

# The same while a keeper does the writing.
"$fill" "$root/oak" 20 200
as elm up -n 1 --detach >/dev/null 2>&1
for pause in 0.1 0.3 0.6; do
	killed_after "$pause" sync "$root/oak" --name oak
	as elm verify --all >"$root/out" || fail "beside a keeper, after $pause s: $(tail -n 3 "$root/out")"
done
as elm sync "$root/oak" --name oak >"$root/out" 2>&1 || fail "$(cat "$root/out")"
as elm down >/dev/null
as oak sync "$root/elm" --name elm >/dev/null 2>&1
same oak elm
rm -f "$root/elm/run/"sync-*.lock

# Ctrl-C while a server says nothing: one line, and nothing is left.
mute=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => shift); $c = $s->accept; sleep 60' \
	"$mute" &
server=$!
trap 'kill "$server" 2>/dev/null || true; finish' EXIT
cat >"$root/interrupt.pl" <<'PERL'
# A shell's background jobs do not see SIGINT; a program that perl starts does.
my ($words, @command) = @ARGV;
my $pid = fork // die;
if (!$pid) { $SIG{INT} = 'DEFAULT'; exec @command or die }
my $waited = 0;
until (-e $words or $waited++ > 200) { select undef, undef, undef, 0.05 }
select undef, undef, undef, 0.3;
kill INT => $pid;
waitpid $pid, 0;
exit($? >> 8 || ($? & 127 ? 99 : 0));
PERL
port=$(printf '%04X' "$mute")
until_true 10 grep -q ":$port " /proc/net/tcp
code=0
perl "$root/interrupt.pl" "$root/elm/incoming/x.git" "$k" --state "$root/elm" sync \
	"git://127.0.0.1:$mute/x.git" --name x >"$root/out" 2>"$root/err" || code=$?
[ "$code" -eq 111 ] || fail "Ctrl-C: exit $code: $(cat "$root/err")"
says interrupted
[ ! -e "$root/elm/incoming/x.git" ] || fail "Ctrl-C left a quarantine"
[ ! -e "$root/elm/remotes/x.json" ] || fail "Ctrl-C left a remote"
echo ok
