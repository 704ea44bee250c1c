#!/bin/sh
# SPDX-License-Identifier: MIT
# An entry is taken out of what is believed while the swarm runs, and brought back.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten

"$k" up -n 2 --detach >"$root/up" 2>/dev/null
id=$("$k" remember --memory-type insight --message 'The moon is made of cheese' \
	--tags collective-insight --consciousness-level 0.9 | head -n 1)
below=$("$k" remember --memory-type learning --message 'So mice live on the moon' \
	--references "$id" | head -n 1)
[ "$("$k" recall moon --json | field '->{entries}[1]{text} // ""')" != '' ] || fail 'not both found'
marked=$("$k" quarantine "$id" --reason 'it is rock' --json | field '->{marked}')
[ "$marked" = 2 ] || fail "$marked entries marked, not 2"
code=0
"$k" recall moon --json >"$root/found" || code=$?
[ "$code" -eq 1 ] || fail "found under quarantine: $(cat "$root/found")"
[ "$("$k" show "$below" --json | field '->{derived_from}')" = "$id" ] || fail 'not derived'
# Of what an agent was given, its prompt would tell.
"$k" ask 'I discovered a pattern: what is the moon made of?' >/dev/null 2>&1
"$k" log --json >"$root/log"
grep -q 'cheese' "$root/log" || fail 'the entry itself is gone'
perl -MJSON::PP -0777 -ne '
	for my $e (@{decode_json($_)->{entries}}) {
		die "$e->{id}\n" if $e->{agent_name} =~ /^agent/ && grep { $_ eq "'"$id"'" } @{$e->{references}};
	}' "$root/log" || fail 'an agent learned from it'
# The index has it from git alone.
rm -f "$KINDERGARTEN_HOME"/index.sqlite*
"$k" reindex >/dev/null
[ "$("$k" show "$below" --json | field '->{quarantined}')" = true ] || fail 'lost with the index'
"$k" quarantine "$id" --lift >/dev/null
"$k" recall moon >/dev/null || fail 'still under quarantine'
"$k" down
"$k" verify >/dev/null || fail 'verify'
[ "$("$k" show "$below" --json | field '->{quarantined}')" = false ] || fail 'not lifted'
