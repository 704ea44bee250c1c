#!/bin/sh
# SPDX-License-Identifier: MIT
# A random walk: three swarms say, seal, cite, compact, rotate, quarantine, erase, export, import and
# exchange in any order. After every step nothing is found, and stock git is content; now and then
# clones are judged as well. The seed of the walk is fixed, so that it is the same everywhere;
# KG_WALK_SEED and KG_WALK_STEPS make it another one.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
export KINDERGARTEN_MEMORY_TTL_HEARTBEAT_HOURS=0.0000001
start=${KG_WALK_SEED:-5}
steps=${KG_WALK_STEPS:-30}
seed=$start
trail=$root/trail

# draw N: a number below N in $drawn.
draw() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}

lost() {
	cat "$trail" >&2
	fail "seed $start: $*"
}

# sound SWARM: as it should be, for verify and for stock git.
sound() {
	as "$1" verify --all >"$root/verdict" 2>&1 || lost "verify: $(cat "$root/verdict")"
	git -C "$root/$1/memory.git" fsck --strict >"$root/fsck" 2>&1 || lost "fsck: $(cat "$root/fsck")"
}

# cloned SWARM: a mirror and a plain clone of it are so too.
cloned() {
	for how in --mirror --no-checkout; do
		rm -rf "$root/copy"
		git clone -q "$how" "$root/$1/memory.git" "$root/copy" || lost "clone $how"
		as "$1" verify --all --repository "$root/copy" --swarm "$(key "$1")" >"$root/verdict" 2>&1 ||
			lost "verify of a clone $how: $(cat "$root/verdict")"
	done
}

# step CODES COMMAND…: ends with one of these.
step() {
	codes=$1
	shift
	echo "$*" >>"$trail"
	code=0
	"$@" >"$root/out" 2>"$root/err" || code=$?
	case " $codes " in
	*" $code "*) ;;
	*) lost "exit $code: $* ($(cat "$root/out" "$root/err"))" ;;
	esac
}

# one SWARM: an entry that it has, of whomever.
one() {
	everything "$1" | perl -MJSON::PP -0777 -ne '
		my $e = decode_json($_)->{entries}; print $e->[$ENV{drawn} % @$e]{id}'
}

# other SWARM: one that it exchanges with. Oak and ash know of each other through elm alone.
other() {
	case $1 in
	elm) [ $((seed / 65536 % 2)) -eq 0 ] && echo oak || echo ash ;;
	*) echo elm ;;
	esac
}

walk() {
	draw 3
	who=$(echo oak elm ash | cut -d ' ' -f $((drawn + 1)))
	draw 1000
	export drawn
	it=$(one "$who")
	other=$(other "$who")
	draw 16
	case $drawn in
	0) step 0 as "$who" remember --memory-type insight --message "$who says $1" ;;
	1 | 2 | 3)
		for n in 1 2 3; do
			step 0 as "$who" remember --memory-type heartbeat --message "$who lives, $1.$n"
		done
		;;
	4) step 0 as "$who" remember --memory-type observation --private --message "secret $1" ;;
	5) step 0 as "$who" remember --memory-type learning --references "$it" --message "cites $1" ;;
	6 | 7) step 0 as "$who" compact ;;
	8) step 0 as "$who" rotate operator ;;
	9) step '0 1' as "$who" quarantine "$it" ;;
	10) step '0 1' as "$who" quarantine --lift "$it" ;;
	11) step '0 1' as "$who" erase "$it" ;;
	12 | 13) step 0 as "$who" sync hub ;;
	14) step 0 as "$who" sync "$root/$other" --name "$other" ;;
	15)
		step 0 as "$who" export "$root/walk.bundle"
		step 0 as "$other" import "$root/walk.bundle"
		sound "$other"
		;;
	esac
	sound "$who"
}

: >"$trail"
git init -q --bare "$root/hub.git"
for who in oak elm ash; do
	found "$who"
done
befriend oak elm
befriend elm ash
for who in elm oak ash; do
	step 0 as "$who" sync "$root/hub.git" --name hub
done
i=0
while [ $i -lt "$steps" ]; do
	i=$((i + 1))
	walk $i
	[ $((i % 10)) -ne 0 ] || cloned "$who"
done
# They meet, and one comes late.
for who in oak ash elm oak ash; do
	step 0 as "$who" sync hub
	sound "$who"
done
found fir
for who in oak elm ash; do
	befriend fir "$who"
done
step 0 as fir sync "$root/hub.git" --name hub
sound fir
cloned fir
echo "walked $steps steps from $start"
