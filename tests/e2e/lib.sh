# SPDX-License-Identifier: MIT
# What the scripts share: a state directory of their own, and checks that say what they expected.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by the scripts
set -eu

kindergarten=$1
root=$(mktemp -d /tmp/kg-e2e-XXXXXX)
KINDERGARTEN_HOME=$root/state
export KINDERGARTEN_HOME
unset KINDERGARTEN_KERNEL

fail() {
	echo "FAIL: $*" >&2
	tail -n 20 "$KINDERGARTEN_HOME"/log/*.log >&2 2>/dev/null || true
	exit 1
}

# Ends what a failed test left running, by the process the state directory names.
finish() {
	pid=$(cat "$KINDERGARTEN_HOME/run/orchestrator.lock" 2>/dev/null || true)
	[ -z "$pid" ] || [ ! -e "$KINDERGARTEN_HOME/run/swarm.json" ] || kill -9 "$pid" 2>/dev/null || true
	[ ! -d "$root/small" ] || umount "$root/small" 2>/dev/null || true
	rm -rf "$root"
}
trap finish EXIT

# until_true SECONDS COMMAND…: the condition comes true in time.
until_true() {
	ticks=$(($1 * 20))
	shift
	while ! "$@"; do
		ticks=$((ticks - 1))
		[ "$ticks" -gt 0 ] || fail "never came true: $*"
		sleep 0.05
	done
}

# trouble WORDS COMMAND…: exit 111, nothing on stdout, one line on stderr that has the words.
trouble() {
	words=$1
	shift
	code=0
	"$@" >"$root/out" 2>"$root/err" || code=$?
	[ "$code" -eq 111 ] || fail "exit $code, not 111: $* ($(cat "$root/err"))"
	[ ! -s "$root/out" ] || fail "output on stdout: $*"
	[ "$(wc -l <"$root/err")" -eq 1 ] || fail "not one line of error: $(cat "$root/err")"
	grep -q "$words" "$root/err" || fail "no word of '$words' in: $(cat "$root/err")"
}

# field EXPRESSION: of JSON on stdin, by the means every Debian has once git and a compiler are.
field() {
	perl -MJSON::PP -0777 -ne "my \$d = JSON::PP->new->decode(\$_); my \$v = \$d$1; print ref(\$v) eq 'JSON::PP::Boolean' ? (\$v ? 'true' : 'false') : \$v, qq{\n}"
}

agent_pid() {
	"$kindergarten" ps --json | field "->{agents}[$1]{pid}"
}

agent_state() {
	"$kindergarten" ps --json | field "->{agents}[$1]{state}"
}

# Ended; whether its parent has taken note is not our concern.
is_gone() {
	! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null
}
