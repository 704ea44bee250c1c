#!/bin/sh
# SPDX-License-Identifier: MIT
# What an agent said it says again: in another process, after a restart, with every kernel. What it
# never said is told from that, however well it is signed.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten
forge=$KG_BUILD_DIR/tests/e2e/forge

# Kernels of this machine, as doctor lists them.
kernels=$("$k" doctor --json | perl -MJSON::PP -0777 -ne '
	my ($c) = grep { $_->{name} eq "kernels" } @{decode_json($_)->{checks}};
	my %seen;
	print join " ", grep { /^(scalar|avx2|avx512vnni|neon)$/ && !$seen{$_}++ }
		split /[^a-z0-9]+/, $c->{value}')
[ -n "$kernels" ] || fail "doctor names no kernel"

"$k" up -n 2 --detach >/dev/null 2>&1
"$k" ask --json 'I discovered a pattern: 2 4 6' >"$root/greedy"
"$k" ask --json --temperature 0.8765432109 --top-k 5 --top-p 0.9123456789 --seed 42 \
	'an insight about the red fox' >"$root/sampled"
"$k" down
for kind in greedy sampled; do
	id=$(field '->{entries}[0] // "none"' <"$root/$kind")
	[ "$id" != none ] || fail "$kind: nothing was published"
	for kernel in $kernels; do
		KINDERGARTEN_KERNEL=$kernel "$k" replay "$id" >"$root/out" ||
			fail "$kind with $kernel: $(cat "$root/out")"
		grep -q '^reproduced: ' "$root/out" || fail "$kind with $kernel: $(cat "$root/out")"
	done
	"$k" show --json "$id" | field '->{commit}' >"$root/commit"
	for what in answer genome tokens; do
		forged=$("$forge" "$KINDERGARTEN_HOME" "$(cat "$root/commit")" "$what") ||
			fail "forge $what"
		"$k" verify "$forged" >/dev/null || fail "$what: a good signature is refused"
		code=0
		"$k" replay --json "$forged" >"$root/out" || code=$?
		[ "$code" -eq 1 ] || fail "$kind, other $what: exit $code"
		[ "$(field '->{reproduced}' <"$root/out")" = false ] ||
			fail "$kind, other $what: $(cat "$root/out")"
	done
	code=0
	"$k" replay "$forged" >"$root/out" || code=$?
	[ "$code" -eq 1 ] || fail "exit $code"
	grep -q '^not reproduced: ' "$root/out" || fail "$(cat "$root/out")"
done
"$k" verify --all >/dev/null || fail "verify"
echo ok
