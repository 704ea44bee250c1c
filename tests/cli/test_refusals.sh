#!/bin/bash
# What the commands of the memory say when they are asked for what cannot be: the cause, and codes
# that tell "no" from trouble.
. "$(dirname "$0")/lib.sh"

# refuse CODE TEXT ARGUMENT…: that code, with the text on stderr, and nothing on stdout.
refuse() {
	want=$1
	why=$2
	shift 2
	"$kg" "$@" >"$here/out" 2>"$here/err" </dev/null
	code=$?
	[ "$code" -eq "$want" ] || complain "kindergarten $*: exit $code, not $want"
	[ ! -s "$here/out" ] || complain "kindergarten $*: an answer on stdout"
	err "$why"
}

# Nobody has been here yet.
for command in recall log trace 'show abcdef' reindex 'quarantine abcdef' 'export e.bundle'; do
	# shellcheck disable=SC2086 # words
	refuse 1 'no identity in' $command
	err 'identity new'
done
"$kg" identity new --no-passphrase >/dev/null 2>&1
for command in recall verify 'erase abcdef' compact 'revoke agent-0' 'rotate operator'; do
	# shellcheck disable=SC2086 # words
	refuse 1 'nothing has been remembered in' $command
done

id=$("$kg" remember -t insight 'Blue and yellow make green' --tags colour | head -n 1)
refuse 1 'nobody has left a trace' trace
refuse 1 'operator has left no trace' trace operator
refuse 1 'no entry 0123456789' show 0123456789
refuse 1 'no entry 0123456789' erase 0123456789
refuse 111 'no generated text' replay "$id"
refuse 100 'not UTF-8' recall "$(printf 'caf\351')"
refuse 100 'similar to what' recall --similar ''
refuse 100 'one list' remember -t insight x --tags a --tags b
refuse 100 'KEY: not 64' trust xyz --name elm

# A file that is asked for in the wrong place is trouble, and nothing but a file is replaced by one.
refuse 111 "$here/none/e.bundle" export "$here/none/e.bundle"
refuse 111 "$here/none/signers" verify --signers "$here/none/signers"
refuse 100 'a bundle goes into a file' export -
mkfifo "$here/pipe"
refuse 111 'not a regular file' export "$here/pipe"
refuse 111 'not a regular file' verify --signers "$here/pipe"
[ -p "$here/pipe" ] || complain 'a pipe was replaced'
echo nothing >"$here/no.bundle"
refuse 111 "$here/no.bundle: not a git bundle" import "$here/no.bundle"

# What was done already is no, and no trouble.
expect 0 revoke operator
refuse 1 'operator is revoked after entry 1 already' revoke operator
expect 0 rotate operator
expect 0 remember -t insight 'Green again'

# Where the index has no more room an entry may be kept all the same, and is not stored twice. Its
# journal fits into the limit, its 3,000 words do not fit into the index's.
(
	ulimit -f 34
	seq 1000 3999 | tr '\n' ' ' | "$kg" remember -t insight --message - >"$here/out" 2>"$here/err"
)
err 'kindergarten: remember: what is signed may be stored later (see'
expect 0 remember -t insight 'Said afterwards'
expect 0 recall 3999
[ "$(grep -c insight "$here/out")" -eq 1 ] || complain 'said once, stored twice'

# A command that writes waits for one that is about to end.
for number in 1 2 3 4; do
	"$kg" remember -t insight "At once, $number" >/dev/null 2>>"$here/err" &
	"$kg" reindex >/dev/null 2>>"$here/err" &
	"$kg" compact >/dev/null 2>>"$here/err" &
done
wait
[ ! -s "$here/err" ] || complain 'commands at the same time'
expect 0 verify
out ' 0 findings'
finish
