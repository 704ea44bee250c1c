#!/bin/sh
# SPDX-License-Identifier: MIT
# Finding entries, why they are found, what they rest on, and taking them out of what is believed.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$KG_SOURCE_DIR/tests/cli/lib.sh"

# say TYPE TEXT [OPTION…]: remembers it; $id is its id.
say() {
	type=$1
	text=$2
	shift 2
	expect 0 remember --memory-type "$type" --message "$text" "$@"
	id=$(head -n 1 "$here/out")
}

"$kg" identity new --no-passphrase >/dev/null 2>&1
say insight 'Blue and yellow make green' --tags colour --confidence 0.9
green=$id
say learning 'So green paint needs blue paint' --references "$green"
paint=$id
say reflection 'Blue is everywhere I look' --references "$paint,$green"
look=$id
say observation 'The sea is blue'
sea=$id

# Words: all of them, or any.
expect 0 recall blue paint
out "$(printf %.12s "$paint")"
no_out 'The sea'
expect 1 recall blue nonsense --json
json
expect 0 recall --any blue nonsense
out 'The sea'
expect 0 recall --min-confidence 0.5
out green
no_out 'The sea'
expect 100 recall --min-confidence 2
expect 100 recall --similar sea blue
expect 100 recall --model nursery blue

# Why.
expect 0 recall blue paint --explain
out 'relevance'
out 'blue 1 times, paint 2 times'
out 'paint                in 1 of '
out '1 entry weighed'
expect 0 recall blue --explain --json
json
for key in '"why"' '"score"' '"relevance"' '"trust"' '"corroboration"' '"left_out"' '"weighed"'; do
	out "$key"
done

# What it rests on, and what rests on it.
expect 0 show "$paint" --tree
out "\`-- $(printf %.12s "$green")  operator  insight  Blue and yellow make green"
out "\`-- $(printf %.12s "$look")  operator  reflection  Blue is everywhere I look"
expect 0 show "$green" --tree
out "|-- $(printf %.12s "$paint")"
out '(above)'
expect 0 show "$green" --tree --depth 1
out '...'
expect 0 show "$paint" --tree --json
json
out '"rests_on"'
out '"rested_on_by"'
expect 0 show "$sea" --tree
out 'nothing'
expect 100 show "$sea" --tree --depth 0

# Quarantine: the entry, and what rests on it.
expect 0 quarantine "$green" --reason 'wrong colours'
out 'is under quarantine, with 2 that rest on it'
order=$(head -n 1 "$here/out")
expect 0 recall blue
out 'The sea'
no_out green
expect 0 recall --quarantined blue
out 'QUARANTINED'
out "RESTS ON QUARANTINED $(printf %.12s "$green")"
expect 0 recall --quarantined --json blue
json
out "\"derived_from\": \"$green\""
expect 0 log
out 'revocation, quarantine'
out 'wrong colours'
out 'RESTS ON QUARANTINED'
expect 0 log operator --json
json
out '"quarantined": true'
expect 0 show "$green"
out "quarantine  $order"
"$kg" quarantine "$green" >"$here/out" 2>"$here/err" && complain 'a second quarantine of the same'
err 'under quarantine already'
"$kg" quarantine --lift "$paint" >"$here/out" 2>"$here/err" && complain 'lifts what was not laid'
err 'itself is not under quarantine'
expect 0 reindex --json
json
expect 0 recall --quarantined blue
out 'QUARANTINED'
rm "$KINDERGARTEN_HOME"/index.sqlite*
expect 0 recall blue
no_out green
expect 0 quarantine "$green" --lift --json
json
out '"quarantined":false'
expect 0 recall blue
out green
no_out QUARANTINED
expect 0 verify

# Entries that mean about the same; the vectors are disposable.
expect 0 recall --similar "$sea" --limit 2
out 'similarity'
no_out 'The sea'
expect 0 recall --similar 'the colour of the sea' --json
json
out '"similarity"'
cp "$here/out" "$here/before"
rm "$KINDERGARTEN_HOME"/vectors.sqlite*
expect 0 reindex --vectors --json
out '"vectors":4'
expect 0 recall --similar 'the colour of the sea' --json
cmp -s "$here/out" "$here/before" || complain 'vectors made again give another answer'
head -c 5000 /dev/urandom >"$KINDERGARTEN_HOME/vectors.sqlite"
expect 0 recall --similar 'the colour of the sea' --json
cmp -s "$here/out" "$here/before" || complain 'a damaged file of vectors gives another answer'
expect 111 recall --similar sea --model /nonexistent
finish
