# SPDX-License-Identifier: MIT
# What the tests of exchange share, on top of lib.sh: several swarms, each in a state of its own.
# shellcheck shell=sh
# shellcheck disable=SC1091,SC2154,SC2034 # lib.sh is beside it, and sets and uses these
. "$(dirname "$0")/lib.sh"
k=$kindergarten

# as SWARM COMMAND…: kindergarten on the state of that swarm.
as() {
	swarm=$1
	shift
	"$k" --state "$root/$swarm" "$@"
}

# found SWARM WORDS: makes it, with three insights of its operator.
found() {
	as "$1" identity new >/dev/null 2>&1
	for n in 1 2 3; do
		say "$1" "$1 says $n"
	done
}

say() {
	as "$1" remember --memory-type insight --message "$2" --tags exchange >/dev/null
}

# key SWARM: of the swarm itself; operator SWARM: of who wrote its insights.
key() {
	as "$1" identity show --json | field '->{swarm}'
}

operator() {
	as "$1" identity show --json | field '->{operator}'
}

# The two believe each other.
befriend() {
	as "$1" trust "$(key "$2")" --name "$2" >/dev/null
	as "$2" trust "$(key "$1")" --name "$1" >/dev/null
}

everything() {
	as "$1" recall --limit 10000 --json
}

remembers() {
	everything "$1" | grep -- "$2" >/dev/null
}

# same SWARM SWARM: the same entries in the same order, and all of them good.
same() {
	everything "$1" >"$root/first.json"
	everything "$2" >"$root/second.json"
	cmp -s "$root/first.json" "$root/second.json" || fail "$1 and $2 remember different things"
	grep -q '"verified": *true' "$root/first.json" || fail "nothing is verified"
	! grep -q '"verified": *false' "$root/first.json" || fail "something is not verified"
}

# commits SWARM: everything that a reader of its memory can reach.
commits() {
	git -C "$root/$1/memory.git" for-each-ref --format='%(refname) %(objectname)'
	git -C "$root/$1/memory.git" rev-list --all | LC_ALL=C sort
}

# no COMMAND…: exit 1, what it says in $root/out and $root/err.
no() {
	code=0
	"$@" >"$root/out" 2>"$root/err" || code=$?
	[ "$code" -eq 1 ] || fail "exit $code, not 1: $* ($(cat "$root/out" "$root/err"))"
}

says() {
	grep -q -- "$1" "$root/err" || fail "no word of '$1' in: $(cat "$root/err")"
}

# chain KEY: the ref of it.
chain() {
	echo "refs/heads/agents/$1"
}
