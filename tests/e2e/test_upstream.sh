#!/bin/sh
# SPDX-License-Identifier: MIT
# The calls that mmogit documents, as written there, with a swarm and without; its messages imported.
# shellcheck disable=SC1091,SC2154 # lib.sh is beside it
. "$(dirname "$0")/lib.sh"
k=$kindergarten
memory=$KINDERGARTEN_HOME/memory.git

texts() {
	field '->{entries}' >/dev/null <"$root/found"
	perl -MJSON::PP -0777 -ne 'print map { "$_->{text}\n" } @{decode_json($_)->{entries}}' "$root/found"
}

# recalled TEXT ARGUMENTS…: exactly this one entry is found.
recalled() {
	want=$1
	shift
	"$k" recall "$@" --json >"$root/found" || fail "nothing found: recall $*"
	[ "$(texts)" = "$want" ] || fail "recall $*: '$(texts)', not '$want'"
}

calls() {
	"$k" remember --memory-type insight \
		--message "Complex-valued weights preserve more information at 2 bits ($1)" \
		--tags "$1,quantization,collective-insight" --consciousness-level 0.8 >/dev/null
	"$k" remember --memory-type insight --message "Said with less awareness ($1)" \
		--tags "$1,collective-insight" --consciousness-level 0.3 >/dev/null
	recalled "Complex-valued weights preserve more information at 2 bits ($1)" \
		--tag "$1" --hours 24 --min-consciousness 0.7
	# As its parser has it: the text by position, -t, --public, types in any case.
	"$k" remember "Sweep the floor ($1)" -t task --tags "$1" --public >/dev/null
	"$k" remember -t Observation "The tide rises ($1)" --tags "$1" --confidence 0.75 >/dev/null
	"$k" remember --memory-type reflection "It was calm ($1)" --tags "$1" >/dev/null
	recalled "Sweep the floor ($1)" -t task "$1"
	recalled "It was calm ($1)" --memory-type Reflection --tag "$1"
	recalled "The tide rises ($1)" --tag "$1" --confidence 0.5
	"$k" recall --tag "$1" --hours 24 --min-consciousness 0.95 >/dev/null && fail "found what is not there"
	git -C "$memory" log --all --format=%b | grep -q "It was calm ($1)" || fail "git does not have it"
}

code=0
"$k" remember --memory-type nonsense --message x >/dev/null 2>&1 || code=$?
[ "$code" -eq 100 ] || fail "a type that is none: exit $code"
code=0
"$k" remember x -t insight --public --private >/dev/null 2>&1 || code=$?
[ "$code" -eq 100 ] || fail "public and private: exit $code"

"$k" up -n 2 --detach >/dev/null 2>&1
calls live
"$k" down
calls offline

# ---- messages ----

m=$root/mmogit/messages
mkdir -p "$m"
git init -q "$m"
git -C "$m" config user.name mmogit
git -C "$m" config user.email mmogit@local
git -C "$m" checkout -q --orphan users/1de352e4
author=1de352e44cd333672593f2334a730e180aaf290de89aa16d480de594e34e2961
signature=8cf02ff013a06a05916c07c213be4e7d4e8f2227524345af79501bfabf90d58054c8d7b78277f79949cb55d58f55ff3a6505ab8b67a3d829e64b80facd806606
time='2025-08-27T15:30:45.123456789+00:00'
message() {
	printf '{\n  "content": "%s",\n  "author": "%s",\n  "timestamp": "%s",\n  "signature": "%s"\n}' "$@"
}
message 'Hello, sovereign world!' "$author" "$time" "$signature" >"$m/hello.json"
git -C "$m" add .
git -C "$m" commit -qm 'Message: Hello, sovereign world!'
# The tip has lost it; the history has not.
git -C "$m" rm -q hello.json
git -C "$m" commit -qm 'Message: nothing'
[ -z "$(git -C "$m" ls-tree users/1de352e4)" ] || fail "the tip still has it"

"$k" import --mmogit "$root/mmogit" >"$root/out" || fail "a good message was refused"
[ "$(cat "$root/out")" = "1 imported, 0 known, 0 refused" ] || fail "import said: $(cat "$root/out")"
recalled 'Hello, sovereign world!' sovereign
id=$(field '->{entries}[0]{id}' <"$root/found")
"$k" show "$id" | grep -q "origin      mmogit, $time by $author" || fail "show does not tell the origin"
"$k" import --mmogit "$root/mmogit" >"$root/out" || fail "the second import failed"
[ "$(cat "$root/out")" = "0 imported, 1 known, 0 refused" ] || fail "imported twice: $(cat "$root/out")"

# What its own reader takes: a spliced one, another's signature, a key of low order, half a key,
# bytes that are no text. Each is named, the good one beside them comes in all the same.
bad=$root/bad
mkdir "$bad"
zeros=$(printf '%064d' 0)
message 'Hello' "$author" ", sovereign world!$author$time" "$signature" >"$bad/spliced.json"
message 'Hello, sovereign worms!' "$author" "$time" "$signature" >"$bad/changed.json"
message 'x' "$zeros" "$time" "01$(printf '%0126d' 0)" >"$bad/nobody.json"
message 'x' "${author%????????}" "$time" "$signature" >"$bad/half.json"
printf '\377\376{' >"$bad/bytes.json"
b=c5785e1865b708938aff8161d573006496663b1aa10834e396dc566869a2c66a
message 'Hello, sovereign world!' "$b" "$time" \
	1a3a8ebde78da94d217d45e7f406eeda94b04e8c0b1cea7c94e348893b91fbced7707a5a61d3a59d3a20ce50a0d6be6014b22617a83ced9e6f92e3215855de08 \
	>"$bad/good.json"
code=0
"$k" import --mmogit "$bad" >"$root/out" 2>"$root/err" || code=$?
[ "$code" -eq 1 ] || fail "refused messages: exit $code"
[ "$(cat "$root/out")" = "1 imported, 0 known, 5 refused" ] || fail "import said: $(cat "$root/out")"
for line in 'spliced.json: malformed' 'changed.json: bad_signature' 'nobody.json: weak_key' \
	'half.json: malformed' 'bytes.json: not_utf8'; do
	grep -q "^refused $line: " "$root/err" || fail "not told: $line ($(cat "$root/err"))"
done
code=0
"$k" import --mmogit "$bad" --json >"$root/json" || code=$?
[ "$code" -eq 1 ] || fail "refused messages in JSON: exit $code"
[ "$(field '->{known}' <"$root/json")" -eq 1 ] || fail "JSON: $(cat "$root/json")"
[ "$(field '->{refused}[0]{file}' <"$root/json")" = bytes.json ] || fail "JSON: $(cat "$root/json")"
[ "$(field '->{ok}' <"$root/json")" = false ] || fail "JSON: $(cat "$root/json")"

# A private one needs the words of its author.
sealed=$root/sealed
mkdir "$sealed"
cp "$KG_SOURCE_DIR/tests/fuzz/corpus/mmogit/envelope" "$sealed/private.json"
code=0
"$k" import --mmogit "$sealed" >/dev/null 2>"$root/err" || code=$?
[ "$code" -eq 1 ] || fail "a closed envelope: exit $code"
grep -q '^refused private.json: encrypted' "$root/err" || fail "not told as encrypted"
(yes abandon | head -n 23 | tr '\n' ' ' && echo art) >"$root/words"
"$k" import --mmogit "$sealed" --mmogit-words "$root/words" >"$root/out" || fail "the words do not open it"
# It is the message that came in already.
[ "$(cat "$root/out")" = "0 imported, 1 known, 0 refused" ] || fail "import said: $(cat "$root/out")"
trouble 'no repository' "$k" import --mmogit "$root/nothing"

# With a swarm it goes through its keeper.
"$k" up -n 1 --detach >/dev/null 2>&1
cp "$KG_SOURCE_DIR/tests/fuzz/corpus/mmogit/structured" "$sealed/learning.json"
"$k" import --mmogit "$sealed" --mmogit-words "$root/words" >"$root/out" || fail "live: refused"
[ "$(cat "$root/out")" = "1 imported, 1 known, 0 refused" ] || fail "live: $(cat "$root/out")"
recalled 'C: check: x' -t learning --tag two-words
"$k" down
"$k" verify --all >"$root/out" || fail "verify: $(cat "$root/out")"
